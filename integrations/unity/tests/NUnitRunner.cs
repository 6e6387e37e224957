#nullable enable
using System;
using System.Linq;
using System.Reflection;

namespace Mirage.Tests
{
    /// Runs the methods of an assembly that NUnit's attribute Test is on: that is all that the package's own tests use.
    static class NUnitRunner
    {
        public static void Run(string assembly)
        {
            foreach (var type in Assembly.LoadFrom(assembly).GetExportedTypes())
                foreach (var method in type.GetMethods().Where(IsTest))
                {
                    try
                    {
                        method.Invoke(Activator.CreateInstance(type), null);
                        Report.True(method.Name, true);
                    }
                    catch (TargetInvocationException problem)
                    {
                        Report.Fail($"{type.Name}.{method.Name}: {problem.InnerException!.Message}");
                    }
                }
        }

        static bool IsTest(MethodInfo method) =>
            method.GetCustomAttributes(false).Any(each => each.GetType().FullName == "NUnit.Framework.TestAttribute");
    }
}
