"""What a frame's planes are worth: objects that are kept, rows as engines have them, and where each stage began."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import mirage
from mirage_runtime.pipeline import keep_objects

HEIGHT, WIDTH = 96, 160
INK = {"prompt": "ink", "coherence": 0.0}


@pytest.fixture
def picture() -> np.ndarray:
    noise = np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 4), np.uint8)
    noise[..., 3] = 255
    return noise


@pytest.fixture
def ids() -> np.ndarray:
    """An object 7 on the left, an object 70,000 on the right, nothing between."""
    objects = np.zeros((HEIGHT, WIDTH), np.uint32)
    objects[20:60, :50] = 7
    objects[20:60, -50:] = 70_000
    return objects


@pytest.mark.parametrize("transport", ["shared-memory", "websocket"])
def test_masked_objects_stay_as_they_were(
    lsd_daemon: Any, transport: Any, picture: np.ndarray, ids: np.ndarray
) -> None:
    with mirage.connect(lsd_daemon.url, transport=transport, take_over=True, timeout=60) as stream:
        stream.set(**INK, mask_ids=[])
        free = stream.transform(picture, planes={"ids": ids}).image
        assert (free[ids == 7] != picture[ids == 7]).any()
        for masked in ([7], [7, 70_000], [70_000, 3], [0]):
            stream.set(mask_ids=masked)
            result = stream.transform(picture, planes={"ids": ids})
            kept = np.isin(ids, masked)
            assert (result.image[kept] == picture[kept]).all()
            assert (result.image[~kept] == free[~kept]).all()
            assert result.parameters["mask_ids"] == masked
        without = stream.transform(picture).image
        assert (without == free).all()
        stream.set(mask_ids=[])


def test_smaller_ids_mask_whole_blocks(lsd_daemon: Any, picture: np.ndarray, ids: np.ndarray) -> None:
    with mirage.connect(lsd_daemon.url, take_over=True, timeout=60) as stream:
        stream.set(**INK, mask_ids=[7])
        result = stream.transform(picture, planes={"ids": np.ascontiguousarray(ids[::2, ::2])})
        kept = np.repeat(np.repeat(ids[::2, ::2] == 7, 2, axis=0), 2, axis=1)
        assert (result.image[kept] == picture[kept]).all()
        assert (result.image[~kept] != picture[~kept]).any()
        stream.set(mask_ids=[])


def test_an_object_keeps_its_alpha_and_its_edges() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (6, 8, 4), np.uint8)
    picture, ids = np.zeros_like(frame), np.zeros((3, 4), np.uint32)
    ids[1, 2] = 2**32 - 1
    keep_objects(picture, frame, ids, (2**32 - 1,))
    assert (picture[2:4, 4:6] == frame[2:4, 4:6]).all()
    assert picture.sum() == frame[2:4, 4:6].sum()


@pytest.mark.parametrize("transport", ["shared-memory", "websocket"])
@pytest.mark.parametrize("channels", [3, 4])
def test_rows_as_an_engine_has_them(echo_daemon: Any, transport: Any, picture: np.ndarray, channels: int) -> None:
    """Padded rows, and rows from the bottom up, are the same picture."""
    frame = np.ascontiguousarray(picture[..., :channels])
    with mirage.connect(echo_daemon.url, transport=transport, take_over=True, timeout=60) as stream:
        for view in (frame[:, :150], frame[::-1], frame[::-1, :150], frame[:, 10:]):
            assert (stream.transform(view).image == view).all()


def test_other_planes_as_an_engine_has_them(lsd_daemon: Any, picture: np.ndarray, ids: np.ndarray) -> None:
    padded = np.zeros((HEIGHT, WIDTH + 16), np.uint32)
    padded[:, :WIDTH] = ids
    upside_down = np.ascontiguousarray(padded[::-1])
    with mirage.connect(lsd_daemon.url, take_over=True, timeout=60) as stream:
        stream.set(**INK, mask_ids=[7])
        expected = stream.transform(picture, planes={"ids": ids}).image
        for view in (padded[:, :WIDTH], upside_down[::-1, :WIDTH]):
            assert (stream.transform(picture, planes={"ids": view}).image == expected).all()
        stream.set(mask_ids=[])


def test_every_stage_began_and_ended_in_order(lsd_daemon: Any, picture: np.ndarray) -> None:
    with mirage.connect(lsd_daemon.url, take_over=True, timeout=60) as stream:
        for _ in range(3):
            result = stream.transform(picture)
    order = ["queue", "handover", "preprocess", "temporal", "diffusion", "render", "return"]
    assert sorted(result.stages, key=lambda stage: result.stages[stage]) == order
    moments = [result.received, *(moment for stage in order for moment in result.stages[stage]), result.sent]
    assert moments == sorted(moments)
    for stage in ("preprocess", "temporal", "diffusion", "render"):
        began, ended = result.stages[stage]
        assert result.timings[stage] == pytest.approx((ended - began) / 1000)
