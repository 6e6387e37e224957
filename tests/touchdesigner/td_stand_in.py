"""A stand-in for TouchDesigner's `td`: enough of it to build the component and to run it, frame by frame.

README.md lists what it models. It is strict where TouchDesigner is, or may be: whatever belongs to it may be touched in
the main thread alone.
"""

# ruff: noqa: N801, N802, N803
from __future__ import annotations

import enum
import re
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar


class tdError(Exception):
    pass


_main = threading.main_thread().ident


def use_this_thread() -> None:
    """Make the calling thread TouchDesigner's main thread."""
    global _main
    _main = threading.get_ident()


class Guarded:
    """Raises where it is touched in another thread than TouchDesigner's main thread."""

    touched_elsewhere: ClassVar[list[str]] = []

    def __getattribute__(self, name: str) -> Any:
        if threading.get_ident() != _main:
            Guarded.touched_elsewhere.append(name)
            raise tdError(f"'{name}' was touched outside the main thread")
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if threading.get_ident() != _main:
            Guarded.touched_elsewhere.append(name)
            raise tdError(f"'{name}' was set outside the main thread")
        object.__setattr__(self, name, value)


class ParMode(enum.Enum):
    CONSTANT = 0
    EXPRESSION = 1
    EXPORT = 2
    BIND = 3


class Par(Guarded):
    """One parameter. Its range clamps constants; expressions are not clamped."""

    def __init__(self, owner: Any, name: str, style: str, value: Any, label: str = "", custom: bool = False) -> None:
        self.owner, self.name, self.style, self.label, self.isCustom = owner, name, style, label, custom
        self.default = self._val = value
        self.mode = ParMode.CONSTANT
        self.help, self.readOnly, self.password, self.page = "", False, False, None
        self.min, self.max, self.clampMin, self.clampMax, self.normMin, self.normMax = 0, 1, False, False, 0, 1
        self.menuNames: list[str] = []
        self.menuLabels: list[str] = []
        self._expr = ""

    @property
    def val(self) -> Any:
        return self._val

    @val.setter
    def val(self, value: Any) -> None:
        if self.style == "Menu" and self.menuNames and value not in self.menuNames:
            raise tdError(f"{self.name} has no menu entry {value}")
        if self.style in ("Float", "Int"):
            value = max(value, self.min) if self.clampMin else value
            value = min(value, self.max) if self.clampMax else value
            value = int(value) if self.style == "Int" else float(value)
        elif self.style in ("Str", "File", "Menu"):
            value = str(value)
        self._val, self.mode = value, ParMode.CONSTANT

    @property
    def expr(self) -> str:
        return self._expr

    @expr.setter
    def expr(self, text: str) -> None:
        self._expr, self.mode = text, ParMode.EXPRESSION

    def eval(self) -> Any:
        if self.mode is ParMode.EXPRESSION:
            return eval(self._expr, self.owner.names())
        return self._val

    def pulse(self) -> None:
        if self.style != "Pulse":
            raise tdError(f"{self.name} is no pulse")
        self.owner.pulsed(self)


class ParCollection(Guarded):
    def __init__(self) -> None:
        object.__setattr__(self, "_pars", {})

    def add(self, par: Par) -> Par:
        self._pars[par.name] = par
        return par

    def __iter__(self) -> Iterator[Par]:
        return iter(list(self._pars.values()))

    def __getitem__(self, name: str) -> Par | None:
        return self._pars.get(name)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Par:
        try:
            return self._pars[name]  # type: ignore[no-any-return]
        except KeyError:
            raise tdError(f"there is no parameter {name}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        getattr(self, name).val = value


class Page(Guarded):
    """A page of custom parameters."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name
        self.pars: list[Par] = []

    def _append(self, style: str, value: Any, name: str, label: str | None = None) -> list[Par]:
        if not re.fullmatch(r"[A-Z][a-z0-9]*", name):
            raise tdError(f"{name} is no name for a custom parameter")
        if self.owner.par[name] is not None:
            raise tdError(f"there is a parameter {name} already")
        par = self.owner.par.add(Par(self.owner, name, style, value, label or name, custom=True))
        par.page = self
        self.pars.append(par)
        return [par]

    def appendStr(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("Str", "", name, label)

    def appendFile(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("File", "", name, label)

    def appendFloat(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("Float", 0.0, name, label)

    def appendInt(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("Int", 0, name, label)

    def appendToggle(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("Toggle", False, name, label)

    def appendMenu(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("Menu", "", name, label)

    def appendPulse(self, name: str, label: str | None = None) -> list[Par]:
        return self._append("Pulse", None, name, label)


class VFSFile(Guarded):
    def __init__(self, name: str, data: bytearray) -> None:
        self.name, self.byteArray = name, data


class VFS(Guarded):
    """Files in a component."""

    def __init__(self) -> None:
        self._files: dict[str, VFSFile] = {}

    def addByteArray(self, byteArray: bytearray, name: str) -> VFSFile:
        self._files[name] = VFSFile(name, bytearray(byteArray))
        return self._files[name]

    def __getitem__(self, name: str) -> VFSFile:
        if name not in self._files:
            raise tdError(f"there is no file {name}")
        return self._files[name]


class TouchDesigner:
    """A running TouchDesigner with an empty project, whose frames the test counts."""

    def __init__(self, folder: Path) -> None:
        import td_operators as operators

        use_this_thread()
        Guarded.touched_elsewhere.clear()
        self.module = types.ModuleType("td")
        self.root = operators.baseCOMP(None, "", self)
        self.project = self.root.create(operators.baseCOMP, "project1")
        self.folder = folder
        self.eight_bits = True  # whether an 8-bit TOP gives uint8: older builds give floats whatever the texture has
        self.saved: list[Path] = []
        for name in operators.__all__:
            setattr(self.module, name, getattr(operators, name))
        self.module.op = self.op  # type: ignore[attr-defined]
        self.module.tdError = tdError  # type: ignore[attr-defined]
        self.module.ParMode = ParMode  # type: ignore[attr-defined]
        sys.modules["td"] = self.module

    def op(self, path: str) -> Any:
        return self.root.op(path.lstrip("/")) if path.strip("/") else self.root

    def frame(self) -> None:
        """Go on by one frame: parameters that changed are told, then Execute DATs run, then outputs cook."""
        for operator in list(self.root.everything()):
            operator.tell_changes()
        for operator in list(self.root.everything()):
            operator.begin_frame()
        for operator in list(self.root.everything()):
            operator.show()

    def close(self) -> None:
        self.project.destroy()
        sys.modules.pop("td", None)
