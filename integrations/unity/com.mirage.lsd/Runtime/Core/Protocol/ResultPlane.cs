#nullable enable
using System;

namespace Mirage
{
    /// <summary>A result's one plane, read without allocating; see <see cref="FastReader"/>.</summary>
    internal static class ResultPlane
    {
        [Flags]
        enum Seen { Format = 1, Width = 2, Height = 4, Offset = 8, Size = 16, All = 31 }

        public static bool Read(ref PackCursor cursor, Result result, int headerSize)
        {
            // Any other plane, or a stride, is unusual in a result.
            if (!cursor.Map(out var planes) || planes != 1 || !cursor.Text(out var name) || !FastReader.Is(name, "color"))
                return false;
            if (!cursor.Map(out var count))
                return false;
            long width = 0, height = 0, offset = 0, size = 0;
            Seen seen = 0;
            for (; count > 0; count--)
            {
                if (!cursor.Text(out var key))
                    return false;
                Seen field;
                bool good;
                if (FastReader.Is(key, "format")) (field, good) = (Seen.Format, Format(ref cursor, result));
                else if (FastReader.Is(key, "width")) (field, good) = (Seen.Width, cursor.Integer(out width));
                else if (FastReader.Is(key, "height")) (field, good) = (Seen.Height, cursor.Integer(out height));
                else if (FastReader.Is(key, "offset")) (field, good) = (Seen.Offset, cursor.Integer(out offset));
                else if (FastReader.Is(key, "size")) (field, good) = (Seen.Size, cursor.Integer(out size));
                else return false;
                if (!good || (seen & field) != 0)
                    return false;
                seen |= field;
            }
            return seen == Seen.All && Place(result, headerSize, width, height, offset, size);
        }

        static bool Format(ref PackCursor cursor, Result result)
        {
            if (!cursor.Text(out var name))
                return false;
            if (FastReader.Is(name, "rgba8"))
                result.Format = PixelFormat.Rgba8;
            else if (FastReader.Is(name, "rgb8"))
                result.Format = PixelFormat.Rgb8;
            else if (FastReader.Is(name, "jpeg"))
                result.Format = PixelFormat.Jpeg;
            else
                return false;
            return true;
        }

        static bool Place(Result result, int headerSize, long width, long height, long offset, long size)
        {
            if (width < 1 || width > Limits.Dimension || height < 1 || height > Limits.Dimension || size < 1)
                return false;
            var payload = Math.Min(Limits.Aligned(4 + headerSize), result.Length);
            if (result.Format != PixelFormat.Jpeg && size != Plane.SizeOf(result.Format, (int)width, (int)height, 0))
                return false;
            if (offset % Limits.Alignment != 0 || offset + size > result.Length - payload)
                return false;
            result.Width = (int)width;
            result.Height = (int)height;
            result.Stride = (int)width * result.Format.BytesPerPixel();
            result.BottomUp = false;
            result.PixelsOffset = payload + (int)offset;
            result.PixelsSize = (int)size;
            return true;
        }
    }
}
