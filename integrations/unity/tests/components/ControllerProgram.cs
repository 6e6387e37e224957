#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Threading;

namespace Mirage.Tests
{
    /// Plays Unity for a MirageController, with the stand-ins beneath it, against a real daemon: `mono PROGRAM URL`.
    static class ControllerProgram
    {
        const double Patience = 30;

        static int Main(string[] arguments)
        {
            var threads = Play.Threads();
            var controller = new MirageController { Url = arguments[0], Prompt = "ink" };
            var states = new List<ClientState>();
            var problems = new List<string>();
            var results = new List<long>();
            controller.StateChanged.AddListener(states.Add);
            controller.ProblemOccurred.AddListener(problems.Add);
            controller.ResultReceived.AddListener(result => results.Add(result.Pixels.Length));
            using (var other = new MirageClient(new ClientOptions { Url = arguments[0], Role = Role.Controller }))
            {
                Play.Call(controller, "OnEnable");
                Until(controller, () => controller.State == ClientState.Connected, "it connects");
                other.Start();
                Until(controller, () => Is(other, Parameters.Prompt, "ink"), "what was chosen in the scene is asked for");

                controller.Strength = 0.25f;
                Until(controller, () => Is(other, Parameters.Strength, 0.25), "a change acts");
                other.Set(Parameters.Prompt, "lava");
                Until(controller, () => controller.Prompt == "lava", "what others change appears");

                Play.True("a bad value is told", controller.Set(Parameters.Strength, 7.0)?.Code == "out-of-range" && controller.Strength == 0.25f);
                Play.True("a good one acts", controller.Set(Parameters.Strength, 0.5) == null && controller.Strength == 0.5f);
                controller.Values.strength = 7;
                Until(controller, () => problems.Count == 1 && controller.Strength <= 1, "what the daemon refuses is taken back");
                Step(controller);
                Play.True("and not asked for again", problems.Count == 1 && controller.LastProblem!.Code == "out-of-range");

                var prompts = controller.Values.prompts;
                prompts.Add(new WeightedPrompt { text = "lava", weight = 3 });
                prompts.Add(new WeightedPrompt { text = "ice" });
                Until(controller, () => other.TryGetParameter(Parameters.Prompts, out var value) && value is List<object?> list && list.Count == 2, "prompts act");
                controller.SetPrompt("moss");
                Until(controller, () => prompts.Count == 0 && controller.Prompt == "moss", "a prompt empties them");

                var frame = new FrameData { Color = PlaneData.From(PixelFormat.Rgba8, 64, 48, new byte[64 * 48 * 4], 0, 0, true) };
                Until(controller, () => results.Count > 2 || (controller.Client!.TrySend(frame, out _) && false), "results come");
                Play.True("they are whole", results[0] == 64 * 48 * 4 && controller.LastLatency > 0);
                Play.True("there are figures", controller.Statistics.Results > 0);
                Play.Call(controller, "OnDisable");
                Play.True("it lets go", controller.State == ClientState.Disconnected && controller.Client == null);
                Play.Call(controller, "OnEnable");
                Until(controller, () => controller.State == ClientState.Connected, "it comes again");
                Play.Call(controller, "OnDisable");
                Play.Call(controller, "OnDisable");
            }
            Play.True("events told of it", states[0] == ClientState.Connecting || states[0] == ClientState.Connected);
            Play.True("the last says that it is gone", states[states.Count - 1] == ClientState.Disconnected);
            for (var left = 100; Play.Threads() > threads && left > 0; left--)
                Thread.Sleep(20);
            Play.True($"no thread stays: {threads} before, {Play.Threads()} after", Play.Threads() <= threads);
            CameraProgram.Run($"{arguments[0]}-camera");
            Console.WriteLine("passed");
            return 0;
        }

        static bool Is(MirageClient client, string name, object value)
        {
            client.Poll();
            return client.TryGetParameter(name, out var now) && Equals(now, value);
        }

        static void Step(MirageController controller)
        {
            for (var frame = 0; frame < 10; frame++)
            {
                Play.Call(controller, "Update");
                Thread.Sleep(5);
            }
        }

        static void Until(MirageController controller, Func<bool> holds, string what)
        {
            var end = DateTime.UtcNow.AddSeconds(Patience);
            while (!holds())
            {
                if (DateTime.UtcNow > end)
                    throw new Exception($"it never holds: {what}");
                Play.Call(controller, "Update");
                Thread.Sleep(5);
            }
        }
    }

    /// What both programs need.
    static class Play
    {
        public static void True(string what, bool holds)
        {
            if (!holds)
                throw new Exception($"it does not hold: {what}");
        }

        /// Unity calls these by their names.
        public static void Call(object component, string name) =>
            component.GetType().GetMethod(name, BindingFlags.Instance | BindingFlags.NonPublic)!.Invoke(component, null);

        public static int Threads() => Directory.GetDirectories("/proc/self/task").Length;
    }
}
