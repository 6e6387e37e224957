"""The Unity package's components compile against stand-ins for Unity; their arithmetic and parameters run."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import glslang
import numpy as np
import numpy.typing as npt
import pytest
import unity

Matrix = npt.NDArray[np.float64]

INTEGRATION = Path(__file__).parents[2] / "integrations/unity"
PACKAGE = INTEGRATION / "com.mirage.lsd"

CONFIGURATIONS = {
    "built-in": [],
    "urp": ["MIRAGE_URP"],
    "urp17": ["MIRAGE_URP", "MIRAGE_URP_17"],
    "hdrp": ["MIRAGE_HDRP"],
}


def sources(folder: Path) -> list[str]:
    return sorted(str(path) for path in folder.rglob("*.cs") if "Core" not in path.relative_to(folder).parts)


def jobs(csharp: Any, name: str, defines: list[str]) -> tuple[Path, list[list[str]]]:
    """What the compiler is to do for one configuration: stand-ins, components, inspectors, samples."""
    folder = csharp.folder / name
    folder.mkdir()
    options = ["-target:library", *(f"-define:{define}" for define in defines)]
    engine, mirage, editor = (folder / f"{part}.dll" for part in ("UnityEngine", "Mirage", "Mirage.Editor"))
    package = [f"-r:{csharp.core}", f"-r:{engine}"]
    return folder, [
        [*options, f"-out:{engine}", *sources(INTEGRATION / "stubs")],
        [*options, f"-out:{mirage}", f"-doc:{folder / 'Mirage.xml'}", *package, *sources(PACKAGE / "Runtime")],
        [
            *options,
            f"-out:{editor}",
            f"-doc:{folder / 'Editor.xml'}",
            *package,
            f"-r:{mirage}",
            *sources(PACKAGE / "Editor"),
        ],
        [*options, f"-out:{folder / 'Samples.dll'}", *package, f"-r:{mirage}", *sources(PACKAGE / "Samples~")],
    ]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_components_compile_in_every_pipeline(csharp: Any, name: str) -> None:
    folder, work = jobs(csharp, name, CONFIGURATIONS[name])
    csharp.compile(*work)
    assert (folder / "Samples.dll").exists()


def perspective(fov: float, aspect: float, near: float, far: float, shift: tuple[float, float] = (0.0, 0.0)) -> Matrix:
    """OpenGL's matrix, as Unity's cameras have it on every platform."""
    y = 1 / np.tan(np.radians(fov) / 2)
    return np.array(
        [
            [y / aspect, 0, shift[0], 0],
            [0, y, shift[1], 0],
            [0, 0, (far + near) / (near - far), 2 * far * near / (near - far)],
            [0, 0, -1, 0],
        ]
    )


def orthographic(half: float, aspect: float, near: float, far: float) -> Matrix:
    return np.array(
        [
            [1 / (half * aspect), 0, 0, 0],
            [0, 1 / half, 0, 0],
            [0, 0, -2 / (far - near), -(far + near) / (far - near)],
            [0, 0, 0, 1],
        ]
    )


def rigid(random: np.random.Generator, away: float, turned: float) -> Matrix:
    """A view that moves and turns a little, and mirrors nothing."""
    axis = random.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = random.uniform(-turned, turned)
    view = np.eye(4)
    view[:3, :3] = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    view[:3, 3] = random.uniform(-away, away, 3)
    return view


def a_point(random: np.random.Generator, now: Matrix, then: Matrix, origin: Matrix) -> dict[str, Any] | None:
    """A point of the world as two cameras see it, by their whole matrices: no way from one to the other."""
    place = np.append(random.uniform([-8, -5, -60], [8, 5, -2]), 1.0)
    world = np.linalg.inv(origin) @ place
    moved = rigid(random, 0.5, 0.2) @ origin
    clip, other = now @ origin @ world, then @ moved @ world
    if clip[3] <= 0 or other[3] <= 0 or (moved @ world)[2] > -0.5:
        return None
    return {
        "now_view": origin.ravel().tolist(),
        "now_projection": now.ravel().tolist(),
        "then_view": moved.ravel().tolist(),
        "then_projection": then.ravel().tolist(),
        "metres": float(-place[2]),
        "at": (clip[:2] / clip[3]).tolist(),
        "seen": [*(other[:2] / other[3]).tolist(), float(-(moved @ world)[2])],
    }


def a_depth(projection: Matrix, kind: str, metres: float) -> dict[str, Any]:
    """What a depth buffer has for a distance, in the three ways in which Unity's graphics APIs have it."""
    card = projection.copy()
    if kind == "reversed":  # Direct3D 11 and later, Metal, Vulkan: 1 is near
        card[2] = (projection[3] - projection[2]) / 2
    elif kind == "forward":
        card[2] = (projection[3] + projection[2]) / 2
    clip = card @ np.array([0, 0, -metres, 1])
    value = clip[2] / clip[3]
    opengl = kind == "opengl"
    return {
        "projection": card.ravel().tolist(),
        "offset": -1.0 if opengl else 0.0,
        "factor": 2.0 if opengl else 1.0,
        "value": float((value + 1) / 2 if opengl else value),
        "metres": metres,
    }


def a_view(random: np.random.Generator) -> dict[str, Any]:
    """Unity's view of its left-handed world, and the rigid one of the same world with the other z."""
    view, mirror = rigid(random, 50, 3), np.diag([1.0, 1.0, -1.0, 1.0])
    unity_ = view @ mirror  # of a world whose z is turned round
    assert np.linalg.det(unity_[:3, :3]) < 0
    return {"unity": unity_.ravel().tolist(), "rigid": view.ravel().tolist()}


def test_capturing_agrees_with_independent_numbers(csharp: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    lenses = [
        perspective(60, 16 / 9, 0.1, 100),
        perspective(35, 1.0, 0.3, 1000, (0.2, -0.1)),
        orthographic(6, 1.5, 0.1, 80),
    ]
    points = []
    for now in lenses:
        for then in lenses:
            origins = [rigid(random, 5, 3), rigid(random, 2000, 3)]
            points += [a_point(random, now, then, origin) for origin in origins for _ in range(20)]
    found = [point for point in points if point]
    assert len(found) > 100
    depths = [
        a_depth(lens, kind, metres)
        for lens in lenses
        for kind in ("reversed", "forward", "opengl")
        for metres in (0.5, 2.5, 30.0, 75.0)
    ]
    cases = {"points": found, "depths": depths, "views": [a_view(random) for _ in range(10)]}
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(cases))
    assert " 0 failed" in csharp.run("capturing", file)


def test_the_components_own_tests_pass(csharp: Any) -> None:
    references = unity.nunit()
    if not references:
        pytest.skip("there is no NUnit: run make tools")
    folder, work = jobs(csharp, "nunit", [])
    tests = sources(PACKAGE / "Tests/Components")
    options = [
        "-target:library",
        f"-r:{csharp.core}",
        f"-r:{folder / 'UnityEngine.dll'}",
        f"-r:{folder / 'Mirage.dll'}",
    ]
    options += [f"-r:{reference}" for reference in references]
    alone = folder / "Mirage.Components.Tests.dll"  # its internals are open to a name, whichever of the tests are in it
    csharp.compile(*work[:2], [*options, f"-out:{alone}", *tests])
    csharp.compile([*options, f"-out:{alone}", *(test for test in tests if "SceneTests" not in test)])
    for needed in (references[0], csharp.core):
        shutil.copy(needed, folder)
    assert "5 passed, 0 failed" in csharp.run("nunit", alone, MONO_PATH=str(folder))


def test_a_controller_follows_a_daemon(csharp: Any, echo_daemon: Any) -> None:
    folder, work = jobs(csharp, "controller", [])
    program = folder / "Mirage.Components.Tests.exe"
    options = [
        "-target:exe",
        *(f"-r:{part}" for part in (csharp.core, folder / "UnityEngine.dll", folder / "Mirage.dll")),
    ]
    csharp.compile(*work[:2], [*options, f"-out:{program}", *sources(INTEGRATION / "tests/components")])
    shutil.copy(csharp.core, folder)
    alone = copy.copy(csharp)
    alone.program = program
    assert "passed" in alone.run(f"ws://127.0.0.1:{echo_daemon.port}/unity-controller")


def passes() -> list[tuple[str, str, str]]:
    """Every pass of every shader in each of its variants: the file, the function, the keyword."""
    found = []
    for shader in sorted((PACKAGE / "Shaders").rglob("*.shader")):
        for text in shader.read_text().split("HLSLPROGRAM")[1:]:
            (fragment,) = re.findall(r"#pragma fragment (\w+)", text)
            (include,) = re.findall(r'#include "\.\./\.\./(\w+\.hlsl)"', text)
            keywords = re.findall(r"#pragma multi_compile_local _ (.*)", text)
            found += [(include, fragment, keyword) for keyword in ("", *(keywords[0].split() if keywords else ()))]
    return found


def test_shaders_compile_as_hlsl(tmp_path: Path) -> None:
    program = glslang.validator()
    if program is None:
        pytest.skip("there is no glslangValidator: run make tools")
    assert len(passes()) == 11
    vertex = ("Common.hlsl", "Vertex", "")
    for number, (file, function, keyword) in enumerate([*passes(), vertex]):
        stage = "vert" if function == "Vertex" else "frag"
        options = ["-D", "-V", "-S", stage, "-e", function, *([f"-D{keyword}"] if keyword else [])]
        command = [str(program), *options, "-o", str(tmp_path / f"{number}.spv"), str(PACKAGE / "Shaders" / file)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{file} {function} {keyword}: {done.stdout[-2000:]}"


def test_each_pass_is_where_the_code_looks_for_it() -> None:
    code = (PACKAGE / "Runtime/Internal/FramePlanes.cs").read_text()
    (numbers,) = re.findall(r"const int (CopyPass = .*);", code)
    names = re.findall(r'Name "(\w+)"', (PACKAGE / "Shaders/Resources/Mirage/Planes.shader").read_text())
    short = [name.replace("PackMotion", "Pack") for name in names]
    assert numbers == ", ".join(f"{name}Pass = {number}" for number, name in enumerate(short))
    shaders = "".join(path.read_text() for path in (PACKAGE / "Shaders").glob("*.hlsl"))
    properties = re.findall(r'PropertyToID\("(\w+)"\)', (PACKAGE / "Runtime/Internal/Names.cs").read_text())
    assert not [name for name in properties if not re.search(rf"\b{name};", shaders)]
