// Of the packages SRP Core, URP (12 to 16, and with MIRAGE_URP_17 from 17 on) and HDRP (from 12 on).
using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using UnityEngine.Experimental.Rendering;

namespace UnityEngine.Rendering
{
    public struct RTHandleProperties { public Vector4 rtHandleScale; }

    public class RTHandle
    {
        public RenderTexture rt => null;
        public RTHandleProperties rtHandleProperties => default;
    }

    public static class CommandBufferPool
    {
        public static CommandBuffer Get(string name) => null;
        public static void Release(CommandBuffer buffer) { }
    }

#if MIRAGE_URP_17
    public class UnsafeCommandBuffer { }
    public struct CommandBufferHelpers { public static CommandBuffer GetNativeCommandBuffer(UnsafeCommandBuffer baseBuffer) => null; }
    public abstract class ContextItem { public abstract void Reset(); }

    public class ContextContainer : IDisposable
    {
        public T Get<T>() where T : ContextItem, new() => null;
        public void Dispose() { }
    }
#endif
}

#if MIRAGE_URP_17
namespace UnityEngine.Rendering.RenderGraphModule
{
    [Flags] public enum AccessFlags { None = 0, Read = 1, Write = 2, Discard = 4 }

    public struct TextureHandle
    {
        public bool IsValid() => false;
        public static implicit operator RenderTargetIdentifier(TextureHandle texture) => default;
    }

    public class UnsafeGraphContext
    {
#pragma warning disable 649 // Unity itself sets it
        public UnsafeCommandBuffer cmd;
#pragma warning restore 649
    }

    public delegate void BaseRenderFunc<PassData, ContextType>(PassData data, ContextType renderGraphContext) where PassData : class, new();

    public interface IBaseRenderGraphBuilder : IDisposable
    {
        void UseTexture(in TextureHandle input, AccessFlags flags = AccessFlags.Read);
        void AllowPassCulling(bool value);
        void AllowGlobalStateModification(bool value);
    }

    public interface IUnsafeRenderGraphBuilder : IBaseRenderGraphBuilder
    {
        void SetRenderFunc<PassData>(BaseRenderFunc<PassData, UnsafeGraphContext> renderFunc) where PassData : class, new();
    }

    public class RenderGraph
    {
        public IUnsafeRenderGraphBuilder AddUnsafePass<PassData>(
            string passName, out PassData passData, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
            where PassData : class, new()
        {
            passData = null;
            return null;
        }
    }
}
#endif

#if MIRAGE_URP
namespace UnityEngine.Rendering.Universal
{
#if MIRAGE_URP_17
    using UnityEngine.Rendering.RenderGraphModule;

    public class UniversalResourceData : ContextItem
    {
        public TextureHandle cameraDepthTexture => default;
        public TextureHandle motionVectorColor { get; set; }
        public override void Reset() { }
    }
#endif
    public class UniversalRenderPipelineAsset : RenderPipelineAsset { }
    public enum RenderPassEvent { BeforeRenderingPostProcessing = 550 }
    [Flags] public enum ScriptableRenderPassInput { None = 0, Depth = 1, Normal = 2, Color = 4, Motion = 8 }
    public struct RenderingData { }

    public abstract class ScriptableRenderPass
    {
        public RenderPassEvent renderPassEvent { get; set; }
        public void ConfigureInput(ScriptableRenderPassInput passInput) { }
#if MIRAGE_URP_17
        public virtual void RecordRenderGraph(RenderGraph renderGraph, ContextContainer frameData) { }
#else
        public abstract void Execute(ScriptableRenderContext context, ref RenderingData renderingData);
#endif
    }

    public abstract class ScriptableRenderer { public void EnqueuePass(ScriptableRenderPass pass) { } }
    public class UniversalAdditionalCameraData : MonoBehaviour { public ScriptableRenderer scriptableRenderer => null; }

    public static class CameraExtensions
    {
        public static UniversalAdditionalCameraData GetUniversalAdditionalCameraData(this Camera camera) => null;
    }
}
#endif

#if MIRAGE_HDRP
namespace UnityEngine.Rendering.HighDefinition
{
    public class HDRenderPipelineAsset : RenderPipelineAsset { }
    public enum CustomPassInjectionPoint { BeforeTransparent = 1, BeforePostProcess = 2 }

    public struct CustomPassContext
    {
#pragma warning disable 649 // Unity itself sets them
        public readonly CommandBuffer cmd;
        public readonly RTHandle cameraDepthBuffer;
        public readonly RTHandle cameraMotionVectorsBuffer;
#pragma warning restore 649
    }

    public abstract class CustomPass
    {
        public enum TargetBuffer { Camera, Custom, None }
        public string name { get; set; }
        public TargetBuffer targetColorBuffer;
        public TargetBuffer targetDepthBuffer;
        protected virtual void Execute(CustomPassContext ctx) { }
    }

    public class CustomPassVolume : MonoBehaviour
    {
        public Camera targetCamera { get; set; }
        public CustomPassInjectionPoint injectionPoint;
        public List<CustomPass> customPasses = new List<CustomPass>();
    }
}
#endif
