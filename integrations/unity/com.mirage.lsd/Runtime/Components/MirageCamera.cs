#nullable enable
using System;
using UnityEngine;
using UnityEngine.Events;
using UnityEngine.Rendering;
using UnityEngine.UI;

namespace Mirage
{
    /// <summary>Where a <see cref="MirageCamera"/> shows its picture.</summary>
    public enum ShowOn
    {
        /// <summary>On the whole screen, as large as it fits.</summary>
        FullScreen,

        /// <summary>In a <see cref="UnityEngine.UI.RawImage"/>.</summary>
        RawImage,

        /// <summary>In a texture property of a renderer's material.</summary>
        Renderer,

        /// <summary>Nowhere: a script takes <see cref="MirageCamera.Picture"/>.</summary>
        Nowhere,
    }

    /// <summary>What is shown while no results come.</summary>
    public enum WhenAway
    {
        /// <summary>The last good picture.</summary>
        Hold,

        /// <summary>The game as it is, faded over.</summary>
        ShowGame,
    }

    /// <summary>
    /// Sends what a camera (or a render texture) shows through a <see cref="MirageController"/>, and shows what comes back. Until
    /// the first result the game is shown as it is. The camera is drawn at <see cref="FrameSize"/>, into a texture of this
    /// component's own, unless it has a target texture already.
    /// </summary>
    [AddComponentMenu("Mirage/Mirage Camera")]
    [DisallowMultipleComponent, DefaultExecutionOrder(1000)] // the camera has moved by now
    public sealed partial class MirageCamera : MonoBehaviour
    {
        /// <summary>An event with whether the daemon's pictures are shown.</summary>
        [Serializable] public sealed class TransformedEvent : UnityEvent<bool> { }

        [Header("Source")]
        [SerializeField, Tooltip("The connection to send with.")]
        MirageController? _controller;
        [SerializeField, Tooltip("The camera to send; none for the one on this object.")]
        Camera? _camera;
        [SerializeField, Tooltip("A texture to send instead of a camera: colour alone.")]
        RenderTexture? _texture;
        [SerializeField, Tooltip("The size of the camera's frames in pixels. A texture has its own.")]
        Vector2Int _frameSize = new Vector2Int(768, 432);
        [SerializeField, Tooltip("Whether frames are sent at all.")]
        bool _sending = true;

        [Header("Planes")]
        [SerializeField, Tooltip("Send each pixel's distance: what is remembered then sticks to surfaces.")]
        bool _sendDepth = true;
        [SerializeField, Tooltip("Send how surfaces moved. Without it the daemon computes the camera's motion from depth.")]
        bool _sendMotion = true;

        [Header("Picture")]
        [SerializeField, Tooltip("Move the last result along with the camera until the next one comes.")]
        bool _lateWarp = true;
        [SerializeField, Tooltip("What is shown while no results come.")]
        WhenAway _whenAway = WhenAway.Hold;
        [SerializeField, Range(0, 10), Tooltip("Seconds that fading between the game and results takes.")]
        float _crossfade = 0.5f;
        [SerializeField, Tooltip("Where the picture is shown.")]
        ShowOn _showOn = ShowOn.FullScreen;
        [SerializeField, Tooltip("The image that shows it, for Show On Raw Image.")]
        RawImage? _rawImage;
        [SerializeField, Tooltip("The renderer that shows it, for Show On Renderer.")]
        Renderer? _renderer;
        [SerializeField, Tooltip("The texture property of that renderer's material: _MainTex, or _BaseMap in URP.")]
        string _property = "_MainTex";

        [Header("Events")]
        [SerializeField] TransformedEvent _transformedChanged = new TransformedEvent();

        /// <summary>Results began to be shown, or the game is shown again.</summary>
        public TransformedEvent TransformedChanged => _transformedChanged;

        /// <summary>The connection to send with.</summary>
        public MirageController? Controller { get => _controller; set => _controller = value; }

        /// <summary>The camera to send; null for the one on this object.</summary>
        public Camera? Camera { get => _camera; set => _camera = value; }

        /// <summary>A texture to send instead of a camera: colour alone.</summary>
        public RenderTexture? Texture { get => _texture; set => _texture = value; }

        /// <summary>The size of the camera's frames in pixels, 16 to 4096 a side.</summary>
        public Vector2Int FrameSize { get => _frameSize; set => _frameSize = value; }

        /// <summary>Whether frames are sent at all.</summary>
        public bool Sending { get => _sending; set => _sending = value; }

        /// <summary>Whether each pixel's distance is sent.</summary>
        public bool SendDepth { get => _sendDepth; set => _sendDepth = value; }

        /// <summary>Whether it is sent how surfaces moved.</summary>
        public bool SendMotion { get => _sendMotion; set => _sendMotion = value; }

        /// <summary>Whether the last result is moved along with the camera until the next one comes.</summary>
        public bool LateWarp { get => _lateWarp; set => _lateWarp = value; }

        /// <summary>What is shown while no results come.</summary>
        public WhenAway WhenAway { get => _whenAway; set => _whenAway = value; }

        /// <summary>Seconds that fading between the game and results takes.</summary>
        public float Crossfade { get => _crossfade; set => _crossfade = value; }

        /// <summary>Where the picture is shown.</summary>
        public ShowOn ShowOn { get => _showOn; set => _showOn = value; }

        /// <summary>The image that shows it, for <see cref="ShowOn.RawImage"/>.</summary>
        public RawImage? RawImage { get => _rawImage; set => _rawImage = value; }

        /// <summary>The renderer that shows it, for <see cref="ShowOn.Renderer"/>, and the texture property of its material.</summary>
        /// <param name="target">The renderer.</param>
        /// <param name="property">Such as <c>_MainTex</c>, or <c>_BaseMap</c> in URP.</param>
        public void SetRenderer(Renderer target, string property) => (_renderer, _property) = (target, property);

        /// <summary>What is shown: game and result as they are faded and moved; null before the first frame.</summary>
        public RenderTexture? Picture => _picture?.Shown;

        /// <summary>The last result as it came; null before the first.</summary>
        public Texture2D? Result => _picture?.Result;

        /// <summary>Whether the daemon's pictures are shown.</summary>
        public bool IsTransformed => _fade.Wanted;

        /// <summary>What keeps this from working, in one line; null for nothing.</summary>
        public string? Problem => _problem.Current;
    }
}
