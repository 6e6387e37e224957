"""The worked examples of SPEC.md section 5: a meaning, and the bytes that stand for it."""

from __future__ import annotations

import base64

import mirage_protocol as protocol
from mirage_protocol import Frame, Plane
from vector_cases.build import CAMERA, Json, to_json


def conventions() -> list[Json]:
    """Return the vectors: each has a ``meaning`` in numbers, and a message whose pixels say it."""
    return [
        _example("5.1", "color", "rgba8", ["bcbcbc80"], {"linear_rgb": [0.5, 0.5, 0.5], "alpha": 0.5}),
        _example("5.1", "color", "rgb8", ["ff0000"], {"linear_rgb": [1.0, 0.0, 0.0]}),
        _example("5.2", "depth", "r32f", ["00002040"], {"metres": 2.5}),
        _example("5.2", "depth", "r32f", ["0000807f"], {"metres": "infinity"}),
        _example(
            "5.3", "motion", "rg16f", ["00c400c0"], {"moved_right": 4.0, "moved_down": 2.0, "motion": [-4.0, -2.0]}
        ),
        _example("5.3", "motion", "rg16f", ["007e007e"], {"motion": "unknown"}),
        _example("5.4", "normal", "rgb8", ["8080ff"], {"normal": [0.0, 0.0, 1.0]}),
        _example("5.4", "normal", "rgb8", ["80ff80"], {"normal": [0.0, 1.0, 0.0]}),
        _example("5.4", "normal", "rgba8", ["ff808000"], {"normal": [1.0, 0.0, 0.0]}),
        _example("5.5", "ids", "r32u", ["02010000"], {"id": "258"}),
        _example("5.5", "ids", "r32u", ["00000000"], {"id": "0"}),
        _orientation(),
        _camera(),
    ]


def _example(section: str, name: str, format: str, pixels: list[str], meaning: Json) -> Json:
    planes = {"color": Plane.of("rgb8", 1, 1, bytes(3)), name: Plane.of(format, 1, 1, bytes.fromhex("".join(pixels)))}
    frame = Frame(1, planes, motion_from=0 if name == "motion" else None)
    return _vector(section, name, frame) | {"pixel": pixels[0], "meaning": meaning}


def _orientation() -> Json:
    """Return a picture whose four pixels are told apart: the top row first, from left to right."""
    corners = {"top_left": "ff0000", "top_right": "00ff00", "bottom_left": "0000ff", "bottom_right": "ffffff"}
    pixels = Plane.of("rgb8", 2, 2, bytes.fromhex("".join(corners.values())))
    return _vector("5", "color", Frame(1, {"color": pixels})) | {"meaning": corners}


def _camera() -> Json:
    """Return the camera of section 5.6 and where a point straight ahead of it is seen."""
    meaning = {"world": [0.0, 0.0, -10.0], "ndc": [0.0, 0.0, 0.982], "tolerance": 0.0005}
    frame = Frame(1, {"color": Plane.of("rgb8", 1, 1, bytes(3))}, camera=CAMERA)
    return _vector("5.6", "camera", frame) | {"meaning": meaning}


def _vector(section: str, name: str, frame: Frame) -> Json:
    data = base64.b64encode(protocol.encode(frame)).decode()
    return {"section": section, "name": name, "bytes": data, "message": to_json(frame)}
