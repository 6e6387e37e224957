#nullable enable
using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;

namespace Mirage
{
    /// <summary>
    /// Reads MessagePack as strictly as SPEC.md section 2 asks, into a tree: long (ulong beyond it), double, bool, string,
    /// byte[], null, List and Dictionary. For what is rare; results and the like go by <see cref="FastReader"/>.
    /// </summary>
    internal ref struct MessagePackReader
    {
        internal static readonly UTF8Encoding Utf8 = new UTF8Encoding(false, true);

        readonly Span<byte> _bytes;
        int _position;

        MessagePackReader(Span<byte> bytes)
        {
            _bytes = bytes;
            _position = 0;
        }

        /// <summary>The one map that the bytes are; throws <see cref="ProtocolException"/> for anything else.</summary>
        public static Dictionary<string, object?> ReadHeader(Span<byte> bytes)
        {
            var reader = new MessagePackReader(bytes);
            var header = reader.Value(0);
            if (reader._position < bytes.Length)
                throw ProtocolException.Malformed("there is something after the header's map");
            return header as Dictionary<string, object?>
                ?? throw ProtocolException.Malformed("the header must be a MessagePack map");
        }

        object? Value(int depth)
        {
            var tag = Take(1)[0];
            if (tag < 0x80) return (long)tag;
            if (tag < 0x90) return Map(tag & 15, depth + 1);
            if (tag < 0xa0) return Array(tag & 15, depth + 1);
            if (tag < 0xc0) return Text(tag & 31);
            if (tag >= 0xe0) return (long)(sbyte)tag;
            switch (tag)
            {
                case 0xc0: return null;
                case 0xc2: return false;
                case 0xc3: return true;
                case 0xc4: case 0xc5: case 0xc6: return Limited(Unsigned(1 << (tag - 0xc4)), "binary").ToArray();
                case 0xca: return (double)BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadInt32BigEndian(Take(4)));
                case 0xcb: return BitConverter.Int64BitsToDouble(BinaryPrimitives.ReadInt64BigEndian(Take(8)));
                case 0xcc: case 0xcd: case 0xce: return Unsigned(1 << (tag - 0xcc));
                case 0xcf: return Large(BinaryPrimitives.ReadUInt64BigEndian(Take(8)));
                case 0xd0: return (long)(sbyte)Take(1)[0];
                case 0xd1: return (long)BinaryPrimitives.ReadInt16BigEndian(Take(2));
                case 0xd2: return (long)BinaryPrimitives.ReadInt32BigEndian(Take(4));
                case 0xd3: return BinaryPrimitives.ReadInt64BigEndian(Take(8));
                case 0xd9: case 0xda: case 0xdb: return Text(Unsigned(1 << (tag - 0xd9)));
                case 0xdc: case 0xdd: return Array(Unsigned(2 << (tag - 0xdc)), depth + 1);
                case 0xde: case 0xdf: return Map(Unsigned(2 << (tag - 0xde)), depth + 1);
                case 0xc1: throw ProtocolException.Malformed("0xc1 is no MessagePack");
                default: throw ProtocolException.Malformed("MessagePack extension types are not allowed");
            }
        }

        List<object?> Array(long size, int depth)
        {
            Enter(size, depth);
            var items = new List<object?>();
            for (var index = 0; index < size; index++)
                items.Add(Value(depth));
            return items;
        }

        Dictionary<string, object?> Map(long size, int depth)
        {
            Enter(size, depth);
            var map = new Dictionary<string, object?>(StringComparer.Ordinal);
            for (var index = 0; index < size; index++)
            {
                if (!(Value(depth) is string key))
                    throw ProtocolException.Malformed("map keys must be strings");
                if (map.ContainsKey(key))
                    throw ProtocolException.Malformed($"the key {ProtocolException.Shown(key)} stands twice in one map");
                map.Add(key, Value(depth));
            }
            return map;
        }

        string Text(long size)
        {
            var bytes = Limited(size, "a string");
            try
            {
                return Utf8.GetString(bytes);
            }
            catch (ArgumentException)
            {
                throw ProtocolException.Malformed("a string is not valid UTF-8");
            }
        }

        Span<byte> Limited(long size, string what)
        {
            if (size > Limits.Text * 4)
                throw ProtocolException.Malformed($"{what} may have {Limits.Text * 4} bytes, not {size}");
            return Take((int)size);
        }

        long Unsigned(int size)
        {
            var bytes = Take(size);
            if (size == 1) return bytes[0];
            return size == 2 ? BinaryPrimitives.ReadUInt16BigEndian(bytes) : BinaryPrimitives.ReadUInt32BigEndian(bytes);
        }

        Span<byte> Take(int size)
        {
            if (size > _bytes.Length - _position)
                throw ProtocolException.Malformed("the header ends too early");
            _position += size;
            return _bytes.Slice(_position - size, size);
        }

        static object Large(ulong value) => value <= long.MaxValue ? (object)(long)value : value;

        static void Enter(long size, int depth)
        {
            if (depth > Limits.Depth)
                throw ProtocolException.Malformed($"maps and arrays may be nested {Limits.Depth} deep");
            if (size > Limits.Entries)
                throw ProtocolException.Malformed($"a map or array may have {Limits.Entries} entries, not {size}");
        }
    }
}
