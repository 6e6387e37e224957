"""`mirage demo` opens the page, or says where it is."""

import os
import re
import signal
import subprocess
import sys

import pytest


@pytest.fixture
def demo(tmp_path, wait_for):
    """Run `mirage demo` with an environment of ours until the test ends; gives what it has said so far."""
    started = []

    def start(**environment):
        log = tmp_path / "demo.log"
        command = [sys.executable, "-m", "mirage_runtime", "demo", "--model", "echo", "--port", "0"]
        with log.open("wb") as out:
            started.append(subprocess.Popen(command, stderr=out, stdout=out, env=os.environ | environment))
        return log.read_text

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for a browser is a shell script")
def test_it_opens_the_page(demo, tmp_path, wait_for):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    said = demo(BROWSER=f"{browser} %s")
    address = wait_for(lambda: re.search(r"http://localhost:\d+/", said()), "it says its address")[0]
    wait_for(lambda: (tmp_path / "opened").is_file() and (tmp_path / "opened").read_text(), "the browser was called")
    assert (tmp_path / "opened").read_text().strip() == address


def test_without_a_browser_it_says_so(demo, wait_for, tmp_path):
    said = demo(BROWSER="false %s", PATH=str(tmp_path), DISPLAY="", WAYLAND_DISPLAY="")
    wait_for(lambda: "open that address" in said(), "it says that no browser could be opened")
