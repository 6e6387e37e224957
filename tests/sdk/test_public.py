"""What `import mirage` offers, and no more."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

import mirage

ERRORS = [getattr(mirage, name) for name in mirage.__all__ if inspect.isclass(getattr(mirage, name))]
ERRORS = [kind for kind in ERRORS if issubclass(kind, Exception)]


def test_all_is_exactly_what_is_public() -> None:
    public = {name for name, value in vars(mirage).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert public == set(mirage.__all__)
    assert len(mirage.__all__) == len(set(mirage.__all__))


@pytest.mark.parametrize("kind", ERRORS)
def test_every_error_is_a_mirage_error_and_stands_in_the_tree(kind: type[Exception]) -> None:
    assert issubclass(kind, mirage.MirageError)
    for module in (mirage, sys.modules["mirage._errors"]):
        assert kind.__name__ in (module.__doc__ or "")
    assert kind.__doc__


def test_errors_are_what_python_calls_them_too() -> None:
    assert issubclass(mirage.Timeout, TimeoutError)
    assert issubclass(mirage.ConnectionLost, ConnectionError)
    assert issubclass(mirage.ConnectionRefused, ConnectionRefusedError)
    assert issubclass(mirage.InvalidFrame, ValueError)
    assert issubclass(mirage.InvalidParameter, ValueError)


def options(function: Any) -> list[tuple[str, Any, Any]]:
    parameters = inspect.signature(function).parameters.values()
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def test_the_two_clients_are_twins() -> None:
    def members(kind: type) -> dict[str, Any]:
        return {name: value for name, value in vars(kind).items() if not name.startswith("_")}

    blocking, asynchronous = members(mirage.Stream), members(mirage.AsyncStream)
    assert blocking.keys() == asynchronous.keys()
    assert options(mirage.connect) == options(mirage.connect_async)
    for name, member in blocking.items():
        if isinstance(member, property):
            assert member.__doc__ == asynchronous[name].__doc__
        else:
            assert options(member) == options(asynchronous[name])


@pytest.mark.parametrize("name", mirage.__all__)
def test_everything_is_documented(name: str) -> None:
    member = getattr(mirage, name)
    if not inspect.isclass(member) and not callable(member):
        return
    assert inspect.getdoc(member)


def test_importing_is_light_and_silent() -> None:
    heavy = "['cv2', 'torch', 'openvino', 'av', 'mirage_runtime']"
    program = (
        "import sys, logging, mirage; "
        f"assert not [module for module in {heavy} if module in sys.modules]; assert not logging.root.handlers"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
