#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Puts an unusual result, decoded as a tree, into the object that callers see.</summary>
    internal static class ResultFiller
    {
        public static void Fill(Result result, Message message)
        {
            result.Clear();
            result.Id = message.Integer("id");
            result.Time = message.Integer("time");
            result.Dropped = message.Integer("dropped");
            result.Received = message.Integer("received");
            result.Sent = message.Integer("sent");
            result.Resets = message.Integer("resets");
            result.Lag = message.Integer("lag");
            result.Remembered = (double)message.Fields["memory"]!;
            var ids = message.List("dropped_ids");
            if (ids.Count > result.DroppedIdList.Length)
                result.DroppedIdList = new long[Limits.Entries];
            foreach (var id in ids)
                result.DroppedIdList[result.DroppedIdCount++] = (long)id!;
            foreach (var timing in message.Map("timings"))
                result.TimingList.Add(timing.Key, (double)timing.Value!);
            foreach (var stage in message.Map("stages"))
            {
                var times = (List<object?>)stage.Value!;
                result.StageList.Add(stage.Key, new StageTimes((long)times[0]!, (long)times[1]!));
            }
            Place(result, message.Planes["color"]);
            Keep(result, message.Map("parameters"));
        }

        static void Place(Result result, Plane color)
        {
            result.Format = color.Format;
            result.Width = color.Width;
            result.Height = color.Height;
            result.Stride = color.Stride > 0 ? color.Stride : color.Width * color.Format.BytesPerPixel();
            result.BottomUp = color.BottomUp;
            result.PixelsOffset = color.Offset;
            result.PixelsSize = color.Size;
        }

        /// <summary>Put the parameters behind the message, written again: where they stood in it is not known.</summary>
        static void Keep(Result result, Dictionary<string, object?> parameters)
        {
            if (parameters.Count == 0)
                return;
            var writer = new MessagePackWriter();
            writer.Value(parameters);
            if (result.Memory.Length < result.Length + writer.Length)
                Array.Resize(ref result.Memory, result.Length + writer.Length);
            Buffer.BlockCopy(writer.Buffer, 0, result.Memory, result.Length, writer.Length);
            result.ParametersOffset = result.Length;
            result.ParametersSize = writer.Length;
        }
    }
}
