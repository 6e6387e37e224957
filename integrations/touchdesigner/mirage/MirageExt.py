"""The component's extension: what it does in TouchDesigner's main thread, which is little.

The library that it carries does the rest. Operators are found from the component, never by a path, so that it may be
renamed, moved and copied; several may work side by side, each on a stream of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ARCHIVE = "python.zip"
_REGISTRY = "_mirage_workers"  # in sys: extensions are made anew while the program runs, their threads must not pile up


class MirageExt:
    """Frames of the component's input go to the daemon; its output shows the last good result."""

    def __init__(self, ownerComp: Any) -> None:  # noqa: N803
        self.ownerComp = ownerComp
        self._worker: Any = None
        self._told: Any = None
        self._shown = False
        self._error = ""
        self._parameters: Any = ownerComp.op("parameters").module.PARAMETERS
        self._library: Any = None
        _stop_worker_of(ownerComp.id)
        if ownerComp.par.Active.eval():
            self.Start()

    def onDestroyTD(self) -> None:  # noqa: N802
        """Let go before TouchDesigner makes this extension anew, or removes the component."""
        self.Stop()

    # What anybody may call.

    @property
    def State(self) -> str:  # noqa: N802
        """off, connecting, connected, reconnecting or refused."""
        return self._worker.status.state if self._worker is not None else "refused" if self._error else "off"

    @property
    def Message(self) -> str:  # noqa: N802
        """What is wrong, in one line; empty where nothing is."""
        return self._error or (self._worker.status.message if self._worker is not None else "")

    @property
    def HasResult(self) -> bool:  # noqa: N802
        """Whether the output is a result of the daemon's, and not the source."""
        return self._shown

    def Start(self) -> None:  # noqa: N802
        """Connect, and stay connected until `Stop`."""
        self.Stop()
        self._error = ""
        try:
            _add_library(self.ownerComp)
            self._library = importlib.import_module("mirage_touchdesigner")
        except Exception as error:  # whatever is wrong with the library, the component says it
            self._error = f"the Python client cannot be loaded: {error}"
            return
        worker = self._worker = self._library.Worker()
        _workers()[self.ownerComp.id] = worker
        values = {name: self._value(name) for name in {row["parameter"] for row in self._parameters}}
        worker.start(self._settings(), {name: value for name, value in values.items() if value is not None})

    def Stop(self) -> None:  # noqa: N802
        """Disconnect. The source passes through."""
        worker, self._worker, self._told, self._shown = self._worker, None, None, False
        if worker is not None:
            worker.stop()
            _workers().pop(self.ownerComp.id, None)

    def Reconnect(self) -> None:  # noqa: N802
        """Connect anew, with the parameters as they are now."""
        if self._worker is None:
            self.Start()
        else:
            self._worker.connect_again(self._settings())

    def Set(self, **parameters: Any) -> None:  # noqa: N802
        """Set parameters of the stream by their names in the protocol: ``Set(prompt="ink", strength=0.5)``."""
        if self._library is None:
            raise RuntimeError(self.Message or "the component is not active")
        for name, value in parameters.items():
            rows = [row for row in self._parameters if row["parameter"] == name]
            if not rows:
                raise ValueError(f"there is no parameter {name}")
            self._assign(self._library.from_protocol(rows, value))

    def Go(self) -> None:  # noqa: N802
        """The next cue of the daemon's show."""
        self._play("go")

    def Back(self) -> None:  # noqa: N802
        """The cue before, at once."""
        self._play("back")

    def Pause(self) -> None:  # noqa: N802
        """Transform no frames: the last result stays."""
        self._play("pause")

    def Play(self) -> None:  # noqa: N802
        """Transform frames again."""
        self._play("play")

    # What the callbacks call.

    def Cook(self, scriptOp: Any) -> None:  # noqa: N802, N803
        """Leave the input's picture, show the newest result. Until there is one, the source passes through."""
        source = scriptOp.inputs[0] if scriptOp.inputs else None
        # The picture of the last call, so that the graphics card need not be waited for; None at first.
        frame = source.numpyArray(delayed=True, writable=True) if source is not None else None
        worker, picture = self._worker, None
        if worker is not None:
            if frame is not None:
                worker.offer(frame)
            picture = worker.take()
        if picture is not None:
            scriptOp.copyNumpyArray(picture)
            self._shown = True
        elif frame is not None and not self._shown:
            scriptOp.copyNumpyArray(_colored(frame))
        if message := self.Message:
            scriptOp.addWarning(message)

    def Update(self) -> None:  # noqa: N802
        """Once a frame: let the result cook, and show what has changed."""
        component, worker = self.ownerComp, self._worker
        if worker is not None:
            component.op("result").cook(force=True)
            self._follow(worker.changes())
        status = worker.status if worker is not None else (self.State, self._error)
        if status is self._told or status == self._told:
            return
        self._told = status
        component.par.State.val, component.par.Message.val = self.State, self.Message
        if worker is None:
            return
        table = component.op("statistics")
        table.clear()
        table.appendRows([("name", "value"), *worker.status.rows])

    def ParameterChanged(self, par: Any) -> None:  # noqa: N802
        """Act on a parameter that has another value."""
        if par.name == "Active":
            if par.eval():
                self.Start()
            else:
                self.Stop()
        elif par.name in ("Address", "Transport", "Compression", "Quality", "Token", "Takeover"):
            if self._worker is not None:
                self.Reconnect()
        elif self._worker is not None:
            for name in {row["parameter"] for row in self._parameters if row["name"] == par.name}:
                value = self._value(name)
                if value is not None:
                    self._worker.set({name: value})

    def ParameterPulsed(self, par: Any) -> None:  # noqa: N802
        """Act on a button."""
        if par.name in ("Reconnect", "Go", "Back", "Pause", "Play"):
            getattr(self, par.name)()

    # The rest.

    def _settings(self) -> Any:
        par = self.ownerComp.par
        return self._library.Settings(
            url=str(par.Address.eval()).strip(),
            transport=str(par.Transport.eval()),
            compression=str(par.Compression.eval()),
            quality=int(par.Quality.eval()),
            token=str(par.Token.eval()) or None,
            take_over=bool(par.Takeover.eval()),
        )

    def _value(self, name: str) -> Any:
        """Return a parameter of the stream as the component has it; None, and a message, where that is no value."""
        rows = [row for row in self._parameters if row["parameter"] == name]
        worker = self._worker
        try:
            values = {row["name"]: self.ownerComp.par[row["name"]].eval() for row in rows}
            value = self._library.to_protocol(rows, values)
        except Exception as error:  # an expression may fail in any way
            if worker is not None:
                worker.complain(f"value of {name}", str(error))
            return None
        if worker is not None:
            worker.complain(f"value of {name}", None)
        return value

    def _follow(self, changes: Mapping[str, Any]) -> None:
        """Show what somebody else has set, but in parameters that an expression drives."""
        for name, value in changes.items():
            rows = [row for row in self._parameters if row["parameter"] == name]
            self._assign(self._library.from_protocol(rows, value))

    def _assign(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            par = self.ownerComp.par[name]
            if par is not None and str(par.mode).endswith("CONSTANT") and par.eval() != value:
                par.val = value

    def _play(self, action: str) -> None:
        if self._worker is not None:
            self._worker.play(action)


def _colored(frame: Any) -> Any:
    """Return a picture as a Script TOP takes it: with 3 or 4 channels. Two are grey and alpha."""
    channels = frame.shape[2]
    return frame if channels > 2 else frame.take([0, 0, 0, 1][: channels + 2], axis=2)


def _workers() -> dict[Any, Any]:
    workers: dict[Any, Any] = sys.__dict__.setdefault(_REGISTRY, {})
    return workers


def _stop_worker_of(component: Any) -> None:
    worker = _workers().pop(component, None)
    if worker is not None:
        worker.stop()


def _add_library(component: Any) -> None:
    """Make the Python client importable: from the folder or zip that is named, else out of the component itself."""
    place = str(component.par.Library.eval()).strip() or str(_exported(component.vfs[_ARCHIVE].byteArray))
    if not Path(place).exists():
        raise FileNotFoundError(f"there is no {place}")
    if place not in sys.path:
        sys.path.insert(0, place)


def _exported(archive: bytes) -> Path:
    """Return the file that holds the component's library, in the user's own cache; written where it is not there."""
    home = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(home) / "mirage" / "touchdesigner"
    path = folder / f"python-{zlib.crc32(archive):08x}.zip"
    if not path.exists() or path.read_bytes() != bytes(archive):
        folder.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(f".{os.getpid()}")
        new.write_bytes(archive)
        with contextlib.suppress(PermissionError):  # Windows, while another process reads it: it is the same then
            new.replace(path)
    return path
