// Runs Roslyn under Mono: `mono CompilerHost.exe OPTIONS`, the options being those of csc. Several jobs, divided by `--`,
// share one start of the compiler, which takes longer than most of them. C# 6: Mono's old compiler compiles this file.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

static class CompilerHost
{
    static int Main(string[] arguments)
    {
        var job = new List<string>();
        // What stands before the first file is for every job.
        var common = arguments.TakeWhile(each => each != "--").ToList();
        var failed = 0;
        foreach (var argument in arguments.Skip(common.Count + 1).Concat(new[] { "--" }))
        {
            if (argument != "--")
            {
                job.Add(argument);
                continue;
            }
            failed += Compile(common.Concat(job)) ? 0 : 1;
            if (failed > 0)
                return 1; // the next jobs need what this one makes
            job.Clear();
        }
        return 0;
    }

    static bool Compile(IEnumerable<string> options)
    {
        var parsed = CSharpCommandLineParser.Default.Parse(options, Directory.GetCurrentDirectory(), null, null);
        if (!Accepted(parsed.Errors))
            return false;
        var trees = parsed.SourceFiles.Select(file => Parsed(file.Path, parsed.ParseOptions)).ToList();
        var references = parsed.MetadataReferences.Select(each => MetadataReference.CreateFromFile(Path.GetFullPath(each.Reference)));
        var name = Path.GetFileNameWithoutExtension(parsed.OutputFileName);
        var compilation = CSharpCompilation.Create(name, trees, references, parsed.CompilationOptions);
        var assembly = new MemoryStream();
        var documentation = parsed.DocumentationPath == null ? null : new MemoryStream(); // so that comments are checked
        var emitted = compilation.Emit(assembly, xmlDocumentationStream: documentation);
        if (!Accepted(emitted.Diagnostics) || !emitted.Success)
            return false;
        File.WriteAllBytes(Path.Combine(parsed.OutputDirectory, parsed.OutputFileName), assembly.ToArray());
        return true;
    }

    static SyntaxTree Parsed(string path, CSharpParseOptions options)
    {
        using (var file = File.OpenRead(path))
            return CSharpSyntaxTree.ParseText(SourceText.From(file), options, path);
    }

    /// Print warnings and errors; false where there are errors.
    static bool Accepted(IEnumerable<Diagnostic> diagnostics)
    {
        var found = diagnostics.Where(each => each.Severity >= DiagnosticSeverity.Warning && !each.IsSuppressed).ToList();
        found.ForEach(each => Console.Error.WriteLine(each));
        return !found.Any(each => each.Severity == DiagnosticSeverity.Error || each.IsWarningAsError);
    }
}
