#nullable enable
using System;
using System.IO;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Mirage
{
    /// <summary>
    /// One end of a pipe that wakes (SPEC.md section 10.4), on Linux. The framework's own streams can neither wait for a time
    /// nor be left while they wait.
    /// </summary>
    internal sealed unsafe class Pipe : SafeHandleMinusOneIsInvalid
    {
        public enum Waking { Nothing, Woken, Ended }

        const int ReadOnly = 0, WriteOnly = 1, NonBlocking = 0x800, CloseOnExec = 0x80000;
        const short Readable = 1;

        [StructLayout(LayoutKind.Sequential)]
        struct Polled
        {
            public int Descriptor;
            public short Events;
            public short Happened;
        }

        // The library's own name: where compilers are installed, what is called libc.so is a text.
        [DllImport("libc.so.6", EntryPoint = "open", SetLastError = true)]
        static extern Pipe OpenPath([MarshalAs(UnmanagedType.LPStr)] string path, int flags);

        [DllImport("libc.so.6", EntryPoint = "close", SetLastError = true)]
        static extern int CloseDescriptor(IntPtr descriptor);

        [DllImport("libc.so.6", EntryPoint = "poll", SetLastError = true)]
        static extern int Poll(Polled* polled, UIntPtr count, int milliseconds);

        [DllImport("libc.so.6", EntryPoint = "read", SetLastError = true)]
        static extern IntPtr Read(int descriptor, byte* buffer, UIntPtr size);

        [DllImport("libc.so.6", EntryPoint = "write", SetLastError = true)]
        static extern IntPtr Write(int descriptor, byte* buffer, UIntPtr size);

        Pipe() : base(true) { }

        /// <summary>Whether this system has such pipes, and its library answers.</summary>
        public static bool IsSupported { get; } = Probe();

        public static Pipe OpenToRead(string path) => Open(path, ReadOnly);

        public static Pipe OpenToWrite(string path) => Open(path, WriteOnly);

        /// <summary>Wait until somebody writes, or for so many milliseconds, and take what was written.</summary>
        public Waking Wait(int milliseconds)
        {
            var polled = new Polled { Descriptor = (int)handle, Events = Readable };
            if (Poll(&polled, (UIntPtr)1, milliseconds) <= 0)
                return Waking.Nothing;
            var bytes = stackalloc byte[256];
            return (long)Read((int)handle, bytes, (UIntPtr)256) == 0 ? Waking.Ended : Waking.Woken;
        }

        /// <summary>Wake who waits at the other end. One that is full of wake-ups, or has nobody there, needs no more of them.</summary>
        public void Wake()
        {
            byte one = 1;
            Write((int)handle, &one, (UIntPtr)1);
        }

        protected override bool ReleaseHandle() => CloseDescriptor(handle) == 0;

        static Pipe Open(string path, int flags)
        {
            var pipe = OpenPath(path, flags | NonBlocking | CloseOnExec);
            return pipe.IsInvalid ? throw new IOException($"a pipe cannot be opened (errno {Marshal.GetLastWin32Error()})") : pipe;
        }

        static bool Probe()
        {
            if (!RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
                return false;
            try
            {
                return Poll(null, UIntPtr.Zero, 0) == 0;
            }
            catch (Exception problem) when (problem is DllNotFoundException || problem is EntryPointNotFoundException)
            {
                return false;
            }
        }
    }
}
