#nullable enable
using System;
using UnityEngine;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>What wants to be told while a camera is drawn.</summary>
    internal interface ICameraUser
    {
        /// <summary>Depth is wanted, and perhaps motion.</summary>
        bool WantsDepth { get; }

        /// <summary>Motion is wanted.</summary>
        bool WantsMotion { get; }

        /// <summary>The scene was drawn, and its depth and motion are there.</summary>
        void RecordPlanes(CommandBuffer commands, in SceneTextures textures);

        /// <summary>The picture is complete.</summary>
        void RecordPicture(CommandBuffer commands);
    }

    /// <summary>Follows one camera through its render pipeline; what differs between the pipelines is here.</summary>
    internal abstract class CameraHook : IDisposable
    {
        protected CameraHook(Camera camera, ICameraUser user) => (Camera, User) = (camera, user);

        protected Camera Camera { get; }

        protected ICameraUser User { get; }

        public abstract void Dispose();

        /// <summary>A hook for the pipeline that draws now.</summary>
        public static CameraHook For(Camera camera, ICameraUser user)
        {
            var pipeline = GraphicsSettings.currentRenderPipeline;
            if (pipeline == null)
                return new BuiltInHook(camera, user);
#if MIRAGE_URP
            if (pipeline is UnityEngine.Rendering.Universal.UniversalRenderPipelineAsset)
                return new UniversalHook(camera, user);
#endif
#if MIRAGE_HDRP
            if (pipeline is UnityEngine.Rendering.HighDefinition.HDRenderPipelineAsset)
                return new HighDefinitionHook(camera, user);
#endif
            return new PipelineHook(camera, user);
        }
    }
}
