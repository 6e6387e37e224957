#nullable enable
namespace Mirage
{
    /// <summary>One rendered frame: its colour, and what else the renderer knows of it (SPEC.md section 5).</summary>
    public struct FrameData
    {
        /// <summary>Required: sRGB-encoded, alpha straight.</summary>
        public PlaneData Color;

        /// <summary>
        /// Optional: metres along the viewing axis, infinity for sky. Of the colour's size or a whole fraction of it, as are the
        /// others.
        /// </summary>
        public PlaneData Depth;

        /// <summary>
        /// Optional: pixels of the colour plane back to where each surface was in the frame <see cref="MotionFrom"/>; NaN where that
        /// is not known.
        /// </summary>
        public PlaneData Motion;

        /// <summary>Optional: normals in view space.</summary>
        public PlaneData Normal;

        /// <summary>Optional: one number an object, 0 for none.</summary>
        public PlaneData Ids;

        /// <summary>The id of the earlier frame that motion points back to; 0 (the default) for the last one that was sent.</summary>
        public long MotionFrom;

        /// <summary>Optional: the camera that the frame was rendered with.</summary>
        public CameraData? Camera;

        internal PlaneData Plane(int index)
        {
            switch (index)
            {
                case 0: return Color;
                case 1: return Depth;
                case 2: return Motion;
                case 3: return Normal;
                default: return Ids;
            }
        }
    }

    /// <summary>A camera (SPEC.md section 5.6): matrices row by row that multiply column vectors, OpenGL's clip space, metres.</summary>
    public sealed class CameraData
    {
        /// <summary>World to view, 16 numbers row by row; x right, y up, the camera looks along -z.</summary>
        public readonly float[] View = new float[16];

        /// <summary>View to clip space, 16 numbers row by row; x, y and z are -1 to 1 after division, y points up.</summary>
        public readonly float[] Projection = new float[16];

        /// <summary>The distance of the near plane in metres, at least 0.</summary>
        public float Near;

        /// <summary>The distance of the far plane in metres, at least 0; finite.</summary>
        public float Far;
    }
}
