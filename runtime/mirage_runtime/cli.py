"""The command line: one verb a function, each as thin as can be."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ipaddress
import json
import logging
import signal
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from mirage_protocol import PARAMETERS, ProtocolError
from mirage_runtime import __version__
from mirage_runtime.config import (
    DEFAULT_HOST,
    DEFAULT_MODEL,
    DEFAULT_MODEL_PIXELS,
    DEFAULT_OSC_OUT_PORT,
    DEFAULT_OSC_PORT,
    DEFAULT_PORT,
    Config,
    DiffusionConfig,
    ModelConfig,
    Network,
    OscConfig,
    touch_links,
)
from mirage_runtime.controls import Controls
from mirage_runtime.errors import MirageRuntimeError

if TYPE_CHECKING:
    from mirage_runtime import bench as benchmark
    from mirage_runtime import control_bench, transport_bench

app = typer.Typer(
    name="mirage",
    help="A live-stream diffusion runtime: frames in, transformed frames out, within the same breath.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
train_app = typer.Typer(help="Train a model (needs the extra `train`).", no_args_is_help=True)
eval_app = typer.Typer(help="Measure a model on pictures it never saw (needs the extra `train`).", no_args_is_help=True)
bench_app = typer.Typer(invoke_without_command=True)
app.add_typer(bench_app, name="bench")
app.add_typer(train_app, name="train")
app.add_typer(eval_app, name="eval")

errors = Console(stderr=True)

Host = Annotated[str, typer.Option(help="Address to listen on. Beyond this machine it needs --token or --insecure.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")]
ModelName = Annotated[
    str,
    typer.Option(
        "--model", metavar="NAME|PATH", help="lsd-mini, echo (untouched), or a Stable Diffusion: its path or hub name."
    ),
]
Vae = Annotated[
    str | None, typer.Option(metavar="FOLDER|HUB", help="Another autoencoder for the model, such as TAESD: far faster.")
]
Lora = Annotated[
    list[str] | None, typer.Option(metavar="FILE[:STRENGTH]", help="A LoRA to merge into the model; may be repeated.")
]
Sampling = Annotated[str, typer.Option(help="How the model is sampled: auto, turbo, lcm or ddim.")]
Prediction = Annotated[
    str, typer.Option(help="What the network predicts: auto, epsilon, v_prediction or sample; files may not say.")
]
CfgType = Annotated[str, typer.Option(help="How guidance is computed: residual, full (twice the work) or off.")]
StreamBatch = Annotated[
    bool, typer.Option("--stream-batch", help="Several steps at the price of one; pictures come frames later.")
]
Still = Annotated[
    float, typer.Option(min=0.0, max=255.0, help="Levels that a source may change and count as still; 0: none.")
]
Engine = Annotated[str, typer.Option(help="What computes the model: auto, openvino, torch or tensorrt.")]
Token = Annotated[str | None, typer.Option(envvar="MIRAGE_TOKEN", help="Secret that clients must give.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of the engine; default: one a physical core.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Sizes = Annotated[list[str] | None, typer.Option("--size", metavar="WxH", help="A size to measure; may be repeated.")]


def main() -> None:
    """Run the command line; a known error is one line and exit code 1."""
    try:
        app()
    except (MirageRuntimeError, ProtocolError) as error:
        errors.print(f"[red]mirage:[/red] {_plain(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        typer.echo(f"mirage {__version__}")
        raise typer.Exit


@app.command()
def serve(
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    model: ModelName = DEFAULT_MODEL,
    engine: Engine = "auto",
    vae: Vae = None,
    lora: Lora = None,
    sampling: Sampling = "auto",
    prediction: Prediction = "auto",
    cfg_type: CfgType = "residual",
    still: Still = 1.5,
    stream_batch: StreamBatch = False,
    token: Token = None,
    insecure: Annotated[bool, typer.Option(help="Let anybody on the network in, with no token.")] = False,
    allow_origin: Annotated[list[str] | None, typer.Option(help="A web page's origin that may connect.")] = None,
    allow_host: Annotated[list[str] | None, typer.Option(help="A name of this machine that clients may use.")] = None,
    max_size: Annotated[str, typer.Option(metavar="WxH", help="The largest frame that is taken.")] = "4096x4096",
    model_pixels: Annotated[
        int, typer.Option(min=4096, help="Pixels that the model works on; larger frames are fitted to it.")
    ] = DEFAULT_MODEL_PIXELS,
    threads: Threads = None,
    show: Annotated[Path | None, typer.Option(metavar="FILE", help="A show: presets and cues, as TOML.")] = None,
    midi: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A MIDI device, by a part of its name, or all of them.")
    ] = None,
    osc: Annotated[bool, typer.Option(help="Take OSC messages.")] = True,
    osc_host: Annotated[str, typer.Option(help="Address to take OSC at; others than loopback need --osc-allow.")] = (
        DEFAULT_HOST
    ),
    osc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help=f"UDP port to take OSC at. Default: {DEFAULT_OSC_PORT}.")
    ] = None,
    osc_out_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where patches made for StreamDiffusionTD listen.")
    ] = DEFAULT_OSC_OUT_PORT,
    osc_allow: Annotated[
        list[str] | None, typer.Option(metavar="NETWORK", help="Who else may send OSC, such as 192.168.1.0/24.")
    ] = None,
    osc_subscriber: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="Who is always sent feedback by OSC.")
    ] = None,
    touch_in: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:STREAM]", help="A Shared Mem Out TOP of TouchDesigner whose frames to transform."),
    ] = None,
    touch_out: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[:STREAM]", help="A Shared Mem In TOP of TouchDesigner that shows the results."),
    ] = None,
    mdns: Annotated[
        bool | None, typer.Option(help="Advertise the daemon on the network. Default: beyond loopback.")
    ] = None,
    hang_timeout: Annotated[float, typer.Option(min=0.5, help="Seconds until a silent worker is replaced.")] = 10.0,
    log_level: LogLevel = "info",
) -> None:
    """Run the daemon: transform the frames of every client that connects."""
    width, height = parse_size(max_size)
    config = Config(
        host=host,
        port=port,
        token=token,
        insecure=insecure,
        allow_origins=tuple(allow_origin or ()),
        allow_hosts=tuple(allow_host or ()),
        max_width=width,
        max_height=height,
        hang_timeout=hang_timeout,
        osc=OscConfig(
            host=osc_host,
            port=DEFAULT_OSC_PORT if osc_port is None else osc_port,
            out_port=osc_out_port,
            allow=tuple(parse_network(text) for text in osc_allow or ()),
            subscribers=tuple(parse_address(text) for text in osc_subscriber or ()),
            required=osc_port is not None,
        )
        if osc
        else None,
        mdns=mdns,
        show=show,
        midi=tuple(midi or ()),
        touch=touch_links(touch_in or (), touch_out or ()),
        model=ModelConfig(
            model,
            engine,
            pixels=model_pixels,
            threads=threads,
            diffusion=DiffusionConfig(vae, tuple(lora or ()), sampling, cfg_type, still, stream_batch, prediction),
        ),
    )
    _run_daemon(config, log_level)


@app.command()
def demo(
    port: Port = DEFAULT_PORT,
    model: ModelName = DEFAULT_MODEL,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    log_level: LogLevel = "info",
) -> None:
    """Start the daemon and open its page: a live scene and what becomes of it, side by side."""
    _run_daemon(Config(port=port, model=ModelConfig(model)), log_level, open_browser=browser)


def _run_daemon(config: Config, log_level: str, *, open_browser: bool = False) -> None:
    from mirage_runtime.daemon import serve as serve_until_stopped
    from mirage_runtime.models import ENGINE_NAMES, card, located

    config = dataclasses.replace(config, model=located(config.model))
    card(config.model)
    if config.model.engine not in ENGINE_NAMES:
        raise MirageRuntimeError(f"there is no engine '{config.model.engine}': there are {', '.join(ENGINE_NAMES)}")
    _configure_logging(log_level)

    def listening(port: int) -> None:
        name = "localhost" if config.host == DEFAULT_HOST else config.host
        address = f"http://{f'[{name}]' if ':' in name else name}:{port}/"
        errors.print(
            f"Mirage is at [bold]{_plain(address)}[/bold] (stop it with Ctrl-C)", highlight=False, soft_wrap=True
        )
        if open_browser:  # in a thread of its own: some browsers return only when they are closed
            threading.Thread(target=_open_browser, args=(address,), daemon=True).start()

    asyncio.run(serve_until_stopped(config, listening))


def _open_browser(address: str) -> None:
    try:
        opened = webbrowser.open(address)
    except webbrowser.Error:
        opened = False
    if not opened:
        errors.print("No browser could be opened here: open that address in one.")


def _configure_logging(level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise MirageRuntimeError(f"there is no log level '{level}': there are debug, info, warning, error")
    if errors.is_terminal:
        handler = RichHandler(console=errors, show_path=False, omit_repeated_times=False)
        logging.basicConfig(level=number, format="%(name)s: %(message)s", handlers=[handler])
    else:  # a service's log: one whole line a record
        logging.basicConfig(level=number, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # One line a connection is enough, and those are the daemon's own.
    logging.getLogger("websockets").setLevel(max(number, logging.WARNING))


def parse_size(text: str) -> tuple[int, int]:
    """Return (width, height) of a size like ``768x432``; raises `MirageRuntimeError`."""
    width, separator, height = text.lower().partition("x")
    if not (separator and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise MirageRuntimeError(f"'{text}' is no size: write it as WIDTHxHEIGHT, for example 768x432")
    return int(width), int(height)


def parse_network(text: str) -> Network:
    """Return the network of a text like ``192.168.1.0/24`` or ``192.168.1.7``; raises `MirageRuntimeError`."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise MirageRuntimeError(f"'{text}' is no network: write it as 192.168.1.0/24 or 192.168.1.7") from None


def parse_address(text: str) -> tuple[str, int]:
    """Return the host and port of a text like ``192.168.1.7:9000``; raises `MirageRuntimeError`."""
    host, _, port = text.rpartition(":")
    try:
        return str(ipaddress.ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise MirageRuntimeError(f"'{text}' is no address: write it as 192.168.1.7:9000") from None


def checked(**values: Any) -> dict[str, Any]:
    """Return the parameters that are not None, checked against the table; raises `MirageRuntimeError`."""
    given = {name: value for name, value in values.items() if value is not None}
    return {name: PARAMETERS[name].check(value, f"--{name.replace('_', '-')}") for name, value in given.items()}


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@app.command()
def run(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A picture or a video.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="What to write.")],
    prompt: Annotated[str | None, typer.Option(help="What it should become, in words.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What it should not become (Stable Diffusion).")] = None,
    guidance: Annotated[float | None, typer.Option(help="How far to lead away from that, 1 to 10; 1: not.")] = None,
    strength: Annotated[float | None, typer.Option(help="0 gives the source back, 1 the full look.")] = None,
    coherence: Annotated[float | None, typer.Option(help="How much is remembered from frame to frame, 0 to 1.")] = None,
    seed: Annotated[int | None, typer.Option(help="Which texture is generated.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps a frame, 1 to 4.")] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="The output's size; default: the input's.")] = None,
    model: ModelName = DEFAULT_MODEL,
    engine: Engine = "auto",
    vae: Vae = None,
    lora: Lora = None,
    sampling: Sampling = "auto",
    prediction: Prediction = "auto",
    cfg_type: CfgType = "residual",
    threads: Threads = None,
) -> None:
    """Transform a picture or a video file: every frame, in order."""
    from mirage_runtime import media, models

    media.check_paths(source, target)
    fitted = None if size is None else parse_size(size)
    controls = Controls()
    chosen = checked(
        prompt=prompt,
        negative_prompt=negative_prompt,
        guidance=guidance,
        strength=strength,
        coherence=coherence,
        seed=seed,
        steps=steps,
    )
    controls.set(chosen, now=0.0)
    settings = controls.resolve(now=0.0)
    diffusion = DiffusionConfig(vae, tuple(lora or ()), sampling, cfg_type, prediction=prediction)
    config = models.located(ModelConfig(model, engine, pixels=None, threads=threads, prepare=None, diffusion=diffusion))
    card = models.card(config)
    if ignored := [f"--{name.replace('_', '-')}" for name in chosen if name in card.unused]:
        errors.print(f"no effect with {card.name}: {', '.join(ignored)}", highlight=False)
    understood = card.understand_blend(settings.prompts)
    if understood and understood["unknown_words"]:
        errors.print(f"words with no effect: {_plain(', '.join(understood['unknown_words']))}", highlight=False)
    if understood and understood["nearest"]:
        errors.print(f"not sure what is meant; did you mean: {', '.join(understood['nearest'])}?", highlight=False)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing half-written stays then either
    transform = models.load(config)
    with _progress_bar() as progress:
        report = media.transform_file(source, target, transform, settings, size=fitted, progress=progress)
    stages = "  ".join(f"{stage} {milliseconds:.1f} ms" for stage, milliseconds in report.p50().items())
    rate = report.frames / report.seconds
    cuts = f", {report.resets} cuts" if report.resets else ""
    summary = f"{target}: {report.frames} frames{cuts} at {rate:.1f} a second; p50 of each stage: {stages}"
    errors.print(_plain(summary), highlight=False, soft_wrap=True)


@app.command("compile")
def compile_(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The path or hub name of a Stable Diffusion, or lsd-mini.")
    ],
    engine: Annotated[str, typer.Option(help="What to compile for: tensorrt or openvino.")] = "tensorrt",
    size: Annotated[str, typer.Option(metavar="WxH", help="The size that it is to be fastest at.")] = "512x512",
    target: Annotated[
        list[str] | None,
        typer.Option("--targets", metavar="SM", help="Cards, as sm75 (20 series); default: 30 and later."),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, max=4, help="Frames at once, for serve --stream-batch: as many as there are steps.")
    ] = 1,
    vae: Vae = None,
    lora: Lora = None,
    sampling: Sampling = "auto",
    prediction: Prediction = "auto",
) -> None:
    """Compile a model for a graphics card (or a processor): export, compare with torch, build, keep."""
    from mirage_runtime.models import is_path, located
    from mirage_runtime.models.diffusion.files import look_at

    width, height = parse_size(size)
    chosen = located(
        ModelConfig(model, engine, diffusion=DiffusionConfig(vae, tuple(lora or ()), sampling, prediction=prediction))
    )
    targets = [name for text in target or () for name in text.split(",") if name]
    files = look_at(chosen) if is_path(model) else None
    if files is None and (model, engine) != ("lsd-mini", "tensorrt"):
        raise MirageRuntimeError(f"'{model}' is not compiled for {engine}: give the path of a model, or lsd-mini")
    try:
        from mirage_runtime.compile import compiling, lsd
        from mirage_runtime.models.lsd.model import WEIGHTS
    except ImportError as error:
        raise MirageRuntimeError(
            f"this needs more packages ({error.name}): pip install 'mirage-lsd[diffusion,tensorrt]'"
        ) from None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing half-written stays then either
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors) as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0)
            bar.update(tasks[stage], completed=done)

        if files is None:
            recipe = lsd.recipe_of(WEIGHTS, (height, width), tuple(targets))
            report = lsd.compile_lsd(WEIGHTS, recipe, show)
        else:
            recipe = compiling.recipe_of(files, engine, (height, width), targets, batch)
            report = compiling.compile_model(files, recipe, show)
    told = "" if report.difference is None else f", differs from torch by {report.difference:.1g} at most"
    low, high = recipe.smallest, recipe.largest
    sizes = f"{low[1]}x{low[0]} to {high[1]}x{high[0]}"
    errors.print(_plain(f"{report.folder}: {recipe.library}, {sizes}{told}"), highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _progress_bar() -> Iterator[Callable[[int, int | None], None]]:
    """Show a bar with the time that is left, and give the function that moves it."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("transforming", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@train_app.command("lsd")
def train_lsd(
    folder: Annotated[Path, typer.Option(help="Where the checkpoint goes; one found there is continued.")] = Path(
        "checkpoints/lsd-mini"
    ),
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps in all.")] = 20_000,
    minutes: Annotated[float | None, typer.Option(help="Train for this long in all, instead of --steps.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PART", help="For ablations: leave out history, shortcut or moved-noise; repeatable."),
    ] = None,
    target: Annotated[Path, typer.Option("--output", help="The ONNX file to write.")] = Path("lsd-mini.onnx"),
) -> None:
    """Train the embedded model, or go on where it was interrupted, and export it as ONNX."""
    with _needs_training():
        from mirage_runtime.training.examples import Augmentation
        from mirage_runtime.training.export import export
        from mirage_runtime.training.train import Progress as Step
        from mirage_runtime.training.train import TrainOptions, train
    if not target.parent.is_dir():
        raise MirageRuntimeError(f"there is no folder {target.parent}: make it first")
    omitted = set(without or ())
    if unknown := omitted - {"history", "shortcut", "moved-noise"}:
        raise MirageRuntimeError(f"--without takes history, shortcut or moved-noise, not {', '.join(sorted(unknown))}")
    options = TrainOptions(
        folder=folder,
        steps=steps,
        minutes=minutes,
        device=device,
        augmentation=Augmentation(history="history" not in omitted, moved_noise="moved-noise" not in omitted),
        shortcut="shortcut" not in omitted,
    )
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors) as bar:
        task = bar.add_task("drawing pictures", total=1.0)

        def show(step: Step) -> None:
            drawing = step.stage == "pictures"
            label = "drawing pictures" if drawing else f"training: step {step.step}, loss {step.loss:.4f}"
            bar.update(task, completed=step.done, description=label)

        try:
            trained = train(options, show)
        except KeyboardInterrupt:
            raise MirageRuntimeError("interrupted: the same command goes on where this stopped") from None
        except ValueError as error:
            raise MirageRuntimeError(str(error)) from None
    export(trained.checkpoint, target)
    errors.print(f"{target}: {trained.steps} steps, loss {trained.loss:.4f}", highlight=False)


@train_app.command("words")
def train_words(
    folder: Annotated[Path | None, typer.Option("--output", help="Where to write; default: into the package.")] = None,
    cache: Annotated[Path | None, typer.Option(help="A file that keeps embeddings from one fit to the next.")] = None,
) -> None:
    """Distil what words mean from the text encoder: the tables that prompts are understood by."""
    with _needs_training():
        from mirage_runtime.models.lsd.meaning import FOLDER
        from mirage_runtime.training import words
    with Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=errors) as bar:
        task = bar.add_task("embed", total=1.0)

        def show(stage: str, done: float) -> None:
            bar.update(task, description=stage, completed=done)

        report = words.fit(folder or FOLDER, show, cache=cache)
    table, encoder = report.table, report.encoder
    line = f"{report.words} words, {report.phrases} phrases; right look first, cross-validated: "
    errors.print(f"{line}table {table.looks:.1%}, with the encoder {encoder.looks:.1%}", highlight=False)


@eval_app.command("lsd")
def eval_lsd(
    weights: Annotated[Path | None, typer.Argument(help="An ONNX file; default: the embedded model.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write all figures to this file.")] = None,
    look: Annotated[list[str] | None, typer.Option(help="A look to measure; may be repeated. Default: all.")] = None,
    quick: Annotated[bool, typer.Option(help="Measure less, in two minutes instead of a quarter of an hour.")] = False,
    motion: Annotated[bool, typer.Option(help="Measure streams too, not stills alone.")] = True,
    endless: Annotated[int, typer.Option(metavar="FRAMES", min=0, help="Run streams of this length as well.")] = 0,
    against: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FILE", help="Other weights to compare with; may be repeated.")
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Also draw a contact sheet, a PNG or JPEG.")] = None,
    animations: Annotated[Path | None, typer.Option(help="Also write an animated WebP a look to this folder.")] = None,
    threads: Threads = None,
) -> None:
    """Measure the embedded model against its teachers, on pictures and video that it never saw."""
    with _needs_training():
        from mirage_runtime.training import measure
    work = measure.Work(
        weights,
        looks=tuple(look or ()),
        quick=quick,
        motion=motion,
        endless=endless,
        against=tuple(against or ()),
        sheet=sheet,
        animations=animations,
        threads=threads,
    )
    with _progress_bar() as progress:
        result = measure.measure(work, lambda done: progress(round(done * 100), 100))
    typer.echo(result.markdown)
    if json_file:
        json_file.write_text(json.dumps(result.figures, indent=2) + "\n")


@contextlib.contextmanager
def _needs_training() -> Iterator[None]:
    """Turn a missing import into the line that says what to install."""
    try:
        yield
    except ImportError as error:
        problem = f"this needs more packages ({error.name}): pip install 'mirage-lsd[train]'"
        raise MirageRuntimeError(problem) from None


@bench_app.callback()
def bench(
    context: typer.Context,
    json_output: Json = False,
    frames: Annotated[int, typer.Option(min=1, help="Frames a round; there are four rounds.")] = 60,
    seconds: Annotated[float, typer.Option(min=0.5, help="How long each size streams for its rate.")] = 5.0,
    size: Sizes = None,
    threads: Threads = None,
) -> None:
    """Measure engine, pipeline and round trip beside bare echoes, in one run."""
    if context.invoked_subcommand is not None:
        _check_no_options_before(context)
        return
    from mirage_runtime import bench as benchmark

    sizes = [parse_size(text) for text in size or ()] or benchmark.SIZES
    with errors.status("starting") as status:
        report = benchmark.measure(
            frames=frames, seconds=seconds, threads=threads, sizes=sizes, progress=lambda line: status.update(line)
        )
    if json_output:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print_bench(report)


def _print_bench(report: benchmark.Report) -> None:
    table = Table(caption="milliseconds unless said; in turns, in one run")
    table.add_column(f"{report.engine}")
    for size in report.sizes:
        table.add_column(size.size, justify="right")
    rows: dict[str, Callable[[benchmark.SizeReport], float | None]] = {
        "engine p50": lambda size: size.engine_p50,
        "the same network in ONNX Runtime p50": lambda size: size.onnxruntime_p50,
        "pipeline p50": lambda size: size.pipeline_p50,
        "end to end p50": lambda size: size.end_to_end_p50,
        "end to end p95": lambda size: size.end_to_end_p95,
        "end to end p50, coherence 0": lambda size: size.alone_p50,
        "temporal stage p50": lambda size: size.stages_p50["temporal"],
        "end to end - engine - temporal stage": lambda size: size.overhead,
        "bare WebSocket echo of the same bytes p50": lambda size: size.echo_p50,
        "frames a second, sustained": lambda size: size.rate,
    }
    table.add_row("the model works at", *(size.model_size for size in report.sizes))
    for label, figure in rows.items():
        figures = [figure(size) for size in report.sizes]
        table.add_row(label, *("-" if value is None else f"{value:.1f}" for value in figures))
    output = Console()
    output.print(report.machine, highlight=False)
    output.print(table)
    output.print(f"from start to the first transformed frame: {report.first_frame_seconds:.1f} s", highlight=False)


def _check_no_options_before(context: typer.Context) -> None:
    """Raise `MirageRuntimeError` for options that stand before a verb: they would be passed over in silence."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            verb = context.invoked_subcommand
            raise MirageRuntimeError(f"options go behind '{verb}': mirage bench {verb} [OPTIONS]")


@bench_app.command("transport")
def bench_transport(
    json_output: Json = False,
    frames: Annotated[int, typer.Option(min=1, help="Frames a turn; it ends after 0.4 s with fewer.")] = 40,
    rounds: Annotated[int, typer.Option(min=1, help="Turns that each thing takes.")] = 6,
    size: Sizes = None,
) -> None:
    """Measure shared memory and WebSocket beside bare copies and bare echoes, in one run."""
    from mirage_runtime import transport_bench

    sizes = [parse_size(text) for text in size or ()] or transport_bench.SIZES
    with errors.status("starting") as status:
        report = transport_bench.measure(
            sizes=sizes, frames=frames, rounds=rounds, progress=lambda line: status.update(line)
        )
    if json_output:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print_transport_bench(report)


def _print_transport_bench(report: transport_bench.Report) -> None:
    table = Table(caption="milliseconds of a round trip with the model echo; in turns, in one run")
    table.add_column("rgba frames")
    for size in report.sizes:
        table.add_column(size.size, justify="right")
    spreads: dict[str, Callable[[transport_bench.SizeReport], transport_bench.Spread]] = {
        "shared memory": lambda size: size.shared_memory,
        "WebSocket": lambda size: size.websocket,
        "4 copies, hot": lambda size: size.copies_hot,
        "4 copies, memory": lambda size: size.copies_through_memory,
        "bare WebSocket": lambda size: size.bare_websocket,
        "bare, 64 bytes": lambda size: size.bare_websocket_64_bytes,
        "bare TCP": lambda size: size.bare_tcp,
    }
    ratios: dict[str, Callable[[transport_bench.SizeReport], float]] = {
        "shared / hot": lambda size: size.shared_to_copies_hot,
        "shared / memory": lambda size: size.shared_to_copies_through_memory,
        "(shared - hot) / 64 B": lambda size: size.shared_beyond_copies_to_64_bytes,
        "WebSocket / bare": lambda size: size.websocket_to_bare,
    }
    for label, spread in spreads.items():
        measured = [spread(size) for size in report.sizes]
        table.add_row(f"{label} p50", *(f"{figure.p50:.3f}" for figure in measured))
        table.add_row("  p95", *(f"{figure.p95:.3f}" for figure in measured), style="dim")
    table.add_section()
    for label, ratio in ratios.items():
        table.add_row(label, *(f"{ratio(size):.2f}" for size in report.sizes))
    output = Console()
    output.print(report.machine, highlight=False)
    output.print(table)
    notes = (
        "hot: copies between the same two buffers; memory: each copy into another buffer, as a frame is handed on",
        "goals at 1920x1080: shared / hot at most 3, WebSocket / bare at most 1.3",
        "goal at 768x432: (shared - hot) / 64 B at most 1.3",
    )
    for note in notes:
        output.print(note, highlight=False, soft_wrap=True)


@bench_app.command("engines")
def bench_engines(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="The path or hub name of a Stable Diffusion, or lsd-mini.")
    ],
    json_output: Json = False,
    frames: Annotated[int, typer.Option(min=1, help="Frames that each engine computes.")] = 50,
    size: Sizes = None,
    vae: Vae = None,
    lora: Lora = None,
    sampling: Sampling = "auto",
    prediction: Prediction = "auto",
    report: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a page, as Markdown.")] = None,
) -> None:
    """Measure every engine that can compute a model here, beside torch at 32 bits, in one run."""
    from mirage_runtime.models import card, located

    config = located(
        ModelConfig(model, diffusion=DiffusionConfig(vae, tuple(lora or ()), sampling, prediction=prediction))
    )
    card(config)
    try:
        from mirage_runtime import engine_bench
    except ImportError as error:
        raise MirageRuntimeError(
            f"this needs more packages ({error.name}): pip install 'mirage-lsd[diffusion]'"
        ) from None
    with errors.status("starting") as status:
        reports = [
            engine_bench.measure(config, parse_size(text), frames=frames, progress=lambda line: status.update(line))
            for text in size or ["512x512"]
        ]
    page = engine_bench.markdown(reports)
    if report is not None:
        report.write_text(page, encoding="utf-8")
    typer.echo(json.dumps([each.as_json() for each in reports], indent=2) if json_output else page)


@bench_app.command("control")
def bench_control(
    json_output: Json = False,
    seconds: Annotated[float, typer.Option(min=0.2, help="How long each turn lasts.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="Turns that each condition takes.")] = 3,
    model: ModelName = DEFAULT_MODEL,
) -> None:
    """Measure what messages of OSC cost the frames, and how soon one is seen."""
    from mirage_runtime import control_bench

    with errors.status("starting") as status:
        report = control_bench.measure(
            model=model, seconds=seconds, rounds=rounds, progress=lambda line: status.update(line)
        )
    if json_output:
        typer.echo(json.dumps(report.as_json(), indent=2))
    else:
        _print_control_bench(report)


def _print_control_bench(report: control_bench.Report) -> None:
    table = Table(caption="768x432, frames at full rate; medians of turns")
    for label in ("messages a second", "to", "frames a second", "p50 ms", "p95 ms", "rate kept", "p95 ratio", "taken"):
        table.add_column(label, justify="right")
    quiet = report.quiet
    table.add_row("0", "-", f"{quiet.rate:.1f}", f"{quiet.p50:.1f}", f"{quiet.p95:.1f}", "", "", "")
    for rate in report.rates:
        for name, load in (("a sink", rate.sink), ("the daemon", rate.daemon)):
            ratios = [f"{rate.rate_kept:.2f}", f"{rate.p95_ratio:.2f}", f"{rate.taken:.1%}"]
            figures = [f"{load.rate:.1f}", f"{load.p50:.1f}", f"{load.p95:.1f}"]
            table.add_row(f"{rate.messages}", name, *figures, *(ratios if load is rate.daemon else ("", "", "")))
    output = Console()
    output.print(report.machine, highlight=False)
    output.print(table)
    notes = (
        f"a message is in a result after {report.reaction_p50:.1f} ms p50, {report.reaction_p95:.1f} ms p95; "
        f"results come every {report.interval:.1f} ms",
        f"beyond its own two frames it takes {report.beyond_two_frames_p95:+.1f} ms p95",
        "goals at 1,000 a second: rate kept at least 0.9, p95 ratio at most 1.1; beyond two frames at most 5 ms",
    )
    for note in notes:
        output.print(note, highlight=False, soft_wrap=True)
