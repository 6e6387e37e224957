#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>One message as a tree of checked fields; absent ones stand with their default, or not at all.</summary>
    internal sealed class Message
    {
        public string Type { get; }
        public Dictionary<string, object?> Fields { get; }

        public Message(string type, Dictionary<string, object?> fields)
        {
            Type = type;
            Fields = fields;
        }

        public bool Has(string name) => Fields.ContainsKey(name);

        public long Integer(string name) => (long)Fields[name]!;

        public string Text(string name) => (string)Fields[name]!;

        public string? TextOrNull(string name) => Fields.TryGetValue(name, out var value) ? (string?)value : null;

        public long IntegerOr(string name, long otherwise) =>
            Fields.TryGetValue(name, out var value) ? (long)value! : otherwise;

        public Dictionary<string, object?> Map(string name) => (Dictionary<string, object?>)Fields[name]!;

        public List<object?> List(string name) => (List<object?>)Fields[name]!;

        public Dictionary<string, Plane> Planes => (Dictionary<string, Plane>)Fields["planes"]!;

        /// <summary>
        /// Read one message (SPEC.md section 2), as the side <paramref name="schema"/> is of sends it. Planes stay where they
        /// are. Throws <see cref="ProtocolException"/> for everything that SPEC.md forbids, and nothing else.
        /// </summary>
        public static Message Decode(Span<byte> bytes, Schema schema)
        {
            var size = HeaderSize(bytes);
            var header = MessagePackReader.ReadHeader(bytes.Slice(4, size));
            if (!header.TryGetValue("type", out var named) || named == null)
                throw ProtocolException.Missing("type");
            var type = (string)Schema.Name(named, "type")!;
            var fields = schema.Find(type);
            if (fields == null)
            {
                var problem = $"there is no message {ProtocolException.Shown(type)} in this direction";
                throw new ProtocolException("unknown-message", problem, "type");
            }
            var payload = Math.Min(Limits.Aligned(4 + size), bytes.Length);
            return new Message(type, Build(fields, header, "", payload, bytes.Length - payload));
        }

        /// <summary>The size of a message's header, which lies behind its first four bytes; checked to be within it.</summary>
        public static int HeaderSize(Span<byte> bytes)
        {
            if (bytes.Length < 4)
                throw ProtocolException.Malformed($"a message has at least 4 bytes; this one has {bytes.Length}");
            var size = (uint)(bytes[0] | bytes[1] << 8 | bytes[2] << 16 | bytes[3] << 24);
            if (size > Limits.Header)
                throw ProtocolException.Malformed($"the header may have {Limits.Header} bytes; this message says {size}");
            if (4 + size > bytes.Length)
                throw ProtocolException.Malformed("the message ends inside its header");
            return (int)size;
        }

        static Dictionary<string, object?> Build(
            Field[] fields, Dictionary<string, object?> header, string prefix, int payload, int payloadSize)
        {
            var built = new Dictionary<string, object?>(StringComparer.Ordinal);
            foreach (var field in fields)
            {
                var path = prefix + field.Name;
                if (!header.TryGetValue(field.Name, out var value) || value == null)
                {
                    if (field.Required)
                        throw ProtocolException.Missing(path);
                    if (field.Default != null)
                        built.Add(field.Name, field.Default());
                }
                else if (field.Nested != null)
                {
                    var map = (Dictionary<string, object?>)Schema.Values(value, path)!;
                    built.Add(field.Name, Build(field.Nested, map, $"{path}.", payload, payloadSize));
                }
                else
                {
                    built.Add(field.Name, field.Check == null ? Plane.ReadAll(value, path, payload, payloadSize) : field.Check(value, path));
                }
            }
            return built;
        }
    }
}
