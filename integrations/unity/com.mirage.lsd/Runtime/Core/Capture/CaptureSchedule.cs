#nullable enable
using System;

namespace Mirage
{
    /// <summary>
    /// Which frames of the game are captured, and what their motion may point back to. A capture takes a few frames until it has
    /// been read back; then it is sent, or not. Captures have numbers of their own, from 1 on: a frame's id is known only once it
    /// was sent.
    /// </summary>
    internal sealed class CaptureSchedule
    {
        /// <summary>Frames more than the window that are asked for, in case that they are captured late.</summary>
        public const int MostLag = 2;

        long _last;
        long _lastSent;
        long _lastSentId;
        long _lastFinished;

        /// <summary>Captures that have begun and are neither sent nor given up.</summary>
        public int Pending { get; private set; }

        /// <summary>Whether a frame may be captured now.</summary>
        /// <param name="window">Frames that may be on their way at once.</param>
        /// <param name="inFlight">Frames that are on their way.</param>
        /// <param name="lag">Frames of the game that pass between capturing and sending.</param>
        /// <param name="latency">Milliseconds that the last result took; NaN before the first.</param>
        /// <param name="frameTime">Milliseconds that a frame of the game takes.</param>
        public bool May(int window, int inFlight, int lag, double latency, double frameTime)
        {
            // A daemon that takes longer than capturing is busy with the window alone; more would only wait there.
            var quick = latency < lag * frameTime;
            return inFlight + Pending < window + (quick ? Math.Min(lag, MostLag) : 0);
        }

        /// <summary>Begin a capture.</summary>
        /// <param name="motionFrom">The capture that accumulated motion points back to; 0 where there is none.</param>
        /// <returns>Its number.</returns>
        public long Begin(out long motionFrom)
        {
            motionFrom = _last;
            Pending++;
            return ++_last;
        }

        /// <summary>Where the motion of a capture goes back to, once it can be sent.</summary>
        /// <param name="motionFrom">What <see cref="Begin"/> said.</param>
        /// <returns>A frame's id; 0 where the daemon never got that one, so that the motion would lead astray.</returns>
        public long MotionFrom(long motionFrom) => motionFrom != 0 && motionFrom == _lastSent ? _lastSentId : 0;

        /// <summary>Whether a capture may still be sent: a newer one may have overtaken it.</summary>
        public bool IsNews(long number) => number > _lastFinished;

        /// <summary>A capture is over.</summary>
        /// <param name="number">Its number.</param>
        /// <param name="id">The id that it was sent with; 0 where it was not.</param>
        public void End(long number, long id)
        {
            Pending = Math.Max(Pending - 1, 0);
            _lastFinished = Math.Max(number, _lastFinished);
            if (id == 0)
                return;
            _lastSent = number;
            _lastSentId = id;
        }

        /// <summary>Begin anew, as with another camera or size: nothing is pointed back to.</summary>
        public void Cut() => _lastSent = 0;
    }
}
