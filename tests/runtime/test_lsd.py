"""The embedded model behind the daemon: what it does to live frames."""

import itertools
import time

import cv2
import numpy as np
import pytest

import mirage_protocol as protocol


@pytest.fixture(scope="module")
def scene():
    """A small scene with edges, flat parts and shading."""
    y, x = np.mgrid[:144, :256].astype(np.float32)
    picture = np.stack([x, 255 - y, np.full_like(x, 120)], axis=-1).clip(0, 255).astype(np.uint8)
    cv2.circle(picture, (90, 80), 40, (230, 60, 40), -1, cv2.LINE_AA)
    cv2.rectangle(picture, (150, 40), (220, 120), (40, 90, 220), -1)
    return picture


@pytest.fixture
def source(lsd_daemon, peer, request):
    return peer(lsd_daemon, path=request.node.name.replace("test_", "")[:64])


def difference(a, b):
    return float(np.abs(a.astype(int) - b.astype(int)).mean())


def test_frames_change_with_the_prompt(source, scene):
    pictures = {}
    for prompt in ("ink", "watercolour", "neon", "lava", "ice", "oil painting"):
        source.set(prompt=prompt)
        pictures[prompt] = source.transform(scene)
        assert difference(pictures[prompt], scene) > 5, prompt
    names = list(pictures)
    for first, second in itertools.pairwise(names):
        assert difference(pictures[first], pictures[second]) > 5


def test_strength_seed_and_repeats(source, scene):
    source.set(prompt="lava", strength=1.0, seed=1, coherence=0.0)
    first = source.transform(scene)
    assert np.array_equal(source.transform(scene), first)
    source.set(seed=2)
    assert difference(source.transform(scene), first) > 2
    source.set(seed=1, strength=0.0)
    assert np.array_equal(source.transform(scene), scene)
    source.set(strength=0.5)
    half = source.transform(scene)
    assert difference(half, (scene.astype(int) + first) / 2) < 1.0
    source.set(strength=1.0, steps=4)
    assert source.transform(scene).shape == scene.shape
    source.set(steps=1)
    assert np.array_equal(source.transform(scene), first)


def test_unknown_words_are_named_and_dilute_nothing(source, scene):
    acknowledged = source.set(prompt="lava", coherence=0.0)
    assert acknowledged.prompt["unknown_words"] == []
    plain = source.transform(scene)
    acknowledged = source.set(prompt="lava with a zyzzyva")
    assert acknowledged.prompt["unknown_words"] == ["zyzzyva"]
    assert acknowledged.prompt["looks"] == {"lava": 1.0}
    assert np.array_equal(source.transform(scene), plain)


def test_the_hello_lists_the_looks(source):
    looks = {look["name"] for look in source.protocol.server.model["looks"]}
    assert {"ink", "watercolour", "neon", "lava", "ice", "oil"} <= looks
    assert all(look["help"] for look in source.protocol.server.model["looks"])


def test_alpha_passes_through_at_any_size(source, noise):
    for shape in ((70, 131, 4), (432, 768, 4), (9, 300, 4), (1, 1, 4)):
        frame = noise(*shape)
        result = source.transform(frame)
        assert result.shape == frame.shape
        assert np.array_equal(result[..., 3], frame[..., 3])


def test_a_transition_passes_through_both_looks(source, scene):
    source.set(prompt="ink", transition=0.0, coherence=0.0)
    before = source.transform(scene)
    source.set(prompt="lava", transition=60.0)
    time.sleep(1.0)  # a sixtieth of the way
    source.send(scene)
    result = source.next(protocol.Result)
    weights = {entry["text"]: entry["weight"] for entry in result.parameters["prompts"]}
    assert weights.keys() == {"ink", "lava"}
    assert weights["ink"] > 0.5
    color = result.planes["color"]
    now = np.frombuffer(color.data, np.uint8).reshape(color.height, color.width, -1)
    assert difference(now, before) < 40
    source.set(prompt="ink", transition=0.0)
    assert np.array_equal(source.transform(scene), before)
