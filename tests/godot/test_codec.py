"""Godot's codec reads and writes every vector, and agrees with the reference about damaged bytes."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import mirage_protocol as protocol

if TYPE_CHECKING:
    from conftest import Godot

VECTORS = Path(__file__).parents[2] / "protocol/vectors"


def test_vectors_and_damaged_bytes(godot: Godot, tmp_path: Path) -> None:
    outcomes = tmp_path / "outcomes.json"
    outcomes.write_text(json.dumps(list(_outcomes(random.Random(1), 8000))))
    output = godot.headless("test_codec.gd", vectors=VECTORS, outcomes=outcomes)
    assert ", 0 failed" in output


def _outcomes(chance: random.Random, count: int) -> Iterator[dict[str, object]]:
    """Damage good messages and say what the reference makes of them."""
    good = [
        (direction, base64.b64decode(vector["bytes"]))
        for direction in ("client", "server")
        for vector in json.loads((VECTORS / f"{direction}.json").read_text())
    ]
    for _ in range(count):
        direction, data = chance.choice(good)
        damaged = _damaged(chance, data)
        yield {
            "bytes": base64.b64encode(damaged).decode(),
            "direction": direction,
            "error": _error(direction, damaged),
        }


def _damaged(chance: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(4, max(len(damaged), 5))
        match chance.randrange(4):
            case 0:
                damaged[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                damaged[at:at] = chance.randbytes(chance.randint(1, 4))
            case 2:
                del damaged[at : at + chance.randint(1, 4)]
            case _:
                damaged[at : at + 1] = bytes([damaged[at] ^ 1 << chance.randrange(8)]) if at < len(damaged) else b"\xc0"
    if chance.random() < 0.7:  # else the size lies too, and little behind it is looked at
        size = int.from_bytes(data[:4], "little") + len(damaged) - len(data)
        damaged[:4] = max(size, 0).to_bytes(4, "little")
    return bytes(damaged)


def _error(direction: str, data: bytes) -> dict[str, str | None] | None:
    decode = protocol.decode_client if direction == "client" else protocol.decode_server
    try:
        decode(data)
    except protocol.ProtocolError as error:
        return {"code": error.code, "field": error.field}
    return None
