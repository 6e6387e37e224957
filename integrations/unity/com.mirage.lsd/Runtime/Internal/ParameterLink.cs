#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Keeps a component's parameters and a stream's the same: whoever changes one, here or there, changes both.</summary>
    internal sealed class ParameterLink
    {
        readonly ParameterValues _seen = new ParameterValues();
        readonly PendingChanges _pending = new PendingChanges();
        readonly List<string> _changed = new List<string>();
        readonly HashSet<string> _lost = new HashSet<string>();
        readonly Action<MirageError> _complain;

        public ParameterLink(Action<MirageError> complain) => _complain = complain;

        /// <summary>What was chosen by whoever made the scene: what differs from the defaults.</summary>
        public static Dictionary<string, object> Chosen(ParameterValues values)
        {
            var defaults = new ParameterValues();
            var chosen = new Dictionary<string, object>();
            foreach (var parameter in Parameters.All)
                if (!values.IsSame(parameter.Name, defaults) && values.Get(parameter.Name) is object value)
                    chosen[parameter.Name] = value;
            return chosen;
        }

        /// <summary>Begin with values that nobody needs to be told.</summary>
        public void Start(ParameterValues values)
        {
            _pending.Clear();
            _lost.Clear();
            foreach (var parameter in Parameters.All)
                See(parameter.Name, values);
        }

        /// <summary>Send what has changed since the last time, as one. Allocates nothing where nothing has.</summary>
        /// <param name="client">The connection.</param>
        /// <param name="values">What is chosen here.</param>
        /// <param name="learns">Whether what the daemon makes of it is written back.</param>
        public void Send(MirageClient client, ParameterValues values, bool learns)
        {
            _changed.Clear();
            foreach (var parameter in Parameters.All)
                if (!values.IsSame(parameter.Name, _seen) || _lost.Contains(parameter.Name))
                    _changed.Add(parameter.Name);
            if (_changed.Count == 0)
                return;
            _lost.Clear();
            var sent = new Dictionary<string, object>();
            foreach (var name in _changed)
            {
                See(name, values);
                if (values.Get(name) is object value)
                    sent[name] = value;
            }
            Ask(client, sent, learns ? values : null);
        }

        /// <summary>The daemon says what is in force.</summary>
        public void Learn(IReadOnlyDictionary<string, object?> heard, ParameterValues values)
        {
            foreach (var each in heard)
                if (!_pending.IsPending(each.Key))
                    Take(each.Key, each.Value, values);
        }

        void Ask(MirageClient client, Dictionary<string, object> sent, ParameterValues? values)
        {
            var names = new List<string>(sent.Keys);
            _pending.Begin(names);
            try
            {
                client.Set(sent, answer => Settle(client, names, answer.Error, values));
            }
            catch (ArgumentException problem)
            {
                Settle(client, names, new MirageError("wrong-type", problem.Message), values);
            }
        }

        void Settle(MirageClient client, List<string> names, MirageError? error, ParameterValues? values)
        {
            if (error?.Code == "disconnected")
            {
                // It is asked for again, unless nobody will ever answer.
                var lost = _pending.End(names);
                if (client.State != ClientState.Refused && client.State != ClientState.Disconnected)
                    _lost.UnionWith(lost);
                return;
            }
            // What the daemon refused, or changed on the way, stands here as it is in force.
            foreach (var name in _pending.End(names))
                if (values != null && client.TryGetParameter(name, out var value))
                    Take(name, value, values);
            if (error != null)
                _complain(error);
        }

        void Take(string name, object? value, ParameterValues values)
        {
            if (values.Take(name, value))
                See(name, values);
        }

        void See(string name, ParameterValues values) => _seen.Assign(name, values.Get(name));
    }
}
