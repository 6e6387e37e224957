#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>What a client is on its stream (SPEC.md section 3).</summary>
    public enum Role
    {
        /// <summary>Sends frames and receives their results; a stream has one.</summary>
        Source,

        /// <summary>Receives the results of somebody else's frames.</summary>
        Viewer,

        /// <summary>Sets parameters and receives no results.</summary>
        Controller,
    }

    /// <summary>What carries frames and results.</summary>
    public enum Transport
    {
        /// <summary>Shared memory where the server runs on this machine and lets this user have it, else WebSocket.</summary>
        Auto,

        /// <summary>WebSocket alone.</summary>
        WebSocket,

        /// <summary>Shared memory or nothing: the client is refused where there is none.</summary>
        SharedMemory,
    }

    /// <summary>How a client connects. <see cref="MirageClient"/> copies it: later changes have no effect.</summary>
    public sealed class ClientOptions
    {
        /// <summary>The server's address; its path names the stream, none means <c>main</c>. Only <c>ws</c> is spoken, no TLS.</summary>
        public string Url { get; set; } = "ws://127.0.0.1:8765/main";

        /// <summary>What this client is on the stream.</summary>
        public Role Role { get; set; } = Role.Source;

        /// <summary>The server's token, where it asks for one.</summary>
        public string? Token { get; set; }

        /// <summary>Whether a source replaces another one that is there already; the first time it connects, not when it comes back.</summary>
        public bool TakeOver { get; set; }

        /// <summary>Frames that may be on their way at once, 1 to 64. More than two only age.</summary>
        public int Window { get; set; } = Limits.DefaultWindow;

        /// <summary>What carries frames and results.</summary>
        public Transport Transport { get; set; } = Transport.Auto;

        /// <summary>Whether results are asked for as JPEGs, for networks. This client hands them on as they are.</summary>
        public bool JpegResults { get; set; }

        /// <summary>Of those JPEGs, 1 to 100.</summary>
        public int Quality { get; set; } = Limits.DefaultQuality;

        /// <summary>How this client is called in the server's log, up to 200 characters.</summary>
        public string Name { get; set; } = "mirage unity";

        /// <summary>Parameters to be set as soon as there is a connection, and again after each loss.</summary>
        public IReadOnlyDictionary<string, object>? Parameters { get; set; }

        /// <summary>Seconds that connecting and shaking hands may take, over 0.</summary>
        public double Timeout { get; set; } = 10;

        internal ClientOptions Checked()
        {
            if (!Uri.TryCreate(Url, UriKind.Absolute, out var address) || address.Scheme != "ws" || address.DnsSafeHost == "")
                throw new ArgumentException($"'{Url}' is no address of a server: it should look like ws://127.0.0.1:8765/main");
            if (Window < 1 || Window > Limits.Window)
                throw new ArgumentException($"{nameof(Window)} must be 1 to {Limits.Window} frames, not {Window}");
            if (Quality < 1 || Quality > 100)
                throw new ArgumentException($"{nameof(Quality)} must be 1 to 100, not {Quality}");
            if (!(Timeout > 0 && Timeout < 86_400))
                throw new ArgumentException($"{nameof(Timeout)} must be over 0 s, not {Timeout}");
            if (Transport == Transport.SharedMemory && !IsHere(address))
                throw new ArgumentException($"shared memory needs a server on this machine, which {Url} does not name");
            return (ClientOptions)MemberwiseClone();
        }

        /// <summary>Whether an address names this machine: only then is a path that its server names opened.</summary>
        internal static bool IsHere(Uri address)
        {
            var host = address.DnsSafeHost;
            return host == "localhost" || host == "::1" || host.StartsWith("127.", StringComparison.Ordinal);
        }
    }
}
