"""Messages that every receiver must understand, and what they mean."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgpack

import mirage_protocol as protocol
from mirage_protocol import Camera, ClientHello, Frame, Message, Plane, ServerHello
from vector_cases.build import (
    ABSENT,
    CAMERA,
    IDENTITY,
    LARGEST,
    PIXELS,
    described,
    frame,
    nested,
    packed,
    plane,
    raw,
    result,
)


def client_messages() -> Iterator[tuple[str, bytes, Message]]:
    """Yield the name, the bytes and the meaning of each message from a client."""
    for name, message in plain_client_messages():
        yield name, protocol.encode(message), message
    yield "hello: only its role", packed({"type": "hello", "role": "viewer"}), ClientHello("viewer")
    nils = dict.fromkeys(("protocol", "client", "token", "take_over", "window", "parameters"))
    yield "hello: nil is absent", packed({"type": "hello", "role": "viewer", **nils}), ClientHello("viewer")
    basic = Frame(1, {"color": PIXELS})
    yield "frame: nil is absent", frame(time=None, motion_from=None, camera=None), basic
    yield "frame: a nil plane is absent", frame(planes={"color": described(), "depth": None}), basic
    yield "frame: unknown fields", frame(mood=[1, {"x": None}], size=2**64 - 1, blob=b"\x00\xff", speed=-1.5), basic
    yield "frame: 8 maps deep", frame(extra=nested(7)), basic
    yield "frame: unknown fields of a plane", frame(planes={"color": described(pitch=8, name="main")}), basic
    yield "frame: an unknown plane", frame(planes={"color": described(), "albedo": {"format": 3}}), basic
    yield "frame: bytes after the last plane", frame(bytes(range(8)) + b"ignored"), basic
    padding = frame().replace(bytes(range(8)), b"")
    assert len(padding) % 16 == 0
    yield "frame: padding is not looked at", padding.rstrip(b"\0").ljust(len(padding), b"\7") + bytes(range(8)), basic
    both = {"depth": described("r32f", offset=16), "color": described(offset=0)}
    apart = bytes(range(8)) + b"12345678" + bytes([0, 0, 32, 64, 0, 0, 128, 127])
    depth = Plane.of("r32f", 2, 1, apart[16:])
    yield "frame: bytes between planes", frame(apart, planes=both), Frame(1, {"color": PIXELS, "depth": depth})
    swapped = {"color": described(offset=16), "depth": described("r32f", offset=0)}
    turned = Frame(1, {"color": Plane.of("rgba8", 2, 1, apart[16:]), "depth": Plane.of("r32f", 2, 1, apart[:8])})
    yield "frame: planes in another order", frame(apart, planes=swapped), turned
    shared = {"color": described("rgb8", size=6), "normal": described("rgb8", size=6)}
    six = Plane.of("rgb8", 2, 1, bytes(range(6)))
    yield "frame: planes that share bytes", frame(planes=shared), Frame(1, {"color": six, "normal": six})
    whole = {"view": [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1], "projection": IDENTITY, "near": 0, "far": 9}
    meant = Frame(1, {"color": PIXELS}, camera=Camera(IDENTITY, IDENTITY, 0.0, 9.0))
    yield "frame: integers serve for numbers", frame(camera=whole), meant
    wide = b"\x83" + b"\xa4type\xa3set" + b"\xa7request\xcf" + struct.pack(">Q", 5) + b"\xaaparameters\xde\x00\x00"
    yield "set: numbers and sizes in wide encodings", raw(wide), protocol.Set(5, {})
    yield "ping: padded to 16 bytes", packed({"type": "ping", "time": 1}) + bytes(2), protocol.Ping(1)


def plain_client_messages() -> Iterator[tuple[str, Message]]:
    """Yield messages from a client as this implementation writes them."""
    yield "hello: source", ClientHello("source")
    yield "hello: viewer", ClientHello("viewer", client="looker 1.0")
    yield "hello: controller with parameters", ClientHello("controller", parameters={"prompt": "ink", "strength": 0.5})
    everything = {
        "prompt": "lava, slow",
        "prompts": [{"text": "lava, slow", "weight": 0.75}, {"text": "墨絵", "weight": 0.25}],
        "strength": 0.25,
        "coherence": 0.875,
        "steps": 2,
        "seed": 2**31 - 1,
        "mask_ids": [0, 2**32 - 1],
        "transition": 1.5,
    }
    yield "hello: every field", ClientHello("source", 1, "engine 4.6", "s3cret", True, 64, everything, "jpeg", 100)
    yield "hello: another version", ClientHello("source", 2)
    yield "hello: unicode token", ClientHello("source", token="шифр-🔑")
    yield "frame: rgba8", Frame(0, {"color": plane("rgba8", 2, 1)})
    yield "frame: rgb8, odd size", Frame(1, {"color": plane("rgb8", 3, 5)})
    padded = Plane.of("rgb8", 3, 2, bytes(range(21)), stride=12)
    yield "frame: rows with padding", Frame(4, {"color": padded})
    upside_down = Plane.of("rg16f", 3, 2, bytes(range(28)), stride=16, bottom_up=True)
    yield "frame: the last row first", Frame(5, {"color": padded, "motion": upside_down}, motion_from=4)
    yield "frame: one pixel", Frame(2, {"color": plane("rgb8", 1, 1)})
    yield "frame: jpeg", Frame(3, {"color": plane("jpeg", 640, 360)})
    yield "frame: the largest numbers", Frame(LARGEST, {"color": PIXELS}, time=LARGEST, motion_from=LARGEST - 1)
    full = {
        "color": plane("rgba8", 4, 2),
        "depth": plane("r32f", 4, 2),
        "motion": plane("rg16f", 4, 2),
        "normal": plane("rgb8", 4, 2),
        "ids": plane("r32u", 4, 2),
    }
    yield "frame: every plane and field", Frame(9, full, time=123_456, motion_from=7, camera=CAMERA)
    smaller = {"color": plane("rgb8", 6, 6), "depth": plane("r32f", 3, 3), "motion": plane("rg16f", 2, 2)}
    yield "frame: smaller planes", Frame(10, smaller | {"normal": plane("rgba8", 1, 1)}, motion_from=9)
    yield "frame: motion without motion_from", Frame(11, {"color": PIXELS, "motion": plane("rg16f", 2, 1)})
    yield "frame: camera alone", Frame(12, {"color": PIXELS}, camera=CAMERA)
    yield "set: one", protocol.Set(0, {"strength": 0.0})
    yield "set: every parameter", protocol.Set(LARGEST, everything)
    yield "set: nothing", protocol.Set(1, {})
    yield "set: empty text", protocol.Set(2, {"prompt": ""})
    yield "set: unicode", protocol.Set(3, {"prompt": "墨絵 à l'huile, 🌊 e\u0301 \u0000 \U0010ffff"})
    yield "set: a byte order mark at the start is text", protocol.Set(3, {"prompt": "\ufeffink"})
    yield "set: 1,000 characters of 4 bytes", protocol.Set(4, {"prompt": "🌊" * 1000})
    yield "set: no prompts", protocol.Set(5, {"prompts": []})
    longest = [{"text": letter * 1000, "weight": 1000.0} for letter in "abcdefgh"]
    yield "set: the largest blend", protocol.Set(6, {"prompts": longest})
    # What a value must be is the table's affair (parameters.json), not the message's.
    yield "set: a blend of a later version", protocol.Set(7, {"prompts": [{"picture": 3, "weight": 0.5}]})
    yield "share", protocol.Share(0, 1_330_000, 1_330_000, "pipe")
    yield "share: the largest, and woken by nobody", protocol.Share(LARGEST, 2**32 - 1, 0, "none")
    yield "share: woken by messages", protocol.Share(1, 0, 65_536)
    yield "share: with checks", protocol.Share(1, 65_536, 65_536, check=True)
    yield "shared", protocol.Shared(0, bytes(range(16)))
    yield "unshared", protocol.Unshared(0)
    yield "unshared: with a reason", protocol.Unshared(2, "Permission denied")
    yield "wake", protocol.WakeUp()
    yield "show: watch", protocol.Play(1, "watch")
    yield "show: goto", protocol.Play(2, "goto", cue="1.5")
    yield "show: recall", protocol.Play(3, "recall", preset="Sturm 🌊", fade=2.5, curve="ease-in")
    yield "show: learn", protocol.Play(4, "learn", parameter="strength")
    cue = {"preset": "storm", "name": "Dusk", "fade": 4.0, "curve": "smooth", "follow": 86_400.0}
    yield "show: save-cue", protocol.Play(5, "save-cue", cue="7", **cue)
    yield "ping", protocol.Ping(1_700_000_000_000_000)
    yield "ping: zero", protocol.Ping(0)


def server_messages() -> Iterator[tuple[str, bytes, Message]]:
    """Yield the name, the bytes and the meaning of each message from a server."""
    for name, message in plain_server_messages():
        yield name, protocol.encode(message), message
    least = protocol.Result(1, {"color": PIXELS}, time=2)
    yield "result: only what it needs", result(), least
    optional = (
        "dropped",
        "dropped_ids",
        "received",
        "sent",
        "timings",
        "parameters",
        "resets",
        "memory",
        "stages",
        "lag",
    )
    yield "result: nil is absent", result(**dict.fromkeys(optional)), least
    everything = protocol.Result(1, {"color": PIXELS}, time=2, resets=1, memory=1.0)
    yield "result: an integer serves for the memory", result(resets=1, memory=1), everything
    yield "result: without a time", result(time=ABSENT), protocol.Result(1, {"color": PIXELS})
    yield "result: unknown fields", result(quality={"tier": 2}, log=["a", "b"]), least
    times = protocol.Result(1, {"color": PIXELS}, time=2, timings={"diffusion": 12.0, "dreaming": 0.5})
    yield "result: unknown timings", result(timings={"diffusion": 12, "dreaming": 0.5}), times
    single = b"\x82\xa4type\xa6result" + b"\xa2id\x01" + b"\xa7timings\x81\xa5queue\xca" + struct.pack(">f", 0.5)
    single = b"\x84" + single[1:] + b"\xa6planes" + msgpack.packb({"color": described()})
    half = protocol.Result(1, {"color": PIXELS}, timings={"queue": 0.5})
    yield "result: a float of 32 bits", raw(single, bytes(range(8))), half
    unknown = packed({"type": "error", "code": "too-tired", "message": "later", "retry": 5})
    yield "error: a code of a later version", unknown, protocol.Error("too-tired", "later")  # type: ignore[arg-type]
    yield (
        "status: nil is absent",
        packed({"type": "status", "state": "waiting", "message": None}),
        protocol.Status("waiting"),
    )


def plain_server_messages() -> Iterator[tuple[str, Message]]:
    """Yield messages from a server as this implementation writes them."""
    looks = [{"name": "ink", "help": "Black strokes on paper."}, {"name": "lava", "help": "Glowing rock."}]
    model = {"name": "lsd-mini", "description": "A small model.", "looks": looks, "unused": ["guidance"]}
    capabilities = {
        "roles": ["source", "viewer", "controller"],
        "planes": {name: list(formats) for name, formats in protocol.PLANE_FORMATS.items()},
        "transports": ["websocket"],
        "max_width": 4096,
        "max_height": 4096,
        "window": 2,
    }
    table = tuple(parameter.describe() for parameter in protocol.PARAMETERS.values())
    yield "hello", ServerHello(1, "mirage 0.1.0", "main", model, capabilities, table)
    yield "hello: token required", ServerHello(1, "mirage", "a-1_b", model, capabilities, table, True)
    yield "hello: nothing known", ServerHello(1, "", "main", {}, {}, ())
    yield "ready", protocol.Ready(1, "source", "main", 2, protocol.defaults())
    yield "ready: results as JPEG", protocol.Ready(2, "viewer", "main", 2, {}, "jpeg", 70)
    yield "ready: the largest numbers", protocol.Ready(LARGEST, "controller", "main", 64, {"seed": 2**31 - 1})
    yield "result", protocol.Result(5, {"color": plane("rgb8", 3, 2)}, time=17)
    timings = {"queue": 0.25, "preprocess": 0.5, "temporal": 1.75, "diffusion": 19.5, "render": 0.125, "transfer": 0.0}
    record = {
        "prompts": [{"text": "ink", "weight": 0.625}, {"text": "moss", "weight": 0.375}],
        "strength": 0.5,
        "coherence": 1.0,
        "steps": 1,
        "seeds": [{"seed": 0, "weight": 0.6}, {"seed": 2**31 - 1, "weight": 0.8}],
    }
    whole = protocol.Result(
        LARGEST,
        {"color": PIXELS},
        LARGEST,
        3,
        (1, 2, LARGEST - 1),
        1_000_000,
        1_022_125,
        timings,
        record,
        resets=2,
        memory=0.8125,
        stages={"queue": (1_000_000, 1_000_250), "diffusion": (1_002_500, 1_022_000)},
        lag=3,
    )
    yield "result: every field", whole
    yield "result: a cut", protocol.Result(7, {"color": PIXELS}, resets=LARGEST, memory=0.0)
    yield "result: all of it remembered", protocol.Result(8, {"color": PIXELS}, memory=1.0)
    yield "result: 64 dropped frames", protocol.Result(99, {"color": PIXELS}, dropped=64, dropped_ids=tuple(range(64)))
    yield "result: jpeg", protocol.Result(6, {"color": plane("jpeg", 64, 64)})
    yield "dropped: newer", protocol.Dropped((4,), "newer")
    yield "dropped: failed", protocol.Dropped((4, 5, 6), "failed")
    yield "dropped: none", protocol.Dropped((), "newer")
    yield "ack", protocol.Acknowledged(0, {"strength": 0.5})
    meaning = {"looks": {"ink": 1.0}, "modifiers": {"heavy": 0.75}, "unknown_words": ["banana", "été"]}
    meaning |= {"confidence": 0.25, "nearest": ["sketch", "comic"]}
    yield "ack: prompt", protocol.Acknowledged(LARGEST, {"prompt": "heavy ink banana été"}, meaning)
    blend = [{"text": "lava", "weight": 0.7}, {"text": "ice", "weight": 0.3}]
    yield "ack: prompts", protocol.Acknowledged(2, {"prompts": blend})
    yield "ack: a prompt ends the blend", protocol.Acknowledged(3, {"prompt": "ink", "prompts": []})
    yield "parameters", protocol.ParametersChanged({"prompt": "moss", "seed": 12, "transition": 0.5})
    yield "parameters: prompts", protocol.ParametersChanged({"prompts": blend, "coherence": 0.5})
    yield "parameters: a prompt ends the blend", protocol.ParametersChanged({"prompt": "ink", "prompts": []})
    yield "status: waiting", protocol.Status("waiting")
    yield "status: streaming", protocol.Status("streaming", "")
    yield "status: paused", protocol.Status("paused")
    yield "status: recovering", protocol.Status("recovering", "the worker stopped and is being started again")
    yield "error", protocol.Error("internal", "the model could not be loaded")
    yield "error: to a request", protocol.Error("out-of-range", "strength is 0 to 1", "parameters.strength", request=7)
    yield "error: to a frame", protocol.Error("plane-size", "too short", "planes.color.size", id=3)
    yield "error: every field", protocol.Error("malformed", "никак", "planes.color", request=0, id=LARGEST)
    yield "memory", protocol.Memory(0, "/proc/4711/fd/12", 8_192)
    pipes = ("/proc/4711/fd/13", "/proc/4711/fd/16")
    yield "memory: with pipes", protocol.Memory(LARGEST, "/proc/4711/fd/12", 2**32 - 1, *pipes)
    yield "wake", protocol.WakeUp()
    yield "show: nothing", protocol.ShowState()
    cue = {"number": "1.5", "name": "Dusk", "preset": "storm", "fade": 4.0, "curve": "smooth", "follow": 0.5}
    everything = protocol.ShowState(
        name="Tides",
        file="/shows/tides.toml",
        presets=("shore", "storm"),
        cues=(cue,),
        current="1",
        next="1.5",
        fading=0.25,
        following=3.0,
        bindings=({"control": "control 7", "stream": "main", "parameter": "strength"},),
        learning="main/coherence",
        devices=("nanoKONTROL2",),
        sound="tide.wav",
        problems=("no MIDI device is there",),
    )
    yield "show: everything", everything
    yield "pong", protocol.Pong(1, 2)
    yield "pong: the largest numbers", protocol.Pong(LARGEST, LARGEST)
