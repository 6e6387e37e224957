"""The browser client reads and writes every vector, and agrees with the reference about arbitrary bytes."""

from __future__ import annotations

import base64
import json
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import mirage_protocol as protocol

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "sdk/javascript/mirage.js"
VECTORS = ROOT / "protocol/vectors"


def _run(node: Path, *arguments: Path) -> str:
    command = [node, Path(__file__).with_name("vectors.mjs"), CLIENT, VECTORS, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_every_vector(node: Path) -> None:
    assert ", 0 failed" in _run(node)


@pytest.mark.parametrize("seed", range(3))
def test_arbitrary_bytes(node: Path, tmp_path: Path, seed: int) -> None:
    outcomes = tmp_path / "outcomes.json"
    outcomes.write_text(json.dumps(list(_outcomes(random.Random(seed), 2000))))
    assert ", 0 failed" in _run(node, outcomes)


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
