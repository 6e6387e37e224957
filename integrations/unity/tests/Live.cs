#nullable enable
using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Threading;

namespace Mirage.Tests
{
    /// Clients against a running daemon.
    static class Live
    {
        const int Patience = 60_000;

        public static MirageClient Client(string url, string transport = "Auto", Action<ClientOptions>? with = null)
        {
            var options = new ClientOptions { Url = url, Transport = (Transport)Enum.Parse(typeof(Transport), transport) };
            with?.Invoke(options);
            return new MirageClient(options);
        }

        public static MirageClient Connected(string url, string transport = "Auto", Action<ClientOptions>? with = null)
        {
            var client = Client(url, transport, with);
            client.Start();
            Until(() => client.State == ClientState.Connected || client.State == ClientState.Refused, "there is a connection");
            if (client.State == ClientState.Refused)
                throw new InvalidOperationException($"refused: {client.Problem}");
            return client;
        }

        public static void Until(Func<bool> condition, string what, Func<string>? instead = null)
        {
            for (var left = Patience; !condition(); left -= 2)
            {
                if (left <= 0)
                    throw new TimeoutException($"waited in vain until {what}: {instead?.Invoke()}");
                Thread.Sleep(2);
            }
        }

        /// Send a frame as soon as there is room.
        public static long Send(MirageClient client, in FrameData frame)
        {
            for (var left = Patience; left > 0; left--)
            {
                if (client.TrySend(frame, out var id))
                    return id;
                Thread.Sleep(1);
            }
            throw new TimeoutException($"no frame could be sent: {client.State} {client.Problem}");
        }

        /// See to it that shared memory is in use, or not, for frames like this one.
        public static void Settle(MirageClient client, FrameData frame, bool shared)
        {
            Until(() =>
            {
                Transform(client, frame).Dispose();
                return client.Statistics.SharedMemory == shared;
            }, shared ? "shared memory is in use" : "WebSocket is in use");
        }

        public static Result Transform(MirageClient client, in FrameData frame)
        {
            var id = Send(client, frame);
            while (client.TryReceive(out var result, Patience))
            {
                if (result.Id == id)
                    return result;
                result.Dispose();
            }
            throw new TimeoutException("no result came");
        }

        /// The model echo gives every picture back, bit by bit, whatever carries it.
        public static void Echo(string url, int width, int height, int frames, string transport)
        {
            using (var sha = SHA256.Create())
            using (var client = Connected(url, transport))
            {
                var shared = transport != "WebSocket";
                Settle(client, Pictures.Frame(Pictures.Noise(width, height, 0), width, height), shared);
                for (var number = 0; number < frames; number++)
                {
                    var pixels = Pictures.Noise(width, height, number + 1, number % 2 == 0 ? 4 : 3);
                    var hash = Convert.ToBase64String(sha.ComputeHash(pixels));
                    using (var result = Transform(client, Pictures.Frame(pixels, width, height)))
                    {
                        var segment = result.PixelSegment;
                        Report.Same($"frame {number}", Convert.ToBase64String(sha.ComputeHash(segment.Array, segment.Offset, segment.Count)), hash);
                        Report.True("a result has a round trip", result.RoundTrip > 0 && result.Width == width && result.Height == height);
                        Report.True("a result has timings", result.Timings.Count > 0 && result.ReadParameters().Count > 0);
                    }
                }
                Flipped(client, width, height);
                Everything(client, width, height);
                Report.True("it went the way that was asked for", client.Statistics.SharedMemory == shared);
                Report.True("statistics are known", client.Statistics.P50 > 0 && client.Statistics.Results > frames / 2);
                Until(() => client.Statistics.ClockRoundTrip > 0, "clocks are compared");
            }
        }

        /// A picture from the bottom up, in rows with gaps, comes back from the top down and without them.
        static void Flipped(MirageClient client, int width, int height)
        {
            var stride = width * 4 + 64;
            var stored = Pictures.Noise(stride, height, 77, 1);
            var plain = new byte[width * height * 4];
            for (var row = 0; row < height; row++)
                Buffer.BlockCopy(stored, (height - 1 - row) * stride, plain, row * width * 4, width * 4);
            var frame = new FrameData { Color = PlaneData.From(PixelFormat.Rgba8, width, height, stored, 0, stride, true) };
            using (var result = Transform(client, frame))
                Report.True("rows come back from the top down", result.Pixels.SequenceEqual(plain));
        }

        /// A frame with every plane and a camera is understood.
        static void Everything(MirageClient client, int width, int height)
        {
            MirageError? told = null;
            client.ErrorReceived += error => told = error;
            client.Poll();
            told = null;
            var (w, h) = (width / 2, height / 2);
            var pixels = Pictures.Noise(width, height, 9);
            var frame = Pictures.Frame(pixels, width, height);
            frame.Depth = PlaneData.From(PixelFormat.R32F, w, h, new byte[w * h * 4]);
            frame.Motion = PlaneData.From(PixelFormat.Rg16F, w, h, new byte[w * h * 4]);
            frame.Normal = PlaneData.From(PixelFormat.Rgb8, width, height, new byte[width * height * 3]);
            frame.Ids = PlaneData.From(PixelFormat.R32U, width, height, new byte[width * height * 4]);
            frame.Camera = new CameraData { Near = 0.1f, Far = 100 };
            for (var index = 0; index < 16; index += 5)
                frame.Camera.View[index] = frame.Camera.Projection[index] = 1;
            using (var result = Transform(client, frame))
                Report.True("a frame with all planes comes back", result.Pixels.SequenceEqual(pixels));
            client.Poll();
            Report.True($"it is understood: {told} {told?.Field}", told == null);
        }

        /// Frames grow and shrink while others are on their way: every result is that of its frame, and none is waited for in vain.
        public static void Resize(string url, string transport, int frames)
        {
            var chance = new Random(3);
            var sent = new Dictionary<long, byte[]>();
            using (var client = Connected(url, transport))
            {
                var (width, height, results) = (16, 16, 0);
                client.ErrorReceived += error => Console.WriteLine($"{error} {error.Field}");
                var until = MirageClient.Now + 1000L * Patience / 4;
                for (var number = 0; number < frames || results + Lost(client) < frames;)
                {
                    client.Poll();
                    if (MirageClient.Now > until)
                        throw new TimeoutException($"{number} sent, {results} results, {client.Statistics.Dropped} dropped, {client.Statistics.InFlight} in flight");
                    if (number % 7 == 0)
                        (width, height) = (16 * chance.Next(1, 30), 16 * chance.Next(1, 20) + number / 7);
                    var pixels = Pictures.Noise(width, height, number);
                    if (number < frames && client.TrySend(Pictures.Frame(pixels, width, height), out var id))
                    {
                        sent.Add(id, pixels);
                        number++;
                    }
                    if (!client.TryReceive(out var result, 1))
                        continue;
                    using (result)
                        Report.True($"result {result.Id}", result.Pixels.SequenceEqual(sent[result.Id]));
                    results++;
                }
                Console.WriteLine($"{results} results, {client.Statistics.Dropped} dropped");
                Report.True("there are results", results > 0);
                Report.True("no frame has two outcomes", results + Lost(client) == frames && client.Statistics.InFlight == 0);
            }
        }

        static long Lost(MirageClient client) => client.Statistics.Dropped + client.Statistics.Untaken;

        /// The picture differs from the frame, and follows the prompt.
        public static void Follow(string url, string transport)
        {
            using (var client = Connected(url, transport))
            {
                const int width = 256, height = 144;
                var scene = Pictures.Scene(width, height);
                var frame = Pictures.Frame(scene, width, height);
                Prompt(client, "ink");
                var ink = Last(client, frame);
                Prompt(client, "lava");
                var lava = Last(client, frame);
                Report.True("the picture differs from the frame", Pictures.Difference(ink, scene) > 4);
                Report.True("it follows the prompt", Pictures.Difference(ink, lava) > 4);
                Set(client, "strength", 0.0);
                Report.True("strength 0 gives the source back", Pictures.Difference(Last(client, frame), scene) < 2);
                var bad = client.Set("strength", 3.0);
                Until(() => bad.IsDone, "there is an answer");
                Report.Same("a bad value", bad.Error?.Code + " " + bad.Error?.Field, "out-of-range parameters.strength");
                client.TryGetParameter("prompt", out var prompt);
                Report.Same("the prompt", prompt, "lava");
            }
        }

        static void Prompt(MirageClient client, string prompt)
        {
            var request = Set(client, "prompt", prompt);
            Report.True("the answer says what was understood", request.Prompt != null && request.Prompt.ContainsKey("looks"));
        }

        static Request Set(MirageClient client, string name, object value)
        {
            var called = 0;
            var request = client.Set(name, value, each => called++);
            Until(() => request.IsDone, "there is an answer");
            client.Poll();
            Report.True($"{name} is set: {request.Error}", request.Error == null && called == 1);
            return request;
        }

        static byte[] Last(MirageClient client, FrameData frame)
        {
            for (var count = 0; count < 3; count++)
                Transform(client, frame).Dispose();
            using (var result = Transform(client, frame))
                return result.Pixels.ToArray();
        }
    }
}
