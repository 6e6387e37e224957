"""The vectors, read as a stranger's implementation would read them: from their JSON alone."""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage_protocol as protocol
from mirage_protocol import Camera, Frame, Plane, ring
from mirage_protocol.messages import FROM_CLIENT, FROM_SERVER

ROOT = Path(__file__).parents[2] / "protocol"
DECODE = {"client": protocol.decode_client, "server": protocol.decode_server}
TYPES = {"client": FROM_CLIENT, "server": FROM_SERVER}


def load(name: str) -> Any:
    return json.loads((ROOT / "vectors" / name).read_text(encoding="utf-8"))


def named(cases: list[Any]) -> Any:
    """Run a test once for each case, under its name."""
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=case["name"].encode("ascii", "replace").decode()) for case in cases]
    )


def same(decoded: Any, expected: Any) -> bool:
    """Compare a decoded value with its JSON: integers stand there as decimal strings."""
    if isinstance(decoded, bool) or decoded is None or isinstance(decoded, float):
        return type(decoded) is type(expected) and decoded == expected
    if isinstance(decoded, int):
        return isinstance(expected, str) and str(decoded) == expected
    if isinstance(decoded, bytes):
        return decoded == base64.b64decode(expected)
    if isinstance(decoded, Plane):
        shape = (decoded.format, str(decoded.width), str(decoded.height))
        data = base64.b64decode(expected["data"])
        return shape == (expected["format"], expected["width"], expected["height"]) and decoded.data == data
    if isinstance(decoded, Camera):
        return same(vars(decoded), expected)
    if isinstance(decoded, dict):
        return decoded.keys() == expected.keys() and all(same(decoded[key], expected[key]) for key in decoded)
    if isinstance(decoded, list | tuple):
        return len(decoded) == len(expected) and all(map(same, decoded, expected))
    return bool(decoded == expected)


def assert_same(message: protocol.Message, expected: dict[str, Any]) -> None:
    assert expected["type"] == message.TYPE
    given = {name: value for name, value in vars(message).items() if value is not None}
    assert given.keys() == expected.keys() - {"type"}
    for name, value in given.items():
        assert same(value, expected[name]), name


@named([case | {"direction": direction} for direction in DECODE for case in load(f"{direction}.json")])
def test_a_good_message_is_decoded_and_encoded(case: dict[str, Any]) -> None:
    decode = DECODE[case["direction"]]
    message = decode(base64.b64decode(case["bytes"]))
    assert_same(message, case["message"])
    assert_same(decode(protocol.encode(message)), case["message"])


@named(load("malformed.json"))
def test_a_malformed_message_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(protocol.ProtocolError) as caught:
        DECODE[case["direction"]](base64.b64decode(case["bytes"]))
    assert {"code": caught.value.code, "field": caught.value.field} == case["error"]
    assert caught.value.message
    assert "\n" not in caught.value.message


@named(load("ring.json"))
def test_a_ring_gives_what_is_in_it_or_is_refused(case: dict[str, Any]) -> None:
    memory = bytearray(int(case["size"]))
    for at, line in case["lines"].items():
        memory[int(at) : int(at) + 64] = base64.b64decode(line)
    memory = memory[: int(case["size"])]

    def read() -> list[bytes]:
        layout, _ = ring.found(memoryview(memory))
        reader = ring.RingReader(memoryview(memory), layout.frames)
        return [bytes(found[1]) for found in iter(reader.next, None)]

    if case["messages"] is None:
        with pytest.raises(protocol.ProtocolError):
            read()
    else:
        assert read() == [base64.b64decode(message) for message in case["messages"]]


@pytest.mark.parametrize("direction", ["client", "server"])
def test_vectors_cover_every_message_and_every_field(direction: str) -> None:
    for name, kind in TYPES[direction].items():
        of_kind = [case["message"] for case in load(f"{direction}.json") if case["message"]["type"] == name]
        for field in dataclasses.fields(kind):
            assert any(field.name in message for message in of_kind), f"{name}.{field.name}"
            if field.default is None:
                assert any(field.name not in message for message in of_kind), f"{name}.{field.name} is never absent"


def test_vectors_cover_every_plane_and_format() -> None:
    seen = {
        (name, plane["format"])
        for case in load("client.json")
        for name, plane in case["message"].get("planes", {}).items()
    }
    assert seen == {(name, each) for name, formats in protocol.PLANE_FORMATS.items() for each in formats}


def test_at_least_fifty_are_malformed_in_each_direction_and_names_are_unique() -> None:
    names = [(case["direction"], case["name"]) for case in load("malformed.json")]
    assert len(set(names)) == len(names)
    assert min(sum(direction == each for each, _ in names) for direction in DECODE) >= 50


def srgb(linear: float) -> int:
    """Encode as IEC 61966-2-1 does."""
    encoded = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(encoded * 255)


MEANING = {
    "linear_rgb": lambda data, value: [*data[:3]] == [srgb(channel) for channel in value],
    "alpha": lambda data, value: data[3] == math.floor(value * 255 + 0.5),
    "metres": lambda data, value: np.frombuffer(data, "<f4")[0] == (np.inf if value == "infinity" else value),
    "motion": lambda data, value: (
        np.isnan(np.frombuffer(data, "<f2")).all()
        if value == "unknown"
        else (np.frombuffer(data, "<f2") == value).all()
    ),
    "moved_right": lambda data, value: np.frombuffer(data, "<f2")[0] == -value,
    "moved_down": lambda data, value: np.frombuffer(data, "<f2")[1] == -value,
    "normal": lambda data, value: [*data[:3]] == [math.floor((axis * 0.5 + 0.5) * 255 + 0.5) for axis in value],
    "id": lambda data, value: np.frombuffer(data, "<u4")[0] == int(value),
}


@pytest.mark.parametrize("case", [case for case in load("conventions.json") if "pixel" in case])
def test_conventions_of_planes(case: dict[str, Any]) -> None:
    frame = protocol.decode_client(base64.b64decode(case["bytes"]))
    assert isinstance(frame, Frame)
    data = bytes(frame.planes[case["name"]].data)
    assert data == bytes.fromhex(case["pixel"])
    for key, value in case["meaning"].items():
        assert MEANING[key](data, value), key


def test_convention_of_rows_and_columns() -> None:
    case = next(case for case in load("conventions.json") if case["section"] == "5")
    frame = protocol.decode_client(base64.b64decode(case["bytes"]))
    assert isinstance(frame, Frame)
    rows = np.frombuffer(frame.planes["color"].data, np.uint8).reshape(2, 2, 3)
    corners = {"top_left": (0, 0), "top_right": (0, 1), "bottom_left": (1, 0), "bottom_right": (1, 1)}
    assert {name: rows[at].tobytes().hex() for name, at in corners.items()} == case["meaning"]


def test_convention_of_cameras() -> None:
    case = next(case for case in load("conventions.json") if case["name"] == "camera")
    frame = protocol.decode_client(base64.b64decode(case["bytes"]))
    assert isinstance(frame, Frame)
    assert frame.camera is not None
    view, projection = (np.array(matrix).reshape(4, 4) for matrix in (frame.camera.view, frame.camera.projection))
    clip = projection @ view @ np.array([*case["meaning"]["world"], 1.0])
    assert clip[:3] / clip[3] == pytest.approx(case["meaning"]["ndc"], abs=case["meaning"]["tolerance"])


def parameters_of(case: dict[str, Any]) -> dict[str, Any]:
    message = protocol.decode_client(base64.b64decode(case["bytes"]))
    assert isinstance(message, protocol.Set)
    return message.parameters


@named(load("parameters.json")["good"])
def test_good_parameters_are_kept(case: dict[str, Any]) -> None:
    assert same(protocol.check_parameters(parameters_of(case)), case["kept"])


@named(load("parameters.json")["bad"])
def test_bad_parameters_are_refused(case: dict[str, Any]) -> None:
    with pytest.raises(protocol.ProtocolError) as caught:
        protocol.check_parameters(parameters_of(case))
    assert {"code": caught.value.code, "field": caught.value.field} == case["error"]
    assert case["nearest"] is None or f"'{case['nearest']}'" in caught.value.message


def test_the_table_in_the_vectors() -> None:
    table = [parameter.describe() for parameter in protocol.PARAMETERS.values()]
    assert same(table, load("parameters.json")["table"])


def test_files_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "generate_vectors.py"), "--check"]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout + check.stderr
