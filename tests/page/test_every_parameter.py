"""Every parameter of the table is reached from everywhere; and lists, as they are typed on the page."""

from __future__ import annotations

import json
import socket
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from websockets.sync.client import connect

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


OTHER: dict[str, Any] = {"text": "moss", "float": 0.5, "integer": 2, "integers": [7, 12]}
OTHER["blend"] = parts(("lava", 3.0), ("ice", 1.0))
"""A value that is not the default, by type."""


def other(parameter: Any) -> Any:
    """A value of a parameter that is not its default."""
    value = OTHER[parameter.type]
    return value if parameter.type != "float" else max(value, parameter.minimum + 0.5)


AS_OSC = {"integers": "[7, 12]", "blend": '[["lava", 3.0], ["ice", 1.0]]'}
AS_TOML = {"text": '"moss"', "blend": '[{ text = "lava", weight = 3 }, { text = "ice", weight = 1 }]'}
AS_TYPED = {"text": "moss", "integers": "7, 12", "blend": "lava: 3 | ice: 1", "integer": "2"}


@pytest.fixture
def daemon(daemon_factory: Callable[..., Any], tmp_path: Path) -> Any:
    lines = [f"{name} = {AS_TOML.get(each.type, other(each))}" for name, each in PARAMETERS.items()]
    show = tmp_path / "all.toml"
    show.write_text("[presets.all]\n" + "\n".join(lines) + '\n[[cues]]\npreset = "all"\n')
    return daemon_factory("--model", "echo", "--show", str(show))


def message(name: str) -> bytes:
    parameter = PARAMETERS[name]
    builder = OscMessageBuilder(f"/mirage/main/{name}")
    builder.add_arg(AS_OSC.get(parameter.type, other(parameter)))
    return bytes(builder.build().dgram)


def typed(page: Page, name: str) -> None:
    """Set a parameter to its other value as a person does."""
    kind = PARAMETERS[name].type
    field = page.locator("#prompt" if name in ("prompt", "prompts") else f"#parameter-{name}")
    field.wait_for()
    if field.get_attribute("type") == "range":
        field.evaluate(
            "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
            other(PARAMETERS[name]),
        )
        return
    field.fill(AS_TYPED[kind])
    field.press("Enter")


def test_every_parameter_is_reached_from_everywhere(
    daemon: Any, open_page: Callable[..., Page], wait_for: Callable[..., Any]
) -> None:
    """From a WebSocket client, by OSC, by OSCQuery's tree and its own socket, from a show file and from the page."""
    page = open_page(daemon.http)
    page.locator("#parameter-strength").wait_for()
    with (
        mirage.connect(daemon.url, role="controller") as controller,
        mirage.connect(daemon.url, role="controller") as others,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as osc,
        connect(f"ws://127.0.0.1:{daemon.port}/", compression=None) as query,
    ):
        osc.connect(("127.0.0.1", daemon.osc_port))
        ways: dict[str, Callable[[str], object]] = {
            "WebSocket": lambda name: others.set(**{name: other(PARAMETERS[name])}),
            "OSC": lambda name: osc.send(message(name)),
            "OSCQuery": lambda name: query.send(message(name)),
            "show file": lambda name: others.play("goto", cue="1"),
            "page": lambda name: typed(page, name),
        }
        for name, parameter in PARAMETERS.items():
            kept = other(parameter)
            for way, go in ways.items():
                controller.set(**{name: parameter.default})
                wait_for(lambda name=name, value=parameter.default: others.parameters[name] == value, f"{name} is back")
                go(name)
                wait_for(lambda name=name, value=kept: controller.parameters[name] == value, f"{name} by {way}")
                with urllib.request.urlopen(f"{daemon.http}/mirage/main/{name}?VALUE", timeout=30) as answer:
                    (found,) = json.load(answer)["VALUE"]
                assert found == (AS_OSC.get(parameter.type, kept))


def test_a_list_that_is_none_is_told_at_its_field(daemon: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(daemon.http)
    field = page.locator("#parameter-mask_ids")
    with mirage.connect(daemon.url, role="controller") as controller:
        controller.set(mask_ids=[3])
        expect(field).to_have_value("3")
        field.fill("three")
        field.press("Enter")
        assert "such as 7, 12" in field.evaluate("input => input.validationMessage")
        assert controller.parameters["mask_ids"] == [3]
