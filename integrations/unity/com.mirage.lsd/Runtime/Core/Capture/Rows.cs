#nullable enable
using System;

namespace Mirage
{
    /// <summary>Pictures whose top row comes first, for textures whose bottom row does.</summary>
    internal static class Rows
    {
        /// <summary>Copy a picture's rows in the other order, packed.</summary>
        /// <param name="source">The picture; row follows row every <paramref name="stride"/> bytes.</param>
        /// <param name="stride">Bytes from one row to the next; 0 where they simply follow one another.</param>
        /// <param name="width">Bytes of a row.</param>
        /// <param name="height">Rows.</param>
        /// <param name="flip">Whether the order changes at all.</param>
        /// <param name="target">At least width x height bytes.</param>
        public static void Copy(ArraySegment<byte> source, int stride, int width, int height, bool flip, Span<byte> target)
        {
            var step = stride == 0 ? width : stride;
            for (var row = 0; row < height; row++)
            {
                var from = new Span<byte>(source.Array, source.Offset + row * step, width);
                from.CopyTo(target.Slice((flip ? height - 1 - row : row) * width, width));
            }
        }
    }
}
