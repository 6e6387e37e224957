#nullable enable
using System;
using System.Collections.Generic;
using System.Linq;

namespace Mirage.Tests
{
    /// The core against protocol/vectors, and against what the reference made of damaged bytes.
    static class Vectors
    {
        static readonly FastReader Fast = new FastReader();

        public static void Run(string folder)
        {
            foreach (var sender in new[] { "client", "server" })
                foreach (var vector in Json.Entries(Json.Read($"{folder}/{sender}.json")))
                    Good(sender, vector);
            foreach (var vector in Json.Entries(Json.Read($"{folder}/malformed.json")))
                Refused(vector);
            foreach (var vector in Json.Entries(Json.Read($"{folder}/conventions.json")))
                Conventions.Check(vector);
            RunParameters((Dictionary<string, object?>)Json.Read($"{folder}/parameters.json")!);
            FastTests.Run();
            RingTests.Vectors($"{folder}/ring.json");
        }

        public static void Outcomes(string file)
        {
            foreach (var vector in Json.Entries(Json.Read(file)))
                Refused(vector);
        }

        /// The message as the vectors write it, or its error.
        public static (Message?, object?) Outcome(byte[] bytes, string sender)
        {
            try
            {
                var message = Message.Decode(bytes, sender == "client" ? Schema.Client : Schema.Server);
                return (message, null);
            }
            catch (ProtocolException problem)
            {
                return (null, Error(problem.Error));
            }
        }

        public static void Good(string sender, Dictionary<string, object?> vector)
        {
            var name = $"{sender}: {(vector.TryGetValue("name", out var given) ? given : vector["section"])}";
            var bytes = vector.Bytes();
            var (message, error) = Outcome(bytes, sender);
            Report.Same(name, error ?? Whole(message!, bytes), vector["message"]);
            if (message == null)
                return;
            Again(name, Encoder.Encode(message, bytes), sender, vector["message"]);
            if (message.Type == "frame")
                Again($"{name}, by the writer of frames", Encoder.EncodeFrame(message, bytes), sender, vector["message"]);
            if (sender == "server")
                SameFast(name, bytes, message);
        }

        static void Again(string name, byte[] bytes, string sender, object? expected)
        {
            var (message, error) = Outcome(bytes, sender);
            Report.Same($"{name}, encoded again", error ?? Whole(message!, bytes), expected);
        }

        static void Refused(Dictionary<string, object?> vector)
        {
            var (bytes, sender) = (vector.Bytes(), vector.Text("direction"));
            var name = vector.TryGetValue("name", out var given) ? given : vector["bytes"];
            var (message, error) = Outcome(bytes, sender);
            Report.Same($"{sender}: {name}", error, vector["error"]);
            if (sender == "server")
                SameFast($"{sender}: {name}", bytes, message);
        }

        /// What the fast reader takes, the other one takes too, and makes the same of; results of both are alike.
        public static void SameFast(string name, byte[] bytes, Message? message)
        {
            var result = Filled(bytes);
            var kind = Fast.Read(result);
            if (kind == FastReader.Kind.Other)
            {
                if (message?.Type != "result")
                    return;
                ResultFiller.Fill(result, message);
            }
            if (message == null)
            {
                Report.Fail($"{name}: the fast reader takes it, as {kind}");
                return;
            }
            Report.Same($"{name}, read fast", kind == FastReader.Kind.Other ? "result" : kind.ToString().ToLowerInvariant(), message.Type);
            if (message.Type == "result")
                Report.Same($"{name}, read fast", AsMessage(result), Whole(message, bytes));
            else if (message.Type == "dropped")
                Report.Same($"{name}, read fast", result.DroppedIds.ToArray().Select(each => (object?)each).ToList(), message.List("ids"));
            else if (message.Type == "pong")
                Report.True($"{name}, read fast", result.Time == message.Integer("time") && Fast.ServerTime == message.Integer("server_time"));
        }

        public static Result Filled(byte[] bytes)
        {
            var result = new Result();
            ResultPool.Grow(result, bytes.Length + 1);
            bytes.CopyTo(result.Memory, 0);
            result.Length = bytes.Length;
            return result;
        }

        static object? AsMessage(Result result)
        {
            var color = new Dictionary<string, object?>
            {
                ["format"] = result.Format.Name(),
                ["width"] = result.Width.ToString(),
                ["height"] = result.Height.ToString(),
                ["data"] = Convert.ToBase64String(result.PixelSegment.Array, result.PixelSegment.Offset, result.PixelSegment.Count),
            };
            if (result.Stride != result.Width * result.Format.BytesPerPixel())
                color["stride"] = result.Stride.ToString();
            if (result.BottomUp)
                color["bottom_up"] = true;
            var timings = new Dictionary<string, object?>();
            for (var index = 0; index < result.Timings.Count; index++)
                timings.Add(result.Timings.Name(index), result.Timings.Value(index));
            var stages = new Dictionary<string, object?>();
            for (var index = 0; index < result.Stages.Count; index++)
                stages.Add(result.Stages.Name(index), new List<object?> { result.Stages.Value(index).Begin.ToString(), result.Stages.Value(index).End.ToString() });
            return new Dictionary<string, object?>
            {
                ["type"] = "result", ["id"] = result.Id.ToString(), ["time"] = result.Time.ToString(),
                ["planes"] = new Dictionary<string, object?> { ["color"] = color },
                ["dropped"] = result.Dropped.ToString(), ["received"] = result.Received.ToString(), ["sent"] = result.Sent.ToString(),
                ["dropped_ids"] = result.DroppedIds.ToArray().Select(each => (object?)each.ToString()).ToList(),
                ["timings"] = timings, ["stages"] = stages, ["resets"] = result.Resets.ToString(), ["lag"] = result.Lag.ToString(), ["memory"] = result.Remembered,
                ["parameters"] = Json.Written(new Dictionary<string, object?>(result.ReadParameters().ToDictionary(each => each.Key, each => each.Value)), Array.Empty<byte>()),
            };
        }

        static object? Whole(Message message, byte[] bytes)
        {
            var whole = (Dictionary<string, object?>)Json.Written(message.Fields, bytes)!;
            whole.Add("type", message.Type);
            return whole;
        }

        static object Error(MirageError error) =>
            new Dictionary<string, object?> { ["code"] = error.Code, ["field"] = error.Field };

        static void RunParameters(Dictionary<string, object?> vectors)
        {
            Report.Same("the table", Mirage.Parameters.All.Select(Described).ToList(), vectors["table"]);
            foreach (var vector in Json.Entries(vectors["good"]))
            {
                var (message, error) = Outcome(vector.Bytes(), "client");
                Report.Same(vector.Text("name"), error ?? Kept(message!, out _), vector["kept"]);
            }
            foreach (var vector in Json.Entries(vectors["bad"]))
            {
                var text = "";
                var (message, error) = Outcome(vector.Bytes(), "client");
                Report.Same(vector.Text("name"), error ?? Kept(message!, out text), vector["error"]);
                if (vector["nearest"] is string nearest)
                    Report.True($"{vector["name"]}: '{text}' does not name {nearest}", text.Contains($"'{nearest}'"));
            }
        }

        static object? Kept(Message message, out string text)
        {
            text = "";
            try
            {
                return Json.Written(ParameterChecks.CheckAll(message.Map("parameters"), "parameters"), Array.Empty<byte>());
            }
            catch (ProtocolException problem)
            {
                text = problem.Message;
                return Error(problem.Error);
            }
        }

        static object? Described(ParameterInfo parameter)
        {
            object? Number(double value) => parameter.Type == ParameterType.Integer || parameter.Type == ParameterType.Integers
                ? (object)((long)value).ToString() : value;
            var described = new Dictionary<string, object?>
            {
                ["name"] = parameter.Name, ["type"] = parameter.Type.ToString().ToLowerInvariant(), ["unit"] = parameter.Unit,
                ["help"] = parameter.Help,
                ["default"] = parameter.Default == null ? new List<object?>()
                    : parameter.Default is string ? parameter.Default : Number(Convert.ToDouble(parameter.Default)),
            };
            if (parameter.Type != ParameterType.Text)
                (described["minimum"], described["maximum"]) = (Number(parameter.Minimum), Number(parameter.Maximum));
            if (parameter.MaxLength > 0)
                described["max_length"] = parameter.MaxLength.ToString();
            if (parameter.MaxItems > 0)
                described["max_items"] = parameter.MaxItems.ToString();
            if (parameter.Clip)
                described["clip"] = true;
            return described;
        }
    }
}
