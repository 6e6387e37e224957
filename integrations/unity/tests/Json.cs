#nullable enable
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;

namespace Mirage.Tests
{
    /// Reads the vectors' JSON, and writes messages as the vectors do: integers as decimal strings, bytes in base64.
    static class Json
    {
        public static object? Read(string file)
        {
            var text = File.ReadAllText(file);
            var position = 0;
            return Value(text, ref position);
        }

        public static List<Dictionary<string, object?>> Entries(object? list) =>
            ((List<object?>)list!).Select(each => (Dictionary<string, object?>)each!).ToList();

        public static byte[] Bytes(this Dictionary<string, object?> vector, string name = "bytes") =>
            Convert.FromBase64String((string)vector[name]!);

        public static string Text(this Dictionary<string, object?> vector, string name) => (string)vector[name]!;

        public static object? Written(object? value, byte[] message)
        {
            switch (value)
            {
                case long _: case ulong _: return Convert.ToString(value, CultureInfo.InvariantCulture);
                case byte[] bytes: return Convert.ToBase64String(bytes);
                case Plane plane: return Written(plane, message);
                case Dictionary<string, Plane> planes: return planes.ToDictionary(each => each.Key, each => Written(each.Value, message));
                case Dictionary<string, object?> map: return map.ToDictionary(each => each.Key, each => Written(each.Value, message));
                case List<object?> list: return list.Select(each => Written(each, message)).ToList();
                default: return value;
            }
        }

        static object? Written(Plane plane, byte[] message)
        {
            var written = new Dictionary<string, object?>
            {
                ["format"] = plane.Format.Name(),
                ["width"] = plane.Width.ToString(),
                ["height"] = plane.Height.ToString(),
                ["data"] = Convert.ToBase64String(message, plane.Offset, plane.Size),
            };
            if (plane.Stride > 0)
                written["stride"] = plane.Stride.ToString();
            if (plane.BottomUp)
                written["bottom_up"] = true;
            return written;
        }

        public static bool Same(object? one, object? other)
        {
            switch (one)
            {
                case Dictionary<string, object?> map:
                    return other is Dictionary<string, object?> second && map.Count == second.Count
                        && map.All(each => second.TryGetValue(each.Key, out var value) && Same(each.Value, value));
                case List<object?> list:
                    return other is List<object?> items && list.Count == items.Count
                        && list.Zip(items, Same).All(same => same);
                default: return Equals(one, other);
            }
        }

        public static string Shown(object? value)
        {
            switch (value)
            {
                case Dictionary<string, object?> map: return "{" + string.Join(", ", map.Select(each => $"{each.Key}: {Shown(each.Value)}")) + "}";
                case List<object?> list: return "[" + string.Join(", ", list.Select(Shown)) + "]";
                case string text: return $"\"{text}\"";
                default: return Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null";
            }
        }

        static object? Value(string text, ref int position)
        {
            Space(text, ref position);
            switch (text[position])
            {
                case '{': return Map(text, ref position);
                case '[': return List(text, ref position);
                case '"': return String(text, ref position);
                case 't': position += 4; return true;
                case 'f': position += 5; return false;
                case 'n': position += 4; return null;
            }
            var begin = position;
            while (position < text.Length && "+-.eE0123456789".IndexOf(text[position]) >= 0)
                position++;
            return double.Parse(text.Substring(begin, position - begin), CultureInfo.InvariantCulture);
        }

        static Dictionary<string, object?> Map(string text, ref int position)
        {
            var map = new Dictionary<string, object?>();
            for (position++; !Ends(text, ref position, '}');)
            {
                var key = String(text, ref position);
                Space(text, ref position);
                position++; // the colon
                map.Add(key, Value(text, ref position));
            }
            return map;
        }

        static List<object?> List(string text, ref int position)
        {
            var list = new List<object?>();
            for (position++; !Ends(text, ref position, ']');)
                list.Add(Value(text, ref position));
            return list;
        }

        static bool Ends(string text, ref int position, char end)
        {
            Space(text, ref position);
            if (text[position] == ',')
                position++;
            Space(text, ref position);
            if (text[position] != end)
                return false;
            position++;
            return true;
        }

        static string String(string text, ref int position)
        {
            var built = new StringBuilder();
            for (position++; text[position] != '"'; position++)
            {
                if (text[position] != '\\')
                {
                    built.Append(text[position]);
                    continue;
                }
                var escape = text[++position];
                if (escape == 'u')
                {
                    built.Append((char)int.Parse(text.Substring(position + 1, 4), NumberStyles.HexNumber));
                    position += 4;
                }
                else
                {
                    var index = "bfnrt".IndexOf(escape);
                    built.Append(index < 0 ? escape : "\b\f\n\r\t"[index]);
                }
            }
            position++;
            return built.ToString();
        }

        static void Space(string text, ref int position)
        {
            while (char.IsWhiteSpace(text[position]))
                position++;
        }
    }
}
