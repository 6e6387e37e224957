"""Frames and results through memory: agreed on, used, outgrown, abused and let go of, with a real daemon."""

from __future__ import annotations

import contextlib
import hashlib
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage
import mirage_protocol as protocol
from mirage_protocol import ring
from mirage_runtime.transports.shared_memory import SharedMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory files and pipes are named through /proc")

ROOM = 1 << 20


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


def share(peer: Any, size: int = ROOM, wake: protocol.Wake = "pipe") -> tuple[protocol.Memory, memoryview, ring.Layout]:
    """Agree on memory as a client written from SPEC.md alone would."""
    request, message = peer.protocol.share(size, size, wake)
    peer.socket.send(message)
    memory = peer.next(protocol.Memory)
    assert memory.request == request
    with Path(memory.path).open("r+b") as file:
        view = memoryview(mmap.mmap(file.fileno(), memory.size))
    layout, nonce = ring.found(view)
    peer.socket.send(protocol.encode(protocol.Shared(request, nonce)))
    assert peer.next(protocol.Acknowledged).request == request
    return memory, view, layout


def frame(peer: Any, image: np.ndarray) -> tuple[int, list[memoryview | bytes]]:
    plane = protocol.Plane.of("rgba8", image.shape[1], image.shape[0], image)
    return peer.protocol.frame({"color": plane})


def result(reader: ring.RingReader, wait_for: Any) -> protocol.Result:
    found = wait_for(reader.next, "a result is in the ring")
    message = protocol.decode_server(bytes(found[1]))
    assert isinstance(message, protocol.Result)
    return message


@pytest.mark.parametrize("transport", ["shared-memory", "websocket"])
@pytest.mark.parametrize("size", [(64, 48), (768, 432), (1920, 1080)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_what_goes_in_comes_out(echo_daemon: Any, transport: Any, size: tuple[int, int]) -> None:
    with mirage.connect(echo_daemon.url, transport=transport, take_over=True, timeout=60) as stream:
        for seed in range(3):
            image = noise(size[1], size[0], seed)
            back = stream.transform(image).image
            assert hashlib.sha256(back.tobytes()).digest() == hashlib.sha256(image.tobytes()).digest()
        assert stream.transport == transport


def test_memory_grows_with_the_frames(echo_daemon: Any) -> None:
    with mirage.connect(echo_daemon.url, transport="shared-memory", take_over=True, timeout=60) as stream:
        for side in (32, 256, 64, 512):
            image = noise(side, side)
            assert (stream.transform(image).image == image).all()
        assert stream.transport == "shared-memory"


def test_a_viewer_reads_from_memory_too(echo_daemon: Any) -> None:
    with (
        mirage.connect(echo_daemon.url, take_over=True, timeout=60) as source,
        mirage.connect(echo_daemon.url, role="viewer", timeout=60) as viewer,
    ):
        for seed in range(4):
            image = noise(48, 64, seed)
            source.transform(image)
            assert (viewer.receive().image == image).all()
        assert viewer.transport == "shared-memory"
        assert viewer.transport_reason is None


def test_acknowledgements_and_errors_are_heard_beside_results(echo_daemon: Any) -> None:
    with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as stream:
        stream.transform(noise(48, 64))
        for value in (0.25, 1.0):
            assert stream.set(strength=value).parameters == {"strength": value}
            stream.transform(noise(48, 64))
        with pytest.raises(mirage.InvalidParameter):
            stream.set(strength=7.0)


@pytest.mark.parametrize("wake", ["pipe", "message", "none"])
def test_every_way_to_be_woken(echo_daemon: Any, peer: Any, wait_for: Any, wake: protocol.Wake) -> None:
    source = peer(echo_daemon, take_over=True)
    memory, view, layout = share(source, wake=wake)
    assert (memory.frames_pipe is None) == (wake != "pipe")
    writer, reader = ring.RingWriter(view, layout.frames), ring.RingReader(view, layout.results)
    for seed in range(3):
        image = noise(48, 64, seed)
        frame_id, pieces = frame(source, image)
        writer.write(pieces)
        if memory.frames_pipe is not None:
            Path(memory.frames_pipe).write_bytes(b"!")
        else:
            source.socket.send(protocol.encode(protocol.WakeUp()))
        if wake == "message":
            source.next(protocol.WakeUp)
        answer = result(reader, wait_for)
        assert answer.id == frame_id
        assert bytes(answer.planes["color"].data) == image.tobytes()


def test_a_wrong_nonce_is_no_proof(echo_daemon: Any, peer: Any) -> None:
    source = peer(echo_daemon, take_over=True)
    request, message = source.protocol.share(ROOM, ROOM, "message")
    source.socket.send(message)
    path = source.next(protocol.Memory).path
    source.socket.send(protocol.encode(protocol.Shared(request, bytes(16))))
    error = source.next(protocol.Error)
    assert (error.code, error.field, error.request) == ("unauthorized", "nonce", request)
    assert not Path(path).exists()
    image = noise(48, 64)
    assert (source.transform(image) == image).all()  # by WebSocket, as before


def test_memory_that_was_not_offered_cannot_be_accepted(echo_daemon: Any, peer: Any) -> None:
    source = peer(echo_daemon, take_over=True)
    source.socket.send(protocol.encode(protocol.Shared(5, bytes(16))))
    assert source.next(protocol.Error).code == "not-allowed"


def test_more_memory_than_a_frame_may_have_is_refused(echo_daemon: Any, peer: Any) -> None:
    source = peer(echo_daemon, take_over=True)
    request, message = source.protocol.share(2**32 - 1, ROOM, "message")
    source.socket.send(message)
    error = source.next(protocol.Error)
    assert (error.code, error.request) == ("out-of-range", request)


def test_a_controller_shares_nothing(echo_daemon: Any, peer: Any) -> None:
    controller = peer(echo_daemon, "controller")
    controller.socket.send(controller.protocol.share(ROOM, ROOM, "none")[1])
    assert controller.next(protocol.Error).code == "not-allowed"


def test_a_client_that_cannot_open_it_goes_on_by_websocket(echo_daemon: Any, monkeypatch: Any) -> None:
    def closed(path: str, *_: Any) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("mirage._shared.os.open", closed)
    with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as stream:
        image = noise(48, 64)
        assert (stream.transform(image).image == image).all()
        assert stream.transport == "websocket"
        assert "Permission denied" in (stream.transport_reason or "")
    with (
        mirage.connect(echo_daemon.url, transport="shared-memory", take_over=True, timeout=60) as stream,
        pytest.raises(mirage.Unsupported, match="Permission denied"),
    ):
        stream.transform(noise(48, 64))


def test_no_room_means_websocket_with_the_reason(daemon_factory: Any, tmp_path: Path) -> None:
    """Where memory files may not grow, as in a container that is short of memory, nothing else changes."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40 << 20, 40 << 20))\n"
    (tmp_path / "sitecustomize.py").write_text(limit)
    daemon = daemon_factory("--model", "echo", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
    with mirage.connect(daemon.url, timeout=60) as stream:
        image = noise(1080, 1920)
        assert (stream.transform(image).image == image).all()
        assert stream.transport == "websocket"
        assert "no room" in (stream.transport_reason or "")


def test_memory_cannot_be_truncated(echo_daemon: Any, peer: Any) -> None:
    source = peer(echo_daemon, take_over=True)
    memory, _, _ = share(source)
    with pytest.raises(PermissionError):
        os.truncate(memory.path, 4096)


@pytest.mark.parametrize("what", ["newest", "size", "garbage", "a second writer"])
def test_a_ring_that_breaks_the_rules_is_let_go_of(echo_daemon: Any, peer: Any, what: str) -> None:
    source = peer(echo_daemon, take_over=True)
    _, view, layout = share(source, wake="message")
    words = np.frombuffer(view[layout.frames.offset :], np.uint64)
    writer = ring.RingWriter(view, layout.frames)
    if what == "newest":
        words[0] = 2**63
    elif what == "size":
        writer.write([b"x"])
        words[ring.PAGE // 8 + 1] = ROOM + 1
    elif what == "a second writer":  # of results, which the server alone writes
        np.frombuffer(view[layout.results.offset :], np.uint64)[0] = 5
        writer.write(frame(source, noise(48, 64))[1])
    else:
        writer.write([b"\xff" * 100])
    source.socket.send(protocol.encode(protocol.WakeUp()))
    assert source.next(protocol.Error).code == "malformed"
    image = noise(48, 64)
    frame_id = source.send(image)
    if what == "garbage":  # the message was bad, not the ring
        answer = protocol.decode_server(bytes(_next(ring.RingReader(view, layout.results))))
    else:
        answer = source.next(protocol.Result)
    assert answer.id == frame_id


def test_a_frame_that_its_client_writes_over_is_dropped(daemon_factory: Any, peer: Any, wait_for: Any) -> None:
    """A client that does not keep to its window gets nothing torn back; the frame that it wrote over is dropped."""
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    _, view, layout = share(source, wake="message")
    writer, reader = ring.RingWriter(view, layout.frames), ring.RingReader(view, layout.results)
    os.kill(daemon.worker_pid, signal.SIGSTOP)
    try:
        first, pieces = frame(source, noise(48, 64))
        writer.write(pieces)
        source.socket.send(protocol.encode(protocol.WakeUp()))
        source.socket.send(protocol.encode(protocol.Ping(1)))
        source.next(protocol.Pong)  # it is with the worker, which does not read it yet
        image = noise(48, 64, 1)
        second, pieces = frame(source, image)
        writer.write(pieces, again=True)
    finally:
        os.kill(daemon.worker_pid, signal.SIGCONT)
    dropped = source.next(protocol.Dropped)
    assert (dropped.ids, dropped.reason) == ((first,), "newer")
    source.socket.send(protocol.encode(protocol.WakeUp()))
    answer = result(reader, wait_for)
    assert answer.id == second
    assert bytes(answer.planes["color"].data) == image.tobytes()


def test_results_that_are_kept_stay_as_they_are(echo_daemon: Any) -> None:
    """Memory for results is used again, but never while somebody looks at it, or at a part of it."""
    with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as stream:
        kept = [stream.transform(noise(48, 64, seed)).image for seed in range(8)]
        parts = [stream.transform(noise(48, 64, seed)).image[10:20, :, 1] for seed in range(8, 16)]
        for seed in range(16, 30):
            stream.transform(noise(48, 64, seed))
    for seed, image in enumerate(kept):
        assert (image == noise(48, 64, seed)).all()
    for seed, part in enumerate(parts, 8):
        assert (part == noise(48, 64, seed)[10:20, :, 1]).all()


def test_the_worker_lets_go_of_what_clients_share_no_longer(daemon_factory: Any) -> None:
    daemon = daemon_factory("--model", "echo")

    def mapped() -> int:
        return Path(f"/proc/{daemon.worker_pid}/maps").read_text().count("memfd:mirage")

    with mirage.connect(daemon.url, timeout=60) as stream:
        stream.transform(noise(48, 64))
        least = mapped()
    for _ in range(6):
        with mirage.connect(daemon.url, take_over=True, timeout=60) as stream:
            for _ in range(2):
                stream.transform(noise(48, 64))
            assert mapped() <= least + 1


def _next(reader: ring.RingReader) -> bytearray:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (found := reader.next()) is not None:
            return found[1]
    raise AssertionError("nothing came")


def test_a_reader_that_never_reads_disturbs_nobody(echo_daemon: Any, peer: Any) -> None:
    viewer = peer(echo_daemon, "viewer")
    share(viewer)
    with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as source:
        for seed in range(30):
            image = noise(48, 64, seed)
            assert (source.transform(image).image == image).all()


def test_everything_is_given_back(daemon_factory: Any) -> None:
    echo_daemon = daemon_factory("--model", "echo")
    folder = Path(f"/proc/{echo_daemon.process.pid}/fd")

    def memories() -> int:
        count = 0
        for link in folder.iterdir():
            with contextlib.suppress(OSError):
                count += "memfd:mirage" in str(link.readlink())
        return count

    before = memories()
    for _ in range(5):
        with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as stream:
            stream.transform(noise(48, 64))
            assert memories() > before
    deadline = time.monotonic() + 30
    while memories() > before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert memories() == before


CLIENT = """
import sys, numpy as np, mirage
image = np.random.default_rng(1).integers(0, 256, (120, 160, 4), np.uint8)
with mirage.connect(sys.argv[1], take_over=True, timeout=60) as stream:
    while True:
        back = stream.transform(image).image
        assert (back == image).all(), "torn"
        assert stream.transport == "shared-memory"
        print("ok", flush=True)
"""


@pytest.mark.timeout(600)
def test_clients_killed_at_random_moments(echo_daemon: Any) -> None:
    """A hundred clients end in the middle of anything; nobody else ever gets a torn frame, and the daemon goes on."""
    random = np.random.default_rng(7)
    clients: list[subprocess.Popen[str]] = []
    try:
        for round_ in range(25):
            clients = [
                subprocess.Popen(
                    [sys.executable, "-c", CLIENT, f"ws://127.0.0.1:{echo_daemon.port}/kill-{n}"],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for n in range(4)
            ]
            for client in clients:
                assert client.stdout is not None
                assert client.stdout.readline() == "ok\n", client.communicate()[1]
            for client in clients:
                time.sleep(float(random.uniform(0, 0.03)))
                client.send_signal(signal.SIGKILL)
            for client in clients:
                _, errors = client.communicate(timeout=60)
                assert "torn" not in errors, round_
    finally:
        for client in clients:
            client.kill()
            client.wait()
    with mirage.connect(echo_daemon.url, take_over=True, timeout=60) as stream:
        image = noise(48, 64)
        assert (stream.transform(image).image == image).all()


def test_a_daemon_that_is_killed_is_noticed_at_once(daemon_factory: Any) -> None:
    daemon = daemon_factory("--model", "echo")
    with mirage.connect(daemon.url, timeout=60) as stream:
        image = noise(48, 64)
        stream.transform(image)
        daemon.process.kill()
        daemon.process.wait()
        with pytest.raises(mirage.ConnectionLost):
            stream.transform(image)
        daemon.restart()
        daemon.wait_healthy()
        assert (stream.transform(image).image == image).all()
        assert stream.transport == "shared-memory"


def test_memory_is_agreed_on_by_who_would_not_wait(echo_daemon: Any) -> None:
    with mirage.connect(echo_daemon.url, transport="shared-memory", take_over=True, timeout=60) as stream:
        assert stream.send(noise(48, 64), block=False) is not None
        assert (stream.receive().image == noise(48, 64)).all()


@pytest.mark.skipif(sys.platform == "win32", reason="files that are mapped stay there")
def test_a_result_comes_before_the_one_that_is_being_made() -> None:
    """A frame that was begun before there was memory ends after the next one has its place in it."""
    memory = SharedMemory(ring.Layout.of(2, 1 << 16, 3, 1 << 16), pipes=False, checked=False)
    reader = ring.RingReader(memory._view, memory.results.place)
    image = noise(8, 8)
    planes = {"color": protocol.Plane("rgba8", 8, 8, memoryview(image.tobytes()))}
    for number in range(1, 20, 3):
        target = memory.reserve(image.nbytes)
        assert target is not None
        target.view[: image.nbytes] = image.tobytes()
        memory.write(protocol.encode_pieces(protocol.Result(number, planes)))
        if number % 2:
            memory.write(protocol.encode_pieces(protocol.Result(number + 1, planes)))
        assert memory.finish(target, protocol.Result(number + 2, planes))
        read = [protocol.decode_server(bytes(message)) for _, message in iter(reader.next, None)]
        assert [result.id for result in read] == [number, *[number + 1] * (number % 2), number + 2]
        assert bytes(read[-1].planes["color"].data) == image.tobytes()
        if number > 9:
            reader.took()
    del reader, target
    memory.close()
