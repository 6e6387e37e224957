"""Changes to a show file's text: what is meant is written, and nothing else is touched."""

from __future__ import annotations

import difflib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mirage_protocol import PARAMETERS, ProtocolError
from mirage_runtime.show.document import Binding, Cue, MidiKind, Show
from mirage_runtime.show.reading import read
from mirage_runtime.show.writing import (
    with_binding,
    with_cue,
    with_preset,
    without_bindings,
    without_cue,
    without_preset,
)

unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FILE = """\
# The show of the harbour.
name   =   "Harbour"  # as on the poster

# Looks.

[presets.calm]
prompt='watercolour'   # soft
strength = 0.40 # hands off

# The wall's own look.
[presets.calm.wall]
seed = 0x07

# Before the storm: nothing of this is played.

[[cues]]
preset = "calm"
fade = 1.50 # slow

# The second.
[[cues]]
preset   = "storm"  # loud
name = '''
[[cues]]
'''
# It ends here.

[presets.storm]  # out of order, as people write
prompts = [ # two
    {text = "ink", weight = 3},
    {text = "lava", weight = 1}, # hot
]

[[cues]]
number = 7.50
preset = "calm"

# Faders.
[[midi]]
control = 1
parameter = "strength"

[[midi]]
control = 2  # the wall's
stream = "wall"
parameter = "strength"

# The pedal.
[[midi]]
note = 60
action = "go"

[sound]
input = "default"
# The end.
"""

STORM = Cue("9", "storm", 'Storm "x" \\ é\n', 2.5, "smooth", 0.0, "/go/9")
BLEND = [{"text": 'ink "a"\\', "weight": 0.25}, {"text": "", "weight": 1.0}]
LOOK: dict[str, Any] = {
    "prompt": 'ünïx\t\x7f\x00\r\n#\'"""',
    "prompts": BLEND,
    "negative_prompt": "fog",
    "guidance": 2.5,
    "strength": 0.30000001192092896,
    "coherence": 1.0,
    "steps": 2,
    "seed": 2**31 - 1,
    "mask_ids": [1, 2**32 - 1],
    "transition": 59.5,
}
KEPT = LOOK | {"strength": 0.3}


def shown(text: str) -> Show:
    return read(text, "show.toml")


def change(before: str, after: str) -> list[str]:
    """The lines that went and came, in order."""
    lines = difflib.ndiff(before.splitlines(keepends=True), after.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def test_a_value_is_changed_where_it_stands_and_new_ones_follow_the_last() -> None:
    text = with_preset(FILE, "calm", "main", {"prompt": "ink", "strength": 0.25, "seed": 3, "prompts": []})
    assert change(FILE, text) == [
        "- prompt='watercolour'   # soft\n",
        '+ prompt="ink"   # soft\n',
        "- strength = 0.40 # hands off\n",
        "+ strength = 0.25 # hands off\n",
        "+ seed = 3\n",
    ]
    assert '[presets.calm]\nprompt="ink"   # soft\nstrength = 0.25 # hands off\nseed = 3\n\n# The wall' in text
    assert shown(text).presets["calm"].streams == {
        "main": {"prompt": "ink", "strength": 0.25, "seed": 3},
        "wall": {"seed": 7},
    }


def test_a_preset_for_one_stream_leaves_what_it_says_of_others() -> None:
    text = with_preset(FILE, "calm", "wall", {"seed": 8, "steps": 4})
    assert change(FILE, text) == ["- seed = 0x07\n", "+ seed = 8\n", "+ steps = 4\n"]
    text = with_preset(text, "calm", "floor", {"seed": 9})
    assert "steps = 4\n\n[presets.calm.floor]\nseed = 9\n\n# Before the storm" in text
    assert shown(text).presets["calm"].streams == {
        "main": {"prompt": "watercolour", "strength": 0.4},
        "wall": {"seed": 8, "steps": 4},
        "floor": {"seed": 9},
    }


def test_to_name_the_prompt_alone_ends_the_blend() -> None:
    text = with_preset(FILE, "storm", "main", {"prompts": [], "prompt": "ink"})
    assert shown(text).presets["storm"].streams == {"main": {"prompt": "ink"}}
    assert '[presets.storm]  # out of order, as people write\nprompt = "ink"\n\n[[cues]]' in text


def test_a_new_preset_follows_the_last_one() -> None:
    text = with_preset(FILE, "new", "main", {"steps": 1})
    assert change(FILE, text) == ["+ [presets.new]\n", "+ steps = 1\n", "+ \n"]
    assert '{text = "lava", weight = 1}, # hot\n]\n\n[presets.new]\nsteps = 1\n\n[[cues]]\nnumber = 7.50' in text


@pytest.mark.parametrize("stream", ["main", "wall"])
@pytest.mark.parametrize(
    "name",
    ["calm", "new", "a.b", "", " ", 'a"b', "a\\b", "a'b", "a]b", "#", "ä", "a\nb", "\x7f\x00", "\U0001f30a", "presets"],
)
def test_every_value_of_a_preset_reads_back(name: str, stream: str) -> None:
    text = with_preset(FILE, name, stream, LOOK)
    streams = shown(text).presets[name].streams
    assert streams[stream] == KEPT
    assert len(streams) == (2 if name == "calm" else 1)
    assert with_preset(text, name, stream, LOOK) == text


FORMS = {
    "headers": '[presets.a]\nprompt = "x"\n\n[presets.b.wall]\nseed = 1\n',
    "one line each": '[presets]\na = { prompt = "x" } # first\nb = {wall = {seed = 1}}\n',
    "one line": 'presets = {a = {prompt = "x"}, b = {wall.seed = 1}} # all\n',
    "dots": 'presets.a.prompt = "x" # first\npresets.b.wall.seed = 1\nname = "n"\n\n[[cues]]\npreset = "a"\n',
    "dots in a table": '[presets]\na.prompt = "x" # first\nb.wall.seed = 1\n\n[[cues]]\npreset = "a"\n',
    "a table main": '[presets.a.main]\nprompt = "x"\n[presets.b.wall] # first\nseed = 1',
    "quotes": "['presets'.\"a\"]\n'prompt' = 'x'\n[\"presets\".b.'wall']\nseed = 1\n",
    "moved in": '\t[ presets . a ]\n\t\tprompt = "x"\n\n\t[ presets . b . wall ]\n\t\tseed = 1\n',
    "no last newline": '[presets.b.wall]\nseed = 1\n[presets.a]\nprompt = "x"',
}


@pytest.mark.parametrize("windows", [False, True], ids=["unix", "windows"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_preset_is_saved_however_the_file_writes_presets(form: str, windows: bool) -> None:
    text = form.replace("\n", "\r\n") if windows else form
    for name in ("a", "b", "c"):
        for stream in ("main", "wall"):
            values = {"prompt": f"{name} {stream}", "strength": 0.5, "prompts": BLEND}
            expected = dict(shown(text).presets[name].streams) if name in shown(text).presets else {}
            others = [preset for preset in shown(text).presets.values() if preset.name != name]
            text = with_preset(text, name, stream, values)
            assert shown(text).presets[name].streams == expected | {stream: expected.get(stream, {}) | values}
            assert [preset for preset in shown(text).presets.values() if preset.name != name] == others
    assert text.count("#") == form.count("#")
    if windows:
        assert text.count("\n") == text.count("\r\n")
    for name in ("b", "a", "c"):
        text = without_preset(text, name) if not shown(text).cues or name != "a" else text
        assert (name in shown(text).presets) == (name == "a" and "cues" in form)


def test_a_preset_that_goes_takes_its_tables_and_no_comment_above_another() -> None:
    text = without_preset(FILE.replace('preset = "calm"', 'preset = "storm"'), "calm")
    assert "calm" not in text
    assert "# Looks.\n\n# The wall's own look.\n\n# Before the storm: nothing of this is played.\n\n[[cues]]" in text
    assert shown(text).presets.keys() == {"storm"}
    with pytest.raises(ProtocolError, match="there is no preset 'calm'"):
        without_preset(text, "calm")


def test_the_only_preset_goes() -> None:
    assert without_preset('name = "n"\n\n[presets.a]\nprompt = "x"\n', "a") == 'name = "n"\n'
    assert without_preset("[presets.a]\n", "a") == ""
    with pytest.raises(ProtocolError, match="there is no preset 'a'"):
        without_preset("", "a")


@pytest.mark.parametrize("name", ["prompt", "seed"])
def test_a_stream_that_is_called_as_a_parameter_spoils_no_preset(name: str) -> None:
    text = '[presets.a]\nprompt = "x"\nseed = 1\n'
    changed = with_preset(text, "a", name, {"steps": 2})
    assert changed.startswith(text)


def test_a_cue_is_changed_where_it_stands() -> None:
    text = with_cue(FILE, Cue("1", "storm", fade=2.0, follow=3.0))
    assert change(FILE, text) == [
        '- preset = "calm"\n',
        '+ preset = "storm"\n',
        "- fade = 1.50 # slow\n",
        "+ fade = 2.0 # slow\n",
        "+ follow = 3.0\n",
    ]
    assert shown(text).cues[0] == Cue("1", "storm", fade=2.0, follow=3.0)
    text = with_cue(text, Cue("1", "calm"))
    assert '\n[[cues]]\npreset = "calm"\n\n# The second.' in text
    assert shown(text).cues[0] == Cue("1", "calm")


def test_a_text_of_many_lines_is_changed_whole() -> None:
    text = with_cue(FILE, Cue("2", "calm", "Two"))
    assert '[[cues]]\npreset   = "calm"  # loud\nname = "Two"\n# It ends here.\n' in text
    assert shown(text).cues[1] == Cue("2", "calm", "Two")


def test_a_new_cue_follows_the_last_one() -> None:
    text = with_cue(FILE, STORM)
    assert change(FILE, text) == [
        "+ [[cues]]\n",
        '+ number = "9"\n',
        '+ name = "Storm \\"x\\" \\\\ é\\n"\n',
        '+ preset = "storm"\n',
        "+ fade = 2.5\n",
        '+ curve = "smooth"\n',
        "+ follow = 0.0\n",
        '+ osc = "/go/9"\n',
        "+ \n",
    ]
    assert 'osc = "/go/9"\n\n# Faders.\n[[midi]]' in text
    assert shown(text).cues == (*shown(FILE).cues, STORM)
    assert with_cue(text, STORM) == text


P = "presets.calm = {}\npresets.storm = {}\n"
CUES = {
    "no cues": P,
    "none yet": "cues = []\n" + P,
    "none yet, and why": "cues = [ # none yet\n] # all\n" + P,
    "one line": 'cues = [{preset = "calm"}, {preset = "storm"}] # all\n' + P,
    "one line with a comma": "cues = [ { preset = 'calm' } , ]\n" + P,
    "lines": 'cues = [\n  {preset = "calm"}, # one\n\n  # two\n  {preset = "storm"}, # both\n  # end\n] # all\n' + P,
    "lines without a comma": 'cues = [\n\t{preset = "calm"}, # one\n\t{preset = "storm"} # both\n\t# end\n]\n' + P,
    "a comma of its own line": 'cues = [\n  {preset = "calm"} # one\n  , {preset = "storm"} # both\n  ,\n]\n' + P,
    "began beside the bracket": 'cues = [{preset = "calm"}, # one\n        {preset = "storm"} # both\n]\n' + P,
    "one, and a comment": 'cues = [{preset = "calm"} # one\n]\n' + P,
    "tables": P
    + '# one\n[[cues]]\npreset = "calm"\n[[cues]] # both\npreset = "storm"\n\n# all\n[sound]\ninput = "x"\n',
    "tables at the end": P + '\n[[cues]]\npreset = "calm"\n\n\n[[cues]]\npreset = "storm" # both',
    "apart": P + '[[cues]]\npreset = "calm"\n[sound]\ninput = "x"\n[[cues]]\npreset = "storm"\n',
}


@pytest.mark.parametrize("windows", [False, True], ids=["unix", "windows"])
@pytest.mark.parametrize("form", CUES.values(), ids=CUES)
def test_cues_are_saved_however_the_file_writes_them(form: str, windows: bool) -> None:
    first = text = form.replace("\n", "\r\n") if windows else form
    cues = shown(text).cues
    text = with_cue(text, STORM)
    assert shown(text).cues == (*cues, STORM)
    assert text.count("#") == first.count("#")
    changed = [Cue(cue.number, "storm", fade=1.0, curve="ease-out", osc=f"/{cue.number}") for cue in shown(text).cues]
    for cue in changed:
        text = with_cue(text, cue)
    assert shown(text).cues == tuple(changed)
    assert text.count("#") == first.count("#")
    if windows:
        assert text.count("\n") == text.count("\r\n")
    while changed:
        gone = changed.pop(0)
        text = without_cue(text, gone.number)
        assert shown(text).cues == tuple(changed)
    assert "/" not in text
    assert shown(with_cue(text, STORM)).cues == (STORM,)


def test_cues_without_numbers_keep_theirs() -> None:
    text = without_cue(FILE, "1")
    assert change(FILE, text) == [
        "- [[cues]]\n",
        '- preset = "calm"\n',
        "- fade = 1.50 # slow\n",
        "- \n",
        '+ number = "2"\n',
    ]
    assert 'played.\n\n# The second.\n[[cues]]\nnumber = "2"\npreset' in text
    assert shown(text).cues == shown(FILE).cues[1:]
    text = without_cue(text, "2")
    assert [cue.number for cue in shown(text).cues] == ["7.5"]
    assert "# It ends here.\n" in text


@pytest.mark.parametrize(
    ("written", "number"),
    [("7.50", "7.5"), ('"7.50"', "7.50"), ('"01"', "01"), ("2.0", "2"), ('"²"', "²"), ("1e3", "1000"), ("-3", "-3")],
)
def test_a_cue_is_known_by_the_number_that_it_reads_as(written: str, number: str) -> None:
    text = f'{P}\n[[cues]]\nnumber = {written} # mine\npreset = "calm"\n'
    changed = with_cue(text, Cue(number, "storm"))
    assert changed == text.replace('"calm"', '"storm"')
    assert without_cue(changed, number) == P


def test_numbers_that_look_alike_are_told_apart() -> None:
    text = P + '[[cues]]\npreset = "calm"\nnumber = "1.0"\n[[cues]]\nnumber = 1\npreset = "storm"\n'
    assert [cue.number for cue in shown(without_cue(text, "1")).cues] == ["1.0"]


@pytest.mark.parametrize("text", ["", P, "cues = []\n" + P, P + '[[cues]]\npreset = "calm"\nnumber = 3'])
def test_a_cue_that_is_not_there_does_not_go(text: str) -> None:
    with pytest.raises(ProtocolError, match="there is no cue '1'"):
        without_cue(text, "1")


def test_a_control_takes_the_place_of_those_that_moved_the_parameter() -> None:
    binding = Binding("note", 5, 16, 'nano "K"', "wall", "strength")
    text = with_binding(FILE, binding)
    old = '[[midi]]\ncontrol = 2  # the wall\'s\nstream = "wall"\nparameter = "strength"\n\n'
    new = '[[midi]]\nnote = 5\nchannel = 16\nport = "nano \\"K\\""\nstream = "wall"\nparameter = "strength"\n\n'
    assert text == FILE.replace(old, "").replace("[sound]\n", f"{new}[sound]\n")
    assert shown(text).midi[-1] == binding
    assert with_binding(text, binding) == text


@pytest.mark.parametrize("kind", ["control", "note", "program", "pitchwheel"])
def test_every_control_reads_back(kind: MidiKind) -> None:
    binding = Binding(kind, None if kind == "pitchwheel" else 0, parameter="coherence")
    text = with_binding("loop = true", binding)
    number = "true" if kind == "pitchwheel" else "0"
    assert text == f'loop = true\n\n[[midi]]\n{kind} = {number}\nparameter = "coherence"\n'
    assert shown(text).midi == (binding,)


MIDI = {
    "one line": 'midi = [{control = 1, parameter = "seed"}, {note = 2, action = "go"}]\n',
    "lines": 'midi = [\n  {control = 1, parameter = "seed"},\n  {note = 2, action = "go"}\n]\n',
    "tables": '[[midi]]\ncontrol = 1\nparameter = "seed"\n\n[[midi]]\nnote = 2\naction = "go"\n',
    "none": "midi = []",
}


@pytest.mark.parametrize("text", MIDI.values(), ids=MIDI)
def test_controls_come_and_go_however_the_file_writes_them(text: str) -> None:
    others = tuple(each for each in shown(text).midi if each.parameter is None)
    learnt = Binding("control", 3, 1, parameter="seed", low=0, high=2**31 - 1)
    for binding in (learnt, learnt):
        text = with_binding(text, binding)
        assert shown(text).midi == (*others, binding)
    text = without_bindings(text, "main", "seed")
    assert shown(text).midi == others
    for stream, parameter in (("main", "seed"), ("wall", "seed"), ("main", "steps")):
        with pytest.raises(ProtocolError, match=f"no MIDI control moves {parameter} of the stream {stream}"):
            without_bindings(text, stream, parameter)


def test_all_that_move_a_parameter_go_and_those_of_other_streams_stay() -> None:
    text = "".join(
        f'[[midi]]\ncontrol = {number}\nstream = "{stream}"\nparameter = "seed"\n'
        for number, stream in enumerate(["main", "wall", "main", "wall"])
    )
    text = without_bindings(text + '[[midi]]\nnote = 1\nparameter = "seed"', "main", "seed")
    assert [(binding.number, binding.stream) for binding in shown(text).midi] == [(1, "wall"), (3, "wall")]


EDITS = {
    "[presets.new]": lambda text: with_preset(text, "new", "main", {"seed": 1}),
    "[presets.new.wall]": lambda text: with_preset(text, "new", "wall", {"seed": 1}),
    "[[cues]]": lambda text: with_cue(text, Cue("99", "a")),
    "[[midi]]": lambda text: with_binding(text, Binding("note", 1, parameter="seed")),
}
BEGINNINGS = ["[presets.a]", "presets.a = {}", '[presets.a]\n[sound]\ninput = ""', "[presets.a]\n#"]
ENDS = ["", "\n", "\n\n", "\n\n\n", "\n# end", "\n# end\n", "\n\n# end\n", " # end", "\r\n", "\r\n\r\n", "\n \t\n"]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("begin", BEGINNINGS)
@pytest.mark.parametrize("header", EDITS)
def test_an_empty_line_stands_between_a_new_table_and_what_is_around_it(header: str, begin: str, end: str) -> None:
    text = EDITS[header](begin + end)
    shown(text)
    lines = [line.rstrip("\r") for line in text.split("\n")]
    first = lines.index(header)
    last = next(index for index in range(first + 1, len(lines)) if "=" not in lines[index])
    assert not lines[first - 1].strip()
    assert not lines[last].strip()
    said = [line for line in lines[:first] + lines[last:] if line.strip()]
    assert said == [line for line in (begin + end).splitlines() if line.strip()]


def test_the_first_table_begins_the_file() -> None:
    assert with_preset("", "a", "main", {"seed": 1}) == "[presets.a]\nseed = 1\n"


NAMES = st.sampled_from(["calm", "storm", "new", "a.b", "ä"])
STREAMS = st.sampled_from(["main", "wall", "floor"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
FADES = st.integers(0, 10**6).map(lambda thousandths: thousandths / 1000)
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "prompt": TEXTS,
        "prompts": st.lists(
            st.fixed_dictionaries({"text": TEXTS, "weight": FADES.map(lambda number: number or 1e-5)}), max_size=3
        ),
        "strength": st.sampled_from([0.0, 1.0, 0.5, 0.123456, 1e-05]),
        "steps": st.integers(1, 4),
        "mask_ids": st.lists(st.integers(0, 2**32 - 1), max_size=3),
    },
)


@st.composite
def edits(draw: Any) -> list[Any]:
    """A row of edits, each with what it must make of a show: (edit, presets, cues, controls)."""
    kinds = draw(st.lists(st.sampled_from(["preset", "cue", "no cue", "control", "no control"]), max_size=8))
    return [(kind, draw(NAMES), draw(STREAMS), draw(VALUES), draw(TEXTS), draw(FADES)) for kind in kinds]


def remarks(text: str) -> list[str]:
    """The lines that are comments."""
    return [line for line in text.splitlines() if line.startswith("#")]


@unhurried
@given(st.sampled_from([FILE, FILE.replace("\n", "\r\n"), "", *FORMS.values(), *CUES.values()]), edits())
def test_whatever_is_edited_reads_as_it_was_meant(text: str, row: list[Any]) -> None:
    for kind, name, stream, values, words, seconds in row:
        before, comments = shown(text), remarks(text)
        if kind == "preset" and values.get("prompts") != []:
            text = with_preset(text, name, stream, values)
            old = before.presets[name].streams if name in before.presets else {}
            if values:
                new = {**old, stream: {**old.get(stream, {}), **values}}
                assert shown(text).presets[name].streams == new
            assert shown(text).cues == before.cues
        elif kind == "cue" and before.presets:
            cue = Cue(str(len(words) + 1), sorted(before.presets)[0], words, seconds, "smooth", None, None)
            text = with_cue(text, cue)
            place = before.index(cue.number)
            kept = before.cues if place is None else (*before.cues[:place], *before.cues[place + 1 :])
            new_cues = shown(text).cues
            assert new_cues[len(kept) if place is None else place] == cue
            assert tuple(each for each in new_cues if each.number != cue.number) == kept
        elif kind == "no cue" and before.cues:
            gone = before.cues[len(words) % len(before.cues)]
            text = without_cue(text, gone.number)
            assert shown(text).cues == tuple(cue for cue in before.cues if cue != gone)
        elif kind == "control":
            binding = Binding("control", len(words), parameter="strength", stream=stream)
            text = with_binding(text, binding)
            others = tuple(each for each in before.midi if (each.stream, each.parameter) != (stream, "strength"))
            assert shown(text).midi == (*others, binding)
        elif kind == "no control" and before.midi and before.midi[0].parameter:
            text = without_bindings(text, before.midi[0].stream, before.midi[0].parameter)
            assert before.midi[0] not in shown(text).midi
        after = shown(text)
        assert (after.name, after.sound) == (before.name, before.sound)
        assert kind in ("no cue", "no control", "control") or remarks(text) == comments


def test_every_parameter_is_written() -> None:
    assert LOOK.keys() == PARAMETERS.keys()
