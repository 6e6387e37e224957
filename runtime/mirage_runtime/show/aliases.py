"""The addresses of StreamDiffusionTD, for patches that were made for it. They mean the stream ``main``."""

from __future__ import annotations

import json
from functools import partial

from mirage_protocol import DEFAULT_STREAM, ProtocolError
from mirage_runtime.show.desk import Desk
from mirage_runtime.show.nodes import Arguments, Node, pressed

_WITHOUT_MEANING = {
    "delta": ("f", "this model adds no noise of its own to its source"),
    "num_inference_steps": (
        "i",
        "this model has no schedule to choose steps from; steps a frame are /mirage/main/steps",
    ),
    "t_list": ("i", "this model has no schedule to choose steps from; steps a frame are /mirage/main/steps"),
    "stop": ("", "a message does not end a show: stop the daemon itself"),
}


def aliases(desk: Desk) -> list[Node]:
    """Return the nodes of these addresses; what has no meaning here is taken and reported once."""
    main = desk.stream(DEFAULT_STREAM)
    reported: set[str] = set()

    def ignore(name: str, reason: str, arguments: Arguments, by: object) -> None:
        if name not in reported:
            reported.add(name)
            desk.report(f"/{name} has no effect: {reason}")

    def seeds(arguments: Arguments, by: object) -> object:
        return desk.set(DEFAULT_STREAM, "seed", [_heaviest(arguments)], by)

    return [
        Node("/prompt", "The prompt of the stream main.", "s", write=partial(desk.set, DEFAULT_STREAM, "prompt")),
        Node("/prompt_list", "Prompts and weights, as JSON.", "s", write=partial(desk.set, DEFAULT_STREAM, "prompts")),
        Node(
            "/negative_prompt",
            "What the stream main should not become.",
            "s",
            write=partial(desk.set, DEFAULT_STREAM, "negative_prompt"),
        ),
        Node(
            "/guidance_scale",
            "The guidance of the stream main.",
            "f",
            write=partial(desk.set, DEFAULT_STREAM, "guidance"),
        ),
        Node("/seed", "The seed of the stream main.", "i", write=partial(desk.set, DEFAULT_STREAM, "seed")),
        Node("/seed_list", "Seeds and weights, as JSON: the heaviest is used.", "s", write=seeds),
        Node("/start_streaming", "Go on transforming frames.", write=pressed(main.pause, False)),
        Node("/play", "Go on transforming frames.", write=pressed(main.pause, False)),
        Node("/stop_streaming", "Transform no frames.", write=pressed(main.pause, True)),
        Node("/pause", "Transform no frames.", write=pressed(main.pause, True)),
        *(
            Node(f"/{name}", f"Without effect: {reason}.", tags, write=partial(ignore, name, reason))
            for name, (tags, reason) in _WITHOUT_MEANING.items()
        ),
    ]


def _heaviest(arguments: Arguments) -> int | float:
    """Return the seed with the greatest weight of a list such as ``[[7, 0.5], [9, 1.0]]``; raises `ProtocolError`."""
    try:
        (text,) = arguments
        seeds = [(float(weight), seed) for seed, weight in json.loads(str(text))]
        heaviest = max(seeds, key=lambda pair: pair[0])[1]
    except (ValueError, TypeError, RecursionError, OverflowError):
        problem = "seed_list takes JSON like [[7, 0.5], [9, 1.0]]: seeds and their weights"
        raise ProtocolError("wrong-type", problem, "seed_list") from None
    if isinstance(heaviest, bool) or not isinstance(heaviest, int | float):
        raise ProtocolError("wrong-type", "a seed is a number", "seed_list")
    return heaviest
