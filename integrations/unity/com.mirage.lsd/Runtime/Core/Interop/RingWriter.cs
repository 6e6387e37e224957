#nullable enable
using System;
using System.Threading;

namespace Mirage
{
    /// <summary>The one who writes a ring (SPEC.md section 10.3). Not for several threads at once.</summary>
    internal sealed unsafe class RingWriter : Ring, IMessageSink
    {
        long _number, _newest;
        byte* _at;
        byte* _end;

        public RingWriter(byte* memory, RingPlace place) : base(memory, place) =>
            _number = _newest = Volatile.Read(ref Newest);

        /// <summary>
        /// Begin a message that <see cref="Put"/> fills and <see cref="Commit"/> ends. <paramref name="again"/> puts it into the
        /// last one's slot, whose message is known to be needed no longer: it is in the processor's cache still. False where
        /// somebody else has written into this ring.
        /// </summary>
        public bool TryBegin(bool again)
        {
            if (Volatile.Read(ref Newest) != _newest)
                return false;
            _number += again && _number > 0 ? Place.Slots : 1;
            var slot = Slot(_number);
            Volatile.Write(ref *(long*)slot, 2 * _number - 1);
            Fence();
            _at = slot + RingPlace.SlotHeader;
            _end = _at + Place.Capacity;
            return true;
        }

        public void Put(byte* source, int size)
        {
            if (size > _end - _at)
                throw new InvalidOperationException("the message does not fit into its slot");
            Buffer.MemoryCopy(source, _at, _end - _at, size);
            _at += size;
        }

        public void Zeros(int size)
        {
            for (; size > 0; size--)
                *_at++ = 0;
        }

        /// <summary>Let the reader see the message that was begun.</summary>
        public void Commit()
        {
            var slot = Slot(_number);
            var size = (uint)(_at - slot - RingPlace.SlotHeader);
            Zeros((int)(-size & 7)); // a slot's room for messages ends at a multiple of 8
            // The fences order all stores here: no check is needed.
            *(ulong*)(slot + 8) = size;
            Fence();
            Volatile.Write(ref *(long*)slot, 2 * _number);
            Fence();
            Volatile.Write(ref Newest, _newest = _number);
        }
    }
}
