#nullable enable
using System;

namespace Mirage
{
    /// <summary>A few values with names, in the order in which they came. Reading it allocates nothing.</summary>
    /// <typeparam name="T">The type of the values.</typeparam>
    public sealed class NamedValues<T>
    {
        string[] _names = new string[12];
        T[] _values = new T[12];

        internal NamedValues() { }

        /// <summary>How many there are.</summary>
        public int Count { get; private set; }

        /// <summary>The name of one of them.</summary>
        /// <param name="index">From 0 on, below <see cref="Count"/>.</param>
        /// <returns>A name of the server's; there may be ones that no version of this client knows.</returns>
        public string Name(int index) => index < Count ? _names[index] : throw new ArgumentOutOfRangeException(nameof(index));

        /// <summary>One of the values.</summary>
        /// <param name="index">From 0 on, below <see cref="Count"/>.</param>
        /// <returns>The value.</returns>
        public T Value(int index) => index < Count ? _values[index] : throw new ArgumentOutOfRangeException(nameof(index));

        /// <summary>Look for a value by its name.</summary>
        /// <param name="name">A name, as SPEC.md section 4.5 has it.</param>
        /// <param name="value">The value, where there is one.</param>
        /// <returns>Whether there is one.</returns>
        public bool TryGet(string name, out T value)
        {
            for (var index = 0; index < Count; index++)
            {
                if (_names[index] != name)
                    continue;
                value = _values[index];
                return true;
            }
            value = default!;
            return false;
        }

        internal void Clear() => Count = 0;

        internal void Add(string name, T value)
        {
            if (Count == _names.Length)
            {
                Array.Resize(ref _names, Count * 2);
                Array.Resize(ref _values, Count * 2);
            }
            _names[Count] = name;
            _values[Count++] = value;
        }
    }
}
