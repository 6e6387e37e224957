#nullable enable
using System;
using UnityEngine;
using UnityEngine.UI;

namespace Mirage
{
    /// <summary>A picture over the whole screen, as large as it fits, below what else is drawn there.</summary>
    internal sealed class FullScreen : IDisposable
    {
        readonly GameObject _canvas;
        readonly GameObject _background;
        readonly RawImage _image;
        readonly AspectRatioFitter _fitter;

        public FullScreen(int display)
        {
            // The game's camera draws for us alone: somebody has to clear the screen.
            _background = new GameObject("Mirage Background") { hideFlags = HideFlags.HideAndDontSave };
            var camera = _background.AddComponent<Camera>();
            camera.cullingMask = 0;
            camera.clearFlags = CameraClearFlags.SolidColor;
            camera.backgroundColor = Color.black;
            camera.depth = -100;
            camera.targetDisplay = display;

            _canvas = new GameObject("Mirage Screen") { hideFlags = HideFlags.HideAndDontSave };
            var canvas = _canvas.AddComponent<Canvas>();
            canvas.renderMode = RenderMode.ScreenSpaceOverlay;
            canvas.sortingOrder = short.MinValue;
            canvas.targetDisplay = display;

            var bars = NewImage("Bars", out var cover);
            bars.color = Color.black;
            cover.aspectMode = AspectRatioFitter.AspectMode.EnvelopeParent;
            _image = NewImage("Picture", out _fitter);
            _fitter.aspectMode = AspectRatioFitter.AspectMode.FitInParent;
        }

        public void Show(Texture texture)
        {
            _image.texture = texture;
            _fitter.aspectRatio = (float)texture.width / texture.height;
        }

        public void Dispose()
        {
            Gpu.Discard(_canvas);
            Gpu.Discard(_background);
        }

        RawImage NewImage(string name, out AspectRatioFitter fitter)
        {
            var holder = new GameObject(name) { hideFlags = HideFlags.HideAndDontSave };
            holder.transform.SetParent(_canvas.transform, false);
            var image = holder.AddComponent<RawImage>();
            image.raycastTarget = false;
            fitter = holder.AddComponent<AspectRatioFitter>();
            return image;
        }
    }
}
