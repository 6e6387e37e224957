#nullable enable
using UnityEngine;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>The built-in render pipeline: command buffers at the camera, filled anew for each frame that it draws.</summary>
    internal sealed class BuiltInHook : CameraHook
    {
        readonly CommandBuffer _planes = new CommandBuffer { name = "Mirage Planes" };
        readonly CommandBuffer _picture = new CommandBuffer { name = "Mirage Picture" };
        readonly DepthTextureMode _added;

        public BuiltInHook(Camera camera, ICameraUser user) : base(camera, user)
        {
            var wanted = user.WantsDepth || user.WantsMotion ? DepthTextureMode.Depth : DepthTextureMode.None;
            if (user.WantsMotion)
                wanted |= DepthTextureMode.MotionVectors;
            _added = wanted & ~camera.depthTextureMode;
            camera.depthTextureMode |= wanted;
            camera.AddCommandBuffer(CameraEvent.BeforeImageEffects, _planes);
            camera.AddCommandBuffer(CameraEvent.AfterEverything, _picture);
            UnityEngine.Camera.onPreRender += OnDraw;
        }

        public override void Dispose()
        {
            UnityEngine.Camera.onPreRender -= OnDraw;
            if (Camera != null) // it may have been destroyed
            {
                Camera.RemoveCommandBuffer(CameraEvent.BeforeImageEffects, _planes);
                Camera.RemoveCommandBuffer(CameraEvent.AfterEverything, _picture);
                Camera.depthTextureMode &= ~_added;
            }
            _planes.Dispose();
            _picture.Dispose();
        }

        void OnDraw(Camera camera)
        {
            if (camera != Camera)
                return;
            _planes.Clear();
            _picture.Clear();
            if (User.WantsDepth || User.WantsMotion)
                User.RecordPlanes(_planes, new SceneTextures(TextureKind.BuiltIn, User.WantsMotion));
            User.RecordPicture(_picture);
        }
    }
}
