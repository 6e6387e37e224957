"""The stand-in for TouchDesigner is strict where it matters: a test that passes with it says something."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import td_operators
from td_stand_in import Guarded, TouchDesigner, tdError


def elsewhere(work: Callable[[], object]) -> Exception | None:
    """Do something in another thread and return what it raised; forget that anything was touched there."""
    raised: list[Exception] = []

    def guarded() -> None:
        try:
            work()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    thread.join()
    touched = list(Guarded.touched_elsewhere)
    Guarded.touched_elsewhere.clear()
    assert len(touched) >= len(raised)
    return raised[0] if raised else None


def test_whatever_belongs_to_it_is_touched_in_the_main_thread_alone(td: TouchDesigner) -> None:
    component = td.project.create(td_operators.baseCOMP, "one")
    page = component.appendCustomPage("Page")
    par = page.appendFloat("Speed")[0]
    file = component.vfs.addByteArray(bytearray(b"data"), "file")
    top = component.create(td_operators.scriptTOP, "top")
    table = component.create(td_operators.tableDAT, "table")
    for work in (
        lambda: component.name,
        lambda: component.par,
        lambda: component.op("top"),
        lambda: setattr(component, "comment", "x"),
        lambda: page.name,
        lambda: par.eval(),
        lambda: setattr(par, "val", 2.0),
        lambda: file.byteArray,
        lambda: component.vfs,
        lambda: top.numpyArray(),
        lambda: top.copyNumpyArray,
        lambda: top.inputs,
        lambda: table.appendRows([]),
        lambda: table.text,
    ):
        assert isinstance(elsewhere(work), tdError)
    assert par.eval() == 0.0


def test_a_touch_that_was_caught_is_remembered(td: TouchDesigner) -> None:
    component = td.project.create(td_operators.baseCOMP, "one")

    def work() -> None:
        try:
            _ = component.name
        except tdError:
            Guarded.touched_elsewhere.append("remembered")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert Guarded.touched_elsewhere == ["name", "remembered"]
    Guarded.touched_elsewhere.clear()


def test_names_of_custom_parameters(td: TouchDesigner) -> None:
    page = td.project.create(td_operators.baseCOMP, "one").appendCustomPage("Page")
    page.appendStr("Maskids")
    for name in ("maskids", "MaskIds", "Mask_ids", "Maskids", ""):
        with pytest.raises(tdError):
            page.appendStr(name)


def test_ranges_clamp_constants_and_not_expressions(td: TouchDesigner) -> None:
    par = td.project.create(td_operators.baseCOMP, "one").appendCustomPage("Page").appendFloat("Speed")[0]
    par.max, par.clampMax = 1.0, True
    par.val = 3
    assert par.eval() == 1.0
    par.expr = "3"
    assert par.eval() == 3
    par.expr = "1 / 0"
    with pytest.raises(ZeroDivisionError):
        par.eval()


def test_pictures_are_downloaded_a_call_late(td: TouchDesigner) -> None:
    top = td.project.create(td_operators.constantTOP, "top")
    one, two = (np.full((2, 3, 4), value, np.uint8) for value in (1, 2))
    top.picture = one
    assert top.numpyArray(delayed=True) is None
    top.picture = two
    before = top.numpyArray(delayed=True)
    assert np.array_equal(before, one)
    assert not before.flags.writeable
    assert np.array_equal(top.numpyArray(delayed=True), two)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 3), np.uint8),
        np.zeros((2, 3, 1), np.uint8),
        np.zeros((2, 3, 4), np.float64),
        np.zeros((2, 3, 4), np.uint8)[::-1],
    ],
)
def test_arrays_that_a_script_top_does_not_take(td: TouchDesigner, array: Any) -> None:
    top = td.project.create(td_operators.scriptTOP, "top")
    top.cooking = True
    with pytest.raises(tdError, match="copyNumpyArray"):
        top.copyNumpyArray(array)
    top.cooking = False
    with pytest.raises(tdError, match="for the cook"):
        top.copyNumpyArray(np.zeros((2, 3, 4), np.uint8))
