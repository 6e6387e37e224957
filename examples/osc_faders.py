"""Move a fader by OSC, and print what the daemon tells: its values, its figures, and the fader on its way."""

import argparse
import time

from pythonosc.osc_message import OscMessage
from pythonosc.udp_client import SimpleUDPClient


def listen(client: SimpleUDPClient, seconds: float) -> int:
    """Print the messages that come within so many seconds; return how many they were."""
    end = time.monotonic() + seconds
    count = 0
    while (left := end - time.monotonic()) > 0:
        if data := client.receive(left):
            message = OscMessage(data)
            print(message.address, *message.params)
            count += 1
    return count


def main() -> None:
    """Subscribe, let the strength fall and rise again, each within a second, and go."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8247)
    parser.add_argument("--seconds", type=float, default=2.0, help="how long to listen after each step")
    arguments = parser.parse_args()

    client = SimpleUDPClient(arguments.host, arguments.port)
    client.send_message("/mirage/subscribe", [])  # answers come to the socket that this was sent from
    if not listen(client, arguments.seconds):
        raise SystemExit(f"nothing answers at {arguments.host}, port {arguments.port}: start one with `mirage serve`")
    client.send_message("/mirage/main/transition", 1.0)
    for strength in (0.3, 1.0):
        client.send_message("/mirage/main/strength", strength)
        listen(client, arguments.seconds)
    client.send_message("/mirage/unsubscribe", [])


if __name__ == "__main__":
    main()
