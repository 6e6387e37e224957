#nullable enable
using System;
using System.Collections;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Whether values are what the table of parameters asks for (SPEC.md section 6).</summary>
    internal static class ParameterChecks
    {
        /// <summary>Check the parameters of a <c>set</c>; returns them as a server keeps them.</summary>
        public static Dictionary<string, object?> CheckAll(Dictionary<string, object?> values, string path)
        {
            var kept = new Dictionary<string, object?>();
            foreach (var entry in values)
            {
                var parameter = Parameters.Find(entry.Key)
                    ?? throw new ProtocolException("unknown-parameter", Unknown(entry.Key), $"{path}.{entry.Key}");
                kept.Add(entry.Key, Check(parameter, entry.Value, $"{path}.{entry.Key}"));
            }
            return kept;
        }

        public static object? Check(ParameterInfo parameter, object? value, string path)
        {
            switch (parameter.Type)
            {
                case ParameterType.Text: return Checks.Text(parameter.MaxLength)(value, path);
                case ParameterType.Float: return Checks.Number(parameter.Minimum, parameter.Maximum)(value, path);
                case ParameterType.Integer: return Whole(parameter)(value, path);
                case ParameterType.Integers: return Checks.ListOf(Whole(parameter), null, parameter.MaxItems)(value, path);
                default: return Blend(parameter, value, path);
            }
        }

        /// <summary>A value as it would come out of a message.</summary>
        public static object? Plain(object? value)
        {
            switch (value)
            {
                case float number: return (double)number;
                case int _: case uint _: case short _: case ushort _: case byte _: case sbyte _: return Convert.ToInt64(value);
                case string _: case byte[] _: return value;
                case IReadOnlyDictionary<string, object?> map:
                    var plain = new Dictionary<string, object?>();
                    foreach (var entry in map)
                        plain.Add(entry.Key, Plain(entry.Value));
                    return plain;
                case IEnumerable items:
                    var list = new List<object?>();
                    foreach (var item in items)
                        list.Add(Plain(item));
                    return list;
                default: return value;
            }
        }

        static Check Whole(ParameterInfo parameter) => Checks.Integer((long)parameter.Minimum, (long)parameter.Maximum);

        static object? Blend(ParameterInfo parameter, object? value, string path)
        {
            var texts = Checks.Text(parameter.MaxLength);
            var weights = Checks.Number(parameter.Minimum, parameter.Maximum);
            var any = false;
            var blend = (List<object?>)Checks.ListOf((item, at) =>
            {
                if (!(item is Dictionary<string, object?> map))
                    throw Checks.WrongType("a map", item, at);
                var kept = new Dictionary<string, object?>
                {
                    ["text"] = texts(Needed(map, "text", at), $"{at}.text"),
                    ["weight"] = weights(Needed(map, "weight", at), $"{at}.weight"),
                };
                any |= (double)kept["weight"]! > 0;
                return kept;
            }, null, parameter.MaxItems)(value, path)!;
            if (blend.Count > 0 && !any)
                throw Checks.OutOfRange($"{path} must have a weight over 0", path);
            return blend;
        }

        static object Needed(Dictionary<string, object?> map, string name, string path) =>
            map.TryGetValue(name, out var value) && value != null ? value : throw ProtocolException.Missing($"{path}.{name}");

        static string Unknown(string name)
        {
            ParameterInfo? nearest = null;
            var best = 0.5;
            foreach (var parameter in Parameters.All)
            {
                var likeness = Likeness(name, parameter.Name);
                if (likeness < best || nearest != null && likeness <= best)
                    continue;
                (best, nearest) = (likeness, parameter);
            }
            var hint = nearest == null ? "it is in no table" : $"did you mean '{nearest.Name}'?";
            return $"there is no parameter {ProtocolException.Shown(name)}: {hint}";
        }

        /// <summary>How alike two names are, 0 to 1: Ratcliff and Obershelp's measure.</summary>
        static double Likeness(string one, string other) =>
            one.Length + other.Length == 0 ? 1 : 2.0 * Common(one, other) / (one.Length + other.Length);

        static int Common(string one, string other)
        {
            int length = 0, at = 0, otherAt = 0;
            for (var i = 0; i < one.Length; i++)
                for (var j = 0; j < other.Length; j++)
                {
                    var run = 0;
                    while (i + run < one.Length && j + run < other.Length && one[i + run] == other[j + run])
                        run++;
                    if (run > length)
                        (length, at, otherAt) = (run, i, j);
                }
            if (length == 0)
                return 0;
            return length + Common(one.Substring(0, at), other.Substring(0, otherAt))
                + Common(one.Substring(at + length), other.Substring(otherAt + length));
        }
    }
}
