#nullable enable
using System;

namespace Mirage
{
    /// <summary>How much of the picture is the daemon's: it fades in with the first result, and out where the daemon is away.</summary>
    internal sealed class Fade
    {
        /// <summary>What a result is older than, in seconds, when the daemon counts as away.</summary>
        public const double AwayAfter = 1;

        double _resultAt = double.NegativeInfinity;

        /// <summary>0 shows the game, 1 the result.</summary>
        public float Amount { get; private set; }

        /// <summary>Whether the daemon's pictures are to be shown.</summary>
        public bool Wanted { get; private set; }

        /// <summary>Whether results come.</summary>
        public bool Fresh { get; private set; }

        public void ResultCame(double now) => _resultAt = now;

        /// <summary>A frame of the game passes.</summary>
        /// <param name="now">Seconds.</param>
        /// <param name="step">Seconds since the last one.</param>
        /// <param name="seconds">How long fading takes; 0 or less for none.</param>
        /// <param name="hold">Whether the last good picture stays while the daemon is away.</param>
        /// <returns>Whether <see cref="Wanted"/> has changed.</returns>
        public bool Step(double now, double step, double seconds, bool hold)
        {
            var before = Wanted;
            Fresh = now - _resultAt < AwayAfter;
            Wanted = Fresh || (hold && !double.IsNegativeInfinity(_resultAt));
            var most = seconds > 0 ? step / seconds : 1;
            var way = (Wanted ? 1 : 0) - Amount;
            Amount += (float)Math.Max(-most, Math.Min(most, way));
            return Wanted != before;
        }

        public void Reset()
        {
            _resultAt = double.NegativeInfinity;
            Amount = 0;
            Wanted = Fresh = false;
        }
    }
}
