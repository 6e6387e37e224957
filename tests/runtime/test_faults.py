"""Killed, hung and stopped: what clients notice, and what is left behind."""

import os
import signal
import socket
from pathlib import Path

import numpy as np
import psutil
import pytest

import mirage_protocol as protocol


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
    os.kill(worker, signal.SIGKILL)
    lost, results = 0, 0
    while results < 5:
        source.send(frame)
        message = source.next((protocol.Result, protocol.Dropped))
        if isinstance(message, protocol.Result):
            results += 1
            assert bytes(message.planes["color"].data) == frame.tobytes()
        else:
            lost += len(message.ids)
    assert lost <= 1
    assert daemon.worker_pid != worker
    assert viewer.next(protocol.Status).state in ("streaming", "recovering")
    assert message.parameters["strength"] == 0.5
    assert daemon.health()[1]["worker_restarts"] == 1


def test_a_worker_killed_in_mid_frame_gives_that_frame_back_as_failed(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.transform(noise(8, 8))
    os.kill(daemon.worker_pid, signal.SIGSTOP)
    frame_id = source.send(noise(8, 8))
    os.kill(daemon.worker_pid, signal.SIGKILL)
    dropped = source.next(protocol.Dropped)
    assert (dropped.ids, dropped.reason) == ((frame_id,), "failed")
    frame = noise(8, 8, seed=2)
    assert np.array_equal(source.transform(frame), frame)


def test_a_hung_worker_is_replaced(daemon_factory, peer, noise):
    daemon = daemon_factory("--model", "echo", "--hang-timeout", "1")
    source = peer(daemon)
    source.transform(noise(8, 8))
    hung = daemon.worker_pid
    os.kill(hung, signal.SIGSTOP)
    source.send(noise(8, 8))
    assert source.next(protocol.Dropped).reason == "failed"
    frame = noise(8, 8, seed=2)
    assert np.array_equal(source.transform(frame), frame)
    assert not psutil.pid_exists(hung) or psutil.Process(hung).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_clean_stop_leaves_nothing_behind(daemon_factory, peer, noise, number, wait_for):
    before = leftovers()
    daemon = daemon_factory("--model", "echo")
    source = peer(daemon)
    source.transform(noise(64, 64))
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    assert children
    assert daemon.stop(number) == 0
    wait_for(lambda: not any(child.is_running() for child in children), "every process has ended")
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
    wait_for(lambda: not any(child.is_running() for child in children), "the worker has ended")
    assert leftovers() == before


def test_a_worker_ends_in_mid_frame_when_the_daemon_is_killed(daemon_factory, peer, noise, wait_for):
    daemon = daemon_factory()
    source = peer(daemon)
    source.send(noise(1080, 1920))
    children = psutil.Process(daemon.process.pid).children(recursive=True)
    daemon.process.kill()
    daemon.process.wait()
    wait_for(lambda: not any(child.is_running() for child in children), "the worker has ended")


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
