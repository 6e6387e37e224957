#nullable enable
using System;
using System.Diagnostics;

namespace Mirage.Tests
{
    /// Measures round trips, one frame at a time, and what sending alone costs the calling thread:
    /// `mono Mirage.Core.Tests.exe bench URL [SECONDS]`, against a daemon with the model echo. No test.
    static class Bench
    {
        static readonly (int, int)[] Sizes = { (512, 288), (1920, 1080) };
        static readonly double[] Sending = new double[100_000];
        static int sent;

        public static void Run(string url, double seconds)
        {
            foreach (var (width, height) in Sizes)
            {
                var source = Pictures.Noise(width, height, 1);
                var target = new byte[source.Length];
                Measure($"{width}x{height} bare copy", seconds / 4, () => Buffer.BlockCopy(source, 0, target, 0, source.Length));
            }
            for (var turn = 0; turn < 2; turn++) // in turns: the machine may be busier now than later
                foreach (var transport in new[] { "SharedMemory", "WebSocket" })
                    foreach (var (width, height) in Sizes)
                        using (var client = Live.Connected(url, transport))
                        {
                            var frame = Pictures.Frame(Pictures.Noise(width, height, 1), width, height);
                            Live.Settle(client, frame, transport == "SharedMemory");
                            Measure($"{width}x{height} {transport}", seconds, () =>
                            {
                                var begin = Stopwatch.GetTimestamp();
                                client.TrySend(frame, out var id);
                                Sending[sent++ % Sending.Length] = Milliseconds(begin);
                                client.TryReceive(out var result, 10_000);
                                if (result.Id != id)
                                    throw new InvalidOperationException("another result came");
                                result.Dispose();
                            });
                        }
        }

        static void Measure(string name, double seconds, Action once)
        {
            for (var warming = 0; warming < 20; warming++)
                once();
            var times = new double[100_000];
            var count = 0;
            sent = 0;
            for (var whole = Stopwatch.StartNew(); count < times.Length && whole.Elapsed.TotalSeconds < seconds; count++)
            {
                var begin = Stopwatch.GetTimestamp();
                once();
                times[count] = Milliseconds(begin);
            }
            Array.Sort(times, 0, count);
            Array.Sort(Sending, 0, Math.Min(sent, Sending.Length));
            var sending = sent > 0 ? $"; TrySend p50 {Sending[Math.Min(sent, Sending.Length) / 2]:F2} ms" : "";
            Console.WriteLine($"{name,-28} p50 {times[count / 2]:F2} ms, p95 {times[count * 95 / 100]:F2} ms of {count}{sending}");
        }

        static double Milliseconds(long since) => (Stopwatch.GetTimestamp() - since) * 1000.0 / Stopwatch.Frequency;
    }
}
