#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace Mirage.Tests
{
    /// The worked examples of SPEC.md section 5: what the pixels of a decoded message mean.
    static class Conventions
    {
        static readonly string[] Context = { "world", "tolerance", "moved_right", "moved_down" }; // not in the pixels themselves

        public static void Check(Dictionary<string, object?> vector)
        {
            Vectors.Good("client", vector);
            var bytes = vector.Bytes();
            var message = Vectors.Outcome(bytes, "client").Item1;
            if (message == null)
                return;
            if (vector.TryGetValue("pixel", out var pixel) && pixel is string hex)
            {
                var data = Data(message, bytes, vector.Text("name"));
                Report.Same($"{vector["section"]}: pixel", Hex(data, 0, hex.Length / 2), hex);
            }
            var meaning = (Dictionary<string, object?>)vector["meaning"]!;
            foreach (var entry in meaning.Where(each => !Context.Contains(each.Key)))
                Report.True($"{vector["section"]}: {entry.Key}", Means(message, bytes, entry.Key, entry.Value!, meaning));
        }

        static bool Means(Message message, byte[] bytes, string name, object value, Dictionary<string, object?> meaning)
        {
            byte[] Plane(string plane) => Data(message, bytes, plane);
            switch (name)
            {
                case "linear_rgb": return Numbers(value).Select(Srgb).SequenceEqual(Plane("color").Take(3).Select(each => (int)each));
                case "alpha": return (int)Math.Round((double)value * 255, MidpointRounding.AwayFromZero) == Plane("color")[3];
                case "metres": return BitConverter.ToSingle(Plane("depth"), 0) == (value is double metres ? (float)metres : float.PositiveInfinity);
                case "motion":
                    var motion = new[] { Half(Plane("motion"), 0), Half(Plane("motion"), 2) };
                    return value is string ? motion.All(double.IsNaN) : motion.SequenceEqual(Numbers(value));
                case "normal":
                    return Numbers(value).Select(each => (int)Math.Round((each * 0.5 + 0.5) * 255, MidpointRounding.AwayFromZero))
                        .SequenceEqual(Plane("normal").Take(3).Select(each => (int)each));
                case "id": return BitConverter.ToUInt32(Plane("ids"), 0).ToString() == (string)value;
                case "top_left": return Hex(Plane("color"), 0, 3) == (string)value;
                case "top_right": return Hex(Plane("color"), 3, 3) == (string)value;
                case "bottom_left": return Hex(Plane("color"), 6, 3) == (string)value;
                case "bottom_right": return Hex(Plane("color"), 9, 3) == (string)value;
                case "ndc": return IsAt(message.Map("camera"), Numbers(meaning["world"]!), Numbers(value), (double)meaning["tolerance"]!);
                default: return false;
            }
        }

        static bool IsAt(Dictionary<string, object?> camera, double[] world, double[] ndc, double tolerance)
        {
            var clip = Times(Numbers(camera["projection"]!), Times(Numbers(camera["view"]!), world.Concat(new[] { 1.0 }).ToArray()));
            return ndc.Select((each, axis) => Math.Abs(clip[axis] / clip[3] - each) < tolerance).All(close => close);
        }

        static double[] Times(double[] matrix, double[] vector) =>
            Enumerable.Range(0, 4).Select(row => vector.Select((each, at) => matrix[4 * row + at] * each).Sum()).ToArray();

        static double[] Numbers(object list) => ((List<object?>)list).Select(Convert.ToDouble).ToArray();

        static byte[] Data(Message message, byte[] bytes, string plane) =>
            bytes.Skip(message.Planes[plane].Offset).Take(message.Planes[plane].Size).ToArray();

        static string Hex(byte[] data, int at, int size) =>
            BitConverter.ToString(data, at, size).Replace("-", "").ToLowerInvariant();

        static int Srgb(double light) => (int)Math.Round(
            255 * (light <= 0.0031308 ? light * 12.92 : 1.055 * Math.Pow(light, 1 / 2.4) - 0.055), MidpointRounding.AwayFromZero);

        static double Half(byte[] data, int at)
        {
            int bits = BitConverter.ToUInt16(data, at), exponent = bits >> 10 & 31;
            double sign = bits >> 15 == 0 ? 1 : -1, fraction = (bits & 1023) / 1024.0;
            if (exponent == 31)
                return fraction > 0 ? double.NaN : sign * double.PositiveInfinity;
            return sign * (exponent > 0 ? Math.Pow(2, exponent - 15) * (1 + fraction) : Math.Pow(2, -14) * fraction);
        }
    }
}
