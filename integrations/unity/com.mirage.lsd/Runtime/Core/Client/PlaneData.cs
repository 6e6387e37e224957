#nullable enable
using System;

namespace Mirage
{
    /// <summary>
    /// One picture to be sent: how its pixels lie, and where. Nothing is copied until it is sent; the memory must stay as it is
    /// until <see cref="MirageClient.TrySend"/> has returned. The default value is no picture.
    /// </summary>
    public readonly struct PlaneData
    {
        internal readonly byte[]? Array;
        internal readonly IntPtr Pointer;
        internal readonly int ArrayOffset;

        /// <summary>How the pixels are stored.</summary>
        public PixelFormat Format { get; }

        /// <summary>In pixels, 1 to 16,384.</summary>
        public int Width { get; }

        /// <summary>In pixels, 1 to 16,384.</summary>
        public int Height { get; }

        /// <summary>Bytes from one row to the next; 0 where rows simply follow one another.</summary>
        public int Stride { get; }

        /// <summary>Whether the bottom row comes first.</summary>
        public bool BottomUp { get; }

        /// <summary>Bytes of all rows, or of the JPEG file.</summary>
        public int Size { get; }

        /// <summary>Whether there is a picture.</summary>
        public bool Exists => Size > 0;

        PlaneData(
            PixelFormat format, int width, int height, int size, int stride, bool bottomUp, byte[]? array, int offset, IntPtr pointer)
        {
            (Format, Width, Height, Size, BottomUp) = (format, width, height, size, bottomUp);
            (Array, ArrayOffset, Pointer) = (array, offset, pointer);
            Stride = stride == width * format.BytesPerPixel() ? 0 : stride;
            if (width < 1 || width > Limits.Dimension || height < 1 || height > Limits.Dimension)
                throw new ArgumentException($"a plane has 1 to {Limits.Dimension} pixels a side, not {width}x{height}");
            if (stride != 0 && (stride < width * format.BytesPerPixel() || stride % format.BytesPerComponent() != 0))
                throw new ArgumentException($"rows of {width} pixels of {format} cannot begin {stride} bytes apart");
            if (format != PixelFormat.Jpeg && size != Plane.SizeOf(format, width, height, stride))
                throw new ArgumentException(
                    $"{format} at {width}x{height} has {Plane.SizeOf(format, width, height, stride)} bytes, not {size}");
        }

        /// <summary>A picture in an array, from <paramref name="offset"/> on.</summary>
        /// <param name="format">How the pixels are stored; not <c>Jpeg</c>.</param>
        /// <param name="width">In pixels, 1 to 16,384.</param>
        /// <param name="height">In pixels, 1 to 16,384.</param>
        /// <param name="data">The pixels. There may be more behind them.</param>
        /// <param name="offset">Where they begin, in bytes.</param>
        /// <param name="stride">Bytes from one row to the next; 0 where rows simply follow one another.</param>
        /// <param name="bottomUp">Whether the bottom row comes first, as Unity's textures have it.</param>
        /// <returns>The picture.</returns>
        /// <exception cref="ArgumentException">The sizes do not agree.</exception>
        public static PlaneData From(
            PixelFormat format, int width, int height, byte[] data, int offset = 0, int stride = 0, bool bottomUp = false)
        {
            var size = Plane.SizeOf(format, width, height, stride);
            if (offset < 0 || offset + size > data.Length)
                throw new ArgumentException($"{format} at {width}x{height} has {size} bytes, more than there are from {offset} on");
            return new PlaneData(format, width, height, (int)size, stride, bottomUp, data, offset, IntPtr.Zero);
        }

        /// <summary>A picture in memory that the garbage collector does not move, such as a NativeArray.</summary>
        /// <param name="format">How the pixels are stored.</param>
        /// <param name="width">In pixels, 1 to 16,384.</param>
        /// <param name="height">In pixels, 1 to 16,384.</param>
        /// <param name="data">The address of the first byte.</param>
        /// <param name="size">The bytes there are: exactly those of the rows, or of the JPEG.</param>
        /// <param name="stride">Bytes from one row to the next; 0 where rows simply follow one another.</param>
        /// <param name="bottomUp">Whether the bottom row comes first, as Unity's textures have it.</param>
        /// <returns>The picture.</returns>
        /// <exception cref="ArgumentException">The sizes do not agree.</exception>
        public static PlaneData From(
            PixelFormat format, int width, int height, IntPtr data, int size, int stride = 0, bool bottomUp = false) =>
            new PlaneData(format, width, height, size, stride, bottomUp, null, 0, data);

        /// <summary>A colour picture as a JPEG file, baseline or progressive, of three components.</summary>
        /// <param name="width">Its width in pixels, exactly.</param>
        /// <param name="height">Its height in pixels, exactly.</param>
        /// <param name="file">The file.</param>
        /// <returns>The picture.</returns>
        /// <exception cref="ArgumentException">The sizes do not agree.</exception>
        public static PlaneData Jpeg(int width, int height, ArraySegment<byte> file) => new PlaneData(
            PixelFormat.Jpeg, width, height, file.Count, 0, false, file.Array, file.Offset, IntPtr.Zero);
    }
}
