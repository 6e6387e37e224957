#nullable enable
using System;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace Mirage
{
    /// <summary>
    /// The memory that a connection shares with a server on this machine (SPEC.md section 10): a ring to write frames to, one
    /// to read results from, and on Linux a pipe beside each. Reading and writing may go on in two threads; each holds its gate
    /// meanwhile, so that <see cref="Dispose"/> takes the memory away from nobody.
    /// </summary>
    internal sealed unsafe class SharedMemory : IDisposable
    {
        const ulong Magic = 0x4d53_4547_4152_494d; // MIRAGESM
        const int NonceSize = 16;

        static readonly Regex Descriptor = new Regex(@"\A/proc/[0-9]+/fd/[0-9]+\z");

        readonly MemoryMappedViewAccessor _view;
        byte* _memory;

        /// <summary>Held by whoever writes frames.</summary>
        public object Writing { get; } = new object();

        /// <summary>Held by whoever reads results.</summary>
        public object Reading { get; } = new object();

        /// <summary>Whether the memory is gone; to be asked with a gate held.</summary>
        public bool IsGone => _memory == null;

        public RingWriter Frames { get; }
        public RingReader Results { get; }

        /// <summary>To write a byte to after each frame; null where messages wake.</summary>
        public Pipe? FramesPipe { get; private set; }

        /// <summary>Where the server says that there are results; null where messages do.</summary>
        public Pipe? ResultsPipe { get; private set; }

        /// <summary>What proves to the server that this side sees the same memory.</summary>
        public byte[] Nonce { get; } = new byte[NonceSize];

        /// <summary>
        /// Open what a server names. Throws <see cref="ProtocolException"/> with the reason where that cannot be done, or must
        /// not be.
        /// </summary>
        public static SharedMemory Open(Message memory)
        {
            try
            {
                CheckPath(memory.Text("path"));
                var shared = new SharedMemory(memory.Text("path"), memory.Integer("size"));
                try
                {
                    shared.OpenPipes(memory.TextOrNull("frames_pipe"), memory.TextOrNull("results_pipe"));
                    return shared;
                }
                catch
                {
                    shared.Dispose();
                    throw;
                }
            }
            catch (Exception problem) when (problem is IOException || problem is UnauthorizedAccessException
                || problem is ArgumentException || problem is NotSupportedException || problem is ProtocolException)
            {
                throw new ProtocolException("unsupported", $"the server's shared memory cannot be opened from here: {problem.Message}");
            }
        }

        /// <summary>Map a file of at least so many bytes. Throws what files throw, or <see cref="ProtocolException"/> for its content.</summary>
        internal SharedMemory(string path, long size)
        {
            if (size < RingPlace.Page)
                throw ProtocolException.Malformed($"shared memory has at least {RingPlace.Page} bytes; this has {size}");
            using (var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 1))
            {
                if (file.Length < size)
                    throw new IOException($"it has {file.Length} bytes, not {size}");
                using (var mapped = MemoryMappedFile.CreateFromFile(
                    file, null, size, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, true))
                    _view = mapped.CreateViewAccessor(0, size, MemoryMappedFileAccess.ReadWrite); // it outlives the file
            }
            try
            {
                _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _memory);
                CheckHeader(size);
                Frames = new RingWriter(_memory, Place(64));
                Results = new RingReader(_memory, Place(96));
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        /// <summary>A second reader, of the ring that this side writes: for tests.</summary>
        internal RingReader ReaderOfFrames() => new RingReader(_memory, Frames.Place);

        /// <summary>Let go of the memory and the pipes, once nobody reads or writes. Doing so twice is fine.</summary>
        public void Dispose()
        {
            lock (Writing)
            lock (Reading)
            {
                FramesPipe?.Dispose();
                ResultsPipe?.Dispose();
                if (_memory != null)
                    _view.SafeMemoryMappedViewHandle.ReleasePointer();
                _memory = null;
                _view.Dispose();
            }
        }

        /// <summary>Throws <see cref="ProtocolException"/> for a path that no server of this protocol would name.</summary>
        internal static void CheckPath(string path)
        {
            bool good;
            if (RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
            {
                good = Descriptor.IsMatch(path);
            }
            else // Not tried: no test runs there.
            {
                var temporary = Path.GetTempPath().TrimEnd(Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar);
                good = string.Equals(Path.GetDirectoryName(path), temporary, StringComparison.OrdinalIgnoreCase)
                    && Path.GetFileName(path).StartsWith("mirage-", StringComparison.Ordinal);
            }
            if (!good)
                throw ProtocolException.Malformed("it names a path that shared memory is never at");
        }

        void OpenPipes(string? frames, string? results)
        {
            if (frames == null || results == null)
                return;
            CheckPath(frames);
            CheckPath(results);
            FramesPipe = Pipe.OpenToWrite(frames);
            ResultsPipe = Pipe.OpenToRead(results);
        }

        void CheckHeader(long size)
        {
            if (*(ulong*)_memory != Magic)
                throw ProtocolException.Malformed("this is not Mirage's shared memory");
            uint version = *(uint*)(_memory + 8), page = *(uint*)(_memory + 12);
            if (version != 1 || page != RingPlace.Page)
                throw ProtocolException.Malformed($"shared memory of version {version} is not known here");
            var whole = *(ulong*)(_memory + 16);
            if (whole > (ulong)size)
                throw ProtocolException.Malformed($"shared memory says that it has {whole} bytes; it has {size}");
            Marshal.Copy((IntPtr)(_memory + 24), Nonce, 0, NonceSize);
        }

        RingPlace Place(int at)
        {
            var offset = *(ulong*)(_memory + at);
            uint slots = *(uint*)(_memory + at + 8), capacity = *(uint*)(_memory + at + 12);
            var stride = *(ulong*)(_memory + at + 16);
            var size = *(ulong*)(_memory + 16);
            if (offset <= long.MaxValue && offset % RingPlace.Page == 0 && offset >= RingPlace.Page
                && slots >= 1 && slots <= RingPlace.MostSlots && capacity <= int.MaxValue - RingPlace.Page)
            {
                var place = new RingPlace((long)offset, slots, capacity);
                if ((ulong)place.Stride == stride && offset <= size && (ulong)place.Size <= size - offset)
                    return place;
            }
            throw ProtocolException.Malformed(
                $"a ring of {slots} slots of {capacity} bytes at {offset} does not fit into {size} bytes");
        }
    }
}
