"""What a daemon is told when it starts."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mirage_protocol import DEFAULT_MAX_HEIGHT, DEFAULT_MAX_WIDTH, DEFAULT_STREAM
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.names import is_stream

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
DEFAULT_OSC_PORT = 8247
DEFAULT_OSC_OUT_PORT = 8248
DEFAULT_MODEL = "lsd-mini"

# The pixels that the model works on where nobody says otherwise: what two CPU cores transform in real time.
DEFAULT_MODEL_PIXELS = 768 * 432


def cache_dir() -> Path:
    """Return the folder for compiled models: ``MIRAGE_CACHE``, else the user's cache folder."""
    if chosen := os.environ.get("MIRAGE_CACHE"):
        return Path(chosen)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "mirage" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mirage"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mirage"


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or an address, no port) can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class DiffusionConfig:
    """What is chosen of a model of Stable Diffusion's family; see `mirage_runtime.models.diffusion.files.look_at`.

    ``loras`` are files, each with a strength behind a colon where it is not 1. ``sampling`` is ``auto``, ``turbo``,
    ``lcm`` or ``ddim``, ``cfg_type`` ``full``, ``residual`` or ``off``. ``still``: see `mirage_runtime.still`.
    ``prediction``: what the network predicts, ``auto``, ``epsilon``, ``v_prediction`` or ``sample``.
    ``stream_batch``: whether steps of successive frames are computed side by side, so that pictures come later.
    """

    vae: str | None = None
    loras: tuple[str, ...] = ()
    sampling: str = "auto"
    cfg_type: str = "residual"
    still: float = 1.5
    stream_batch: bool = False
    prediction: str = "auto"


@dataclass(frozen=True)
class ModelConfig:
    """Which model runs, on what, how large; handed to the worker process as it is.

    ``name`` is that of a model that comes with Mirage, or the path of one. ``engine`` ``auto`` takes the fastest that
    is to be had. ``pixels`` is the most pixels that the model works on (larger frames are fitted to it and their
    results enlarged), None for the frame's own size. ``threads`` None means one a physical core.
    """

    name: str = DEFAULT_MODEL
    engine: str = "auto"
    pixels: int | None = DEFAULT_MODEL_PIXELS
    threads: int | None = None
    prepare: tuple[int, int] | None = (432, 768)
    diffusion: DiffusionConfig = DiffusionConfig()

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> ModelConfig:
        """Return what ``dataclasses.asdict`` made into JSON."""
        prepare, chosen = fields["prepare"], fields["diffusion"]
        diffusion = DiffusionConfig(**chosen | {"loras": tuple(chosen["loras"])})
        return cls(**{**fields, "prepare": tuple(prepare) if prepare else None, "diffusion": diffusion})


def _without_scope(host: str) -> str:
    """Return an address as it is written in networks: without an interface, and IPv4 as IPv4."""
    return host.partition("%")[0].removeprefix("::ffff:")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True)
class OscConfig:
    """Where OSC is listened to, and who may send it.

    Loopback always may; others if they are in ``allow``. ``subscribers`` are (host, port) that are sent feedback
    without having asked; ``out_port`` is where patches made for StreamDiffusionTD listen. With ``required`` a port that
    is taken is an error, else a warning.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_OSC_PORT
    out_port: int = DEFAULT_OSC_OUT_PORT
    allow: tuple[Network, ...] = ()
    subscribers: tuple[tuple[str, int], ...] = ()
    required: bool = False

    def __post_init__(self) -> None:
        if not is_loopback(self.host) and not self.allow:
            raise MirageRuntimeError(
                f"--osc-host {self.host} is open to other machines: say which may send with --osc-allow, "
                "for example --osc-allow 192.168.1.0/24"
            )

    def allows(self, host: str) -> bool:
        """Whether messages from this address are taken."""
        return is_loopback(_without_scope(host)) or self.lists(host)

    def lists(self, host: str) -> bool:
        """Whether an address is in one of the networks that were named."""
        try:
            address = ipaddress.ip_address(_without_scope(host))
        except ValueError:
            return False
        return any(address in network for network in self.allow)


@dataclass(frozen=True)
class TouchConfig:
    """The shared memory of one stream: the names of the Shared Mem Out TOP that is its source, and of the In TOP."""

    stream: str
    input: str | None = None
    output: str | None = None


_TOUCH_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def touch_links(inputs: Iterable[str], outputs: Iterable[str]) -> tuple[TouchConfig, ...]:
    """Return the links that options like ``NAME`` or ``NAME:STREAM`` ask for; raises `MirageRuntimeError`."""
    links: dict[str, TouchConfig] = {}
    taken: set[str] = set()
    for option, field_, texts in (("--touch-in", "input", inputs), ("--touch-out", "output", outputs)):
        for text in texts:
            name, _, stream = text.partition(":")
            stream = stream or DEFAULT_STREAM
            if not _TOUCH_NAME.fullmatch(name):
                raise MirageRuntimeError(f"{option} {text}: a name has 1 to 64 letters, digits, '.', '_' and '-'")
            if not is_stream(stream):
                raise MirageRuntimeError(f"{option} {text}: there can be no stream '{stream}'")
            if name in taken:
                raise MirageRuntimeError(f"{option} {text}: that name is in use already: TOPs need names of their own")
            link = links.get(stream, TouchConfig(stream))
            if getattr(link, field_) is not None:
                raise MirageRuntimeError(f"{option} {text}: stream {stream} has one already")
            taken.add(name)
            links[stream] = replace(link, **{field_: name})
    return tuple(links.values())


@dataclass(frozen=True)
class Config:
    """A daemon's settings.

    ``hang_timeout``: seconds without an answer until the worker is started again. ``osc`` None: no OSC. ``mdns`` None:
    advertised where other machines can come in. ``midi``: parts of the names of MIDI devices, ``all`` for every one.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token: str | None = None
    insecure: bool = False
    allow_origins: tuple[str, ...] = ()
    allow_hosts: tuple[str, ...] = ()
    max_width: int = DEFAULT_MAX_WIDTH
    max_height: int = DEFAULT_MAX_HEIGHT
    max_streams: int = 64
    max_connections: int = 256
    hang_timeout: float = 10.0
    osc: OscConfig | None = field(default_factory=OscConfig)
    mdns: bool | None = None
    show: Path | None = None
    midi: tuple[str, ...] = ()
    touch: tuple[TouchConfig, ...] = ()
    model: ModelConfig = field(default_factory=ModelConfig)

    def __post_init__(self) -> None:
        if self.token is not None and not self.token.strip():
            raise MirageRuntimeError("the token is empty: give a secret, or none at all")
        if not is_loopback(self.host) and self.token is None and not self.insecure:
            raise MirageRuntimeError(
                f"binding to {self.host} lets other machines in: give --token SECRET, "
                "or say --insecure if everybody on this network may drive the daemon"
            )

    @property
    def max_message_size(self) -> int:
        """Bytes of the largest message: every plane at the largest size, and the header."""
        return self.max_width * self.max_height * 20 + 2**17
