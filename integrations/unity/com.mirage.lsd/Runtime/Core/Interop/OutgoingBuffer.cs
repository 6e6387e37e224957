#nullable enable
using System;

namespace Mirage
{
    /// <summary>One WebSocket frame of a client, masked while it is put together (RFC 6455, section 5.2); used again.</summary>
    internal sealed unsafe class OutgoingBuffer : IMessageSink
    {
        const int LongestHeader = 14;
        const int Final = 0x80;
        const int Masked = 0x80;

        uint _key;

        public byte[] Bytes { get; private set; } = new byte[256];

        /// <summary>Where the frame begins in <see cref="Bytes"/>.</summary>
        public int Begin { get; private set; }

        /// <summary>Where it ends.</summary>
        public int End { get; private set; }

        /// <summary>The id of the frame that the message is, or -1.</summary>
        public long FrameId { get; set; } = -1;

        /// <summary>See to it that there is room for a message of so many bytes, and some more: headers differ a little.</summary>
        public void Grow(int size)
        {
            if (Bytes.Length < LongestHeader + size)
                Bytes = new byte[size < 4096 ? 2 * (LongestHeader + size) : (LongestHeader + size + 0x3fff) & ~0x1fff];
        }

        /// <summary>Begin a message of exactly so many bytes.</summary>
        public void Start(int opcode, int size, uint key)
        {
            Grow(size);
            _key = key;
            FrameId = -1;
            var length = size < 126 ? 0 : size < 0x10000 ? 2 : 8;
            var at = Begin = LongestHeader - 6 - length;
            Bytes[at++] = (byte)(Final | opcode);
            Bytes[at++] = (byte)(Masked | (length == 0 ? size : length == 2 ? 126 : 127));
            for (var shift = 8 * (length - 1); shift >= 0; shift -= 8)
                Bytes[at++] = (byte)((ulong)size >> shift);
            for (var shift = 0; shift < 32; shift += 8)
                Bytes[at++] = (byte)(key >> shift);
            End = at;
        }

        public void Put(byte* source, int size)
        {
            fixed (byte* target = &Bytes[End])
                Masking.Copy(source, target, size, _key, End - LongestHeader);
            End += size;
        }

        public void Zeros(int size)
        {
            var zeros = 0UL;
            for (; size > 0; size -= 8)
                Put((byte*)&zeros, Math.Min(size, 8));
        }

        public void Put(byte[] source, int size)
        {
            if (size == 0)
                return;
            fixed (byte* from = source)
                Put(from, size);
        }
    }
}
