#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Every parameter's value now, and those that this client has set, to be set again after a loss.</summary>
    internal sealed class ParameterMemory
    {
        readonly Dictionary<string, object?> _now = new Dictionary<string, object?>(StringComparer.Ordinal);
        readonly Dictionary<string, object?> _own = new Dictionary<string, object?>(StringComparer.Ordinal);

        public ParameterMemory(IReadOnlyDictionary<string, object>? own)
        {
            if (own == null)
                return;
            new MessagePackWriter().Value(own); // what no message can hold is the caller's fault, and told at once
            foreach (var entry in own)
                _own[entry.Key] = entry.Value;
        }

        public bool TryGet(string name, out object? value) => _now.TryGetValue(name, out value);

        public Dictionary<string, object?> Copy() => new Dictionary<string, object?>(_now);

        /// <summary>What to set with a hello. A server that comes back may be another one: what its table does not know is not asked for.</summary>
        public Dictionary<string, object?> ToSet(ICollection<string>? table)
        {
            var wanted = new Dictionary<string, object?>();
            foreach (var entry in _own)
                if (table == null || table.Contains(entry.Key))
                    wanted.Add(entry.Key, entry.Value);
            return wanted;
        }

        /// <summary>A server tells all values.</summary>
        public void Begin(Dictionary<string, object?> values)
        {
            _now.Clear();
            Merge(_now, values);
        }

        /// <summary>What this client has set is in force.</summary>
        public void Acknowledged(Dictionary<string, object?> values)
        {
            Merge(_own, values);
            Learn(values);
        }

        /// <summary>Values changed, whoever changed them.</summary>
        public void Learn(Dictionary<string, object?> values)
        {
            Merge(_now, values);
            foreach (var entry in values)
                if (_own.ContainsKey(entry.Key))
                    _own[entry.Key] = entry.Value;
            // A blend of somebody else's is in force now: were our prompt set again without it, that would end it.
            if (_own.ContainsKey("prompt") && values.TryGetValue("prompts", out var blend))
                _own["prompts"] = blend;
        }

        static void Merge(Dictionary<string, object?> into, Dictionary<string, object?> values)
        {
            foreach (var entry in values)
                into[entry.Key] = entry.Value;
        }
    }
}
