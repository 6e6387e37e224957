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
    assert result["stats"]["roundTrip"]["p50"] > 0
    assert result["stats"]["inFlight"] == 0
    assert result["state"] == "connected"


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
