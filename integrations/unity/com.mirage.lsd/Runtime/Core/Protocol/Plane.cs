#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>Where a picture lies in a message, and how (SPEC.md section 5).</summary>
    internal sealed class Plane
    {
        /// <summary>Every plane's name, in the order in which they are checked and sent.</summary>
        public static readonly string[] Names = { "color", "depth", "motion", "normal", "ids" };

        static readonly PixelFormat[][] Formats =
        {
            new[] { PixelFormat.Rgba8, PixelFormat.Rgb8, PixelFormat.Jpeg }, new[] { PixelFormat.R32F },
            new[] { PixelFormat.Rg16F }, new[] { PixelFormat.Rgb8, PixelFormat.Rgba8 }, new[] { PixelFormat.R32U },
        };

        static readonly Check Dimension = Checks.Integer(1, Limits.Dimension);
        static readonly Check Step = Checks.Integer(1, int.MaxValue);
        static readonly Check FormatName = Checks.Text(40);
        static readonly string[] Needed = { "format", "width", "height", "offset", "size" };

        public PixelFormat Format { get; }
        public int Width { get; }
        public int Height { get; }

        /// <summary>Bytes from one row to the next; 0 where rows simply follow one another.</summary>
        public int Stride { get; }

        public bool BottomUp { get; }

        /// <summary>Where the plane begins, counted from the start of the message.</summary>
        public int Offset { get; private set; }

        public int Size { get; private set; }

        public Plane(PixelFormat format, int width, int height, int stride, bool bottomUp)
        {
            (Format, Width, Height, Stride, BottomUp) = (format, width, height, stride, bottomUp);
        }

        /// <summary>Whether the plane of that number may have a format.</summary>
        public static bool Takes(int plane, PixelFormat format) => Array.IndexOf(Formats[plane], format) >= 0;

        /// <summary>Bytes from the first pixel to the last: the last row is not padded. Not for a JPEG.</summary>
        public static long SizeOf(PixelFormat format, int width, int height, int stride)
        {
            var row = (long)width * format.BytesPerPixel();
            return (stride > 0 ? stride : row) * (height - 1) + row;
        }

        /// <summary>The planes that a header describes; those with names that this version does not know are left out.</summary>
        public static Dictionary<string, Plane> ReadAll(object? described, string path, int payload, int payloadSize)
        {
            if (!(described is Dictionary<string, object?> map))
                throw Checks.WrongType("a map", described, path);
            if (!map.TryGetValue("color", out var color) || color == null)
                throw ProtocolException.Missing($"{path}.color");
            var planes = new Dictionary<string, Plane>(StringComparer.Ordinal);
            for (var index = 0; index < Names.Length; index++)
                if (map.TryGetValue(Names[index], out var description) && description != null)
                    planes.Add(Names[index], Read(index, description, $"{path}.{Names[index]}", payload, payloadSize));
            foreach (var plane in planes)
                plane.Value.CheckFraction(planes["color"], $"{path}.{plane.Key}");
            return planes;
        }

        static Plane Read(int index, object description, string path, int payload, int payloadSize)
        {
            if (!(description is Dictionary<string, object?> map))
                throw Checks.WrongType("a map", description, path);
            foreach (var name in Needed)
                if (!map.TryGetValue(name, out var value) || value == null)
                    throw ProtocolException.Missing($"{path}.{name}");
            var format = ReadFormat(index, map["format"], $"{path}.format");
            var width = (int)(long)Dimension(map["width"], $"{path}.width")!;
            var height = (int)(long)Dimension(map["height"], $"{path}.height")!;
            var offset = (long)Checks.Unsigned(map["offset"], $"{path}.offset")!;
            var size = (long)Checks.Unsigned(map["size"], $"{path}.size")!;
            map.TryGetValue("stride", out var given);
            var stride = given == null ? 0 : ReadStride(format, width, given, $"{path}.stride");
            map.TryGetValue("bottom_up", out var flag);
            var bottomUp = flag != null && (bool)Checks.Flag(flag, $"{path}.bottom_up")!;
            var plane = new Plane(format, width, height, stride, bottomUp);
            var expected = format == PixelFormat.Jpeg ? size : SizeOf(format, width, height, stride);
            if (size != expected || size == 0)
                throw Disagrees($"{path}.size is {size}, but {format.Name()} at {width}x{height} has {expected} bytes", $"{path}.size");
            if (offset % Limits.Alignment != 0)
                throw Disagrees($"{path}.offset must be a multiple of {Limits.Alignment}", $"{path}.offset");
            if (offset + size > payloadSize)
                throw Disagrees($"{path} ends at byte {offset + size} of a payload of {payloadSize} bytes", path);
            (plane.Offset, plane.Size) = (payload + (int)offset, (int)size);
            return plane;
        }

        static PixelFormat ReadFormat(int index, object? value, string path)
        {
            var name = (string)FormatName(value, path)!;
            if (PixelFormats.TryParse(name, out var format) && Takes(index, format))
                return format;
            var expected = string.Join(", ", Array.ConvertAll(Formats[index], each => each.Name()));
            var problem = $"{path} must be one of {expected}; not {ProtocolException.Shown(name)}";
            throw new ProtocolException("unsupported", problem, path);
        }

        static int ReadStride(PixelFormat format, int width, object value, string path)
        {
            var stride = (int)(long)Step(value, path)!;
            if (format == PixelFormat.Jpeg)
                throw Disagrees("a JPEG has no stride", path);
            int row = width * format.BytesPerPixel(), component = format.BytesPerComponent();
            if (stride < row || stride % component != 0)
                throw Disagrees($"{path} must be a multiple of {component} from {row} on, not {stride}", path);
            return stride > row ? stride : 0;
        }

        void CheckFraction(Plane color, string path)
        {
            var factor = color.Width / Width;
            if (factor * Width == color.Width && factor * Height == color.Height)
                return;
            throw Disagrees($"{path} is {Width}x{Height}, no whole fraction of {color.Width}x{color.Height}", path);
        }

        static ProtocolException Disagrees(string problem, string path) =>
            new ProtocolException("plane-size", problem, path);
    }
}
