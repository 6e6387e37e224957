"""Builds one TensorRT engine from one ONNX graph, in a process of its own: `build` starts it.

TensorRT's logger is one for the whole process, and after a build that failed later ones fail too. Either
``tensorrt_rtx`` (for GeForce and RTX cards; builds with no card at all) or ``tensorrt`` (for the card that is there).
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mirage_runtime.engines import EngineError

_log = logging.getLogger("mirage.tensorrt")

PACKAGES: Final = ("tensorrt_rtx", "tensorrt")
TARGETS: Final = ("sm75", "sm80", "sm86", "sm89", "sm120", "sm121")
"""What an RTX engine can be built for by name; without any it is one engine for 8.0 to 8.9 and 12.x."""
_PATIENCE: Final = 3600.0

Ranges = Mapping[str, tuple[Sequence[int], Sequence[int], Sequence[int]]]
"""For each input with free dimensions the smallest, the usual and the largest shape."""


def package() -> Any:
    """Return the TensorRT that is installed. Raises :class:`EngineError`."""
    for name in PACKAGES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise EngineError("TensorRT is not installed: pip install 'mirage-lsd[tensorrt]'")


def version(trt: Any) -> str:
    """Return a TensorRT's name and version."""
    return f"{trt.__name__} {trt.__version__}"


def build(graph: Path, engine: Path, ranges: Ranges, targets: Sequence[str] = ()) -> None:
    """Build ``engine`` from ``graph``; nothing is left where that fails. Raises :class:`EngineError`."""
    check_targets(targets)
    partial = engine.with_suffix(".part")
    work = json.dumps({"graph": str(graph), "engine": str(partial), "ranges": dict(ranges), "targets": list(targets)})
    command = [sys.executable, "-m", "mirage_runtime.engines.tensorrt_build", work]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE)
        if done.returncode != 0 or not partial.exists():
            raise EngineError(_problem(graph, done))
        partial.replace(engine)
    except subprocess.TimeoutExpired:
        raise EngineError(f"building {graph.stem} took longer than an hour, and was ended") from None
    finally:
        partial.unlink(missing_ok=True)


def check_targets(targets: Sequence[str]) -> None:
    """Raise :class:`EngineError` for a card that nothing can be built for by name."""
    if unknown := set(targets) - set(TARGETS):
        raise EngineError(f"there is no target {', '.join(sorted(unknown))}: there are {', '.join(TARGETS)}")


def _problem(graph: Path, done: subprocess.CompletedProcess[str]) -> str:
    _log.debug("building %s: %s", graph, done.stderr)
    if done.returncode in (-9, 137):
        return f"building {graph.stem} was ended by the system: there was too little memory"
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith("mirage: ")] or lines[-1:]
    return (
        f"TensorRT cannot build {graph.stem}: {told[-1].removeprefix('mirage: ')[:400] if told else 'no reason given'}"
    )


def main() -> None:
    """Build what the argument says; the last line on standard error says what went wrong."""
    work = json.loads(sys.argv[1])
    try:
        _build(package(), work)
    except EngineError as error:
        sys.stderr.write(f"mirage: {error}\n")
        sys.exit(1)


def _build(trt: Any, work: dict[str, Any]) -> None:
    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(work["graph"]):
        problems = [parser.get_error(number).desc() for number in range(parser.num_errors)]
        raise EngineError((problems or ["it cannot be parsed"])[0].splitlines()[0])
    _allow_any_attention(trt, network)
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for name, (smallest, usual, largest) in work["ranges"].items():
        profile.set_shape(name, smallest, usual, largest)
    config.add_optimization_profile(profile)
    if work["targets"]:
        if not hasattr(trt, "ComputeCapability"):
            raise EngineError(f"{version(trt)} builds for the card that is there: targets are for tensorrt_rtx")
        config.num_compute_capabilities = len(work["targets"])
        for number, target in enumerate(work["targets"]):
            config.set_compute_capability(getattr(trt.ComputeCapability, target.upper()), number)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise EngineError("it gave no reason beside its log")
    try:
        Path(work["engine"]).write_bytes(memoryview(built))
    except OSError as error:
        raise EngineError(f"{work['engine']} cannot be written: {os.strerror(error.errno or 0)}") from None


def _allow_any_attention(trt: Any, network: Any) -> None:
    """Let attention that there is no kernel for be computed in pieces, as in networks with unusual widths."""
    if not hasattr(trt, "IAttentionInputLayer"):
        return
    for number in range(network.num_layers):
        layer = network.get_layer(number)
        if layer.type == trt.LayerType.ATTENTION_INPUT:
            layer.__class__ = trt.IAttentionInputLayer
            layer.attention.decomposable = True


if __name__ == "__main__":
    main()
