#nullable enable
using System;
using System.Buffers.Binary;
using System.Collections;
using System.Collections.Generic;
using System.Text;

namespace Mirage
{
    /// <summary>Writes MessagePack into memory that is used again: nothing is allocated once it is large enough.</summary>
    internal sealed class MessagePackWriter
    {
        byte[] _bytes = new byte[1024];

        /// <summary>How many bytes were written.</summary>
        public int Length { get; private set; }

        /// <summary>What was written, until the next write.</summary>
        public byte[] Buffer => _bytes;

        public void Clear() => Length = 0;

        /// <summary>Leave room for so many bytes and return where they begin.</summary>
        public int Reserve(int size)
        {
            if (Length + size > _bytes.Length)
                Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + size));
            Length += size;
            return Length - size;
        }

        public void Map(int size) => Sized(size, 0x80, 16, 0, 0xde, 0xdf);

        public void List(int size) => Sized(size, 0x90, 16, 0, 0xdc, 0xdd);

        public void Nil() => Byte(0xc0);

        public void Flag(bool value) => Byte(value ? 0xc3 : 0xc2);

        public void Text(string value)
        {
            var size = Encoding.UTF8.GetByteCount(value);
            Sized(size, 0xa0, 32, 0xd9, 0xda, 0xdb);
            var at = Reserve(size); // first: it may bring other memory
            Encoding.UTF8.GetBytes(value, 0, value.Length, _bytes, at);
        }

        public void Bytes(byte[] value)
        {
            Sized(value.Length, 0, 0, 0xc4, 0xc5, 0xc6);
            var at = Reserve(value.Length);
            value.CopyTo(_bytes, at);
        }

        public void Number(double value)
        {
            Byte(0xcb);
            BinaryPrimitives.WriteInt64BigEndian(Room(8), BitConverter.DoubleToInt64Bits(value));
        }

        public void Integer(long value)
        {
            if (value >= 0)
            {
                Unsigned((ulong)value);
            }
            else if (value >= -32)
            {
                Byte((int)value & 0xff);
            }
            else
            {
                Byte(0xd3);
                BinaryPrimitives.WriteInt64BigEndian(Room(8), value);
            }
        }

        public void Unsigned(ulong value)
        {
            if (value < 0x80)
            {
                Byte((int)value);
            }
            else if (value <= uint.MaxValue)
            {
                Byte(0xce);
                BinaryPrimitives.WriteUInt32BigEndian(Room(4), (uint)value);
            }
            else
            {
                Byte(0xcf);
                BinaryPrimitives.WriteUInt64BigEndian(Room(8), value);
            }
        }

        /// <summary>
        /// Write a value as a parameter may have it: null, bool, a number, string, byte[], a map from strings, or any other
        /// sequence. Throws <see cref="ArgumentException"/> for what no message can hold.
        /// </summary>
        public void Value(object? value, int depth = 1)
        {
            if (depth > Limits.Depth)
                throw new ArgumentException($"maps and lists may be nested {Limits.Depth} deep");
            switch (value)
            {
                case null: Nil(); break;
                case bool flag: Flag(flag); break;
                case string text: Text(text); break;
                case byte[] bytes: Bytes(bytes); break;
                case double number: Number(number); break;
                case float number: Number(number); break;
                case ulong large: Unsigned(large); break;
                case long _: case int _: case uint _: case short _: case ushort _: case byte _: case sbyte _:
                    Integer(Convert.ToInt64(value));
                    break;
                case IReadOnlyDictionary<string, object?> map: Entries(map, depth); break;
                case IEnumerable sequence: Items(sequence, depth); break;
                default: throw new ArgumentException($"no message can hold a {value.GetType().Name}");
            }
        }

        void Entries(IReadOnlyDictionary<string, object?> map, int depth)
        {
            Map(map.Count);
            foreach (var entry in map)
            {
                Text(entry.Key);
                Value(entry.Value, depth + 1);
            }
        }

        void Items(IEnumerable sequence, int depth)
        {
            var items = new List<object?>();
            foreach (var item in sequence)
                items.Add(item);
            List(items.Count);
            foreach (var item in items)
                Value(item, depth + 1);
        }

        void Byte(int value)
        {
            var at = Reserve(1);
            _bytes[at] = (byte)value;
        }

        Span<byte> Room(int size)
        {
            var at = Reserve(size);
            return new Span<byte>(_bytes, at, size);
        }

        void Sized(int size, int small, int limit, int tag8, int tag16, int tag32)
        {
            if (size < limit)
            {
                Byte(small | size);
            }
            else if (tag8 != 0 && size < 0x100)
            {
                Byte(tag8);
                Byte(size);
            }
            else if (size < 0x10000)
            {
                Byte(tag16);
                BinaryPrimitives.WriteUInt16BigEndian(Room(2), (ushort)size);
            }
            else
            {
                Byte(tag32);
                BinaryPrimitives.WriteUInt32BigEndian(Room(4), (uint)size);
            }
        }
    }
}
