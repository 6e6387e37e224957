#nullable enable
using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using System.Text;

namespace Mirage
{
    /// <summary>The upgrade from HTTP (RFC 6455, section 4): what a client asks, and whether the answer will do.</summary>
    internal sealed class WebSocketHandshake
    {
        const string Magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

        readonly Uri _address;
        readonly string _key;

        public WebSocketHandshake(Uri address)
        {
            _address = address;
            var key = new byte[16];
            using (var random = RandomNumberGenerator.Create())
                random.GetBytes(key);
            _key = Convert.ToBase64String(key);
        }

        public byte[] Request() => Encoding.ASCII.GetBytes(
            $"GET {_address.PathAndQuery} HTTP/1.1\r\nHost: {_address.Authority}\r\nUpgrade: websocket\r\n"
            + $"Connection: Upgrade\r\nSec-WebSocket-Key: {_key}\r\nSec-WebSocket-Version: 13\r\n"
            + $"Sec-WebSocket-Protocol: {Limits.Subprotocol}\r\n\r\n");

        /// <summary>
        /// Throws <see cref="ConnectionException"/> where the head of the answer is no consent; the first line of
        /// <paramref name="body"/> may say why.
        /// </summary>
        public void Check(string head, string body)
        {
            var lines = head.Split(new[] { "\r\n" }, StringSplitOptions.None);
            var status = Status(lines[0]);
            if (status != 101)
                throw Refused($"answers with HTTP {status}{Reason(body)}", status >= 500);
            var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
            for (var index = 1; index < lines.Length; index++)
            {
                var colon = lines[index].IndexOf(':');
                if (colon > 0)
                    fields[lines[index].Substring(0, colon).Trim()] = lines[index].Substring(colon + 1).Trim();
            }
            fields.TryGetValue("Sec-WebSocket-Accept", out var accepted);
            if (accepted != Expected())
                throw Refused("is no WebSocket server");
            fields.TryGetValue("Sec-WebSocket-Protocol", out var protocol);
            if (protocol != Limits.Subprotocol || fields.ContainsKey("Sec-WebSocket-Extensions"))
                throw Refused($"does not speak {Limits.Subprotocol}");
        }

        static string Reason(string body)
        {
            var line = body.Trim().Split('\n')[0].Trim();
            return line == "" ? "" : $": {line.Substring(0, Math.Min(line.Length, 200))}";
        }

        int Status(string line)
        {
            var parts = line.Split(' ');
            if (parts.Length >= 2 && parts[0].StartsWith("HTTP/", StringComparison.Ordinal) && int.TryParse(parts[1], out var status))
                return status;
            throw Refused("is no HTTP server");
        }

        ConnectionException Refused(string problem, bool passing = false) =>
            new ConnectionException(ConnectionException.Abnormal, $"what answers at {_address} {problem}") { IsRefusal = !passing };

        string Expected()
        {
            using (var sha1 = SHA1.Create())
                return Convert.ToBase64String(sha1.ComputeHash(Encoding.ASCII.GetBytes(_key + Magic)));
        }
    }
}
