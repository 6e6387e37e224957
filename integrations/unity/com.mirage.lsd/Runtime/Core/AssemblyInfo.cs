using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Mirage.Core.Tests")]
[assembly: InternalsVisibleTo("Mirage.Tests")]
[assembly: InternalsVisibleTo("Mirage")]
[assembly: InternalsVisibleTo("Mirage.Editor")]
[assembly: InternalsVisibleTo("Mirage.Components.Tests")]
