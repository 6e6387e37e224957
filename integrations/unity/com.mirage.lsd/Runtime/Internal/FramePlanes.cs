#nullable enable
using System;
using UnityEngine;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>
    /// Depth and motion of the frame that is being drawn, on the graphics card: metres, and pixels back to the last frame that
    /// was captured. Recorded for each frame, while the pipeline still has its textures.
    /// </summary>
    internal sealed class FramePlanes : IDisposable
    {
        const int CopyPass = 0, MetresPass = 1, MotionPass = 2, PackPass = 3;
        static readonly string[] Keywords = { "", "MIRAGE_BUILTIN", "MIRAGE_UNIVERSAL", "MIRAGE_ARRAY" };

        readonly Material _material = Gpu.NewMaterial("Planes");
        readonly MaterialPropertyBlock _values = new MaterialPropertyBlock();
        readonly Reprojection _way = new Reprojection();
        readonly float[] _projection = new float[16];
        readonly Vector4 _size;
        readonly CameraData _before = new CameraData();
        RenderTexture? _motion, _motionBefore;
        SceneTextures _textures;
        bool _hasBefore, _captured;

        /// <summary>Make what the planes need.</summary>
        public FramePlanes(int width, int height, bool depth, bool motion)
        {
            _size = new Vector4(width, height, Gpu.ClearDepth, 0);
            if (depth || motion) // what has no depth has no motion either: surfaces are told apart by it
                Depth = Gpu.NewTexture("Mirage Depth", width, height, GraphicsFormat.R32_SFloat);
            if (!motion)
                return;
            _motion = Gpu.NewTexture("Mirage Motion", width, height, GraphicsFormat.R32G32B32A32_SFloat);
            _motionBefore = Gpu.NewTexture("Mirage Motion Before", width, height, GraphicsFormat.R32G32B32A32_SFloat);
        }

        /// <summary>Metres; null where no depth is wanted.</summary>
        public RenderTexture? Depth { get; }

        /// <summary>Whether a frame's depth was drawn yet.</summary>
        public bool HasDepth => _hasBefore;

        /// <summary>Whether the last frame's motion is known.</summary>
        public bool HasMotion { get; private set; }

        public void Dispose()
        {
            Gpu.Discard(Depth);
            Gpu.Discard(_motion);
            Gpu.Discard(_motionBefore);
            Gpu.Discard(_material);
            _motion = _motionBefore = null;
        }

        /// <summary>Record the planes of one frame.</summary>
        /// <param name="commands">They are executed while the camera is drawn.</param>
        /// <param name="camera">The camera that is drawn.</param>
        /// <param name="now">What it sees.</param>
        /// <param name="textures">Where the pipeline has its textures.</param>
        public void Record(CommandBuffer commands, Camera camera, CameraData now, in SceneTextures textures)
        {
            if (Depth == null)
                return;
            Choose(textures);
            _values.Clear();
            _values.SetVector(Names.FrameSize, _size);
            _values.SetVector(Names.Part, textures.Part);
            _values.SetVector(Names.DepthTerms, Gpu.DepthTermsOf(camera, _projection));
            Gpu.Draw(commands, Depth, _material, MetresPass, _values);
            HasMotion = _motion != null && textures.HasMotion;
            if (HasMotion)
                RecordMotion(commands, now);
            Copy(now, _before);
            _hasBefore = true;
        }

        /// <summary>Record a picture's bytes as they are sent.</summary>
        public void RecordColor(CommandBuffer commands, Texture source, RenderTexture target)
        {
            _values.Clear();
            _values.SetTexture(Names.Source, source);
            Gpu.Draw(commands, target, _material, CopyPass, _values);
        }

        /// <summary>Record the motion up to here as it is sent; from here on it begins anew.</summary>
        public void RecordCapture(CommandBuffer commands, RenderTexture? target)
        {
            _captured = true;
            if (!HasMotion || target == null)
                return;
            _values.Clear();
            _values.SetTexture(Names.Before, _motion!);
            Gpu.Draw(commands, target, _material, PackPass, _values);
        }

        void RecordMotion(CommandBuffer commands, CameraData now)
        {
            (_motion, _motionBefore) = (_motionBefore, _motion);
            var last = _hasBefore ? _before : now;
            _way.Set(now, last);
            Gpu.Set(_values, _way);
            _values.SetTexture(Names.Metres, Depth!);
            _values.SetTexture(Names.Before, _motionBefore!);
            _values.SetFloat(Names.GoesOn, _hasBefore && !_captured ? 1 : 0);
            Gpu.Draw(commands, _motion!, _material, MotionPass, _values);
            _captured = false;
        }

        void Choose(in SceneTextures textures)
        {
            if (textures.Kind == _textures.Kind)
                return;
            foreach (var keyword in Keywords)
                if (keyword != "")
                    _material.DisableKeyword(keyword);
            if (textures.Kind != TextureKind.Given)
                _material.EnableKeyword(Keywords[(int)textures.Kind]);
            _textures = textures;
        }

        public static void Copy(CameraData from, CameraData to)
        {
            Array.Copy(from.View, to.View, 16);
            Array.Copy(from.Projection, to.Projection, 16);
            (to.Near, to.Far) = (from.Near, from.Far);
        }
    }
}
