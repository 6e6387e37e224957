"""The client without I/O takes whatever a server may say."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mirage_protocol as protocol
from mirage._frames import Prepared
from mirage._session import Conversation, Session
from mirage_protocol import Plane

VECTORS = Path(__file__).parents[2] / "protocol" / "vectors"
MESSAGES = [
    base64.b64decode(case["bytes"]) for case in json.loads((VECTORS / "server.json").read_text(encoding="utf-8"))
]
PIXELS = Plane.of("rgba8", 2, 1, bytes(8))


def conversation(role: str = "source") -> Conversation:
    """Return a conversation with two frames in flight, one of them awaited, and a request."""
    talk = Conversation(Session.of("ws://test", "auto", role, token=None, take_over=False, window=2, timeout=1.0))
    talk.receive(protocol.encode(protocol.Ready(1, "source", "main", 2, protocol.defaults())))
    if role == "source":
        talk.frame(Prepared({"color": PIXELS}), None, None)
        talk.frame(Prepared({"color": PIXELS}), None, None, awaited=True)
        talk.change({"seed": 1})
    return talk


@pytest.mark.parametrize("role", protocol.ROLES)
@settings(max_examples=200)
@given(st.lists(st.sampled_from(MESSAGES), max_size=6), st.data())
def test_no_message_breaks_it(role: str, messages: list[bytes], data: st.DataObject) -> None:
    talk = conversation(role)
    for message in messages:
        changed = bytearray(message)
        if data.draw(st.booleans()):
            at = data.draw(st.integers(0, len(changed) - 1))
            changed[at : at + 1] = data.draw(st.binary(max_size=2))
        talk.receive(bytes(changed))
    assert talk.in_flight <= 2


@pytest.mark.parametrize(
    "prompt",
    [
        {"looks": 5},
        {"looks": None, "modifiers": []},
        {"unknown_words": 5},
        {"unknown_words": {"a": 1}},
        {"confidence": "high", "nearest": 1},
        {},
    ],
)
def test_an_acknowledgement_that_says_nonsense_of_the_prompt(prompt: dict[str, Any]) -> None:
    talk = conversation()
    talk.receive(protocol.encode(protocol.Acknowledged(0, {"seed": 1}, prompt)))
    answer = talk.answer_to(0)
    assert answer is not None
    assert (answer.looks, answer.modifiers, answer.unknown_words) == ({}, {}, ())
    assert (answer.confidence, answer.nearest) == (None, ())


def test_a_server_that_says_nonsense_of_its_capabilities() -> None:
    talk = conversation()
    nonsense = {"planes": 5, "max_width": "wide", "max_height": None}
    talk.receive(protocol.encode(protocol.ServerHello(1, "", "main", {}, nonsense, ())))
    depth = np.ones((4, 4), np.float32)
    assert talk.prepare(np.zeros((4, 4, 3), np.uint8), {"depth": depth}).planes.keys() == {"color", "depth"}


texts = st.text(max_size=20)
weights = st.integers(0, 1000) | st.floats(0, 1000)


@given(st.lists(st.tuples(texts, weights), max_size=8))
def test_a_pair_says_what_its_map_says(pairs: list[tuple[str, float]]) -> None:
    maps = [{"text": text, "weight": weight} for text, weight in pairs]
    arrays = [(text, np.float64(weight)) for text, weight in pairs]
    for prompts in (pairs, tuple(pairs), maps, arrays):
        message = protocol.decode_client(conversation().change({"prompts": prompts})[1])
        assert isinstance(message, protocol.Set)
        assert message.parameters == {"prompts": maps}
