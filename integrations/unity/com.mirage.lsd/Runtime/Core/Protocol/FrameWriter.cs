#nullable enable
using System;

namespace Mirage
{
    /// <summary>Takes the bytes of a message, one piece after the other.</summary>
    internal unsafe interface IMessageSink
    {
        /// <summary>Take so many bytes.</summary>
        void Put(byte* source, int size);

        /// <summary>Take so many zeros, fewer than 16.</summary>
        void Zeros(int size);
    }

    /// <summary>
    /// Lays out a frame's message (SPEC.md sections 2 and 4.4) and then gives its pieces to a sink, so that the pictures are
    /// copied once and nothing is allocated. Not for several threads at once.
    /// </summary>
    internal sealed class FrameWriter
    {
        readonly MessageWriter _header = new MessageWriter();
        readonly PlaneData[] _planes = new PlaneData[Plane.Names.Length];
        readonly int[] _offsets = new int[Plane.Names.Length];
        int _payload;

        /// <summary>Bytes of the whole message.</summary>
        public int Size { get; private set; }

        /// <summary>
        /// Lay out a frame with those of its planes whose bit (of the place in <see cref="Plane.Names"/>) is set in
        /// <paramref name="planes"/>. Throws <see cref="ArgumentException"/> for planes that do not go together.
        /// </summary>
        public void Lay(in FrameData frame, int planes, long id, long time, long motionFrom)
        {
            int count = 0, size = 0;
            for (var index = 0; index < _planes.Length; index++)
            {
                _planes[index] = (planes >> index & 1) != 0 ? frame.Plane(index) : default;
                if (!_planes[index].Exists)
                    continue;
                Check(index, frame.Color);
                _offsets[index] = Limits.Aligned(size);
                size = checked(_offsets[index] + _planes[index].Size);
                count++;
            }
            if (!_planes[0].Exists)
                throw new ArgumentException("a frame needs its colour");
            var motion = _planes[2].Exists;
            var writer = _header.Begin("frame", 3 + (motion ? 1 : 0) + (frame.Camera != null ? 1 : 0));
            writer.Text("id");
            writer.Integer(id);
            writer.Text("time");
            writer.Integer(time);
            writer.Text("planes");
            Describe(writer, count);
            if (motion)
            {
                writer.Text("motion_from");
                writer.Integer(motionFrom);
            }
            if (frame.Camera != null)
                Describe(writer, frame.Camera);
            _header.End();
            _payload = Limits.Aligned(_header.Length);
            Size = checked(_payload + size);
        }

        /// <summary>Give the message that was laid out to a sink; the planes' memory is read now.</summary>
        public unsafe void Write(IMessageSink sink)
        {
            fixed (byte* header = _header.Buffer)
                sink.Put(header, _header.Length);
            var end = _header.Length;
            for (var index = 0; index < _planes.Length; index++)
            {
                ref var plane = ref _planes[index];
                if (!plane.Exists)
                    continue;
                sink.Zeros(_payload + _offsets[index] - end);
                if (plane.Array == null)
                    sink.Put((byte*)plane.Pointer, plane.Size);
                else
                    fixed (byte* data = &plane.Array[plane.ArrayOffset])
                        sink.Put(data, plane.Size);
                end = _payload + _offsets[index] + plane.Size;
                plane = default;
            }
        }

        void Check(int index, in PlaneData color)
        {
            ref var plane = ref _planes[index];
            if (!Plane.Takes(index, plane.Format))
                throw new ArgumentException($"the plane {Plane.Names[index]} cannot be {plane.Format}");
            var factor = color.Width / plane.Width;
            if (factor * plane.Width != color.Width || factor * plane.Height != color.Height)
                throw new ArgumentException($"{Plane.Names[index]} is {plane.Width}x{plane.Height}, "
                    + $"no whole fraction of {color.Width}x{color.Height}");
        }

        void Describe(MessagePackWriter writer, int count)
        {
            writer.Map(count);
            for (var index = 0; index < _planes.Length; index++)
            {
                ref var plane = ref _planes[index];
                if (!plane.Exists)
                    continue;
                writer.Text(Plane.Names[index]);
                writer.Map(5 + (plane.Stride > 0 ? 1 : 0) + (plane.BottomUp ? 1 : 0));
                writer.Text("format");
                writer.Text(plane.Format.Name());
                Describe(writer, "width", plane.Width);
                Describe(writer, "height", plane.Height);
                Describe(writer, "offset", _offsets[index]);
                Describe(writer, "size", plane.Size);
                if (plane.Stride > 0)
                    Describe(writer, "stride", plane.Stride);
                if (!plane.BottomUp)
                    continue;
                writer.Text("bottom_up");
                writer.Flag(true);
            }
        }

        static void Describe(MessagePackWriter writer, string name, int value)
        {
            writer.Text(name);
            writer.Integer(value);
        }

        static void Describe(MessagePackWriter writer, CameraData camera)
        {
            writer.Text("camera");
            writer.Map(4);
            Describe(writer, "view", camera.View);
            Describe(writer, "projection", camera.Projection);
            writer.Text("near");
            writer.Number(camera.Near);
            writer.Text("far");
            writer.Number(camera.Far);
        }

        static void Describe(MessagePackWriter writer, string name, float[] matrix)
        {
            writer.Text(name);
            writer.List(16);
            for (var index = 0; index < 16; index++)
                writer.Number(matrix[index]);
        }
    }
}
