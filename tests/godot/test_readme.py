"""What the addon's README says: from an empty project to transformed frames in five steps."""

from __future__ import annotations

import re
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ADDON = Path(__file__).parents[2] / "integrations/godot/addons/mirage"

PROJECT = """config_version=5
[application]
config/name="Empty"
run/main_scene="res://main.tscn"
[editor_plugins]
enabled=PackedStringArray("res://addons/mirage/plugin.cfg")
"""

# As the editor saves it when one has done what the steps say.
SCENE = """[gd_scene load_steps=5 format=3]

[ext_resource type="Script" path="res://addons/mirage/mirage_client.gd" id="1"]
[ext_resource type="Script" path="res://addons/mirage/mirage_view.gd" id="2"]
[ext_resource type="Script" path="res://addons/mirage/mirage_parameters.gd" id="3"]

[sub_resource type="BoxMesh" id="box"]

[sub_resource type="Resource" id="parameters"]
script = ExtResource("3")
prompt = "stained glass"

[node name="Main" type="Node3D"]

[node name="Box" type="MeshInstance3D" parent="."]
mesh = SubResource("box")

[node name="Camera3D" type="Camera3D" parent="."]
transform = Transform3D(1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 3)

[node name="MirageClient" type="Node" parent="."]
script = ExtResource("1")
url = "URL"
parameters = SubResource("parameters")

[node name="MirageView" type="Control" parent="." node_paths=PackedStringArray("client", "source")]
layout_mode = 3
anchors_preset = 15
anchor_right = 1.0
anchor_bottom = 1.0
script = ExtResource("2")
client = NodePath("../MirageClient")
source = NodePath("../Camera3D")
"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("renderer", ["gl_compatibility", "forward_plus"])
def test_five_steps(godot: Any, echo_daemon: Any, tmp_path: Path, renderer: str) -> None:
    stream = f"godot-steps-{renderer[:2]}"
    project = tmp_path / "project"
    shutil.copytree(ADDON, project / "addons/mirage", ignore=shutil.ignore_patterns("bin", "*.gdextension"))
    (project / "project.godot").write_text(PROJECT)
    (project / "main.tscn").write_text(SCENE.replace("URL", f"ws://127.0.0.1:{echo_daemon.port}/{stream}"))
    empty = godot.other(tmp_path)
    empty.import_project()
    empty.play(renderer=renderer)
    with urllib.request.urlopen(f"{echo_daemon.http}/metrics", timeout=30) as answer:
        metrics = answer.read().decode()
    done = re.search(rf'mirage_frames_total{{outcome="\w+",stream="{stream}"}} (\d+)', metrics)
    assert done is not None, metrics
    assert float(done[1]) > 20


def test_every_member_of_the_nodes_has_help() -> None:
    for script in ("mirage_client.gd", "mirage_view.gd", "mirage_result.gd", "mirage_parameters.gd"):
        lines = (ADDON / script).read_text().splitlines()
        for number, line in enumerate(lines):
            public = re.match(r"(?:@export\S*(?:\(.*\))? )?(?:static )?(?:var|func|signal|enum) ([a-zA-Z]\w*)", line)
            if public:
                assert lines[number - 1].startswith("##"), f"{script}: {public[1]}"
