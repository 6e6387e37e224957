#nullable enable
using System;

namespace Mirage
{
    /// <summary>How the pixels of a plane are stored, little-endian (SPEC.md section 5).</summary>
    public enum PixelFormat
    {
        /// <summary>Red, green, blue and straight alpha, a byte each; colour is sRGB-encoded. For color and normal.</summary>
        Rgba8,

        /// <summary>Red, green and blue, a byte each; colour is sRGB-encoded. For color and normal.</summary>
        Rgb8,

        /// <summary>A JPEG file of three components. For color.</summary>
        Jpeg,

        /// <summary>A 32-bit float: metres along the viewing axis, infinity for sky. For depth.</summary>
        R32F,

        /// <summary>Two 16-bit floats: pixels back to where the surface was, x right and y down. For motion.</summary>
        Rg16F,

        /// <summary>A 32-bit unsigned integer: an object's number, 0 for none. For ids.</summary>
        R32U,
    }

    internal static class PixelFormats
    {
        static readonly string[] Names = { "rgba8", "rgb8", "jpeg", "r32f", "rg16f", "r32u" };
        static readonly int[] PixelBytes = { 4, 3, 0, 4, 4, 4 };
        static readonly int[] ComponentBytes = { 1, 1, 1, 4, 2, 4 };

        public static string Name(this PixelFormat format) => Names[(int)format];

        /// <summary>Bytes of one pixel; 0 for a JPEG.</summary>
        public static int BytesPerPixel(this PixelFormat format) => PixelBytes[(int)format];

        /// <summary>Bytes of one number of a pixel, of which a stride is a multiple.</summary>
        public static int BytesPerComponent(this PixelFormat format) => ComponentBytes[(int)format];

        public static bool TryParse(string name, out PixelFormat format)
        {
            var index = Array.IndexOf(Names, name);
            format = (PixelFormat)Math.Max(index, 0);
            return index >= 0;
        }
    }
}
