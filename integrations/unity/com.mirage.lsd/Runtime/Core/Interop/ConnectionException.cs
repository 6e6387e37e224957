#nullable enable
using System;

namespace Mirage
{
    /// <summary>A WebSocket connection could not be opened, or ended.</summary>
    internal sealed class ConnectionException : Exception
    {
        /// <summary>No close frame came.</summary>
        public const int Abnormal = 1006;

        /// <summary>The code of the close frame, or <see cref="Abnormal"/>.</summary>
        public int Code { get; }

        /// <summary>Whether what answered is there and will not have us, so that trying again is of no use.</summary>
        public bool IsRefusal { get; set; }

        public ConnectionException(int code, string message) : base(message) => Code = code;
    }
}
