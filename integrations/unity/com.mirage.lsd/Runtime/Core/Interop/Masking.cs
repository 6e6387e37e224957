using System.Security.Cryptography;

namespace Mirage
{
    /// <summary>The masks of a client's frames (RFC 6455, section 5.3): keys that nobody can guess, and their fast use.</summary>
    internal sealed class Masking
    {
        readonly byte[] _keys = new byte[4096];
        readonly RandomNumberGenerator _random = RandomNumberGenerator.Create();
        readonly object _gate = new object();
        int _used = 4096;

        /// <summary>A new key, its first byte lowest.</summary>
        public uint Next()
        {
            lock (_gate)
            {
                if (_used == _keys.Length)
                {
                    _random.GetBytes(_keys);
                    _used = 0;
                }
                _used += 4;
                return (uint)(_keys[_used - 4] | _keys[_used - 3] << 8 | _keys[_used - 2] << 16 | _keys[_used - 1] << 24);
            }
        }

        /// <summary>Copy bytes masked; <paramref name="phase"/> is how many bytes of the message stand before them.</summary>
        public static unsafe void Copy(byte* source, byte* target, int size, uint key, int phase)
        {
            phase &= 3;
            if (phase != 0)
                key = key >> (8 * phase) | key << (32 - 8 * phase);
            var wide = (ulong)key << 32 | key;
            var blocks = size / 32;
            for (; blocks > 0; blocks--, source += 32, target += 32)
            {
                *(ulong*)target = *(ulong*)source ^ wide;
                *(ulong*)(target + 8) = *(ulong*)(source + 8) ^ wide;
                *(ulong*)(target + 16) = *(ulong*)(source + 16) ^ wide;
                *(ulong*)(target + 24) = *(ulong*)(source + 24) ^ wide;
            }
            for (var index = 0; index < (size & 31); index++)
                target[index] = (byte)(source[index] ^ key >> (8 * (index & 3)));
        }
    }
}
