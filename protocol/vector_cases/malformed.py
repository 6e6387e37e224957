"""Messages that every receiver must refuse, with the code and the field that it must name."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator

import msgpack

import mirage_protocol as protocol
from mirage_protocol import Frame
from vector_cases.build import (
    ABSENT,
    IDENTITY,
    LARGEST,
    PIXELS,
    PROJECTION,
    Json,
    described,
    frame,
    nested,
    packed,
    plane,
    raw,
    result,
)

Case = tuple[str, bytes, protocol.ErrorCode, str | None]

PING = msgpack.packb({"type": "ping", "time": 1})


def malformed() -> list[Json]:
    """Return the vectors, each of which the reference implementation refuses as it is meant to be."""
    vectors = []
    for direction, cases in (("client", client_cases()), ("server", server_cases())):
        for name, data, code, field in cases:
            problem = _refusal(direction, data)
            assert (problem.code, problem.field) == (code, field), (name, problem.code, problem.field)
            error = {"code": code, "field": field}
            encoded = base64.b64encode(data).decode()
            vectors.append({"name": name, "direction": direction, "bytes": encoded, "error": error})
    return vectors


def _refusal(direction: str, data: bytes) -> protocol.ProtocolError:
    try:
        message = protocol.decode_client(data) if direction == "client" else protocol.decode_server(data)
    except protocol.ProtocolError as problem:
        return problem
    raise AssertionError(f"should have been refused: {message}")


def client_cases() -> Iterator[Case]:
    """Yield name, bytes, code and field of messages that a server refuses."""
    yield from framing_cases(PING)
    yield from header_cases({"type": "ping", "time": 1}, "time")
    yield from hello_cases()
    yield from frame_cases()
    yield from plane_cases()
    yield from camera_cases()
    yield "unknown type", packed({"type": "fly"}), "unknown-message", "type"
    yield "a server's message", packed({"type": "pong", "time": 1, "server_time": 1}), "unknown-message", "type"
    yield "type in capitals", packed({"type": "Ping", "time": 1}), "unknown-message", "type"
    yield "empty type", packed({"type": ""}), "unknown-message", "type"
    yield "set: request is missing", packed({"type": "set", "parameters": {}}), "missing-field", "request"
    yield "set: parameters are missing", packed({"type": "set", "request": 1}), "missing-field", "parameters"
    array = packed({"type": "set", "request": 1, "parameters": []})
    yield "set: parameters are an array", array, "wrong-type", "parameters"
    yield "ping: time is missing", packed({"type": "ping"}), "missing-field", "time"
    share = {"type": "share", "request": 1, "frame_size": 8, "result_size": 8}
    yield "share: frame_size is missing", packed(share | {"frame_size": None}), "missing-field", "frame_size"
    yield "share: frame_size is 2^32", packed(share | {"frame_size": 2**32}), "out-of-range", "frame_size"
    yield "share: result_size is negative", packed(share | {"result_size": -1}), "out-of-range", "result_size"
    yield "share: an unknown way to wake", packed(share | {"wake": "bell"}), "out-of-range", "wake"
    shared = {"type": "shared", "request": 1, "nonce": bytes(16)}
    yield "shared: the nonce is missing", packed(shared | {"nonce": None}), "missing-field", "nonce"
    yield "shared: the nonce is text", packed(shared | {"nonce": "0" * 16}), "wrong-type", "nonce"
    yield "shared: the nonce is short", packed(shared | {"nonce": bytes(15)}), "out-of-range", "nonce"


def server_cases() -> Iterator[Case]:
    """Yield name, bytes, code and field of messages that a client refuses."""
    yield from framing_cases(msgpack.packb({"type": "pong", "time": 1, "server_time": 2}))
    yield from header_cases({"type": "pong", "time": 1, "server_time": 2}, "time")
    yield "a client's message", packed({"type": "ping", "time": 1}), "unknown-message", "type"
    yield from answer_cases()
    memory = {"type": "memory", "request": 1, "path": "/proc/1/fd/3", "size": 4096}
    yield "memory: the path is missing", packed(memory | {"path": None}), "missing-field", "path"
    yield "memory: the path is too long", packed(memory | {"path": "/" * 1001}), "out-of-range", "path"
    yield "memory: the size is text", packed(memory | {"size": "4096"}), "wrong-type", "size"
    yield "memory: a pipe is a number", packed(memory | {"frames_pipe": 3}), "wrong-type", "frames_pipe"
    yield "result: planes are missing", result(planes=ABSENT), "missing-field", "planes"
    yield "result: no color", result(planes={}), "missing-field", "planes.color"
    yield "result: id is missing", result(id=ABSENT), "missing-field", "id"
    yield "result: id is negative", result(id=-1), "out-of-range", "id"
    yield "result: dropped is 2^53", result(dropped=LARGEST + 1), "out-of-range", "dropped"
    yield "result: dropped_ids is an int", result(dropped_ids=3), "wrong-type", "dropped_ids"
    yield "result: a dropped id is a string", result(dropped_ids=[1, "2"]), "wrong-type", "dropped_ids.1"
    yield "result: a timing is NaN", result(timings={"queue": float("nan")}), "out-of-range", "timings.queue"
    yield "result: a timing is infinite", result(timings={"queue": float("inf")}), "out-of-range", "timings.queue"
    yield "result: a timing is negative", result(timings={"queue": -0.5}), "out-of-range", "timings.queue"
    yield "result: a timing is text", result(timings={"queue": "1 ms"}), "wrong-type", "timings.queue"
    yield "result: a stage that never ends", result(stages={"queue": [1]}), "out-of-range", "stages.queue"
    yield "result: a stage before there was time", result(stages={"queue": [-1, 1]}), "out-of-range", "stages.queue.0"
    yield "result: a stage of floats", result(stages={"queue": [0.5, 1]}), "wrong-type", "stages.queue.0"
    yield "result: timings are an array", result(timings=[1.0]), "wrong-type", "timings"
    yield "result: the lag is negative", result(lag=-1), "out-of-range", "lag"
    yield "result: the lag is 0.5", result(lag=0.5), "wrong-type", "lag"
    yield "result: resets are negative", result(resets=-1), "out-of-range", "resets"
    yield "result: resets are 2^53", result(resets=LARGEST + 1), "out-of-range", "resets"
    yield "result: resets are 1.5", result(resets=1.5), "wrong-type", "resets"
    yield "result: resets are a boolean", result(resets=True), "wrong-type", "resets"
    for value in (-0.001, 1.001, 2, -1, float("nan"), float("inf")):
        yield f"result: memory is {value}", result(memory=value), "out-of-range", "memory"
    yield "result: memory is text", result(memory="0.5"), "wrong-type", "memory"
    yield "result: memory is a boolean", result(memory=True), "wrong-type", "memory"
    yield "result: size lies", result(planes={"color": described(size=4)}), "plane-size", "planes.color.size"
    outside = result(planes={"color": described(offset=16)})
    yield "result: plane outside the payload", outside, "plane-size", "planes.color"
    unknown = result(planes={"color": described("bgra8")})
    yield "result: unknown format", unknown, "unsupported", "planes.color.format"


def answer_cases() -> Iterator[Case]:
    """Yield what is wrong with the server's other messages."""
    hello = {"type": "hello", "protocol": 1, "server": "s", "stream": "main", "model": {}, "capabilities": {}}
    yield "hello: parameters are missing", packed(hello), "missing-field", "parameters"
    hello["parameters"] = []
    yield "hello: protocol 0", packed(hello | {"protocol": 0}), "out-of-range", "protocol"
    yield "hello: model is a string", packed(hello | {"model": "lsd"}), "wrong-type", "model"
    yield "hello: capabilities are nil", packed(hello | {"capabilities": None}), "missing-field", "capabilities"
    yield "hello: a parameter is a string", packed(hello | {"parameters": ["prompt"]}), "wrong-type", "parameters.0"
    yield "hello: token_required is an int", packed(hello | {"token_required": 1}), "wrong-type", "token_required"
    ready = {"type": "ready", "connection": 1, "role": "source", "stream": "main", "window": 2, "parameters": {}}
    yield "ready: unknown role", packed(ready | {"role": "king"}), "out-of-range", "role"
    yield "ready: window of 0", packed(ready | {"window": 0}), "out-of-range", "window"
    yield "ready: window of 65", packed(ready | {"window": 65}), "out-of-range", "window"
    yield "dropped: unknown reason", packed({"type": "dropped", "ids": [], "reason": "dull"}), "out-of-range", "reason"
    yield "dropped: ids are missing", packed({"type": "dropped", "reason": "newer"}), "missing-field", "ids"
    yield "ack: request is missing", packed({"type": "ack", "parameters": {}}), "missing-field", "request"
    prompt = {"type": "ack", "request": 1, "parameters": {}, "prompt": "ink"}
    yield "ack: prompt is a string", packed(prompt), "wrong-type", "prompt"
    yield "status: unknown state", packed({"type": "status", "state": "asleep"}), "out-of-range", "state"
    yield "error: code is missing", packed({"type": "error", "message": "x"}), "missing-field", "code"
    yield "error: id is a float", packed({"type": "error", "code": "x", "message": "", "id": 1.5}), "wrong-type", "id"


def framing_cases(body: bytes) -> Iterator[Case]:
    """Yield what can be wrong around a good header."""
    yield "no bytes", b"", "malformed", None
    yield "3 bytes", b"\x01\x00\x00", "malformed", None
    yield "a header size and nothing more", raw(b"", size=len(body)), "malformed", None
    yield "a header size of 0", raw(b""), "malformed", None
    yield "the message ends inside its header", raw(body)[:-1], "malformed", None
    yield "the header size is one too large", raw(body, size=len(body) + 1), "malformed", None
    yield "the header size is one too small", raw(body, size=len(body) - 1), "malformed", None
    yield "the header size is 65,537", raw(body, size=65_537), "malformed", None
    yield (
        "the header size is 65,537, and so long is the header",
        raw(body + bytes(65_537 - len(body))),
        "malformed",
        None,
    )
    yield "the header size is 2^32 - 1", raw(body, size=2**32 - 1), "malformed", None
    yield "the header size is big-endian", struct.pack(">I", len(body)) + body, "malformed", None
    yield "a byte after the map", raw(body + b"\xc0"), "malformed", None
    yield "two maps", raw(body + body), "malformed", None
    yield "JSON", b'{"type": "ping", "time": 1}', "malformed", None


def header_cases(header: Json, number: str) -> Iterator[Case]:
    """Yield what can be wrong inside a header that would be good; ``number`` is a field that takes an integer."""
    others: Json = {"an array": [header], "a string": "ping", "nil": None, "an integer": 7}
    for kind, value in others.items():
        yield f"the header is {kind}", packed(value), "malformed", None
    yield "no type", packed({key: value for key, value in header.items() if key != "type"}), "missing-field", "type"
    yield "type is nil", packed(header | {"type": None}), "missing-field", "type"
    yield "type is an integer", packed(header | {"type": 7}), "wrong-type", "type"
    yield "type is binary", packed(header | {"type": b"ping"}), "wrong-type", "type"
    yield "a map nested 9 deep", packed(header | {"x": nested(8)}), "malformed", None
    yield "an array nested 9 deep", packed(header | {"x": [[[[[[[[]]]]]]]]}), "malformed", None
    yield "nested 10,000 deep", spliced(header, b"\x91" * 10_000 + b"\xc0"), "malformed", None
    yield "an array of 1,025", packed(header | {"x": [0] * 1025}), "malformed", None
    yield "a map of 1,025", packed(header | {"x": {str(key): 0 for key in range(1025)}}), "malformed", None
    yield "an array that says 2^32 - 1", spliced(header, b"\xdd\xff\xff\xff\xff"), "malformed", None
    yield "a map that says 2^32 - 1", spliced(header, b"\xdf\xff\xff\xff\xff"), "malformed", None
    yield "a string of 32,769 bytes", packed(header | {"x": "x" * 32_769}), "malformed", None
    yield "a string that says 2^32 - 1", spliced(header, b"\xdb\xff\xff\xff\xff"), "malformed", None
    yield "an extension", spliced(header, b"\xd4\x05\x00"), "malformed", None
    yield "an extension of no bytes", spliced(header, b"\xc7\x00\x05"), "malformed", None
    yield "a timestamp", spliced(header, b"\xd6\xff\x00\x00\x00\x01"), "malformed", None
    yield "the byte that MessagePack never uses", spliced(header, b"\xc1"), "malformed", None
    yield "a key that is an integer", raw(spliced(header, b"\xc0")[4:-3] + b"\x01\xc0"), "malformed", None
    yield "a key that is binary", raw(spliced(header, b"\xc0")[4:-3] + b"\xc4\x01x\xc0"), "malformed", None
    yield "a key that is nil, deeper", spliced(header, b"\x81\xc0\xc0"), "malformed", None
    yield "a key twice", raw(spliced(header, b"\xc0")[4:-3] + b"\xa4type\xa4ping"), "malformed", None
    yield "a key twice, deeper", spliced(header, b"\x82\xa1a\x01\xa1a\x01"), "malformed", None
    yield "a string that is not UTF-8", spliced(header, b"\xa2\xc3\x28"), "malformed", None
    yield "a string with a surrogate", spliced(header, b"\xa3\xed\xa0\x80"), "malformed", None
    yield "a key that is not UTF-8", raw(spliced(header, b"\xc0")[4:-3] + b"\xa1\xff\xc0"), "malformed", None
    numbers: Json = {"negative": -1, "2^53": LARGEST + 1, "2^64 - 1": 2**64 - 1, "-2^63": -(2**63)}
    for kind, value in numbers.items():
        yield f"{number} is {kind}", packed(header | {number: value}), "out-of-range", number
    odd: Json = {"text": "1", "a boolean": True, "1.5": 1.5, "an array": [1], "NaN": float("nan")}
    for kind, value in odd.items():
        yield f"{number} is {kind}", packed(header | {number: value}), "wrong-type", number
    yield f"{number} is nil", packed(header | {number: None}), "missing-field", number


def spliced(header: Json, value: bytes) -> bytes:
    """Return a message of ``header`` with one more field, x, of raw bytes."""
    body: bytes = msgpack.packb(header)
    return raw(bytes([body[0] + 1]) + body[1:] + b"\xa1x" + value)


def hello_cases() -> Iterator[Case]:
    """Yield what is wrong with a client's hello."""
    hello = {"type": "hello", "role": "source"}
    yield "hello: role is missing", packed({"type": "hello"}), "missing-field", "role"
    yield "hello: unknown role", packed(hello | {"role": "king"}), "out-of-range", "role"
    yield "hello: role is an array", packed(hello | {"role": ["source"]}), "wrong-type", "role"
    yield "hello: protocol is text", packed(hello | {"protocol": "1"}), "wrong-type", "protocol"
    yield "hello: protocol 0", packed(hello | {"protocol": 0}), "out-of-range", "protocol"
    yield "hello: token is an integer", packed(hello | {"token": 1234}), "wrong-type", "token"
    yield "hello: token is binary", packed(hello | {"token": b"1234"}), "wrong-type", "token"
    yield "hello: token of 1,001 characters", packed(hello | {"token": "x" * 1001}), "out-of-range", "token"
    yield "hello: client of 201 characters", packed(hello | {"client": "x" * 201}), "out-of-range", "client"
    yield "hello: take_over is an integer", packed(hello | {"take_over": 1}), "wrong-type", "take_over"
    yield "hello: window of 0", packed(hello | {"window": 0}), "out-of-range", "window"
    yield "hello: window of 65", packed(hello | {"window": 65}), "out-of-range", "window"
    yield "hello: window is a float", packed(hello | {"window": 2.5}), "wrong-type", "window"
    yield "hello: results as GIF", packed(hello | {"result_format": "gif"}), "out-of-range", "result_format"
    yield "hello: quality of 0", packed(hello | {"quality": 0}), "out-of-range", "quality"
    yield "hello: quality of 101", packed(hello | {"quality": 101}), "out-of-range", "quality"
    yield "hello: parameters are text", packed(hello | {"parameters": "ink"}), "wrong-type", "parameters"


def frame_cases() -> Iterator[Case]:
    """Yield what is wrong with a frame, its planes aside."""
    yield "frame: id is missing", frame(id=ABSENT), "missing-field", "id"
    yield "frame: id is negative", frame(id=-1), "out-of-range", "id"
    yield "frame: id is 2^53", frame(id=LARGEST + 1), "out-of-range", "id"
    yield "frame: id is a boolean", frame(id=True), "wrong-type", "id"
    yield "frame: id is a float", frame(id=1.0), "wrong-type", "id"
    yield "frame: id is text", frame(id="1"), "wrong-type", "id"
    yield "frame: time is negative", frame(time=-1), "out-of-range", "time"
    yield "frame: time is a float", frame(time=0.5), "wrong-type", "time"
    yield "frame: motion_from is negative", frame(motion_from=-1), "out-of-range", "motion_from"
    yield "frame: motion_from is text", frame(motion_from="1"), "wrong-type", "motion_from"
    yield "frame: planes are missing", frame(planes=ABSENT), "missing-field", "planes"
    yield "frame: planes are nil", frame(planes=None), "missing-field", "planes"
    yield "frame: planes are an array", frame(planes=[described()]), "wrong-type", "planes"
    yield "frame: no planes", frame(planes={}), "missing-field", "planes.color"
    yield "frame: depth without color", frame(planes={"depth": described("r32f")}), "missing-field", "planes.color"
    yield "frame: color is nil", frame(planes={"color": None}), "missing-field", "planes.color"
    yield "frame: color is an array", frame(planes={"color": [1]}), "wrong-type", "planes.color"
    short = protocol.encode(Frame(1, {"color": PIXELS}))
    yield "frame: the message ends inside a plane", short[:-1], "plane-size", "planes.color"
    yield "frame: the message ends before its planes", short[:-8], "plane-size", "planes.color"
    yield "frame: no payload", frame(b""), "plane-size", "planes.color"


def plane_cases() -> Iterator[Case]:
    """Yield what is wrong with a frame's planes."""

    def color(*args: object, **changes: object) -> bytes:
        return frame(planes={"color": described(*args, **changes)})  # type: ignore[arg-type]

    def beside(name: str, *args: object) -> bytes:
        return frame(bytes(144), planes={"color": described(width=6, height=6, size=144), name: described(*args)})  # type: ignore[arg-type]

    for key in ("format", "width", "height", "offset", "size"):
        yield f"color: {key} is missing", color(**{key: ABSENT}), "missing-field", f"planes.color.{key}"
        yield f"color: {key} is nil", color(**{key: None}), "missing-field", f"planes.color.{key}"
    for key in ("width", "height", "offset", "size"):
        yield f"color: {key} is text", color(**{key: "2"}), "wrong-type", f"planes.color.{key}"
        yield f"color: {key} is a boolean", color(**{key: True}), "wrong-type", f"planes.color.{key}"
        yield f"color: {key} is negative", color(**{key: -1}), "out-of-range", f"planes.color.{key}"
        yield f"color: {key} is 2^53", color(**{key: LARGEST + 1}), "out-of-range", f"planes.color.{key}"
    yield (
        "color: format is an integer",
        frame(planes={"color": described() | {"format": 4}}),
        "wrong-type",
        "planes.color.format",
    )
    yield "color: unknown format", color("bgra8"), "unsupported", "planes.color.format"
    yield "color: format of another plane", color("r32f"), "unsupported", "planes.color.format"
    yield "color: width 0", color(width=0, size=0), "out-of-range", "planes.color.width"
    yield "color: height 0", color(height=0, size=0), "out-of-range", "planes.color.height"
    yield "color: width 16,385", color(width=16_385), "out-of-range", "planes.color.width"
    yield "color: height 16,385", color(height=16_385), "out-of-range", "planes.color.height"
    yield "color: size is one too small", color(size=7), "plane-size", "planes.color.size"
    yield "color: size is one too large", color(size=9), "plane-size", "planes.color.size"
    yield "color: stride under a row", color(stride=7), "plane-size", "planes.color.stride"
    yield "color: stride 0", color(stride=0), "out-of-range", "planes.color.stride"
    yield "color: stride with no room for it", color(height=2, stride=12), "plane-size", "planes.color.size"
    yield "color: bottom_up is a number", color(bottom_up=1), "wrong-type", "planes.color.bottom_up"
    yield "color: a JPEG with a stride", color("jpeg", stride=8), "plane-size", "planes.color.stride"
    odd = frame(planes={"color": described(), "depth": described("r32f", 2, 1, stride=9)})
    yield "depth: stride that is no multiple of 4", odd, "plane-size", "planes.depth.stride"
    yield "color: size 0", color(size=0), "plane-size", "planes.color.size"
    yield "color: rgb8 with the size of rgba8", color("rgb8"), "plane-size", "planes.color.size"
    yield (
        "color: the largest picture in a small message",
        color("rgba8", 16_384, 16_384, 0, 2**30),
        "plane-size",
        "planes.color",
    )
    yield "color: unaligned offset", color(offset=8), "plane-size", "planes.color.offset"
    yield "color: offset after the payload", color(offset=16), "plane-size", "planes.color"
    yield "color: offset far after the payload", color(offset=2**52), "plane-size", "planes.color"
    yield "color: jpeg of no bytes", color("jpeg", size=0), "plane-size", "planes.color.size"
    yield "color: jpeg longer than the payload", color("jpeg", size=9), "plane-size", "planes.color"
    yield "depth: unknown format", beside("depth", "r16f", 6, 6, 0, 144), "unsupported", "planes.depth.format"
    yield "ids: rgba8", beside("ids", "rgba8", 6, 6, 0, 144), "unsupported", "planes.ids.format"
    yield "normal: jpeg", beside("normal", "jpeg", 6, 6, 0, 144), "unsupported", "planes.normal.format"
    yield "depth: larger than color", beside("depth", "r32f", 12, 3, 0, 144), "plane-size", "planes.depth"
    yield "depth: two thirds of color", beside("depth", "r32f", 4, 4, 0, 64), "plane-size", "planes.depth"
    yield "depth: half as wide only", beside("depth", "r32f", 3, 6, 0, 72), "plane-size", "planes.depth"
    yield "depth: half and a third", beside("depth", "r32f", 3, 2, 0, 24), "plane-size", "planes.depth"
    yield "motion: leaves the payload", beside("motion", "rg16f", 6, 6, 16, 144), "plane-size", "planes.motion"
    odd = Frame(1, {"color": plane("rgb8", 7, 5), "depth": plane("r32f", 3, 2)})
    yield "depth: half of an odd size", protocol.encode(odd), "plane-size", "planes.depth"


def camera_cases() -> Iterator[Case]:
    """Yield what is wrong with a frame's camera."""
    good = {"view": IDENTITY, "projection": PROJECTION, "near": 0.1, "far": 100.0}

    def camera(**changes: object) -> bytes:
        return frame(camera={key: value for key, value in (good | changes).items() if value is not ABSENT})

    yield "camera: an array", frame(camera=[1]), "wrong-type", "camera"
    for key in good:
        yield f"camera: {key} is missing", camera(**{key: ABSENT}), "missing-field", f"camera.{key}"
    yield "camera: view of 15 numbers", camera(view=IDENTITY[:15]), "out-of-range", "camera.view"
    yield "camera: view of 17 numbers", camera(view=(*IDENTITY, 0.0)), "out-of-range", "camera.view"
    yield "camera: view is a map", camera(view={}), "wrong-type", "camera.view"
    rows = [IDENTITY[:4], IDENTITY[4:8], IDENTITY[8:12], IDENTITY[12:]]
    yield "camera: view is four rows", camera(view=rows), "out-of-range", "camera.view"
    nan = (float("nan"), *IDENTITY[1:])
    yield "camera: view has a NaN", camera(view=nan), "out-of-range", "camera.view.0"
    text = (*IDENTITY[:15], "1")
    yield "camera: projection has text", camera(projection=text), "wrong-type", "camera.projection.15"
    yield "camera: far is infinite", camera(far=float("inf")), "out-of-range", "camera.far"
    yield "camera: near is negative", camera(near=-0.1), "out-of-range", "camera.near"
    yield "camera: near is a boolean", camera(near=True), "wrong-type", "camera.near"
