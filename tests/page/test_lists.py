"""Lists as they are typed on the page: every parameter of the table has its place there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mirage
from mirage_protocol import PARAMETERS

sync_api = pytest.importorskip("playwright.sync_api")

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(120)

LISTS = Path(__file__).parents[2] / "runtime/mirage_runtime/page/lists.js"
expect = sync_api.expect


def parts(*pairs: tuple[str, float]) -> list[dict[str, Any]]:
    return [{"text": text, "weight": weight} for text, weight in pairs]


def understood(node: Path, function: str, texts: list[str]) -> list[Any]:
    """What each text means, or the error that it is refused with."""
    script = f"""
        import {{ {function} }} from {json.dumps(LISTS.as_uri())};
        const each = (text) => {{ try {{ return {function}(text); }} catch (error) {{ return error.message; }} }};
        console.log(JSON.stringify({json.dumps(texts)}.map(each)));"""
    command = [node, "--input-type=module", "-e", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def test_numbers_are_read_as_they_are_typed(node: Path) -> None:
    meant = {"": [], " 7, 12 4294967295 ": [7, 12, 4294967295], "3": [3]}
    assert understood(node, "integers", list(meant)) == list(meant.values())
    assert all("such as 7, 12" in error for error in understood(node, "integers", ["7, seven", "-1", "1.5"]))


def test_blends_are_read_as_they_are_typed(node: Path) -> None:
    meant: dict[str, Any] = {
        "lava, dark": None,
        "10:30": None,
        "lava, dark: 3 | ice: .5|moss": parts(("lava, dark", 3), ("ice", 0.5), ("moss", 1)),
        "at 10:30 in the morning | ink:0": parts(("at 10:30 in the morning", 1), ("ink", 0)),
    }
    assert understood(node, "blend", list(meant)) == list(meant.values())


def test_every_parameter_is_set_from_the_page(
    echo_daemon: Any, open_page: Callable[..., Page], wait_for: Callable[..., Any]
) -> None:
    page = open_page(echo_daemon.http)
    typed = {"prompt": "moss", "prompts": "lava: 3 | ice: 1", "seed": "77", "mask_ids": "7, 12"}
    meant = {"prompt": "moss", "prompts": parts(("lava", 3.0), ("ice", 1.0)), "seed": 77, "mask_ids": [7, 12]}
    with mirage.connect(echo_daemon.url, role="controller") as controller:
        for name, parameter in PARAMETERS.items():
            field = page.locator("#prompt" if name in ("prompt", "prompts") else f"#parameter-{name}")
            field.wait_for()
            if name in typed:
                field.fill(typed[name])
                field.press("Enter")
                value = meant[name]
            else:
                field.press("Home")
                value = parameter.minimum
            wait_for(lambda name=name, value=value: controller.parameters[name] == value, f"{name} is {value}")
        expect(page.locator("#parameter-mask_ids")).to_have_value("7, 12")
        controller.set(mask_ids=[3])
        expect(page.locator("#parameter-mask_ids")).to_have_value("3")
        page.locator("#parameter-mask_ids").fill("three")
        page.locator("#parameter-mask_ids").press("Enter")
        assert "such as 7, 12" in page.locator("#parameter-mask_ids").evaluate("input => input.validationMessage")
        assert controller.parameters["mask_ids"] == [3]
        controller.set(**{name: parameter.default for name, parameter in PARAMETERS.items()})
