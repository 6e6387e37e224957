"""`mirage bench control`: run for real, short; its figures and its words."""

import json
import math
import subprocess
import sys

import pytest

from mirage_runtime import control_bench


@pytest.fixture(scope="module")
def report():
    return control_bench.measure(model="echo", seconds=0.3, rounds=1, reactions=5, rates=(500,))


@pytest.mark.timeout(120)
def test_every_figure_is_there(report):
    (rate,) = report.rates
    for load in (report.quiet, rate.sink, rate.daemon):
        assert 0 < load.p50 <= load.p95 < math.inf
        assert load.rate > 0
    assert rate.messages == 500
    assert rate.taken == pytest.approx(1.0, abs=0.1)  # those on their way at the turn's ends count once, here or there
    assert 0 < report.reaction_p50 <= report.reaction_p95
    assert report.interval > 0
    assert report.beyond_two_frames_p95 < report.reaction_p95


def test_ratios_are_what_the_figures_give(report):
    plain = report.as_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    (rate,) = plain["rates"]
    assert rate["rate_kept"] == rate["daemon"]["rate"] / rate["sink"]["rate"]
    assert rate["p95_ratio"] == rate["daemon"]["p95"] / rate["sink"]["p95"]
    assert plain["reaction_p95"] == report.reaction_p95


@pytest.mark.timeout(120)
def test_the_verb_prints_a_table():
    command = [sys.executable, "-m", "mirage_runtime", "bench", "control", "--model", "echo", "--seconds", "0.2"]
    done = subprocess.run([*command, "--rounds", "1"], capture_output=True, text=True, timeout=110, check=True)
    assert "a sink" in done.stdout
    assert "beyond its own two frames" in done.stdout
