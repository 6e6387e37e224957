#nullable enable
using System;
using System.Threading;

namespace Mirage.Tests
{
    /// What thousands of frames allocate: on the calling thread exactly, as Mono counts it, and in the whole process by how
    /// often the nursery (MONO_GC_PARAMS=nursery-size=…) was full.
    static class Allocations
    {
        const int Warming = 500;
        static object? kept;

        /// Exact for one thread. Mono has it; the netstandard that this is compiled against does not say so.
        static readonly Func<long> OfThisThread = (Func<long>)typeof(GC).GetMethod("GetAllocatedBytesForCurrentThread")!
            .CreateDelegate(typeof(Func<long>));

        public static void Run(string url, string transport, int frames, int nursery, int most)
        {
            CheckCounters(nursery);
            using (var client = Live.Connected(url, transport))
            {
                var frame = Pictures.Frame(Pictures.Noise(64, 64, 1), 64, 64);
                Live.Settle(client, frame, transport == "SharedMemory");
                Transform(client, frame, Warming);
                var memory = GC.GetTotalMemory(true);
                var (collections, large) = (GC.CollectionCount(0), GC.CollectionCount(1));
                var here = OfThisThread();
                Transform(client, frame, frames);
                here = OfThisThread() - here;
                (collections, large) = (GC.CollectionCount(0) - collections, GC.CollectionCount(1) - large);
                memory = GC.GetTotalMemory(true) - memory; // memory for a result or two more may have been taken
                Console.WriteLine($"{transport}: {frames} results, {here} bytes on this thread, {collections} nurseries of {nursery} bytes");
                Report.True($"{memory} bytes more are in use, after {large} collections of large objects", memory < 1_000_000 && large == 0);
                Report.True($"{here} bytes were allocated on the calling thread", here == 0);
                Report.True($"{collections} nurseries were filled: over {most} bytes a frame", (long)collections * nursery <= (long)frames * most);
            }
        }

        /// As a program would that draws: send what there is room for, and take what has come.
        static void Transform(MirageClient client, in FrameData frame, int results)
        {
            while (results > 0)
            {
                client.TrySend(frame, out _);
                client.Poll();
                if (!client.TryReceive(out var result, 1))
                    continue;
                result.Timings.TryGet("queue", out _);
                result.Dispose();
                results--;
            }
        }

        /// The counters count: else nothing that they say would mean anything.
        static void CheckCounters(int nursery)
        {
            var here = OfThisThread();
            var collections = GC.CollectionCount(0);
            for (var count = 0; count < 3 * nursery / 1000; count++)
                kept = new byte[1000];
            Report.True("this thread's bytes are counted", OfThisThread() - here >= 3 * nursery);
            var thread = new Thread(() =>
            {
                for (var count = 0; count < 3 * nursery / 1000; count++)
                    kept = new byte[1000];
            });
            thread.Start();
            thread.Join();
            Report.True($"the nursery is as large as it should be: {GC.CollectionCount(0) - collections}", GC.CollectionCount(0) - collections >= 4);
        }
    }
}
