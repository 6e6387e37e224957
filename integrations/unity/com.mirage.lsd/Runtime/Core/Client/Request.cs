#nullable enable
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>
    /// Something that was asked of the server. It comes to an end whatever happens, at the latest with the connection; ask
    /// <see cref="IsDone"/> once a frame, or give a callback to the call that made it.
    /// </summary>
    public sealed class Request
    {
        internal readonly System.Action<Request>? Callback;
        internal readonly string Type;
        internal readonly IReadOnlyDictionary<string, object?> Fields;
        internal long Number;
        volatile bool _done;

        internal Request(string type, IReadOnlyDictionary<string, object?> fields, System.Action<Request>? callback)
        {
            Type = type;
            Fields = fields;
            Callback = callback;
        }

        /// <summary>Whether there is an answer, good or bad.</summary>
        public bool IsDone => _done;

        /// <summary>Why it was not done; null where it was, or is not yet.</summary>
        public MirageError? Error { get; private set; }

        /// <summary>The parameters as the server keeps them; null before, and for what sets none.</summary>
        public IReadOnlyDictionary<string, object?>? Parameters { get; private set; }

        /// <summary>
        /// What the server made of a prompt (SPEC.md section 4.7): <c>looks</c>, <c>modifiers</c>, <c>unknown_words</c> and so on;
        /// null where it was about none.
        /// </summary>
        public IReadOnlyDictionary<string, object?>? Prompt { get; private set; }

        internal void Succeed(IReadOnlyDictionary<string, object?> parameters, IReadOnlyDictionary<string, object?>? prompt)
        {
            Parameters = parameters;
            Prompt = prompt;
            _done = true;
        }

        internal void Fail(MirageError error)
        {
            Error = error;
            _done = true;
        }
    }
}
