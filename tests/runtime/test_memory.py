"""Memory through the running daemon: planes arrive, cuts are counted, and no plane can harm a stream for long."""

import re

import cv2
import numpy as np
import pytest

import mirage

HEIGHT, WIDTH = 144, 256


@pytest.fixture(scope="module")
def world():
    coarse = np.random.default_rng(3).integers(0, 256, (40, 120, 3), dtype=np.uint8)
    return cv2.resize(coarse, (1600, 400), interpolation=cv2.INTER_CUBIC)


def view(world, left, top=100):
    return np.ascontiguousarray(world[top : top + HEIGHT, left : left + WIDTH])


def stream_of(daemon, name):
    return f"ws://127.0.0.1:{daemon.port}/{name}"


@pytest.fixture
def stream(lsd_daemon, request):
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[-60:].strip("-")
    with mirage.connect(stream_of(lsd_daemon, name)) as stream:
        stream.set(prompt="lava")
        yield stream


def shown(stream, frame, **extras):
    stream.send(frame, **extras)
    return stream.receive(timeout=60.0)


def motion(x, y, shape=(HEIGHT, WIDTH)):
    field = np.empty((*shape, 2), np.float16)
    field[:] = (x, y)
    return {"motion": field}


def test_a_stream_remembers_and_says_how_much(stream, world):
    shares = [shown(stream, view(world, 300 + 4 * n)).memory for n in range(4)]
    assert shares[0] == 0.0
    assert min(shares[1:]) > 0.8
    stream.set(coherence=0.5)
    assert 0.3 < shown(stream, view(world, 316)).memory < 0.55
    stream.set(coherence=0.0)
    result = shown(stream, view(world, 320))
    assert result.memory == 0.0
    assert result.resets == 0


def test_cuts_are_counted_and_nothing_else_is(stream, world):
    other = 255 - view(world, 1200, 250)
    results = [shown(stream, frame) for frame in (view(world, 300), view(world, 306), other, other, view(world, 300))]
    assert [result.resets for result in results] == [0, 0, 1, 1, 2]
    assert [result.memory > 0 for result in results] == [False, True, False, True, False]


def test_a_source_that_comes_anew_finds_no_memory(lsd_daemon, world):
    for _ in range(2):
        with mirage.connect(stream_of(lsd_daemon, "anew")) as stream:
            stream.set(prompt="lava")
            assert shown(stream, view(world, 300)).memory == 0.0
            assert shown(stream, view(world, 300)).memory == 1.0


def test_the_same_frames_give_the_same_pictures(lsd_daemon, world):
    def once():
        with mirage.connect(stream_of(lsd_daemon, "repeat")) as stream:
            stream.set(prompt="ice", seed=4)
            return [shown(stream, view(world, 300 + 3 * n)).image.tobytes() for n in range(5)]

    assert once() == once()


def test_engine_motion_carries_the_memory(stream, world):
    # 60 pixels a frame over a picture that repeats nowhere: more than a search finds, nothing to an engine.
    shown(stream, view(world, 300))
    for n in range(1, 4):
        result = shown(stream, view(world, 300 + 60 * n), planes=motion(60, 0))
        assert result.memory > 0.6
        assert result.resets == 0


@pytest.mark.parametrize("pixels", [(np.nan, np.nan), (np.inf, 0), (-np.inf, np.inf), (6e4, -6e4), (70, 50)], ids=str)
def test_motion_that_makes_no_sense_is_estimated_instead(stream, world, pixels):
    shown(stream, view(world, 300))
    assert shown(stream, view(world, 304), planes=motion(*pixels)).memory > 0.5
    assert shown(stream, view(world, 308), planes=motion(4, 0)).memory > 0.8


def test_motion_from_a_frame_that_never_was_is_estimated(stream, world):
    shown(stream, view(world, 300))
    result = shown(stream, view(world, 304), planes=motion(90, 40), motion_from=0)
    assert result.memory > 0.8


def test_a_motion_plane_of_the_wrong_size_is_refused_and_the_stream_goes_on(lsd_daemon, world, peer):
    source = peer(lsd_daemon, path="wrong-size")
    frame = view(world, 300)
    assert source.transform(frame).shape == frame.shape
    with mirage.connect(stream_of(lsd_daemon, "wrong-size-too")) as stream:
        with pytest.raises((ValueError, mirage.MirageError), match="motion"):
            stream.send(frame, planes=motion(0, 0, (100, 100)), motion_from=1)
        assert shown(stream, frame).memory == 0.0


@pytest.mark.parametrize("metres", [0.0, np.inf])
def test_depth_that_says_nothing_disturbs_nothing(stream, world, metres):
    eye = tuple(np.eye(4).ravel())
    camera = mirage.Camera(eye, (0.5, 0, 0, 0, 0, 1, 0, 0, 0, 0, -1, -0.2, 0, 0, -1, 0), near=0.1, far=100.0)
    depth = {"depth": np.full((HEIGHT // 2, WIDTH // 2), metres, np.float32)}
    shown(stream, view(world, 300), planes=depth, camera=camera)
    assert shown(stream, view(world, 304), planes=depth, camera=camera).memory > 0.8


def test_a_stream_that_changes_size_begins_anew_and_goes_on(stream, world):
    shown(stream, view(world, 300))
    small = np.ascontiguousarray(view(world, 300)[:80, :128])
    assert shown(stream, small).memory == 0.0
    assert shown(stream, small).memory == 1.0
    assert shown(stream, view(world, 300)).memory == 0.0


def test_a_transition_to_words_nobody_knows_arrives_at_the_scene_itself(stream, world):
    acknowledged = stream.set(prompt="qwrtzpf xkcdvb", transition=0.3)
    assert acknowledged is not None
    for _ in range(12):
        result = shown(stream, view(world, 300))
    assert result.image.shape == (HEIGHT, WIDTH, 3)
    stream.set(prompt="lava", transition=0.0)
    lava = shown(stream, view(world, 300))
    assert lava.memory == 0.0  # the old look is not carried into the new one
    assert np.abs(lava.image.astype(int) - view(world, 300)).mean() > 5
