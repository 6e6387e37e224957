#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>What is remembered of frames until their results come; the oldest is forgotten where there are too many.</summary>
    /// <typeparam name="T">What is remembered.</typeparam>
    internal sealed class SentFrames<T> where T : class
    {
        readonly Queue<KeyValuePair<long, T>> _frames = new Queue<KeyValuePair<long, T>>();
        readonly Action<T> _release;
        readonly int _most;

        /// <summary>Make one that is empty.</summary>
        /// <param name="most">How many are remembered.</param>
        /// <param name="release">Called with what nobody will ask for any more.</param>
        public SentFrames(int most, Action<T> release)
        {
            _most = most;
            _release = release;
        }

        public int Count => _frames.Count;

        /// <summary>A frame was sent; ids rise.</summary>
        public void Add(long id, T frame)
        {
            _frames.Enqueue(new KeyValuePair<long, T>(id, frame));
            if (_frames.Count > _most)
                _release(_frames.Dequeue().Value);
        }

        /// <summary>A result came: everything older is forgotten.</summary>
        /// <returns>What was remembered of its frame, now the caller's; null where there is nothing.</returns>
        public T? Take(long id)
        {
            while (_frames.Count > 0 && _frames.Peek().Key <= id)
            {
                var frame = _frames.Dequeue();
                if (frame.Key == id)
                    return frame.Value;
                _release(frame.Value);
            }
            return null;
        }

        public void Clear()
        {
            while (_frames.Count > 0)
                _release(_frames.Dequeue().Value);
        }
    }
}
