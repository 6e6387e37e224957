"""Write what the integrations know of the parameters, from the protocol's table: nothing is typed twice.

`python integrations/generate.py` writes the files, `--check` says which are not up to date and exits with 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mirage_protocol import PARAMETERS
from mirage_protocol.parameters import Parameter, ParameterValue

ROOT: Final = Path(__file__).parent
NOTICE: Final = "Generated from the protocol's parameter table by integrations/generate.py: do not edit."


def main() -> int:
    """Write every file, or only compare; return the exit code."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; 1 if a file is not up to date")
    check = arguments.parse_args().check
    stale = {
        path: text for path, text in files().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
        print(f"{path.relative_to(ROOT)} {'is not up to date' if check else 'written'}")
    return 1 if check and stale else 0


def files() -> Mapping[Path, str]:
    """Return every generated file and its text."""
    return {
        ROOT / "godot/addons/mirage/mirage_parameters.gd": godot(PARAMETERS),
        ROOT / "unity/com.mirage.lsd/Runtime/Core/Parameters.g.cs": unity(PARAMETERS),
        ROOT / "touchdesigner/mirage/parameters.py": touchdesigner(PARAMETERS),
    }


# ------------------------------------------------------------------------------------------------------- Godot

_GODOT_TYPES: Final = {
    "text": "String",
    "float": "float",
    "integer": "int",
    "integers": "PackedInt64Array",
    "blend": "Dictionary[String, float]",
}


def godot(parameters: Mapping[str, Parameter]) -> str:
    """Return the resource whose properties Godot's inspector shows."""
    lines = [
        "@tool",
        "class_name MirageParameters",
        'extends "parameter_set.gd"',
        "## The controls of a stream, as the inspector shows them. A change acts on the daemon at once.",
        "##",
        f"## {NOTICE}",
        "",
        "## Every parameter as the protocol declares it (SPEC.md section 6): its type, default and bounds.",
        "const TABLE: Dictionary[StringName, Dictionary] = {",
    ]
    for parameter in parameters.values():
        entries = {key: value for key, value in parameter.describe().items() if key not in ("name", "help")}
        lines.append(f'\t&"{parameter.name}": {_gdscript(entries)},')
    lines += ["}", ""]
    for parameter in parameters.values():
        lines += _godot_property(parameter)
    lines += ["", "func _table() -> Dictionary[StringName, Dictionary]:", "\treturn TABLE", ""]
    return "\n".join(lines)


def _godot_property(parameter: Parameter) -> list[str]:
    kind = _GODOT_TYPES[parameter.type]
    default = "{}" if parameter.type == "blend" else _gdscript(parameter.default)
    comment = [f"## {line}" for line in textwrap.wrap(parameter.help, 110)]
    return [
        *comment,
        f"{_godot_hint(parameter)}var {parameter.name}: {kind} = {default}:",
        "\tset(value):",
        f'\t\t{parameter.name} = _kept(&"{parameter.name}", value)',
        f'\t\t_tell(&"{parameter.name}")',
    ]


def _godot_hint(parameter: Parameter) -> str:
    if parameter.type == "text":
        return "@export_multiline "
    if parameter.type not in ("float", "integer"):
        return "@export "
    step = "1" if parameter.type == "integer" else "0.001"
    unit = f', "suffix:{parameter.unit}"' if parameter.unit else ""
    return f"@export_range({_gdscript(parameter.minimum)}, {_gdscript(parameter.maximum)}, {step}{unit}) "


def _gdscript(value: ParameterValue | Mapping[str, object] | None) -> str:
    """Return a value as GDScript writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}": {_gdscript(item)}' for key, item in value.items()) + "}"  # type: ignore[arg-type]
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


# ------------------------------------------------------------------------------------------------------- Unity

_UNITY_TYPES: Final = {
    "text": "string",
    "float": "float",
    "integer": "int",
    "integers": "long[]",
    "blend": "Dictionary<string, float>",
}


def unity(parameters: Mapping[str, Parameter]) -> str:
    """Return the class with what Unity's inspector and code need to know, as constants."""
    lines = [
        f"// {NOTICE}",
        "",
        "namespace Mirage",
        "{",
        "    /// <summary>Every parameter, as the protocol declares it (SPEC.md section 6).</summary>",
        "    public static partial class Parameters",
        "    {",
    ]
    for parameter in parameters.values():
        lines += _unity_constants(parameter)
    lines += ["        static readonly ParameterInfo[] Table =", "        {"]
    for parameter in parameters.values():
        lines += _unity_entry(parameter)
    return "\n".join([*lines, "        };", "    }", "}", ""])


def _unity_constants(parameter: Parameter) -> list[str]:
    name, kind = _pascal(parameter.name), _UNITY_TYPES[parameter.type]
    shown = f"<c>{parameter.name}</c>"
    known: list[tuple[str, str, str, object]] = [
        (name, "string", f"The name of {shown}. {parameter.help}", parameter.name),
        (f"{name}Help", "string", f"What {shown} does, in one line.", parameter.help),
    ]
    if isinstance(parameter.default, str | int | float):
        known.append((f"{name}Default", kind, f"What {shown} is until it is set.", parameter.default))
    unit = f", in {parameter.unit}" if parameter.unit else ""
    part = {"blend": "a weight of", "integers": "a number of"}.get(parameter.type, "the value of")
    number = {"blend": "float", "integers": "long"}.get(parameter.type, kind)
    for bound, word, end in (("Minimum", "least", parameter.minimum), ("Maximum", "most", parameter.maximum)):
        if end is not None:
            known.append((f"{name}{bound}", number, f"The {word} that {part} {shown} may be{unit}.", end))
    if parameter.max_length is not None:
        text = "a text of" if parameter.type == "blend" else "the text of"
        known.append((f"{name}Length", "int", f"Characters that {text} {shown} may have.", parameter.max_length))
    if parameter.max_items is not None:
        known.append((f"{name}Items", "int", f"How many {shown} may have.", parameter.max_items))
    lines = []
    for constant, type_, summary, value in known:
        lines.append(f"        /// <summary>{_xml(summary)}</summary>")
        lines.append(f"        public const {type_} {constant} = {_csharp(value, type_)};")
        lines.append("")
    return lines


def _unity_entry(parameter: Parameter) -> list[str]:
    name = _pascal(parameter.name)
    default = f"{name}Default" if isinstance(parameter.default, str | int | float) else "null"
    fields = [f"Default = {'(long)' if parameter.type == 'integer' else ''}{default}"]
    if parameter.minimum is not None and parameter.maximum is not None:
        fields.append(f"Minimum = {name}Minimum, Maximum = {name}Maximum")
    fields += [f"MaxLength = {name}Length"] if parameter.max_length is not None else []
    fields += [f"MaxItems = {name}Items"] if parameter.max_items is not None else []
    fields += [f"Unit = {_csharp(parameter.unit, 'string')}"] if parameter.unit else []
    fields += ["Clip = true"] if parameter.clip else []
    return [
        f"            new ParameterInfo({name}, ParameterType.{_pascal(parameter.type)}, {name}Help)",
        f"            {{ {', '.join(fields)} }},",
    ]


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _csharp(value: object, type_: str) -> str:
    """Return a value as C# writes a constant of a type."""
    if type_ == "string":
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert isinstance(value, int | float)
    return f"{value:g}f" if type_ == "float" else f"{int(value)}{'L' if type_ == 'long' else ''}"


def _xml(text: str) -> str:
    return text.replace("&", "&amp;")


# ----------------------------------------------------------------------------------------------- TouchDesigner

_TOUCHDESIGNER_STYLES: Final = {"text": "Str", "float": "Float", "integer": "Int", "integers": "Str"}


def touchdesigner(parameters: Mapping[str, Parameter]) -> str:
    """Return the table of custom parameters that the component has for those of a stream."""
    lines = [
        '"""The stream\'s parameters as the component has them.',
        "",
        NOTICE,
        "`pages.py` says what the fields mean; besides, ``parameter`` and ``type`` are the protocol's, and each of a",
        "blend's many parameters is one ``part`` of its item ``index``.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping",
        "from typing import Any, Final",
        "",
        "PARAMETERS: Final[tuple[Mapping[str, Any], ...]] = (",
    ]
    for parameter in parameters.values():
        for row in _touchdesigner_rows(parameter):
            lines.append("    {")
            lines += [
                f'        "{key}": {_python(value, len(key) + 13)},' for key, value in row.items() if value is not None
            ]
            lines.append("    },")
    return "\n".join([*lines, ")", ""])


def _touchdesigner_rows(parameter: Parameter) -> list[dict[str, object]]:
    if parameter.type == "blend":
        parts = (("text", "Str"), ("weight", "Float"))
        numbers = range(parameter.max_items or 0)
        return [_touchdesigner_part(parameter, number, *part) for number in numbers for part in parts]
    style = _TOUCHDESIGNER_STYLES[parameter.type]
    is_number = parameter.type in ("float", "integer")
    default = ", ".join(map(str, parameter.default)) if isinstance(parameter.default, list) else parameter.default
    return [
        {
            "name": parameter.name.replace("_", "").capitalize(),
            "parameter": parameter.name,
            "type": parameter.type,
            "style": style,
            "page": "Stream",
            "label": parameter.name.replace("_", " ").title() + (f" ({parameter.unit})" if parameter.unit else ""),
            "default": default,
            "minimum": parameter.minimum if is_number else None,
            "maximum": parameter.maximum if is_number else None,
            "help": parameter.help,
        }
    ]


def _touchdesigner_part(parameter: Parameter, index: int, part: str, style: str) -> dict[str, object]:
    """Return one of a blend's many parameters; a weight's slider goes to 1, its field to the maximum."""
    is_weight = part == "weight"
    return {
        "name": f"{parameter.name.replace('_', '').capitalize()}{index + 1}{part}",
        "parameter": parameter.name,
        "type": parameter.type,
        "index": index,
        "part": part,
        "style": style,
        "page": parameter.name.replace("_", " ").title(),
        "label": f"{part.capitalize()} {index + 1}",
        "default": 1.0 if is_weight else "",
        "minimum": parameter.minimum if is_weight else None,
        "maximum": parameter.maximum if is_weight else None,
        "slider_max": 1.0 if is_weight else None,
        "help": parameter.help,
    }


def _python(value: object, beside: int) -> str:
    """Return a value as the formatter writes it, where ``beside`` other characters are on its line."""
    if not isinstance(value, str):
        return repr(value)
    quoted = json.dumps(value, ensure_ascii=False)
    if len(quoted) + beside <= 120:
        return quoted
    fits = len(quoted) <= 108
    parts = [value] if fits else textwrap.wrap(value, 100, drop_whitespace=False)
    lines = [json.dumps(part, ensure_ascii=False) for part in parts]
    return "\n".join(["(", *(f"            {line}" for line in lines), "        )"])


if __name__ == "__main__":
    sys.exit(main())
