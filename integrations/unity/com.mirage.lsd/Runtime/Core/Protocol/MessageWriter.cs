#nullable enable
using System;

namespace Mirage
{
    /// <summary>Writes messages without planes, and the beginning of those with planes, into memory that is used again.</summary>
    internal sealed class MessageWriter
    {
        readonly MessagePackWriter _writer = new MessagePackWriter();

        /// <summary>Bytes of the message, once it has ended.</summary>
        public int Length => _writer.Length;

        public byte[] Buffer => _writer.Buffer;

        /// <summary>Begin a message of so many fields besides its type; they are written to what this returns.</summary>
        public MessagePackWriter Begin(string type, int fields)
        {
            _writer.Clear();
            _writer.Reserve(4);
            _writer.Map(fields + 1);
            _writer.Text("type");
            _writer.Text(type);
            return _writer;
        }

        /// <summary>End the message: its size is known now. Throws <see cref="ArgumentException"/> where that is too large.</summary>
        public void End()
        {
            var size = _writer.Length - 4;
            if (size > Limits.Header)
                throw new ArgumentException($"a message may have {Limits.Header} bytes, not {size}");
            for (var index = 0; index < 4; index++)
                _writer.Buffer[index] = (byte)(size >> (8 * index));
        }
    }
}
