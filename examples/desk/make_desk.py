"""Make a desk for a running daemon: faders, buttons and displays for Open Stage Control, in the file mirage.json.

Open it with the daemon's OSC port as the target of all that the desk sends (8247 unless told otherwise):

    open-stage-control --load mirage.json --send 127.0.0.1:8247

The file is a session of Open Stage Control 1.30: https://openstagecontrol.ammd.net/docs/widgets/properties-reference/
tells every property, https://openstagecontrol.ammd.net/docs/widgets/scripting/ what a script may call.
"""

import argparse
import html
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import mirage
from mirage_protocol import PARAMETERS

FORMAT = "1.30.0"
MOST_STEPS = 100  # a whole number with more values than these has a fader without steps
SILENT = {"bypass": True}  # else a frame tells the daemon which of its pages is open
UNITS = {"time.millisecond": "ms", "time.second": "s"}

# Feedback tells nobody of his own changes. Who subscribes anew is told everything: what was clipped, which blend ended.
# A script's `send` does nothing unless somebody has touched the widget, so this answers no feedback with a question.
REFRESH = "send('/mirage/unsubscribe')\nsend('/mirage/subscribe')"
# A subscription lapses after a minute.
SUBSCRIBE = "send('/mirage/subscribe')\nsetInterval('subscribe', () => { send('/mirage/subscribe') }, 20000)"
# What is typed as a list arrives at the script as one, and goes out as one text.
SEND_LIST = "send(getProp('this', 'address'), typeof value === 'string' ? value : JSON.stringify(value))\n" + REFRESH

Widget = dict[str, Any]
Node = dict[str, Any]


def button(name: str, label: str, address: str, **more: Any) -> Widget:
    """Return a button that sends its address alone, or with ``on`` where it is a ``tap``."""
    own = {"type": "button", "id": name, "label": label, "wrap": "soft", "mode": "momentary", "expand": True}
    return own | {"address": address} | more


def look_button(prompt: str, look: str, meaning: str) -> Widget:
    """Return a button that makes a look the prompt."""
    more = {"mode": "tap", "on": look, "typeTags": "s", "comments": meaning, "onValue": REFRESH}
    return button(f"{short(prompt)}/{look}", look, prompt, **more)


def display(name: str, label: str, address: str, **more: Any) -> Widget:
    """Return a text that feedback writes."""
    return {"type": "text", "id": name, "html": html.escape(label), "expand": True, "address": address} | more


def panel(name: str, layout: str, widgets: list[Widget], **more: Any) -> Widget:
    """Return a frame around widgets: ``vertical``, ``horizontal`` or ``grid``."""
    own = {"type": "panel", "id": name, "layout": layout, "alphaStroke": 0, "expand": True}
    return own | SILENT | more | {"widgets": widgets}


def tab(name: str, widgets: list[Widget]) -> Widget:
    """Return a page of its own."""
    return {"type": "tab", "id": f"tab {name}", "label": name, "layout": "vertical"} | SILENT | {"widgets": widgets}


def control(node: Node) -> Widget:
    """Return what sets one parameter: a fader and an entry for a number, an entry for anything else."""
    parameter = PARAMETERS.get(name_of(node))
    default = parameter.default if parameter else node["VALUE"][0]
    common = {"id": short(node["FULL_PATH"]), "address": node["FULL_PATH"], "comments": node["DESCRIPTION"]}
    common |= {"default": default, "expand": True}
    if "RANGE" in node:
        return number(common, node, node["TYPE"] == "i")
    more = {"html": name_of(node), "typeTags": "s", "align": "left", "onValue": REFRESH}
    if isinstance(default, list):
        more |= {"default": json.dumps(default), "bypass": True, "onValue": SEND_LIST}
    return {"type": "input"} | common | more


def number(common: Widget, node: Node, whole: bool) -> Widget:
    """Return a fader above an entry; they have the same id, so that each follows the other."""
    low, high = node["RANGE"][0]["MIN"], node["RANGE"][0]["MAX"]
    common = common | {"decimals": 0 if whole else 3 if high - low <= 1 else 2, "typeTags": node["TYPE"]}
    steps = high - low + 1 if whole and high - low < MOST_STEPS else ""
    fader = {"type": "fader"} | common | {"html": caption(node), "range": {"min": low, "max": high}, "steps": steps}
    fader |= {"doubleTap": True, "pips": steps != ""}
    entry = {"type": "input"} | common | {"expand": False, "height": 40, "numeric": True, "onValue": REFRESH}
    return panel(f"panel {common['id']}", "vertical", [fader, entry])


def short(address: str) -> str:
    """Return an address without what they all begin with: a widget's id."""
    return address.removeprefix("/mirage/")


def name_of(node: Node) -> str:
    """Return the last part of a node's address."""
    name: str = node["FULL_PATH"].rpartition("/")[2]
    return name


def caption(node: Node) -> str:
    """Return a node's name, with its unit."""
    units = [UNITS.get(unit, unit) for unit in node.get("UNIT", [])]
    return ", ".join([name_of(node), *units])


def of_stream(stream: Node, looks: list[dict[str, str]]) -> Widget:
    """Return a stream's page."""
    name, path = name_of(stream), stream["FULL_PATH"]
    nodes = [node for node in stream["CONTENTS"].values() if "TYPE" in node]
    controls = in_order(node for node in nodes if node["ACCESS"] == 3)
    entries = [control(node) for node in controls if "RANGE" not in node]
    faders = [control(node) for node in controls if "RANGE" in node]
    buttons = [look_button(f"{path}/prompt", look["name"], look["help"]) for look in looks]
    rows = [
        panel(f"{name} displays", "horizontal", shown(nodes), expand=False, height=90),
        panel(f"{name} looks", "grid", buttons, gridTemplate=6, expand=2),
        panel(f"{name} entries", "horizontal", entries, expand=False, height=90),
        panel(f"{name} faders", "horizontal", faders, expand=3),
    ]
    return tab(name, [row for row in rows if row["widgets"]])


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """Return nodes in the order of the parameter table, others behind them."""
    order = list(PARAMETERS)
    return sorted(nodes, key=lambda node: order.index(name_of(node)) if name_of(node) in order else len(order))


def shown(nodes: list[Node]) -> list[Widget]:
    """Return displays of what a stream says of itself, and buttons for what it can do."""
    displays, buttons = [], []
    for node in sorted(nodes, key=lambda node: name_of(node) != "state"):
        name, address = short(node["FULL_PATH"]), node["FULL_PATH"]
        if node["ACCESS"] == 1:
            displays.append(display(name, caption(node), address, decimals=int(node["TYPE"] == "f")))
        elif node["ACCESS"] == 2:
            buttons.append(button(name, name_of(node), address))
    return displays + buttons


def of_show(show: mirage.ShowState) -> Widget:
    """Return the page of a show: a button for each cue, and one for each preset with the seconds of its fade."""
    cues, presets = [], []
    for cue in show.cues:
        more = {"mode": "tap", "on": cue["number"], "typeTags": "s"}
        label = f"{cue['number']} {cue['name'] or cue['preset']}"
        cues.append(button(f"cue {cue['number']}", label, "/mirage/cue/goto", **more))
    for preset in show.presets:
        more = {"mode": "tap", "preArgs": [preset], "on": "@{preset_fade}", "off": -1, "typeTags": "sf"}
        presets.append(button(f"preset {preset}", preset, "/mirage/preset", **more))
    fade = {"type": "fader", "id": "preset_fade", "html": "presets' fade, s", "bypass": True, "width": 120}
    fade |= {"range": {"min": 0, "max": 30}, "default": 2, "decimals": 1}
    grids = [panel("cues", "grid", cues, gridTemplate=4), panel("presets", "grid", presets, gridTemplate=4)]
    return tab("show", [grids[0], panel("recall", "horizontal", [fade, grids[1]])])


def make(tree: Node, looks: list[dict[str, str]], show: mirage.ShowState) -> dict[str, Any]:
    """Return the whole session for a daemon's tree, its model's looks and its show."""
    top = [
        button("back", "BACK", "/mirage/cue/back"),
        button("go", "GO", "/mirage/cue/go", expand=2),
        display("current cue", "cue", "/mirage/cue/current"),
        display("next cue", "next", "/mirage/cue/next"),
        button("subscribe", "subscribe", "/mirage/subscribe"),
        display("error", "last error", "/mirage/error", expand=4, wrap="soft"),
    ]
    streams = [node for node in tree["CONTENTS"].values() if "rate" in node.get("CONTENTS", {})]
    tabs = [of_show(show)] if show.cues or show.presets else []
    tabs += [of_stream(stream, looks) for stream in streams]
    pages = {"type": "panel", "id": "pages", "expand": True} | SILENT | {"tabs": tabs}
    rows = [panel("top", "horizontal", top, expand=False, height=90), pages]
    root = {"type": "root", "id": "root", "layout": "vertical", "onCreate": SUBSCRIBE} | SILENT | {"widgets": rows}
    return {"createdWith": "Mirage", "version": FORMAT, "type": "session", "content": root}


def main() -> None:
    """Ask the daemon, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address", nargs="?", default="http://127.0.0.1:8765", help="where the daemon's page is")
    parser.add_argument("--output", type=Path, default=Path("mirage.json"))
    parser.add_argument("--token", default=os.environ.get("MIRAGE_TOKEN"), help="the daemon's, if it has one")
    arguments = parser.parse_args()

    address = arguments.address.rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}/mirage", timeout=10) as answer:
            tree = json.load(answer)
    except urllib.error.URLError as error:
        raise SystemExit(f"{address} does not answer ({error.reason}): start one with `mirage serve`") from None
    # OSCQuery tells addresses and ranges; looks, cues and presets are told to who connects.
    with mirage.connect(address.replace("http", "ws", 1), role="controller", token=arguments.token) as stream:
        session = make(tree, stream.model["looks"], stream.show())
    arguments.output.write_text(json.dumps(session, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{arguments.output}: a desk of {len(session['content']['widgets'][1]['tabs'])} pages")


if __name__ == "__main__":
    main()
