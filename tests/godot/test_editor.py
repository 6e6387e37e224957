"""The addon in the editor: what is changed in the inspector acts on the running game's stream at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirage


@pytest.mark.timeout(200)
def test_a_change_in_the_inspector_acts_on_the_running_stream(godot: Any, echo_daemon: Any, tmp_path: Path) -> None:
    editor = godot.copy(tmp_path)
    probe = editor.project / "addons/probe"
    probe.mkdir()
    (probe / "plugin.cfg").write_text(
        '[plugin]\nname="Probe"\ndescription=""\nauthor=""\nversion="1"\nscript="probe.gd"\n'
    )
    (editor.project / "tests/editor_probe.gd").rename(probe / "probe.gd")
    settings = editor.project / "project.godot"
    settings.write_text(
        settings.read_text().replace(
            'PackedStringArray("res://addons/mirage/plugin.cfg")',
            'PackedStringArray("res://addons/mirage/plugin.cfg", "res://addons/probe/plugin.cfg")',
        )
    )
    url = f"ws://127.0.0.1:{echo_daemon.port}/godot-editor"
    with mirage.connect(url) as game:
        output = editor.editor(url=url)
        result = game.transform(np.zeros((64, 64, 3), np.uint8))
        assert result.parameters["seeds"] == [{"seed": 99, "weight": 1.0}]
        assert result.parameters["strength"] == 1.0
    assert re.search(r"PROBE connected to mirage", output), output[-3000:]
    assert "PROBE taken; strength stays 0.5" in output
    assert "PROBE problem" not in output
