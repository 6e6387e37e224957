#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;

namespace Mirage
{
    /// <summary>One connection of a session, from its opening to its end: what is said, and what comes of it.</summary>
    internal sealed class Conversation : IDisposable
    {
        const long Silence = 10_000_000; // microseconds without an answer after which a connection counts as lost
        const long PingEvery = 1_000_000;
        const int FirstExchanges = 4; // sent one right after the other, so that there is a good one soon

        readonly Session _session;
        readonly WebSocketConnection _connection;
        readonly MessageWriter _writer = new MessageWriter();
        readonly FrameWriter _frames = new FrameWriter();
        readonly FastReader _reader = new FastReader();
        readonly object _sending = new object();
        readonly Listener _listener;
        Outbox? _outbox;
        int _planes = ~0;
        long _heard, _pinged;

        public Conversation(Session session)
        {
            _session = session;
            _connection = new WebSocketConnection(session.Address, session.Masking) { Pinged = Pong };
            _listener = new Listener(session, this);
            Link = new MemoryLink(session, this);
        }

        public FrameScheduler Scheduler { get; } = new FrameScheduler();
        public Clock Clock { get; } = new Clock();
        public MemoryLink Link { get; }

        /// <summary>Whether the server has accepted us on this connection.</summary>
        public bool IsReady { get; set; }

        /// <summary>The last error that answers no message of ours: why a close follows.</summary>
        public MirageError? Reason { get; set; }

        /// <summary>Why this client itself does not go on.</summary>
        public MirageError? Refusal { get; private set; }

        /// <summary>Converse until the end, which is what this returns.</summary>
        public ConnectionException Run()
        {
            try
            {
                _connection.Open((int)(_session.Options.Timeout * 1000));
                _heard = _pinged = Mirage.Clock.Now;
                _outbox = new Outbox(_connection, Beat);
                var message = _session.Pool.Rent();
                while (Refusal == null)
                {
                    var kind = _connection.Receive(message);
                    Volatile.Write(ref _heard, Mirage.Clock.Now);
                    if (kind == WebSocketConnection.Received.Text)
                        _session.Report(new MirageError("malformed", "the server sent text"));
                    else if (_listener.Receive(message, _reader))
                        message = _session.Pool.Rent();
                }
                return new ConnectionException(4400, Refusal.Message);
            }
            catch (ConnectionException end)
            {
                return end;
            }
        }

        /// <summary>Send a frame where the window has room for it; see <see cref="MirageClient.TrySend"/>.</summary>
        public bool TrySend(in FrameData frame, out long id)
        {
            id = 0;
            lock (_sending)
            {
                SharedMemory? memory;
                bool alone;
                lock (_session.Gate)
                {
                    if (!IsReady || !Scheduler.MaySend)
                        return false;
                    var now = Mirage.Clock.Now;
                    var number = ++_session.LastNumber; // one that is not used is a gap, which is fine
                    var motionFrom = frame.MotionFrom != 0 ? frame.MotionFrom : Scheduler.Last;
                    _frames.Lay(frame, motionFrom == 0 ? _planes & ~4 : _planes, number, now, motionFrom);
                    var pixels = frame.Color.Width * frame.Color.Height;
                    // A JPEG may be as large as the picture itself, and the next one's size is not known.
                    var largest = frame.Color.Format == PixelFormat.Jpeg ? Math.Max(_frames.Size, pixels * 3) : _frames.Size;
                    if (!Link.Prepare(largest, pixels * 4))
                        return false;
                    memory = Link.For(_frames.Size);
                    id = number;
                    Scheduler.Begin(id, now);
                    alone = Scheduler.InFlight == 1;
                }
                if (memory == null || !Link.TryWrite(memory, _frames, alone))
                    Post(id);
            }
            return true;
        }

        /// <summary>Take a message out of shared memory; true where it is somebody else's from now on.</summary>
        public bool Take(Result message, FastReader reader) => _listener.Take(message, reader);

        /// <summary>Send a request; the gate is held.</summary>
        public void Ask(Request request)
        {
            request.Number = ++_session.LastNumber;
            _session.Asked.Add(request.Number, request);
            Write(_writer, request);
            Post(_writer);
        }

        /// <summary>Write what a request says.</summary>
        public static void Write(MessageWriter writer, Request request)
        {
            var packed = writer.Begin(request.Type, request.Fields.Count + 1);
            packed.Text("request");
            packed.Integer(request.Number);
            foreach (var field in request.Fields)
            {
                packed.Text(field.Key);
                packed.Value(field.Value, 2);
            }
            writer.End();
        }

        /// <summary>Answer the server's hello; the gate is held.</summary>
        public void SayHello(Message server)
        {
            _planes = Greeting.Announced(server.Map("capabilities"));
            Say("hello", Greeting.Answer(_session, server));
        }

        /// <summary>Send a message of a few fields; the gate is held.</summary>
        public void Say(string type, Dictionary<string, object?> fields)
        {
            var packed = _writer.Begin(type, fields.Count);
            foreach (var field in fields)
            {
                packed.Text(field.Key);
                packed.Value(field.Value, 2);
            }
            _writer.End();
            Post(_writer);
        }

        /// <summary>Tell the server that a frame is in the ring.</summary>
        public void Wake()
        {
            lock (_session.Gate)
            {
                _writer.Begin("wake", 0);
                _writer.End();
                Post(_writer);
            }
        }

        /// <summary>Ask for the server's clock; the gate is held.</summary>
        public void Ping()
        {
            Volatile.Write(ref _pinged, Mirage.Clock.Now);
            var packed = _writer.Begin("ping", 1);
            packed.Text("time");
            packed.Integer(_pinged);
            _writer.End();
            Post(_writer);
        }

        /// <summary>An answer to a ping came; the gate is held.</summary>
        public void CompareClocks(long asked, long server)
        {
            Clock.Heard(asked, server, Mirage.Clock.Now);
            if (Clock.Count < FirstExchanges)
                Ping();
        }

        /// <summary>End this conversation, and all others: it makes no sense.</summary>
        public void Refuse(MirageError reason)
        {
            Refusal = reason;
            _connection.Close(1000);
        }

        /// <summary>No frame that is on its way will have a result; the gate is held.</summary>
        public void LoseAll() => _listener.LoseBefore(long.MaxValue);

        /// <summary>End this connection as if it had been lost.</summary>
        public void Abort() => _connection.Dispose();

        /// <summary>Say good-bye, and abort what goes on.</summary>
        public void Close() => _connection.Close(1000);

        public void Dispose()
        {
            lock (_session.Gate)
                IsReady = false;
            _connection.Dispose();
            _outbox?.Dispose();
            Link.Dispose();
        }

        void Post(long id)
        {
            var buffer = _outbox!.RentForFrame(_frames.Size);
            buffer.Start((int)WebSocketConnection.Received.Binary, _frames.Size, _session.Masking.Next());
            _frames.Write(buffer);
            buffer.FrameId = id;
            var replaced = _outbox.Post(buffer);
            if (replaced < 0)
                return;
            lock (_session.Gate)
                _listener.Lose(replaced);
        }

        void Post(MessageWriter message)
        {
            var buffer = _outbox!.Rent();
            buffer.Start((int)WebSocketConnection.Received.Binary, message.Length, _session.Masking.Next());
            buffer.Put(message.Buffer, message.Length);
            _outbox.Post(buffer);
        }

        void Pong(byte[] data, int size)
        {
            var buffer = _outbox!.Rent();
            buffer.Start(WebSocketConnection.Pong, size, _session.Masking.Next());
            buffer.Put(data, size);
            _outbox.Post(buffer);
        }

        /// <summary>Ask whether the server is still there; one that has not answered the last time for long is not.</summary>
        void Beat()
        {
            var now = Mirage.Clock.Now;
            var answered = Volatile.Read(ref _heard) > Volatile.Read(ref _pinged);
            if (!answered && now - _pinged > Silence)
                _connection.Dispose();
            if (!IsReady || !answered || now - _pinged < PingEvery)
                return;
            lock (_session.Gate)
                Ping();
        }
    }
}
