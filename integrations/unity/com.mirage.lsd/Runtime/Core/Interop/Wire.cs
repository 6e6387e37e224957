#nullable enable
using System;
using System.Net;
using System.Net.Sockets;

namespace Mirage
{
    /// <summary>
    /// A TCP connection that reads ahead: one thread receives, one sends, anybody may let go of it. Its socket blocks, which
    /// allocates nothing. All methods throw <see cref="ConnectionException"/> where the connection is not there any more.
    /// </summary>
    internal sealed class Wire : IDisposable
    {
        readonly Uri _address;
        volatile Socket? _socket;
        volatile bool _aborted;

        public Wire(Uri address) => _address = address;

        /// <summary>What was received and not taken yet, from <see cref="Begin"/> to <see cref="End"/>.</summary>
        public byte[] Ahead { get; } = new byte[65_536];

        /// <summary>Where what was not taken yet begins.</summary>
        public int Begin { get; set; }

        /// <summary>Where it ends.</summary>
        public int End { get; private set; }

        /// <summary>Whether there is somebody to send to.</summary>
        public bool IsOpen => _socket != null && !_aborted;

        /// <summary>Milliseconds until receiving fails; 0 for never.</summary>
        public int ReceiveTimeout
        {
            set => Alive().ReceiveTimeout = value;
        }

        /// <summary>Connect within so many milliseconds for each of the host's addresses; sending takes no longer either.</summary>
        public void Connect(int timeout)
        {
            foreach (var address in Addresses())
            {
                var socket = _socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
                if (!_aborted && IsConnected(socket, address, timeout))
                {
                    socket.NoDelay = true;
                    socket.SendTimeout = timeout;
                    return;
                }
                socket.Close();
            }
            throw Lost($"no Mirage server answers at {_address}");
        }

        IPAddress[] Addresses()
        {
            if (IPAddress.TryParse(_address.DnsSafeHost, out var literal))
                return new[] { literal };
            try
            {
                return Dns.GetHostAddresses(_address.DnsSafeHost);
            }
            catch (SocketException)
            {
                throw Lost($"no machine is known as {_address.DnsSafeHost}");
            }
        }

        bool IsConnected(Socket socket, IPAddress address, int timeout)
        {
            socket.Blocking = false; // so that an abort is noticed, which no blocking call does everywhere
            try
            {
                socket.Connect(address, _address.Port);
            }
            catch (SocketException problem) when (problem.SocketErrorCode == SocketError.WouldBlock
                || problem.SocketErrorCode == SocketError.InProgress)
            {
                for (; !socket.Poll(20_000, SelectMode.SelectWrite); timeout -= 20)
                    if (_aborted || timeout <= 0 || socket.Poll(0, SelectMode.SelectError))
                        return false;
                if ((int)socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error) != 0)
                    return false;
            }
            catch (SocketException)
            {
                return false;
            }
            socket.Blocking = true;
            return true;
        }

        /// <summary>Receive until so many bytes wait to be taken.</summary>
        public void Fill(int size)
        {
            if (Ahead.Length - Begin < size)
            {
                Buffer.BlockCopy(Ahead, Begin, Ahead, 0, End - Begin);
                (Begin, End) = (0, End - Begin);
            }
            while (End - Begin < size)
            {
                if (Begin == End)
                    Begin = End = 0;
                End += ReceiveSome(Ahead, End, Ahead.Length - End);
            }
        }

        /// <summary>Receive some bytes, at least one, past what was read ahead; returns how many.</summary>
        public int ReceiveSome(byte[] target, int at, int size)
        {
            try
            {
                var received = Alive().Receive(target, at, size, SocketFlags.None);
                return received > 0 ? received : throw Lost("the server closed the connection");
            }
            catch (Exception problem) when (problem is SocketException || problem is ObjectDisposedException)
            {
                throw Lost("the connection was lost");
            }
        }

        /// <summary>Send so many bytes; for one thread at a time.</summary>
        public void Send(byte[] source, int at, int size)
        {
            try
            {
                for (var socket = Alive(); size > 0;)
                {
                    var sent = socket.Send(source, at, size, SocketFlags.None);
                    at += sent;
                    size -= sent;
                }
            }
            catch (Exception problem) when (problem is SocketException || problem is ObjectDisposedException)
            {
                throw Lost("the connection was lost");
            }
        }

        Socket Alive() => _socket is Socket socket && !_aborted ? socket : throw Lost("the connection was closed");

        /// <summary>Let go of the socket: whoever waits for it goes on with an exception.</summary>
        public void Dispose()
        {
            _aborted = true;
            var socket = _socket;
            if (socket == null)
                return;
            try
            {
                socket.Shutdown(SocketShutdown.Both);
            }
            catch (Exception problem) when (problem is SocketException || problem is ObjectDisposedException)
            {
                // It was not connected.
            }
            socket.Close();
        }

        static ConnectionException Lost(string reason) => new ConnectionException(ConnectionException.Abnormal, reason);
    }
}
