namespace Mirage
{
    /// <summary>Where a client is on its way to a server.</summary>
    public enum ClientState
    {
        /// <summary>It was not started, or it was stopped.</summary>
        Disconnected,

        /// <summary>It tries to reach a server that has not accepted it yet.</summary>
        Connecting,

        /// <summary>The server has accepted it.</summary>
        Connected,

        /// <summary>The connection was lost; it tries to come back, after 0.25 s at first and at most 5 s later.</summary>
        Reconnecting,

        /// <summary>The server will not have it, for the reason in <see cref="MirageClient.Problem"/>; it does not try again.</summary>
        Refused,
    }

    /// <summary>What a server does with the stream (SPEC.md section 4.8).</summary>
    public enum StreamState
    {
        /// <summary>There is no source, or nothing is known yet.</summary>
        Waiting,

        /// <summary>Frames are transformed.</summary>
        Streaming,

        /// <summary>Frames are taken and none is transformed: hold the last picture.</summary>
        Paused,

        /// <summary>The worker is being started again: hold the last picture.</summary>
        Recovering,
    }
}
