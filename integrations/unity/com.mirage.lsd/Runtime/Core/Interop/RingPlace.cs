namespace Mirage
{
    /// <summary>Where a ring lies in shared memory (SPEC.md section 10.2): so many slots, for messages of so many bytes.</summary>
    internal readonly struct RingPlace
    {
        public const int Page = 4096;
        public const int SlotHeader = 64;
        public const int MostSlots = 1024;

        public readonly long Offset;
        public readonly uint Slots;
        public readonly uint Capacity;

        public RingPlace(long offset, uint slots, uint capacity) => (Offset, Slots, Capacity) = (offset, slots, capacity);

        /// <summary>Bytes from one slot to the next.</summary>
        public long Stride => (SlotHeader + (long)Capacity + Page - 1) / Page * Page;

        /// <summary>Bytes of the whole ring, its page of control included.</summary>
        public long Size => Page + Slots * Stride;
    }
}
