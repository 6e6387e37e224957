#nullable enable
using System;

namespace Mirage
{
    /// <summary>
    /// Which frames are on their way (SPEC.md section 3): at most as many as the window allows, each settled once. Not for
    /// several threads at once.
    /// </summary>
    internal sealed class FrameScheduler
    {
        readonly long[] _ids = new long[Limits.Window];
        readonly long[] _sent = new long[Limits.Window];

        public int Window { get; set; } = Limits.DefaultWindow;

        /// <summary>How many frames are on their way.</summary>
        public int InFlight { get; private set; }

        /// <summary>The last frame of this connection, 0 before the first.</summary>
        public long Last { get; private set; }

        public bool MaySend => InFlight < Window;

        /// <summary>A frame leaves; ids rise.</summary>
        public void Begin(long id, long now)
        {
            _ids[InFlight] = id;
            _sent[InFlight++] = now;
            Last = id;
        }

        /// <summary>A frame has its outcome. False where it is not on its way; else when it was sent.</summary>
        public bool Settle(long id, out long sent)
        {
            var index = Array.IndexOf(_ids, id, 0, InFlight);
            sent = index < 0 ? 0 : _sent[index];
            if (index < 0)
                return false;
            InFlight--;
            Array.Copy(_ids, index + 1, _ids, index, InFlight - index);
            Array.Copy(_sent, index + 1, _sent, index, InFlight - index);
            return true;
        }

        /// <summary>Settle every frame before one whose result came: results come in order, so they have none. Returns how many.</summary>
        public int SettleBefore(long id)
        {
            var count = 0;
            while (InFlight > 0 && _ids[0] < id && Settle(_ids[0], out _))
                count++;
            return count;
        }

        /// <summary>A new connection begins, whose server knows of no frames.</summary>
        public void Forget()
        {
            InFlight = 0;
            Last = 0;
        }
    }
}
