"""The page, in a real browser against a real daemon."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psutil
import pytest

import mirage
import mirage_protocol as protocol

sync_api = pytest.importorskip("playwright.sync_api")

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60_000
expect = sync_api.expect
expect.set_options(timeout=PATIENCE)

OpenPage = Callable[..., "Page"]
WaitFor = Callable[..., Any]

# The mean colours of a canvas, shrunk to 8 x 4.
COLOURS = """id => {
    const small = Object.assign(document.createElement("canvas"), { width: 8, height: 4 }).getContext("2d");
    small.drawImage(document.getElementById(id), 0, 0, 8, 4);
    return [...small.getImageData(0, 0, 8, 4).data].filter((_, index) => index % 4 < 3);
}"""

# The scene costs a processor much; tests of anything else make do with the sketch.
WITHOUT_WEBGL = """
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...options) {
        return kind.startsWith("webgl") ? null : original.call(this, kind, ...options);
    };"""


def colours(page: Page, canvas: str) -> list[int]:
    return page.evaluate(COLOURS, canvas)


def difference(some: list[int], others: list[int]) -> float:
    return sum(abs(a - b) for a, b in zip(some, others, strict=True)) / len(some)


def frame(page: Page) -> int:
    """The number of the frame that is shown; 0 before the first."""
    found = re.match(r"frame ([\d,]+)", page.inner_text("#after-note"))
    return int(found[1].replace(",", "")) if found else 0


def wait_for_frames(page: Page, wait_for: WaitFor, count: int = 3) -> None:
    """Wait until ``count`` more frames have come back."""
    first = frame(page)
    wait_for(lambda: page.wait_for_timeout(100) or frame(page) >= first + count, "frames come back")


def wait_for_chips(page: Page) -> None:
    page.locator("#looks button").first.wait_for()


def parameter(page: Page, name: str) -> Any:
    return page.locator(f"#parameter-{name}")


def test_the_scene_is_transformed_as_the_prompt_says(lsd_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(lsd_daemon.http)
    wait_for_chips(page)
    assert {"lava", "ice"} <= set(page.locator("#looks button").all_inner_texts())
    shown = {}
    for look in ("lava", "ice"):
        page.get_by_role("button", name=look, exact=True).click()
        expect(page.get_by_role("button", name=look, exact=True)).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#prompt")).to_have_value(look)
        wait_for_frames(page, wait_for, 4)
        shown[look] = colours(page, "after")
        assert difference(shown[look], colours(page, "before")) > 12
    assert difference(shown["lava"], shown["ice"]) > 20
    expect(page.locator("#state")).to_have_text("live")
    expect(page.locator("#before-note")).to_have_text("a scene drawn in this page")
    expect(page.locator("#p95")).not_to_have_text("–")
    assert "diffusion" in page.inner_text("#stage-list")


def test_the_webcam_is_a_source(lsd_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(lsd_daemon.http)
    page.get_by_text("Webcam").click()
    expect(page.locator("#before-note")).to_contain_text("fake_device")
    page.get_by_text("512 × 288").click()
    wait_for_chips(page)
    page.get_by_role("button", name="lava", exact=True).click()
    expect(page.locator("#after-note")).to_contain_text("512 × 288")
    wait_for_frames(page, wait_for, 4)
    assert difference(colours(page, "after"), colours(page, "before")) > 12


def test_unknown_words_are_named(lsd_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(lsd_daemon.http, before=WITHOUT_WEBGL)
    wait_for_chips(page)
    page.fill("#prompt", "cold ink xyzzyq")
    page.press("#prompt", "Enter")
    expect(page.locator("#prompt-note")).to_contain_text("“xyzzyq” is not in this model's vocabulary")
    expect(page.locator("#prompt-note")).to_contain_text("ink 100 %, temperature −70 %")


def test_controls_come_from_the_table(echo_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(echo_daemon.http, before=WITHOUT_WEBGL)
    expect(parameter(page, "strength")).to_be_enabled()
    rows = page.locator(".parameter")
    assert rows.evaluate_all("rows => rows.map((row) => row.dataset.parameter)") == [
        name for name in protocol.PARAMETERS if name not in ("prompt", "prompts")
    ]
    for name, described in protocol.PARAMETERS.items():
        if name in ("prompt", "prompts"):
            continue
        control = parameter(page, name)
        assert float(control.get_attribute("min")) == described.minimum
        assert float(control.get_attribute("max")) == described.maximum
        assert float(control.input_value()) == described.default
        assert described.help in page.locator(f"[data-parameter={name}]").get_attribute("title")
    expect(page.locator("[data-parameter=transition] output")).to_have_text("0.0 s")
    expect(page.locator("[data-parameter=coherence] output")).to_have_text("1.00")


def test_a_blend_is_shown_until_a_prompt_ends_it(echo_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=blend", before=WITHOUT_WEBGL)
    expect(parameter(page, "strength")).to_be_enabled()
    expect(page.locator("#blend")).to_be_hidden()
    with mirage.connect(echo_daemon.url.replace("main", "blend"), role="controller") as controller:
        controller.set(prompts=[("lava", 3), ("x" * 1000, 1)])
        expect(page.locator("#blend")).to_have_text(f"A blend is in force instead: “lava” 75 %, “{'x' * 59}…” 25 %.")
        expect(page.locator("#prompt")).to_have_value("oil painting")
        page.press("#prompt", "Enter")
        expect(page.locator("#blend")).to_be_hidden()
        assert controller.parameters["prompts"] == []
        controller.set(prompts=[("ice", 1)])
        expect(page.locator("#blend")).to_contain_text("“ice” 100 %")
        controller.set(prompts=[])
        expect(page.locator("#blend")).to_be_hidden()


def test_what_is_remembered_is_shown_where_anything_is(echo_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=memory", before=WITHOUT_WEBGL)
    expect(parameter(page, "strength")).to_be_enabled()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#remembered")).to_be_hidden()
    page.evaluate("""async () => {
        const { showFigures } = await import("./figures.js");
        const stats = { framesPerSecond: 0, roundTrip: { p50: null, p95: null }, dropped: 0, timings: {} };
        window.show = (memory, resets) => {
            showFigures({ ...stats, memory, resets }, (id) => document.getElementById(id));
            return document.getElementById("remembered").innerText.replace(/\\s+/g, " ");
        };
    }""")
    assert page.evaluate("show(0.876, 0)") == "Remembered 88 %"
    assert page.evaluate("show(0, 1)") == "Remembered 0 %, 1 cut"
    assert page.evaluate("show(1, 1234)") == "Remembered 100 %, 1,234 cuts"


def test_changes_show_on_every_page_and_can_be_reset(echo_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(echo_daemon.http, before=WITHOUT_WEBGL)
    expect(parameter(page, "strength")).to_be_enabled()
    other = open_page(echo_daemon.http, before=WITHOUT_WEBGL)
    other.get_by_role("button", name="Watch and steer").click()
    expect(parameter(other, "strength")).to_be_enabled()
    parameter(page, "strength").fill("0.25")
    expect(parameter(other, "strength")).to_have_value("0.25")
    parameter(other, "steps").fill("3")
    expect(parameter(page, "steps")).to_have_value("3")
    other.fill("#prompt", "ink")
    other.press("#prompt", "Enter")
    expect(page.locator("#prompt")).to_have_value("ink")
    page.get_by_role("button", name="Shuffle").click()
    expect(parameter(other, "seed")).not_to_have_value("0")
    for name in ("strength", "steps", "seed"):
        page.locator(f"[data-parameter={name}] label").dblclick()
        expect(parameter(other, name)).to_have_value(str(protocol.PARAMETERS[name].default).removesuffix(".0"))


def test_a_second_page_watches_or_takes_over(echo_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    first = open_page(f"{echo_daemon.http}/?stream=stage", before=WITHOUT_WEBGL)
    wait_for_frames(first, wait_for)
    second = open_page(f"{echo_daemon.http}/?stream=stage", before=WITHOUT_WEBGL)
    expect(second.locator("#notice")).to_contain_text("Somebody else is the source of the stream “stage”")
    second.get_by_role("button", name="Watch and steer").click()
    wait_for_frames(second, wait_for)
    assert difference(colours(second, "after"), colours(first, "after")) < 60
    expect(second.locator("#before-figure")).to_be_hidden()
    first.close()
    expect(second.locator("#state")).to_have_text("waiting")
    second.get_by_role("button", name="Send from this page").click()
    wait_for_frames(second, wait_for)
    third = open_page(f"{echo_daemon.http}/?stream=stage", before=WITHOUT_WEBGL)
    third.get_by_role("button", name="Take over").click()
    wait_for_frames(third, wait_for)
    expect(second.locator("#notice")).to_contain_text("Somebody else is the source")
    expect(second.locator("#state")).to_have_text("disconnected")


def test_a_wrong_token_is_explained_and_can_be_mended(
    daemon_factory: Callable[..., Any], open_page: OpenPage, wait_for: WaitFor
) -> None:
    daemon = daemon_factory("--model", "echo", "--token", "open-sesame", token="open-sesame")
    page = open_page(daemon.http, before=WITHOUT_WEBGL)
    expect(page.locator("#notice")).to_contain_text("This server asks for a token")
    page.fill("#token", "wrong")
    page.get_by_role("button", name="Connect").click()
    expect(page.locator("#notice")).to_contain_text("This is not the server's token")
    page.fill("#token", "open-sesame")
    page.get_by_role("button", name="Connect").click()
    wait_for_frames(page, wait_for)
    expect(page.locator("#notice")).to_be_hidden()
    wait_for_frames(open_page(f"{daemon.http}/?stream=other#token=open-sesame", before=WITHOUT_WEBGL), wait_for)


def test_it_comes_back_when_the_daemon_does(
    daemon_factory: Callable[..., Any], open_page: OpenPage, wait_for: WaitFor
) -> None:
    daemon = daemon_factory("--model", "echo")
    page = open_page(daemon.http, expected="WebSocket connection", before=WITHOUT_WEBGL)
    wait_for_frames(page, wait_for)
    parameter(page, "strength").fill("0.5")
    expect(page.locator("[data-parameter=strength] output")).to_have_text("0.50")
    page.wait_for_timeout(500)
    before = colours(page, "after")
    daemon.stop(signal.SIGKILL)
    expect(page.locator("#state")).to_have_text("reconnecting")
    expect(page.locator("#veil")).to_contain_text("The connection was lost")
    assert any(before)
    assert any(colours(page, "after"))  # the last picture is held
    daemon.restart()
    expect(page.locator("#state")).to_have_text("live")
    wait_for_frames(page, wait_for)
    expect(page.locator("#veil")).to_be_hidden()
    expect(parameter(page, "strength")).to_have_value("0.5")


def test_it_holds_the_picture_while_the_worker_recovers(
    daemon_factory: Callable[..., Any], open_page: OpenPage, wait_for: WaitFor
) -> None:
    daemon = daemon_factory("--model", "echo")
    page = open_page(daemon.http, before=WITHOUT_WEBGL)
    wait_for_frames(page, wait_for)
    page.evaluate("""() => {
        window.states = [];
        const state = document.getElementById("state");
        new MutationObserver(() => states.push(state.textContent)).observe(state, { childList: true });
    }""")
    psutil.Process(daemon.worker_pid).kill()
    wait_for(lambda: page.wait_for_timeout(100) or "recovering" in page.evaluate("states"), "the page says so")
    expect(page.locator("#state")).to_have_text("live")
    wait_for_frames(page, wait_for)


@pytest.mark.parametrize(
    ("name", "text"),
    [("NotAllowedError", "not allowed to open the webcam"), ("NotFoundError", "no webcam on this computer")],
)
def test_a_webcam_that_cannot_be_had_is_explained(
    echo_daemon: Any, open_page: OpenPage, wait_for: WaitFor, name: str, text: str
) -> None:
    refuse = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{name}'))"
    page = open_page(echo_daemon.http, before=WITHOUT_WEBGL + refuse)
    wait_for_frames(page, wait_for, 1)
    page.get_by_text("Webcam").click()
    expect(page.locator("#notice")).to_contain_text(text)
    expect(page.get_by_label("Scene")).to_be_checked()
    wait_for_frames(page, wait_for)


def test_it_draws_a_sketch_without_webgl(echo_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(echo_daemon.http, before=WITHOUT_WEBGL)
    wait_for_frames(page, wait_for)
    expect(page.locator("#before-note")).to_contain_text("no WebGL 2")
    assert len(set(colours(page, "after"))) > 20


def stands_still(page: Page) -> bool:
    """Whether no new frame is shown for a while."""
    held = frame(page)
    page.wait_for_timeout(1500)
    return frame(page) == held


def test_it_pauses_by_button_and_by_key(echo_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(echo_daemon.http, before=WITHOUT_WEBGL)
    wait_for_frames(page, wait_for)
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#state")).to_have_text("paused")
    wait_for(lambda: stands_still(page), "what is on its way has arrived, and nothing follows")
    page.locator("h1").click()
    page.keyboard.press("Space")
    expect(page.locator("#state")).to_have_text("live")
    wait_for_frames(page, wait_for)


@pytest.mark.parametrize("width", [320, 390, 820])
def test_nothing_is_wider_than_a_small_screen(echo_daemon: Any, open_page: OpenPage, width: int) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=width-{width}", before=WITHOUT_WEBGL, width=width, height=844)
    expect(parameter(page, "strength")).to_be_enabled()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width < 700:
        heights = page.locator("button:visible").evaluate_all("all => all.map((each) => each.offsetHeight)")
        assert min(heights) >= 40


def test_what_is_needed_is_served_under_a_strict_policy(echo_daemon: Any, open_page: OpenPage) -> None:
    asked: list[str] = []
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(echo_daemon.http)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    expect(parameter(page, "strength")).to_be_enabled()
    assert all(url.startswith((echo_daemon.http, "ws://127.0.0.1")) for url in asked)
