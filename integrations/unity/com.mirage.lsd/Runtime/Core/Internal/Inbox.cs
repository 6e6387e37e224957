#nullable enable
using System.Collections.Generic;
using System.Threading;

namespace Mirage
{
    /// <summary>
    /// Results that nobody has taken yet: few, and the oldest go first. A source's are in the order of their ids, whichever way
    /// they came.
    /// </summary>
    internal sealed class Inbox
    {
        readonly object _gate = new object();
        readonly List<Result> _results;
        readonly int _most;
        readonly bool _ordered;
        long _lastTaken = -1;

        /// <summary>Results that were replaced before anybody took them.</summary>
        public long Untaken { get; private set; }

        public Inbox(int most, bool ordered)
        {
            _most = most;
            _ordered = ordered;
            _results = new List<Result>(most + 1);
        }

        public void Add(Result result)
        {
            lock (_gate)
            {
                var at = _results.Count;
                while (_ordered && at > 0 && _results[at - 1].Id > result.Id)
                    at--;
                _results.Insert(at, result);
                var late = _ordered && result.Id < _lastTaken;
                if (late || _results.Count > _most)
                    Discard(late ? at : 0);
                Monitor.PulseAll(_gate);
            }
        }

        /// <summary>Take the oldest result, or with <paramref name="newest"/> the newest one, after so many milliseconds at most.</summary>
        public bool TryTake(bool newest, int milliseconds, out Result result)
        {
            lock (_gate)
            {
                var deadline = milliseconds > 0 ? Clock.Now + milliseconds * 1000L : 0;
                while (_results.Count == 0 && deadline > 0)
                {
                    var left = (int)((deadline - Clock.Now + 999) / 1000);
                    if (left <= 0 || !Monitor.Wait(_gate, left) && _results.Count == 0)
                        break;
                }
                result = null!;
                while (newest && _results.Count > 1)
                    Discard(0);
                if (_results.Count == 0)
                    return false;
                result = _results[0];
                _results.RemoveAt(0);
                _lastTaken = result.Id;
                return true;
            }
        }

        void Discard(int index)
        {
            var result = _results[index];
            _results.RemoveAt(index);
            Untaken++;
            result.Dispose();
        }
    }
}
