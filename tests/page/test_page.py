"""The page, in a real browser against a real daemon."""

from __future__ import annotations

import itertools
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
    controlled = {
        name: described for name, described in protocol.PARAMETERS.items() if name not in ("prompt", "prompts")
    }
    assert rows.evaluate_all("rows => rows.map((row) => row.dataset.parameter)") == list(controlled)
    for name, described in controlled.items():
        control = parameter(page, name)
        if described.type in ("integers", "text"):
            assert control.input_value() == ""
            continue
        assert float(control.get_attribute("min")) == described.minimum
        assert float(control.get_attribute("max")) == described.maximum
        assert float(control.input_value()) == described.default
        assert described.help in page.locator(f"[data-parameter={name}]").get_attribute("title")
    expect(page.locator("[data-parameter=transition] output")).to_have_text("0.0 s")
    expect(page.locator("[data-parameter=coherence] output")).to_have_text("1.00")


def test_what_the_model_does_not_follow_is_not_shown(lsd_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(f"{lsd_daemon.http}/?stream=unused", before=WITHOUT_WEBGL)
    expect(parameter(page, "strength")).to_be_enabled()
    shown = page.locator(".parameter").evaluate_all("rows => rows.map((row) => row.dataset.parameter)")
    assert shown == ["strength", "coherence", "steps", "seed", "mask_ids", "transition"]


def test_what_is_being_typed_is_not_taken_away(echo_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=typing", before=WITHOUT_WEBGL)
    field = parameter(page, "mask_ids")
    expect(field).to_be_enabled()
    with mirage.connect(echo_daemon.url.replace("main", "typing"), role="controller") as controller:
        field.fill("7, 12")
        controller.set(mask_ids=[3], coherence=0.25)
        expect(page.locator("[data-parameter=coherence] output")).to_have_text("0.25")
        expect(field).to_have_value("7, 12")
        field.press("Enter")
        expect(field).to_have_value("7, 12")
        controller.set(mask_ids=[5])
        expect(field).to_have_value("5")
        field.press_sequentially(", 6")
        field.fill("5")
        controller.set(mask_ids=[8])
        field.blur()
        expect(field).to_have_value("8")


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
        const stats = { p50: null, p95: null, p99: null, jitter: null, rate: 0, drops: 0, dropped: 0, stages: {} };
        window.show = (memory, resets) => {
            showFigures({ ...stats, memory, resets }, (id) => document.getElementById(id));
            return document.getElementById("remembered").innerText.replace(/\\s+/g, " ");
        };
    }""")
    assert page.evaluate("show(0.876, 0)") == "Remembered 88 %"
    assert page.evaluate("show(0, 1)") == "Remembered 0 %, 1 cut"
    assert page.evaluate("show(1, 1234)") == "Remembered 100 %, 1,234 cuts"


# Note what each frame took, from `send` until it was drawn; then connect anew, so that nothing else counts.
TAKE_TIMES = """async () => {
    const { MirageClient } = await import("./mirage.js");
    const { send, shown } = MirageClient.prototype;
    const sent = new Map();
    window.trips = [];
    MirageClient.prototype.send = function (...options) {
        const began = performance.now();
        const id = send.apply(this, options);
        if (id) sent.set(id, [began, performance.now()]);
        return id;
    };
    MirageClient.prototype.shown = function (id) {
        const [began, early] = sent.get(id) ?? [];
        const least = performance.now() - early;
        shown.call(this, id);
        if (early) trips.push([least, performance.now() - began]);
    };
    location.hash = "again";
}"""

# The figures, and the least and the most that a frame took; read at once, so that they belong together.
READ_TIMES = """() => {
    const number = (id) => Number(document.getElementById(id).textContent);
    const rows = [...document.querySelectorAll("#stage-list li")];
    const row = (each) => [each.querySelector("span").textContent, Number(each.querySelector("b").textContent)];
    return {
        p50: number("p50"), p95: number("p95"), p99: number("p99"), jitter: number("jitter"), rate: number("rate"),
        rows: Object.fromEntries(rows.map(row)),
        least: Math.min(...trips.map(([least]) => least)),
        most: Math.max(...trips.map(([, most]) => most)),
    };
}"""


def test_the_figures_are_those_of_the_results(echo_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=figures", before=WITHOUT_WEBGL)
    wait_for_frames(page, wait_for)
    page.evaluate(TAKE_TIMES)
    wait_for(lambda: page.wait_for_timeout(100) or page.evaluate("trips.length") >= 10, "frames were timed")
    page.wait_for_timeout(600)  # until they are written
    figures = page.evaluate(READ_TIMES)
    rounding = 0.5
    assert figures["least"] - rounding <= figures["p50"] <= figures["p95"] <= figures["p99"]
    assert figures["p99"] <= figures["most"] + rounding
    assert 0 <= figures["jitter"] <= figures["most"]
    assert figures["rate"] > 0
    assert list(figures["rows"]) == [
        *("glass to glass", "way there", "queue", "render", "transfer", "way back", "display"),
    ]
    assert figures["rows"]["glass to glass"] == figures["p50"]
    assert max(figures["rows"].values()) <= figures["most"] + rounding


# The share of the plot's pixels that are not empty.
PAINTED = """() => {
    const canvas = document.querySelector("#plot canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((each, at) => at % 4 === 3 && each > 0).length / (canvas.width * canvas.height);
}"""

# A plot of made-up frames, one each 50 ms, drawn when `tick` is told so; `drawn` counts.
MADE_UP = """async () => {
    const { createPlot } = await import("./plot.js");
    const canvas = document.querySelector("#plot canvas").cloneNode();
    canvas.style.zIndex = 1;
    document.querySelector("#plot").append(canvas);
    const context = canvas.getContext("2d");
    const clear = context.clearRect;
    window.drawn = 0;
    context.clearRect = (...area) => (drawn++, clear.apply(context, area));
    window.told = { recent: [], recentDrops: [] };
    window.plot = createPlot(canvas, () => told);
    window.fill = (stages, count) => {
        const latency = Object.values(stages).reduce((sum, each) => sum + each);
        told.recent = Array.from({ length: count }, (_, id) => ({ id, at: 1e6 - (count - id) * 50, latency, stages }));
    };
    // The share of the rows, at x of 0 to 1, that have each colour of the page's stages.
    window.shares = (x) => {
        const style = getComputedStyle(canvas);
        const { data } = context.getImageData(Math.round(x * canvas.width), 0, 1, canvas.height);
        const bytes = (colour) => colour.match(/[0-9a-f]{2}/g).map((each) => parseInt(each, 16));
        const rgb = (name) => bytes(style.getPropertyValue(`--stage-${name}`));
        const hue = ([r, g, b]) => [r, g, b].map((each) => each / Math.hypot(r, g, b));
        const near = (some, others) => Math.hypot(...some.map((each, index) => each - others[index])) < 0.08;
        return (name) => {
            const rows = Array.from({ length: canvas.height }, (_, row) => [...data.slice(row * 4, row * 4 + 4)]);
            const its = rows.filter((row) => row[3] === 255 && near(hue(row.slice(0, 3)), hue(rgb(name))));
            return its.length / canvas.height;
        };
    };
    await new Promise((resolve) => setTimeout(resolve, 200)); // until its size and place are known
}"""


def test_the_plot_shows_the_stages_one_on_the_other(echo_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=plot", before=WITHOUT_WEBGL)
    wait_for_frames(page, wait_for)
    expect(page.locator("#plot canvas")).to_be_visible()
    wait_for(lambda: page.wait_for_timeout(100) or page.evaluate(PAINTED) > 0.02, "the plot is drawn")
    page.evaluate(MADE_UP)
    shares = page.evaluate("""() => {
        fill({ queue: 5, temporal: 30, diffusion: 60 }, 100); // of a scale of 150 ms, over the left half
        plot.tick(1e6 + 5000);
        const [left, right] = [shares(0.3), shares(0.8)];
        const names = ["temporal", "diffusion"];
        return { left: names.map(left), right: names.map(right), drawn };
    }""")
    temporal, diffusion = shares["left"]
    assert 0.07 < temporal < 0.25
    assert diffusion == pytest.approx(2 * temporal, rel=0.35)
    assert shares["right"] == [0, 0]  # nothing came since


def test_the_plot_costs_nothing_while_nobody_sees_it(echo_daemon: Any, open_page: OpenPage) -> None:
    page = open_page(f"{echo_daemon.http}/?stream=seen", before=WITHOUT_WEBGL, height=300)
    expect(parameter(page, "strength")).to_be_enabled()
    page.evaluate(MADE_UP)
    tick = "times => { fill({ render: 5 }, 50); for (const time of times) plot.tick(time); return drawn; }"
    assert page.evaluate(tick, [1e6]) == 0  # it is under the edge of the window
    page.locator("#plot").scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    assert page.evaluate(tick, [1e6, 1e6 + 50, 1e6 + 99]) == 1
    assert page.evaluate(tick, [1e6 + 100, 1e6 + 199, 1e6 + 200]) == 3
    page.evaluate("() => { told.recent = []; for (let time = 2e6; time < 2.002e6; time += 100) plot.tick(time); }")
    assert page.evaluate("drawn") == 4  # once more, to wipe it
    page.emulate_media(reduced_motion="reduce")
    assert page.evaluate(tick, [3e6, 3e6 + 999]) == 5
    assert page.evaluate(tick, [3e6 + 1000]) == 6


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
    expect(second.locator("#p50")).not_to_have_text("–")
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


def test_all_of_it_is_seen_at_once_on_a_small_laptop(lsd_daemon: Any, open_page: OpenPage, wait_for: WaitFor) -> None:
    page = open_page(f"{lsd_daemon.http}/?stream=laptop", before=WITHOUT_WEBGL, width=1280, height=800)
    wait_for_frames(page, wait_for)
    wait_for_chips(page)
    expect(page.locator("#stage-list")).to_contain_text("diffusion")
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    boxes = [page.locator(part).bounding_box() for part in ("dl", "#plot", "#stage-list")]
    for left, right in itertools.pairwise(boxes):
        assert left["x"] + left["width"] <= right["x"]
    assert boxes[1]["width"] > 400


def test_what_is_needed_is_served_under_a_strict_policy(echo_daemon: Any, open_page: OpenPage) -> None:
    asked: list[str] = []
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(echo_daemon.http)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    expect(parameter(page, "strength")).to_be_enabled()
    assert all(url.startswith((echo_daemon.http, "ws://127.0.0.1")) for url in asked)
