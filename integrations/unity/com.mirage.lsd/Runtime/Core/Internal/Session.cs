#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;

namespace Mirage
{
    /// <summary>
    /// What outlives a connection: who we are, what to say again after a loss, and the thread that comes back (SPEC.md section
    /// 3). Everything that several threads use is used with <see cref="Gate"/> held.
    /// </summary>
    internal sealed class Session : IDisposable
    {
        const int FirstWait = 250, LongestWait = 5000;
        const int ResultsKept = 4;

        public readonly object Gate = new object();
        public readonly ClientOptions Options;
        public readonly Uri Address;
        public readonly Inbox Inbox;
        public readonly ResultPool Pool;
        public readonly Meter Meter = new Meter();
        public readonly Masking Masking = new Masking();
        public readonly NewsQueue News = new NewsQueue();
        public readonly ParameterMemory Parameters;

        readonly Thread _thread;
        readonly Random _random = new Random();
        readonly List<Request> _waiting = new List<Request>();
        readonly MessageWriter _trial = new MessageWriter();
        bool _stopping;
        int _attempts;

        public Session(ClientOptions options)
        {
            Options = options.Checked();
            Address = new Uri(options.Url);
            Inbox = new Inbox(Math.Max(ResultsKept, Options.Window), Options.Role == Role.Source);
            Pool = new ResultPool(Math.Max(ResultsKept, Options.Window) + 4);
            Parameters = new ParameterMemory(Options.Parameters);
            _thread = new Thread(Run) { IsBackground = true, Name = "Mirage receive" };
        }

        public ClientState State { get; private set; }
        public MirageError? Problem { get; private set; }

        /// <summary>The connection there is, or is about to be.</summary>
        public Conversation? Talk { get; private set; }
        public int InFlight { get { lock (Gate) return Talk?.Scheduler.InFlight ?? 0; } }

        /// <summary>The server's hello; null before the first.</summary>
        public Message? Server { get; set; }

        /// <summary>Whether the server has accepted us once.</summary>
        public bool Known { get; private set; }

        /// <summary>Whether the show is watched, after a loss too.</summary>
        public bool Watches { get; set; }

        public StreamState Stream { get; set; }

        /// <summary>Frames and requests are numbered together, and on after a loss.</summary>
        public long LastNumber { get; set; }

        /// <summary>Frames without a result.</summary>
        public long Dropped { get; set; }

        /// <summary>Requests that have been sent and have no answer yet.</summary>
        public Dictionary<long, Request> Asked { get; } = new Dictionary<long, Request>();

        public void Start()
        {
            lock (Gate)
            {
                if (_stopping || State != ClientState.Disconnected)
                    throw new InvalidOperationException("this client was started or disposed of before");
                Enter(ClientState.Connecting);
            }
            _thread.Start();
        }

        /// <summary>Ask something of the server: now, or for parameters as soon as there is a connection.</summary>
        public Request Ask(string type, Dictionary<string, object?> fields, Action<Request>? callback)
        {
            lock (Gate)
            {
                var request = new Request(type, fields, callback);
                Conversation.Write(_trial, request); // what no message can hold is the caller's fault, and told at once
                if (Talk?.IsReady == true)
                    Talk.Ask(request);
                else if (type == "set" && !_stopping && State != ClientState.Refused)
                    _waiting.Add(request);
                else
                    Fail(request, new MirageError("disconnected", "there is no connection"));
                return request;
            }
        }

        /// <summary>The server has accepted us on the connection of now.</summary>
        public void Accepted()
        {
            (Known, _attempts, Problem) = (true, 0, null);
            Enter(ClientState.Connected);
            foreach (var request in _waiting)
                Talk!.Ask(request);
            _waiting.Clear();
            if (Watches)
                Talk!.Ask(new Request("show", new Dictionary<string, object?> { ["action"] = "watch" }, null));
        }

        public void Answer(Request request)
        {
            if (request.Callback != null)
                News.Add(Mirage.News.Kind.Answer, request);
        }

        public void Report(MirageError error) => News.Add(Mirage.News.Kind.Error, error);

        /// <summary>Close the connection and end all threads; the results that were taken stay good. Doing so twice is fine.</summary>
        public void Dispose() => Stop(true);

        /// <summary>What <see cref="Dispose"/> does, without waiting for threads unless asked to.</summary>
        public void Stop(bool wait)
        {
            Conversation? talk;
            lock (Gate)
            {
                _stopping = true;
                talk = Talk;
                Monitor.PulseAll(Gate);
            }
            talk?.Close();
            if (wait && _thread.IsAlive && Thread.CurrentThread != _thread)
                _thread.Join(3000);
            lock (Gate)
            {
                FailAll(new MirageError("disconnected", "the connection was closed"), true);
                Enter(ClientState.Disconnected);
            }
        }

        void Run()
        {
            try
            {
                while (Converse() && Wait())
                {
                }
            }
            catch (Exception problem) // an exception that leaves a thread ends the whole process
            {
                lock (Gate)
                    Refuse(new MirageError("internal", $"{problem.GetType().Name}: {problem.Message}"), false);
            }
        }

        /// <summary>Hold one conversation until its end; false where it was the last.</summary>
        bool Converse()
        {
            Conversation talk;
            lock (Gate)
            {
                if (_stopping)
                    return false;
                Talk = talk = new Conversation(this);
                Enter(Known ? ClientState.Reconnecting : ClientState.Connecting);
            }
            try
            {
                var end = talk.Run();
                lock (Gate)
                    return !_stopping && Lost(talk, end);
            }
            finally
            {
                talk.Dispose();
            }
        }

        /// <summary>A connection is gone: come back (true), unless the server said not to.</summary>
        bool Lost(Conversation talk, ConnectionException end)
        {
            Talk = null;
            var wasReady = talk.IsReady;
            // Our own earlier connection may still hold the source's place for a while: only at first is that a refusal.
            var patient = end.Code == 4429 || end.Code == 4409 && Known && !wasReady;
            var reason = talk.Refusal ?? talk.Reason ?? new MirageError("unreachable", end.Message);
            if (talk.Refusal != null || end.Code >= 4400 && end.Code < 4500 && !patient || end.IsRefusal && !Known)
            {
                Refuse(reason, reason == talk.Reason);
                return false;
            }
            FailAll(new MirageError("disconnected", "the connection was lost"), false);
            (Problem, Stream) = (reason, StreamState.Waiting);
            if (!wasReady && _attempts == 0 && talk.Reason == null)
                Report(reason);
            Enter(Known ? ClientState.Reconnecting : ClientState.Connecting);
            return true;
        }

        /// <summary>Wait before the next attempt, each time longer; false where there is none.</summary>
        bool Wait()
        {
            lock (Gate)
            {
                var longest = Math.Min(FirstWait * Math.Pow(2, Math.Min(_attempts++, 8)), LongestWait);
                var until = Clock.Now + (long)(longest * (0.75 + _random.NextDouble() / 2) * 1000);
                for (long left; !_stopping && (left = (until - Clock.Now) / 1000) > 0;)
                    Monitor.Wait(Gate, (int)left);
                return !_stopping;
            }
        }

        void Refuse(MirageError reason, bool told)
        {
            Talk = null;
            FailAll(reason, true);
            Problem = reason;
            if (!told)
                Report(reason);
            Enter(ClientState.Refused);
        }

        void FailAll(MirageError error, bool waitingToo)
        {
            foreach (var request in Asked.Values)
                Fail(request, error);
            Asked.Clear();
            if (!waitingToo)
                return;
            foreach (var request in _waiting)
                Fail(request, error);
            _waiting.Clear();
        }

        void Fail(Request request, MirageError error)
        {
            request.Fail(error);
            Answer(request);
        }

        void Enter(ClientState state)
        {
            if (state == State)
                return;
            State = state;
            News.Add(Mirage.News.Kind.State, state);
        }
    }
}
