#nullable enable
using UnityEngine;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>Any scriptable render pipeline: its picture, and no more.</summary>
    internal class PipelineHook : CameraHook
    {
        readonly CommandBuffer _picture = new CommandBuffer { name = "Mirage Picture" };

        public PipelineHook(Camera camera, ICameraUser user) : base(camera, user)
        {
            RenderPipelineManager.beginCameraRendering += OnBegin;
            RenderPipelineManager.endCameraRendering += OnEnd;
        }

        public override void Dispose()
        {
            RenderPipelineManager.beginCameraRendering -= OnBegin;
            RenderPipelineManager.endCameraRendering -= OnEnd;
            _picture.Dispose();
        }

        /// <summary>The camera is about to be drawn.</summary>
        protected virtual void Begin() { }

        void OnBegin(ScriptableRenderContext context, Camera camera)
        {
            if (camera == Camera)
                Begin();
        }

        void OnEnd(ScriptableRenderContext context, Camera camera)
        {
            if (camera != Camera)
                return;
            _picture.Clear();
            User.RecordPicture(_picture);
            context.ExecuteCommandBuffer(_picture);
            context.Submit();
        }
    }
}
