#nullable enable
using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.Events;

namespace Mirage
{
    /// <summary>
    /// A connection to a Mirage daemon that finds its way back when it is lost, and the stream's parameters. A
    /// <see cref="MirageCamera"/> sends frames through it. It connects when it is enabled and lets go of everything when it is
    /// disabled: also when play mode ends or scripts are compiled anew.
    /// </summary>
    [AddComponentMenu("Mirage/Mirage Controller")]
    [DisallowMultipleComponent, DefaultExecutionOrder(-1000)] // results are there for whoever draws this frame
    public sealed class MirageController : MonoBehaviour
    {
        /// <summary>An event with the connection's state.</summary>
        [Serializable] public sealed class StateEvent : UnityEvent<ClientState> { }

        /// <summary>An event with a result, which is good until the event is over.</summary>
        [Serializable] public sealed class ResultEvent : UnityEvent<Result> { }

        /// <summary>An event with one line for a person.</summary>
        [Serializable] public sealed class ProblemEvent : UnityEvent<string> { }

        [Header("Connection")]
        [SerializeField, Tooltip("The daemon's address; its path names the stream.")]
        string _url = "ws://127.0.0.1:8765/main";
        [SerializeField, Tooltip("What this client is on its stream.")]
        Role _role = Role.Source;
        [SerializeField, Tooltip("How frames travel: Auto takes shared memory where the daemon is on this machine.")]
        Transport _transport = Transport.Auto;
        [SerializeField, Tooltip("The token of a daemon that asks for one.")]
        string _token = "";
        [SerializeField, Tooltip("Whether to connect as soon as this is enabled.")]
        bool _connectOnEnable = true;
        [SerializeField, Tooltip("Whether to take the stream from another source.")]
        bool _takeOver;
        [SerializeField, Range(1, 16), Tooltip("Frames that may be on their way at once. More than two only age.")]
        int _window = 2;
        [SerializeField, Tooltip("Whether results come as JPEGs, for networks. Decoding them takes time on the main thread.")]
        bool _jpegResults;
        [SerializeField, Range(1, 100), Tooltip("The quality of those JPEGs.")]
        int _jpegQuality = 85;

        [Header("Parameters")]
        [SerializeField, Tooltip("The stream's controls. A change acts at once; what others change appears here.")]
        ParameterValues _values = new ParameterValues();

        [Header("Events")]
        [SerializeField] StateEvent _stateChanged = new StateEvent();
        [SerializeField] ResultEvent _resultReceived = new ResultEvent();
        [SerializeField] ProblemEvent _problemOccurred = new ProblemEvent();

        MirageClient? _client;
        ParameterLink? _link;

        /// <summary>The connection's state changed.</summary>
        public StateEvent StateChanged => _stateChanged;

        /// <summary>A transformed frame came. It is good until the event is over: copy what is to be kept.</summary>
        public ResultEvent ResultReceived => _resultReceived;

        /// <summary>Something is wrong, in one line; <see cref="LastProblem"/> has its code.</summary>
        public ProblemEvent ProblemOccurred => _problemOccurred;

        /// <summary>The show changed (SPEC.md section 4.11), once <see cref="Play(string)"/> was called with <c>watch</c>.</summary>
        public event Action<IReadOnlyDictionary<string, object?>>? ShowChanged;

        /// <summary>The daemon's address; its path names the stream. A change acts with the next <see cref="Connect"/>.</summary>
        public string Url { get => _url; set => _url = value; }

        /// <summary>What this client is on its stream. A change acts with the next <see cref="Connect"/>.</summary>
        public Role Role { get => _role; set => _role = value; }

        /// <summary>How frames travel. A change acts with the next <see cref="Connect"/>.</summary>
        public Transport Transport { get => _transport; set => _transport = value; }

        /// <summary>The token of a daemon that asks for one. A change acts with the next <see cref="Connect"/>.</summary>
        public string Token { get => _token; set => _token = value; }

        /// <summary>Whether to take the stream from another source. A change acts with the next <see cref="Connect"/>.</summary>
        public bool TakeOver { get => _takeOver; set => _takeOver = value; }

        /// <summary>Whether results come as JPEGs, for networks. A change acts with the next <see cref="Connect"/>.</summary>
        public bool JpegResults { get => _jpegResults; set => _jpegResults = value; }

        /// <summary>Frames that may be on their way at once. A change acts with the next <see cref="Connect"/>.</summary>
        public int Window { get => _window; set => _window = Math.Max(1, Math.Min(value, 16)); }

        /// <summary>The stream's controls, which a timeline may animate too. A change acts at once.</summary>
        public ParameterValues Values => _values;

        /// <summary>What the picture should become, in words.</summary>
        public string Prompt { get => _values.prompt; set => _values.prompt = value; }

        /// <summary>How much of the look is applied, 0 to 1.</summary>
        public float Strength { get => _values.strength; set => _values.strength = value; }

        /// <summary>The client beneath, for what this component does not offer; null while there is none.</summary>
        public MirageClient? Client => _client;

        /// <summary>Where the connection is.</summary>
        public ClientState State => _client?.State ?? ClientState.Disconnected;

        /// <summary>What went wrong last; null where nothing has.</summary>
        public MirageError? LastProblem { get; private set; }

        /// <summary>The last ten seconds; all zero while there is no client.</summary>
        public Statistics Statistics => _client?.Statistics ?? default;

        /// <summary>Milliseconds that the last result took; NaN before the first.</summary>
        public double LastLatency { get; private set; } = double.NaN;

        /// <summary>Connect, and stay connected until <see cref="Disconnect"/> or a refusal. Returns at once.</summary>
        public void Connect()
        {
            Disconnect();
            try
            {
                _client = new MirageClient(Options());
            }
            catch (ArgumentException problem)
            {
                Complain(new MirageError("options", problem.Message));
                return;
            }
            _link = new ParameterLink(Complain);
            _link.Start(_values);
            _client.StateChanged += OnStateChanged;
            _client.ErrorReceived += Complain;
            _client.ParametersChanged += OnParametersChanged;
            _client.ShowChanged += OnShowChanged;
            _client.Start();
        }

        /// <summary>Close the connection and stay away.</summary>
        public void Disconnect()
        {
            if (_client == null)
                return;
            _client.Dispose();
            _client = null;
            _link = null;
            LastLatency = double.NaN;
            _stateChanged.Invoke(ClientState.Disconnected);
        }

        /// <summary>Change one parameter, as the protocol has it.</summary>
        /// <param name="name">Its name, such as <see cref="Parameters.Prompt"/>.</param>
        /// <param name="value">A string, number or list.</param>
        /// <returns>Null where it was changed; else what is wrong with it.</returns>
        public MirageError? Set(string name, object value)
        {
            var known = Parameters.Find(name);
            if (known == null)
                return new MirageError("unknown-parameter", $"there is no parameter {name}");
            var problem = known.Problem(value);
            if (problem == null)
                _values.Take(name, value);
            return problem;
        }

        /// <summary>Change the prompt. A UnityEvent or a timeline's signal can call it.</summary>
        /// <param name="prompt">What the picture should become, in words.</param>
        public void SetPrompt(string prompt) => _values.prompt = prompt;

        /// <summary>Change the strength. A UnityEvent or a slider can call it.</summary>
        /// <param name="strength">0 to 1.</param>
        public void SetStrength(float strength) => _values.strength = strength;

        /// <summary>Play the daemon's show: <c>go</c>, <c>back</c> and so on. A UnityEvent or a timeline's signal can call it.</summary>
        /// <param name="action">An action of SPEC.md section 4.11 that needs nothing else.</param>
        public void Play(string action) => Play(action, null);

        /// <summary>Play the daemon's show, change it, or watch it (SPEC.md section 4.11).</summary>
        /// <param name="action">Such as <c>goto</c>.</param>
        /// <param name="fields">What the action needs, such as <c>cue</c>.</param>
        public void Play(string action, IReadOnlyDictionary<string, object>? fields)
        {
            if (_client == null)
                Complain(new MirageError("disconnected", "there is no connection"));
            else
                _client.Play(action, fields, OnPlayed);
        }

        /// <summary>Say what is wrong, as a problem of this connection.</summary>
        internal void Complain(MirageError error)
        {
            LastProblem = error;
            _problemOccurred.Invoke(error.Message);
        }

        void OnEnable()
        {
            if (_connectOnEnable)
                Connect();
        }

        void OnDisable() => Disconnect();

        void Update()
        {
            _client?.Poll(); // what it calls may disconnect
            if (_client != null && _role != Role.Viewer)
                _link!.Send(_client, _values, true);
            if (_client == null || !_client.TryReceiveNewest(out var result))
                return;
            using (result)
            {
                LastLatency = result.RoundTrip;
                _resultReceived.Invoke(result);
            }
        }

        ClientOptions Options() => new ClientOptions
        {
            Url = _url,
            Role = _role,
            Transport = _transport,
            Token = string.IsNullOrEmpty(_token) ? null : _token,
            TakeOver = _takeOver,
            Window = _window + CaptureSchedule.MostLag, // a camera sends so many more only where that makes results come sooner
            JpegResults = _jpegResults,
            Quality = _jpegQuality,
            Name = $"mirage unity {Application.unityVersion}",
            Parameters = _role == Role.Viewer ? null : ParameterLink.Chosen(_values),
        };

        void OnStateChanged(ClientState state) => _stateChanged.Invoke(state);

        void OnParametersChanged(IReadOnlyDictionary<string, object?> values) => _link?.Learn(values, _values);

        void OnShowChanged(IReadOnlyDictionary<string, object?> show) => ShowChanged?.Invoke(show);

        void OnPlayed(Request request)
        {
            if (request.Error != null)
                Complain(request.Error);
        }
    }
}
