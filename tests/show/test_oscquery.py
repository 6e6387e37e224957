"""OSCQuery as a console finds it: by HTTP, by WebSocket and by mDNS, on the running daemon."""

import json
import socket
import time
import urllib.request

import pytest
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from zeroconf import IPVersion, ServiceBrowser, ServiceListener, Zeroconf

from mirage_protocol import PARAMETERS

TAGS = {"text": "s", "float": "f", "integer": "i", "integers": "s", "blend": "s"}
KEYS = {"FULL_PATH", "ACCESS", "DESCRIPTION", "TYPE", "VALUE", "RANGE", "CLIPMODE", "UNIT", "CONTENTS"}


def walk(node, path="/"):
    """Yield every node, checking what OSCQuery says of each."""
    assert node["FULL_PATH"] == path
    assert node["ACCESS"] in (0, 1, 2, 3)
    assert node.keys() <= KEYS
    yield node
    for name, below in node.get("CONTENTS", {}).items():
        yield from walk(below, f"{path.rstrip('/')}/{name}")


def test_a_walk_finds_every_parameter(echo_daemon, tree, source):
    source(echo_daemon, "walked", role="controller")
    nodes = {node["FULL_PATH"]: node for node in walk(tree(echo_daemon)[1])}
    for stream in ("main", "walked"):
        for name, parameter in PARAMETERS.items():
            node = nodes[f"/mirage/{stream}/{name}"]
            assert (node["TYPE"], node["ACCESS"], node["DESCRIPTION"]) == (TAGS[parameter.type], 3, parameter.help)
            assert len(node["VALUE"]) == len(node["TYPE"]) == 1
            if parameter.type in ("float", "integer"):
                assert node["RANGE"] == [{"MIN": parameter.minimum, "MAX": parameter.maximum}]
                assert node["CLIPMODE"] == ["both" if parameter.clip else "none"]
                assert nodes[f"/mirage/{stream}/{name}/normalized"]["RANGE"] == [{"MIN": 0, "MAX": 1}]
    assert nodes["/mirage/main/transition"]["UNIT"] == ["time.second"]
    assert nodes["/mirage/main/rate"]["ACCESS"] == 1
    assert nodes["/mirage/cue/go"] == {
        "FULL_PATH": "/mirage/cue/go",
        "ACCESS": 2,
        "DESCRIPTION": "The next cue.",
        "TYPE": "N",
    }
    assert {"/prompt", "/seed", "/t_list", "/mirage/subscribe"} <= nodes.keys()


def test_every_node_is_found_by_its_own_path(echo_daemon, tree):
    for node in walk(tree(echo_daemon)[1]):
        status, found = tree(echo_daemon, node["FULL_PATH"])
        assert status == 200
        assert found.keys() == node.keys()


def test_attributes(echo_daemon, tree):
    assert tree(echo_daemon, "/mirage/main/steps?RANGE") == (200, {"RANGE": [{"MIN": 1, "MAX": 4}]})
    assert tree(echo_daemon, "/mirage/main/steps?TYPE") == (200, {"TYPE": "i"})
    assert tree(echo_daemon, "/mirage/cue/go?VALUE") == (204, None)
    assert tree(echo_daemon, "/mirage/main?VALUE") == (204, None)
    status, body = tree(echo_daemon, "/mirage/main/steps?COLOUR")
    assert status == 400
    assert "VALUE" in body
    assert tree(echo_daemon, "/mirage/main/stairs")[0] == 404
    assert tree(echo_daemon, "/mirage/main/stairs?VALUE")[0] == 404


def test_host_info(echo_daemon, tree):
    status, info = tree(echo_daemon, "/?HOST_INFO")
    assert status == 200
    assert (info["NAME"], info["OSC_PORT"], info["OSC_TRANSPORT"]) == ("Mirage", echo_daemon.osc_port, "UDP")
    assert info["EXTENSIONS"]["LISTEN"] is True


def test_browsers_get_the_page_and_programs_the_tree(echo_daemon, tree):
    request = urllib.request.Request(f"{echo_daemon.http}/", headers={"Accept": "text/html,*/*"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/html")
    assert tree(echo_daemon, "/?HOST_INFO", {"Accept": "text/html"})[0] == 200
    assert tree(echo_daemon, "/health")[1]["status"] == "ok"


@pytest.fixture
def socket_of():
    sockets = []

    def opened(daemon, **options):
        made = connect(f"ws://127.0.0.1:{daemon.port}/", compression=None, **options)
        sockets.append(made)
        return made.__enter__()

    yield opened
    for made in sockets:
        made.__exit__(None, None, None)


def command(kind, path):
    return json.dumps({"COMMAND": kind, "DATA": path})


def heard(listener):
    """The next value that a WebSocket brings, as address and argument; texts are passed over."""
    while not isinstance(data := listener.recv(timeout=30), bytes):
        pass
    message = OscMessage(data)
    return message.address, message.params[0]


def sent(address, *arguments):
    builder = OscMessageBuilder(address)
    for argument in arguments:
        builder.add_arg(argument)
    return builder.build().dgram


def test_listening_by_websocket(daemon_factory, socket_of, console, source):
    daemon = daemon_factory("--model", "echo")
    listener = socket_of(daemon)
    for name in ("strength", "prompt"):
        listener.send(command("LISTEN", f"/mirage/main/{name}"))
    listener.send(sent("/mirage/main/coherence", 0.5))
    faders = console(daemon)
    deadline = time.monotonic() + 30
    controller = source(daemon, role="controller")
    while controller.parameters["coherence"] != 0.5:  # the commands before it were taken too
        assert time.monotonic() < deadline
    faders.send("/mirage/main/strength", 0.25)
    assert heard(listener) == ("/mirage/main/strength", 0.25)
    controller.set(seed=4, prompt="ice")
    assert heard(listener) == ("/mirage/main/prompt", "ice")
    listener.send(command("IGNORE", "/mirage/main/strength"))
    listener.send(sent("/mirage/main/coherence", 0.75))
    while controller.parameters["coherence"] != 0.75:
        assert time.monotonic() < deadline
    faders.send("/mirage/main/strength", 0.5)
    controller.set(prompt="moss")
    assert heard(listener) == ("/mirage/main/prompt", "moss")


def test_values_by_websocket_count_for_the_next_frame(daemon_factory, socket_of, source, record):
    daemon = daemon_factory("--model", "echo")
    listener, stream = socket_of(daemon), source(daemon)
    listener.send(sent("/mirage/main/strength", 0.125))
    deadline = time.monotonic() + 30
    while record(stream)["strength"] != 0.125:
        assert time.monotonic() < deadline


def test_new_streams_are_told_of(echo_daemon, socket_of, source, tree):
    listener = socket_of(echo_daemon)
    source(echo_daemon, "newcomer", role="controller")
    assert json.loads(listener.recv(timeout=30)) == {"COMMAND": "PATH_CHANGED", "DATA": "/"}
    assert tree(echo_daemon, "/mirage/newcomer/strength")[0] == 200


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("hello", "a command is JSON"),
        ("[]", "a command is JSON"),
        ("[" * 9000, "a command is JSON"),
        (command("DANCE", "/"), "LISTEN and IGNORE"),
        (json.dumps({"COMMAND": "LISTEN", "DATA": 3}), "LISTEN and IGNORE"),
        (command("LISTEN", "/mirage/main/strenght"), "did you mean /mirage/main/strength?"),
        (b"\0\0\0\0", "no packet of OSC"),
        (b"#bundle\0\0", "no packet of OSC"),
        (sent("/mirage/main/rate", 3.0), "can only be read"),
        (sent("/mirage/main/strength", "x"), "must be a number"),
        (sent("/mirage/main/nothing"), "there is no address"),
        (sent("/mirage/subscribe"), "send LISTEN"),
    ],
)
def test_bad_words_by_websocket_are_answered(echo_daemon, socket_of, said, words):
    listener = socket_of(echo_daemon)
    listener.send(said)
    answer = json.loads(listener.recv(timeout=30))
    assert answer["COMMAND"] == "ERROR"
    assert words in answer["DATA"]
    listener.send(command("LISTEN", "/mirage/main/strength"))


def test_with_a_token_the_tree_is_for_those_who_have_it_or_are_listed(daemon_factory, tree):
    daemon = daemon_factory("--model", "echo", "--token", "s3cret", token="s3cret")
    assert tree(daemon, "/mirage/main")[0] == 401
    assert tree(daemon, "/mirage/main", {"Authorization": "Bearer s3cret"})[0] == 200
    with pytest.raises(InvalidStatus) as refused, connect(f"ws://127.0.0.1:{daemon.port}/"):
        pass
    assert refused.value.response.status_code == 401
    listed = daemon_factory("--model", "echo", "--token", "s3cret", "--osc-allow", "127.0.0.1", token="s3cret")
    assert tree(listed, "/mirage/main")[0] == 200


def test_pages_from_elsewhere_may_not_look(echo_daemon, tree, socket_of):
    assert tree(echo_daemon, "/mirage", {"Origin": "http://evil.example"})[0] == 403
    with pytest.raises(InvalidStatus) as refused:
        socket_of(echo_daemon, origin="http://evil.example")
    assert refused.value.response.status_code == 403


class Found(ServiceListener):
    """Remembers what is advertised."""

    def __init__(self):
        self.ports = {}

    def add_service(self, zeroconf, kind, name):
        info = zeroconf.get_service_info(kind, name, timeout=10_000)
        if info is not None:
            self.ports[kind, info.port] = [socket.inet_ntoa(address) for address in info.addresses]

    def update_service(self, zeroconf, kind, name):
        self.add_service(zeroconf, kind, name)

    def remove_service(self, zeroconf, kind, name):
        self.ports = {key: value for key, value in self.ports.items() if key[0] != kind}


@pytest.mark.timeout(120)
def test_the_daemon_is_found_by_its_service(daemon_factory, wait_for):
    daemon = daemon_factory("--model", "echo", "--mdns")
    found = Found()
    zeroconf = Zeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        ServiceBrowser(zeroconf, ["_oscjson._tcp.local.", "_osc._udp.local."], found)
        query, osc = ("_oscjson._tcp.local.", daemon.port), ("_osc._udp.local.", daemon.osc_port)
        wait_for(lambda: {query, osc} <= found.ports.keys(), "both services are found")
        assert found.ports[query] == ["127.0.0.1"]
        daemon.stop()
        wait_for(lambda: not found.ports, "it says goodbye")
    finally:
        zeroconf.close()
