"""A frame's journey through one model: four stages, each timed."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from mirage_runtime.clock import microseconds
from mirage_runtime.models import Context, Image, Model, Outcome, Settings, Steering, StreamBatch
from mirage_runtime.still import StillSource
from mirage_runtime.temporal.stream import Embedding, TemporalStream

_MOST_STREAMS = 16
_MOST_UNDER_WAY = 4

STAGES = ("preprocess", "temporal", "diffusion", "render")


@dataclass
class Stopwatch:
    """When each stage began and ended, in microseconds."""

    stages: dict[str, tuple[int, int]] = field(default_factory=dict)
    _last: int = field(default_factory=microseconds)

    def lap(self, stage: str) -> None:
        """Book the time since the last lap under ``stage``."""
        now = microseconds()
        self.stages[stage] = (self._last, now)
        self._last = now


@dataclass(frozen=True)
class _Turn:
    """A frame as it came: what its picture is put together with, be it frames later."""

    id: int
    frame: Image
    source: Image
    condition: NDArray[np.float32]
    settings: Settings
    context: Context | None

    def asks_for_the_same(self, other: _Turn) -> bool:
        """Whether the model is asked for the same look."""
        return self.settings == other.settings and np.array_equal(self.condition, other.condition)

    def kept(self) -> _Turn:
        """Return it with copies of what is the caller's own memory, which the next frame will be written to."""
        context = None
        if self.context is not None and self.context.ids is not None and self.settings.mask_ids:
            context = Context(ids=self.context.ids.copy())
        return replace(self, frame=self.frame.copy(), context=context)


@dataclass
class _Stream:
    """What is carried along for one stream."""

    temporal: TemporalStream
    still: StillSource
    batch: StreamBatch | None
    under_way: deque[_Turn] = field(default_factory=lambda: deque(maxlen=_MOST_UNDER_WAY))
    """The last frames that went into the batch, the newest last; with none, the batch begins anew."""


class Pipeline:
    """Transform frames with one model.

    ``max_pixels`` bounds the size that the model works at: a larger frame is fitted to it, and its result enlarged
    to the frame's own size. None works at every frame's own size. ``still``, levels of 255: a source whose blocks stay
    within these is not computed again; 0 computes every frame.
    """

    def __init__(self, model: Model, *, max_pixels: int | None = None, still: float = 0.0) -> None:
        self.model = model
        self._max_pixels = max_pixels
        self._still = still
        self._streams: OrderedDict[str, _Stream] = OrderedDict()
        self.embed = lru_cache(maxsize=64)(self._embed)

    @property
    def description(self) -> str:
        """What computes, on what, in one line."""
        return self.model.description

    def prepare(self, height: int, width: int) -> None:
        """Compile the model for frames of one size."""
        self.model.prepare(*self.working_size(height, width))

    def __call__(
        self, frame: Image, settings: Settings, *, context: Context | None = None, out: Image | None = None
    ) -> Outcome:
        """Transform a frame, as `Transform` asks."""
        watch = Stopwatch()
        source = self.preprocess(frame)
        watch.lap("preprocess")
        stream = self._stream(context)
        condition = self.embed(settings.prompts)
        known = stream.temporal.embed(source, frame.shape[:2], context or Context(), condition, settings)
        watch.lap("temporal")
        turn = now = _Turn(context.id if context else 0, frame, source, condition, settings, context)
        look, lag = stream.still.recall(source, condition, settings), 0
        if look is None:
            look, lag = self._look(stream, turn, known)
            later = list(stream.under_way)[-1 - lag :] if lag else []
            turn = later[0] if later else turn
            if all(each.asks_for_the_same(turn) for each in later):  # else its last steps were another look's
                stream.still.keep(turn.source, turn.condition, turn.settings, look)
        else:
            stream.under_way.clear()  # what is on its way would be old when the source moves again
        if settings.strength == 0.0:
            stream.temporal.forget_appearance()
        else:
            stream.temporal.keep(look, lag)
        watch.lap("diffusion")
        shown = 1.0 if self.model.takes_strength and turn.settings.strength > 0.0 else turn.settings.strength
        result = render(look, turn.frame, shown, out)
        if turn.settings.mask_ids and turn.context is not None and turn.context.ids is not None:
            keep_objects(result, turn.frame, turn.context.ids, turn.settings.mask_ids)
        watch.lap("render")
        return Outcome(result, watch.stages, known.share, known.reset, now.id - turn.id)

    def _look(self, stream: _Stream, turn: _Turn, known: Embedding) -> tuple[Image, int]:
        """Return a picture, and how many of the stream's frames ago the one came that it shows."""
        settings = turn.settings
        if stream.batch is None or settings.steps == 1 or settings.strength == 0.0:
            stream.under_way.clear()
            return self.diffuse(turn.source, turn.condition, known, settings), 0
        before = stream.under_way[-1] if stream.under_way else None
        anew = known.reset or before is None or before.frame.shape != turn.frame.shape
        stream.under_way.append(turn.kept())
        try:
            return stream.batch.denoise(
                turn.source,
                condition=turn.condition,
                noise=known.noise,
                steps=settings.steps,
                memory=known.memory,
                validity=known.validity,
                steering=Steering(settings.strength, settings.guidance, settings.negative),
                anew=anew,
            )
        except BaseException:
            stream.under_way.clear()  # nobody knows how far the others came
            raise

    def _stream(self, context: Context | None) -> _Stream:
        """What is carried along for the context's stream; the streams that came last are kept."""
        if context is None:
            return self._made()
        stream = self._streams.setdefault(context.stream, self._made())
        self._streams.move_to_end(context.stream)
        if len(self._streams) > _MOST_STREAMS:
            self._streams.popitem(last=False)
        return stream

    def _made(self) -> _Stream:
        return _Stream(TemporalStream(self.model.noise), StillSource(self._still), self.model.stream_batch())

    def preprocess(self, frame: Image) -> Image:
        """Return the frame as RGB at the model's own size."""
        color = cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB) if frame.shape[2] == 4 else frame
        source = resized(color, *self.working_size(*frame.shape[:2]))
        # What is remembered must not be the caller's own memory, which the next frame will be written to.
        return frame.copy() if source is frame else source

    def _embed(self, prompts: tuple[tuple[str, float], ...]) -> NDArray[np.float32]:
        """Return the blend of the prompts' conditions."""
        conditions = [np.float32(weight) * self.model.condition(text) for text, weight in prompts]
        blend: NDArray[np.float32] = np.stack(conditions).sum(axis=0, dtype=np.float32)
        return blend

    def diffuse(self, source: Image, condition: NDArray[np.float32], known: Embedding, settings: Settings) -> Image:
        """Return the model's picture; with no strength there is nothing to compute."""
        if settings.strength == 0.0:
            return source
        return self.model.denoise(
            source,
            condition=condition,
            noise=known.noise,
            steps=settings.steps,
            memory=known.memory,
            validity=known.validity,
            steering=Steering(settings.strength, settings.guidance, settings.negative),
        )

    def working_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) that the model works at for a frame: near its own, in the model's multiples."""
        scale = 1.0
        if self._max_pixels is not None:
            scale = min(1.0, (self._max_pixels / (height * width)) ** 0.5)
        multiple, smallest = self.model.multiple, self.model.smallest
        fitted = [max(smallest, round(side * scale / multiple) * multiple) for side in (height, width)]
        if self.model.limits is not None:
            least, most = self.model.limits
            fitted = [min(max(side, low), high) for side, low, high in zip(fitted, least, most, strict=True)]
        return fitted[0], fitted[1]


def resized(image: Image, height: int, width: int) -> Image:
    """Return ``image`` at another size: averaged when it shrinks, interpolated when it grows."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    result: Image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return result


def render(look: Image, frame: Image, strength: float, out: Image | None = None) -> Image:
    """Return ``look`` at the frame's size, mixed with the frame by ``strength``, with the frame's alpha."""
    if out is None:
        out = np.empty_like(frame)
    if strength == 0.0:
        out[...] = frame
        return out
    picture = resized(look, *frame.shape[:2])
    if frame.shape[2] == 3:
        _mix(picture, frame, strength, out)
        return out
    if strength < 1.0:
        source = cv2.cvtColor(frame, cv2.COLOR_RGBA2RGB)
        picture = cv2.addWeighted(picture, strength, source, 1.0 - strength, 0.0)
    cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA, dst=out)
    cv2.mixChannels([frame], [out], [3, 3])
    return out


def keep_objects(picture: Image, frame: Image, ids: NDArray[np.uint32], masked: tuple[int, ...]) -> None:
    """Give back the pixels of ``frame`` that show ``masked`` objects, in place.

    ``ids`` has the frame's size or a whole fraction of it. An object's edge stays as hard as its ids are.
    """
    mask = np.isin(ids, np.array(masked, np.uint32)).view(np.uint8)
    if not mask.any():
        return
    height, width = frame.shape[:2]
    cv2.copyTo(frame, cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), picture)


def _mix(picture: Image, frame: Image, strength: float, out: Image) -> None:
    if strength < 1.0:
        cv2.addWeighted(picture, strength, frame, 1.0 - strength, 0.0, dst=out)
    else:
        np.copyto(out, picture)
