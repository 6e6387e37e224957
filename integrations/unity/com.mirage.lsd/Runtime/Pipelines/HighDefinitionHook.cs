#nullable enable
#if MIRAGE_HDRP
using System;
using UnityEngine;
using UnityEngine.Rendering;
using UnityEngine.Rendering.HighDefinition;

namespace Mirage
{
    /// <summary>The high definition render pipeline: a custom pass for this camera alone, in a volume that nobody sees.</summary>
    internal sealed class HighDefinitionHook : PipelineHook
    {
        readonly GameObject? _holder;

        public HighDefinitionHook(Camera camera, ICameraUser user) : base(camera, user)
        {
            if (!user.WantsDepth && !user.WantsMotion)
                return;
            _holder = new GameObject("Mirage Planes") { hideFlags = HideFlags.HideAndDontSave };
            var volume = _holder.AddComponent<CustomPassVolume>();
            volume.targetCamera = camera;
            volume.injectionPoint = CustomPassInjectionPoint.BeforePostProcess;
            var pass = new PlanesPass { User = user, name = "Mirage Planes" };
            pass.targetColorBuffer = pass.targetDepthBuffer = CustomPass.TargetBuffer.None;
            volume.customPasses.Add(pass);
        }

        public override void Dispose()
        {
            base.Dispose();
            Gpu.Discard(_holder);
        }

        [Serializable]
        sealed class PlanesPass : CustomPass
        {
            [NonSerialized] public ICameraUser? User;

            protected override void Execute(CustomPassContext ctx)
            {
                if (User == null) // brought back by the editor, from before scripts were compiled
                    return;
                var depth = ctx.cameraDepthBuffer;
                var motion = ctx.cameraMotionVectorsBuffer;
                var hasMotion = User.WantsMotion && motion != null && motion.rt != null;
                var kind = depth.rt.dimension == TextureDimension.Tex2DArray ? TextureKind.Array : TextureKind.Given;
                ctx.cmd.SetGlobalTexture(Names.MirageDepth, depth.rt);
                if (hasMotion)
                    ctx.cmd.SetGlobalTexture(Names.MirageMotion, motion!.rt);
                User.RecordPlanes(ctx.cmd, new SceneTextures(kind, hasMotion, depth.rtHandleProperties.rtHandleScale));
            }
        }
    }
}
#endif
