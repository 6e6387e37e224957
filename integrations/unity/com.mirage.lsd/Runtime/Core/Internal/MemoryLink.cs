#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;

namespace Mirage
{
    /// <summary>
    /// Agrees on shared memory with the server and uses it (SPEC.md section 10). Its own state is used with the session's gate
    /// held; nobody takes a memory's gate meanwhile.
    /// </summary>
    internal sealed class MemoryLink : IDisposable
    {
        readonly Session _session;
        readonly Conversation _talk;
        readonly ResultReader _reader;
        readonly bool _allowed;
        readonly List<SharedMemory> _leavings = new List<SharedMemory>();
        SharedMemory? _active, _candidate;
        Thread? _thread;
        long _request;
        bool _disposed;

        public MemoryLink(Session session, Conversation talk)
        {
            _session = session;
            _talk = talk;
            _reader = new ResultReader(session, talk, this);
            _allowed = session.Options.Transport != Transport.WebSocket && ClientOptions.IsHere(session.Address);
            if (!_allowed)
                Reason = session.Options.Transport == Transport.WebSocket
                    ? "WebSocket alone was asked for" : "the server's address is not of this machine";
        }

        /// <summary>Whether frames and results go through shared memory.</summary>
        public bool IsActive => _active != null;

        /// <summary>Why there is no shared memory; null where there is, or might be yet.</summary>
        public string? Reason { get; private set; }

        bool Insists => _session.Options.Transport == Transport.SharedMemory;

        /// <summary>
        /// See to it that there are slots for messages of such sizes: 0 for a direction that is not used, and for results the
        /// picture alone. False where nothing may be sent until there are.
        /// </summary>
        public bool Prepare(int frame, int picture)
        {
            if (!_allowed)
                return true;
            if (Reason == null && !Greeting.Has(_session.Server!.Map("capabilities"), "transports", "shared-memory"))
                GiveUp("the server has none");
            if (Reason != null)
                return !Insists;
            var result = (uint)Limits.Aligned(picture) + Limits.Header;
            if (_active != null && (uint)frame <= _active.Frames.Place.Capacity && result <= _active.Results.Place.Capacity)
                return true;
            if (_request == 0)
            {
                _request = ++_session.LastNumber;
                _talk.Say("share", new Dictionary<string, object?>
                {
                    ["request"] = _request,
                    ["frame_size"] = frame == 0 ? 0u : (uint)frame + Limits.Header, // a later one's header may be longer
                    ["result_size"] = result,
                    ["wake"] = Pipe.IsSupported ? "pipe" : "message",
                });
            }
            return !Insists;
        }

        /// <summary>
        /// The memory that a frame's message fits into; null where there is none. While a larger one is agreed on, frames go by
        /// WebSocket: the server does not look into the old one once it uses the new.
        /// </summary>
        public SharedMemory? For(int size) =>
            _active != null && _request == 0 && size <= _active.Frames.Place.Capacity ? _active : null;

        /// <summary>Write a frame; false where the memory cannot be used any more. The session's gate is not held.</summary>
        public bool TryWrite(SharedMemory memory, FrameWriter frame, bool alone)
        {
            lock (memory.Writing)
            {
                if (memory.IsGone || !memory.Frames.TryBegin(alone))
                    return false;
                frame.Write(memory.Frames);
                memory.Frames.Commit();
                memory.FramesPipe?.Wake();
                if (memory.FramesPipe != null)
                    return true;
            }
            _talk.Wake();
            return true;
        }

        /// <summary>The server has made the memory: open it, and prove it.</summary>
        public void Open(Message message)
        {
            lock (_session.Gate)
                if (_disposed || message.Integer("request") != _request)
                    return;
            SharedMemory opened;
            try
            {
                opened = SharedMemory.Open(message);
            }
            catch (ProtocolException problem)
            {
                lock (_session.Gate)
                    Unshare(problem.Message);
                return;
            }
            lock (_session.Gate)
            {
                if (!_disposed)
                {
                    _candidate = opened;
                    _talk.Say("shared", new Dictionary<string, object?> { ["request"] = _request, ["nonce"] = opened.Nonce });
                    return;
                }
            }
            opened.Dispose();
        }

        /// <summary>An answer came: if it is to our proof, the memory is in force. False where it is to something else.</summary>
        public bool Proved(long request)
        {
            SharedMemory? old;
            lock (_session.Gate)
            {
                if (request != _request || _candidate == null)
                    return false;
                (old, _active, _candidate, _request) = (_active, _candidate, null, 0);
                if (_active.ResultsPipe != null)
                {
                    var watched = _active;
                    var reader = new ResultReader(_session, _talk, this);
                    _thread = new Thread(() => reader.Watch(watched)) { IsBackground = true, Name = "Mirage memory" };
                    _thread.Start();
                }
            }
            if (old == null)
                return true;
            _reader.Read(old);
            old.Dispose();
            return true;
        }

        /// <summary>An error came: if it is about the memory, there will be none. False where it is about something else.</summary>
        public bool Failed(long request, MirageError error)
        {
            if (request < 0 || request != _request)
                return false;
            GiveUp(error.Message);
            return true;
        }

        /// <summary>Read the results that a message has announced.</summary>
        public void ReadResults()
        {
            SharedMemory? memory;
            lock (_session.Gate)
                memory = _active;
            if (memory != null && memory.ResultsPipe == null)
                _reader.Read(memory);
        }

        public void Dispose()
        {
            lock (_session.Gate)
            {
                _disposed = true;
                LetGo();
            }
            foreach (var memory in _leavings)
                memory.Dispose();
            if (_thread != null && Thread.CurrentThread != _thread)
                _thread.Join(2000);
        }

        /// <summary>Whether a memory is the one that is in force.</summary>
        public bool IsCurrent(SharedMemory memory)
        {
            lock (_session.Gate)
                return _active == memory;
        }

        /// <summary>The server has let go of a memory: of the frames in it nothing more will be heard.</summary>
        public void Ended(SharedMemory memory)
        {
            lock (_session.Gate)
            {
                if (_active != memory || _candidate != null) // a new one takes its place: that it does may be heard later
                    return;
                Reason = "the server has let go of it";
                LetGo();
                _talk.LoseAll();
                if (Insists)
                    _talk.Abort(); // another connection may have another memory
            }
        }

        /// <summary>Do without a memory: it breaks the rules.</summary>
        public void Distrust(MirageError problem)
        {
            lock (_session.Gate)
                Unshare(problem.Message);
        }

        /// <summary>Tell the server that its memory is of no use here.</summary>
        void Unshare(string reason)
        {
            var short_ = reason.Substring(0, Math.Min(reason.Length, 400));
            _talk.Say("unshared", new Dictionary<string, object?> { ["request"] = _request, ["reason"] = short_ });
            GiveUp(reason);
        }

        void GiveUp(string reason)
        {
            Reason = reason;
            _request = 0;
            LetGo();
            if (Insists)
                _talk.Refuse(new MirageError("unsupported", $"there is no shared memory: {reason}"));
        }

        /// <summary>Use no memory any more. It stays until the end: somebody may hold one of its gates.</summary>
        void LetGo()
        {
            if (_active != null)
                _leavings.Add(_active);
            if (_candidate != null)
                _leavings.Add(_candidate);
            _active = _candidate = null;
        }
    }
}
