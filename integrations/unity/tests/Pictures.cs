#nullable enable
using System;

namespace Mirage.Tests
{
    /// Pictures to send.
    static class Pictures
    {
        /// Noise with alpha, another for each seed.
        public static byte[] Noise(int width, int height, int seed, int pixel = 4)
        {
            var bytes = new byte[width * height * pixel];
            new Random(seed).NextBytes(bytes);
            return bytes;
        }

        /// A scene that a model can make something of: a gradient and a disc, opaque.
        public static byte[] Scene(int width, int height)
        {
            var bytes = new byte[width * height * 4];
            for (int y = 0, at = 0; y < height; y++)
                for (var x = 0; x < width; x++, at += 4)
                {
                    var inside = Math.Pow(x - width / 2, 2) + Math.Pow(y - height / 2, 2) < Math.Pow(height / 3, 2);
                    bytes[at] = (byte)(inside ? 220 : 255 * x / width);
                    bytes[at + 1] = (byte)(inside ? 60 : 255 * y / height);
                    bytes[at + 2] = (byte)(inside ? 40 : 128);
                    bytes[at + 3] = 255;
                }
            return bytes;
        }

        public static FrameData Frame(byte[] pixels, int width, int height, bool bottomUp = false) => new FrameData
        {
            Color = PlaneData.From(pixels.Length == width * height * 3 ? PixelFormat.Rgb8 : PixelFormat.Rgba8, width, height, pixels, 0, 0, bottomUp),
        };

        /// The mean difference of two pictures' bytes.
        public static double Difference(ReadOnlySpan<byte> one, byte[] other)
        {
            var copy = one.ToArray();
            var sum = 0L;
            for (var index = 0; index < copy.Length; index++)
                sum += Math.Abs(copy[index] - other[index]);
            return (double)sum / copy.Length;
        }
    }
}
