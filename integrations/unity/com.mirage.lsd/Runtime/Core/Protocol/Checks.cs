#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Returns a value that came out of MessagePack as a message keeps it, or throws naming its field.</summary>
    internal delegate object? Check(object? value, string path);

    /// <summary>The checks that the fields of messages are declared with, as in the reference (checks.py).</summary>
    internal static class Checks
    {
        public static readonly Check Anything = (value, path) => value;
        public static readonly Check Unsigned = Integer(0, Limits.SafeInteger);

        public static readonly Check Flag = (value, path) =>
            value is bool ? value : throw WrongType("a boolean", value, path);

        public static Check Integer(long minimum, long maximum) => (value, path) =>
        {
            if (!(value is long) && !(value is ulong))
                throw WrongType("an integer", value, path);
            if (!(value is long whole) || whole < minimum || whole > maximum)
                throw OutOfRange($"{path} must be {minimum} to {maximum}, not {value}", path);
            return value;
        };

        public static Check Number(double minimum = double.NegativeInfinity, double maximum = double.PositiveInfinity) =>
            (value, path) =>
        {
            if (!(value is long) && !(value is ulong) && !(value is double))
                throw WrongType("a number", value, path);
            var number = Convert.ToDouble(value);
            if (double.IsNaN(number) || double.IsInfinity(number))
                throw OutOfRange($"{path} must be finite, not {number}", path);
            if (number < minimum || number > maximum)
                throw OutOfRange($"{path} must be {minimum} to {maximum}, not {number}", path);
            return number;
        };

        public static Check Text(int longest = Limits.Text) => (value, path) =>
        {
            if (!(value is string text))
                throw WrongType("a string", value, path);
            if (text.Length > longest && Characters(text) > longest)
                throw OutOfRange($"{path} must have at most {longest} characters, not {Characters(text)}", path);
            return text;
        };

        public static Check Choice(params string[] choices) => (value, path) =>
        {
            if (!(value is string text))
                throw WrongType("a string", value, path);
            if (Array.IndexOf(choices, text) < 0)
            {
                var expected = string.Join(", ", choices);
                throw OutOfRange($"{path} must be one of {expected}; not {ProtocolException.Shown(text)}", path);
            }
            return text;
        };

        public static Check Binary(int size) => (value, path) =>
        {
            if (!(value is byte[] bytes))
                throw WrongType("binary", value, path);
            if (bytes.Length != size)
                throw OutOfRange($"{path} must have {size} bytes, not {bytes.Length}", path);
            return bytes;
        };

        /// <summary>An array whose every item passes a check; of exactly so many where <paramref name="length"/> is given.</summary>
        public static Check ListOf(Check item, int? length = null, int most = Limits.Entries) => (value, path) =>
        {
            if (!(value is List<object?> items))
                throw WrongType("an array", value, path);
            if (length != null && items.Count != length)
                throw OutOfRange($"{path} must have {length} items, not {items.Count}", path);
            if (items.Count > most)
                throw OutOfRange($"{path} must have at most {most} items, not {items.Count}", path);
            var kept = new List<object?>(items.Count);
            for (var index = 0; index < items.Count; index++)
                kept.Add(item(items[index], $"{path}.{index}"));
            return kept;
        };

        public static Check MapOf(Check item) => (value, path) =>
        {
            if (!(value is Dictionary<string, object?> map))
                throw WrongType("a map", value, path);
            var kept = new Dictionary<string, object?>(StringComparer.Ordinal);
            foreach (var entry in map)
                kept.Add(entry.Key, item(entry.Value, $"{path}.{entry.Key}"));
            return kept;
        };

        /// <summary>Unicode code points.</summary>
        public static int Characters(string text)
        {
            var count = text.Length;
            for (var index = 1; index < text.Length; index++)
                if (char.IsLowSurrogate(text[index]) && char.IsHighSurrogate(text[index - 1]))
                    count--;
            return count;
        }

        public static ProtocolException WrongType(string expected, object? value, string path) =>
            new ProtocolException("wrong-type", $"{path} must be {expected}, not {Kind(value)}", path);

        public static ProtocolException OutOfRange(string problem, string path) =>
            new ProtocolException("out-of-range", problem, path);

        static string Kind(object? value)
        {
            switch (value)
            {
                case null: return "nil";
                case bool _: return "a boolean";
                case double _: return "a float";
                case string _: return "a string";
                case byte[] _: return "binary";
                case List<object?> _: return "an array";
                case Dictionary<string, object?> _: return "a map";
                default: return "an integer";
            }
        }
    }
}
