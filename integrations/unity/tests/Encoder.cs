#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace Mirage.Tests
{
    /// Encodes decoded messages again: any of them with the core's MessagePack, frames also with its writer of frames.
    static class Encoder
    {
        public static byte[] Encode(Message message, byte[] bytes)
        {
            var header = new Dictionary<string, object?> { ["type"] = message.Type };
            var parts = new List<ArraySegment<byte>>();
            foreach (var field in message.Fields)
                header[field.Key] = field.Value is Dictionary<string, Plane> planes ? Describe(planes, bytes, parts) : field.Value;
            var packed = new MessagePackWriter();
            packed.Value(header);
            var whole = new List<byte>(BitConverter.GetBytes(packed.Length));
            whole.AddRange(packed.Buffer.Take(packed.Length));
            foreach (var part in parts)
            {
                whole.AddRange(new byte[Limits.Aligned(whole.Count) - whole.Count]);
                whole.AddRange(part);
            }
            return whole.ToArray();
        }

        static object Describe(Dictionary<string, Plane> planes, byte[] bytes, List<ArraySegment<byte>> parts)
        {
            var described = new Dictionary<string, object?>();
            var offset = 0;
            foreach (var entry in planes)
            {
                var plane = entry.Value;
                var map = new Dictionary<string, object?>
                {
                    ["format"] = plane.Format.Name(), ["width"] = plane.Width, ["height"] = plane.Height,
                    ["offset"] = offset, ["size"] = plane.Size,
                };
                if (plane.Stride > 0)
                    map["stride"] = plane.Stride;
                if (plane.BottomUp)
                    map["bottom_up"] = true;
                described.Add(entry.Key, map);
                parts.Add(new ArraySegment<byte>(bytes, plane.Offset, plane.Size));
                offset = Limits.Aligned(offset + plane.Size);
            }
            return described;
        }

        public static byte[] EncodeFrame(Message message, byte[] bytes)
        {
            PlaneData Data(string name)
            {
                if (!message.Planes.TryGetValue(name, out var plane))
                    return default;
                if (plane.Format == PixelFormat.Jpeg)
                    return PlaneData.Jpeg(plane.Width, plane.Height, new ArraySegment<byte>(bytes, plane.Offset, plane.Size));
                return PlaneData.From(plane.Format, plane.Width, plane.Height, bytes, plane.Offset, plane.Stride, plane.BottomUp);
            }
            var frame = new FrameData
            {
                Color = Data("color"), Depth = Data("depth"), Motion = Data("motion"), Normal = Data("normal"), Ids = Data("ids"),
                Camera = message.Has("camera") ? Camera(message.Map("camera")) : null,
            };
            var writer = new FrameWriter();
            // What the writer leaves out, since it means nothing without the other, is put back here.
            var loose = message.Has("motion_from") != frame.Motion.Exists;
            if (loose || frame.Camera != null)
                return Encode(message, bytes);
            writer.Lay(frame, ~0, message.Integer("id"), message.Integer("time"), message.IntegerOr("motion_from", 0));
            var sink = new Sink();
            writer.Write(sink);
            Report.True("a frame is as long as it says", sink.Bytes.Count == writer.Size);
            return sink.Bytes.ToArray();
        }

        static CameraData Camera(Dictionary<string, object?> map)
        {
            var camera = new CameraData { Near = (float)(double)map["near"]!, Far = (float)(double)map["far"]! };
            for (var index = 0; index < 16; index++)
            {
                camera.View[index] = (float)(double)((List<object?>)map["view"]!)[index]!;
                camera.Projection[index] = (float)(double)((List<object?>)map["projection"]!)[index]!;
            }
            return camera;
        }

        public sealed unsafe class Sink : IMessageSink
        {
            public readonly List<byte> Bytes = new List<byte>();

            public void Put(byte* source, int size)
            {
                for (var index = 0; index < size; index++)
                    Bytes.Add(source[index]);
            }

            public void Zeros(int size) => Bytes.AddRange(new byte[size]);
        }
    }
}
