#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace Mirage.Tests
{
    /// Arbitrary and damaged bytes into both readers: no exception but the protocol's own, and no disagreement.
    static class Fuzz
    {
        public static void Run(string folder, int seed, long bytes)
        {
            var chance = new Random(seed);
            var good = new[] { "client", "server" }.SelectMany(sender => Json.Entries(Json.Read($"{folder}/{sender}.json")))
                .Select(vector => vector.Bytes()).ToList();
            var fast = new FastReader();
            int messages = 0, taken = 0;
            for (var done = 0L; done < bytes; messages++)
            {
                var data = chance.Next(3) == 0 ? Arbitrary(chance) : Damaged(chance, good[chance.Next(good.Count)]);
                done += data.Length;
                taken += Try(data, Schema.Client) ? 1 : 0;
                var server = Try(data, Schema.Server);
                taken += server ? 1 : 0;
                var kind = fast.Read(Vectors.Filled(data));
                if (kind != FastReader.Kind.Other && !server)
                    Report.Fail($"the fast reader takes {Convert.ToBase64String(data)}");
            }
            Masks(seed);
            Report.True("no message was taken", taken > 0);
            Console.WriteLine($"{messages} messages, {taken} taken");
        }

        /// A frame's bytes are masked alike, in whatever pieces they come (RFC 6455, section 5.3).
        public static void Masks(int seed)
        {
            var chance = new Random(seed);
            for (var count = 0; count < 300; count++)
            {
                var data = new byte[chance.Next(1, 300)];
                chance.NextBytes(data);
                var buffer = new OutgoingBuffer();
                buffer.Start(2, data.Length, (uint)chance.Next());
                var payload = buffer.End;
                for (int at = 0, size; at < data.Length; at += size)
                {
                    size = chance.Next(1, data.Length - at + 1);
                    buffer.Put(data.Skip(at).Take(size).ToArray(), size);
                }
                var plain = buffer.Bytes.Skip(payload).Take(data.Length)
                    .Select((each, index) => (byte)(each ^ buffer.Bytes[payload - 4 + index % 4]));
                Report.True("a frame is masked", plain.SequenceEqual(data) && buffer.End == payload + data.Length);
            }
        }

        static bool Try(byte[] data, Schema schema)
        {
            try
            {
                Message.Decode(data, schema);
                return true;
            }
            catch (ProtocolException)
            {
                return false;
            }
            catch (Exception problem)
            {
                Report.Fail($"{problem.GetType().Name} for {Convert.ToBase64String(data)}");
                return false;
            }
        }

        static byte[] Arbitrary(Random chance)
        {
            var data = new byte[chance.Next(200)];
            chance.NextBytes(data);
            if (data.Length > 4 && chance.Next(4) > 0)
                BitConverter.GetBytes(data.Length - 4).CopyTo(data, 0);
            if (data.Length > 5)
                data[4] = (byte)(0x80 | data[4] & 15);
            return data;
        }

        static byte[] Damaged(Random chance, byte[] good)
        {
            var data = new List<byte>(good);
            for (var count = chance.Next(1, 5); count > 0 && data.Count > 5; count--)
            {
                var at = chance.Next(4, data.Count);
                switch (chance.Next(4))
                {
                    case 0: data[at] = (byte)chance.Next(256); break;
                    case 1: data.Insert(at, (byte)chance.Next(256)); break;
                    case 2: data.RemoveAt(at); break;
                    default: data[at] ^= (byte)(1 << chance.Next(8)); break;
                }
            }
            if (data.Count >= 4 && chance.Next(10) < 7)
            {
                var size = BitConverter.ToInt32(good, 0) + data.Count - good.Length;
                var bytes = BitConverter.GetBytes(Math.Max(size, 0));
                for (var index = 0; index < 4; index++)
                    data[index] = bytes[index];
            }
            return data.ToArray();
        }
    }
}
