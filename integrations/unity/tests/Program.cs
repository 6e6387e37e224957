#nullable enable
using System;
using System.Linq;

namespace Mirage.Tests
{
    /// Runs one kind of test: `mono Mirage.Core.Tests.exe KIND ARGUMENTS`. Exits with 1 where a check fails.
    static class Program
    {
        static int Main(string[] arguments)
        {
            string At(int index) => arguments[index];
            switch (At(0))
            {
                case "vectors": Vectors.Run(At(1)); break;
                case "outcomes": Vectors.Outcomes(At(1)); break;
                case "fuzz": Fuzz.Run(At(1), int.Parse(At(2)), long.Parse(At(3))); break;
                case "ring-read": RingTests.Read(At(1), long.Parse(At(2))); break;
                case "ring-write": RingTests.Write(At(1), long.Parse(At(2)), int.Parse(At(3))); break;
                case "ring-two": RingTests.SecondWriter(At(1), long.Parse(At(2))); break;
                case "paths": RingTests.Paths(At(1), At(2)); break;
                case "echo": Live.Echo(At(1), int.Parse(At(2)), int.Parse(At(3)), int.Parse(At(4)), At(5)); break;
                case "resize": Live.Resize(At(1), At(2), int.Parse(At(3))); break;
                case "follow": Live.Follow(At(1), At(2)); break;
                case "allocations": Allocations.Run(At(1), At(2), int.Parse(At(3)), int.Parse(At(4)), int.Parse(At(5))); break;
                case "probe": Probe.Run(arguments.Skip(1).ToArray()); break;
                case "reconnect": Faults.Reconnect(At(1), At(2)); break;
                case "leave": Faults.Leave(At(1), At(2), int.Parse(At(3))); break;
                case "capturing": Capturing.Run(At(1)); break;
                case "nunit": NUnitRunner.Run(At(1)); break;
                case "bench": Bench.Run(At(1), arguments.Length > 2 ? double.Parse(At(2)) : 5); return 0;
                default: Report.Fail($"there is no test {At(0)}"); break;
            }
            return Report.End();
        }
    }
}
