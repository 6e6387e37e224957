"""`mirage run`: a picture or a video file through the pipeline, every frame, in order."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from mirage_protocol import DEFAULT_MAX_HEIGHT, DEFAULT_MAX_WIDTH
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.models import Context, Image, Settings, Transform
from mirage_runtime.pipeline import resized

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_CODECS = {".mp4": "libx264", ".m4v": "libx264", ".mov": "libx264", ".mkv": "libx264", ".webm": "libvpx-vp9"}

Progress = Callable[[int, int | None], None]
"""Called with the frames done and, where it is known, how many there are."""


@dataclass
class Report:
    """What a run did: frames, seconds, and each stage's milliseconds a frame."""

    frames: int = 0
    seconds: float = 0.0
    resets: int = 0
    """Cuts that were found, where the memory began anew."""
    stages: dict[str, list[float]] = field(default_factory=dict)

    def add(self, timings: dict[str, float]) -> None:
        """Count one frame."""
        self.frames += 1
        for stage, milliseconds in timings.items():
            self.stages.setdefault(stage, []).append(milliseconds)

    def p50(self) -> dict[str, float]:
        """Return each stage's median milliseconds."""
        return {stage: median(times) for stage, times in self.stages.items()}


def transform_file(
    source: Path,
    target: Path,
    transform: Transform,
    settings: Settings,
    *,
    size: tuple[int, int] | None = None,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Transform a picture or a video and return what it took.

    ``size`` is (width, height), the source's own where it is None. The target appears whole or not at all. Raises
    `MirageRuntimeError` for whatever the files have wrong.
    """
    check_paths(source, target)
    report = Report()
    number = 0
    began = perf_counter()

    def each(frame: Image) -> Image:
        fitted = frame if size is None else resized(frame, size[1], size[0])
        if fitted.shape[1] > DEFAULT_MAX_WIDTH or fitted.shape[0] > DEFAULT_MAX_HEIGHT:
            limit = f"{DEFAULT_MAX_WIDTH}x{DEFAULT_MAX_HEIGHT}"
            raise MirageRuntimeError(
                f"{fitted.shape[1]}x{fitted.shape[0]} is over the limit of {limit}: give a smaller --size"
            )
        nonlocal number
        number += 1
        context = Context(str(source), number)
        outcome = transform(np.ascontiguousarray(fitted), settings, context=context)
        report.add(outcome.timings)
        report.resets += outcome.reset
        return outcome.picture

    with _whole_or_nothing(target) as partial:
        if _is_picture(source):
            _write_picture(partial, each(_read_picture(source)))
            progress(1, 1)
        else:
            _transform_video(source, partial, each, lambda total: progress(report.frames, total))
    report.seconds = perf_counter() - began
    return report


def check_paths(source: Path, target: Path) -> None:
    """Raise `MirageRuntimeError` where the files cannot be what they are asked to be, before any work is done."""
    if not source.is_file():
        raise MirageRuntimeError(f"there is no file {source}")
    if not target.parent.is_dir():
        raise MirageRuntimeError(f"there is no folder {target.parent}: make it first")
    if target.exists() and target.samefile(source):
        raise MirageRuntimeError("input and output are the same file: choose another output")
    suffixes = PICTURE_SUFFIXES if _is_picture(source) else tuple(VIDEO_CODECS)
    if target.suffix.lower() not in suffixes:
        kind = "picture" if _is_picture(source) else "video"
        raise MirageRuntimeError(f"{target.name} is no name for a {kind}: end it in {', '.join(suffixes)}")


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES


@contextlib.contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    """Give a path to write to; it becomes the target at the end, and goes if anything fails on the way."""
    partial = target.with_name(f".{target.stem}.partial{target.suffix}")
    try:
        yield partial
        partial.replace(target)
    except OSError as error:
        raise MirageRuntimeError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


def _read_picture(path: Path) -> Image:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise MirageRuntimeError(f"{path} cannot be read: {error.strerror}") from None
    with contextlib.suppress(cv2.error):
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if picture is not None and picture.ndim == 3 and picture.shape[2] == 4 and picture.dtype == np.uint8:
            return _converted(picture, cv2.COLOR_BGRA2RGBA)
        # Everything else as 8-bit colour, turned the way the camera was held.
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if picture is not None else None
        if picture is not None:
            return _converted(picture, cv2.COLOR_BGR2RGB)
    raise MirageRuntimeError(f"{path} is no picture that can be read, or it is damaged")


def _converted(picture: Image, conversion: int) -> Image:
    result: Image = cv2.cvtColor(picture, conversion)
    return result


def _write_picture(path: Path, picture: Image) -> None:
    order = cv2.COLOR_RGBA2BGRA if picture.shape[2] == 4 else cv2.COLOR_RGB2BGR
    written, data = cv2.imencode(path.suffix.lower(), cv2.cvtColor(picture, order))
    if not written:
        raise MirageRuntimeError(f"this picture cannot be written as {path.suffix}")
    path.write_bytes(data.tobytes())


def _transform_video(
    source: Path, target: Path, each: Callable[[Image], Image], progress: Callable[[int | None], None]
) -> None:
    with _clear(f"{source} cannot be read as a video"):
        video = av.open(str(source))
    with video:
        if not video.streams.video:
            raise MirageRuntimeError(f"{source} has no pictures in it")
        # Writing also happens when the output is closed, so its errors are caught around all of it.
        with _clear(f"{target.parent} cannot take the video"), av.open(str(target), "w") as output:
            _Transcoding(video, output, each, progress).run()


@contextlib.contextmanager
def _clear(problem: str) -> Iterator[None]:
    """Turn the library's errors into one line that begins with ``problem``."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise MirageRuntimeError(f"{problem}: {error.strerror}") from None


class _Transcoding:
    """One video to another: pictures transformed, times kept, the first audio track copied as it is."""

    def __init__(self, video: Any, output: Any, each: Callable[[Image], Image], progress: Any) -> None:
        self._video = video
        self._output = output
        self._each = each
        self._progress = progress
        self._pictures = video.streams.video[0]
        self._pictures.thread_type = "AUTO"
        self._sound = video.streams.audio[0] if video.streams.audio else None
        self._encoder: Any = None
        self._copied_sound: Any = None
        self._packets = 0
        self._end = 0.0

    def run(self) -> None:
        """Transform the whole file; raises `MirageRuntimeError` when it ends before it should."""
        total = self._pictures.frames or self._estimated_frames()
        held: list[Any] = []
        for packet in self._read():
            if packet.stream is self._sound:
                held.append(packet)
            else:
                for frame in self._decode(packet):
                    self._write(frame)
                    self._progress(total)
            if self._encoder is not None:
                self._copy(held)
        if self._encoder is None:
            raise MirageRuntimeError(f"{self._video.name} has no picture that can be read")
        self._output.mux(self._encoder.encode(None))
        self._check_end()

    def _read(self) -> Iterator[Any]:
        streams = [self._pictures, *([self._sound] if self._sound is not None else [])]
        with _clear(f"{self._video.name} is damaged or cut short"):
            packets = iter(self._video.demux(*streams))
        while True:
            with _clear(f"{self._video.name} is damaged or cut short after {self._end:.1f} s"):
                packet = next(packets, None)
            if packet is None:
                return
            if packet.pts is not None:
                self._end = max(self._end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
            self._packets += packet.stream is self._pictures and packet.size > 0
            yield packet

    def _decode(self, packet: Any) -> list[Any]:
        with _clear(f"{self._video.name} is damaged or cut short after {self._end:.1f} s"):
            return list(packet.decode())

    def _write(self, frame: Any) -> None:
        picture = frame.to_ndarray(format="rgb24")
        turns = round(getattr(frame, "rotation", 0) / 90) % 4
        result = self._each(np.rot90(picture, turns) if turns else picture)
        if self._encoder is None:
            self._open(result.shape[1], result.shape[0])
        encoded = av.VideoFrame.from_ndarray(result, format="rgb24").reformat(
            format=self._encoder.pix_fmt, dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
        )
        encoded.pts, encoded.time_base = frame.pts, frame.time_base
        self._output.mux(self._encoder.encode(encoded))

    def _open(self, width: int, height: int) -> None:
        """Add the output's streams, all before the first packet is written."""
        suffix = Path(self._output.name).suffix.lower()
        rate = self._pictures.average_rate or self._pictures.guessed_rate or Fraction(25)
        encoder = self._output.add_stream(VIDEO_CODECS[suffix], rate=rate, options={"crf": "18"})
        encoder.width, encoder.height = width, height
        # Chroma at half size needs even sides.
        encoder.pix_fmt = "yuv444p" if width % 2 or height % 2 else "yuv420p"
        codec = encoder.codec_context
        codec.time_base = self._pictures.time_base
        # BT.709, and said so: untagged video is guessed to be that or BT.601, by its size.
        codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range = 1, 1, 1, ColorRange.MPEG
        if self._sound is not None:
            try:
                self._copied_sound = self._output.add_stream_from_template(self._sound)
            except (ValueError, av.error.FFmpegError):
                name = self._sound.codec_context.name
                problem = f"{suffix} cannot hold this video's sound ({name}): choose an output that ends in .mkv"
                raise MirageRuntimeError(problem) from None
        self._encoder = encoder

    def _copy(self, held: list[Any]) -> None:
        for packet in held:
            if packet.dts is not None:
                packet.stream = self._copied_sound
                self._output.mux(packet)
        held.clear()

    def _check_end(self) -> None:
        """Compare what was there with what the file says of itself.

        Packets are counted, not pictures: a trimmed video holds some that it does not show.
        """
        said = self._pictures.frames
        seconds = (self._video.duration or 0) / 1e6
        start = (self._video.start_time or 0) / 1e6
        if said > self._packets or seconds - (self._end - start) > 1.0:
            whole = f"{said} frames" if said else f"{seconds:.1f} s"
            raise MirageRuntimeError(
                f"{self._video.name} is cut short: it says it has {whole}, and ends after {self._end - start:.1f} s"
            )

    def _estimated_frames(self) -> int | None:
        if not self._video.duration or not self._pictures.average_rate:
            return None
        return int(self._video.duration / 1e6 * float(self._pictures.average_rate))
