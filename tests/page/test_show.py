"""The show on the page, in a real browser against a real daemon; and `play` of the browser's client."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mirage

sync_api = pytest.importorskip("playwright.sync_api")

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(120)

expect = sync_api.expect
expect.set_options(timeout=60_000)

OpenPage = Callable[..., "Page"]
WaitFor = Callable[..., Any]
Daemons = Callable[..., Any]

TIDES = """\
# The show at the harbour.
name = "Tides"

[presets.shore]
prompt = "watercolour, soft"  # as on the poster
strength = 0.8
coherence = 1.0

[presets.storm]
prompt = "lava"
coherence = 0.6

[[cues]]
preset = "shore"
name = "Dawn"

[[cues]]
preset = "storm"

[[cues]]
preset = "shore"
name = "Calm"
"""

# No test here looks at the pictures: a sketch, and few of them, cost a processor less.
CHEAPLY = """
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
        return kind.startsWith("webgl") ? null : original.call(this, kind, ...options);
    };
    window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), 200);"""


@pytest.fixture
def serve(daemon_factory: Daemons, tmp_path: Path) -> Callable[..., Any]:
    """`serve(show, …)` starts a daemon that plays this text as tides.toml in `tmp_path`."""

    def start(show: str, *options: str, **environment: str) -> Any:
        path = tmp_path / "tides.toml"
        path.write_text(show)
        return daemon_factory("--model", "echo", "--no-osc", "--show", str(path), *options, **environment)

    return start


def ready(page: Page, cues: int) -> Page:
    """Wait until the page knows the show and may play it."""
    expect(page.locator("#cues li")).to_have_count(cues)
    expect(page.locator("#preset-fade")).to_be_enabled()
    return page


def cue(page: Page, number: str) -> Any:
    return page.locator(f'#cues li[data-cue="{number}"] .cue')


def at(page: Page, number: str) -> None:
    """Wait until the page shows that the show is at this cue, and at no other."""
    expect(cue(page, number)).to_have_attribute("aria-current", "step")
    expect(page.locator("#cues [aria-current]")).to_have_count(1)


def parameter(page: Page, name: str) -> Any:
    return page.locator(f"#parameter-{name}")


def test_go_by_space_and_by_button_plays_the_cues(serve: Callable[..., Any], open_page: OpenPage) -> None:
    daemon = serve(TIDES)
    page = ready(open_page(daemon.http, before=CHEAPLY), 3)
    expect(page.locator("#show-name")).to_have_text("Tides")
    expect(page.locator("#go")).to_have_attribute("title", "Space")
    expect(page.locator("#pause")).to_have_attribute("title", "")
    expect(page.locator("#cues .next .cue")).to_contain_text("Dawn")
    with mirage.connect(daemon.url, role="controller") as controller:

        def played(number: str, prompt: str, strength: float, coherence: float) -> None:
            at(page, number)
            expect(page.locator("#prompt")).to_have_value(prompt)
            expect(parameter(page, "strength")).to_have_value(f"{strength:g}")
            expect(parameter(page, "coherence")).to_have_value(f"{coherence:g}")
            assert controller.show().current == number
            assert controller.parameters["prompt"] == prompt
            assert controller.parameters["strength"] == strength
            assert controller.parameters["coherence"] == coherence

        page.keyboard.press("Space")
        played("1", "watercolour, soft", 0.8, 1)
        expect(page.locator("#go-next")).to_have_text("2 storm")
        page.locator("#go").click()
        played("2", "lava", 0.8, 0.6)
        expect(page.locator("#cues .next .cue")).to_contain_text("Calm")

        page.click("#prompt")
        page.keyboard.press("End")
        page.keyboard.press("Space")
        expect(page.locator("#prompt")).to_have_value("lava ")
        page.keyboard.press("Backspace")
        played("2", "lava", 0.8, 0.6)

        page.locator("#back").click()
        played("1", "watercolour, soft", 0.8, 1)
        cue(page, "3").click()
        played("3", "watercolour, soft", 0.8, 1)
        page.keyboard.press("Space")
        expect(page.locator("#cue-problem")).to_have_text("That was the last cue.")
        cue(page, "1").focus()
        page.keyboard.press("Enter")
        played("1", "watercolour, soft", 0.8, 1)
        expect(page.locator("#cue-problem")).to_be_hidden()

        # On a cue, on a slider and after a click space is GO all the same; a key that is held down is one GO.
        page.keyboard.down("Space")
        page.keyboard.down("Space")
        page.keyboard.up("Space")
        played("2", "lava", 0.8, 0.6)
        parameter(page, "strength").focus()
        page.keyboard.press("Space")
        played("3", "watercolour, soft", 0.8, 1)
        page.locator("#back").focus()
        page.keyboard.press("Space")  # here it presses the button
        played("2", "lava", 0.8, 0.6)
        page.locator("#back").click()
        played("1", "watercolour, soft", 0.8, 1)
        page.keyboard.press("Space")
        played("2", "lava", 0.8, 0.6)
        expect(page.locator("#pause")).to_have_text("Pause")
        assert page.evaluate("scrollY") == 0


def test_a_fade_and_what_follows_are_counted_down_on_every_page(serve: Callable[..., Any], open_page: OpenPage) -> None:
    slow = 'fade = 600\nfollow = 60\n[[cues]]\npreset = "storm"\nname = "Quick"\nfade = 0.2\nfollow = 0.3\n'
    daemon = serve(TIDES.replace('name = "Dawn"\n', f'name = "Dawn"\n{slow}'))
    lost = {"before": CHEAPLY, "expected": "WebSocket connection"}
    page = ready(open_page(daemon.http, **lost), 4)
    expect(page.locator("#cues .next .cue")).to_have_accessible_name(
        "1 Dawn: the preset “shore”, fades in 10:00, the next follows after 1:00. Standing by."
    )
    page.keyboard.press("Space")
    text = page.locator("#show-time")
    expect(text).to_have_text(re.compile(r"^fading, (10:00|9:\d\d) left; next cue in (11:00|10:\d\d)$"))
    first = text.inner_text()
    expect(text).not_to_have_text(first)
    gone = "Number(document.getElementById('show-bar').style.getPropertyValue('--gone'))"
    assert 0 < page.evaluate(gone) < 0.9

    other = open_page(daemon.http, **lost, width=390, height=844)
    other.get_by_role("button", name="Watch and steer").click()
    ready(other, 4)
    at(other, "1")
    expect(other.locator("#show-time")).to_contain_text("fading, ")
    assert 0 < other.evaluate(gone) < 0.9
    assert other.evaluate("document.documentElement.scrollWidth") <= 390
    heights = other.locator("button:visible").evaluate_all("all => all.map((each) => each.offsetHeight)")
    assert min(heights) >= 40
    other.keyboard.press("Space")  # who watches plays as well
    for each in (page, other):  # after the quick one the next goes by itself
        at(each, "3")
        expect(each.locator("#show-time")).to_have_text("")
        expect(parameter(each, "coherence")).to_have_value("0.6")

    daemon.stop()
    expect(page.locator("#go")).to_be_disabled()
    daemon.restart()
    expect(page.locator("#go")).to_be_enabled()
    at(page, "3")  # the daemon knows where it was
    page.locator("#go").click()
    at(page, "4")
    at(other, "4")


def test_presets_and_cues_are_kept_in_the_file(serve: Callable[..., Any], open_page: OpenPage, tmp_path: Path) -> None:
    daemon = serve(TIDES)
    page = ready(open_page(daemon.http, before=CHEAPLY), 3)

    def kept() -> dict[str, Any]:
        text = (tmp_path / "tides.toml").read_text()
        assert "# The show at the harbour." in text
        assert "# as on the poster" in text
        return tomllib.loads(text)

    parameter(page, "strength").fill("0.35")
    page.fill("#preset-name", "shore")
    expect(page.locator("#preset-note")).to_have_text("“shore” is there: what is set now takes its place.")
    expect(page.locator("#preset-save")).to_have_text("Replace")
    page.fill("#preset-name", "night")
    expect(page.locator("#preset-note")).to_have_text("")
    page.locator("#preset-save").click()
    expect(page.locator("#preset-note")).to_have_text("“night” is saved.")
    expect(page.locator("#presets .preset")).to_have_count(3)
    assert kept()["presets"]["night"]["strength"] == 0.35

    page.fill("#preset-fade", "0")
    page.locator("#presets").get_by_role("button", name="storm", exact=True).click()
    expect(parameter(page, "coherence")).to_have_value("0.6")
    expect(page.locator("#cues [aria-current]")).to_have_count(0)

    page.get_by_role("button", name="Edit", exact=True).click()
    page.select_option("#cue-preset", "night")
    page.fill("#cue-name", "Midnight")
    page.fill("#cue-fade", "2.5")
    page.select_option("#cue-curve", "smooth")
    page.fill("#cue-follow", "0")
    page.get_by_role("button", name="Add cue").click()
    expect(cue(page, "4")).to_contain_text("Midnight")
    expect(page.locator("#cue-name")).to_have_value("")
    added = {"number": "4", "name": "Midnight", "preset": "night", "fade": 2.5, "curve": "smooth", "follow": 0}
    assert kept()["cues"][3] == added

    page.get_by_role("button", name="Edit cue 4").click()
    expect(page.locator("#cue-form-name")).to_have_text("Cue 4")
    for name, value in {"preset": "night", "name": "Midnight", "fade": "2.5", "curve": "smooth", "follow": "0"}.items():
        expect(page.locator(f"#cue-{name}")).to_have_value(value)
    page.fill("#cue-name", "Witching hour")
    page.fill("#cue-follow", "")
    page.get_by_role("button", name="Save cue").click()
    expect(cue(page, "4")).to_contain_text("Witching hour")
    expect(page.locator("#cue-form-name")).to_have_text("New cue")
    assert "follow" not in kept()["cues"][3]

    remove = page.get_by_role("button", name="Delete the preset night")
    remove.click()
    expect(remove).to_have_text("Delete?")
    assert "night" in kept()["presets"]
    remove.click()
    expect(page.locator("#preset-problem")).to_contain_text("preset 'night'")
    expect(page.locator("#preset-problem")).to_be_visible()
    assert "night" in kept()["presets"]

    page.get_by_role("button", name="Edit cue 4").click()
    page.locator("#cue-delete").click()
    page.locator("#cue-delete").click()
    expect(page.locator("#cues li")).to_have_count(3)
    assert len(kept()["cues"]) == 3
    remove.click()
    remove.click()
    expect(page.locator("#presets .preset")).to_have_count(2)
    expect(page.locator("#preset-problem")).to_be_hidden()
    assert "night" not in kept()["presets"]
    page.get_by_role("button", name="Done").click()
    expect(page.locator("#cue-form")).to_be_hidden()
    assert kept() == tomllib.loads(TIDES)


def test_a_long_list_keeps_its_cue_in_view(serve: Callable[..., Any], open_page: OpenPage) -> None:
    cues = "".join(f'[[cues]]\npreset = "shore"\nname = "Cue {each}"\n' for each in range(1, 41))
    daemon = serve(TIDES.partition("[[cues]]")[0] + cues)
    page = ready(open_page(daemon.http, before=CHEAPLY, width=1280, height=800), 40)
    inside = """number => {
        const list = document.getElementById("cues").getBoundingClientRect();
        const row = document.querySelector(`[data-cue="${number}"]`).getBoundingClientRect();
        return row.top >= list.top - 1 && row.bottom <= list.bottom + 1;
    }"""
    with mirage.connect(daemon.url, role="controller") as controller:
        for number in ("30", "39", "40", "1"):
            controller.play("goto", cue=number)
            at(page, number)
            assert page.evaluate(inside, number)
        controller.play("goto", cue="40")
        at(page, "40")
        page.keyboard.press("Space")
        expect(page.locator("#cue-problem")).to_be_visible()
        page.wait_for_timeout(100)
        assert page.evaluate(inside, "40")
    assert page.evaluate("scrollY") == 0
    box = page.locator("#show").bounding_box()
    assert box["y"] + box["height"] <= 800


def stands_still(page: Page) -> bool:
    """Whether no new frame is shown for a while."""
    held = page.inner_text("#after-note")
    page.wait_for_timeout(700)
    return page.inner_text("#after-note") == held


def test_without_a_show_nothing_is_there_and_space_pauses(
    daemon_factory: Daemons, open_page: OpenPage, wait_for: WaitFor
) -> None:
    daemon = daemon_factory("--model", "echo", "--no-osc")
    page = open_page(daemon.http, before=CHEAPLY)
    expect(page.locator("#no-show")).to_have_text("A show: mirage serve --show FILE")
    expect(page.locator("#show")).to_be_hidden()
    expect(page.locator("#pause")).to_have_attribute("title", "Space")
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_have_text("paused")
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_have_text("live")

    # Somebody else stops the stream itself.
    with mirage.connect(daemon.url, role="controller") as controller:
        expect(page.locator("#veil")).to_be_hidden()
        controller.play("pause")
        expect(page.locator("#veil-text")).to_have_text("Somebody has paused the stream.")
        expect(page.locator("#state")).to_have_text("paused")
        wait_for(lambda: stands_still(page), "what is on its way has arrived, and nothing follows")
        held = page.inner_text("#after-note")
        page.get_by_role("button", name="Play").click()
        expect(page.locator("#veil")).to_be_hidden()
        expect(page.locator("#after-note")).not_to_have_text(held)


def test_a_midi_control_is_learnt_and_forgotten(
    serve: Callable[..., Any], open_page: OpenPage, tmp_path: Path, wait_for: WaitFor
) -> None:
    with pytest.importorskip("midi_backend").FakeController() as device:
        daemon = serve(TIDES, "--midi", "all", **device.environment)
        wait_for(lambda: device.connected, "the daemon has opened the device")
        page = ready(open_page(daemon.http, before=CHEAPLY), 3)
        expect(page.locator("#show-lines")).to_contain_text("MIDI: Fake Controller")
        row = page.locator("[data-parameter=strength]")
        button, line = row.locator(".learn"), row.locator(".binding")
        others = page.locator("[data-parameter]:not([data-parameter=strength]) .learn")

        expect(line).to_be_hidden()
        for end in (lambda: page.keyboard.press("Escape"), button.click):
            button.click()
            expect(button).to_have_attribute("aria-pressed", "true")
            expect(line).to_contain_text("Move a control…")
            expect(others.locator("css=[aria-pressed=true]")).to_have_count(0)
            end()
            expect(button).to_have_attribute("aria-pressed", "false")
            expect(line).to_be_hidden()
        device.send(0xB0, 7, 0, 0xB0, 7, 90)
        assert "midi" not in tomllib.loads((tmp_path / "tides.toml").read_text())

        button.click()
        expect(line).to_contain_text("Move a control…")
        device.send(0xB0, 7, 0, 0xB0, 7, 127)
        expect(line).to_contain_text("control 7, channel 1, Fake Controller")
        expect(button).to_have_attribute("title", re.compile("^control 7, channel 1"))
        text = (tmp_path / "tides.toml").read_text()
        assert "# as on the poster" in text
        [binding] = tomllib.loads(text)["midi"]
        assert (binding["control"], binding["parameter"]) == (7, "strength")
        device.send(0xB0, 7, 0)
        expect(parameter(page, "strength")).to_have_value("0")

        line.get_by_role("button", name="Forget").click()
        expect(line).to_be_hidden()
        assert "midi" not in tomllib.loads((tmp_path / "tides.toml").read_text())


def test_the_client_plays_and_watches(serve: Callable[..., Any], open_page: OpenPage, wait_for: WaitFor) -> None:
    daemon = serve(TIDES)
    page = open_page(f"{daemon.http}/mirage.js", expected="")
    result = page.evaluate(
        """async url => {
            const { MirageClient } = await import("/mirage.js");
            const client = new MirageClient();
            const next = () => new Promise((resolve) => {
                client.addEventListener("show", ({ detail }) => resolve(detail), { once: true });
            });
            const refusal = (promise) => promise.then(() => null, ({ code, field }) => ({ code, field }));
            const early = await refusal(client.play("go"));
            await client.connect(url, { role: "controller" });
            const unwatched = client.show;
            const first = next();
            await client.play("watch");
            const begun = await first;
            const second = next();
            const ack = await client.play("go");
            const gone = await second;
            const wrong = await refusal(client.play("goto", { cue: "99" }));
            const none = await refusal(client.play("goto"));
            const viewer = new MirageClient();
            await viewer.connect(url, { role: "viewer" });
            const viewed = new Promise((resolve) => viewer.addEventListener("show", resolve, { once: true }));
            await viewer.play("watch");
            await viewed;
            const refused = await refusal(viewer.play("go"));
            window.client = client;
            window.told = [];
            client.addEventListener("show", ({ detail }) => told.push(detail));
            return { early, unwatched, begun, ack, gone, wrong, none, refused, same: client.show === gone };
        }""",
        daemon.url,
    )
    assert result["early"]["code"] == "disconnected"
    assert result["unwatched"] is None
    assert result["begun"]["name"] == "Tides"
    assert [each["number"] for each in result["begun"]["cues"]] == ["1", "2", "3"]
    assert "current" not in result["begun"]
    assert result["ack"]["parameters"] == {}
    assert (result["gone"]["current"], result["gone"]["next"]) == ("1", "2")
    assert result["same"]
    assert result["wrong"]["code"] == "unsupported"
    assert result["none"] == {"code": "missing-field", "field": "cue"}
    assert result["refused"]["code"] == "not-allowed"
    daemon.stop()
    daemon.restart()
    wait_for(lambda: page.wait_for_timeout(100) or page.evaluate("told.length"), "it watches again by itself")
    assert page.evaluate("[client.state, client.show.current]") == ["connected", "1"]
