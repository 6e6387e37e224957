#nullable enable
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Something that callers are told of when they ask, in their own thread.</summary>
    internal readonly struct News
    {
        public enum Kind { State, Error, Parameters, Stream, Show, Answer }

        public readonly Kind What;
        public readonly object Value;

        public News(Kind what, object value) => (What, Value) = (what, value);
    }

    /// <summary>News in their order. Where nobody asks, the oldest go: answers to requests stay.</summary>
    internal sealed class NewsQueue
    {
        const int Most = 256;

        readonly object _gate = new object();
        readonly Queue<News> _news = new Queue<News>();

        public void Add(News.Kind what, object value)
        {
            lock (_gate)
            {
                if (_news.Count >= Most && _news.Peek().What != News.Kind.Answer)
                    _news.Dequeue();
                _news.Enqueue(new News(what, value));
            }
        }

        public bool TryTake(out News news)
        {
            lock (_gate)
            {
                news = _news.Count > 0 ? _news.Dequeue() : default;
                return news.Value != null;
            }
        }
    }
}
