#nullable enable
using System;
using System.Diagnostics;
using System.Text;
using System.Threading;

namespace Mirage
{
    /// <summary>
    /// The client's side of one WebSocket (RFC 6455) over a blocking socket: one thread receives, one sends, anybody may
    /// abort. Nothing is allocated for a message. It exists because the one that comes with Mono allocates for each.
    /// </summary>
    internal sealed class WebSocketConnection : IDisposable
    {
        public enum Received { Text = 1, Binary = 2 }

        public const int Pong = 10;
        const int Continuation = 0, CloseCode = 8, Ping = 9;
        const int LongestHead = 16_384;
        const int GrowBy = 1 << 24;

        readonly Uri _address;
        readonly Wire _wire;
        readonly Masking _masking;
        readonly object _sending = new object();
        readonly byte[] _control = new byte[125];
        readonly OutgoingBuffer _closing = new OutgoingBuffer();

        /// <summary>Called by the receiving thread with what a ping holds and how much that is: somebody has to send a pong.</summary>
        public Action<byte[], int>? Pinged { get; set; }

        public WebSocketConnection(Uri address, Masking masking)
        {
            _address = address;
            _wire = new Wire(address);
            _masking = masking;
        }

        /// <summary>Connect and shake hands within so many milliseconds; throws <see cref="ConnectionException"/>.</summary>
        public void Open(int timeout)
        {
            var patience = Stopwatch.StartNew();
            _wire.Connect(timeout);
            _wire.ReceiveTimeout = Math.Max(1, timeout - (int)patience.ElapsedMilliseconds);
            var handshake = new WebSocketHandshake(_address);
            var request = handshake.Request();
            _wire.Send(request, 0, request.Length);
            var head = ReadHead(patience, timeout);
            handshake.Check(head, Encoding.UTF8.GetString(_wire.Ahead, _wire.Begin, Math.Min(_wire.End - _wire.Begin, 1000)));
            _wire.ReceiveTimeout = 0;
        }

        /// <summary>Receive one message into <paramref name="target"/>; throws <see cref="ConnectionException"/> at the end.</summary>
        public Received Receive(Result target)
        {
            int opcode = Continuation, length = 0;
            while (true)
            {
                _wire.Fill(2);
                int first = _wire.Ahead[_wire.Begin], second = _wire.Ahead[_wire.Begin + 1];
                var size = ReadSize(second & 127);
                if ((first & 0x70) != 0 || (second & 0x80) != 0)
                    throw Fail(1002, "a frame with bits that nobody agreed on");
                if ((first & 15) >= CloseCode)
                {
                    if (size > _control.Length || (first & 0x80) == 0)
                        throw Fail(1002, "a control frame that is too long or in pieces");
                    Control(first & 15, (int)size);
                    continue;
                }
                if ((first & 15) > (int)Received.Binary || (first & 15) == Continuation == (opcode == Continuation))
                    throw Fail(1002, "a frame out of its order");
                opcode = Math.Max(opcode, first & 15);
                if (size > Limits.Message - length)
                    throw Fail(1009, "a message that is too large");
                ReadPayload(target, length, (int)size);
                length += (int)size;
                if ((first & 0x80) == 0)
                    continue;
                target.Length = length;
                return (Received)opcode;
            }
        }

        /// <summary>Send a frame; throws <see cref="ConnectionException"/> where that cannot be done.</summary>
        public void Send(OutgoingBuffer frame)
        {
            lock (_sending)
                _wire.Send(frame.Bytes, frame.Begin, frame.End - frame.Begin);
        }

        /// <summary>Say good-bye where that is possible at once, and let go of the socket.</summary>
        public void Close(int code)
        {
            if (Monitor.TryEnter(_sending, 100))
            {
                try
                {
                    if (_wire.IsOpen)
                        SendClose(code);
                }
                catch (ConnectionException)
                {
                    // It is gone already.
                }
                finally
                {
                    Monitor.Exit(_sending);
                }
            }
            Dispose();
        }

        /// <summary>Let go of the socket: whoever waits for it goes on with an exception.</summary>
        public void Dispose() => _wire.Dispose();

        string ReadHead(Stopwatch patience, int timeout)
        {
            for (int seen = 0, known; ; seen = known)
            {
                known = _wire.End;
                for (var index = Math.Max(seen - 3, 0); index + 3 < _wire.End; index++)
                {
                    if (_wire.Ahead[index] != '\r' || _wire.Ahead[index + 1] != '\n'
                        || _wire.Ahead[index + 2] != '\r' || _wire.Ahead[index + 3] != '\n')
                        continue;
                    _wire.Begin = index + 4;
                    return Encoding.ASCII.GetString(_wire.Ahead, 0, index);
                }
                if (_wire.End > LongestHead || patience.ElapsedMilliseconds > timeout)
                    throw new ConnectionException(ConnectionException.Abnormal, $"what answers at {_address} is no WebSocket server");
                _wire.Fill(_wire.End + 1);
            }
        }

        long ReadSize(int size)
        {
            var more = size < 126 ? 0 : size == 126 ? 2 : 8;
            _wire.Fill(2 + more);
            _wire.Begin += 2;
            if (more == 0)
                return size;
            var whole = 0L;
            for (; more > 0; more--)
                whole = whole << 8 | _wire.Ahead[_wire.Begin++];
            return whole < 0 ? long.MaxValue : whole;
        }

        void ReadPayload(Result target, int at, int size)
        {
            var here = Math.Min(size, _wire.End - _wire.Begin);
            ResultPool.Grow(target, at + Math.Min(size, GrowBy));
            Buffer.BlockCopy(_wire.Ahead, _wire.Begin, target.Memory, at, here);
            _wire.Begin += here;
            for (var end = at + size; (at += here) < end;)
            {
                if (at == target.Memory.Length) // memory is taken as bytes come, not as a server says that they will
                    ResultPool.Grow(target, Math.Min(end, 2 * at));
                here = _wire.ReceiveSome(target.Memory, at, Math.Min(end, target.Memory.Length) - at);
            }
        }

        void Control(int opcode, int size)
        {
            _wire.Fill(size);
            Buffer.BlockCopy(_wire.Ahead, _wire.Begin, _control, 0, size);
            _wire.Begin += size;
            if (opcode == Ping)
            {
                Pinged?.Invoke(_control, size);
            }
            else if (opcode == CloseCode)
            {
                var code = size >= 2 ? _control[0] << 8 | _control[1] : 1005;
                var reason = size > 2 ? Encoding.UTF8.GetString(_control, 2, size - 2) : "";
                Close(code == 1005 ? 1000 : code);
                throw new ConnectionException(code, reason);
            }
            else if (opcode != Pong)
            {
                throw Fail(1002, "a control frame of an unknown kind");
            }
        }

        ConnectionException Fail(int code, string problem)
        {
            Close(code);
            return new ConnectionException(ConnectionException.Abnormal, $"the server sent {problem}");
        }

        void SendClose(int code)
        {
            _closing.Start(CloseCode, 2, _masking.Next());
            _closing.Put(new[] { (byte)(code >> 8), (byte)code }, 2);
            _wire.Send(_closing.Bytes, _closing.Begin, _closing.End - _closing.Begin);
        }

    }
}
