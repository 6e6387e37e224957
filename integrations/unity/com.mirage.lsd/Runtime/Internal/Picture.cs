#nullable enable
using System;
using Unity.Collections;
using Unity.Collections.LowLevel.Unsafe;
using UnityEngine;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>What is shown: the game, the last result, or both; the result moved along with the camera where it can be.</summary>
    internal sealed unsafe class Picture : IDisposable
    {
        const float Edge = 0.3f; // of the picture: how far outside the result it is mirrored before the game shows

        readonly Material _material = Gpu.NewMaterial("LateWarp");
        readonly MaterialPropertyBlock _values = new MaterialPropertyBlock();
        readonly Reprojection _way = new Reprojection();

        /// <summary>The result as it came, the right way up; null before the first.</summary>
        public Texture2D? Result { get; private set; }

        /// <summary>What is shown; null before the first frame.</summary>
        public RenderTexture? Shown { get; private set; }

        /// <summary>How much of it is the result, 0 to 1.</summary>
        public float Amount { get; set; }

        /// <summary>What the result's camera saw; null where the result is not moved.</summary>
        public View? Then { get; set; }

        public void Dispose()
        {
            Gpu.Discard(Result);
            Gpu.Discard(Shown);
            Gpu.Discard(_material);
            Result = null;
            Shown = null;
        }

        /// <summary>Have a picture of this size to draw on.</summary>
        public void Fit(int width, int height)
        {
            if (Shown != null && Shown.width == width && Shown.height == height)
                return;
            Gpu.Discard(Shown);
            Shown = Gpu.NewTexture("Mirage Picture", width, height, Gpu.ColorFormat);
        }

        /// <summary>Take a result.</summary>
        /// <returns>What is wrong with it; null for nothing.</returns>
        public string? Take(Result result)
        {
            var format = result.Format == PixelFormat.Rgb8 ? TextureFormat.RGB24 : TextureFormat.RGBA32;
            var isJpeg = result.Format == PixelFormat.Jpeg;
            if (Result == null || Result.width != result.Width || Result.height != result.Height || (!isJpeg && Result.format != format))
            {
                Gpu.Discard(Result);
                Result = new Texture2D(result.Width, result.Height, format, false)
                {
                    name = "Mirage Result",
                    hideFlags = HideFlags.HideAndDontSave,
                    wrapMode = TextureWrapMode.Clamp,
                };
            }
            if (isJpeg)
                return Result.LoadImage(result.Pixels.ToArray()) ? null : "the daemon sent a JPEG that cannot be read";
            var bytes = Result.GetRawTextureData<byte>();
            var target = new Span<byte>(NativeArrayUnsafeUtility.GetUnsafePtr(bytes), bytes.Length);
            Rows.Copy(result.PixelSegment, result.Stride, result.Width * result.Format.BytesPerPixel(), result.Height, !result.BottomUp, target);
            Result.Apply(false);
            return null;
        }

        /// <summary>Record the picture of one frame of the game.</summary>
        public void Record(CommandBuffer commands, Stage stage)
        {
            if (Shown == null)
                return;
            var depth = stage.Depth;
            var warps = Then?.Depth != null && depth != null && Result != null;
            var result = Result != null ? (Texture)Result : stage.Game;
            _values.Clear();
            _values.SetTexture(Names.Game, stage.Game);
            _values.SetTexture(Names.Result, result);
            _values.SetTexture(Names.CurrentDepth, warps ? depth! : stage.Game); // a shader wants all that it names
            _values.SetTexture(Names.ResultDepth, warps ? Then!.Depth! : stage.Game);
            _values.SetVector(Names.ResultSize, new Vector4(result.width, result.height, 0, 0));
            _values.SetFloat(Names.Amount, Result != null ? Amount : 0);
            _values.SetFloat(Names.Warp, warps ? 1 : 0);
            _values.SetFloat(Names.Edge, Edge);
            if (warps)
            {
                _way.Set(stage.Now, Then!.Camera);
                Gpu.Set(_values, _way);
            }
            Gpu.Draw(commands, Shown, _material, 0, _values);
        }
    }
}
