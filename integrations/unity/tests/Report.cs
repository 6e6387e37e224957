#nullable enable
using System;

namespace Mirage.Tests
{
    /// Counts checks; prints one line for each that fails.
    static class Report
    {
        const int MostShown = 40;
        static int passed, failed;

        public static void Same(string name, object? actual, object? expected)
        {
            if (Json.Same(actual, expected))
                passed++;
            else
                Fail($"{name}: {Short(actual)}, not {Short(expected)}");
        }

        public static void True(string name, bool holds)
        {
            if (holds)
                passed++;
            else
                Fail(name);
        }

        public static void Fail(string problem)
        {
            if (failed++ < MostShown)
                Console.WriteLine($"FAILED {problem}");
        }

        /// Print the sum; the exit code of the program.
        public static int End()
        {
            Console.WriteLine($"{passed} passed, {failed} failed");
            return failed > 0 ? 1 : 0;
        }

        static string Short(object? value)
        {
            var shown = Json.Shown(value);
            return shown.Length > 600 ? shown.Substring(0, 600) + "…" : shown;
        }
    }
}
