namespace Mirage
{
    /// <summary>The numbers of SPEC.md section 2, which keep a hostile message from costing more than its own size.</summary>
    internal static class Limits
    {
        public const int Protocol = 1;
        public const string Subprotocol = "mirage.v1";
        public const int Alignment = 16;
        public const int Header = 65_536;
        public const int Depth = 8;
        public const int Entries = 1_024;

        /// <summary>Characters; each takes up to four bytes.</summary>
        public const int Text = 8_192;

        public const long SafeInteger = (1L << 53) - 1;
        public const int Dimension = 16_384;
        public const int Window = 64;
        public const int DefaultWindow = 2;
        public const int DefaultQuality = 85;

        /// <summary>Bytes: an rgba8 picture of the largest size that a server may reasonably be set to, and its header.</summary>
        public const int Message = 8_192 * 8_192 * 4 + (1 << 17);

        public static int Aligned(int size) => (size + Alignment - 1) & ~(Alignment - 1);
    }
}
