#nullable enable
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;

namespace Mirage.Tests
{
    /// Rings in shared memory: the vectors, and a race against a writer or reader in another process.
    static class RingTests
    {
        public static void Vectors(string file)
        {
            foreach (var vector in Json.Entries(Json.Read(file)))
            {
                var path = Path.GetTempFileName();
                try
                {
                    File.WriteAllBytes(path, Content(vector));
                    var expected = ((List<object?>?)vector["messages"])?.ToList();
                    Report.Same($"ring: {vector["name"]}", Messages(path, long.Parse(vector.Text("size"))), expected);
                }
                finally
                {
                    File.Delete(path);
                }
            }
        }

        /// Two writers of one ring: the second one finds out.
        public static void SecondWriter(string path, long size)
        {
            using (var first = new SharedMemory(path, size))
            using (var second = new SharedMemory(path, size))
            {
                Report.True("the first writer writes", first.Frames.TryBegin(false));
                first.Frames.Commit();
                Report.True("the second writer is told", !second.Frames.TryBegin(false));
                Report.True("the first one goes on", first.Frames.TryBegin(true));
            }
        }

        static byte[] Content(Dictionary<string, object?> vector)
        {
            var content = new byte[long.Parse(vector.Text("size"))];
            foreach (var line in (Dictionary<string, object?>)vector["lines"]!)
            {
                var bytes = Convert.FromBase64String((string)line.Value!);
                Array.Copy(bytes, 0, content, long.Parse(line.Key), Math.Min(bytes.Length, content.Length - long.Parse(line.Key)));
            }
            return content;
        }

        static List<object?>? Messages(string path, long size)
        {
            try
            {
                using (var memory = new SharedMemory(path, size))
                {
                    var found = new List<object?>();
                    foreach (var message in Drained(memory.ReaderOfFrames()))
                        found.Add(Convert.ToBase64String(message));
                    return found;
                }
            }
            catch (ProtocolException)
            {
                return null;
            }
        }

        static IEnumerable<byte[]> Drained(RingReader reader)
        {
            var result = new Result();
            while (reader.TryRead(result))
                yield return result.Memory.Take(result.Length).ToArray();
        }

        /// Read the ring of results until a message "end": each message is one byte, again and again, and none may be torn.
        public static void Read(string path, long size)
        {
            using (var memory = new SharedMemory(path, size))
            {
                var result = new Result();
                int count = 0, torn = 0;
                var first = (byte)0;
                for (var deadline = Clock.Now + 60_000_000; Clock.Now < deadline;)
                {
                    if (!memory.Results.TryRead(result))
                        continue;
                    memory.Results.Took();
                    if (result.Length == 3)
                    {
                        Report.True($"{torn} of {count} messages were torn", torn == 0);
                        Report.True("nothing was read", count > 0);
                        Console.WriteLine($"read {count}");
                        return;
                    }
                    count++;
                    first = result.Memory[0];
                    for (var index = 0; index < result.Length; index++)
                        torn += result.Memory[index] == first ? 0 : 1;
                }
                Report.Fail("the end never came");
            }
        }

        /// Write so many messages like those into the ring of frames, and then "end".
        public static unsafe void Write(string path, long size, int count)
        {
            using (var memory = new SharedMemory(path, size))
            {
                var chance = new Random(1);
                var bytes = new byte[memory.Frames.Place.Capacity];
                for (var number = 0; number <= count; number++)
                {
                    var length = number == count ? 3 : chance.Next(4, bytes.Length + 1);
                    for (var index = 0; index < length; index++)
                        bytes[index] = (byte)number;
                    Report.True("the ring is ours", memory.Frames.TryBegin(chance.Next(2) == 0 && number < count));
                    fixed (byte* data = bytes)
                        memory.Frames.Put(data, length);
                    memory.Frames.Commit();
                }
            }
        }

        /// Whether a path is one that a server may name.
        public static void Paths(string good, string bad)
        {
            foreach (var path in good.Split(';'))
                Report.True($"{path} is refused", Passes(path));
            foreach (var path in bad.Split(';'))
                Report.True($"{path} is taken", !Passes(path));
        }

        static bool Passes(string path)
        {
            try
            {
                SharedMemory.CheckPath(path);
                return true;
            }
            catch (ProtocolException)
            {
                return false;
            }
        }
    }
}
