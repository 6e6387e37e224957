#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace Mirage.Tests
{
    /// Results that no vector has: what the fast reader must leave to the strict one, which refuses or understands them.
    static class FastTests
    {
        public static void Run()
        {
            Check("nothing more", true, true);
            Check("parameters", true, true, Key("parameters"), new byte[] { 0x82 }, Key("a"), new byte[] { 1 }, Key("ä"), new byte[] { 0x91, 0xc0 });
            Check("a key twice in the parameters", false, false, Key("parameters"), new byte[] { 0x82 }, Key("a"), new byte[] { 1 }, Key("a"), new byte[] { 2 });
            Check("a key twice, deeper", false, false, Key("parameters"), new byte[] { 0x81 }, Key("b"), new byte[] { 0x82 }, Key("a"), new byte[] { 1 }, Key("a"), new byte[] { 2 });
            Check("a timing twice", false, false, Key("timings"), new byte[] { 0x82 }, Key("queue"), new byte[] { 1 }, Key("queue"), new byte[] { 2 });
            Check("a stage twice", false, false, Key("stages"), new byte[] { 0x82 }, Key("a"), new byte[] { 0x92, 1, 2 }, Key("a"), new byte[] { 0x92, 1, 2 });
            Check("no UTF-8 in the parameters", false, false, Key("parameters"), new byte[] { 0x81 }, Key("a"), new byte[] { 0xa1, 0xff });
            Check("no UTF-8 in a key", false, false, Key("parameters"), new byte[] { 0x81, 0xa1, 0xff, 1 });
            Check("no UTF-8 in a timing", false, false, Key("timings"), new byte[] { 0x81, 0xa1, 0xff, 1 });
            Check("half a surrogate", false, false, Key("parameters"), new byte[] { 0x81, 0xa3, 0xed, 0xa0, 0x80, 1 });
            Check("an extension", false, false, Key("parameters"), new byte[] { 0x81 }, Key("a"), new byte[] { 0xd4, 1, 1 });
            Check("a byte that is nothing", false, false, Key("parameters"), new byte[] { 0x81 }, Key("a"), new byte[] { 0xc1 });
            Check("a number as a key", false, false, Key("parameters"), new byte[] { 0x81, 1, 1 });
            Check("six arrays deep", true, true, Key("parameters"), new byte[] { 0x81 }, Key("a"), Enumerable.Repeat((byte)0x91, 5).Append((byte)0x90).ToArray());
            Check("seven arrays deep", false, false, Key("parameters"), new byte[] { 0x81 }, Key("a"), Enumerable.Repeat((byte)0x91, 6).Append((byte)0x90).ToArray());
            Check("too many entries", false, false, Key("parameters"), new byte[] { 0xde, 4, 1 });
            Check("parameters that are nil", true, false, Key("parameters"), new byte[] { 0xc0 });
            Check("parameters that are a list", false, false, Key("parameters"), new byte[] { 0x90 });
            Check("a field that nobody knows", true, false, Key("mood"), new byte[] { 1 });
            Check("a timing below 0", false, false, Key("timings"), new byte[] { 0x81 }, Key("a"), new byte[] { 0xff });
            Check("a timing that is infinite", false, false, Key("timings"), new byte[] { 0x81 }, Key("a"), new byte[] { 0xca, 0x7f, 0x80, 0, 0 });
            Check("a memory over 1", false, false, Key("memory"), new byte[] { 2 });
            Check("an id twice", false, false, Key("id"), new byte[] { 1 });
            Check("a stage of three times", false, false, Key("stages"), new byte[] { 0x81 }, Key("a"), new byte[] { 0x93, 1, 2, 3 });
            Check("a time over 2^53", false, false, Key("time"), new byte[] { 0xcf, 0, 0x20, 0, 0, 0, 0, 0, 0 });
            var many = new List<byte> { 0xde, 0, 200 };
            for (var number = 0; number < 200; number++)
                many.AddRange(Key($"stage {number}").Append((byte)1));
            Check("two hundred timings", true, true, Key("timings"), many.ToArray());
        }

        static byte[] Key(string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            return bytes.Prepend((byte)(0xa0 | bytes.Length)).ToArray();
        }

        static void Check(string name, bool good, bool fast, params byte[][] more)
        {
            var header = new MessageWriter();
            var packed = header.Begin("result", more.Length > 0 ? 3 : 2);
            packed.Text("id");
            packed.Integer(1);
            packed.Text("planes");
            packed.Value(new Dictionary<string, object?>
            {
                ["color"] = new Dictionary<string, object?> { ["format"] = "rgb8", ["width"] = 1, ["height"] = 1, ["offset"] = 0, ["size"] = 3 },
            });
            foreach (var piece in more)
                piece.CopyTo(Room(packed, piece.Length, out var at), at);
            header.End();
            var bytes = new byte[Limits.Aligned(header.Length) + 3];
            Array.Copy(header.Buffer, bytes, header.Length);
            var (message, _) = Vectors.Outcome(bytes, "server");
            Report.True($"{name} is {(good ? "refused" : "taken")}", message != null == good);
            var kind = new FastReader().Read(Vectors.Filled(bytes));
            Report.True($"{name} is read as {kind}", kind == (fast ? FastReader.Kind.Result : FastReader.Kind.Other));
            Vectors.SameFast(name, bytes, message);
        }

        static byte[] Room(MessagePackWriter packed, int size, out int at)
        {
            at = packed.Reserve(size);
            return packed.Buffer;
        }
    }
}
