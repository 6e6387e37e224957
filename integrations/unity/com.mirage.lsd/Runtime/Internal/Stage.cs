#nullable enable
using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.Rendering;

namespace Mirage
{
    /// <summary>What is captured, and how; a change of any of it needs another <see cref="Stage"/>.</summary>
    internal struct StageSetup : IEquatable<StageSetup>
    {
        public Camera? Camera;
        public RenderTexture? Texture;
        public Vector2Int Size;
        public bool Depth;
        public bool Motion;
        public bool Warp;
        public RenderPipelineAsset? Pipeline;

        public bool Equals(StageSetup other) =>
            Camera == other.Camera && Texture == other.Texture && Size == other.Size && Depth == other.Depth
            && Motion == other.Motion && Warp == other.Warp && Pipeline == other.Pipeline;
    }

    /// <summary>One camera or texture that is captured: all that was made for it, until another is captured.</summary>
    internal sealed class Stage : ICameraUser, IDisposable
    {
        const int Slots = 3; // a readback takes two frames of the game, seldom three
        const int Remembered = 8;

        readonly Camera? _camera;
        readonly RenderTexture? _own;
        readonly FramePlanes _planes;
        readonly CaptureSlot[] _slots = new CaptureSlot[Slots];
        readonly Stack<View> _free = new Stack<View>();
        readonly SentFrames<View> _sent;
        readonly CaptureSchedule _schedule = new CaptureSchedule();
        readonly CameraHook? _hook;
        readonly CommandBuffer? _commands;
        readonly Picture _picture;
        readonly Action<string> _complain;
        bool _wanted, _disposed;

        public Stage(in StageSetup setup, Picture picture, Action<string> complain)
        {
            (Setup, _camera, _picture, _complain) = (setup, setup.Camera, picture, complain);
            Game = setup.Texture != null ? setup.Texture : _own = Gpu.NewTexture("Mirage Game", setup.Size.x, setup.Size.y, Gpu.ColorFormat, 24);
            WantsDepth = setup.Camera != null && (setup.Depth || setup.Warp || setup.Motion);
            WantsMotion = setup.Camera != null && setup.Motion;
            var (width, height) = (Game.width, Game.height);
            _planes = new FramePlanes(width, height, WantsDepth, WantsMotion);
            _sent = new SentFrames<View>(Remembered, _free.Push);
            for (var at = 0; at < Slots; at++)
                _slots[at] = new CaptureSlot(width, height, setup.Depth && WantsDepth, WantsMotion, OnCaptured);
            if (_camera == null)
            {
                _commands = new CommandBuffer { name = "Mirage Picture" };
                return;
            }
            if (_own != null)
                _camera.targetTexture = _own;
            _hook = CameraHook.For(_camera, this);
        }

        public StageSetup Setup { get; }

        /// <summary>The game as it is.</summary>
        public RenderTexture Game { get; }

        public bool WantsDepth { get; }

        public bool WantsMotion { get; }

        /// <summary>What the camera sees now.</summary>
        public CameraData Now { get; } = new CameraData();

        /// <summary>The game's depth now, in metres; null where there is none.</summary>
        public RenderTexture? Depth => _planes.HasDepth ? _planes.Depth : null;

        /// <summary>Frames of the game between capturing and sending.</summary>
        public int Lag { get; private set; }

        /// <summary>The client to send with; null for nobody.</summary>
        public MirageClient? Client { get; set; }

        public void Dispose()
        {
            _disposed = true;
            _hook?.Dispose();
            _commands?.Dispose();
            if (_camera != null && _own != null && _camera.targetTexture == _own)
                _camera.targetTexture = null;
            foreach (var slot in _slots)
                slot.Dispose();
            _sent.Clear();
            while (_free.Count > 0)
                _free.Pop().Dispose();
            _planes.Dispose();
            Gpu.Discard(_own);
        }

        /// <summary>A frame of the game passes: capture it where the daemon may have it.</summary>
        public void Step(bool sending, int window, double latency, double frameTime)
        {
            // A client's window is wider than ours: it has room for captures that come late.
            _wanted = sending && Client != null && Client.CanSend
                && _schedule.May(window, Client.InFlight, Lag, latency, frameTime);
            if (_commands == null)
                return;
            _commands.Clear();
            RecordPicture(_commands);
            Graphics.ExecuteCommandBuffer(_commands);
        }

        /// <summary>What was remembered of a frame whose result came; give it back with <see cref="Return"/>.</summary>
        public View? Take(long id) => _sent.Take(id);

        /// <summary>Nobody needs this any more.</summary>
        public void Return(View view) => _free.Push(view);

        /// <summary>What was sent has no results: the connection was lost.</summary>
        public void Forget()
        {
            _sent.Clear();
            _schedule.Cut();
        }

        void ICameraUser.RecordPlanes(CommandBuffer commands, in SceneTextures textures)
        {
            if (_disposed)
                return;
            Gpu.Read(_camera!, Now);
            _planes.Record(commands, _camera!, Now, textures);
        }

        void ICameraUser.RecordPicture(CommandBuffer commands) => RecordPicture(commands);

        void RecordPicture(CommandBuffer commands)
        {
            if (_disposed)
                return;
            if (_camera != null && !WantsDepth)
                Gpu.Read(_camera, Now);
            _picture.Record(commands, this);
            if (_wanted && FreeSlot() is CaptureSlot slot)
                RecordCapture(commands, slot);
            _wanted = false; // a camera may draw more than once
        }

        void RecordCapture(CommandBuffer commands, CaptureSlot slot)
        {
            var hasDepth = WantsDepth && _planes.HasDepth;
            slot.View = _free.Count > 0 ? _free.Pop() : new View(Game.width, Game.height, WantsDepth);
            slot.Number = _schedule.Begin(out var motionFrom);
            slot.MotionFrom = motionFrom;
            slot.Frame = Time.frameCount;
            FramePlanes.Copy(Now, slot.View.Camera);
            _planes.RecordColor(commands, Game, slot.Color);
            if (hasDepth)
                commands.CopyTexture(_planes.Depth, slot.View.Depth);
            var hasMotion = _planes.HasMotion;
            _planes.RecordCapture(commands, slot.Motion);
            slot.RecordReadback(commands, hasDepth && Setup.Depth, hasMotion);
        }

        void OnCaptured(CaptureSlot slot)
        {
            if (_disposed)
                return;
            Lag = Time.frameCount - slot.Frame;
            var id = 0L;
            if (slot.HasFailed)
                _complain("the graphics card could not read a frame back");
            else if (Client != null && _schedule.IsNews(slot.Number))
                id = Send(slot);
            _schedule.End(slot.Number, id);
            if (id != 0)
                _sent.Add(id, slot.View!);
            else
                _free.Push(slot.View!);
            slot.View = null;
        }

        long Send(CaptureSlot slot)
        {
            try
            {
                var frame = slot.ToFrame(slot.HasMotion ? _schedule.MotionFrom(slot.MotionFrom) : 0);
                return Client!.TrySend(frame, out var id) ? id : 0;
            }
            catch (ArgumentException problem)
            {
                _complain(problem.Message);
                return 0;
            }
        }

        CaptureSlot? FreeSlot()
        {
            foreach (var slot in _slots)
                if (slot.IsFree)
                    return slot;
            return null;
        }
    }
}
