#nullable enable
using System;
using Unity.Collections;
using Unity.Collections.LowLevel.Unsafe;
using UnityEngine;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>What a frame's camera saw: kept until its result comes, for late warping.</summary>
    internal sealed class View : IDisposable
    {
        public readonly CameraData Camera = new CameraData();

        public View(int width, int height, bool depth)
        {
            if (depth)
                Depth = Gpu.NewTexture("Mirage View", width, height, GraphicsFormat.R32_SFloat);
        }

        /// <summary>Metres; null where none are kept.</summary>
        public RenderTexture? Depth { get; }

        public void Dispose() => Gpu.Discard(Depth);
    }

    /// <summary>One frame on its way from the graphics card; its memory is used again for the next.</summary>
    internal sealed unsafe class CaptureSlot : IDisposable
    {
        readonly Action<CaptureSlot> _done;
        readonly Action<AsyncGPUReadbackRequest> _arrived;
        readonly int _width, _height;
        NativeArray<byte> _color, _depth, _motion;
        bool _failed;
        int _waiting;

        public CaptureSlot(int width, int height, bool depth, bool motion, Action<CaptureSlot> done)
        {
            (_width, _height, _done, _arrived) = (width, height, done, OnArrived);
            var size = width * height * 4; // bytes of a plane: all of them have four a pixel
            Color = Gpu.NewTexture("Mirage Color", width, height, Gpu.ColorFormat);
            _color = new NativeArray<byte>(size, Allocator.Persistent, NativeArrayOptions.UninitializedMemory);
            if (depth)
                _depth = new NativeArray<byte>(size, Allocator.Persistent, NativeArrayOptions.UninitializedMemory);
            if (!motion)
                return;
            Motion = Gpu.NewTexture("Mirage Motion Sent", width, height, GraphicsFormat.R16G16_SFloat);
            _motion = new NativeArray<byte>(size, Allocator.Persistent, NativeArrayOptions.UninitializedMemory);
        }

        /// <summary>sRGB-encoded bytes.</summary>
        public RenderTexture Color { get; }

        /// <summary>Pixels back, two halves; null where none are sent.</summary>
        public RenderTexture? Motion { get; }

        /// <summary>What is to be kept of this frame; null while the slot is free.</summary>
        public View? View { get; set; }

        public long Number { get; set; }

        public long MotionFrom { get; set; }

        /// <summary>The frame of the game that it was drawn in.</summary>
        public int Frame { get; set; }

        public bool HasDepth { get; private set; }

        public bool HasMotion { get; private set; }

        public bool IsFree => View == null && _waiting == 0;

        /// <summary>Whether the graphics card could not give one of the planes.</summary>
        public bool HasFailed => _failed;

        /// <summary>Begin to read back what was drawn; <c>done</c> is called some frames later, in the main thread.</summary>
        public void RecordReadback(CommandBuffer commands, bool depth, bool motion)
        {
            (HasDepth, HasMotion, _failed) = (depth && _depth.IsCreated, motion && _motion.IsCreated, false);
            _waiting = 1 + (HasDepth ? 1 : 0) + (HasMotion ? 1 : 0);
            commands.RequestAsyncReadbackIntoNativeArray(ref _color, Color, 0, _arrived);
            if (HasDepth)
                commands.RequestAsyncReadbackIntoNativeArray(ref _depth, View!.Depth, 0, _arrived);
            if (HasMotion)
                commands.RequestAsyncReadbackIntoNativeArray(ref _motion, Motion, 0, _arrived);
        }

        /// <summary>The frame as it is sent. Rows lie bottom up in every render texture, whatever the graphics API.</summary>
        /// <param name="motionFrom">The id that motion points back to; 0 for no motion.</param>
        public FrameData ToFrame(long motionFrom)
        {
            var frame = new FrameData { Color = Plane(PixelFormat.Rgba8, _color), MotionFrom = motionFrom };
            if (HasDepth)
                frame.Depth = Plane(PixelFormat.R32F, _depth);
            if (HasMotion && motionFrom != 0)
                frame.Motion = Plane(PixelFormat.Rg16F, _motion);
            if (CameraMatrices.AreGood(View!.Camera))
                frame.Camera = View.Camera;
            return frame;
        }

        /// <summary>Let go of everything. The graphics card may still write: it is waited for, this once.</summary>
        public void Dispose()
        {
            if (_waiting > 0)
                AsyncGPUReadback.WaitAllRequests();
            if (_color.IsCreated)
                _color.Dispose();
            if (_depth.IsCreated)
                _depth.Dispose();
            if (_motion.IsCreated)
                _motion.Dispose();
            Gpu.Discard(Color);
            Gpu.Discard(Motion);
            View?.Dispose();
            View = null;
        }

        PlaneData Plane(PixelFormat format, NativeArray<byte> bytes) => PlaneData.From(
            format, _width, _height, (IntPtr)NativeArrayUnsafeUtility.GetUnsafeReadOnlyPtr(bytes), bytes.Length, 0, true);

        void OnArrived(AsyncGPUReadbackRequest request)
        {
            _failed |= request.hasError;
            if (--_waiting == 0 && View != null)
                _done(this);
        }
    }
}
