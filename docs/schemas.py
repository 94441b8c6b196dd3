"""Makes JSON schemas from the classes that read and write the data: manifests and the history.

`python docs/generate.py` writes them; the other schemas in this folder are written by hand. Editors
and SchemaStore read draft-07, so these use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from harness.comparison.result import PortResult
from harness.ports.manifest import Manifest
from harness.rules import RULES
from harness.rules.finding import Verdict
from harness.sweep.manifest import Sweep

DOCS = Path(__file__).resolve().parent
ADDRESS = "https://raw.githubusercontent.com/OWNER/REPOSITORY/main/docs/"
"""Where the schemas can be read from; the placeholders are replaced before a release."""
DRAFT = "http://json-schema.org/draft-07/schema#"
VERDICTS = [*map(str, Verdict), "error"]


def ports(about: Mapping[str, str]) -> dict[str, Any]:
    """Returns the schema of `ports.toml`; `about` describes the keys of an entry."""
    made = _each(_each(Manifest.model_json_schema(), _draft_07), _without_null)
    entry = made["definitions"]["Port"]
    entry["description"] = "A port and the policy that it must satisfy."
    for name, key in entry["properties"].items():
        key["description"] = about[name]
    # An installed package may add rules, so that any text is valid; editors offer those of ours.
    names = {"anyOf": [{"enum": list(RULES)}, {"type": "string", "minLength": 1}]}
    call = {"type": "object", "required": ["name"], "properties": {"name": names}}
    call["additionalProperties"] = {"type": ["number", "string", "boolean"]}
    entry["properties"]["rules"]["items"] = {"anyOf": [*names["anyOf"], call]}
    entry["if"] = {"required": ["allow"], "properties": {"allow": {"minItems": 1}}}
    entry["then"] = {"required": ["reason"], "properties": {"reason": {"pattern": r"\S"}}}
    return _headed(
        made,
        "ports.schema.json",
        "Ports of a model and what each must satisfy",
        "The manifest of the CCNet port harness, which `harness check` judges.",
    )


def sweep(about: Mapping[str, str], of_record: Mapping[str, str]) -> dict[str, Any]:
    """Returns the schema of `sweep.toml`; the arguments describe its keys and those of [record]."""
    made = _each(_each(Sweep.model_json_schema(), _draft_07), _without_null)
    for holder, texts in ((made, about), (made["definitions"]["Record"], of_record)):
        for name, key in holder["properties"].items():
            key["description"] = texts[name]
    made["definitions"]["Record"]["description"] = "The table [record]."
    return _headed(
        made,
        "sweep.schema.json",
        "Seeds, devices and configs of a training",
        "The sweep of the CCNet port harness, which `harness sweep` trains.",
    )


def history() -> dict[str, Any]:
    """Returns the schema of `harness history --json`."""
    result = _each(TypeAdapter(PortResult).json_schema(), _draft_07)
    result = _each(result, _without_default)
    definitions = result.pop("definitions")
    properties = result["properties"]
    for holder in (properties, definitions["RuleResult"]["properties"]):
        holder["verdict"] = {"enum": VERDICTS}
    stamp = {
        "when": {"type": "string", "description": "time of the check, ISO 8601 in UTC"},
        "commit": {"type": "string", "description": "the commit checked; empty if unknown"},
    }
    change = stamp | {"before": {"type": "number"}, "after": {"type": "number"}}
    for one in definitions.values():
        one["additionalProperties"] = False
    definitions["Run"] = _object(stamp | properties)
    definitions["Change"] = _object(change) | {
        "description": "the check from which on the relative difference has another mean"
    }
    count = {"type": "integer", "minimum": 0}
    definitions["Flaky"] = _object(
        {
            "commits": count | {"description": "commits that were checked"},
            "flaky": count | {"description": "those at which it was flaky"},
            "rate": {"type": "number", "minimum": 0, "maximum": 1, "description": "their share"},
        }
    )
    definitions["Port"] = _object(
        {
            "port": {"type": "string"},
            "flaky": {"$ref": "#/definitions/Flaky"},
            "runs": _list("Run"),
            "changes": _list("Change"),
        }
    )
    made = _object({"schema_version": {"const": 2}, "ports": _list("Port")})
    return _headed(
        made | {"definitions": definitions},
        "history.schema.json",
        "Results of ports over time",
        "Written by `harness history --json`. Differences are fractions. A change of meaning "
        "raises schema_version.",
    )


def write(made: Mapping[str, Any], folder: Path = DOCS) -> None:
    """Writes a schema beside this file, under the name in its address."""
    (folder / Path(made["$id"]).name).write_text(text_of(made), encoding="utf-8")


def text_of(made: Mapping[str, Any]) -> str:
    """Returns a schema as text."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _headed(made: dict[str, Any], name: str, title: str, description: str) -> dict[str, Any]:
    head = {"$schema": DRAFT, "$id": ADDRESS + name, "title": title, "description": description}
    return head | {key: value for key, value in made.items() if key not in head}


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": list(properties),
        "additionalProperties": False,
        "properties": dict(properties),
    }


def _list(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/definitions/{name}"}}


def _each(node: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Returns a schema with every object in it changed, the inner ones first."""
    if isinstance(node, list):
        return [_each(inner, change) for inner in node]
    if not isinstance(node, dict):
        return node
    return change({key: _each(value, change) for key, value in node.items()})


def _draft_07(node: dict[str, Any]) -> dict[str, Any]:
    """Returns an object of pydantic's schema in the words of draft-07, without its title."""
    made = {"definitions" if key == "$defs" else key: value for key, value in node.items()}
    if isinstance(made.get("title"), str):
        del made["title"]
    if "$ref" in made:
        made["$ref"] = made["$ref"].replace("#/$defs/", "#/definitions/")
    if made.get("type") == "object" and "minLength" in made:
        made["minProperties"] = made.pop("minLength")  # as for a list, below
    if made.get("type") == "array":
        if "prefixItems" in made:
            made["items"] = made.pop("prefixItems")
        if "minLength" in made:  # pydantic's word for a list behind a validator of ours
            made["minItems"] = made.pop("minLength")
    return made


def _without_null(node: dict[str, Any]) -> dict[str, Any]:
    """Returns an object without the choice of null: TOML has none, so the key is left out."""
    if "default" not in node or node["default"] is not None:
        return node
    rest = {key: value for key, value in node.items() if key not in {"default", "anyOf"}}
    kept = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
    return rest | (kept[0] if len(kept) == 1 else {"anyOf": kept})


def _without_default(node: dict[str, Any]) -> dict[str, Any]:
    """Returns an object without a default: every key is written."""
    return {key: value for key, value in node.items() if key != "default"}
