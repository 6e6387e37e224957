#nullable enable
#if MIRAGE_URP
using UnityEngine;
using UnityEngine.Rendering;
using UnityEngine.Rendering.Universal;
#if MIRAGE_URP_17
using UnityEngine.Rendering.RenderGraphModule;
#endif

namespace Mirage
{
    /// <summary>The universal render pipeline: a pass of its own, which asks for depth and motion and takes them.</summary>
    internal sealed class UniversalHook : PipelineHook
    {
        readonly PlanesPass _pass;

        public UniversalHook(Camera camera, ICameraUser user) : base(camera, user) => _pass = new PlanesPass(user);

        protected override void Begin()
        {
            if (!User.WantsDepth && !User.WantsMotion)
                return;
            _pass.Ask();
            Camera.GetUniversalAdditionalCameraData().scriptableRenderer.EnqueuePass(_pass);
        }

        sealed class PlanesPass : ScriptableRenderPass
        {
            readonly ICameraUser _user;

            public PlanesPass(ICameraUser user)
            {
                _user = user;
                renderPassEvent = RenderPassEvent.BeforeRenderingPostProcessing + 1; // by then URP has drawn motion
            }

            public void Ask() => ConfigureInput(
                _user.WantsMotion ? ScriptableRenderPassInput.Depth | ScriptableRenderPassInput.Motion : ScriptableRenderPassInput.Depth);

#if MIRAGE_URP_17
            public override void RecordRenderGraph(RenderGraph renderGraph, ContextContainer frameData)
            {
                var resources = frameData.Get<UniversalResourceData>();
                if (!resources.cameraDepthTexture.IsValid())
                    return;
                using (var builder = renderGraph.AddUnsafePass<Handles>("Mirage Planes", out var data))
                {
                    data.User = _user;
                    data.Depth = resources.cameraDepthTexture;
                    data.Motion = resources.motionVectorColor;
                    builder.UseTexture(data.Depth, AccessFlags.Read);
                    if (data.Motion.IsValid())
                        builder.UseTexture(data.Motion, AccessFlags.Read);
                    builder.AllowPassCulling(false); // nothing in the graph uses what it draws
                    builder.AllowGlobalStateModification(true);
                    builder.SetRenderFunc<Handles>(Draw);
                }
            }

            static void Draw(Handles data, UnsafeGraphContext context)
            {
                var commands = CommandBufferHelpers.GetNativeCommandBuffer(context.cmd);
                commands.SetGlobalTexture(Names.MirageDepth, data.Depth);
                var hasMotion = data.Motion.IsValid();
                if (hasMotion)
                    commands.SetGlobalTexture(Names.MirageMotion, data.Motion);
                data.User!.RecordPlanes(commands, new SceneTextures(TextureKind.Given, hasMotion));
            }

            sealed class Handles
            {
                public ICameraUser? User;
                public TextureHandle Depth;
                public TextureHandle Motion;
            }
#else
            public override void Execute(ScriptableRenderContext context, ref RenderingData renderingData)
            {
                var commands = CommandBufferPool.Get("Mirage Planes");
                _user.RecordPlanes(commands, new SceneTextures(TextureKind.Universal, _user.WantsMotion));
                context.ExecuteCommandBuffer(commands);
                CommandBufferPool.Release(commands);
            }
#endif
        }
    }
}
#endif
