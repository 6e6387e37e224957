#nullable enable
namespace Mirage
{
    /// <summary>What is wrong with a message, a request or a connection.</summary>
    public sealed class MirageError
    {
        /// <summary>
        /// A code of SPEC.md section 8 (<c>out-of-range</c>, <c>source-taken</c> and so on), or one that this client says
        /// itself: <c>unreachable</c> (no server answers, or something that is none) and <c>disconnected</c> (the
        /// connection was lost or closed before the answer came).
        /// </summary>
        public string Code { get; }

        /// <summary>One line for a person.</summary>
        public string Message { get; }

        /// <summary>The dotted path of the field at fault, such as <c>planes.color.width</c>; null for a message as a whole.</summary>
        public string? Field { get; }

        /// <summary>Make an error of its three parts.</summary>
        /// <param name="code">A code of SPEC.md section 8, or one of this client's own.</param>
        /// <param name="message">One line for a person.</param>
        /// <param name="field">The field at fault, where there is one.</param>
        public MirageError(string code, string message, string? field = null)
        {
            Code = code;
            Message = message;
            Field = field;
        }

        /// <summary>The code and the message, for a log.</summary>
        /// <returns>One line.</returns>
        public override string ToString() => $"{Code}: {Message}";
    }
}
