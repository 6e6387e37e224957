#nullable enable
using System;

namespace Mirage
{
    /// <summary>Reads results out of shared memory, in the thread that was woken.</summary>
    internal sealed class ResultReader
    {
        const int LookEvery = 100; // milliseconds until a thread that waits sees that it is to end

        readonly Session _session;
        readonly Conversation _talk;
        readonly MemoryLink _link;
        readonly FastReader _reader = new FastReader();
        Result? _message;

        public ResultReader(Session session, Conversation talk, MemoryLink link)
        {
            _session = session;
            _talk = talk;
            _link = link;
        }

        /// <summary>Wait on a memory's pipe and read, until the memory is not in force any more. The pipe stays open meanwhile.</summary>
        public void Watch(SharedMemory memory)
        {
            var pipe = memory.ResultsPipe!;
            var held = false;
            try
            {
                pipe.DangerousAddRef(ref held);
                while (_link.IsCurrent(memory))
                {
                    var waking = pipe.Wait(LookEvery);
                    Read(memory);
                    if (waking != Pipe.Waking.Ended)
                        continue;
                    _link.Ended(memory);
                    return;
                }
            }
            catch (ObjectDisposedException)
            {
                // It was let go of before this thread began.
            }
            catch (Exception problem) // an exception that leaves a thread ends the whole process
            {
                _session.Report(new MirageError("internal", $"{problem.GetType().Name}: {problem.Message}"));
            }
            finally
            {
                if (held)
                    pipe.DangerousRelease();
            }
        }

        /// <summary>Read all results that are there. Looking costs nothing: a wake-up that got lost is made good for soon.</summary>
        public void Read(SharedMemory memory)
        {
            lock (memory.Reading)
            {
                try
                {
                    while (!memory.IsGone)
                    {
                        _message = _message ?? _session.Pool.Rent();
                        if (!memory.Results.TryRead(_message))
                            return;
                        memory.Results.Took();
                        if (_talk.Take(_message, _reader))
                            _message = null;
                    }
                }
                catch (ProtocolException problem)
                {
                    _link.Distrust(problem.Error);
                }
            }
        }
    }
}
