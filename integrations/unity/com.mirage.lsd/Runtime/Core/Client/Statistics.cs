#nullable enable
namespace Mirage
{
    /// <summary>The last ten seconds of a client. Figures that nothing is known of yet are NaN.</summary>
    public struct Statistics
    {
        /// <summary>
        /// Half of the results took at most so many milliseconds: from sending a frame until its result was here, for a viewer
        /// from the frame's arrival at the server.
        /// </summary>
        public double P50;

        /// <summary>95 of a hundred results took at most so many milliseconds.</summary>
        public double P95;

        /// <summary>99 of a hundred results took at most so many milliseconds.</summary>
        public double P99;

        /// <summary>By how many milliseconds two results in succession differ, in the mean.</summary>
        public double Jitter;

        /// <summary>Results a second.</summary>
        public double Rate;

        /// <summary>Results that came.</summary>
        public int Results;

        /// <summary>Frames that had no result.</summary>
        public int Drops;

        /// <summary>Frames without a result since the client was started.</summary>
        public long Dropped;

        /// <summary>Results that came and were replaced by newer ones before anybody took them, since the client was started.</summary>
        public long Untaken;

        /// <summary>Frames that are on their way now.</summary>
        public int InFlight;

        /// <summary>
        /// Microseconds that the server's clock is ahead of <see cref="MirageClient.Now"/>; wrong by half of
        /// <see cref="ClockRoundTrip"/> at most.
        /// </summary>
        public double ClockOffset;

        /// <summary>Milliseconds of the fastest exchange of clocks lately.</summary>
        public double ClockRoundTrip;

        /// <summary>Whether frames and results go through shared memory now.</summary>
        public bool SharedMemory;

        /// <summary>Why they do not; null where they do, or might yet.</summary>
        public string? TransportReason;
    }
}
