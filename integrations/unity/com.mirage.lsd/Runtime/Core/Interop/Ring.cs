#nullable enable
using System;
using System.Threading;

namespace Mirage
{
    /// <summary>What the writer and the reader of a ring have in common (SPEC.md section 10.2). The memory is somebody else's.</summary>
    internal abstract unsafe class Ring
    {
        const ulong Golden = 0x9E37_79B9_7F4A_7C15;

        readonly byte* _memory;

        public RingPlace Place { get; }

        protected Ring(byte* memory, RingPlace place)
        {
            _memory = memory + place.Offset;
            Place = place;
        }

        /// <summary>The number of the last message that is whole.</summary>
        protected ref long Newest => ref *(long*)_memory;

        /// <summary>The number of the last message that the reader has copied out.</summary>
        protected ref long Taken => ref *(long*)(_memory + 8);

        protected byte* Slot(long number) =>
            _memory + RingPlace.Page + (number - 1) % Place.Slots * Place.Stride;

        /// <summary>Keep what was stored or loaded before apart from what is stored or loaded after.</summary>
        protected static void Fence() => Thread.MemoryBarrier();

        /// <summary>
        /// The sum that tells a whole message from a torn one (SPEC.md section 10.3), of bytes that are padded with zeros.
        /// </summary>
        public static ulong Check(byte* padded, long number, uint size)
        {
            var sum = unchecked((ulong)number * Golden + size);
            var word = (ulong*)padded;
            for (var left = (size + 7) / 8; left > 0; left--)
                sum += *word++;
            return sum;
        }
    }
}
