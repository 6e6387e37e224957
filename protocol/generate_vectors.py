"""Write `vectors/*.json`, which prove an implementation of SPEC.md in any language (SPEC.md section 9).

    python protocol/generate_vectors.py            write the files
    python protocol/generate_vectors.py --check    exit with 1 when they are out of date

What each vector must decode to, or be refused with, is written by hand here; the reference implementation has to agree.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mirage_protocol as protocol
from mirage_protocol import Message
from vector_cases.build import Json, to_json
from vector_cases.conventions import conventions
from vector_cases.malformed import malformed
from vector_cases.messages import client_messages, server_messages
from vector_cases.parameters import parameters
from vector_cases.rings import rings

FOLDER = Path(__file__).parent / "vectors"


def good(messages: Iterator[tuple[str, bytes, Message]], decode: Callable[[bytes], Message]) -> list[Json]:
    """Return the vectors of good messages, each of which the reference implementation understands as it is meant."""
    vectors = []
    for name, data, message in messages:
        assert decode(data) == message, name
        assert decode(protocol.encode(message)) == message, name
        vectors.append({"name": name, "bytes": base64.b64encode(data).decode(), "message": to_json(message)})
    return vectors


def files() -> dict[str, str]:
    """Return the text of every file by its name."""
    contents = {
        "client.json": good(client_messages(), protocol.decode_client),
        "server.json": good(server_messages(), protocol.decode_server),
        "malformed.json": malformed(),
        "conventions.json": conventions(),
        "parameters.json": parameters(),
        "ring.json": rings(),
    }
    return {name: json.dumps(content, indent=1, allow_nan=False) + "\n" for name, content in contents.items()}


def main() -> int:
    """Write the files, or compare them with what they should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 when a file is out of date")
    check = parser.parse_args().check
    stale = [name for name, text in files().items() if not _is(FOLDER / name, text)]
    for name in stale:
        if check:
            print(f"{FOLDER / name} is out of date: run python protocol/generate_vectors.py")
        else:
            (FOLDER / name).write_text(files()[name], encoding="utf-8")
    return 1 if check and stale else 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    sys.exit(main())
