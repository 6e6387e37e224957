#nullable enable
using System;

namespace Mirage
{
    /// <summary>A message breaks SPEC.md. It never leaves the core: callers see its error.</summary>
    internal sealed class ProtocolException : Exception
    {
        public MirageError Error { get; }

        public ProtocolException(string code, string message, string? field = null) : base(message)
        {
            Error = new MirageError(code, message, field);
        }

        public static ProtocolException Malformed(string problem) => new ProtocolException("malformed", problem);

        public static ProtocolException Missing(string path) =>
            new ProtocolException("missing-field", $"{path} is missing", path);

        /// <summary>Text that came from outside, as it may stand in a line for a person.</summary>
        public static string Shown(string text)
        {
            var characters = text.Substring(0, Math.Min(text.Length, 40)).ToCharArray();
            for (var index = 0; index < characters.Length; index++)
                if (char.IsControl(characters[index]) || char.IsSurrogate(characters[index]))
                    characters[index] = '?';
            return $"'{new string(characters)}'";
        }
    }
}
