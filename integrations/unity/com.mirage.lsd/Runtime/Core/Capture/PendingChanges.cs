#nullable enable
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>
    /// Which parameters are on their way to the daemon. What it says of one meanwhile is older than what was asked for: a slider
    /// that is being dragged must not jump back.
    /// </summary>
    internal sealed class PendingChanges
    {
        readonly Dictionary<string, int> _counts = new Dictionary<string, int>();

        /// <summary>A change is on its way.</summary>
        public void Begin(IEnumerable<string> names)
        {
            foreach (var name in names)
                _counts[name] = Count(name) + 1;
        }

        /// <summary>It was answered.</summary>
        /// <returns>The parameters that nothing is on its way for any more: what the daemon has is what counts.</returns>
        public List<string> End(IEnumerable<string> names)
        {
            var settled = new List<string>();
            foreach (var name in names)
            {
                var left = Count(name) - 1;
                if (left > 0)
                {
                    _counts[name] = left;
                    continue;
                }
                _counts.Remove(name);
                settled.Add(name);
            }
            return settled;
        }

        public bool IsPending(string name) => _counts.ContainsKey(name);

        public void Clear() => _counts.Clear();

        int Count(string name) => _counts.TryGetValue(name, out var count) ? count : 0;
    }
}
