"""What the addon costs a game, beside the bare scene in one run: `python tests/godot/bench.py [RENDERER …]`.

Godot draws in software where there is no graphics card: then the daemon, the game and the drawing share the processor,
and only the ratios say something.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "tools"), str(Path(__file__).parents[1])]

import find  # noqa: E402
from conftest import RunningDaemon  # noqa: E402
from fake_server import FakeServer  # noqa: E402

SCENES = os.environ.get("SCENES", "demo plain box").split()
COLUMNS = (
    "frames/s",
    "of the bare scene",
    "frames with their own result",
    "script p50",
    "p95",
    "read-back p50",
    "round trip p50",
)
PROJECT = Path(__file__).parents[2] / "integrations/godot"


def main(renderers: list[str]) -> None:
    """Measure in each renderer, and print a table."""
    for renderer, scene in itertools.product(renderers or ["gl_compatibility", "forward_plus"], SCENES):
        turns = _run(renderer, scene)
        bare = statistics.median(turn["rate"] for turn in turns if turn["name"] == "bare")
        print(f"\n{renderer}, scene {scene}, 512x288, {os.cpu_count()} cores; medians")
        print(f"| | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 1)}")
        for name in dict.fromkeys(turn["name"] for turn in turns):
            mine = [turn for turn in turns if turn["name"] == name]
            middle = {
                key: statistics.median(turn[key] for turn in mine)
                for key in mine[0]
                if all(isinstance(turn.get(key), float) for turn in mine)
            }
            cells = [f"{middle['rate']:.1f}", f"{middle['rate'] / bare:.2f}", f"{middle['own']:.2f}"]
            more = ("cost_p50", "cost_p95", "readback_p50", "latency")
            cells += [f"{middle[key]:.1f} ms" if key in middle else "" for key in more]
            print(f"| {name} | {' | '.join(cells)} |")


def _run(renderer: str, scene: str) -> list[dict[str, float | str]]:
    godot, xvfb = find.find("godot"), find.find("xvfb")
    if not godot or not xvfb:
        sys.exit("Godot or Xvfb is not installed: run make tools")
    with tempfile.TemporaryDirectory() as folder:
        daemon = RunningDaemon(Path(folder) / "daemon.log", "--model", "echo").wait_healthy()
        slow = FakeServer()
        slow.delay = 0.2
        absent = FakeServer()
        absent.close()
        display = os.environ.get("DISPLAY")
        server = None if display else subprocess.Popen([str(xvfb), ":93", "-screen", "0", "1280x720x24"])
        try:
            subprocess.run([godot, "--headless", "--path", PROJECT, "--import"], check=True, capture_output=True)
            command = [
                str(godot), "--path", str(PROJECT), "--rendering-method", renderer, "--resolution", "512x288",
                "--audio-driver", "Dummy", "--script", "res://tests/bench.gd", "--",
                f"--echo={daemon.url}", f"--slow={slow.url}", f"--absent={absent.url}", f"--scene={scene}",
            ]  # fmt: skip
            environment = os.environ | {"DISPLAY": display or ":93"}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=550)
        finally:
            slow.close()
            daemon.stop()
            if server:
                server.terminate()
                server.wait()
    lines = [line[6:] for line in done.stdout.splitlines() if line.startswith("BENCH ")]
    if done.returncode or not lines:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main(sys.argv[1:])
