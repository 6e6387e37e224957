"""The file that a show is kept in: read, changed, and read again when somebody else has changed it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mirage_protocol import ProtocolError
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.files import replace
from mirage_runtime.show.document import Show
from mirage_runtime.show.reading import ShowFileError, read

_LARGEST = 2**20


class ShowFile:
    """One show file. It need not be there yet: then the show is empty, and the first change writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        if not self.path.parent.is_dir():
            raise MirageRuntimeError(f"there is no folder {self.path.parent} for the show file {path.name}")
        self._stamp: tuple[int, int] | None = None

    def load(self) -> Show:
        """Return the show as the file has it; raises `ShowFileError`."""
        self._stamp = self._stat()
        return read(self._text(), self.path.name)

    def changed(self) -> bool:
        """Whether somebody else has written the file since it was loaded."""
        return self._stat() != self._stamp

    def change(self, edit: Callable[[str], str], check: Callable[[Show], object]) -> Show:
        """Change the file's text, write it whole, and return the show that it is now.

        Raises `ProtocolError` where the change makes no sense, ``check`` is against it (with `ShowFileError`) or the
        file cannot be written: then it stays as it was.
        """
        try:
            text = self._text()
            read(text, self.path.name)
            edited = edit(text)
            show = read(edited, self.path.name)
            check(show)
            if len(edited.encode()) > _LARGEST:
                raise ShowFileError(f"a show file has at most {_LARGEST} bytes")
            replace(self.path, edited.encode())
        except ShowFileError as error:
            raise ProtocolError("not-allowed", f"nothing was saved: {error}") from None
        except OSError as error:
            problem = f"{self.path} cannot be written: {error.strerror or error}"
            raise ProtocolError("not-allowed", problem) from None
        self._stamp = self._stat()
        return show

    def _text(self) -> str:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise ShowFileError(f"{self.path} cannot be read: {error.strerror or error}") from None
        if len(data) > _LARGEST:
            raise ShowFileError(f"{self.path} has {len(data)} bytes: a show file has at most {_LARGEST}")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data[: error.start].count(b"\n") + 1
            raise ShowFileError(f"{self.path.name}, line {line}: this is no UTF-8 text") from None

    def _stat(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size
