"""Settings in the texts of TensorBoard's event files: what `add_text("config", ...)` wrote.

model = dict(type='CCHead')                      (mmengine: the config as Python source)
{"learning_rate": 0.01, "seed": 3}               (Hugging Face: the arguments as JSON)
|param|value|                                    (a table)
Namespace(lr=0.01, seed=3)                       (`str(args)`)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harness.log.facts import FactValue
from harness.parse.blocks.arguments import Arguments, state
from harness.parse.blocks.config_block import config_facts, read_config
from harness.parse.collect import Collector
from harness.parse.jsonlike import loads
from harness.parse.line import Line

TAGS = frozenset(
    {"config", "cfg", "args", "arguments", "hparams", "hyperparameters", "params", "settings"}
)
"""Last words of the tags, in small letters, that programs give to the text of their settings."""
MAX_TEXT = 1 << 20
"""Characters beyond which a text is no list of settings."""

_ROW = re.compile(r"\|\s*(?P<name>[\w./-]{1,100})\s*\|(?P<value>[^|\n]{0,500})\|\s*", re.ASCII)
_HEADS = frozenset({"param", "parameter", "key", "name", "argument", "setting"})


def state_texts(texts: Mapping[str, str], into: Collector) -> None:
    """States the settings in the texts of a run, by their tags."""
    for tag, text in texts.items():
        if re.split(r"[/._ ]", tag.lower())[-1] in TAGS and len(text) <= MAX_TEXT:
            _state(text.strip(), into)


def _state(text: str, into: Collector) -> None:
    if text.startswith("{"):
        settings = _json(text)
        if settings is not None:
            for name, value in settings.items():
                if isinstance(value, str | int | float):
                    state(name, value, into)
            return
    rows = [row for row in map(_ROW.fullmatch, text.splitlines()) if row is not None]
    if rows:
        for row in rows:
            if row["name"].lower() not in _HEADS and row["name"].strip("-"):
                state(row["name"], row["value"].strip(), into)
        return
    facts = _python(text)
    for name, fact in facts.items():
        into.fact(name, fact)
    if not facts:
        Arguments().feed(Line.of(into.line, f"{text}\n"), into)


def _json(text: str) -> dict[str, Any] | None:
    """Returns the JSON object of a text; None if it is something else."""
    found = loads(text)
    return found if isinstance(found, dict) else None


def _python(text: str) -> dict[str, FactValue]:
    """The facts of a config in Python source; none if the text is something else."""
    try:
        return config_facts(read_config(text))
    except ValueError:
        return {}
