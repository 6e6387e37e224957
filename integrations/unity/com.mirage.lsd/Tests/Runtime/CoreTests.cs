using System;
using System.Collections.Generic;
using System.Threading;
using NUnit.Framework;

namespace Mirage.Tests
{
    /// <summary>What can be tested of the core without a daemon. The project's own tests go much further.</summary>
    public class CoreTests
    {
        const string Nobody = "ws://127.0.0.1:1/main";

        [Test]
        public void PlanesSayWhatIsWrongWithThem()
        {
            Assert.That(PlaneData.From(PixelFormat.Rgba8, 4, 2, new byte[32]).Size, Is.EqualTo(32));
            Assert.That(PlaneData.From(PixelFormat.Rgb8, 4, 2, new byte[100], 4, 16).Size, Is.EqualTo(28));
            Assert.That(default(PlaneData).Exists, Is.False);
            Assert.Throws<ArgumentException>(() => PlaneData.From(PixelFormat.Rgba8, 4, 2, new byte[31]));
            Assert.Throws<ArgumentException>(() => PlaneData.From(PixelFormat.Rgba8, 0, 2, new byte[32]));
            Assert.Throws<ArgumentException>(() => PlaneData.From(PixelFormat.R32F, 4, 2, new byte[64], 0, 18));
        }

        [Test]
        public void OptionsSayWhatIsWrongWithThem()
        {
            foreach (var url in new[] { "", "127.0.0.1:8765", "http://127.0.0.1", "wss://127.0.0.1" })
                Assert.Throws<ArgumentException>(() => new MirageClient(new ClientOptions { Url = url }));
            Assert.Throws<ArgumentException>(() => new MirageClient(new ClientOptions { Window = 65 }));
            Assert.Throws<ArgumentException>(() => new MirageClient(new ClientOptions { Quality = 0 }));
            Assert.Throws<ArgumentException>(
                () => new MirageClient(new ClientOptions { Url = "ws://192.0.2.1/", Transport = Transport.SharedMemory }));
        }

        [Test]
        public void ParametersHaveTheirBounds()
        {
            var strength = Parameters.Find(Parameters.Strength);
            Assert.That(strength.Maximum, Is.EqualTo(Parameters.StrengthMaximum));
            Assert.That(strength.Problem(0.5f), Is.Null);
            Assert.That(strength.Problem(1.5).Code, Is.EqualTo("out-of-range"));
            Assert.That(strength.Problem("much").Code, Is.EqualTo("wrong-type"));
            var blend = new List<object> { new Dictionary<string, object> { ["text"] = "ink", ["weight"] = 1 } };
            Assert.That(Parameters.Find(Parameters.Prompts).Problem(blend), Is.Null);
        }

        [Test]
        public void AClientThatFindsNobodyGoesOnTrying()
        {
            using (var client = new MirageClient(new ClientOptions { Url = Nobody }))
            {
                MirageError told = null;
                client.ErrorReceived += error => told = error;
                client.Start();
                for (var left = 500; client.Problem == null && left > 0; left--)
                    Thread.Sleep(10);
                client.Poll();
                Assert.That(client.State, Is.EqualTo(ClientState.Connecting));
                Assert.That(told.Code, Is.EqualTo("unreachable"));
                var frame = new FrameData { Color = PlaneData.From(PixelFormat.Rgba8, 1, 1, new byte[4]) };
                Assert.That(client.TrySend(frame, out _), Is.False);
                Assert.That(client.TryReceive(out _), Is.False);
            }
        }

        [Test]
        public void WhatWasAskedForEndsWithTheClient()
        {
            var client = new MirageClient(new ClientOptions { Url = Nobody });
            client.Start();
            var waiting = client.Set(Parameters.Prompt, "lava");
            var impossible = client.Play("go");
            Assert.That(waiting.IsDone, Is.False);
            Assert.That(impossible.Error.Code, Is.EqualTo("disconnected"));
            Assert.Throws<ArgumentException>(() => client.Set(Parameters.Prompt, new object()));
            client.Dispose();
            Assert.That(waiting.Error.Code, Is.EqualTo("disconnected"));
            Assert.That(client.State, Is.EqualTo(ClientState.Disconnected));
            client.Dispose();
        }
    }
}
