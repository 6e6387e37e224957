#nullable enable
namespace Mirage
{
    /// <summary>What turns a depth buffer's value d into metres: (X + Y d) / (Z + W d).</summary>
    internal readonly struct DepthTerms
    {
        public readonly double X;
        public readonly double Y;
        public readonly double Z;
        public readonly double W;

        /// <summary>
        /// The terms of a buffer whose values stand for z in clip space as <paramref name="offset"/> + <paramref name="factor"/> d.
        /// A projection as the graphics card has it takes 0 and 1 where clip space goes from 0 to 1, and -1 and 2 with OpenGL; one
        /// as OpenGL has it takes 1 and -2 for a reversed buffer, which is 1 at the near plane.
        /// </summary>
        /// <param name="projection">View to clip space, 16 numbers row by row. The very matrix that was drawn with is best: its rounding cancels out.</param>
        /// <param name="offset">The z of d = 0.</param>
        /// <param name="factor">By how much z grows until d = 1.</param>
        public DepthTerms(float[] projection, double offset, double factor)
        {
            X = projection[15] * offset - projection[11];
            Y = projection[15] * factor;
            Z = projection[14] * offset - projection[10];
            W = projection[14] * factor;
        }

        /// <summary>The distance of a buffer's value, in metres along the viewing axis.</summary>
        public double Metres(double value) => (X + Y * value) / (Z + W * value);
    }
}
