"""`MirageClient` in a real browser, against a real daemon."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.timeout(300)

# Every script may use a client, the stream's address, a black picture and `next(client, event)`.
PRELUDE = """async ({ url }) => {
    const { MirageClient, MirageError, decode, encode, plane, toImageData } = await import("/mirage.js");
    const client = new MirageClient();
    const picture = new ImageData(16, 8);
    const next = (from, event) => new Promise((resolve) => {
        from.addEventListener(event, ({ detail }) => resolve(detail), { once: true });
    });
    const refusal = (promise) => promise.then(() => null, ({ code, field }) => ({ code, field }));
    %s
}"""


@pytest.fixture
def run(echo_daemon: Any, open_page: Callable[..., Any], request: pytest.FixtureRequest) -> Callable[[str], Any]:
    page = open_page(f"{echo_daemon.http}/?stream=*")
    stream = "".join(each if each.isalnum() else "-" for each in request.node.name.lower())[:60]
    return lambda script: page.evaluate(PRELUDE % script, {"url": f"ws://127.0.0.1:{echo_daemon.port}/{stream}"})


def test_frames_come_back_with_their_pixels(run: Callable[[str], Any]) -> None:
    result = run("""
        picture.data.set([200, 100, 50, 25]);
        const ready = await client.connect(url);
        const id = client.send(picture);
        const result = await next(client, "result");
        const pixels = [...toImageData(result.planes.color).data.slice(0, 8)];
        return { ready, id, result: result.id, pixels, stats: client.stats(), state: client.state };
    """)
    assert result["ready"]["role"] == "source"
    assert result["id"] == result["result"] > 0
    assert result["pixels"] == [200, 100, 50, 25, 0, 0, 0, 0]
    assert result["stats"]["p50"] > 0
    assert result["stats"]["inFlight"] == 0
    assert result["state"] == "connected"


def test_stats_are_those_of_the_results(run: Callable[[str], Any]) -> None:
    result = run("""
        const [least, trips, clock] = [[], [], []];
        let began, early, late;
        window.WebSocket = class extends WebSocket {
            constructor(...options) {
                super(...options);
                this.addEventListener("message", ({ data }) => {
                    if (decode(data).type === "result") least.push(performance.now() - early);
                });
            }
        };
        await client.connect(url);
        const before = client.stats();
        client.addEventListener("result", ({ detail }) => {
            late = performance.now();
            trips.push(late - began);
            clock.push([early, client.pageTime(detail.received), client.pageTime(detail.sent), late]);
        });
        for (let each = 0; each < 12; each++) {
            began = performance.now();
            client.send(picture);
            early = performance.now();
            await next(client, "result");
        }
        const { recent } = client;
        const sums = recent.map(({ latency, stages }) => [latency, Object.values(stages).reduce((a, b) => a + b)]);
        const stats = client.stats();
        const { id } = recent.at(-1);
        const whole = recent.at(-1).latency;
        while (performance.now() - late < 5);
        client.shown(id);
        const shown = client.recent.at(-1);
        const display = [shown.latency - whole, shown.stages.display];
        return { before, stats, least, trips, clock, sums, display };
    """)
    assert result["before"]["p50"] is None
    assert (result["before"]["rate"], result["before"]["drops"]) == (0, 0)
    stats, most = result["stats"], max(result["trips"])
    assert min(result["least"]) <= stats["p50"] <= stats["p95"] <= stats["p99"] <= most
    assert 0 < stats["jitter"] <= most
    assert stats["rate"] > 0
    assert stats["drops"] == 0
    assert {"there", "queue", "render", "transfer", "back", "display"} <= stats["stages"].keys()
    for (latency, parts), low, high in zip(result["sums"], result["least"], result["trips"], strict=True):
        assert low <= latency <= high
        assert latency == pytest.approx(parts, abs=1)
    # The clocks were compared over a round trip or more, of which the offset is wrong by half at most.
    slack = 1000
    for early, received, sent, late in result["clock"]:
        assert early - slack <= received <= sent <= late + slack
    assert result["display"][0] >= 4
    assert result["display"][1] >= 4


def test_a_viewer_is_measured_from_the_server_on(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url);
        const viewer = new MirageClient();
        await viewer.connect(url, { role: "viewer" });
        while (viewer.stats().offset === null) await new Promise((resolve) => setTimeout(resolve, 10));
        for (let each = 0; each < 5; each++) {
            client.send(picture);
            await Promise.all([next(client, "result"), next(viewer, "result")]);
        }
        return { latencies: viewer.recent.map(({ latency }) => latency), stats: viewer.stats() };
    """)
    assert min(result["latencies"]) <= result["stats"]["p50"] <= max(result["latencies"])
    assert {"queue", "render", "back", "display"} <= result["stats"]["stages"].keys()
    assert "there" not in result["stats"]["stages"]


def test_stats_count_drops(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url, { window: 64 });
        const viewer = new MirageClient();
        await viewer.connect(url, { role: "viewer" });
        const large = new ImageData(1920, 1080);
        const seen = [];
        viewer.addEventListener("result", ({ detail }) => seen.push(detail.id));
        let [sent, results, last] = [0, 0, 0];
        client.addEventListener("result", () => results++);
        const settled = async () => {
            while (client.stats().inFlight) await Promise.race([next(client, "result"), next(client, "dropped")]);
            while (seen.at(-1) !== last) await next(viewer, "result"); // it may miss some, but not the last
        };
        const send = (frame) => (last = client.send(frame)) && sent++;
        for (let each = 0; each < 20 && !client.stats().drops; each++) {
            send(picture);
            await settled();
            send(large); // while this one is transformed, those that follow replace one another
            for (let each = 0; each < 20; each++) send(picture);
            await settled();
        }
        const stats = client.stats();
        const times = client.recentDrops.reduce((sum, { count }) => sum + count, 0);
        return { sent, results, drops: stats.drops, all: stats.dropped, times, viewer: viewer.stats().drops };
    """)
    assert result["all"] == result["sent"] - result["results"] > 0
    assert result["drops"] == result["times"] == result["viewer"] == result["all"]


# A picture with soft colours and an edge, and the mean difference of two pictures.
PICTURE = """
    const soft = new ImageData(96, 64);
    for (let at = 0; at < soft.data.length; at += 4) {
        const [x, y] = [(at / 4) % 96, Math.floor(at / 4 / 96)];
        soft.data.set([x * 2.5, y * 3.5, x < 48 ? 60 : 180, 255], at);
    }
    const difference = (some, others) =>
        some.data.reduce((sum, each, at) => sum + Math.abs(each - others.data[at]), 0) / some.data.length;
"""


def test_a_viewer_is_sent_jpegs_that_look_like_the_raw_results(run: Callable[[str], Any]) -> None:
    result = run(
        PICTURE
        + """
        const formats = [];
        const Socket = window.WebSocket;
        window.WebSocket = class extends Socket {
            constructor(...options) {
                super(...options);
                this.addEventListener("message", ({ data }) => {
                    const message = decode(data);
                    if (message.type === "result") formats.push([message.planes.color.format, data.byteLength]);
                });
            }
        };
        const watch = async (options) => {
            const viewer = new MirageClient();
            const ready = await viewer.connect(url, { role: "viewer", ...options });
            return { viewer, granted: [ready.result_format, ready.quality] };
        };
        const watched = await watch({ compression: "jpeg", quality: 90 });
        window.WebSocket = Socket;
        const raw = await watch({});
        await client.connect(url);
        client.send(soft);
        const [some, others] = await Promise.all([next(watched.viewer, "result"), next(raw.viewer, "result")]);
        const color = some.planes.color;
        return {
            formats, granted: watched.granted, auto: raw.granted[0], shape: [color.format, color.width, color.height],
            error: difference(toImageData(color), toImageData(others.planes.color)),
            stages: Object.keys(watched.viewer.stats().stages),
        };
    """
    )
    assert result["formats"][0][0] == "jpeg"
    assert result["formats"][0][1] < 96 * 64 * 4 / 2
    assert result["granted"] == ["jpeg", 90]
    assert result["auto"] == "raw"
    assert result["shape"] == ["rgba8", 96, 64]
    assert 0 < result["error"] < 4
    assert {"encode", "display"} <= set(result["stages"])


def test_a_source_across_a_network_sends_and_is_sent_jpegs(run: Callable[[str], Any]) -> None:
    result = run(
        PICTURE
        + """
        const Socket = window.WebSocket;
        const sent = [];
        window.WebSocket = class extends Socket {
            constructor(address, ...options) {
                super(address.replace("mirage.test", "127.0.0.1"), ...options);
            }
            send(bytes) {
                const message = decode(bytes, "client");
                if (message.type === "frame") sent.push(message.planes.color.format);
                super.send(bytes);
            }
        };
        const ready = await client.connect(url.replace("127.0.0.1", "mirage.test"), { window: 4 });
        for (let at = 3; at < soft.data.length; at += 8) soft.data[at] = 100;
        const ids = [];
        const results = [];
        client.addEventListener("result", ({ detail }) => results.push(detail));
        for (let each = 0; each < 3; each++) {
            ids.push(client.send(soft));
            await next(client, "result");
        }
        const color = toImageData(results[0].planes.color);
        const alpha = color.data.every((each, at) => at % 4 < 3 || each === soft.data[at]);
        const same = results.map(({ id }) => id).join() === ids.join();
        return { granted: ready.result_format, sent, alpha, same, error: difference(color, soft) };
    """
    )
    assert result["granted"] == "jpeg"
    assert result["sent"] == ["jpeg"] * 3
    assert result["alpha"]
    assert result["same"]
    assert 0 < result["error"] < 6


def test_a_viewer_that_decodes_slowly_is_given_the_newest_in_order(run: Callable[[str], Any]) -> None:
    result = run("""
        let open;
        const gate = new Promise((resolve) => (open = resolve));
        const decoded = window.createImageBitmap;
        window.createImageBitmap = async (...options) => (await gate, decoded(...options));
        const [came, given] = [[], []];
        const Socket = window.WebSocket;
        window.WebSocket = class extends Socket {
            constructor(...options) {
                super(...options);
                this.addEventListener("message", ({ data }) => {
                    const message = decode(data);
                    if (message.type === "result") came.push(message.id);
                });
            }
        };
        const viewer = new MirageClient();
        await viewer.connect(url, { role: "viewer", compression: "jpeg" });
        window.WebSocket = Socket;
        viewer.addEventListener("result", ({ detail }) => given.push(detail.id));
        await client.connect(url);
        while (came.length < 5) {
            client.send(picture);
            await next(client, "result");
        }
        await new Promise((resolve) => setTimeout(resolve, 200));
        const [first, newest] = [came[0], came.at(-1)];
        const expected = came.length - 2;
        open();
        while (given.length < 2) await next(viewer, "result");
        return { given, expected: [first, newest], drops: viewer.stats().drops, skipped: expected };
    """)
    assert result["given"] == result["expected"]
    assert result["drops"] >= result["skipped"] > 0


def test_a_jpeg_that_cannot_be_read_is_an_error(run: Callable[[str], Any]) -> None:
    result = run("""
        window.createImageBitmap = async () => Promise.reject(new Error("no picture"));
        await client.connect(url, { compression: "jpeg" });
        const id = client.send(picture);
        const { code, message } = await next(client, "error");
        return { code, named: message.includes(`result ${id}`), stats: client.stats() };
    """)
    assert result["code"] == "unsupported"
    assert result["named"]
    assert (result["stats"]["drops"], result["stats"]["inFlight"]) == (1, 0)


def test_a_compression_that_is_none_is_refused(run: Callable[[str], Any]) -> None:
    result = run("""
        const compression = await refusal(client.connect(url, { compression: "gif" }));
        const quality = await refusal(client.connect(url, { quality: 0 }));
        return { compression, quality, state: client.state };
    """)
    assert result["compression"] == {"code": "out-of-range", "field": "compression"}
    assert result["quality"] == {"code": "out-of-range", "field": "quality"}
    assert result["state"] == "disconnected"


def test_rows_may_be_padded_and_go_from_the_bottom_up(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url);
        const data = new Uint8Array(2 * 12 - 4);
        const pixels = [[1, 2, 3, 255], [4, 5, 6, 255], [7, 8, 9, 255], [10, 11, 12, 255]];
        pixels.forEach((pixel, index) => data.set(pixel, (index >> 1) * 12 + (index & 1) * 4));
        const frame = { width: 2, height: 2, stride: 12, bottom_up: true, format: "rgba8", data };
        const here = [...toImageData(frame).data];
        client.send(frame);
        const { planes } = await next(client, "result");
        const rgb = toImageData({ width: 1, height: 2, format: "rgb8", data: new Uint8Array([1, 2, 3, 4, 5, 6]) });
        return { here, there: [...toImageData(planes.color).data], rgb: [...rgb.data] };
    """)
    upside_down = [7, 8, 9, 255, 10, 11, 12, 255, 1, 2, 3, 255, 4, 5, 6, 255]
    assert result["here"] == result["there"] == upside_down
    assert result["rgb"] == [1, 2, 3, 255, 4, 5, 6, 255]


def test_the_window_is_kept(run: Callable[[str], Any]) -> None:
    result = run("""
        const early = client.send(picture);
        await client.connect(url, { window: 3 });
        const sent = [1, 2, 3, 4, 5].map(() => client.send(picture));
        while (client.stats().inFlight) await Promise.race([next(client, "result"), next(client, "dropped")]);
        return { early, sent, window: client.window, later: client.send(picture) };
    """)
    assert result["early"] is False
    assert [bool(each) for each in result["sent"]] == [True] * 3 + [False] * 2
    assert result["window"] == 3
    assert result["later"]


def test_other_planes_travel_too(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url);
        const identity = Float32Array.from({ length: 16 }, (_, index) => Number(index % 5 === 0));
        const planes = {
            depth: { width: 8, height: 4, data: new Float32Array(32).fill(2.5) },
            motion: { width: 16, height: 8, data: new Uint16Array(256) },
        };
        const first = client.send(picture);
        await next(client, "result");
        const camera = { view: identity, projection: identity, near: 0.1, far: 100 };
        const id = client.send(picture, { planes, camera, motionFrom: first });
        const came = (await next(client, "result")).id === id;
        try {
            client.send(picture, { planes: { depth: { width: 8, height: 4, data: new Float32Array(31) } } });
        } catch ({ code, field }) {
            return { came, code, field };
        }
    """)
    assert result == {"came": True, "code": "plane-size", "field": "planes.depth"}


def test_what_was_sent_is_what_the_server_wants(run: Callable[[str], Any]) -> None:
    result = run("""
        const sent = [];
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (bytes) {
            const message = decode(bytes, "client");
            if (message.type === "frame") sent.push([Object.keys(message.planes), message.motion_from ?? null]);
            send.call(this, bytes);
        };
        await client.connect(url, { window: 64 });
        const planes = {
            depth: { width: 8, height: 4, data: new Float32Array(32).fill(2.5) },
            motion: { width: 16, height: 8, data: new Uint16Array(256) },
        };
        const ids = [];
        const all = ["color", "depth", "motion"];
        for (const names of [all, all, ["color", "motion"], ["color", "depth"], ["color"]]) {
            client.server.capabilities.planes = Object.fromEntries(names.map((name) => [name, []]));
            ids.push(client.send(picture, { planes }));
        }
        client.server.capabilities.planes = null;
        ids.push(client.send(picture, { planes, motionFrom: ids[0] }), client.send(picture));
        WebSocket.prototype.send = send;
        return { sent, ids };
    """)
    ids = result["ids"]
    assert result["sent"] == [
        [["color", "depth"], None],
        [["color", "depth", "motion"], ids[0]],
        [["color", "motion"], ids[1]],
        [["color", "depth"], None],
        [["color"], None],
        [["color", "depth", "motion"], ids[0]],
        [["color"], None],
    ]


def test_a_result_says_what_was_remembered(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url);
        client.send(picture);
        const { memory, resets } = await next(client, "result");
        return { memory, resets };
    """)
    assert 0 <= result["memory"] <= 1
    assert result["resets"] == 0


def test_a_blend_is_set_and_ended(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url, { role: "controller", parameters: { prompt: "moss" } });
        const prompts = [{ text: "lava", weight: 0.75 }, { text: "ice", weight: 1 }];
        const blend = await client.set({ prompts, coherence: 0.5 });
        const bad = await refusal(client.set({ prompts: [{ text: "ink", weight: -1 }] }));
        const ended = await client.set({ prompt: "ink" });
        return { blend: blend.parameters, bad, ended: ended.parameters, now: client.parameters };
    """)
    blend = [{"text": "lava", "weight": 0.75}, {"text": "ice", "weight": 1}]
    assert result["blend"] == {"prompts": blend, "coherence": 0.5}
    assert result["bad"] == {"code": "out-of-range", "field": "parameters.prompts.0.weight"}
    assert result["ended"] == {"prompt": "ink", "prompts": []}
    assert (result["now"]["prompts"], result["now"]["coherence"]) == ([], 0.5)


def test_coming_back_ends_nobodys_blend_and_points_to_no_earlier_frame(run: Callable[[str], Any]) -> None:
    result = run("""
        const [sockets, sent] = [[], []];
        window.WebSocket = class extends WebSocket {
            constructor(...options) {
                super(...options);
                sockets.push(this);
            }
            send(bytes) {
                const message = decode(bytes, "client");
                if (message.type === "frame") sent.push([Object.keys(message.planes), message.motion_from ?? null]);
                super.send(bytes);
            }
        };
        const planes = { motion: { width: 16, height: 8, data: new Uint16Array(256) } };
        const frame = async () => {
            client.server.capabilities.planes = null;
            client.send(picture, { planes });
            await next(client, "result");
        };
        await client.connect(url);
        await client.set({ prompt: "ink" });
        for (let each = 0; each < 2; each++) await frame();
        const other = new MirageClient();
        await other.connect(url, { role: "controller" });
        const heard = next(client, "parameters");
        await other.set({ prompts: [{ text: "moss", weight: 1 }] });
        await heard;
        const again = new Promise((resolve) => {
            client.addEventListener("state", ({ detail }) => detail === "connected" && resolve());
        });
        sockets[0].close();
        await again;
        await frame();
        return { sent, mine: client.parameters.prompts, theirs: other.parameters.prompts };
    """)
    assert result["sent"] == [[["color"], None], [["color", "motion"], 2], [["color"], None]]
    assert result["mine"] == result["theirs"] == [{"text": "moss", "weight": 1}]


def test_set_is_acknowledged_or_refused(run: Callable[[str], Any]) -> None:
    result = run("""
        const early = await refusal(client.set({ strength: 1 }));
        await client.connect(url, { role: "controller", parameters: { seed: 7 } });
        const ack = await client.set({ strength: 0.5, transition: 2 });
        const bad = await refusal(client.set({ strength: 2 }));
        const unknown = await refusal(client.set({ strenght: 1 }));
        const viewer = new MirageClient();
        await new Promise((resolve) => setTimeout(resolve, 200)); // until the first change has been told
        await viewer.connect(url, { role: "viewer" });
        const heard = next(viewer, "parameters");
        await client.set({ steps: 2 });
        return { early, ack, bad, unknown, heard: (await heard).parameters, now: viewer.parameters };
    """)
    assert result["early"]["code"] == "disconnected"
    assert result["ack"]["parameters"] == {"strength": 0.5, "transition": 2}
    assert result["bad"] == {"code": "out-of-range", "field": "parameters.strength"}
    assert result["unknown"] == {"code": "unknown-parameter", "field": "parameters.strenght"}
    assert result["heard"] == {"steps": 2}
    assert result["now"]["seed"] == 7
    assert result["now"]["steps"] == 2


def test_a_second_source_is_refused_or_takes_over(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url);
        const second = new MirageClient();
        const refused = await refusal(second.connect(url));
        const [lost, state] = [next(client, "error"), next(client, "state")];
        await second.connect(url, { takeOver: true });
        return { refused, lost: (await lost).code, state: await state, second: second.state };
    """)
    assert result == {
        "refused": {"code": "source-taken", "field": None},
        "lost": "source-taken",
        "state": "disconnected",
        "second": "connected",
    }


def test_nothing_of_a_closed_connection_is_left_waiting(run: Callable[[str], Any]) -> None:
    result = run("""
        await client.connect(url);
        const waiting = refusal(client.set({ strength: 0.5 }));
        const connecting = new MirageClient();
        const opening = refusal(connecting.connect(url, { role: "viewer" }));
        client.disconnect();
        connecting.disconnect();
        const bad = await refusal(client.connect("nonsense://"));
        const states = [client.state, connecting.state];
        return { set: (await waiting).code, opening: (await opening).code, states, bad };
    """)
    assert result["set"] == "disconnected"
    assert result["opening"] == "disconnected"
    assert result["states"] == ["disconnected", "disconnected"]
    assert result["bad"] is not None


def test_it_reconnects_with_role_and_parameters(
    daemon_factory: Callable[..., Any], open_page: Callable[..., Any]
) -> None:
    daemon = daemon_factory("--model", "echo")
    page = open_page(f"{daemon.http}/?stream=*", expected="WebSocket connection")
    page.evaluate(
        PRELUDE
        % """
        window.states = [];
        window.client = client;
        client.addEventListener("state", ({ detail }) => states.push(detail));
        await client.connect(url, { parameters: { strength: 0.25 } });
        await client.set({ seed: 9 });
        """,
        {"url": daemon.url},
    )
    daemon.stop(9)
    daemon.restart()
    daemon.wait_healthy()
    page.evaluate("""async () => {
        while (client.state !== "connected") await new Promise((resolve) => setTimeout(resolve, 50));
    }""")
    result = page.evaluate("""async () => {
        const result = new Promise((resolve) => client.addEventListener("result", resolve, { once: true }));
        const id = client.send(new ImageData(16, 8));
        return { states, same: (await result).detail.id === id, parameters: client.parameters };
    }""")
    assert result["states"] == ["connecting", "connected", "reconnecting", "connected"]
    assert result["same"]
    assert (result["parameters"]["strength"], result["parameters"]["seed"]) == (0.25, 9)
