"""The stand-in's operators: COMPs, TOPs and DATs as far as the component uses them."""

# ruff: noqa: N801, N802, N803
from __future__ import annotations

import itertools
import json
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from td_stand_in import VFS, Guarded, Page, Par, ParCollection, TouchDesigner, tdError

__all__ = [
    "COMP",
    "OP",
    "baseCOMP",
    "constantTOP",
    "executeDAT",
    "inTOP",
    "outDAT",
    "outTOP",
    "parameterexecuteDAT",
    "scriptTOP",
    "tableDAT",
    "textDAT",
]

_numbers = itertools.count(1)


class Connector(Guarded):
    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def connect(self, other: Any) -> None:
        """An operator into an input: `input.connect(operator)`; an output into an operator's first input."""
        self.owner.source = other


class OP(Guarded):
    """What every operator has."""

    built_in: tuple[tuple[str, str, Any], ...] = ()

    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        self.container, self.name, self.program = parent, name, program
        self.id = next(_numbers)
        self.valid = True
        self.docked: list[Any] = []
        self.nodeX = self.nodeY = 0
        self.comment = ""
        self.source: Any = None
        self.inputConnectors = [Connector(self)]
        self.cooking = False
        self.found: list[str] = []
        self.par = ParCollection()
        for par, style, value in self.built_in:
            self.par.add(Par(self, par, style, value))

    @property
    def inputs(self) -> list[Any]:
        return [self.source] if self.source is not None else []

    def parent(self) -> Any:
        return self.container

    def op(self, path: str) -> Any:
        """Find an operator from this one: its siblings by name, and ``..`` is what it is in."""
        return self.container if path == ".." or self.container is None else self.container.op(path)

    def names(self) -> dict[str, Any]:
        """What a script or an expression of this operator sees."""
        td = self.program.module
        return {"me": self, "op": self.op, "parent": self.parent, "td": td, "print": print}

    def destroy(self) -> None:
        self.valid = False
        self.container.remove(self)

    def addWarning(self, message: str) -> None:
        if not self.cooking:
            raise tdError("warnings are added while the operator cooks")
        self.found.append(message)

    def warnings(self) -> str:
        return "\n".join(self.found)

    def cook(self, force: bool = False) -> None:
        self.found, self.cooking = [], True
        try:
            self.on_cook()
        finally:
            self.cooking = False

    def on_cook(self) -> None: ...
    def pulsed(self, par: Par) -> None: ...
    def tell_changes(self) -> None: ...
    def begin_frame(self) -> None: ...
    def show(self) -> None: ...


class COMP(OP):
    """A component: a network, custom parameters, files, an extension."""

    built_in = (
        ("ext", "Int", 1),
        ("ext0object", "Str", ""),
        ("ext0name", "Str", ""),
        ("ext0promote", "Toggle", False),
        ("initextonstart", "Toggle", False),
        ("reinitextensions", "Pulse", None),
    )

    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        super().__init__(parent, name, program)
        self.vfs = VFS()
        self.customPages: list[Page] = []
        self._children: dict[str, OP] = {}
        self._extension: Any = None

    @property
    def path(self) -> str:
        return f"{self.container.path}/{self.name}".replace("//", "/") if self.container is not None else "/"

    @property
    def children(self) -> list[OP]:
        return list(self._children.values())

    def everything(self) -> Iterator[OP]:
        for child in self.children:
            yield child
            if isinstance(child, COMP):
                yield from child.everything()

    def create(self, kind: Any, name: str) -> Any:
        if name in self._children:
            raise tdError(f"there is a {name} already")
        self._children[name] = child = kind(self, name, self.program)
        for docked in child.docked:
            self._children[docked.name] = docked
        return child

    def remove(self, child: OP) -> None:
        del self._children[child.name]

    def op(self, path: str) -> Any:
        first, _, rest = path.removeprefix("./").partition("/")
        child = self._children.get(first)
        return child.op(rest) if rest and child is not None else child

    def appendCustomPage(self, name: str) -> Page:
        self.customPages.append(Page(self, name))
        return self.customPages[-1]

    def pulsed(self, par: Par) -> None:
        if par.name == "reinitextensions":
            self.end_extension()
            self.extension()
        for operator in self.everything():
            if isinstance(operator, parameterexecuteDAT) and par.isCustom:
                operator.pulsed_beside(par)

    def extension(self) -> Any:
        if self._extension is None and self.par.ext0object.eval():
            # The object's text is evaluated as from inside the component.
            names = self.names() | {"op": self.op}
            self._extension = eval(self.par.ext0object.eval(), names)
        return self._extension

    def end_extension(self) -> None:
        extension, self._extension = self._extension, None
        if hasattr(extension, "onDestroyTD"):
            extension.onDestroyTD()

    def destroy(self) -> None:
        for child in self.children:
            child.destroy()
        self.end_extension()
        super().destroy()

    def __getattr__(self, name: str) -> Any:
        """What a promoted extension has in capitals."""
        extension = self.extension() if name[:1].isupper() and self.par.ext0promote.eval() else None
        if extension is None:
            raise AttributeError(f"'{self.name}' has no attribute {name}")
        return getattr(extension, name)

    def save(self, path: str) -> str:
        operators = [[type(child).__name__, child.name] for child in self.children]
        Path(path).write_text(json.dumps(operators))
        self.program.saved.append(Path(path))
        return path


class baseCOMP(COMP):
    pass


class DAT(OP):
    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        super().__init__(parent, name, program)
        self._text, self._module = "", None

    @property
    def text(self) -> str:
        return self._text

    @text.setter
    def text(self, text: str) -> None:
        self._text, self._module = text, None

    @property
    def module(self) -> Any:
        if self._module is None:
            module = types.ModuleType(self.name)
            module.__dict__.update(self.names())
            exec(compile(self._text, f"{self.container.path}/{self.name}", "exec"), module.__dict__)
            self._module = module  # type: ignore[assignment]
        return self._module


class textDAT(DAT):
    pass


class executeDAT(DAT):
    built_in = (("active", "Toggle", True), ("framestart", "Toggle", False), ("frameend", "Toggle", False))

    def begin_frame(self) -> None:
        if self.par.active.eval() and self.par.framestart.eval():
            self.module.onFrameStart(1)


class parameterexecuteDAT(DAT):
    built_in = (
        ("active", "Toggle", True),
        ("op", "Str", ""),
        ("pars", "Str", "*"),
        ("custom", "Toggle", True),
        ("builtin", "Toggle", True),
        ("valuechange", "Toggle", True),
        ("onpulse", "Toggle", True),
    )

    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        super().__init__(parent, name, program)
        self._seen: dict[str, Any] = {}

    def _watched(self) -> list[Par]:
        assert self.par.pars.eval() == "*"
        custom, built_in = self.par.custom.eval(), self.par.builtin.eval()
        target = self.op(self.par.op.eval())
        return [par for par in target.par if (custom if par.isCustom else built_in)]

    def tell_changes(self) -> None:
        """Compare with the last frame's values: a change is told once a frame, whoever made it."""
        for par in self._watched() if self.par.active.eval() and self.par.valuechange.eval() else ():
            if par.style == "Pulse":
                continue
            try:
                value = par.eval()
            except Exception as error:  # a broken expression has an error of its own, and a value all the same
                value = f"error: {error}"
            if self._seen.setdefault(par.name, value) != value:
                previous, self._seen[par.name] = self._seen[par.name], value
                self.module.onValueChange(par, previous)

    def pulsed_beside(self, par: Par) -> None:
        if self.par.active.eval() and self.par.onpulse.eval():
            self.module.onPulse(par)


class tableDAT(DAT):
    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        super().__init__(parent, name, program)
        self.rows: list[list[str]] = []

    def clear(self) -> None:
        self.rows = []

    def appendRows(self, rows: Any) -> None:
        self.rows += [[str(cell) for cell in row] for row in rows]

    def value(self, name: str) -> str | None:
        return next((row[1] for row in self.rows if row[0] == name), None)


class outDAT(DAT):
    pass


class TOP(OP):
    """A picture: (H, W, channels), the bottom row first."""

    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        super().__init__(parent, name, program)
        self.picture: Any = None
        self._downloading: Any = None

    def texture(self) -> Any:
        return self.picture

    def numpyArray(self, delayed: bool = False, writable: bool = False, neverNone: bool = False) -> Any:
        """With ``delayed``, what the texture was at the last call; None at the first."""
        texture = self.texture()
        if texture is not None and texture.dtype == np.uint8 and not self.program.eight_bits:
            texture = texture.astype(np.float32) / 255
        now = None if texture is None else texture.copy()
        if now is not None and not writable:
            now.flags.writeable = False
        before, self._downloading = self._downloading, now
        return before if delayed and (before is not None or not neverNone) else now


class constantTOP(TOP):
    pass


class inTOP(TOP):
    def texture(self) -> Any:
        return self.container.source.texture() if self.container.source is not None else None


class outTOP(TOP):
    def texture(self) -> Any:
        return self.source.texture() if self.source is not None else None

    def show(self) -> None:
        if self.source is not None:
            self.source.cook()


class scriptTOP(TOP):
    """Makes its own callbacks beside it, as TouchDesigner does. Keeps its picture where a cook copies none."""

    built_in = (("callbacks", "Str", ""),)

    def __init__(self, parent: Any, name: str, program: TouchDesigner) -> None:
        super().__init__(parent, name, program)
        self.docked = [textDAT(parent, f"{name}_callbacks", program)]

    def on_cook(self) -> None:
        self.op(self.par.callbacks.eval()).module.onCook(self)

    def copyNumpyArray(self, array: Any) -> None:
        if not self.cooking:
            raise tdError("copyNumpyArray is for the cook")
        if array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype not in (np.uint8, np.uint16, np.float32):
            raise tdError(f"copyNumpyArray takes no {array.dtype} {array.shape}")
        if not array.flags.c_contiguous:
            raise tdError("copyNumpyArray wants rows one after the other")
        self.picture = array.copy()
