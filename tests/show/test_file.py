"""The show's file on the disk: whole or as it was, whatever goes wrong."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from mirage_protocol import ProtocolError
from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.files import replace
from mirage_runtime.show.document import Show
from mirage_runtime.show.file import ShowFile
from mirage_runtime.show.reading import ShowFileError

TEXT = 'name = "Härbour"  # mine\n'
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and links of POSIX")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "show.toml"
    path.write_text(TEXT, encoding="utf-8")
    return path


def agree(show: Show) -> None:
    """A check that is never against it."""


def only(path: Path) -> bool:
    """Whether nothing else is in its folder."""
    return list(path.parent.iterdir()) == [path]


def test_a_file_that_is_not_there_is_an_empty_show_and_the_first_change_writes_it(tmp_path: Path) -> None:
    file = ShowFile(tmp_path / "new.toml")
    assert file.load() == Show()
    assert not file.changed()
    assert not (tmp_path / "new.toml").exists()
    assert file.change(lambda text: text + "loop = true\n", agree) == Show(loop=True)
    assert (tmp_path / "new.toml").read_bytes() == b"loop = true\n"
    assert not file.changed()
    assert only(file.path)


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(MirageRuntimeError, match=r"there is no folder .*nowhere for the show file show\.toml"):
        ShowFile(tmp_path / "nowhere" / "show.toml")


def test_a_path_from_here_stays_the_same_file_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    file = ShowFile(Path("show.toml"))
    monkeypatch.chdir("/")
    assert file.path == path
    assert file.load().name == "Härbour"


def test_a_byte_order_mark_is_read_over(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.encode())
    assert ShowFile(path).load().name == "Härbour"


@pytest.mark.parametrize("before", [b"", b"# x\r\n", b"\n\n\n"])
def test_what_is_no_utf8_is_an_error_with_its_line(path: Path, before: bytes) -> None:
    path.write_bytes(before + 'name = "Ä"'.encode("latin-1"))
    with pytest.raises(ShowFileError, match=rf"^show\.toml, line {before.count(10) + 1}: this is no UTF-8 text$"):
        ShowFile(path).load()


@pytest.mark.parametrize("size", [2**20, 2**20 + 1])
def test_a_file_may_have_a_mebibyte(path: Path, size: int) -> None:
    path.write_bytes(b"#" * size)
    if size <= 2**20:
        assert ShowFile(path).load() == Show()
    else:
        with pytest.raises(ShowFileError, match="has 1048577 bytes: a show file has at most 1048576"):
            ShowFile(path).load()


def test_a_folder_in_the_files_place_cannot_be_read(tmp_path: Path) -> None:
    file = ShowFile(tmp_path)
    with pytest.raises(ShowFileError, match="cannot be read"):
        file.load()
    with pytest.raises(ProtocolError, match=r"nothing was saved: .* cannot be read"):
        file.change(lambda text: text, agree)


def test_a_mistake_names_the_file(path: Path) -> None:
    path.write_text("\nlop = 1")
    with pytest.raises(ShowFileError, match=r"^show\.toml, line 2, column 1: "):
        ShowFile(path).load()


def test_a_file_that_somebody_else_has_written_is_changed(path: Path) -> None:
    file = ShowFile(path)
    assert file.changed()
    file.load()
    assert not file.changed()
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))
    assert file.changed()
    file.load()
    path.write_text(TEXT + "# more\n", encoding="utf-8")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))
    assert file.changed()
    file.load()
    path.unlink()
    assert file.changed()
    assert file.load() == Show()
    assert not file.changed()
    path.write_text("")
    assert file.changed()


def test_a_file_that_is_wrong_is_not_read_again_until_it_is_another(path: Path) -> None:
    file = ShowFile(path)
    path.write_text("lop = 1")
    with pytest.raises(ShowFileError):
        file.load()
    assert not file.changed()


def test_a_change_is_made_to_what_the_file_says_now(path: Path) -> None:
    file = ShowFile(path)
    file.load()
    path.write_text("autostart = true\n")
    assert file.change(lambda text: text + "loop = true\n", agree) == Show(autostart=True, loop=True)
    assert path.read_bytes() == b"autostart = true\nloop = true\n"
    assert not file.changed()


@pytest.mark.parametrize("data", [b"name = 'x'\r\n# \xc3\xa4\r\n", b"# no newline"])
def test_what_is_not_changed_is_written_as_it_was(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    ShowFile(path).change(lambda text: text, agree)
    assert path.read_bytes() == data


def test_a_change_that_makes_no_sense_leaves_the_file_as_it_was(path: Path) -> None:
    file = ShowFile(path)
    file.load()
    with pytest.raises(ProtocolError) as caught:
        file.change(lambda text: text + "lop = 1", agree)
    assert caught.value.code == "not-allowed"
    assert caught.value.message.startswith("nothing was saved: show.toml, line 2, column 1: there is no key 'lop'")
    assert path.read_text(encoding="utf-8") == TEXT
    assert not file.changed()
    assert only(path)


def test_a_check_that_is_against_it_leaves_the_file_as_it_was(path: Path) -> None:
    def refuse(show: Show) -> NoReturn:
        raise ShowFileError(f"{show.loop}: the show is too long")

    with pytest.raises(ProtocolError, match="nothing was saved: True: the show is too long"):
        ShowFile(path).change(lambda text: "loop = true", refuse)
    assert path.read_text(encoding="utf-8") == TEXT


def test_an_edit_that_cannot_be_made_leaves_the_file_as_it_was(path: Path) -> None:
    def edit(text: str) -> NoReturn:
        raise ProtocolError("unsupported", "there is no cue '9'", "cue")

    with pytest.raises(ProtocolError, match="there is no cue '9'") as caught:
        ShowFile(path).change(edit, agree)
    assert caught.value.code == "unsupported"
    assert path.read_text(encoding="utf-8") == TEXT


def test_a_file_that_is_wrong_is_not_written_over(path: Path) -> None:
    path.write_text("lop = 1")
    with pytest.raises(ProtocolError, match=r"nothing was saved: show\.toml, line 1"):
        ShowFile(path).change(lambda text: "loop = true", agree)
    assert path.read_text() == "lop = 1"


def test_a_change_that_makes_the_file_too_large_leaves_it_as_it_was(path: Path) -> None:
    with pytest.raises(ProtocolError, match="nothing was saved"):
        ShowFile(path).change(lambda text: "#" * (2**20 + 1), agree)
    assert path.read_text(encoding="utf-8") == TEXT


def test_a_folder_that_may_not_be_written_loses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("mirage_runtime.files.tempfile.mkstemp", refuse)
    file = ShowFile(path)
    file.load()
    with pytest.raises(ProtocolError, match=r"show\.toml cannot be written: Permission denied"):
        file.change(lambda text: "loop = true", agree)
    assert path.read_text(encoding="utf-8") == TEXT
    assert not file.changed()


def test_a_folder_that_has_gone_is_no_crash(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    file = ShowFile(tmp_path / "gone" / "show.toml")
    (tmp_path / "gone").rmdir()
    assert file.load() == Show()
    with pytest.raises(ProtocolError, match=r"show\.toml cannot be written: No such file"):
        file.change(lambda text: "loop = true", agree)


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o664, 0o444])
def test_the_mode_of_the_file_is_kept(path: Path, mode: int) -> None:
    path.chmod(mode)
    ShowFile(path).change(lambda text: "loop = true", agree)
    assert path.stat().st_mode & 0o777 == mode
    assert path.read_text() == "loop = true"


@POSIX
def test_a_new_file_can_be_read_by_all_and_written_by_its_owner(tmp_path: Path) -> None:
    replace(tmp_path / "new", b"x")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o644


@POSIX
def test_a_link_stays_a_link(path: Path) -> None:
    link = path.with_name("link.toml")
    link.symlink_to(path)
    ShowFile(link).change(lambda text: "loop = true", agree)
    assert link.is_symlink()
    assert path.read_text() == "loop = true"


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.chmod", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_whatever_fails_while_it_is_written_the_old_file_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str, error: BaseException
) -> None:
    def fail(*args: object, **options: object) -> NoReturn:
        raise error

    monkeypatch.setattr(step, fail)
    with pytest.raises(type(error)):
        replace(path, b"new")
    monkeypatch.undo()
    assert path.read_text(encoding="utf-8") == TEXT
    assert only(path)


def test_the_new_file_is_on_the_disk_before_it_has_the_name(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    sync = os.fsync

    def watch(handle: int) -> None:
        sync(handle)
        seen.append((path.read_text(encoding="utf-8"), os.fstat(handle).st_size))

    monkeypatch.setattr("os.fsync", watch)
    replace(path, b"new")
    assert seen == [(TEXT, 3)]
    assert path.read_bytes() == b"new"


def test_a_process_that_dies_while_it_writes_leaves_the_old_file(path: Path) -> None:
    program = (
        "import os, sys, pathlib, mirage_runtime.files as files\n"
        "os.fsync = lambda handle: os._exit(9)\n"
        "files.replace(pathlib.Path(sys.argv[1]), b'new')\n"
    )
    died = subprocess.run([sys.executable, "-c", program, path], timeout=50, check=False)
    assert died.returncode == 9
    assert path.read_text(encoding="utf-8") == TEXT
    assert ShowFile(path).load().name == "Härbour"


def test_who_reads_meanwhile_finds_the_old_one_or_the_new_one(path: Path) -> None:
    files = [bytes([letter]) * 50_000 for letter in b"ab"]
    replace(path, files[0])
    ended = threading.Event()
    seen = set()

    def read() -> None:
        while not ended.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(60):
            replace(path, files[turn % 2])
    finally:
        ended.set()
        reader.join()
    assert seen <= set(files)
    assert only(path)
