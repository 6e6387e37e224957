"""Where a show is, on the disk."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mirage_runtime.show.places import Place, Places, state_dir

SHOW = Path("show.toml")


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for places; it is not there yet."""
    folder = tmp_path / "state" / "mirage"
    monkeypatch.setenv("MIRAGE_STATE", str(folder))
    return folder


def kept(*places: Place | None, show: Path = SHOW) -> Path:
    """Keep places one after another, and return the file."""
    file = Places(show)
    for place in places:
        file.keep(place)
    file.close()
    return file.path


def found(show: Path = SHOW) -> Place | None:
    file = Places(show)
    try:
        return file.read()
    finally:
        file.close()


@pytest.mark.parametrize("cue", ["1", "2.5", 'Ä "1"\n', "\U0001f30a"])
def test_a_place_is_read_back(state: Path, cue: str) -> None:
    place = Place(cue, time.time())
    path = kept(place)
    assert found() == place
    assert list(state.iterdir()) == [path]


def test_the_newest_place_counts(state: Path) -> None:
    kept(*(Place(str(number), float(number)) for number in range(50)))
    assert found() == Place("49", 49.0)
    kept(None)
    assert found() == Place("49", 49.0)


def test_nothing_kept_is_no_place_and_no_warning(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert found() is None
    assert not state.exists()
    assert caplog.records == []


def test_each_show_has_its_own_place_however_its_path_is_written(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(Place("1", 1.0), show=tmp_path / "one.toml")
    kept(Place("2", 2.0), show=tmp_path / "two.toml")
    monkeypatch.chdir(tmp_path)
    assert found(Path("one.toml")) == Place("1", 1.0)
    assert found(tmp_path / "state" / ".." / "two.toml") == Place("2", 2.0)


JUNK = {
    "nothing": b"",
    "half": b'{"cue": "1", "beg',
    "no JSON": b"\x00\xff\xfe",
    "no map": b"[1, 2]",
    "a number": b"7",
    "nil": b"null",
    "a text": b'"cue"',
    "no time": b'{"cue": "1"}',
    "no cue": b'{"began": 1.0}',
    "no number": b'{"cue": "1", "began": "soon"}',
    "no time at all": b'{"cue": "1", "began": null}',
    "a list for a time": b'{"cue": "1", "began": [1]}',
    "nested": b"[" * 100_000,
    "too large a number": b'{"cue": "1", "began": 1' + b"0" * 400 + b"}",
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_junk_is_no_place_but_a_warning(state: Path, caplog: pytest.LogCaptureFixture, junk: bytes) -> None:
    path = kept(Place("1", 1.0))
    path.write_bytes(junk)
    assert found() is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"{path} does not say where the show was" in record.getMessage()
    kept(Place("2", 2.0))
    assert found() == Place("2", 2.0)


def test_a_folder_in_the_files_place_is_a_warning(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = kept()
    path.mkdir(parents=True)
    assert found() is None
    kept(Place("1", 1.0))
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "where the show is cannot be written to" in caplog.records[1].getMessage()
    assert list(state.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_only_a_warning(state: Path, caplog: pytest.LogCaptureFixture) -> None:
    state.parent.write_text("in the way")
    kept(Place("1", 1.0), Place("2", 2.0))
    assert found() is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3


def test_a_folder_that_may_not_be_written_is_only_a_warning(
    state: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, data: bytes) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("mirage_runtime.show.places.replace", refuse)
    kept(Place("1", 1.0))
    (record,) = caplog.records
    assert record.getMessage().endswith(": Permission denied")


def test_to_keep_a_place_waits_for_no_disk(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    awake = threading.Event()

    def slow(path: Path, data: bytes) -> None:
        assert awake.wait(30)
        written.append(json.loads(data)["cue"])

    monkeypatch.setattr("mirage_runtime.show.places.replace", slow)
    file = Places(SHOW)
    for number in range(3):
        file.keep(Place(str(number), 0.0))
    assert written == []
    awake.set()
    file.close()
    assert written == ["0", "1", "2"]


def elsewhere(platform: str, **environment: str) -> Callable[[pytest.MonkeyPatch], Path]:
    def ask(monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("MIRAGE_STATE", "LOCALAPPDATA", "XDG_STATE_HOME"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "platform", platform)
        return state_dir()

    return ask


@pytest.mark.parametrize(
    ("ask", "folder"),
    [
        (elsewhere("linux", MIRAGE_STATE="/x/y"), Path("/x/y")),
        (elsewhere("linux", MIRAGE_STATE=""), Path.home() / ".local/state/mirage"),
        (elsewhere("linux"), Path.home() / ".local/state/mirage"),
        (elsewhere("linux", XDG_STATE_HOME="/s"), Path("/s/mirage")),
        (elsewhere("darwin"), Path.home() / "Library/Application Support/mirage"),
        (elsewhere("win32", LOCALAPPDATA="/l"), Path("/l/mirage/state")),
        (elsewhere("win32"), Path.home() / "AppData/Local/mirage/state"),
    ],
)
def test_the_folder_of_each_system(
    monkeypatch: pytest.MonkeyPatch, ask: Callable[[pytest.MonkeyPatch], Path], folder: Path
) -> None:
    assert ask(monkeypatch) == folder
