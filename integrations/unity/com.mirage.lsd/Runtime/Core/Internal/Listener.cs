#nullable enable
using System;

namespace Mirage
{
    /// <summary>Acts on what the server says, in the thread that has read it.</summary>
    internal sealed class Listener
    {
        readonly Session _session;
        readonly Conversation _talk;
        long _told = -1;

        public Listener(Session session, Conversation talk)
        {
            _session = session;
            _talk = talk;
        }

        /// <summary>Act on a message; true where it is a result, which is somebody else's from now on.</summary>
        public bool Receive(Result message, FastReader reader)
        {
            switch (reader.Read(message))
            {
                case FastReader.Kind.Result: return Arrived(message);
                case FastReader.Kind.Wake: _talk.Link.ReadResults(); return false;
                case FastReader.Kind.Dropped:
                    lock (_session.Gate)
                        LoseAll(message);
                    return false;
                case FastReader.Kind.Pong:
                    lock (_session.Gate)
                        _talk.CompareClocks(message.Time, reader.ServerTime);
                    return false;
            }
            var tree = Decoded(message);
            if (tree != null && tree.Type != "result")
                Handle(tree);
            return tree?.Type == "result" && Filled(message, tree);
        }

        /// <summary>Act on what was in shared memory, where there may be nothing but results.</summary>
        public bool Take(Result message, FastReader reader)
        {
            if (reader.Read(message) == FastReader.Kind.Result)
                return Arrived(message);
            var tree = Decoded(message);
            if (tree != null && tree.Type != "result")
                _session.Report(new MirageError("malformed", $"the server put a {tree.Type} into the ring of results"));
            return tree?.Type == "result" && Filled(message, tree);
        }

        Message? Decoded(Result message)
        {
            try
            {
                return Message.Decode(new Span<byte>(message.Memory, 0, message.Length), Schema.Server);
            }
            catch (ProtocolException problem)
            {
                if (problem.Error.Code != "unknown-message") // a newer server may say more than we know
                    _session.Report(problem.Error);
                return null;
            }
        }

        bool Filled(Result result, Message tree)
        {
            ResultFiller.Fill(result, tree);
            return Arrived(result);
        }

        /// <summary>A frame of ours will have no result; counted once. The gate is held.</summary>
        public void Lose(long id)
        {
            if (_talk.Scheduler.Settle(id, out _))
                Lost(1);
        }

        /// <summary>Frames before one will have no result. The gate is held.</summary>
        public void LoseBefore(long id) => Lost(_talk.Scheduler.SettleBefore(id));

        void LoseAll(Result named)
        {
            for (var index = 0; index < named.DroppedIdCount; index++)
                Lose(named.DroppedIdList[index]);
        }

        void Lost(int count)
        {
            _session.Dropped += count;
            _session.Meter.Dropped(Clock.Now, count);
        }

        bool Arrived(Result result)
        {
            if (_session.Options.Role == Role.Controller)
                return false;
            lock (_session.Gate)
            {
                var now = Clock.Now;
                if (_session.Options.Role == Role.Source)
                    Settle(result, now);
                else
                    Follow(result, now);
            }
            _session.Inbox.Add(result);
            return true;
        }

        void Settle(Result result, long now)
        {
            if (_talk.Scheduler.Settle(result.Id, out var sent))
            {
                result.RoundTrip = (now - sent) / 1000.0;
                _session.Meter.Came(now, result.RoundTrip);
            }
            LoseAll(result);
            LoseBefore(result.Id);
        }

        /// <summary>Count what somebody else's frames took and lost; another source begins at 0 again.</summary>
        void Follow(Result result, long now)
        {
            var offset = _talk.Clock.Offset;
            var known = result.Received > 0 && !double.IsNaN(offset);
            _session.Meter.Came(now, known ? (now + offset - result.Received) / 1000 : double.NaN);
            var before = _told < 0 ? result.Dropped : _told;
            Lost((int)Math.Min(result.Dropped >= before ? result.Dropped - before : result.Dropped, 4096));
            _told = result.Dropped;
            if (_session.Options.Role == Role.Viewer)
                _talk.Link.Prepare(0, result.PixelsSize);
        }

        void Handle(Message message)
        {
            if (message.Type == "memory")
            {
                _talk.Link.Open(message);
                return;
            }
            if (message.Type == "ack" && _talk.Link.Proved(message.Integer("request")))
                return;
            lock (_session.Gate)
            {
                switch (message.Type)
                {
                    case "hello": Greeted(message); break;
                    case "ready": Accepted(message); break;
                    case "ack": Acknowledged(message); break;
                    case "error": Failed(message); break;
                    case "parameters":
                        _session.Parameters.Learn(message.Map("parameters"));
                        _session.News.Add(News.Kind.Parameters, message.Map("parameters"));
                        break;
                    case "status": Status(message); break;
                    case "show": _session.News.Add(News.Kind.Show, message.Fields); break;
                    case "pong": _talk.CompareClocks(message.Integer("time"), message.Integer("server_time")); break;
                    case "dropped":
                        foreach (var id in message.List("ids"))
                            Lose((long)id!);
                        break;
                }
            }
            if (message.Type == "wake")
                _talk.Link.ReadResults();
        }

        void Greeted(Message server)
        {
            if (server.Integer("protocol") != Limits.Protocol)
            {
                var problem = $"the server speaks protocol {server.Integer("protocol")}, this client {Limits.Protocol}";
                _talk.Refuse(new MirageError("handshake", problem, "protocol"));
                return;
            }
            _session.Server = server;
            _talk.SayHello(server);
        }

        void Accepted(Message ready)
        {
            _talk.IsReady = true;
            _talk.Scheduler.Window = (int)ready.Integer("window");
            _session.Parameters.Begin(ready.Map("parameters"));
            _session.Accepted();
            _session.News.Add(News.Kind.Parameters, ready.Map("parameters"));
            _talk.Ping();
        }

        void Acknowledged(Message ack)
        {
            var parameters = ack.Map("parameters");
            _session.Parameters.Acknowledged(parameters);
            if (parameters.Count > 0)
                _session.News.Add(News.Kind.Parameters, parameters);
            if (!_session.Asked.TryGetValue(ack.Integer("request"), out var request))
                return;
            _session.Asked.Remove(request.Number);
            if (request.Type == "show" && "watch".Equals(request.Fields["action"]))
                _session.Watches = true;
            request.Succeed(parameters, ack.Has("prompt") ? ack.Map("prompt") : null);
            _session.Answer(request);
        }

        void Failed(Message message)
        {
            var error = new MirageError(message.Text("code"), message.Text("message"), message.TextOrNull("field"));
            var number = message.IntegerOr("request", -1);
            if (_session.Asked.TryGetValue(number, out var request))
            {
                _session.Asked.Remove(number);
                request.Fail(error);
                _session.Answer(request);
                return;
            }
            if (_talk.Link.Failed(number, error))
                return;
            if (message.Has("id"))
                Lose(message.Integer("id"));
            else
                _talk.Reason = error;
            _session.Report(error);
        }

        void Status(Message message)
        {
            switch (message.Text("state"))
            {
                case "streaming": _session.Stream = StreamState.Streaming; break;
                case "paused": _session.Stream = StreamState.Paused; break;
                case "recovering": _session.Stream = StreamState.Recovering; break;
                default: _session.Stream = StreamState.Waiting; break;
            }
            _session.News.Add(News.Kind.Stream, new StreamNews(_session.Stream, message.Text("message")));
        }
    }
}
