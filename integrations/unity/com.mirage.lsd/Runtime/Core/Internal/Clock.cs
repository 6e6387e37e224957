using System.Diagnostics;

namespace Mirage
{
    /// <summary>Our own clock, and what the server's says beside it: the fastest exchange says most (RFC 5905's filter).</summary>
    internal sealed class Clock
    {
        const int Exchanges = 16;

        readonly double[] _offsets = new double[Exchanges];
        readonly long[] _roundTrips = new long[Exchanges];

        /// <summary>Microseconds since some moment in the past; never falls.</summary>
        public static long Now => (long)(Stopwatch.GetTimestamp() * (1e6 / Stopwatch.Frequency));

        /// <summary>How often clocks were compared.</summary>
        public int Count { get; private set; }

        /// <summary>What the server's clock is ahead of ours, in microseconds; NaN until it is known.</summary>
        public double Offset => Count > 0 ? _offsets[Best] : double.NaN;

        /// <summary>Milliseconds of the fastest exchange; NaN until there was one.</summary>
        public double RoundTrip => Count > 0 ? _roundTrips[Best] / 1000.0 : double.NaN;

        int Best
        {
            get
            {
                var best = 0;
                for (var index = 1; index < Exchanges && index < Count; index++)
                    if (_roundTrips[index] < _roundTrips[best])
                        best = index;
                return best;
            }
        }

        public void Forget() => Count = 0;

        public void Heard(long asked, long server, long now)
        {
            _roundTrips[Count % Exchanges] = now - asked;
            _offsets[Count % Exchanges] = server - (asked + now) / 2.0;
            Count++;
        }
    }
}
