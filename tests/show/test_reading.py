"""A show file as a show, and every mistake in one by its line, its column and its words."""

from __future__ import annotations

import contextlib
import re
import textwrap
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mirage_runtime.errors import MirageRuntimeError
from mirage_runtime.names import RESERVED
from mirage_runtime.show.document import ACTIONS, FEATURES, Binding, Cue, Preset, Route, Show, Sound
from mirage_runtime.show.positions import inside, position, positions, statements
from mirage_runtime.show.reading import ShowFileError, read

unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROOT = Path(__file__).parents[2]

WHOLE = '''
name = "Sturm über \\u00c5"
loop = true
autostart = true

[presets.calm]
prompt = "watercolour"
strength = 0.4
mask_ids = [1, 4_000_000_000]

[presets.storm]
prompt = """
ink,
wild"""
prompts = [{ text = "ink", weight = 3 }, { text = "lava", weight = 0.5 }]
coherence = 1
steps = 2

[presets.storm.wall]
seed = 7
transition = 1.5

[presets."Act 2. Finale"]

[[cues]]
preset = "calm"

[[cues]]
number = 2.5
name = "Storm"
preset = "storm"
fade = 4
curve = "ease-in"
follow = 0
osc = "/show/storm"

[[cues]]
number = "3a"
preset = "calm"

[[midi]]
control = 7
channel = 16
port = "nano"
stream = "wall"
parameter = "strength"
range = [1, 0.25]

[[midi]]
note = 0
action = "go"

[[midi]]
program = 127
cue = 2.50

[[midi]]
pitchwheel = true
parameter = "steps"

[[midi]]
note = 60
preset = "storm"
fade = 2

[sound]
input = "default"
gain = 2

[[sound.routes]]
feature = "low"
parameter = "strength"
stream = "wall"
range = [0.8, 0.2]
attack = 0
release = 1

[[sound.routes]]
feature = "onset"
parameter = "prompt"
values = ["ink", "lava"]

[[sound.routes]]
feature = "tempo"
parameter = "transition"
'''


def mistake(text: str) -> str:
    with pytest.raises(ShowFileError) as caught:
        read(text, "show.toml")
    return str(caught.value)


def test_every_feature_of_a_file() -> None:
    blend = [{"text": "ink", "weight": 3.0}, {"text": "lava", "weight": 0.5}]
    storm = {
        "main": {"prompt": "ink,\nwild", "prompts": blend, "coherence": 1.0, "steps": 2},
        "wall": {"seed": 7, "transition": 1.5},
    }
    calm = {"main": {"prompt": "watercolour", "strength": 0.4, "mask_ids": [1, 4_000_000_000]}}
    assert read(WHOLE, "show.toml") == Show(
        name="Sturm über Å",
        loop=True,
        autostart=True,
        presets={
            "calm": Preset("calm", calm),
            "storm": Preset("storm", storm),
            "Act 2. Finale": Preset("Act 2. Finale", {}),
        },
        cues=(
            Cue("1", "calm"),
            Cue("2.5", "storm", "Storm", 4.0, "ease-in", 0.0, "/show/storm"),
            Cue("3a", "calm"),
        ),
        midi=(
            Binding("control", 7, 16, "nano", "wall", "strength", low=1.0, high=0.25),
            Binding("note", 0, action="go"),
            Binding("program", 127, cue="2.5"),
            Binding("pitchwheel", None, parameter="steps", low=1, high=4),
            Binding("note", 60, preset="storm", fade=2.0),
        ),
        sound=Sound(
            "default",
            (
                Route("low", "strength", "wall", 0.8, 0.2, 0.0, 1.0),
                Route("onset", "prompt", values=("ink", "lava")),
                Route("tempo", "transition", low=0.0, high=60.0),
            ),
            2.0,
        ),
    )


def test_the_files_that_the_docs_show() -> None:
    docs = (ROOT / "runtime" / "SHOW.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```toml\n(.*?)```", docs, re.DOTALL)
    assert len(blocks) == 3
    show = read("\n".join(blocks), "SHOW.md")
    assert [cue.number for cue in show.cues] == ["1", "1.5"]
    assert show.midi
    assert show.sound
    for path in (ROOT / "examples").rglob("*.toml"):
        assert read(path.read_text(encoding="utf-8"), path.name).cues


def test_an_empty_file_is_an_empty_show() -> None:
    assert read("", "show.toml") == read("# nothing yet\r\n\t\r\n", "show.toml") == Show()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_lines_may_end_as_on_windows(newline: str) -> None:
    assert read(WHOLE.replace("\n", newline), "show.toml") == read(WHOLE, "show.toml")


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action(action: str) -> None:
    assert read(f'midi = [{{note = 1, action = "{action}"}}]', "").midi[0].action == action


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_of_sound(feature: str) -> None:
    text = f'[sound]\ninput = "a.wav"\nroutes = [{{feature = "{feature}", parameter = "seed"}}]'
    sound = read(text, "").sound
    assert sound is not None
    assert sound.routes[0].feature == feature


def test_what_stands_for_a_binding_of_whole_range() -> None:
    (binding,) = read('[[midi]]\ncontrol = 1\nparameter = "transition"', "").midi
    assert (binding.low, binding.high, binding.stream) == (0.0, 60.0, "main")


@pytest.mark.parametrize(
    ("written", "number"),
    [("3", "3"), ("3.0", "3"), ("2.50", "2.5"), ("-1", "-1"), ('"1.50"', "1.50"), ('"Ä 1"', "Ä 1"), ("0x10", "16")],
)
def test_a_cues_number_is_a_number_or_a_text(written: str, number: str) -> None:
    assert read(f"presets.a = {{}}\n[[cues]]\npreset = 'a'\nnumber = {written}", "").cues[0].number == number


@pytest.mark.parametrize("number", [1_000_000, 1_234_567, 2**40])
def test_a_large_whole_number_of_a_cue_stays_whole(number: int) -> None:
    assert read(f"presets.a = {{}}\n[[cues]]\npreset = 'a'\nnumber = {number}", "").cues[0].number == str(number)


def test_own_keys_and_a_table_main_are_both_of_the_stream_main() -> None:
    show = read('[presets.a]\nprompt = "ink"\n\n[presets.a.main]\nseed = 1\n', "")
    assert show.presets["a"].streams == {"main": {"prompt": "ink", "seed": 1}}


A = 'presets.a = {}\ncues = [{preset = "a"}]\n'
"""One preset and one cue, in two lines."""

MISTAKES = {
    "syntax": ("name = \n", 1, 8, "Invalid value"),
    "syntax, line 3": ('loop = true\n\n[presets.a\nprompt = "x"', 3, 11, "Expected ']' at the end of a table"),
    "syntax on Windows": ("loop = true\r\n\r\nname =\r\n", 3, 7, "Invalid value"),
    "a key twice": ("loop = true\nloop = false\n", 2, 13, "Cannot overwrite a value"),
    "a table twice": ("[presets.a]\n[presets.a]", 2, 11, "Cannot declare ('presets', 'a') twice"),
    "a BOM": ("\ufeffloop = true", 1, 1, "Invalid statement"),
    "no such key": ("lop = true", 1, 1, "there is no key 'lop': did you mean 'loop'?"),
    "no such key and none near": ("# x\n  zzz = 1", 2, 3, "there is no key 'zzz': there are autostart, cues, loop"),
    "no such table": ("\n[preset.a]\n", 2, 1, "there is no key 'preset': did you mean 'presets'?"),
    "no such key of a cue": (A.replace("}]", ", fad = 1 }]"), 2, 24, "there is no key 'fad': did you mean 'fade'?"),
    "no such key of a MIDI": ('[[midi]]\nnot = 1\naction = "go"', 2, 1, "there is no key 'not': did you mean 'note'?"),
    "no such key of sound": ('[sound]\ninputs = "x"', 2, 1, "there is no key 'inputs': did you mean 'input'?"),
    "no such key of a route": (
        '[sound]\ninput = "x"\n[[sound.routes]]\nfeature = "low"\nparameter = "seed"\natack = 1',
        6,
        1,
        "there is no key 'atack': did you mean 'attack'?",
    ),
    "no such parameter": (
        "[presets.a]\nstrenght = 1",
        2,
        1,
        "there is no parameter 'strenght': did you mean 'strength'?",
    ),
    "no such parameter of a stream": ("[presets.a.wall]\nsead = 1", 2, 1, "did you mean 'seed'?"),
    "no parameter of a control": (
        '[[midi]]\nnote = 1\nparameter = "zz"',
        3,
        1,
        "there is no parameter 'zz': there are",
    ),
    "no such parameter of a route": (
        '[sound]\ninput = "x"\nroutes = [\n  {feature = "low", parameter = "sead"},\n]',
        4,
        21,
        "there is no parameter 'sead': did you mean 'seed'?",
    ),
    "no such preset": (A + '[[midi]]\nnote = 1\npreset = "b"', 5, 1, "there is no preset 'b': there are a"),
    "no such preset of a cue": ('[presets.calm]\n[[cues]]\npreset = "clam"', 3, 1, "did you mean 'calm'?"),
    "no presets at all": ('[[cues]]\npreset = "b"', 2, 1, "there is no preset 'b': there are none"),
    "no such cue": (A + "[[midi]]\nnote = 1\ncue = 2", 5, 1, "there is no cue '2': there are 1"),
    "no such action": ('[[midi]]\nnote = 1\naction = "stop"', 3, 1, "action must be one of go, back, pause, play; not"),
    "no such feature": (
        '[sound]\ninput = "x"\n[[sound.routes]]\nparameter = "seed"\nfeature = "bass"',
        5,
        1,
        "feature must be one of level, low, mid, high, onset, beat, tempo; not 'bass'",
    ),
    "no such curve": (A.replace("}]", ', curve = "cubic" }]'), 2, 24, "curve must be one of linear, smooth, ease-in"),
    "a text for a truth": ('loop = "yes"', 1, 1, "loop must be a boolean, not a string"),
    "a whole number for a truth": ("autostart = 1", 1, 1, "autostart must be a boolean, not an integer"),
    "a number for a name": ("name = 1", 1, 1, "name must be a string, not an integer"),
    "a text for a number": ('[presets.a]\nseed = "7"', 2, 1, "seed must be an integer, not a string"),
    "a float for a whole number": ("[presets.a]\nseed = 7.0", 2, 1, "seed must be an integer, not a float"),
    "a truth for a number": ("[presets.a]\nstrength = true", 2, 1, "strength must be a number, not a boolean"),
    "a date": ("[presets.a]\nprompt = 1979-05-27", 2, 1, "prompt must be a string, not date"),
    "a table for presets": ("presets = 1", 1, 1, "presets must be a map, not an integer"),
    "presets in an array": ("[[presets]]", 1, 1, "presets must be a map, not an array"),
    "a preset that is none": ("[presets]\na = 1", 2, 1, "a must be a map, not an integer"),
    "cues in a table": ('[cues]\npreset = "a"', 1, 1, "cues must be an array, not a map"),
    "cues that are none": ("cues = [1]", 1, 1, "cues.0 must be a map, not an integer"),
    "sound in an array": ('[[sound]]\ninput = "x"', 1, 1, "sound must be a map, not an array"),
    "a blend of texts": ('[presets.a]\nprompts = ["ink"]', 2, 1, "prompts.0 must be a map, not a string"),
    "a blend without weight": ("presets.a.prompts = [{text = 'x'}]", 1, 1, "prompts.0.weight is missing"),
    "a mask of texts": ('[presets.a]\nmask_ids = [1, "2"]', 2, 1, "mask_ids.1 must be an integer, not a string"),
    "no number": ("[presets.a]\nstrength = nan", 2, 1, "strength must be finite, not nan"),
    "no end": ("[presets.a]\ntransition = inf", 2, 1, "transition must be finite, not inf"),
    "a fade without end": (A.replace("}]", ", fade = inf }]"), 2, 24, "fade must be finite, not inf"),
    "too large a float": ("[presets.a]\nstrength = 1e400", 2, 1, "strength must be finite, not inf"),
    "beyond the range": ("[presets.a]\nstrength = 1.01", 2, 1, "strength must be 0 to 1, not 1.01"),
    "below the range": ("[presets.a]\nsteps = 0", 2, 1, "steps must be 1 to 4, not 0"),
    "too long a fade": (A.replace("}]", ", fade = 86401 }]"), 2, 24, "fade must be 0 to 86400, not 86401"),
    "a follow in the past": (A.replace("}]", ", follow = -1 }]"), 2, 24, "follow must be 0 to 86400, not -1"),
    "no such controller": ('[[midi]]\ncontrol = 128\naction = "go"', 2, 1, "control must be 0 to 127, not 128"),
    "no such channel": ('[[midi]]\nnote = 1\nchannel = 0\naction = "go"', 3, 1, "channel must be 1 to 16, not 0"),
    "a range beyond": (
        '[[midi]]\nnote = 1\nparameter = "transition"\nrange = [0, 61]',
        4,
        1,
        "range must be 0 to 60, not 61.0",
    ),
    "a range of three": (
        '[[midi]]\nnote = 1\nparameter = "seed"\nrange = [0, 1, 2]',
        4,
        1,
        "range must have 2 items, not 3",
    ),
    "a range that is no number": (
        '[[midi]]\nnote = 1\nparameter = "seed"\nrange = [0, nan]',
        4,
        1,
        "range.1 must be finite, not nan",
    ),
    "too long a prompt": ("[presets.a]\nprompt = '" + "x" * 1001 + "'", 2, 1, "at most 1000 characters, not 1001"),
    "too long a preset's name": ("[presets." + "x" * 201 + "]", 1, 1, "must have at most 200 characters, not 201"),
    "too long a cue's number": (A.replace("}]", f', number = "{41 * "1"}" }}]'), 2, 24, "1 to 40 characters"),
    "no cue's number": (A.replace("}]", ', number = "" }]'), 2, 24, "number must have 1 to 40 characters"),
    "a truth for a cue's number": (A.replace("}]", ", number = true }]"), 2, 24, "number must be a number or a text"),
    "too many cues": ("cues = [" + "{}," * 1025 + "]", 1, 1, "cues must have at most 1024 items, not 1025"),
    "a cue of no preset": ('[presets.a]\n\n[[cues]]\nname = "x"', 3, 1, "preset is missing"),
    "sound of no input": ("[sound]\ngain = 1", 1, 1, "input is missing"),
    "a route of no feature": ('[sound]\ninput = "x"\n[[sound.routes]]\nparameter = "seed"', 3, 1, "feature is missing"),
    "a cue's number twice": (
        A.replace("cues =", "# cues =") + "[[cues]]\npreset = 'a'\nnumber = 2\n[[cues]]\npreset = 'a'",
        6,
        1,
        "two cues have the number 2",
    ),
    "a cue's number twice, where it is said": (
        A.replace("}]", "}, {preset = 'a', number = 1}]"),
        2,
        40,
        "two cues have the number 1",
    ),
    "a cue's address twice": (
        A.replace("cues =", "# cues =") + 2 * '[[cues]]\npreset = "a"\nosc = "/go/a"\n',
        8,
        1,
        "two cues have the osc /go/a",
    ),
    "no stream's name": ("[presets.a.Wall]\nseed = 1", 1, 1, "'Wall' is no parameter, and no stream's name"),
    "too long a stream's name": ("[presets.a." + "w" * 65 + "]", 1, 1, "no stream's name: those have 1 to 64 of a-z"),
    "a stream's name in quotes": ('[presets.a."ä b"]\nseed = 1', 1, 1, "'ä b' is no parameter"),
    "no stream's name of a control": (
        '[[midi]]\nnote = 1\nstream = "a b"\nparameter = "seed"',
        3,
        1,
        "'a b' is no parameter, and no stream's name",
    ),
    "no control": ('[[midi]]\naction = "go"', 1, 1, "is one of control, note, program, pitchwheel"),
    "two controls": (
        '\n[[midi]]\nnote = 1\ncontrol = 2\naction = "go"',
        2,
        1,
        "the control that is moved is one of control, note, program, pitchwheel, not control and note",
    ),
    "no effect": ("[[midi]]\nnote = 1", 1, 1, "what it does is one of parameter, action, cue, preset"),
    "two effects": (
        A + '[[midi]]\nnote = 1\naction = "go"\n[[midi]]\nnote = 2\ncue = 1\npreset = "a"',
        6,
        1,
        "what it does is one of parameter, action, cue, preset, not cue and preset",
    ),
    "a text that a fader moves": (
        '[[midi]]\nnote = 1\nparameter = "prompt"',
        3,
        1,
        "prompt is no number that something",
    ),
    "a text that sound moves": (
        '[sound]\ninput = "x"\n[[sound.routes]]\nfeature = "low"\nparameter = "prompts"',
        5,
        1,
        "prompts is no number that something could move",
    ),
    "no values": (
        '[sound]\ninput = "x"\n[[sound.routes]]\nfeature = "low"\nparameter = "prompt"\nvalues = []',
        6,
        1,
        "values needs one at least",
    ),
    "wrong values": (
        '[sound]\ninput = "x"\n[[sound.routes]]\nfeature = "low"\nparameter = "seed"\nvalues = [1, -1]',
        6,
        1,
        "values must be 0 to 2147483647, not -1",
    ),
    "too much gain": ('[sound]\ninput = "x"\ngain = 1001', 3, 1, "gain must be 0 to 1000, not 1001"),
    "behind texts that look like keys": (
        '[presets.a]\nprompt = """\n[[cues]]\nseed = 1 # no \\"""\n"""\nseed = -1',
        6,
        1,
        "seed must be 0",
    ),
    "behind texts of apostrophes": (
        "[presets.a]\nprompt = '''\nseed = 1\n[x]\n''''\nseed = -1",
        6,
        1,
        "seed must be 0",
    ),
    "behind quotes in a comment": ("loop = true # \"\"\"\n# ''' [a\n[presets.a]\nseed = -1", 4, 1, "seed must be 0"),
    "behind quotes in a text": (
        "name = '\"\"\" ['\n[presets.a]\nprompt = \"''' {\"\nseed = -1",
        4,
        1,
        "seed must be 0",
    ),
    "behind an array": (
        "[presets.a]\nmask_ids = [\n  1, # ]\n  [2],\n]\nseed = 1",
        2,
        1,
        "mask_ids.1 must be an integer",
    ),
    "behind arrays that look like tables": (
        '[sound]\ninput = "x"\n[[sound.routes]]\nfeature = "low"\nparameter = "mask_ids"\n'
        "values = [\n  [1],\n[2]\n]\nrelease = -1",
        10,
        1,
        "release must be 0 to 60, not -1",
    ),
    "in an inline table in an array": (
        'presets.a = {}\ncues = [\n  {preset = "a"},\n\t{preset = "a", fade = -1},\n]',
        4,
        17,
        "fade must be 0",
    ),
    "in a nested inline table": ("presets = {a = {wall = {seed = -1}}}", 1, 25, "seed must be 0"),
    "in an inline table with dots": ("presets = {a.wall.seed = -1}", 1, 12, "seed must be 0"),
    "with dotted keys": ("presets.a.wall.seed = -1", 1, 1, "seed must be 0"),
    "with dotted keys in a table": ("[presets]\na . prompt = 'x'\na.wall . seed = -1", 3, 1, "seed must be 0"),
    "with a quoted key that has dots": ('[presets."a.b]"]\n"seed" = -1', 2, 1, "seed must be 0"),
    "with a quoted key of apostrophes": ("[presets.'#'.wall]\n'seed' = -1", 2, 1, "seed must be 0"),
    "behind an escaped quote in a key": ('[presets."\\"]"]\nseed = -1', 2, 1, "seed must be 0"),
    "behind tabs": ("[presets.a]\n\t \tseed\t=\t-1", 2, 4, "seed must be 0"),
    "with a header that is moved in": ("\t[ presets . a ]\n\t\tseed = -1", 2, 3, "seed must be 0"),
    "on Windows": ("\r\n[presets.a]\r\n# ä\r\nseed = -1\r\n", 4, 1, "seed must be 0"),
    "behind a line separator": ("# a\u2028b\x85c\n[presets.a]\nprompt = 'a\u2029b'\nseed = -1", 4, 1, "seed must be 0"),
    "in the second of two": (
        '[presets.a]\n[[cues]]\npreset = "a"\n[presets.b]\n[[cues]]\npreset = "b"\nfade = -1',
        7,
        1,
        "fade must",
    ),
    "in a table that is split": ("[presets.a.wall]\nseed = 1\n[presets.a]\nsteps = 9", 4, 1, "steps must be 1 to 4"),
}


@pytest.mark.parametrize(("text", "line", "column", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake(text: str, line: int, column: int, words: str) -> None:
    problem = mistake(text)
    assert problem.startswith(f"show.toml, line {line}, column {column}: ")
    assert words in problem
    assert len(problem) < 400


@pytest.mark.parametrize("text", ['name = "x', "[presets.a]\nprompt = '''\nx\n", "cues = [1,"])
def test_a_mistake_at_the_end(text: str) -> None:
    assert mistake(text).startswith("show.toml, at its end: ")


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_stream_may_not_have_a_name_of_the_daemons_own(name: str) -> None:
    assert f"'{name}' is no parameter, and no stream's name" in mistake(f"[presets.a.{name}]\nseed = 1")


@pytest.mark.parametrize(
    "address", ["", "go", "show/go", "/a b", "/a*", "/#a", "/a?", "/a,b", "/[a]", "/{a}", "/a\\n", "/" + "a" * 200]
)
def test_no_address_of_osc(address: str) -> None:
    assert mistake(A.replace("}]", f', osc = "{address}" }}]')).startswith("show.toml, line 2, column 24: osc must ")


def test_the_error_is_one_of_the_runtimes() -> None:
    assert issubclass(ShowFileError, MirageRuntimeError)


TOO_MUCH = {
    "nested": "a = " + "[" * 5000 + "]" * 5000,
    "digits": "a = " + "1" * 5000,
    "a cue's number": "presets.a = {}\n[[cues]]\npreset = 'a'\nnumber = 1" + "0" * 400,
    "a range": "[[midi]]\nnote = 1\nparameter = 'seed'\nrange = [0, 1" + "0" * 400 + "]",
    "the digits of a fade": "presets.a = {}\n[[cues]]\npreset = 'a'\nfade = 1" + "0" * 400,
}


@pytest.mark.parametrize("text", TOO_MUCH.values(), ids=TOO_MUCH)
def test_too_much_of_anything_is_a_mistake_too(text: str) -> None:
    mistake(text)


def test_a_pitch_wheel_that_is_not_moved_is_no_control() -> None:
    mistake('[[midi]]\npitchwheel = false\naction = "go"')


KEYWORDS = ["presets", "cues", "midi", "sound", "routes", "a", "main", "prompt", "seed", "number", "preset", "fade"]
MARKS = ["[", "]", "[[", "]]", "{", "}", "=", ".", ",", "#", '"', "'", '"""', "'''", "\\", "\n", "\r\n", "\t", " "]
WORDS = st.sampled_from([*KEYWORDS, *MARKS, "osc", "true", "-1", "0.5", "nan", "1e999", "1979-05-27", "0x1"])
PLACES = st.integers(0, len(WHOLE))
SPOILT = st.builds(lambda start, end, word: WHOLE[:start] + word + WHOLE[end:], PLACES, PLACES, WORDS)


@unhurried
@given(st.one_of(st.text(max_size=60), st.lists(WORDS, max_size=40).map("".join), SPOILT))
@example(WHOLE)
def test_any_text_reads_or_says_why_not(text: str) -> None:
    with contextlib.suppress(ShowFileError):
        assert isinstance(read(text, "show.toml"), Show)
        return
    assert mistake(text).startswith("show.toml, ")


KEYS = st.one_of(st.sampled_from(["a", "b", "1", "a.b", "[c]", '"', "'", "#", "ä =", "\t", ""]), st.text(max_size=3))
LEAVES = st.one_of(
    st.integers(-9, 9), st.booleans(), st.sampled_from(['"x = 1"', '"""\nx = 1\n[y]\n"""', "'''[[a]]\n'''", "'#'"])
)


def quoted(key: str) -> str:
    escaped = "".join(f"\\U{ord(character):08x}" if not character.isalnum() else character for character in key)
    return f'"{escaped}"'


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)} = {written(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[ # [\n" + "".join(f"{written(inner)}\n, # ,\n" for inner in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


KEYS = KEYS.filter(lambda key: not any("\ud800" <= character <= "\udfff" for character in key))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3))


@unhurried
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_key_of_any_file_is_found_where_it_stands(first: dict[str, object], second: dict[str, object]) -> None:
    text = "".join(f" {quoted(key)} = {written(value)} # = [\n\n" for key, value in first.items())
    text += "".join(f"[[{quoted('t')}]] # x\n{written_lines(second)}" for _ in range(2)) if "t" not in first else ""
    data = tomllib.loads(text)
    found = positions(text)
    for path in paths(data):
        assert path in found
        line, column = found[path]
        said = text.split("\n")[line - 1][column - 1 :]
        assert said.startswith((quoted(str(path[-1])), "[[", "[ #", "{", '"', "'", "-", "t", "f", *"0123456789"))
        if isinstance(path[-1], str) and path != ("t",):
            assert said.startswith(quoted(path[-1]) + " =")


def written_lines(table: dict[str, object]) -> str:
    return "".join(f"{quoted(key)} = {written(value)}\n" for key, value in table.items())


def paths(value: object, around: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = list(value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ())
    return [path for key, each in inner for path in ((*around, key), *paths(each, (*around, key)))]


def test_statements_say_where_everything_begins_and_ends() -> None:
    text = textwrap.dedent(
        """\
        # above
          [presets . "a.b"] # beside
        prompt = '''
        x''' # behind
        wall.seed = 1\t
        mask_ids = [1,
          2] # end"""
    )
    header, prompt, seed, ids = statements(text)
    assert [each.path[2:] for each in (header, prompt, seed, ids)] == [(), ("prompt",), ("wall", "seed"), ("mask_ids",)]
    assert header.path == ("presets", "a.b")
    assert [text[each.first : each.stop] for each in (header, prompt, seed, ids)] == [
        '[presets . "a.b"]',
        "prompt = '''\nx'''",
        "wall.seed = 1",
        "mask_ids = [1,\n  2]",
    ]
    assert [text[each.value : each.stop] for each in (prompt, seed, ids)] == ["'''\nx'''", "1", "[1,\n  2]"]
    assert [text[each.start : each.end].count("\n") for each in (header, prompt, seed, ids)] == [1, 2, 1, 1]
    assert [text[each.first : each.stop] for each in inside(text, ids)] == ["1", "2"]
    assert inside(text, seed) == inside(text, header) == []


def test_what_is_not_known_stands_where_the_innermost_around_it_does() -> None:
    found = positions("\n[[cues]]\n")
    assert position(found, ("cues", 0, "number")) == (2, 1)
    assert position(found, ("midi", 0)) == (1, 1)
