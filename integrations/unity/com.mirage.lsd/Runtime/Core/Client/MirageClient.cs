#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>
    /// One connection to a stream of a Mirage server, which finds its way back when it is lost, in its role and with its
    /// parameters. No call waits for the network; events come in the thread that calls <see cref="Poll"/>, and never in another.
    /// Threads may share a client.
    /// </summary>
    /// <example>
    /// <code>
    /// using var client = new MirageClient(new ClientOptions { Url = "ws://127.0.0.1:8765/main" });
    /// client.Start();
    /// // once a frame:
    /// client.TrySend(new FrameData { Color = PlaneData.From(PixelFormat.Rgba8, 512, 288, pixels) }, out _);
    /// if (client.TryReceive(out var result))
    ///     using (result)
    ///         Show(result.Pixels);
    /// </code>
    /// </example>
    public sealed class MirageClient : IDisposable
    {
        readonly Session _session;

        /// <summary>Make a client; <see cref="Start"/> connects it.</summary>
        /// <param name="options">How it connects.</param>
        /// <exception cref="ArgumentException">An option makes no sense; the message says which.</exception>
        public MirageClient(ClientOptions options) => _session = new Session(options);

        /// <summary>Let go of what was not disposed of.</summary>
        ~MirageClient() => _session?.Stop(false);

        /// <summary><see cref="State"/> changed.</summary>
        public event Action<ClientState>? StateChanged;

        /// <summary>Something is wrong that answers no request; the client goes on unless it is refused.</summary>
        public event Action<MirageError>? ErrorReceived;

        /// <summary>Parameters have these values now, whoever set them: long, double, string, or lists.</summary>
        public event Action<IReadOnlyDictionary<string, object?>>? ParametersChanged;

        /// <summary><see cref="StreamState"/> changed; with one line for a person, which may be empty.</summary>
        public event Action<StreamState, string>? StreamStateChanged;

        /// <summary>The show changed (SPEC.md section 4.11), for who watches it: its fields.</summary>
        public event Action<IReadOnlyDictionary<string, object?>>? ShowChanged;

        /// <summary>Microseconds of the clock that frames' times and statistics are of.</summary>
        public static long Now => Clock.Now;

        /// <summary>Where this client is on its way to the server.</summary>
        public ClientState State
        {
            get
            {
                lock (_session.Gate)
                    return _session.State;
            }
        }

        /// <summary>Why there is no connection; null while there is one, and before anything went wrong.</summary>
        public MirageError? Problem
        {
            get
            {
                lock (_session.Gate)
                    return _session.Problem;
            }
        }

        /// <summary>What the server does with the stream.</summary>
        public StreamState StreamState
        {
            get
            {
                lock (_session.Gate)
                    return _session.Stream;
            }
        }

        /// <summary>The server's hello (SPEC.md section 4.1): its model, capabilities and parameter table; null before the first.</summary>
        public IReadOnlyDictionary<string, object?>? Server
        {
            get
            {
                lock (_session.Gate)
                    return _session.Server?.Fields;
            }
        }

        /// <summary>Whether <see cref="TrySend"/> would take a frame now.</summary>
        public bool CanSend
        {
            get
            {
                lock (_session.Gate)
                    return _session.Options.Role == Role.Source && _session.Talk?.IsReady == true && _session.Talk.Scheduler.MaySend;
            }
        }

        /// <summary>Frames that are on their way now.</summary>
        public int InFlight => _session.InFlight;

        /// <summary>What the last ten seconds were like. Taking them costs a sort, and allocates nothing.</summary>
        public Statistics Statistics
        {
            get
            {
                lock (_session.Gate)
                {
                    var statistics = new Statistics { Dropped = _session.Dropped, Untaken = _session.Inbox.Untaken };
                    _session.Meter.Fill(ref statistics, Clock.Now);
                    var talk = _session.Talk;
                    statistics.InFlight = talk?.Scheduler.InFlight ?? 0;
                    statistics.ClockOffset = talk?.Clock.Offset ?? double.NaN;
                    statistics.ClockRoundTrip = talk?.Clock.RoundTrip ?? double.NaN;
                    statistics.SharedMemory = talk?.Link.IsActive ?? false;
                    statistics.TransportReason = talk?.Link.Reason;
                    return statistics;
                }
            }
        }

        /// <summary>Connect, and stay connected until <see cref="Dispose"/> or a refusal. Returns at once.</summary>
        /// <exception cref="InvalidOperationException">The client was started before, or disposed of.</exception>
        public void Start() => _session.Start();

        /// <summary>
        /// Send a frame, unless as many are on their way as the window allows, or there is no connection. Its memory may be
        /// used again as soon as this returns. Planes that the server does not announce are left out, and motion in the first
        /// frame of a connection. Allocates nothing once memory for frames of this size was taken.
        /// </summary>
        /// <param name="frame">The frame.</param>
        /// <param name="id">Its id, which its result will have; over 0. 0 where it was not sent.</param>
        /// <returns>Whether it was sent.</returns>
        /// <exception cref="ArgumentException">Its planes do not go together.</exception>
        public bool TrySend(in FrameData frame, out long id)
        {
            id = 0;
            if (_session.Options.Role != Role.Source)
                return false;
            Conversation? talk;
            lock (_session.Gate)
                talk = _session.Talk;
            return talk != null && talk.TrySend(frame, out id);
        }

        /// <summary>Take the oldest result that nobody has taken. Four are kept, or as many as the window; older ones go.</summary>
        /// <param name="result">The result, to be disposed of.</param>
        /// <param name="milliseconds">How long to wait for one; 0 (the default) for not at all.</param>
        /// <returns>Whether there was one.</returns>
        public bool TryReceive(out Result result, int milliseconds = 0) =>
            _session.Inbox.TryTake(false, milliseconds, out result);

        /// <summary>Take the newest result, and let go of the older ones that nobody has taken.</summary>
        /// <param name="result">The result, to be disposed of.</param>
        /// <returns>Whether there was one.</returns>
        public bool TryReceiveNewest(out Result result) => _session.Inbox.TryTake(true, 0, out result);

        /// <summary>Change one parameter; see the other overload.</summary>
        /// <param name="name">Its name, such as <see cref="Parameters.Prompt"/>.</param>
        /// <param name="value">A string, number, list of numbers, or list of dictionaries with <c>text</c> and <c>weight</c>.</param>
        /// <param name="callback">Called by <see cref="Poll"/> when there is an answer.</param>
        /// <returns>The request, whose answer says what the server made of it.</returns>
        /// <exception cref="ArgumentException">No message can hold the value.</exception>
        public Request Set(string name, object value, Action<Request>? callback = null) =>
            Set(new Dictionary<string, object> { [name] = value }, callback);

        /// <summary>
        /// Change parameters, all or none (SPEC.md section 4.7). Where there is no connection it is done as soon as there is
        /// one; what was acknowledged is set again after a loss.
        /// </summary>
        /// <param name="parameters">Values by their names.</param>
        /// <param name="callback">Called by <see cref="Poll"/> when there is an answer.</param>
        /// <returns>The request, whose answer says what the server made of it.</returns>
        /// <exception cref="ArgumentException">No message can hold a value.</exception>
        public Request Set(IReadOnlyDictionary<string, object> parameters, Action<Request>? callback = null) =>
            _session.Ask("set", new Dictionary<string, object?> { ["parameters"] = parameters }, callback);

        /// <summary>Play the server's show, change it, or watch it (SPEC.md section 4.11).</summary>
        /// <param name="action">Such as <c>go</c>, <c>goto</c>, <c>recall</c> or <c>watch</c>.</param>
        /// <param name="fields">What the action needs: <c>cue</c>, <c>preset</c>, <c>fade</c> and so on.</param>
        /// <param name="callback">Called by <see cref="Poll"/> when there is an answer.</param>
        /// <returns>The request. It fails at once where there is no connection.</returns>
        /// <exception cref="ArgumentException">No message can hold a field.</exception>
        public Request Play(string action, IReadOnlyDictionary<string, object>? fields = null, Action<Request>? callback = null)
        {
            var all = new Dictionary<string, object?> { ["action"] = action };
            if (fields != null)
                foreach (var field in fields)
                    all[field.Key] = field.Value;
            return _session.Ask("show", all, callback);
        }

        /// <summary>A parameter's value now, as far as this client has heard: long, double, string or a list.</summary>
        /// <param name="name">Its name.</param>
        /// <param name="value">Its value, where it is known.</param>
        /// <returns>Whether it is.</returns>
        public bool TryGetParameter(string name, out object? value)
        {
            lock (_session.Gate)
                return _session.Parameters.TryGet(name, out value);
        }

        /// <summary>Every parameter's value now, as far as this client has heard.</summary>
        /// <returns>A new dictionary.</returns>
        public IReadOnlyDictionary<string, object?> GetParameters()
        {
            lock (_session.Gate)
                return _session.Parameters.Copy();
        }

        /// <summary>Raise the events of what has happened, and call callbacks, in this thread. Call it once a frame.</summary>
        public void Poll()
        {
            while (_session.News.TryTake(out var news))
            {
                switch (news.What)
                {
                    case News.Kind.State: StateChanged?.Invoke((ClientState)news.Value); break;
                    case News.Kind.Error: ErrorReceived?.Invoke((MirageError)news.Value); break;
                    case News.Kind.Parameters: ParametersChanged?.Invoke((IReadOnlyDictionary<string, object?>)news.Value); break;
                    case News.Kind.Stream:
                        var stream = (StreamNews)news.Value;
                        StreamStateChanged?.Invoke(stream.State, stream.Message);
                        break;
                    case News.Kind.Show: ShowChanged?.Invoke((IReadOnlyDictionary<string, object?>)news.Value); break;
                    case News.Kind.Answer:
                        var request = (Request)news.Value;
                        request.Callback!(request);
                        break;
                }
            }
        }

        /// <summary>
        /// Close the connection and end its threads; a source's place is free at once. Results that were taken stay good. Doing so
        /// twice is fine.
        /// </summary>
        public void Dispose()
        {
            _session.Dispose();
            GC.SuppressFinalize(this);
        }
    }
}
