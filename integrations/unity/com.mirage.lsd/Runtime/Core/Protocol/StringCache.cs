#nullable enable
using System;
using System.Text;

namespace Mirage
{
    /// <summary>Strings that were read before, found again by their UTF-8 bytes: names of timings and the like.</summary>
    internal sealed class StringCache
    {
        const int Places = 512;
        const int Longest = 64;

        readonly byte[]?[] _bytes = new byte[Places][];
        readonly string[] _strings = new string[Places];

        /// <summary>The string of some bytes; null where they are not UTF-8 or too long to be a name.</summary>
        public string? Find(Span<byte> bytes)
        {
            if (bytes.Length > Longest)
                return null;
            var place = Hash(bytes) & (Places - 1);
            var known = _bytes[place];
            if (known == null || !bytes.SequenceEqual(known))
            {
                // A name that shares its place with another one takes it: what comes in every frame are few names.
                string read;
                try
                {
                    read = MessagePackReader.Utf8.GetString(bytes);
                }
                catch (ArgumentException)
                {
                    return null;
                }
                _bytes[place] = bytes.ToArray();
                _strings[place] = read;
            }
            return _strings[place];
        }

        static int Hash(Span<byte> bytes)
        {
            var hash = 2166136261u; // FNV-1a
            foreach (var each in bytes)
                hash = (hash ^ each) * 16777619;
            return (int)(hash ^ hash >> 16) & int.MaxValue;
        }
    }
}
