#nullable enable
using System;
using System.Collections.Generic;

namespace Mirage
{
    /// <summary>
    /// One transformed frame, in memory that is used again: <see cref="Dispose"/> gives it back. One that is not given back is
    /// garbage like any other object, and costs the next result an allocation. Not for several threads at once.
    /// </summary>
    public sealed class Result : IDisposable
    {
        internal byte[] Memory = Array.Empty<byte>();
        internal int Length;
        internal ResultPool? Pool;
        internal readonly NamedValues<double> TimingList = new NamedValues<double>();
        internal readonly NamedValues<StageTimes> StageList = new NamedValues<StageTimes>();
        internal long[] DroppedIdList = new long[64];
        internal int DroppedIdCount;
        internal int PixelsOffset;
        internal int PixelsSize;
        internal int ParametersOffset;
        internal int ParametersSize;
        internal bool Lent;

        /// <summary>The frame's own id, as <see cref="MirageClient.TrySend"/> gave it.</summary>
        public long Id { get; internal set; }

        /// <summary>The source's clock when it sent the frame, in microseconds; 0 where it did not say.</summary>
        public long Time { get; internal set; }

        /// <summary>Frames of this source that were dropped so far.</summary>
        public long Dropped { get; internal set; }

        /// <summary>The server's monotonic clock when the frame had arrived, in microseconds; 0 where it does not say.</summary>
        public long Received { get; internal set; }

        /// <summary>The server's monotonic clock when this result left, in microseconds; 0 where it does not say.</summary>
        public long Sent { get; internal set; }

        /// <summary>How often the memory of this source's pictures began anew because of a cut.</summary>
        public long Resets { get; internal set; }

        /// <summary>The picture is that of the frame <see cref="Id"/> - Lag: above 0 where the daemon batches the steps of frames.</summary>
        public long Lag { get; internal set; }

        /// <summary>The share of this frame that was remembered from the frames before, 0 to 1.</summary>
        public double Remembered { get; internal set; }

        /// <summary>Milliseconds from sending the frame until its result was here; NaN for another source's frames.</summary>
        public double RoundTrip { get; internal set; }

        /// <summary><c>Rgba8</c> or <c>Rgb8</c>, or <c>Jpeg</c> where that was asked for.</summary>
        public PixelFormat Format { get; internal set; }

        /// <summary>The picture's width in pixels: the frame's own.</summary>
        public int Width { get; internal set; }

        /// <summary>The picture's height in pixels: the frame's own.</summary>
        public int Height { get; internal set; }

        /// <summary>Bytes from one row to the next; 0 for a JPEG.</summary>
        public int Stride { get; internal set; }

        /// <summary>Whether the bottom row comes first. A server of this version always puts the top row first.</summary>
        public bool BottomUp { get; internal set; }

        /// <summary>The picture's bytes, until this result is disposed of. sRGB-encoded, alpha straight (SPEC.md section 5.1).</summary>
        public ReadOnlySpan<byte> Pixels => new ReadOnlySpan<byte>(Memory, PixelsOffset, PixelsSize);

        /// <summary>The picture's bytes as part of an array, for what cannot take a span. Do not write to them.</summary>
        public ArraySegment<byte> PixelSegment => new ArraySegment<byte>(Memory, PixelsOffset, PixelsSize);

        /// <summary>Frames that were dropped since the result before this one: the newest 64.</summary>
        public ReadOnlySpan<long> DroppedIds => new ReadOnlySpan<long>(DroppedIdList, 0, DroppedIdCount);

        /// <summary>Milliseconds that each of the server's stages took: <c>queue</c>, <c>diffusion</c> and so on (SPEC.md section 4.5).</summary>
        public NamedValues<double> Timings => TimingList;

        /// <summary>When each of the server's stages began and ended, in microseconds of its monotonic clock.</summary>
        public NamedValues<StageTimes> Stages => StageList;

        internal Result() { }

        /// <summary>
        /// The parameters as they were resolved for this frame (SPEC.md section 4.5): long, double, bool, string, and lists and
        /// dictionaries of them. Allocates; nothing else here does.
        /// </summary>
        /// <returns>A new dictionary, empty where the server said nothing.</returns>
        public IReadOnlyDictionary<string, object?> ReadParameters() => ParametersSize == 0
            ? new Dictionary<string, object?>()
            : MessagePackReader.ReadHeader(new Span<byte>(Memory, ParametersOffset, ParametersSize));

        /// <summary>Give the memory back. Doing so twice is fine.</summary>
        public void Dispose() => Pool?.Return(this);

        internal void Clear()
        {
            Id = Time = Dropped = Received = Sent = Resets = Lag = 0;
            Remembered = 0;
            RoundTrip = double.NaN;
            DroppedIdCount = ParametersSize = 0;
            TimingList.Clear();
            StageList.Clear();
        }
    }

    /// <summary>When a stage began and ended, in microseconds of the server's monotonic clock.</summary>
    public readonly struct StageTimes
    {
        /// <summary>When it began.</summary>
        public long Begin { get; }

        /// <summary>When it ended.</summary>
        public long End { get; }

        internal StageTimes(long begin, long end)
        {
            Begin = begin;
            End = end;
        }
    }
}
