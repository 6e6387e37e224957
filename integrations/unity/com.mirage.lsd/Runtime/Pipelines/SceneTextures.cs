#nullable enable
using UnityEngine;

namespace Mirage
{
    /// <summary>How a pipeline's depth and motion textures are found; as the keywords in Planes.hlsl.</summary>
    internal enum TextureKind
    {
        /// <summary>As <c>_MirageDepth</c> and <c>_MirageMotion</c>.</summary>
        Given,

        /// <summary>Under the names of the built-in pipeline.</summary>
        BuiltIn,

        /// <summary>Under the names of URP.</summary>
        Universal,

        /// <summary>As <see cref="Given"/>, in texture arrays.</summary>
        Array,
    }

    /// <summary>The textures of the frame that is being drawn.</summary>
    internal readonly struct SceneTextures
    {
        public readonly TextureKind Kind;

        /// <summary>Whether there is motion.</summary>
        public readonly bool HasMotion;

        /// <summary>The share of the textures that the picture is in, in x and y.</summary>
        public readonly Vector4 Part;

        public SceneTextures(TextureKind kind, bool hasMotion) : this(kind, hasMotion, new Vector4(1, 1, 0, 0)) { }

        public SceneTextures(TextureKind kind, bool hasMotion, Vector4 part) => (Kind, HasMotion, Part) = (kind, hasMotion, part);
    }
}
