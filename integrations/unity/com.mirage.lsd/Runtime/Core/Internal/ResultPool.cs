#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Results and their memory, used again once they are disposed of: the one used last first, it is in the cache.</summary>
    internal sealed class ResultPool
    {
        readonly object _gate = new object();
        readonly Stack<Result> _free = new Stack<Result>();
        readonly int _most;

        public ResultPool(int most) => _most = most;

        public Result Rent()
        {
            lock (_gate)
            {
                var result = _free.Count > 0 ? _free.Pop() : new Result { Pool = this };
                result.Lent = true;
                return result;
            }
        }

        public void Return(Result result)
        {
            lock (_gate)
            {
                if (!result.Lent)
                    return;
                result.Lent = false;
                if (_free.Count < _most)
                    _free.Push(result);
            }
        }

        /// <summary>
        /// See to it that a result's memory has room for so many bytes, and some more: headers differ a little from frame to
        /// frame. What is in it is kept.
        /// </summary>
        public static void Grow(Result result, int size)
        {
            if (result.Memory.Length < size)
                Array.Resize(ref result.Memory, (size + 0x3fff) & ~0x1fff);
        }
    }
}
