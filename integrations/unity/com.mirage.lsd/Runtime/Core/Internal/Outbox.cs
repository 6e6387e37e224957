#nullable enable
using System;
using System.Collections.Generic;
using System.Threading;

namespace Mirage
{
    /// <summary>
    /// What waits to be sent by WebSocket, in its order, but at most one frame: a newer one takes the place of one that has not
    /// left yet. Its own thread sends, so that no caller waits for a network.
    /// </summary>
    internal sealed class Outbox : IDisposable
    {
        const int Tick = 200;
        const int MostKept = 16;
        const int FrameBuffers = 3;

        readonly object _gate = new object();
        readonly Queue<OutgoingBuffer> _waiting = new Queue<OutgoingBuffer>();
        readonly Stack<OutgoingBuffer> _free = new Stack<OutgoingBuffer>();
        readonly Stack<OutgoingBuffer> _freeFrames = new Stack<OutgoingBuffer>();
        readonly WebSocketConnection _connection;
        readonly Action _tick;
        readonly Thread _thread;
        OutgoingBuffer? _frame;
        int _frameBuffers;
        volatile bool _closed;

        /// <summary>Send over <paramref name="connection"/>, and call <paramref name="tick"/> a few times a second.</summary>
        public Outbox(WebSocketConnection connection, Action tick)
        {
            _connection = connection;
            _tick = tick;
            _thread = new Thread(Run) { IsBackground = true, Name = "Mirage send" };
            _thread.Start();
        }

        /// <summary>Take memory for a message without planes.</summary>
        public OutgoingBuffer Rent()
        {
            lock (_gate)
                return _free.Count > 0 ? _free.Pop() : new OutgoingBuffer();
        }

        /// <summary>
        /// Take memory for a frame's message of so many bytes. There are three, all of that size from the first such frame on: one
        /// is written to, one waits and one is sent.
        /// </summary>
        public OutgoingBuffer RentForFrame(int size)
        {
            lock (_gate)
            {
                for (; _frameBuffers < FrameBuffers; _frameBuffers++)
                    _freeFrames.Push(new OutgoingBuffer());
                foreach (var free in _freeFrames)
                    free.Grow(size);
                return _freeFrames.Count > 0 ? _freeFrames.Pop() : new OutgoingBuffer();
            }
        }

        /// <summary>Send a message when its turn comes. Returns the id of the frame that it takes the place of, or -1.</summary>
        public long Post(OutgoingBuffer message)
        {
            lock (_gate)
            {
                var replaced = -1L;
                if (message.FrameId < 0)
                {
                    _waiting.Enqueue(message);
                }
                else
                {
                    if (_frame != null)
                    {
                        replaced = _frame.FrameId;
                        _freeFrames.Push(_frame);
                    }
                    _frame = message;
                }
                Monitor.Pulse(_gate);
                return replaced;
            }
        }

        /// <summary>End the thread; what waits is not sent. The connection must be aborted before, or it may take a while.</summary>
        public void Dispose()
        {
            lock (_gate)
            {
                _closed = true;
                Monitor.Pulse(_gate);
            }
            if (Thread.CurrentThread != _thread)
                _thread.Join(2000);
        }

        void Run()
        {
            try
            {
                for (var ticked = Clock.Now; !_closed;)
                {
                    var message = Next();
                    if (message != null)
                    {
                        _connection.Send(message);
                        Keep(message);
                    }
                    if (Clock.Now - ticked < Tick * 1000)
                        continue;
                    _tick();
                    ticked = Clock.Now;
                }
            }
            catch (Exception) // one that leaves a thread ends the whole process; the thread that receives says that it is over
            {
                _connection.Dispose();
            }
        }

        OutgoingBuffer? Next()
        {
            lock (_gate)
            {
                if (_waiting.Count == 0 && _frame == null && !_closed)
                    Monitor.Wait(_gate, Tick);
                if (_waiting.Count > 0)
                    return _waiting.Dequeue();
                var frame = _frame;
                _frame = null;
                return frame;
            }
        }

        void Keep(OutgoingBuffer message)
        {
            lock (_gate)
            {
                var free = message.FrameId < 0 ? _free : _freeFrames;
                if (free.Count < MostKept)
                    free.Push(message);
            }
        }
    }
}
