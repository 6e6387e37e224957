namespace Mirage
{
    /// <summary>What the server says that it does with the stream, and one line for a person.</summary>
    internal sealed class StreamNews
    {
        public readonly StreamState State;
        public readonly string Message;

        public StreamNews(StreamState state, string message) => (State, Message) = (state, message);
    }
}
