#nullable enable
using System;

namespace Mirage
{
    /// <summary>Counts results and drops over the last ten seconds, in memory that is taken once. Times are microseconds.</summary>
    internal sealed class Meter
    {
        const int Most = 4096;
        const long Window = 10_000_000;

        readonly long[] _times = new long[Most];
        readonly double[] _latencies = new double[Most];
        readonly long[] _dropTimes = new long[Most];
        readonly double[] _sorted = new double[Most];
        long _results, _drops;

        public void Came(long now, double latency)
        {
            _times[_results % Most] = now;
            _latencies[_results++ % Most] = latency;
        }

        public void Dropped(long now, int count)
        {
            for (; count > 0; count--)
                _dropTimes[_drops++ % Most] = now;
        }

        public void Fill(ref Statistics statistics, long now)
        {
            int results = 0, known = 0, steps = 0;
            double jumps = 0, last = double.NaN;
            var first = Oldest(_times, _results, now);
            for (var index = first; index < _results; index++, results++)
            {
                var latency = _latencies[index % Most];
                if (double.IsNaN(latency))
                    continue;
                _sorted[known++] = latency;
                if (!double.IsNaN(last))
                    (jumps, steps) = (jumps + Math.Abs(latency - last), steps + 1);
                last = latency;
            }
            Array.Sort(_sorted, 0, known);
            statistics.P50 = Percentile(known, 0.5);
            statistics.P95 = Percentile(known, 0.95);
            statistics.P99 = Percentile(known, 0.99);
            statistics.Jitter = steps > 0 ? jumps / steps : double.NaN;
            statistics.Results = results;
            var span = results > 1 ? _times[(_results - 1) % Most] - _times[first % Most] : 0;
            statistics.Rate = span > 0 ? (results - 1) * 1e6 / span : 0;
            statistics.Drops = (int)(_drops - Oldest(_dropTimes, _drops, now));
        }

        double Percentile(int count, double part) =>
            count > 0 ? _sorted[(int)Math.Ceiling(part * count) - 1] : double.NaN;

        static long Oldest(long[] times, long count, long now)
        {
            var index = Math.Max(0, count - Most);
            while (index < count && now - times[index % Most] > Window)
                index++;
            return index;
        }
    }
}
