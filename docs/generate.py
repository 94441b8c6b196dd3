"""Fills the reference pages in from the code: `python docs/generate.py`, and a hook of mkdocs.

A page asks for a part by `<!-- generated: NAME -->`; what it holds from there to `<!-- end -->` is
replaced. The parts are functions of the code alone. As a command it writes the pages of the
reference, which are committed for those who read them as files; a test holds them to the code. As a
hook it fills in every page of the site, and leaves the Python names to mkdocstrings.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import published_table
import schemas
import typer.main

import harness
from harness.cli.main import app
from harness.log import facts
from harness.parse import FORMATS
from harness.parse.formats.pattern import Pattern
from harness.parse.formats.tcappdll_json import TcappdllJson
from harness.parse.formats.tensorboard import TensorBoard
from harness.parse.sets import EITHER, TEST, VALIDATION
from harness.ports.manifest import Port
from harness.rules import PRESETS, RULES, default_parameters
from harness.sweep.manifest import Record, Sweep
from harness.system.plugins import InstalledFormat, installed_formats

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
SCHEMA = ROOT / "docs" / "comparison.schema.json"
LOCATED = ROOT / "docs" / "locate.schema.json"
GATE = ROOT / "docs" / "gate.schema.json"
PARSED = ROOT / "docs" / "parse.schema.json"
HISTORY = ROOT / "docs" / "history.schema.json"
ASKED = re.compile(r"<!-- generated: (?P<name>[\w-]+) -->.*?<!-- end -->", re.DOTALL)
TYPES = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def on_page_markdown(markdown: str, **_: object) -> str:
    """The page with its parts filled in, installed formats too; an unknown part is an error."""
    parts = {**PARTS, "formats": lambda: formats(installed_formats())}
    return ASKED.sub(lambda asked: parts[asked["name"]](), markdown)


def written(markdown: str) -> str:
    """A page of the reference as it is committed."""

    def part(asked: re.Match[str]) -> str:
        name = asked["name"]
        text = {**PARTS, "python": python_text}[name]().strip()
        return f"<!-- generated: {name} -->\n{text}\n<!-- end -->"

    return ASKED.sub(part, markdown)


def main() -> None:
    """Writes the schemas, and every page of the reference that the code has outgrown."""
    for schema in every_schema():
        schemas.write(schema)
    for path in sorted(REFERENCE.glob("*.md")):
        before = path.read_text(encoding="utf-8")
        after = written(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)}\n")


def every_schema() -> tuple[dict[str, Any], ...]:
    """The schemas that are made from the code."""
    port = key_texts(Port)
    sweep = schemas.sweep(key_texts(Sweep), key_texts(Record), port)
    return schemas.ports(port), sweep, schemas.history()


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table; bars and line ends inside a cell are escaped."""
    lines = [head, ("---",) * len(head), *rows]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def code(text: object) -> str:
    """Text as code in a table's cell."""
    return f"`{text}`" if str(text) else ""


def summary(thing: Any) -> tuple[str, str]:
    """First sentence and the rest of a docstring, its lines joined."""
    first, _, rest = (inspect.getdoc(thing) or "").partition("\n\n")
    return " ".join(first.split()), rest


# The command line


def commands(
    command: Any = None, words: tuple[str, ...] = ("harness",)
) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with the words that call it."""
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield " ".join(words), command
        return
    for name, one in sorted(command.commands.items()):
        yield from commands(one, (*words, name))


def command_line() -> str:
    """A section for every command: what it does, how it is called, its options."""
    return "\n".join(section(words, command) for words, command in commands())


def section(words: str, command: Any) -> str:
    """The section of one command."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    usage = " ".join([words, "[OPTIONS]", *map(argument_name, arguments)])
    rows = [(code(argument_name(p)), p.help or "", default(p)) for p in arguments]
    rows += [(option_name(p), option_help(p), default(p)) for p in options]
    about = re.sub(
        r"Example: (harness .*)$", r"Example: `\1`", inspect.cleandoc(command.help or "")
    )
    return f"## {words}\n\n{about}\n\n```text\n{usage}\n```\n\n" + table(
        ("argument or option", "what it is", "default"), rows
    )


def argument_name(parameter: Any) -> str:
    """An argument as a usage line has it."""
    name = (parameter.metavar or parameter.name).upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def option_name(parameter: Any) -> str:
    """An option with what it takes."""
    takes = parameter.metavar or ("" if parameter.is_flag else "TEXT")
    if parameter.metavar is None and isinstance(parameter.default, int) and not parameter.is_flag:
        takes = "N"
    if parameter.name == "last":
        takes = "N"
    return code(", ".join(parameter.opts) + (f" {takes}" if takes else ""))


def option_help(parameter: Any) -> str:
    """What an option is, with what a table could not say otherwise."""
    text = parameter.help or ""
    if parameter.multiple:
        text += " May be repeated."
    if parameter.envvar:
        text += f" Also from the environment: `{parameter.envvar}`."
    return text


def default(parameter: Any) -> str:
    """The default in words."""
    if parameter.required:
        return "required"
    return "" if parameter.default in (None, "", False) else code(parameter.default)


# Rules, formats, facts, the manifest, Python, JSON


def rules() -> str:
    """Every rule with its parameters, their defaults, and the names that stand for values."""
    rows = []
    for name in RULES:
        parameters = default_parameters(name)
        rows += [(code(name), code(k), number(v), presets(name, k)) for k, v in parameters.items()]
        rows += [] if parameters else [(code(name), "none", "", "")]
    return table(("rule", "parameter", "default", "by name"), rows)


def number(value: float) -> str:
    """A number as one writes it."""
    if isinstance(value, int):
        return f"{value:,}"
    return "no limit" if math.isinf(value) else f"{value:g}"


def presets(rule: str, parameter: str) -> str:
    """The names that stand for values of a parameter."""
    return ", ".join(f"`{k}` {v:g}" for k, v in PRESETS.get((rule, parameter), {}).items())


def formats(installed: Sequence[InstalledFormat] = ()) -> str:
    """A section for every log format: what it is, how it is read, and lines of it."""
    kinds = (*FORMATS, TensorBoard, Pattern, *(more.kind for more in installed))
    return "\n".join(format_section(kind) for kind in kinds)


def format_section(reader: Any) -> str:
    """The section of one format, from the docstrings of its module and class."""
    about, lines = summary(importlib.import_module(reader.__module__))
    first, rest = summary(reader)
    more = f"More of its lines:\n\n```text\n{lines}\n```\n" if "\n" in lines.strip() else ""
    name = f"{reader.name} with JSON" if reader is TcappdllJson else reader.name
    return f"## {name}\n\n{about}\n\n{first}\n\n{rest}\n\n```text\n{reader.example}\n```\n\n{more}"


def fact_tables() -> str:
    """The facts that must match and those that may differ."""
    parts = (
        (
            "Facts that must match",
            facts.MUST_MATCH,
            "Two sides that differ in one of these are two experiments. The fingerprints of a "
            "start are numbers that agree to 0.001 if the arrays behind them are equal.",
        ),
        ("Facts that may differ", facts.MAY_DIFFER, "What a port changes, or a repetition."),
    )
    return "\n".join(
        f"## {title}\n\n{about}\n\n"
        + table(("fact", "what it is"), [(code(name), text) for name, text in known.items()])
        for title, known, about in parts
    )


def manifest_keys(model: Any = Port) -> str:
    """The keys of an entry of ports.toml, or of another table."""
    about = key_texts(model)
    rows = [
        (code(name), kind(field.annotation), key_default(field), about[name])
        for name, field in model.model_fields.items()
    ]
    return table(("key", "value", "default", "what it is"), rows)


def sweep_keys() -> str:
    """The keys of sweep.toml and of its table [record]."""
    return f"{manifest_keys(Sweep)}\n## The table [record]\n\n{manifest_keys(Record)}"


def key_texts(model: Any) -> dict[str, str]:
    """What the docstring of a model says of each key."""
    listed = (inspect.getdoc(model) or "").partition("Attributes:\n")[2]
    found = re.findall(r"^    (\w+): (.*(?:\n     .*)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def kind(annotation: Any) -> str:
    """A type in words."""
    inner = get_args(annotation)
    if getattr(annotation, "__metadata__", None):
        return kind(inner[0])
    if get_origin(annotation) in {UnionType, Union}:
        return " or ".join(dict.fromkeys(kind(one) for one in inner if one is not NoneType))
    if get_origin(annotation) is dict or annotation is Record:
        return "table"
    return TYPES.get(annotation, "list")


def key_default(field: Any) -> str:
    """The default of a key as TOML has it."""
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return ""
    value = list(field.default) if isinstance(field.default, tuple) else field.default
    return "" if value is None or value in ("", []) else code(json.dumps(value))


def python_names() -> str:
    """A section for every public name, for mkdocstrings to fill in."""
    names = [f"{getattr(harness, name).__module__}.{name}" for name in sorted(harness.__all__)]
    return "\n".join(f"::: {name}\n" for name in names)


def python_text() -> str:
    """A section for every public name: its signature and what its docstring says."""
    return "\n\n".join(python_section(name) for name in sorted(harness.__all__))


def python_section(name: str) -> str:
    """The section of one public name, with the public methods of a class."""
    thing = getattr(harness, name)
    lines = [f"## {name}", f"```python\n{signature(name, thing)}\n```", docstring(thing)]
    if inspect.isclass(thing):
        for method, function in vars(thing).items():
            one = function.__func__ if isinstance(function, classmethod) else function
            if method.startswith("_") or not (inspect.isfunction(one) or isinstance(one, property)):
                continue
            head = method if isinstance(one, property) else signature(method, one)
            head = head.replace("(self, ", "(").replace("(self)", "()")
            about = " ".join(docstring(one).partition("\n\n")[0].split())
            lines.append(f"- `{head}`: {about}")
    return "\n\n".join(lines)


def signature(name: str, thing: Any) -> str:
    """A name with its parameters, alike in every Python; a default that is no plain value is `...`.

    An enumeration has none.
    """
    if inspect.isclass(thing) and issubclass(thing, Enum):
        return " | ".join(f"{name}.{one.name}" for one in thing)
    parts, keywords = [], False
    for one in inspect.signature(thing).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not keywords:
            keywords = True
            parts.append("*")
        text = one.name if one.annotation is one.empty else f"{one.name}: {one.annotation}"
        if one.default is not one.empty:
            plain = one.default is None or isinstance(one.default, (str, int, float))
            text += f" = {one.default!r}" if plain else " = ..."
        parts.append(text)
    return f"{name}({', '.join(parts)})"


def docstring(thing: Any) -> str:
    """A docstring; its headings in bold, and its tree and examples as code."""
    text = inspect.getdoc(thing) or ""
    return re.sub(r"^(Args|Attributes|Raises|Returns):$", r"**\1**\n", text, flags=re.MULTILINE)


def schema_keys(path: Path, of: str = "") -> str:
    """The keys of a JSON document, nested ones with dots; or those of a definition."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    whole = schema["definitions"][of] if of else schema
    rows = [(code(path), text) for path, text in walk(whole, schema, "")]
    return table(("key", "value"), rows)


def walk(node: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """The keys below a node, in order, each with what it holds."""
    for name, child in node.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        child = resolved(child, schema)  # noqa: PLW2901  (the same child, looked up)
        item = resolved(child.get("items", {}), schema)
        if "properties" in item:
            below, child = f"{below}[]", item  # noqa: PLW2901
        yield below, holds(child)
        yield from walk(child, schema, below)


def resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The definition that a node refers to, or itself."""
    home, _, name = node.get("$ref", "").removeprefix("#/").partition("/")
    return {**schema[home][name], **node} if name else node


def holds(node: dict[str, Any]) -> str:
    """What a node holds, in words."""
    if "enum" in node:
        text = "one of " + ", ".join(code(value) for value in node["enum"])
    elif "const" in node:
        text = f"always {code(node['const'])}"
    else:
        kinds = node.get("type") or "string, number, boolean, null or a list of them"
        text = kinds if isinstance(kinds, str) else " or ".join(kinds)
    return text + (f": {node['description']}" if "description" in node else "")


def quoted(path: str, language: str = "yaml") -> str:
    """A file of the repository as a block of code."""
    return f"```{language}\n{(ROOT / path).read_text(encoding='utf-8')}```\n"


def inputs_of(path: str) -> str:
    """A table of the inputs of the action or the component in a file."""
    import yaml  # noqa: PLC0415  (mkdocs and the tests have it; the committed reference needs none)

    head = next(yaml.safe_load_all((ROOT / path).read_text(encoding="utf-8")))
    rows = [
        (code(name), one["description"], code(json.dumps(one["default"]).strip('"')))
        for name, one in head.get("spec", head)["inputs"].items()
    ]
    return table(("input", "what it is", "default"), rows)


def changelog() -> str:
    """CHANGELOG.md without its title."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").partition("\n")[2]


def published() -> str:
    """A section for every file of published results."""
    return "\n".join(
        f"## {heading}\n\n{table(head, rows)}"
        for heading, head, rows in published_table.tables(ROOT / "baselines")
    )


def evaluations() -> str:
    """A table of the words that make a line, a column or a row one of an evaluation."""
    kinds = [
        ("a validation", VALIDATION, "`val.loss`, `val.acc`"),
        ("a test", TEST, "`val.test_loss`, `val.test_acc` in a log that has a validation as well"),
        ("an evaluation of either", EITHER, "as a validation"),
    ]
    rows = [(what, ", ".join(map(code, sorted(words))), names) for what, words, names in kinds]
    return table(("line of", "words", "series"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "action": lambda: inputs_of("action.yml"),
    "changelog": changelog,
    "command-line": command_line,
    "component": lambda: inputs_of("templates/check.yml"),
    "dask": lambda: quoted("examples/clusters/on_dask.py", "python"),
    "evaluations": evaluations,
    "facts": fact_tables,
    "formats": formats,
    "github": lambda: quoted("examples/ci/github.yml"),
    "github-comment": lambda: quoted("examples/ci/github-comment.yml"),
    "github-history": lambda: quoted("examples/ci/github-history.yml"),
    "github-shards": lambda: quoted("examples/ci/github-shards.yml"),
    "gitlab": lambda: quoted("examples/ci/gitlab-ci.yml"),
    "gitlab-component": lambda: quoted("examples/ci/gitlab-component.yml"),
    "json": lambda: schema_keys(SCHEMA),
    "json-located": lambda: schema_keys(LOCATED),
    "json-gate": lambda: schema_keys(GATE),
    "json-history": lambda: schema_keys(HISTORY),
    "json-parse": lambda: schema_keys(PARSED, "run"),
    "kubernetes": lambda: quoted("examples/clusters/kubernetes.yaml"),
    "manifest": manifest_keys,
    "sweep": sweep_keys,
    "published": published,
    "python": python_names,
    "ray": lambda: quoted("examples/clusters/on_ray.py", "python"),
    "rules": rules,
    "slurm": lambda: quoted("examples/clusters/slurm.sh", "bash"),
    "submitit": lambda: quoted("examples/clusters/on_submitit.py", "python"),
}


if __name__ == "__main__":
    main()
