#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;
using Unity.Collections;
using UnityEngine;
using UnityEngine.Experimental.Rendering;
using UnityEngine.Rendering;
using UnityEngine.UI;

namespace Mirage.Tests
{
    /// Plays Unity for a MirageCamera: nothing is drawn, but frames go to a real daemon and back, and all is counted that is made.
    static class CameraProgram
    {
        public static void Run(string url)
        {
            var holder = new GameObject("Test");
            var before = Alive.Count;
            var controller = holder.AddComponent<MirageController>();
            controller.Url = url;
            var lens = holder.AddComponent<Camera>();
            (lens.nearClipPlane, lens.farClipPlane) = (0.3f, 100);
            var camera = holder.AddComponent<MirageCamera>();
            var problems = new List<string>();
            var transformed = new List<bool>();
            controller.ProblemOccurred.AddListener(problems.Add);
            camera.TransformedChanged.AddListener(transformed.Add);
            Play.Call(controller, "OnEnable");
            Play.Call(camera, "OnEnable");
            Frame(controller, camera, lens);
            Play.True("what is missing is said", camera.Problem!.Contains("Mirage Controller"));

            camera.Controller = controller;
            camera.FrameSize = new Vector2Int(64, 48);
            Until(controller, camera, lens, () => transformed.Count == 1 && transformed[0], "results are shown");
            Play.True("they have the frame's size", camera.Result!.width == 64 && camera.Picture!.height == 48);
            Play.True("the camera draws for us", lens.targetTexture != null && lens.depthTextureMode == (DepthTextureMode.Depth | DepthTextureMode.MotionVectors));

            foreach (var show in new[] { ShowOn.RawImage, ShowOn.Renderer, ShowOn.Nowhere, ShowOn.FullScreen })
            {
                camera.ShowOn = show;
                camera.RawImage = holder.AddComponent<RawImage>();
                camera.SetRenderer(holder.AddComponent<Renderer>(), "_MainTex");
                Frames(controller, camera, lens);
                Play.True("it is shown there", show != ShowOn.RawImage || camera.RawImage.texture == camera.Picture);
            }
            foreach (var (depth, motion, warp) in new[] { (false, false, true), (true, false, false), (false, true, false), (false, false, false) })
            {
                (camera.SendDepth, camera.SendMotion, camera.LateWarp) = (depth, motion, warp);
                camera.FrameSize = new Vector2Int(64, camera.FrameSize.y + 16);
                Until(controller, camera, lens, () => camera.Result!.height == camera.FrameSize.y, "other planes and sizes come back");
            }
            controller.Disconnect();
            Frames(controller, camera, lens);
            controller.Connect();
            var texture = new RenderTexture(32, 32, 0, GraphicsFormat.R8G8B8A8_UNorm);
            camera.Texture = texture;
            Until(controller, camera, lens, () => camera.Result!.width == 32, "a texture is sent");
            Play.True("the camera is free", lens.targetTexture == null && lens.depthTextureMode == DepthTextureMode.None);
            problems.Clear();
            texture.dimension = TextureDimension.Cube;
            Frames(controller, camera, lens);
            Play.True("what cannot be sent is told once", problems.Count == 1 && camera.Problem != null);
            texture.dimension = TextureDimension.Tex2D;
            Frames(controller, camera, lens);
            Play.True("and forgotten", problems.Count == 1 && camera.Problem == null);
            camera.Texture = null;
            Frames(controller, camera, lens);
            Play.Call(camera, "OnDisable");
            Play.Call(controller, "OnDisable");
            UnityEngine.Object.Destroy(texture);
            Play.True($"nothing stays: {Alive.Count - before} more", Alive.Count == before && lens.targetTexture == null);
        }

        static void Frames(MirageController controller, MirageCamera camera, Camera lens)
        {
            for (var frame = 0; frame < 20; frame++)
                Frame(controller, camera, lens);
        }

        static void Frame(MirageController controller, MirageCamera camera, Camera lens)
        {
            Play.Call(controller, "Update");
            Play.Call(camera, "LateUpdate");
            Camera.onPreRender?.Invoke(lens);
            Thread.Sleep(5);
            AsyncGPUReadback.WaitAllRequests(); // the graphics card is done with it
        }

        static void Until(MirageController controller, MirageCamera camera, Camera lens, Func<bool> holds, string what)
        {
            var end = DateTime.UtcNow.AddSeconds(30);
            while (!holds())
            {
                if (DateTime.UtcNow > end)
                    throw new Exception($"it never holds: {what}; {controller.LastProblem} {camera.Problem}");
                Frame(controller, camera, lens);
            }
        }
    }
}
