using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Mirage.Editor")]
[assembly: InternalsVisibleTo("Mirage.Components.Tests")]
