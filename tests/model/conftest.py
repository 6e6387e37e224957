"""What tests of the model share: one loaded model, the text encoder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from mirage_runtime.models.lsd import LsdMini, encoder, meaning, understand


@pytest.fixture(scope="session")
def mini() -> LsdMini:
    """The embedded model on two threads."""
    return LsdMini(threads=2)


@pytest.fixture(scope="session", autouse=True)
def _one_thread_for_the_teachers() -> Iterator[None]:
    """Their operations are small: threads that wait for one another take many times as long on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def text_encoder() -> encoder.Encoder:
    """The encoder that is installed; without one the test is skipped."""
    found = encoder.installed()
    if not isinstance(found, encoder.Encoder):
        pytest.skip(f"{found}")
    return found


@pytest.fixture
def named_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Name a folder of the encoder, as the environment does when a process starts."""

    def forget() -> None:
        for remembered in (encoder.installed, meaning.encoded, understand):
            remembered.cache_clear()

    def name(folder: Path) -> None:
        monkeypatch.setenv(encoder.FOLDER_VARIABLE, str(folder))
        forget()

    yield name
    monkeypatch.undo()
    forget()
