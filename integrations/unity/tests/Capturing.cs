#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace Mirage.Tests
{
    /// The arithmetic of capturing and showing, beside numbers that somebody else computed, and beside its own rules.
    static class Capturing
    {
        public static void Run(string file)
        {
            var cases = (Dictionary<string, object?>)Json.Read(file)!;
            foreach (var each in Json.Entries(cases["points"]))
                Point(each);
            foreach (var each in Json.Entries(cases["depths"]))
                Depth(each);
            foreach (var each in Json.Entries(cases["views"]))
                View(each);
            Scheduling();
            Motion();
            Fading();
            Remembering();
            Changing();
            Turning();
            Report.True("a camera without numbers is not sent", !CameraMatrices.AreGood(new CameraData()));
            var gate = new ProblemGate();
            Report.True("a problem is told once", gate.Tell("a") && !gate.Tell("a") && gate.Tell("b") && !gate.Tell(null) && gate.Tell("b"));
        }

        static void Point(Dictionary<string, object?> given)
        {
            var way = new Reprojection();
            way.Set(Camera(given, "now"), Camera(given, "then"));
            double z = (double)given["metres"]!, nearness = 1 / z, w = way.ScaleX + way.ScaleY * nearness;
            var at = Numbers(given["at"]);
            var q = new[] { at[0] * w, at[1] * w, 1, nearness };
            var clip = Enumerable.Range(0, 4).Select(row => q.Select((each, column) => way.Matrix[row * 4 + column] * each).Sum()).ToArray();
            var expected = Numbers(given["seen"]);
            // Far outside the picture a float's rounding counts for more.
            Close("x", clip[0] / clip[3], expected[0], 1e-4 * Math.Max(1, Math.Abs(expected[0])));
            Close("y", clip[1] / clip[3], expected[1], 1e-4 * Math.Max(1, Math.Abs(expected[1])));
            Close("depth", q.Select((each, column) => way.DepthRow[column] * each).Sum() * z / expected[2], 1, 1e-4);
        }

        static void Depth(Dictionary<string, object?> given)
        {
            var terms = new DepthTerms(Floats(given["projection"]), (double)given["offset"]!, (double)given["factor"]!);
            var metres = (double)given["metres"]!;
            Close("metres", terms.Metres((double)given["value"]!) / metres, 1, 1e-3);
        }

        static void View(Dictionary<string, object?> given)
        {
            var view = Floats(given["unity"]);
            CameraMatrices.Unmirror(view);
            foreach (var (one, other) in view.Zip(Floats(given["rigid"]), (one, other) => (one, other)))
                Close("view", one, other, 1e-6);
        }

        static void Scheduling()
        {
            var schedule = new CaptureSchedule();
            Report.True("two are on their way", schedule.May(2, 0, 2, double.NaN, 16) && schedule.May(2, 1, 2, double.NaN, 16));
            Report.True("no third is", !schedule.May(2, 2, 2, double.NaN, 16));
            Report.True("a quick daemon may have more", schedule.May(2, 3, 2, 5, 16) && !schedule.May(2, 4, 2, 5, 16));
            Report.True("a slow one may not", !schedule.May(2, 2, 2, 100, 16));
            schedule.Begin(out _);
            Report.True("what is captured counts", schedule.Pending == 1 && !schedule.May(2, 1, 0, double.NaN, 16));
        }

        static void Motion()
        {
            var schedule = new CaptureSchedule();
            var first = schedule.Begin(out var none);
            Report.True("the first has no motion", none == 0 && schedule.MotionFrom(none) == 0);
            schedule.End(first, 70);
            var second = schedule.Begin(out var from);
            Report.True("motion goes back to what was sent", from == first && schedule.MotionFrom(from) == 70);
            var third = schedule.Begin(out from);
            schedule.End(second, 0);
            Report.True("and to nothing that was not", from == second && schedule.MotionFrom(from) == 0);
            schedule.End(third, 71);
            Report.True("what was overtaken is old", !schedule.IsNews(second) && schedule.Pending == 0);
            schedule.Begin(out from);
            schedule.Cut();
            Report.True("a cut has no motion", from == third && schedule.MotionFrom(from) == 0);
        }

        static void Fading()
        {
            var fade = new Fade();
            Report.True("first there is the game", !fade.Step(0, 0.1, 0.5, true) && fade.Amount == 0);
            fade.ResultCame(0.1);
            Report.True("results are told", fade.Step(0.1, 0.1, 0.5, true));
            Close("a fifth of the way", fade.Amount, 0.2, 1e-6);
            for (var at = 0; at < 10; at++)
                fade.Step(0.2, 0.1, 0.5, true);
            Close("all of it", fade.Amount, 1, 1e-6);
            Report.True("the last is held", !fade.Step(9, 0.1, 0.5, true) && fade.Amount == 1 && !fade.Fresh);
            Report.True("or not", fade.Step(9, 0.1, 0, false) && fade.Amount == 0);
        }

        static void Remembering()
        {
            var gone = new List<string>();
            var frames = new SentFrames<string>(2, gone.Add);
            frames.Add(1, "a");
            frames.Add(3, "b");
            frames.Add(4, "c");
            Report.Same("too many", string.Join("", gone), "a");
            Report.True("what is older is forgotten", frames.Take(4) == "c" && frames.Count == 0);
            Report.Same("and given back", string.Join("", gone), "ab");
            frames.Add(6, "d");
            Report.True("another's result is none of ours", frames.Take(5) == null && frames.Count == 1);
            frames.Clear();
            Report.Same("all is given back", string.Join("", gone), "abd");
        }

        static void Changing()
        {
            var changes = new PendingChanges();
            changes.Begin(new[] { "prompt", "seed" });
            changes.Begin(new[] { "prompt" });
            Report.Same("one is answered", string.Join(" ", changes.End(new[] { "prompt", "seed" })), "seed");
            Report.True("another is not", changes.IsPending("prompt") && !changes.IsPending("seed"));
            Report.Same("now it is", string.Join(" ", changes.End(new[] { "prompt" })), "prompt");
        }

        static void Turning()
        {
            var source = new ArraySegment<byte>(new byte[] { 9, 1, 2, 0, 3, 4, 0, 5, 6 }, 1, 8);
            var target = new byte[6];
            Rows.Copy(source, 3, 2, 3, true, target);
            Report.Same("rows are turned over", string.Join("", target), "563412");
            Rows.Copy(source, 3, 2, 3, false, target);
            Report.Same("or not", string.Join("", target), "123456");
        }

        static CameraData Camera(Dictionary<string, object?> given, string name)
        {
            var camera = new CameraData { Near = 0.1f, Far = 100 };
            Floats(given[$"{name}_view"]).CopyTo(camera.View, 0);
            Floats(given[$"{name}_projection"]).CopyTo(camera.Projection, 0);
            Report.True("the camera is good", CameraMatrices.AreGood(camera));
            return camera;
        }

        static double[] Numbers(object? list) => ((List<object?>)list!).Select(Convert.ToDouble).ToArray();

        static float[] Floats(object? list) => Numbers(list).Select(each => (float)each).ToArray();

        static void Close(string name, double actual, double expected, double tolerance) =>
            Report.True($"{name}: {actual}, not {expected}", Math.Abs(actual - expected) <= tolerance);
    }
}
