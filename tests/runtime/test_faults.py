"""Killed, hung and stopped: what clients notice, and what is left behind."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from websockets.exceptions import ConnectionClosed

import mirage_protocol as protocol

# A worker ends within a second of its daemon; a slow machine gets a few more, and one that lingers fails.
SOON = 10.0


def ended(processes):
    """Whether every process has ended; one that nobody has collected yet has."""
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return False
        except psutil.NoSuchProcess:
            continue
    return True


def give(source, frame):
    """Send a frame, and return when the daemon has it: it answers a connection's messages in their order."""
    frame_id = source.send(frame)
    source.socket.send(protocol.encode(protocol.Ping(1)))
    source.next(protocol.Pong)
    return frame_id


def leftovers():
    """What a daemon might leave behind: shared-memory files of ours."""
    folder = Path("/dev/shm")
    return {file.name for file in folder.iterdir() if "mirage" in file.name} if folder.is_dir() else set()


def test_killing_the_worker_costs_a_held_frame_and_nothing_else(daemon_factory, peer, noise, wait_for):
    daemon = daemon_factory("--model", "echo")
    source, viewer = peer(daemon), peer(daemon, "viewer")
    source.set(strength=0.5)
    frame = noise(64, 64)
    assert np.array_equal(source.transform(frame), frame)
    worker = daemon.worker_pid
    failed, results = 0, 0
    source.send(frame)
    while results < 20:
        source.send(frame)  # a second one, while the first is with the worker
        if results == 5 and daemon.worker_pid == worker:
            os.kill(worker, signal.SIGKILL)
        message = source.next((protocol.Result, protocol.Dropped))
        if isinstance(message, protocol.Result):
            results += 1
            shown = message
            assert bytes(message.planes["color"].data) == frame.tobytes()
        else:  # a source at its own pace; while there is no worker the newest of its frames is held
            failed += message.reason == "failed"
            time.sleep(0.02)
    assert failed <= 1
    assert daemon.worker_pid != worker
    states = []
    while states[-2:] != ["recovering", "streaming"]:
        states.append(viewer.next(protocol.Status).state)
    assert states.count("recovering") == 1
    assert shown.parameters["strength"] == 0.5
    assert daemon.health()[1]["worker_restarts"] == 1


def test_a_worker_killed_in_mid_frame_gives_that_frame_back_as_failed(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.transform(noise(8, 8))
    os.kill(daemon.worker_pid, signal.SIGSTOP)
    frame_id = give(source, noise(8, 8))
    os.kill(daemon.worker_pid, signal.SIGKILL)
    dropped = source.next(protocol.Dropped)
    assert (dropped.ids, dropped.reason) == ((frame_id,), "failed")
    frame = noise(8, 8, seed=2)
    assert np.array_equal(source.transform(frame), frame)


def test_a_hung_worker_is_replaced(daemon_factory, peer, noise, wait_for):
    daemon = daemon_factory("--model", "echo", "--hang-timeout", "1")
    source = peer(daemon)
    source.transform(noise(8, 8))
    workers = [psutil.Process(daemon.worker_pid)]
    workers[0].suspend()
    source.send(noise(8, 8))
    assert source.next(protocol.Dropped).reason == "failed"
    frame = noise(8, 8, seed=2)
    assert np.array_equal(source.transform(frame), frame)
    wait_for(lambda: ended(workers), "the hung worker has ended")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_clean_stop_leaves_nothing_behind(daemon_factory, peer, noise, number, wait_for):
    before = leftovers()
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.transform(noise(64, 64))
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    assert children
    assert daemon.stop(number) == 0
    wait_for(lambda: ended(children), "every process has ended", SOON)
    assert leftovers() == before
    assert "Traceback" not in daemon.output()


def test_a_worker_ends_when_the_daemon_is_killed(daemon_factory, peer, noise, wait_for):
    before = leftovers()
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.transform(noise(64, 64))
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    daemon.process.kill()
    daemon.process.wait()
    wait_for(lambda: ended(children), "the worker has ended", SOON)
    assert leftovers() == before


def test_a_worker_ends_in_mid_frame_when_the_daemon_is_killed(daemon_factory, peer, noise, wait_for):
    daemon = daemon_factory()
    source = peer(daemon)
    give(source, noise(1080, 1920))
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    daemon.process.kill()
    daemon.process.wait()
    wait_for(lambda: ended(children), "the worker has ended", SOON)


def test_a_peer_that_reads_nothing_disturbs_nobody(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    deaf = peer(daemon, "viewer")
    deaf.socket.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    before = psutil.Process(daemon.process.pid).memory_info().rss
    for seed in range(60):
        frame = noise(432, 768, 4, seed)
        assert np.array_equal(source.transform(frame), frame)
    grown = psutil.Process(daemon.process.pid).memory_info().rss - before
    assert grown < 40 * 2**20, "results for one that does not read must not pile up"


def test_a_peer_that_reads_nothing_is_cut_off(daemon_factory, peer, noise, wait_for):
    daemon = daemon_factory("--model", "echo")
    deaf = peer(daemon)
    for seed in range(12):
        deaf.send(noise(1024, 1024, 4, seed))
    with contextlib.suppress(ConnectionClosed):
        for number in range(5000):
            deaf.socket.send(protocol.encode(protocol.Ping(number)))
    wait_for(lambda: "reads nothing and is cut off" in daemon.output(), "the daemon has had enough")
    wait_for(lambda: "(source) is gone" in daemon.output(), "its place is free")
    assert daemon.output().count("is cut off") == 1
    frame = noise(8, 8)
    assert np.array_equal(peer(daemon).transform(frame), frame)


def test_a_source_that_was_replaced_has_no_say_any_more(daemon_factory, peer, noise, wait_for):
    daemon = daemon_factory("--model", "echo")
    deaf = peer(daemon)
    for seed in range(12):
        deaf.send(noise(1024, 1024, 4, seed))
    taker = peer(daemon, take_over=True)
    with contextlib.suppress(ConnectionClosed):  # it may have been closed by now
        deaf.socket.send(protocol.encode(protocol.Set(1, {"strength": 0.25})))
    wait_for(
        lambda: daemon.output().count("(source) is gone") >= 1, "the first source is closed, though it reads nothing"
    )
    assert taker.set(seed=1).parameters == {"seed": 1}
    taker.send(noise(8, 8))
    assert taker.next(protocol.Result).parameters["strength"] == 1.0


def test_prompts_changed_many_times_in_a_transition_end_nothing(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.set(transition=60.0)
    for number in range(40):
        source.set(prompt=f"{number}" + "🌊" * 990)
    source.send(noise(8, 8))
    assert 1 <= len(source.next(protocol.Result).parameters["prompts"]) <= 4


def test_frames_of_changing_sizes_come_back_whole(daemon_factory, peer, noise):
    """Shared blocks grow between frames, while the last result is still being sent."""
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    sizes = [(288, 512), (1080, 1920), (16, 16), (720, 1280), (1440, 2560), (288, 512)] * 3
    frames = {}
    for number, size in enumerate(sizes):
        frame = noise(*size, 4, number)
        frames[source.send(frame)] = frame
        if number:
            result = source.next(protocol.Result)
            assert bytes(result.planes["color"].data) == frames.pop(result.id).tobytes()


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="memory is not reserved here")
def test_a_frame_that_there_is_no_memory_for_is_dropped_and_nothing_else(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.transform(noise(8, 8))
    limit = 2 * 2**20
    psutil.Process(daemon.process.pid).rlimit(psutil.RLIMIT_FSIZE, (limit, limit))
    for _ in range(3):
        source.send(noise(1080, 1920))
        assert source.next(protocol.Dropped).reason == "failed"
    frame = noise(64, 64)
    assert np.array_equal(source.transform(frame), frame)


def test_a_folder_with_a_module_of_the_same_name_does_no_harm(tmp_path, daemon_factory, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('the wrong queue')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONSAFEPATH", "1")  # for `python -m` itself: the command `mirage` needs no help
    assert daemon_factory("--model", "echo").health()[0] == 200


def test_a_worker_that_cannot_load_is_one_clear_line(tmp_path):
    blocked = tmp_path / "file"
    blocked.touch()
    command = [sys.executable, "-m", "mirage_runtime", "serve", "--port", "0"]
    environment = os.environ | {"MIRAGE_CACHE": str(blocked / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "cannot be compiled" in done.stderr
