using System;
using System.Collections.Generic;
using Unity.Collections;

namespace UnityEngine.Experimental.Rendering
{
    public enum GraphicsFormat
    {
        None = 0,
        R8G8B8A8_SRGB = 4,
        R8G8B8A8_UNorm = 8,
        R16G16_SFloat = 46,
        R32_SFloat = 49,
        R32G32B32A32_SFloat = 52,
    }

    public class GraphicsFormatUtility { public static bool IsIntegerFormat(GraphicsFormat format) => false; }
}

namespace UnityEngine.Rendering
{
    public enum TextureDimension { Unknown = -1, None = 0, Any = 1, Tex2D = 2, Tex3D = 3, Cube = 4, Tex2DArray = 5, CubeArray = 6 }
    public enum GraphicsDeviceType { OpenGLES3 = 11, OpenGLCore = 17 }
    public enum CameraEvent { BeforeImageEffects = 18, AfterEverything = 20 }

    public struct RenderTargetIdentifier { public static implicit operator RenderTargetIdentifier(Texture tex) => default; }

    public struct AsyncGPUReadbackRequest { public bool hasError => false; }

    public static class AsyncGPUReadback
    {
        internal static readonly Queue<Action<AsyncGPUReadbackRequest>> Waiting = new Queue<Action<AsyncGPUReadbackRequest>>();

        public static void WaitAllRequests()
        {
            while (Waiting.Count > 0)
                Waiting.Dequeue()(default);
        }
    }

    public class CommandBuffer : IDisposable
    {
        public CommandBuffer() => Alive.Count++;
        public string name { get; set; }
        public void Clear() { }
        public void Dispose() => Alive.Count--;
        public void SetRenderTarget(RenderTargetIdentifier rt) { }
        public void SetGlobalTexture(int nameID, RenderTargetIdentifier value) { }
        public void CopyTexture(RenderTargetIdentifier src, RenderTargetIdentifier dst) { }
        public void DrawProcedural(
            Matrix4x4 matrix, Material material, int shaderPass, MeshTopology topology, int vertexCount, int instanceCount,
            MaterialPropertyBlock properties) { }
        public void RequestAsyncReadbackIntoNativeArray<T>(
            ref NativeArray<T> output, Texture src, int mipIndex, Action<AsyncGPUReadbackRequest> callback) where T : struct =>
            AsyncGPUReadback.Waiting.Enqueue(callback);
    }

    public abstract class RenderPipelineAsset : ScriptableObject { }
    public sealed class GraphicsSettings : Object { public static RenderPipelineAsset currentRenderPipeline => null; }

    public struct ScriptableRenderContext
    {
        public void ExecuteCommandBuffer(CommandBuffer commandBuffer) { }
        public void Submit() { }
    }

    public static class RenderPipelineManager
    {
        public static event Action<ScriptableRenderContext, Camera> beginCameraRendering { add { } remove { } }
        public static event Action<ScriptableRenderContext, Camera> endCameraRendering { add { } remove { } }
    }
}
