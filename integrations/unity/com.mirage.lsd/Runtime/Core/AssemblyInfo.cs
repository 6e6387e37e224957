using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Mirage.Core.Tests")]
[assembly: InternalsVisibleTo("Mirage.Tests")]
