#nullable enable
using System;
using System.IO;
using System.Threading;

namespace Mirage.Tests
{
    /// Daemons that go and come back, and clients that leave nothing behind.
    static class Faults
    {
        /// Say "ready" once frames are transformed; the daemon is killed then, and started again.
        public static void Reconnect(string url, string transport)
        {
            using (var client = Live.Connected(url, transport, options => options.Timeout = 3))
            {
                var lost = 0;
                client.StateChanged += state => lost += state == ClientState.Reconnecting ? 1 : 0;
                var frame = Pictures.Frame(Pictures.Noise(64, 48, 1), 64, 48);
                Live.Settle(client, frame, transport == "SharedMemory");
                var set = client.Set("prompt", "lava");
                Live.Until(() => set.IsDone, "the prompt is set");
                client.TrySend(frame, out _);
                Console.WriteLine("ready");
                Console.Out.Flush();
                Live.Until(() => client.State == ClientState.Reconnecting, "the loss is noticed");
                Report.True("there is a problem", client.Problem != null);
                Report.True("no frame is taken meanwhile", !client.TrySend(frame, out _) && !client.CanSend);
                var waiting = client.Set("strength", 0.25); // it is done when there is a connection
                Live.Until(() => client.State == ClientState.Connected, "it is back");
                Report.True("there is no problem any more", client.Problem == null);
                Live.Until(() => waiting.IsDone, "what waited is done");
                Report.True("it was done well", waiting.Error == null);
                client.TryGetParameter("prompt", out var prompt);
                client.TryGetParameter("strength", out var strength);
                Report.Same("the prompt was set again", prompt, "lava");
                Report.Same("the strength was set", strength, 0.25);
                Live.Settle(client, frame, transport == "SharedMemory");
                using (var result = Live.Transform(client, frame))
                    Report.True("frames are transformed again", result.Width == 64);
                client.Poll();
                Report.True("the event came", lost == 1);
            }
        }

        /// Fifty clients come and go, some of them forgotten: no thread and no handle stays.
        public static void Leave(string url, string transport, int count)
        {
            Cycle($"{url}-warm", transport, 5);
            var before = (Threads: Count("task"), Handles: Count("fd"));
            Cycle(url, transport, count);
            Live.Until(() => Count("task") <= before.Threads && Count("fd") <= before.Handles, "all is given back",
                () => $"{Count("task")} threads of {before.Threads}, {Count("fd")} handles of {before.Handles}");
            Console.WriteLine($"{before.Threads} threads and {before.Handles} handles before, {Count("task")} and {Count("fd")} after");
            Report.True("nothing stays", true);
        }

        static void Cycle(string url, string transport, int count)
        {
            for (var number = 0; number < count; number++)
            {
                if (number % 5 == 4)
                    Forget($"{url}-{number}", transport);
                else
                    Use(Live.Connected($"{url}-{number}", transport), transport).Dispose();
            }
            // A client that was never started, one that finds nobody, and one that is disposed of twice.
            new MirageClient(new ClientOptions()).Dispose();
            var lonely = Live.Client("ws://127.0.0.1:1/main");
            lonely.Start();
            Thread.Sleep(100);
            lonely.Dispose();
            lonely.Dispose();
            // In another thread: what is on this one's stack may be taken for a reference.
            var collecting = new Thread(() =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            });
            collecting.Start();
            collecting.Join();
        }

        static MirageClient Use(MirageClient client, string transport)
        {
            var frame = Pictures.Frame(Pictures.Noise(32, 32, 1), 32, 32);
            Live.Settle(client, frame, transport == "SharedMemory");
            return client;
        }

        static void Forget(string url, string transport)
        {
            var forgetting = new Thread(() => Use(Live.Connected(url, transport), transport));
            forgetting.Start();
            forgetting.Join();
        }

        static int Count(string kind) => Directory.GetFileSystemEntries($"/proc/self/{kind}").Length;
    }
}
