#nullable enable
using UnityEngine;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>Small things that all parts do with the graphics card.</summary>
    internal static class Gpu
    {
        /// <summary>What holds sRGB bytes: a linear project has them converted by the card, a gamma project has nothing else.</summary>
        public static GraphicsFormat ColorFormat =>
            QualitySettings.activeColorSpace == ColorSpace.Linear ? GraphicsFormat.R8G8B8A8_SRGB : GraphicsFormat.R8G8B8A8_UNorm;

        static bool IsOpenGL =>
            SystemInfo.graphicsDeviceType == GraphicsDeviceType.OpenGLCore || SystemInfo.graphicsDeviceType == GraphicsDeviceType.OpenGLES3;

        /// <summary>The value of a depth buffer where nothing was drawn.</summary>
        public static float ClearDepth => SystemInfo.usesReversedZBuffer ? 0 : 1;

        public static RenderTexture NewTexture(string name, int width, int height, GraphicsFormat format, int depthBits = 0)
        {
            var texture = new RenderTexture(width, height, depthBits, format)
            {
                name = name,
                hideFlags = HideFlags.HideAndDontSave,
                filterMode = FilterMode.Bilinear,
                wrapMode = TextureWrapMode.Clamp,
            };
            texture.Create();
            return texture;
        }

        public static Material NewMaterial(string shader) =>
            new Material(Resources.Load<Shader>($"Mirage/{shader}")) { hideFlags = HideFlags.HideAndDontSave };

        /// <summary>Let go of what was made here; null is fine.</summary>
        public static void Discard(Object? thing)
        {
            if (thing == null)
                return;
            if (thing is RenderTexture texture)
                texture.Release();
            if (Application.isPlaying)
                Object.Destroy(thing);
            else
                Object.DestroyImmediate(thing);
        }

        /// <summary>Cover a texture by one pass of a material.</summary>
        public static void Draw(CommandBuffer commands, RenderTexture target, Material material, int pass, MaterialPropertyBlock values)
        {
            commands.SetRenderTarget(target);
            commands.DrawProcedural(Matrix4x4.identity, material, pass, MeshTopology.Triangles, 3, 1, values);
        }

        /// <summary>What a camera sees now, as the protocol has it.</summary>
        public static void Read(Camera camera, CameraData data)
        {
            Rows(camera.worldToCameraMatrix, data.View);
            CameraMatrices.Unmirror(data.View);
            Rows(camera.nonJitteredProjectionMatrix, data.Projection);
            data.Near = camera.nearClipPlane;
            data.Far = camera.farClipPlane;
        }

        /// <summary>What turns this camera's depth buffer into metres, for the shader.</summary>
        public static Vector4 DepthTermsOf(Camera camera, float[] scratch)
        {
            Rows(GL.GetGPUProjectionMatrix(camera.projectionMatrix, true), scratch);
            var terms = IsOpenGL ? new DepthTerms(scratch, -1, 2) : new DepthTerms(scratch, 0, 1);
            return new Vector4((float)terms.X, (float)terms.Y, (float)terms.Z, (float)terms.W);
        }

        /// <summary>Tell a shader the way from one picture to another.</summary>
        public static void Set(MaterialPropertyBlock values, Reprojection way)
        {
            var matrix = new Matrix4x4();
            for (var row = 0; row < 4; row++)
                for (var column = 0; column < 4; column++)
                    matrix[row, column] = (float)way.Matrix[row * 4 + column];
            var depth = way.DepthRow;
            values.SetMatrix(Names.Reprojection, matrix);
            values.SetVector(Names.DepthRow, new Vector4((float)depth[0], (float)depth[1], (float)depth[2], (float)depth[3]));
            values.SetVector(Names.Scale, new Vector4((float)way.ScaleX, (float)way.ScaleY, 0, 0));
        }

        static void Rows(Matrix4x4 matrix, float[] rows)
        {
            for (var row = 0; row < 4; row++)
                for (var column = 0; column < 4; column++)
                    rows[row * 4 + column] = matrix[row, column];
        }
    }
}
