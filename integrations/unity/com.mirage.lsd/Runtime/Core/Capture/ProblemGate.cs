#nullable enable
namespace Mirage
{
    /// <summary>Lets a problem through once, and not in every frame: again only after it was gone, or where it is another one.</summary>
    internal sealed class ProblemGate
    {
        /// <summary>What is wrong; null where nothing is.</summary>
        public string? Current { get; private set; }

        /// <summary>Say what is wrong now.</summary>
        /// <returns>Whether that is to be told.</returns>
        public bool Tell(string? problem)
        {
            var isNew = problem != null && problem != Current;
            Current = problem;
            return isNew;
        }
    }
}
