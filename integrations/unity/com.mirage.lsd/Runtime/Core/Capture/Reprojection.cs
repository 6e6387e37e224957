#nullable enable
using System;

namespace Mirage
{
    /// <summary>
    /// Where a point that one camera sees is in the picture of another. A pixel at x and y (-1 to 1, y up) and a depth of z
    /// metres is the vector q = (x w, y w, 1, 1 / z), where w = ScaleX + ScaleY / z; so the sky, infinitely far away, is an
    /// ordinary point with 1 / z = 0. <see cref="Matrix"/> times q is its place in the other camera's clip space, divided by z.
    /// All of it is computed in double precision; allocates nothing once it is made.
    /// </summary>
    internal sealed class Reprojection
    {
        /// <summary>From q to the other camera's clip space, row by row.</summary>
        public readonly double[] Matrix = new double[16];

        /// <summary>The dot product with q is the depth that the other camera sees, divided by z.</summary>
        public readonly double[] DepthRow = new double[4];

        readonly double[] _between = new double[16];
        readonly double[] _unproject = new double[16];
        readonly double[] _across = new double[16];

        /// <summary>What w is made of: 1 for a perspective camera, 0 for an orthogonal one.</summary>
        public double ScaleX { get; private set; }

        /// <summary>What w is made of beside it: 0 for a perspective camera, 1 for an orthogonal one.</summary>
        public double ScaleY { get; private set; }

        /// <summary>Find the way from what <paramref name="now"/> sees to the picture of <paramref name="then"/>.</summary>
        public void Set(CameraData now, CameraData then)
        {
            Between(now.View, then.View);
            Unproject(now.Projection);
            for (var row = 0; row < 4; row++)
                for (var column = 0; column < 4; column++)
                    _across[row * 4 + column] = Sum(_between, row, _unproject, column);
            for (var row = 0; row < 4; row++)
                for (var column = 0; column < 4; column++)
                {
                    var sum = 0.0;
                    for (var k = 0; k < 4; k++)
                        sum += then.Projection[row * 4 + k] * _across[k * 4 + column];
                    Matrix[row * 4 + column] = sum;
                }
            for (var column = 0; column < 4; column++)
                DepthRow[column] = -_across[8 + column];
            ScaleX = -now.Projection[14];
            ScaleY = now.Projection[15];
        }

        /// <summary>From one view's space to another's. The world's origin cancels out: nothing trembles far from it.</summary>
        void Between(float[] view, float[] other)
        {
            for (var row = 0; row < 3; row++)
            {
                double shift = other[row * 4 + 3];
                for (var column = 0; column < 3; column++)
                {
                    var turned = 0.0;
                    for (var k = 0; k < 3; k++)
                        turned += (double)other[row * 4 + k] * view[column * 4 + k];
                    _between[row * 4 + column] = turned;
                    shift -= turned * view[column * 4 + 3];
                }
                _between[row * 4 + 3] = shift;
            }
            _between[15] = 1;
        }

        /// <summary>From q to view space, divided by z.</summary>
        void Unproject(float[] projection)
        {
            Array.Clear(_unproject, 0, 16);
            var x = 1.0 / projection[0];
            var y = 1.0 / projection[5];
            _unproject[0] = x;
            _unproject[2] = projection[2] * x;
            _unproject[3] = -projection[3] * x;
            _unproject[5] = y;
            _unproject[6] = projection[6] * y;
            _unproject[7] = -projection[7] * y;
            _unproject[10] = -1;
            _unproject[15] = 1;
        }

        static double Sum(double[] a, int row, double[] b, int column)
        {
            var sum = 0.0;
            for (var k = 0; k < 4; k++)
                sum += a[row * 4 + k] * b[k * 4 + column];
            return sum;
        }
    }
}
