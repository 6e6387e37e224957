#nullable enable
namespace Mirage
{
    /// <summary>Unity's cameras as the protocol describes them (SPEC.md section 5.6).</summary>
    internal static class CameraMatrices
    {
        /// <summary>
        /// Turn Unity's view into a rigid one. Unity's world is left-handed and its views are right-handed, so its view matrices
        /// mirror; the protocol's do not, so that its world has the other z.
        /// </summary>
        /// <param name="view">World to view, row by row; changed in place.</param>
        public static void Unmirror(float[] view)
        {
            for (var row = 0; row < 3; row++)
                view[row * 4 + 2] = -view[row * 4 + 2];
        }

        /// <summary>Whether the daemon can make something of it: numbers throughout, and planes in their order.</summary>
        public static bool AreGood(CameraData camera)
        {
            foreach (var each in camera.View)
                if (!IsFinite(each))
                    return false;
            foreach (var each in camera.Projection)
                if (!IsFinite(each))
                    return false;
            return camera.Projection[0] != 0 && camera.Projection[5] != 0
                && camera.Near >= 0 && camera.Far > camera.Near && IsFinite(camera.Far);
        }

        static bool IsFinite(float value) => !float.IsNaN(value) && !float.IsInfinity(value);
    }
}
