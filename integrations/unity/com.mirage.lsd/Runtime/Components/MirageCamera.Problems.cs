#nullable enable
using UnityEngine;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;

namespace Mirage
{
    public sealed partial class MirageCamera
    {
        /// <summary>What keeps it from working, in one line; null for nothing.</summary>
        internal string? FindProblem()
        {
            if (_controller == null)
                return "choose a Mirage Controller to send with";
            if (!SystemInfo.supportsAsyncGPUReadback)
                return "this graphics API cannot read frames back (AsyncGPUReadback)";
            if (_texture == null && Source() == null)
                return "choose a camera or a texture to send";
            if (_showOn == ShowOn.RawImage && _rawImage == null)
                return "choose the Raw Image that shows the picture";
            if (_showOn == ShowOn.Renderer && _renderer == null)
                return "choose the renderer that shows the picture";
            return ProblemOf(Target());
        }

        static string? ProblemOf(RenderTexture? texture)
        {
            if (texture == null)
                return null;
            if (texture.dimension != TextureDimension.Tex2D || texture.bindTextureMS)
                return $"the texture {texture.name} is no plain picture: it must be 2D and resolved";
            if (texture.graphicsFormat == GraphicsFormat.None || GraphicsFormatUtility.IsIntegerFormat(texture.graphicsFormat))
                return $"the texture {texture.name} has no colour that can be sent: choose a format such as R8G8B8A8_UNORM";
            if (texture.width > Limits.Dimension || texture.height > Limits.Dimension)
                return $"the texture {texture.name} has more than {Limits.Dimension} pixels a side";
            return null;
        }
    }
}
