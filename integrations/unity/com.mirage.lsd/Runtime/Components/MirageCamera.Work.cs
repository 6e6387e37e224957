#nullable enable
using UnityEngine;
using UnityEngine.Rendering;

namespace Mirage
{
    public sealed partial class MirageCamera
    {
        const int LeastSide = 16, MostSide = 4096;

        readonly Fade _fade = new Fade();
        readonly ProblemGate _problem = new ProblemGate();
        Picture? _picture;
        Stage? _stage;
        FullScreen? _screen;
        MirageController? _listened;
        MaterialPropertyBlock? _block;
        RenderTexture? _own;
        Renderer? _bound;

        void OnEnable()
        {
            if (Resources.Load<Shader>("Mirage/LateWarp") == null || Resources.Load<Shader>("Mirage/Planes") == null)
            {
                Tell("the package's shaders are missing");
                enabled = false;
                return;
            }
            _picture = new Picture();
            _block = new MaterialPropertyBlock();
        }

        void OnDisable()
        {
            Listen(null);
            Leave();
            Clear();
            _picture?.Dispose();
            _picture = null;
            _fade.Reset();
        }

        void LateUpdate()
        {
            if (_picture == null)
                return;
            var problem = FindProblem();
            Tell(problem);
            Listen(_controller);
            if (problem != null)
                Leave();
            else
                Work();
        }

        void Work()
        {
            var setup = Setup();
            if (_stage == null || !_stage.Setup.Equals(setup))
                Enter(setup);
            Fade();
            _stage!.Client = _controller!.Client;
            _stage.Step(_sending, _controller.Window, _controller.LastLatency, Time.unscaledDeltaTime * 1000);
            Show();
        }

        StageSetup Setup()
        {
            var camera = _texture == null ? Source() : null;
            var target = Target();
            return new StageSetup
            {
                Camera = camera,
                Texture = target,
                Size = target != null ? new Vector2Int(target.width, target.height) : Bounded(_frameSize),
                Depth = _sendDepth,
                Motion = _sendMotion,
                Warp = _lateWarp,
                Pipeline = GraphicsSettings.currentRenderPipeline,
            };
        }

        void Enter(in StageSetup setup)
        {
            Leave();
            _stage = new Stage(setup, _picture!, Complain);
            _own = setup.Texture == null ? _stage.Game : null;
            _picture!.Fit(setup.Size.x, setup.Size.y);
        }

        void Leave()
        {
            if (_picture != null)
            {
                _picture.Then?.Dispose();
                _picture.Then = null;
            }
            _stage?.Dispose();
            _stage = null;
            _own = null;
        }

        void Fade()
        {
            if (_fade.Step(Time.unscaledTimeAsDouble, Time.unscaledDeltaTime, _crossfade, _whenAway == WhenAway.Hold))
                _transformedChanged.Invoke(_fade.Wanted);
            _picture!.Amount = _fade.Amount;
            if (!_fade.Fresh) // an old picture that moves along would only tear
                Keep(null);
        }

        void OnResult(Result result)
        {
            var problem = _picture?.Take(result);
            if (problem != null)
                Complain(problem);
            if (_picture == null || problem != null)
                return;
            _fade.ResultCame(Time.unscaledTimeAsDouble);
            var view = _stage?.Take(result.Id - result.Lag);
            if (_lateWarp || view == null)
                Keep(view);
            else
                _stage!.Return(view);
        }

        void Keep(View? view)
        {
            if (_picture!.Then != null && _stage != null)
                _stage.Return(_picture.Then);
            _picture.Then = view;
        }

        void OnStateChanged(ClientState state)
        {
            if (state != ClientState.Connected)
                _stage?.Forget();
        }

        void Show()
        {
            if (_showOn != ShowOn.FullScreen)
                Hide();
            var shown = _picture!.Shown;
            if (shown == null)
                return;
            switch (_showOn)
            {
                case ShowOn.FullScreen:
                    var camera = Source();
                    _screen ??= new FullScreen(camera != null ? camera.targetDisplay : 0);
                    _screen.Show(shown);
                    break;
                case ShowOn.RawImage:
                    _rawImage!.texture = shown;
                    break;
                case ShowOn.Renderer:
                    _renderer!.GetPropertyBlock(_block!);
                    _block!.SetTexture(_property, shown);
                    _renderer.SetPropertyBlock(_block);
                    _bound = _renderer;
                    break;
            }
        }

        void Hide()
        {
            _screen?.Dispose();
            _screen = null;
        }

        /// <summary>Take the picture out of what shows it: it is about to go.</summary>
        void Clear()
        {
            Hide();
            var shown = _picture?.Shown;
            if (_rawImage != null && shown != null && _rawImage.texture == shown)
                _rawImage.texture = null;
            if (_bound != null)
                _bound.SetPropertyBlock(null);
            _bound = null;
        }

        void Listen(MirageController? controller)
        {
            if (controller == _listened)
                return;
            if (_listened != null)
            {
                _listened.ResultReceived.RemoveListener(OnResult);
                _listened.StateChanged.RemoveListener(OnStateChanged);
            }
            _listened = controller;
            if (controller == null)
                return;
            controller.ResultReceived.AddListener(OnResult);
            controller.StateChanged.AddListener(OnStateChanged);
        }

        void Tell(string? problem)
        {
            if (_problem.Tell(problem))
                Complain(problem!);
        }

        void Complain(string problem)
        {
            if (_controller != null)
                _controller.Complain(new MirageError("capture", problem));
            Debug.LogWarning($"Mirage: {problem}", this);
        }

        Camera? Source() => _camera != null ? _camera : GetComponent<Camera>();

        /// <summary>The texture that somebody else made for the frames; null where this is to make one.</summary>
        RenderTexture? Target()
        {
            if (_texture != null)
                return _texture;
            var camera = Source();
            var target = camera != null ? camera.targetTexture : null;
            return target == _own ? null : target;
        }

        static Vector2Int Bounded(Vector2Int size) => new Vector2Int(
            Mathf.Clamp(size.x, LeastSide, MostSide), Mathf.Clamp(size.y, LeastSide, MostSide));
    }
}
