#nullable enable
using System;
using System.Threading;

namespace Mirage
{
    /// <summary>One who reads a ring, and trusts nothing that is in it (SPEC.md section 10.3). Not for several threads at once.</summary>
    internal sealed unsafe class RingReader : Ring
    {
        const long MostMessages = 1L << 62;

        long _number;

        public RingReader(byte* memory, RingPlace place) : base(memory, place) { }

        /// <summary>
        /// Copy the oldest message that was not read yet and is still there into <paramref name="target"/>; false where there is
        /// none. Those that were overwritten are passed over. Throws <see cref="ProtocolException"/> where the ring holds what no
        /// writer would have written.
        /// </summary>
        public bool TryRead(Result target)
        {
            var newest = Volatile.Read(ref Newest);
            if (newest < _number || newest < 0 || newest > MostMessages)
                throw ProtocolException.Malformed($"the ring's newest message was {_number} and is {newest}");
            while (_number < newest)
            {
                _number = Math.Max(_number, newest - Place.Slots) + 1;
                if (IsCopied(target))
                    return true;
                newest = Volatile.Read(ref Newest);
            }
            return false;
        }

        /// <summary>Tell the writer that every message up to the last that was read is needed no longer.</summary>
        public void Took() => Volatile.Write(ref Taken, _number);

        bool IsCopied(Result target)
        {
            var slot = Slot(_number);
            if (!Holds(slot))
                return false;
            Fence();
            var lengths = *(ulong*)(slot + 8);
            var expected = *(ulong*)(slot + 16);
            var size = (uint)lengths;
            if (size > Place.Capacity)
            {
                if (!Holds(slot))
                    return false;
                throw ProtocolException.Malformed($"a message of {size} bytes cannot be in a slot of {Place.Capacity}");
            }
            var padded = ((long)size + 7) & ~7L;
            ResultPool.Grow(target, (int)padded);
            target.Length = (int)size;
            if (size == 0)
                return Holds(slot) && (lengths >> 32 == 0 || Check(slot, _number, 0) == expected);
            fixed (byte* copy = target.Memory)
            {
                Buffer.MemoryCopy(slot + RingPlace.SlotHeader, copy, target.Memory.Length, padded);
                return Holds(slot) && (lengths >> 32 == 0 || Check(copy, _number, size) == expected);
            }
        }

        bool Holds(byte* slot)
        {
            Fence();
            return Volatile.Read(ref *(long*)slot) == 2 * _number;
        }
    }
}
