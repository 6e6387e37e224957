#nullable enable
using System;
using System.Collections.Generic;
using static Mirage.Checks;

namespace Mirage
{
    /// <summary>A field of a message: its check, or what is in it; planes have neither.</summary>
    internal sealed class Field
    {
        public string Name { get; }
        public Check? Check { get; }
        public Field[]? Nested { get; set; }
        public bool Required { get; set; } = true;
        public Func<object>? Default { get; set; }

        public Field(string name, Check? check)
        {
            Name = name;
            Check = check;
        }
    }

    /// <summary>The messages that one side sends (SPEC.md section 4). Fields stand in the order in which they are checked.</summary>
    internal sealed class Schema
    {
        public static readonly Check Name = Text(200);
        public static readonly Check Values = MapOf(Anything);

        static readonly Check Role = Choice("source", "viewer", "controller");
        static readonly Check Version = Integer(1, 65_536);
        static readonly Check Window = Integer(1, Limits.Window);
        static readonly Check Size = Integer(0, uint.MaxValue);
        static readonly Check Matrix = ListOf(Number(), 16);
        static readonly Check Seconds = Number(0, 86_400);
        static readonly Check Names = ListOf(Name);

        static readonly Field ResultFormat = Optional("result_format", Choice("raw", "jpeg"), () => "raw");
        static readonly Field Quality = Optional("quality", Integer(1, 100), () => (long)Limits.DefaultQuality);

        static readonly Field[] Camera =
        {
            Needed("view", Matrix), Needed("projection", Matrix), Needed("near", Number(0)), Needed("far", Number(0)),
        };

        public static readonly Schema Client = new Schema
        {
            _messages =
            {
                ["hello"] = new[]
                {
                    Needed("role", Role), Optional("protocol", Version, () => (long)Limits.Protocol),
                    Optional("client", Name, () => ""), Optional("token", Text(1000)),
                    Optional("take_over", Flag, () => false),
                    Optional("window", Window, () => (long)Limits.DefaultWindow),
                    Optional("parameters", Values, EmptyMap), ResultFormat, Quality,
                },
                ["frame"] = new[]
                {
                    Needed("id", Unsigned), Needed("planes", null), Optional("time", Unsigned, () => 0L),
                    Optional("motion_from", Unsigned), new Field("camera", null) { Nested = Camera, Required = false },
                },
                ["set"] = new[] { Needed("request", Unsigned), Needed("parameters", Values) },
                ["share"] = new[]
                {
                    Needed("request", Unsigned), Needed("frame_size", Size), Needed("result_size", Size),
                    Optional("wake", Choice("pipe", "message", "none"), () => "message"),
                    Optional("check", Flag, () => false),
                },
                ["shared"] = new[] { Needed("request", Unsigned), Needed("nonce", Binary(16)) },
                ["unshared"] = new[] { Needed("request", Unsigned), Optional("reason", Text(), () => "") },
                ["wake"] = new Field[0],
                ["show"] = new[]
                {
                    Needed("request", Unsigned),
                    Needed("action", Choice("watch", "go", "back", "goto", "recall", "pause", "play", "save-preset",
                        "delete-preset", "save-cue", "delete-cue", "learn", "stop-learning", "forget")),
                    Optional("cue", Name), Optional("preset", Name), Optional("parameter", Name), Optional("name", Name),
                    Optional("fade", Seconds), Optional("curve", Choice("linear", "smooth", "ease-in", "ease-out")),
                    Optional("follow", Seconds),
                },
                ["ping"] = new[] { Needed("time", Unsigned) },
            },
        };

        public static readonly Schema Server = new Schema
        {
            _messages =
            {
                ["hello"] = new[]
                {
                    Needed("protocol", Version), Needed("server", Name), Needed("stream", Name), Needed("model", Values),
                    Needed("capabilities", Values), Needed("parameters", ListOf(Values)),
                    Optional("token_required", Flag, () => false),
                },
                ["ready"] = new[]
                {
                    Needed("connection", Unsigned), Needed("role", Role), Needed("stream", Name), Needed("window", Window),
                    Needed("parameters", Values), ResultFormat, Quality,
                },
                ["result"] = new[]
                {
                    Needed("id", Unsigned), Needed("planes", null), Optional("time", Unsigned, () => 0L),
                    Optional("dropped", Unsigned, () => 0L), Optional("dropped_ids", ListOf(Unsigned), EmptyList),
                    Optional("received", Unsigned, () => 0L), Optional("sent", Unsigned, () => 0L),
                    Optional("timings", MapOf(Number(0)), EmptyMap), Optional("parameters", Values, EmptyMap),
                    Optional("resets", Unsigned, () => 0L), Optional("memory", Number(0, 1), () => 0.0),
                    Optional("stages", MapOf(ListOf(Unsigned, 2)), EmptyMap), Optional("lag", Unsigned, () => 0L),
                },
                ["dropped"] = new[] { Needed("ids", ListOf(Unsigned)), Needed("reason", Choice("newer", "failed")) },
                ["ack"] = new[]
                {
                    Needed("request", Unsigned), Needed("parameters", Values), Optional("prompt", Values),
                },
                ["parameters"] = new[] { Needed("parameters", Values) },
                ["status"] = new[]
                {
                    Needed("state", Choice("waiting", "streaming", "paused", "recovering")),
                    Optional("message", Text(), () => ""),
                },
                ["error"] = new[]
                {
                    Needed("code", Text(40)), Needed("message", Text()), Optional("field", Text(400)),
                    Optional("request", Unsigned), Optional("id", Unsigned),
                },
                ["memory"] = new[]
                {
                    Needed("request", Unsigned), Needed("path", Text(1000)), Needed("size", Size),
                    Optional("frames_pipe", Text(1000)), Optional("results_pipe", Text(1000)),
                },
                ["wake"] = new Field[0],
                ["show"] = new[]
                {
                    Optional("name", Name, () => ""), Optional("file", Text(), () => ""),
                    Optional("presets", Names, EmptyList), Optional("cues", ListOf(Values), EmptyList),
                    Optional("current", Name), Optional("next", Name), Optional("fading", Number(0), () => 0.0),
                    Optional("following", Number(0)), Optional("bindings", ListOf(Values), EmptyList),
                    Optional("learning", Name), Optional("devices", Names, EmptyList),
                    Optional("sound", Text(1000), () => ""), Optional("problems", ListOf(Text()), EmptyList),
                },
                ["pong"] = new[] { Needed("time", Unsigned), Needed("server_time", Unsigned) },
            },
        };

        readonly Dictionary<string, Field[]> _messages = new Dictionary<string, Field[]>(StringComparer.Ordinal);

        /// <summary>The fields of a message; null for one that this side does not send.</summary>
        public Field[]? Find(string type) => _messages.TryGetValue(type, out var fields) ? fields : null;

        static Field Needed(string name, Check? check) => new Field(name, check);

        static Field Optional(string name, Check check, Func<object>? otherwise = null) =>
            new Field(name, check) { Required = false, Default = otherwise };

        static object EmptyMap() => new Dictionary<string, object?>();

        static object EmptyList() => new List<object?>();
    }
}
