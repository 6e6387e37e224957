"""What both clients do when the server does not."""

from __future__ import annotations

import asyncio
import http.server
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from websockets.sync.server import serve

import mirage
import mirage_protocol as protocol
from mirage._wire import OPTIONS
from mirage_protocol import Frame

DIE = "die"


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_nobody_is_there(connect: Any, free_port: int) -> None:
    with pytest.raises(mirage.ConnectionRefused, match="start one with `mirage serve`") as caught:
        connect(f"ws://127.0.0.1:{free_port}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("url", ["127.0.0.1:8765", "http://127.0.0.1", "", "ws://", "ws://[::1"])
def test_what_is_no_address(connect: Any, url: str) -> None:
    with pytest.raises(mirage.Unsupported, match="should look like ws://"):
        connect(url)


@pytest.mark.parametrize(
    "options",
    [{"transport": "pigeon"}, {"role": "king"}, {"window": 0}, {"window": 65}],
    ids=lambda options: next(iter(options)),
)
def test_arguments_are_checked(connect: Any, server: Any, options: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        connect(server.url, **options)
    assert not server.connections


def test_shared_memory_that_is_insisted_on(connect: Any, server: Any) -> None:
    with pytest.raises(mirage.Unsupported, match="on this machine"):
        connect("ws://192.0.2.1:8765", transport="shared-memory")
    stream = connect(server.url, transport="shared-memory")
    for _ in range(2):
        with pytest.raises(mirage.Unsupported, match="there is no shared memory: the server has none"):
            stream.transform(np.zeros((4, 4, 3), np.uint8))


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a page")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web_server() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Page) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        yield web.server_port
        web.shutdown()
        thread.join()


def test_another_web_server(connect: Any, web_server: int) -> None:
    with pytest.raises(mirage.Refused, match=r"not a Mirage server|HTTP 200"):
        connect(f"ws://127.0.0.1:{web_server}")


def test_another_websocket_server(connect: Any) -> None:
    with serve(lambda connection: connection.recv(), "127.0.0.1", 0) as other:
        thread = threading.Thread(target=other.serve_forever)
        thread.start()
        port = other.socket.getsockname()[1]
        with pytest.raises(mirage.Refused, match="mirage"):
            connect(f"ws://127.0.0.1:{port}")
        other.shutdown()
        thread.join()


def test_a_server_that_says_nothing(connect: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(mirage.Timeout, match=r"0\.2 s"):
        connect(f"ws://127.0.0.1:{listener.getsockname()[1]}", timeout=0.2)


def test_a_server_that_shakes_no_hands(connect: Any, server: Any) -> None:
    server.on_hello = lambda _: []
    with pytest.raises(mirage.Timeout):
        connect(server.url, timeout=0.2)


def test_a_server_of_another_version(connect: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hello = protocol.ServerHello
    monkeypatch.setattr(protocol, "ServerHello", lambda _, *fields: hello(2, *fields))
    with pytest.raises(mirage.Refused, match="protocol 2") as caught:
        connect(server.url)
    assert caught.value.code == "handshake"


def test_a_server_that_hangs_up_on_a_hello(connect: Any, server: Any) -> None:
    server.on_hello = lambda _: [DIE]
    with pytest.raises(mirage.ConnectionLost):
        connect(server.url)


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_wrong_token(connect: Any, server: Any, token: str | None) -> None:
    server.token = "s3cret"
    with pytest.raises(mirage.Refused, match="token") as caught:
        connect(server.url, token=token)
    assert caught.value.code == "unauthorized"
    assert connect(server.url, token="s3cret").parameters == protocol.defaults()


def test_the_stream_has_a_source(connect: Any, server: Any) -> None:
    server.on_hello = lambda hello: (
        server.welcome(hello) if hello.take_over else [protocol.Error("source-taken", "there is one"), DIE]
    )
    with pytest.raises(mirage.Refused, match="there is one") as caught:
        connect(server.url)
    assert caught.value.code == "source-taken"
    connect(server.url, take_over=True)


def test_someone_takes_over(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url, take_over=True)
    server.say(protocol.Error("source-taken", "sorry"))
    server.do(server.connections[-1].close(4409))
    with pytest.raises(mirage.ConnectionLost, match="another source took the stream") as caught:
        stream.transform(picture())
    assert caught.value.code == "source-taken"
    stream.transform(picture())
    assert [hello.take_over for hello in server.hellos] == [True, False]


def test_a_connection_that_breaks_in_the_middle_of_a_frame(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url, window=3)
    stream.set(prompt="ink", seed=4)
    stream.transform(picture())
    echo, server.on_frame = server.on_frame, lambda _: [DIE]
    with pytest.raises(mirage.ConnectionLost):
        stream.transform(picture())
    server.on_frame = echo
    assert stream.transform(picture()).frame_id == 2
    hello = server.hellos[-1]
    assert (hello.role, hello.window, hello.parameters) == ("source", 3, {"prompt": "ink", "seed": 4})


@pytest.mark.parametrize("role", ["source", "viewer", "controller"])
def test_the_role_and_the_token_are_restored(connect: Any, server: Any, role: str) -> None:
    server.token = "s3cret"
    stream = connect(server.url, role=role, token="s3cret")
    server.stop()
    server.start()
    call = stream.receive if role == "viewer" else lambda: stream.set(seed=1)
    with pytest.raises(mirage.ConnectionLost):
        call()
    if role == "viewer":
        with pytest.raises(mirage.Timeout):
            stream.receive(timeout=0.1)
    else:
        call()
    assert [(hello.role, hello.token) for hello in server.hellos] == [(role, "s3cret")] * 2


def test_parameters_that_someone_else_has_changed_since_are_not_restored(
    connect: Any, server: Any, wait_for: Any
) -> None:
    stream = connect(server.url)
    stream.set(prompt="ink", seed=4)
    server.say(protocol.ParametersChanged({"prompt": "moss"}))
    wait_for(lambda: stream.parameters["prompt"] == "moss", "the change arrives")
    server.stop()
    server.start()
    with pytest.raises(mirage.ConnectionLost):
        stream.set(steps=2)
    assert stream.set(steps=2)
    assert server.hellos[-1].parameters == {"seed": 4}


@pytest.mark.parametrize(
    ("theirs", "restored"),
    [
        ({"prompts": [{"text": "moss", "weight": 1.0}]}, {"seed": 4}),
        ({"prompt": "moss", "prompts": []}, {"seed": 4}),
        ({"prompts": []}, {"seed": 4, "prompt": "ink"}),
    ],
)
def test_a_blend_of_somebody_else_is_not_ended_by_coming_back(
    connect: Any, server: Any, wait_for: Any, theirs: Any, restored: Any
) -> None:
    stream = connect(server.url)
    stream.set(prompt="ink", prompts=[("lava", 1.0)], seed=4)
    server.say(protocol.ParametersChanged(theirs))
    wait_for(lambda: stream.parameters.items() >= theirs.items(), "the change arrives")
    server.stop()
    server.start()
    with pytest.raises(mirage.ConnectionLost):
        stream.set(steps=2)
    assert stream.set(steps=2)
    assert server.hellos[-1].parameters == restored


def test_motion_does_not_point_back_over_a_lost_connection(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    motion = {"motion": np.ones((24, 32, 2), np.float16)}
    for _ in range(2):
        stream.transform(picture(), planes=motion)
    assert server.frames[-1].motion_from == 0
    server.stop()
    server.start()
    with pytest.raises(mirage.ConnectionLost):
        stream.transform(picture(), planes=motion)
    frame_id = stream.transform(picture(), planes=motion).frame_id
    assert server.frames[-1].planes.keys() == {"color"}
    assert server.frames[-1].motion_from is None
    stream.transform(picture(), planes=motion)
    assert (server.frames[-1].motion_from, server.frames[-1].id) == (frame_id, frame_id + 1)


def test_a_server_that_stays_away_for_a_while(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    server.stop()
    with pytest.raises(mirage.ConnectionLost):
        stream.transform(picture())
    for _ in range(3):
        with pytest.raises(mirage.ConnectionRefused):
            stream.transform(picture())
    assert stream.parameters == {}
    server.start()
    stream.transform(picture())


def test_results_that_came_before_the_end_are_still_there(connect: Any, server: Any, picture: Any) -> None:
    echo = server.on_frame
    server.on_frame = lambda frame: echo(frame) if frame.id == 0 else [DIE]
    stream = connect(server.url)
    stream.send(picture())
    stream.send(picture())
    assert stream.receive().frame_id == 0
    with pytest.raises(mirage.ConnectionLost):
        stream.receive()


def test_the_reason_that_the_server_gave_is_told(connect: Any, server: Any, picture: Any) -> None:
    server.on_frame = lambda _: [protocol.Error("internal", "out of memory"), DIE]
    with pytest.raises(mirage.ConnectionLost, match="out of memory"):
        connect(server.url).transform(picture())


@pytest.mark.parametrize(
    "data", [b"junk", "text", protocol.encode(protocol.Ping(1))[:-1]], ids=["bytes", "text", "cut"]
)
def test_a_server_that_sends_junk(connect: Any, server: Any, picture: Any, data: bytes | str) -> None:
    stream = connect(server.url)
    echo, server.on_frame = server.on_frame, lambda _: [data]
    with pytest.raises(mirage.ConnectionLost, match="no message"):
        stream.transform(picture())
    server.on_frame = echo
    stream.transform(picture())


def test_a_server_that_goes_silent(connect: Any, server: Any, picture: Any) -> None:
    waiting: list[Frame] = []
    echo, server.on_frame = server.on_frame, lambda frame: waiting.append(frame) or []
    stream = connect(server.url)
    with pytest.raises(mirage.Timeout, match="did not send the result in time"):
        stream.transform(picture(), timeout=0.2)
    assert stream.in_flight == 1
    server.on_frame = echo
    server.say(*echo(waiting[0]))
    assert stream.transform(picture()).frame_id == 1
    assert stream.in_flight == 0
    with pytest.raises(mirage.Timeout):
        stream.receive(timeout=0.05)  # the late result is nobody's
    assert list(stream) == []


def test_a_request_that_is_not_answered(connect: Any, server: Any) -> None:
    acknowledge, server.on_set = server.on_set, lambda _: []
    stream = connect(server.url)
    with pytest.raises(mirage.Timeout, match="acknowledgement"):
        stream.set(seed=1, timeout=0.1)
    server.say(protocol.Acknowledged(0, {"seed": 1}))
    server.on_set = acknowledge
    assert stream.set(seed=2).parameters == {"seed": 2}


def test_a_server_that_does_not_read(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url, timeout=0.5, window=64)
    server.deaf = True
    frame = picture(1024, 1024)

    def send_many() -> None:
        for _ in range(60):
            stream.send(frame)

    with pytest.raises((mirage.Timeout, mirage.ConnectionLost)):
        send_many()
    server.deaf = False


def test_a_stream_that_is_left_alone_stays_open(
    connect: Any, server: Any, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPTIONS, "ping_interval", 0.05)
    stream = connect(server.url, role="viewer")
    frame = picture(256, 256)
    color = protocol.Plane.of("rgba8", 256, 256, frame)
    sending = threading.Thread(target=lambda: server.say(*(protocol.Result(n, {"color": color}) for n in range(60))))
    sending.start()
    time.sleep(0.6)
    assert stream.receive().image.shape == (256, 256, 4)
    last = stream.receive().frame_id
    while last < 59:
        last = stream.receive().frame_id
    sending.join()


def test_a_closed_stream(connect: Any, server: Any, picture: Any) -> None:
    stream = connect(server.url)
    stream.close()
    stream.close()
    for call in (
        lambda: stream.transform(picture()),
        lambda: stream.send(picture()),
        stream.receive,
        lambda: stream.set(seed=1),
    ):
        with pytest.raises(mirage.Closed):
            call()
    assert list(stream) == []
    assert stream.parameters == protocol.defaults()


def test_leaving_the_block_closes(server: Any, wait_for: Any) -> None:
    with pytest.raises(KeyError), mirage.connect(server.url) as stream:
        raise KeyError
    with pytest.raises(mirage.Closed):
        stream.receive()

    async def leave() -> mirage.AsyncStream:
        async with mirage.connect_async(server.url):
            pass
        async with await mirage.connect_async(server.url) as other:
            pass
        with pytest.raises(mirage.Closed):
            await other.receive()
        return other

    asyncio.run(leave())


def test_closing_wakes_a_thread_that_waits(server: Any) -> None:
    stream = mirage.connect(server.url, role="viewer")
    errors: list[Exception] = []

    def wait() -> None:
        try:
            stream.receive(timeout=60)
        except mirage.MirageError as error:
            errors.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    stream.close()
    thread.join(20)
    assert [type(error) for error in errors] == [mirage.Closed]


def test_threads_may_share_a_stream(server: Any, picture: Any) -> None:
    failures: list[str] = []

    def work(stream: mirage.Stream, seed: int) -> None:
        for count in range(20):
            frame = picture(8, 8, 3, seed * 100 + count)
            if not (stream.transform(frame).image == frame).all():
                failures.append(f"{seed} {count}")
            stream.set(seed=count)

    with mirage.connect(server.url, timeout=30) as stream:
        threads = [threading.Thread(target=work, args=(stream, seed)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert not failures
    assert len(server.frames) == 80


def test_all_threads_that_wait_hear_of_a_lost_connection(server: Any, picture: Any) -> None:
    server.on_frame = lambda _: []
    kinds: list[type] = []

    def work(stream: mirage.Stream) -> None:
        try:
            stream.transform(picture(), timeout=30)
        except mirage.MirageError as error:
            kinds.append(type(error))

    with mirage.connect(server.url, window=3) as stream:
        threads = [threading.Thread(target=work, args=(stream,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        while len(server.frames) < 3:
            time.sleep(0.01)
        server.stop()
        for thread in threads:
            thread.join(20)
    assert kinds == [mirage.ConnectionLost] * 3


def test_tasks_may_share_a_stream(server: Any, picture: Any) -> None:
    async def work() -> list[Any]:
        async with mirage.connect_async(server.url, timeout=30) as stream:
            frames = [picture(8, 8, 3, seed) for seed in range(30)]
            calls = [stream.transform(frame) for frame in frames]
            results = await asyncio.gather(*calls, *(stream.set(seed=seed) for seed in range(10)))
            return [(result.image == frame).all() for result, frame in zip(results, frames, strict=False)]

    assert all(asyncio.run(work()))


def test_a_cancelled_call_leaves_the_stream_as_it_is(server: Any, picture: Any) -> None:
    echo, server.on_frame = server.on_frame, lambda _: []

    async def work() -> int:
        async with mirage.connect_async(server.url) as stream:
            for call in (stream.transform(picture()), stream.receive(), stream.receive()):
                task = asyncio.create_task(call)
                await asyncio.sleep(0.05)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            server.on_frame = echo
            return (await stream.transform(picture())).frame_id

    assert asyncio.run(work()) == 1


def test_a_cancelled_reconnection_can_be_tried_again(server: Any, picture: Any) -> None:
    async def work() -> None:
        async with mirage.connect_async(server.url) as stream:
            server.on_hello = lambda _: [DIE]
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            with pytest.raises(mirage.ConnectionLost):
                await stream.transform(picture())
            server.on_hello = lambda _: []
            task = asyncio.create_task(stream.transform(picture()))
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            server.on_hello = server.welcome
            await stream.transform(picture())

    asyncio.run(work())
