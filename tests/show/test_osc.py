"""OSC against the running daemon, by real sockets: values, frames, feedback, and whatever else may arrive."""

import ipaddress
import random
import socket
import struct
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

import mirage
from mirage_protocol import PARAMETERS, defaults
from mirage_runtime.config import OscConfig


def message(address, *arguments):
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build()


def other(parameter):
    """A value that is not the default, and the arguments that say it."""
    number = (parameter.minimum or 0.0) + 0.25
    return {
        "text": ("moss, dark", ["moss, dark"]),
        "float": (number, [number]),
        "integer": (3, [3]),
        "integers": ("[7, 4294967295]", [7, 2**32 - 1]),
        "blend": ('[["lava", 3.0], ["ice", 1.0]]', ["lava", 3.0, "ice", 1]),
    }[parameter.type]


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
def test_every_parameter_of_every_stream_is_set(daemon, console, value, source, parameter):
    source(daemon, "left", role="controller")
    for stream in ("main", "left"):
        expected, arguments = other(parameter)
        console(daemon).send(f"/mirage/{stream}/{parameter.name}", *arguments)
        wait(lambda: value(daemon, f"/mirage/{stream}/{parameter.name}") == expected)  # noqa: B023
    assert value(daemon, f"/mirage/left/{parameter.name}") == expected


@pytest.fixture
def fresh_daemon(daemon_factory):
    return daemon_factory("--model", "echo")


@pytest.fixture
def daemon(own_echo_daemon, source):
    """A daemon that others have used too, with every value as it was in the beginning."""
    with mirage.connect(own_echo_daemon.url, role="controller") as controller:
        controller.set(**defaults())
        controller.play("play")
        time.sleep(0.05)  # until everybody has been told
    return own_echo_daemon


def wait(condition, patience=30.0):
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_the_next_frame_has_it(daemon, console, source, record):
    stream, faders = source(daemon), console(daemon)
    for strength in (0.0, 0.5, 0.25, 1.0) * 5:
        faders.send("/mirage/main/strength", strength)
        assert record(stream)["strength"] == strength


def test_pictures_follow_the_strength(lsd_daemon, console, source):
    stream, faders = source(lsd_daemon, "pictures"), console(lsd_daemon)
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    faders.send("/mirage/pictures/strength", 0)
    assert np.array_equal(stream.transform(picture).image, picture)
    faders.send("/mirage/pictures/strength", 1.0)
    faders.send("/mirage/pictures/prompt", "lava")
    result = stream.transform(picture)
    assert result.parameters["prompts"] == [{"text": "lava", "weight": 1.0}]
    assert np.abs(result.image.astype(int) - picture).mean() > 20


@pytest.mark.parametrize(
    ("address", "argument", "expected"),
    [
        ("/mirage/main/strength", 1, 1.0),
        ("/mirage/main/strength", True, 1.0),
        ("/mirage/main/strength", 7.5, 1.0),
        ("/mirage/main/strength", -1, 0.0),
        ("/mirage/main/strength/normalized", 0.25, 0.25),
        ("/mirage/main/transition/normalized", 0.5, 30.0),
        ("/mirage/main/steps/normalized", 1.0, 4),
        ("/mirage/main/steps", 2.6, 3),
        ("/mirage/main/steps", 99, 4),
        ("/mirage/main/seed", 12.0, 12),
        ("/mirage/m*n/{strength,seed}", 1.0, 1),
        ("/seed", 77, 77),
        ("/prompt", "ink", "ink"),
        ("/prompt_list", '[["ink", 1.0], ["ice", 0.5]]', '[["ink", 1.0], ["ice", 0.5]]'),
        ("/seed_list", "[[7, 0.5], [9, 1.0]]", 9),
    ],
)
def test_values_are_taken_as_consoles_send_them(daemon, console, value, address, argument, expected):
    names = {"prompt_list": "prompts", "seed_list": "seed", "{strength,seed}": "seed"}
    name = address.replace("/normalized", "").rsplit("/", 1)[1]
    path = f"/mirage/main/{names.get(name, name)}"
    console(daemon).send(address, argument)
    wait(lambda: value(daemon, path) == expected)


@pytest.mark.parametrize(
    ("address", "arguments", "words"),
    [
        ("/mirage/main/strenght", [1.0], "did you mean /mirage/main/strength?"),
        ("/nonsense/here", [], "/mirage/STREAM/PARAMETER"),
        ("/mirage/nobody/strength", [1.0], "did you mean"),
        ("/mirage/main/strength", ["loud"], "must be a number, not a string"),
        ("/mirage/main/strength", [], "takes one value, not 0"),
        ("/mirage/main/strength", [0.1, 0.2], "takes one value, not 2"),
        ("/mirage/main/strength", [float("nan")], "must be finite"),
        ("/mirage/main/strength", [1.5], "beyond 0 to 1"),
        ("/mirage/main/strength/normalized", [float("nan")], "must be 0 to 1"),
        ("/mirage/main/prompt", [3], "must be a string"),
        ("/mirage/main/prompt", ["x" * 1001], "at most 1000 characters"),
        ("/mirage/main/seed", [-1], "must be 0 to"),
        ("/mirage/main/prompts", ["lava"], "is no JSON"),
        ("/mirage/main/prompts", ["[" * 5000], "is no JSON"),
        ("/mirage/main/rate", [1.0], "can only be read"),
        ("/mirage/cue/goto", ["9"], "there are no cues"),
        ("/mirage/cue/go", [], "there are no cues"),
        ("/mirage/preset", ["storm"], "there are no presets"),
        ("/mirage/subscribe", [70000], "a port is 1 to 65535"),
    ],
)
def test_what_is_wrong_is_answered_with_one_line(daemon, console, value, address, arguments, words):
    faders = console(daemon)
    faders.send("/mirage/subscribe")
    faders.hear("/mirage/main/state")
    faders.send(address, *arguments)
    (said,) = faders.hear("/mirage/error")
    assert words in said
    assert "\n" not in said
    assert value(daemon, "/mirage/main/prompt") == "oil painting"


def test_what_has_no_meaning_here_is_taken_and_reported_once(fresh_daemon, console):
    faders = console(fresh_daemon)
    faders.send("/mirage/subscribe")
    faders.hear("/mirage/main/state")
    for _ in range(3):
        faders.send("/delta", 7.5)
        faders.send("/t_list", 32, 45)
    said = [arguments[0] for address, arguments in faders.everything(0.5) if address == "/mirage/error"]
    assert [line.partition(" ")[0] for line in said] == ["/delta", "/t_list"]


def test_an_unknown_address_is_answered_once_and_counted(fresh_daemon, console, metric):
    faders = console(fresh_daemon)
    for _ in range(5):
        faders.send("/mirage/main/nothing", 1)
    faders.hear("/mirage/error")
    wait(lambda: metric(fresh_daemon, 'mirage_osc_messages_total{outcome="unknown"}') == 5)
    assert not [address for address, _ in faders.everything(0.3) if address == "/mirage/error"]


@pytest.fixture
def metric():
    def read(daemon, name):
        with urllib.request.urlopen(f"{daemon.http}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)), 0.0)

    return read


@pytest.mark.timeout(120)
def test_no_packet_ends_the_daemon(fresh_daemon, console, source, record, metric):
    faders, stream = console(fresh_daemon), source(fresh_daemon)
    good = message("/mirage/main/strength", 0.5).dgram
    builder = OscBundleBuilder(IMMEDIATELY)
    builder.add_content(message("/mirage/main/seed", 3))
    bundle = builder.build().dgram
    chosen = random.Random(1)
    packets = [
        b"",
        b"/",
        b"\0" * 16,
        b"#bundle\0",
        b"#bundle\0" + bytes(8) + struct.pack(">i", 2**31 - 1),
        b"/a\0\0,zzz",
    ]
    packets += [b"/x\0\0,s\0\0" + b"\xff" * 8, b"/x\0\0,b\0\0" + struct.pack(">i", -4), bytes(65507)]
    packets += [b"/x\0\0," + b"[" * 3000 + b"\0" * 8]
    for _ in range(600):
        packet = bytearray(chosen.choice([good, bundle]))
        for _ in range(chosen.randint(1, 6)):
            packet[chosen.randrange(len(packet))] = chosen.randrange(256)
        packets.append(bytes(packet[: chosen.randint(0, len(packet))]))
    for packet in packets:
        faders.socket.send(packet)
        time.sleep(0.0005)
    wait(lambda: metric(fresh_daemon, 'mirage_osc_messages_total{outcome="malformed"}') > 20)
    faders.send("/mirage/main/strength", 0.125)
    assert record(stream)["strength"] == 0.125
    assert metric(fresh_daemon, 'mirage_osc_messages_total{outcome="failed"}') == 0


def test_a_bundle_is_taken_when_its_time_has_come(daemon, console, source, record, value):
    faders, stream = console(daemon), source(daemon)
    due = time.time() + 0.6
    for when, strength in ((due, 0.75), (IMMEDIATELY, 0.25), (time.time() + 7200, 0.5)):
        builder = OscBundleBuilder(when)
        builder.add_content(message("/mirage/main/strength", strength))
        builder.add_content(message("/mirage/main/seed", int(strength * 100)))
        faders.socket.send(builder.build().dgram)
    assert "an hour ahead" in faders.hear("/mirage/error")[0]
    seen = []
    while (found := record(stream))["strength"] != 0.75:
        seen.append(found["strength"])
        assert time.time() < due + 30
    assert time.time() >= due
    assert set(seen) == {0.25}
    assert found["seed"] == 75


def test_subscribers_are_told_of_what_others_do(daemon, console, source):
    first, second = console(daemon), console(daemon)
    for faders in (first, second):
        faders.send("/mirage/subscribe")
        assert faders.hear("/mirage/main/strength") == [1.0]
        faders.hear("/mirage/main/state")
    first.send("/mirage/main/strength", 0.25)
    assert second.hear("/mirage/main/strength") == [0.25]
    assert second.hear("/mirage/main/strength/normalized") == [0.25]
    assert not [heard for heard in first.everything(0.3) if heard[0] == "/mirage/main/strength"]
    source(daemon, role="controller").set(prompt="ice")
    assert first.hear("/mirage/main/prompt") == second.hear("/mirage/main/prompt") == ["ice"]
    second.send("/mirage/unsubscribe")
    time.sleep(0.2)
    second.everything(0.1)
    first.send("/mirage/main/strength", 0.5)
    assert second.everything(0.3) == []


def test_websocket_clients_are_told_what_osc_does(daemon, console, source):
    controller = source(daemon, role="controller")
    faders = console(daemon)
    for step in range(200):
        faders.send("/mirage/main/strength", step / 200)
    faders.send("/mirage/main/strength", 0.375)
    wait(lambda: controller.parameters["strength"] == 0.375)


def test_feedback_says_how_it_goes(daemon, console, source, record):
    faders, stream = console(daemon), source(daemon)
    faders.send("/mirage/subscribe")
    for _ in range(30):
        record(stream)
    wait(lambda: faders.hear("/mirage/main/rate")[0] > 0)
    assert faders.hear("/mirage/main/latency")[0] > 0
    wait(lambda: faders.hear("/mirage/main/frames")[0] >= 30)
    faders.send("/mirage/main/pause")
    wait(lambda: faders.hear("/mirage/main/state") == ["paused"])
    faders.send("/mirage/main/play", 1)
    wait(lambda: faders.hear("/mirage/main/state") == ["streaming"])


def test_a_subscription_to_a_port_lapses(fresh_daemon, console, metric):
    faders, listener = console(fresh_daemon), console(fresh_daemon)
    faders.send("/mirage/subscribe", listener.port, 1)
    assert listener.hear("/mirage/main/strength") == [1.0]
    assert metric(fresh_daemon, "mirage_osc_subscribers") == 1
    listener.socket.close()  # it vanished, and says nothing
    for step in range(50):
        faders.send("/mirage/main/strength", step / 50)
    wait(lambda: metric(fresh_daemon, "mirage_osc_subscribers") == 0)


@pytest.mark.timeout(120)
def test_all_of_many_streams_reaches_a_new_subscriber(fresh_daemon, console, source):
    names = [f"s{number}" for number in range(63)]
    for name in names:
        source(fresh_daemon, name, role="controller")
    faders = console(fresh_daemon)
    faders.send("/mirage/subscribe")
    heard = set()
    expected = {f"/mirage/{stream}/{name}" for stream in ("main", *names) for name in PARAMETERS}
    wait(lambda: heard.update(address for address, _ in faders.everything(0.1)) or expected <= heard)
    faders.send("/mirage/main/strength", "x")
    assert "must be a number" in faders.hear("/mirage/error")[0]


def test_somebody_listed_is_told_without_asking(daemon_factory, console):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(30)
        port = listener.getsockname()[1]
        daemon = daemon_factory("--model", "echo", "--osc-subscriber", f"127.0.0.1:{port}")
        console(daemon).send("/mirage/main/strength", 0.5)
        while not listener.recv(65536).startswith(b"/mirage/main/strength\0"):
            pass


def test_patches_for_streamdiffusion_are_answered_on_their_port(daemon_factory, console, source, record):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(30)
        port = listener.getsockname()[1]
        daemon = daemon_factory("--model", "echo", "--osc-out-port", str(port))
        faders, stream = console(daemon), source(daemon)
        faders.send("/get_status")
        assert faders.hear("/server_active") == [1]
        record(stream)
        faders.send("/stop_streaming", 1)
        heard = set()
        while not {b"/server_active", b"/stream-info/fps", b"/stream-info/state", b"/framecount"} <= heard:
            heard.add(listener.recv(65536).partition(b"\0")[0])
        faders.send("/stop")
        while b"/stream-info/error" not in heard:
            heard.add(listener.recv(65536).partition(b"\0")[0])
        faders.send("/start_streaming", 1)
        assert record(stream)["seed"] == 0


def test_a_paused_stream_holds_its_picture(daemon, console, source, record):
    stream, faders = source(daemon), console(daemon)
    record(stream)
    faders.send("/pause")
    wait(lambda: stream.state == "paused")
    with pytest.raises(mirage.Timeout):
        stream.transform(bytes_picture(), timeout=0.4)
    faders.send("/play")
    wait(lambda: stream.state == "streaming")
    assert record(stream)["strength"] == 1.0


def bytes_picture():
    return np.zeros((8, 8, 3), np.uint8)


def test_a_port_that_is_taken(daemon_factory, console):
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        command = [
            sys.executable,
            "-m",
            "mirage_runtime",
            "serve",
            "--model",
            "echo",
            "--port",
            "0",
            "--osc-port",
            str(port),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"OSC port {port} of 127.0.0.1 is in use: choose another with --osc-port" in done.stderr


def test_without_osc(daemon_factory):
    daemon = daemon_factory("--model", "echo", "--no-osc")
    assert daemon.health()[1]["osc_port"] is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--osc-host", "0.0.0.0"], "--osc-allow"),
        (["--osc-allow", "home"], "is no network"),
        (["--osc-subscriber", "localhost"], "is no address"),
        (["--show", "/nowhere/at/all.toml"], "there is no folder"),
    ],
)
def test_options_that_make_no_sense(options, words):
    command = [sys.executable, "-m", "mirage_runtime", "serve", "--model", "echo", "--port", "0", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_strangers_are_ignored_and_the_listed_are_not():
    config = OscConfig(
        host="0.0.0.0", allow=(ipaddress.ip_network("192.168.1.0/24"), ipaddress.ip_network("fe80::/10"))
    )
    for host in ("127.0.0.1", "::1", "192.168.1.77", "::ffff:192.168.1.77", "fe80::1%eth0"):
        assert config.allows(host)
    for host in ("192.168.2.1", "10.0.0.1", "::ffff:10.0.0.1", "", "junk"):
        assert not config.allows(host)


@pytest.mark.timeout(120)
def test_of_5000_messages_a_second_none_is_lost_that_the_kernel_delivered(
    fresh_daemon, console, source, record, metric
):
    stream, faders = source(fresh_daemon), console(fresh_daemon)
    data = message("/mirage/main/strength", 0.5).dgram
    sent, began = 0, time.monotonic()
    while sent < 10_000:
        for _ in range(50):
            faders.socket.send(data)
            sent += 1
        record(stream)
        time.sleep(max(0.0, began + sent / 5000 - time.monotonic()))
    lost = dropped_by_the_kernel(fresh_daemon.osc_port)
    wait(lambda: metric(fresh_daemon, 'mirage_osc_messages_total{outcome="taken"}') == sent - lost)


def dropped_by_the_kernel(port):
    """How many datagrams did not fit into a socket's buffer, as Linux tells."""
    rows = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return next(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)
