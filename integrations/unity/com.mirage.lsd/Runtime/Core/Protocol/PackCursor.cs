#nullable enable
using System;
using System.Buffers.Binary;

namespace Mirage
{
    /// <summary>
    /// Walks over MessagePack without allocating. Each method returns false for what it does not read, which need not be
    /// wrong: whoever asks falls back on <see cref="MessagePackReader"/>, which says what is. (Spans are writable here and
    /// there since Mono 6 cannot find the indexer of those that are not.)
    /// </summary>
    internal ref struct PackCursor
    {
        const int FewKeys = 24;

        readonly Span<byte> _bytes;

        public PackCursor(Span<byte> bytes)
        {
            _bytes = bytes;
            Position = 0;
        }

        public int Position { get; private set; }

        public bool AtEnd => Position == _bytes.Length;

        public bool Map(out int size) => Sized(out size, 0x80, 0xde, Limits.Entries);

        public bool List(out int size) => Sized(out size, 0x90, 0xdc, Limits.Entries);

        public bool Nil()
        {
            if (Position >= _bytes.Length || _bytes[Position] != 0xc0)
                return false;
            Position++;
            return true;
        }

        public bool Flag(out bool value)
        {
            value = Position < _bytes.Length && _bytes[Position] == 0xc3;
            if (!value && (Position >= _bytes.Length || _bytes[Position] != 0xc2))
                return false;
            Position++;
            return true;
        }

        public bool Text(out Span<byte> text)
        {
            text = default;
            if (!Tag(out var tag))
                return false;
            int size;
            if (tag >= 0xa0 && tag < 0xc0)
                size = tag & 31;
            else if (tag < 0xd9 || tag > 0xdb || !Unsigned(1 << (tag - 0xd9), out size))
                return false;
            return size <= Limits.Text * 4 && Take(size, out text);
        }

        /// <summary>An integer from 0 to 2^53 - 1.</summary>
        public bool Integer(out long value)
        {
            value = 0;
            if (!Tag(out var tag))
                return false;
            if (tag < 0x80)
                value = tag;
            else if (tag >= 0xcc && tag <= 0xcf && Take(1 << (tag - 0xcc), out var bytes))
                value = Big(bytes);
            else
                return false;
            return value >= 0 && value <= Limits.SafeInteger;
        }

        /// <summary>A finite number over or equal 0, integers too.</summary>
        public bool Number(out double value)
        {
            value = 0;
            if (Position >= _bytes.Length)
                return false;
            var tag = _bytes[Position];
            if (tag != 0xca && tag != 0xcb)
            {
                var whole = Integer(out var integer);
                value = integer;
                return whole;
            }
            Position++;
            if (!Take(tag == 0xca ? 4 : 8, out var bytes))
                return false;
            value = tag == 0xca
                ? BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadInt32BigEndian(bytes))
                : BitConverter.Int64BitsToDouble(BinaryPrimitives.ReadInt64BigEndian(bytes));
            return value >= 0 && value <= double.MaxValue;
        }

        /// <summary>Pass over one value, checked as strictly as if it were read; <paramref name="depth"/> is of what is around it.</summary>
        public bool Skip(int depth)
        {
            if (Position >= _bytes.Length)
                return false;
            var tag = _bytes[Position];
            if (tag < 0x80 || tag >= 0xe0 || tag == 0xc0 || tag == 0xc2 || tag == 0xc3)
            {
                Position++;
                return true;
            }
            if (tag < 0x90 || tag == 0xde || tag == 0xdf)
                return SkipMap(depth + 1);
            if (tag < 0xa0 || tag == 0xdc || tag == 0xdd)
                return SkipList(depth + 1);
            if (tag < 0xc0 || tag >= 0xd9 && tag <= 0xdb)
                return Text(out var text) && IsUtf8(text);
            Position++;
            if (tag >= 0xc4 && tag <= 0xc6)
                return Unsigned(1 << (tag - 0xc4), out var size) && size <= Limits.Text * 4 && Take(size, out _);
            if (tag == 0xca || tag == 0xcb)
                return Take(tag == 0xca ? 4 : 8, out _);
            if (tag >= 0xcc && tag <= 0xd3)
                return Take(1 << (tag & 3), out _);
            return false;
        }

        /// <summary>Pass over one map, as <see cref="Skip"/> does.</summary>
        public bool SkipOneMap(int depth)
        {
            var tag = Position < _bytes.Length ? _bytes[Position] : 0;
            return (tag >= 0x80 && tag < 0x90 || tag == 0xde || tag == 0xdf) && Skip(depth);
        }

        bool SkipList(int depth)
        {
            if (depth > Limits.Depth || !List(out var size))
                return false;
            for (var index = 0; index < size; index++)
                if (!Skip(depth))
                    return false;
            return true;
        }

        bool SkipMap(int depth)
        {
            if (depth > Limits.Depth || !Map(out var size) || size > FewKeys)
                return false;
            Span<int> keys = stackalloc int[FewKeys];
            for (var index = 0; index < size; index++)
            {
                keys[index] = Position;
                if (!Text(out var key) || !IsUtf8(key) || IsTwice(_bytes, key, keys.Slice(0, index)) || !Skip(depth))
                    return false;
            }
            return true;
        }

        static bool IsTwice(Span<byte> bytes, Span<byte> key, Span<int> earlier)
        {
            foreach (var position in earlier)
            {
                var other = new PackCursor(bytes.Slice(position));
                if (other.Text(out var text) && text.SequenceEqual(key))
                    return true;
            }
            return false;
        }

        static bool IsUtf8(Span<byte> text)
        {
            foreach (var each in text)
            {
                if (each < 0x80)
                    continue;
                try
                {
                    MessagePackReader.Utf8.GetCharCount(text);
                    return true;
                }
                catch (ArgumentException)
                {
                    return false;
                }
            }
            return true;
        }

        bool Sized(out int size, int small, int large, int most)
        {
            size = 0;
            if (!Tag(out var tag))
                return false;
            if (tag >= small && tag < small + 16)
                size = tag - small;
            else if (tag != large && tag != large + 1 || !Unsigned(2 << (tag - large), out size))
                return false;
            return size <= most;
        }

        bool Tag(out int tag)
        {
            tag = Position < _bytes.Length ? _bytes[Position++] : -1;
            return tag >= 0;
        }

        bool Unsigned(int size, out int value)
        {
            value = 0;
            if (!Take(size, out var bytes))
                return false;
            var whole = Big(bytes);
            value = (int)whole;
            return whole <= int.MaxValue;
        }

        bool Take(int size, out Span<byte> bytes)
        {
            bytes = default;
            if (size > _bytes.Length - Position)
                return false;
            bytes = _bytes.Slice(Position, size);
            Position += size;
            return true;
        }

        static long Big(Span<byte> bytes)
        {
            var value = 0L;
            foreach (var each in bytes)
                value = value << 8 | each;
            return value;
        }
    }
}
