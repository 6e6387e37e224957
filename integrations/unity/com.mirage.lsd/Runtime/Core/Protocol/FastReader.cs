#nullable enable
using System;

namespace Mirage
{
    /// <summary>
    /// Reads the messages that come with every frame without allocating: <c>result</c>, <c>dropped</c>, <c>wake</c> and
    /// <c>pong</c>. What it takes, <see cref="Message.Decode"/> would take too and make the same of; whatever is unusual, let
    /// alone wrong, it leaves to that. Not for several threads at once.
    /// </summary>
    internal sealed class FastReader
    {
        public enum Kind { Other, Result, Dropped, Wake, Pong }

        [Flags]
        enum Seen
        {
            Id = 1, Planes = 2, Time = 4, Dropped = 8, DroppedIds = 16, Received = 32, Sent = 64, Timings = 128,
            Parameters = 256, Resets = 512, Memory = 1024, Stages = 2048, Reason = 4096, ServerTime = 8192, Type = 16384,
            Lag = 32768,
        }

        readonly StringCache _strings = new StringCache();

        /// <summary>What a <c>pong</c> said.</summary>
        public long ServerTime { get; private set; }

        /// <summary>
        /// Read the message in <paramref name="result"/>'s memory into its fields; of a <c>dropped</c> the ids, of a <c>pong</c>
        /// the time.
        /// </summary>
        public Kind Read(Result result)
        {
            var bytes = new Span<byte>(result.Memory, 0, result.Length);
            result.Clear();
            if (bytes.Length < 4)
                return Kind.Other;
            var size = (uint)(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24);
            if (size > Limits.Header || 4 + size > bytes.Length)
                return Kind.Other;
            var cursor = new PackCursor(bytes.Slice(4, (int)size));
            var kind = Type(cursor);
            return kind != Kind.Other && Fields(ref cursor, kind, result, (int)size) ? kind : Kind.Other;
        }

        /// <summary>The kind of a message whose type comes first, as it does from every server there is.</summary>
        static Kind Type(PackCursor cursor)
        {
            if (!cursor.Map(out _) || !cursor.Text(out var key) || !Is(key, "type") || !cursor.Text(out var type))
                return Kind.Other;
            if (Is(type, "result")) return Kind.Result;
            if (Is(type, "dropped")) return Kind.Dropped;
            if (Is(type, "wake")) return Kind.Wake;
            return Is(type, "pong") ? Kind.Pong : Kind.Other;
        }

        bool Fields(ref PackCursor cursor, Kind kind, Result result, int headerSize)
        {
            Seen seen = 0;
            cursor.Map(out var count);
            for (; count > 0; count--)
            {
                if (!cursor.Text(out var key))
                    return false;
                var field = Name(key, kind);
                if (field == 0 || (seen & field) != 0) // a field that is not known may stand twice, which is an error
                    return false;
                seen |= field;
                if (!Value(ref cursor, field, result, headerSize))
                    return false;
            }
            return cursor.AtEnd && (seen & Needed(kind)) == Needed(kind);
        }

        static Seen Needed(Kind kind)
        {
            switch (kind)
            {
                case Kind.Result: return Seen.Id | Seen.Planes;
                case Kind.Dropped: return Seen.DroppedIds | Seen.Reason;
                case Kind.Pong: return Seen.Time | Seen.ServerTime;
                default: return 0;
            }
        }

        static Seen Name(Span<byte> key, Kind kind)
        {
            if (Is(key, "type")) return Seen.Type;
            if (kind == Kind.Dropped)
                return Is(key, "ids") ? Seen.DroppedIds : Is(key, "reason") ? Seen.Reason : 0;
            if (kind == Kind.Pong)
                return Is(key, "time") ? Seen.Time : Is(key, "server_time") ? Seen.ServerTime : 0;
            if (kind != Kind.Result) return 0;
            if (Is(key, "id")) return Seen.Id;
            if (Is(key, "planes")) return Seen.Planes;
            if (Is(key, "time")) return Seen.Time;
            if (Is(key, "dropped")) return Seen.Dropped;
            if (Is(key, "dropped_ids")) return Seen.DroppedIds;
            if (Is(key, "received")) return Seen.Received;
            if (Is(key, "sent")) return Seen.Sent;
            if (Is(key, "timings")) return Seen.Timings;
            if (Is(key, "parameters")) return Seen.Parameters;
            if (Is(key, "resets")) return Seen.Resets;
            if (Is(key, "memory")) return Seen.Memory;
            if (Is(key, "lag")) return Seen.Lag;
            return Is(key, "stages") ? Seen.Stages : 0;
        }

        bool Value(ref PackCursor cursor, Seen field, Result result, int headerSize)
        {
            switch (field)
            {
                case Seen.Type: return cursor.Text(out _);
                case Seen.Reason: return cursor.Text(out var reason) && (Is(reason, "newer") || Is(reason, "failed"));
                case Seen.Planes: return ResultPlane.Read(ref cursor, result, headerSize);
                case Seen.DroppedIds: return DroppedIds(ref cursor, result);
                case Seen.Timings: return Timings(ref cursor, result);
                case Seen.Stages: return Stages(ref cursor, result);
                case Seen.Parameters:
                    result.ParametersOffset = 4 + cursor.Position;
                    var passed = cursor.SkipOneMap(1);
                    result.ParametersSize = 4 + cursor.Position - result.ParametersOffset;
                    return passed;
                case Seen.Memory:
                    var known = cursor.Number(out var share) && share <= 1;
                    result.Remembered = share;
                    return known;
            }
            if (!cursor.Integer(out var whole))
                return false;
            switch (field)
            {
                case Seen.Id: result.Id = whole; break;
                case Seen.Time: result.Time = whole; break;
                case Seen.Dropped: result.Dropped = whole; break;
                case Seen.Received: result.Received = whole; break;
                case Seen.Sent: result.Sent = whole; break;
                case Seen.Resets: result.Resets = whole; break;
                case Seen.Lag: result.Lag = whole; break;
                case Seen.ServerTime: ServerTime = whole; break;
            }
            return true;
        }

        static bool DroppedIds(ref PackCursor cursor, Result result)
        {
            if (!cursor.List(out var count))
                return false;
            if (count > result.DroppedIdList.Length)
                result.DroppedIdList = new long[Limits.Entries];
            result.DroppedIdCount = count;
            for (var index = 0; index < count; index++)
                if (!cursor.Integer(out result.DroppedIdList[index]))
                    return false;
            return true;
        }

        bool Timings(ref PackCursor cursor, Result result)
        {
            if (!cursor.Map(out var count))
                return false;
            for (; count > 0; count--)
            {
                var name = Key(ref cursor);
                if (name == null || result.TimingList.TryGet(name, out _) || !cursor.Number(out var milliseconds))
                    return false;
                result.TimingList.Add(name, milliseconds);
            }
            return true;
        }

        bool Stages(ref PackCursor cursor, Result result)
        {
            if (!cursor.Map(out var count))
                return false;
            for (; count > 0; count--)
            {
                var name = Key(ref cursor);
                if (name == null || result.StageList.TryGet(name, out _) || !cursor.List(out var two) || two != 2
                    || !cursor.Integer(out var begin) || !cursor.Integer(out var end))
                    return false;
                result.StageList.Add(name, new StageTimes(begin, end));
            }
            return true;
        }

        string? Key(ref PackCursor cursor) => cursor.Text(out var key) ? _strings.Find(key) : null;

        internal static bool Is(Span<byte> bytes, string name)
        {
            if (bytes.Length != name.Length)
                return false;
            for (var index = 0; index < bytes.Length; index++)
                if (bytes[index] != name[index])
                    return false;
            return true;
        }
    }
}
