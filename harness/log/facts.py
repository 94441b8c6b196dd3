"""What a log says about its run, and which of it two sides of a port must share.

A fact that must match decides the mathematics of the run: two runs that differ in it are two
experiments. A fact that may differ is what a port changes (device, backend, versions) or what a
repetition changes (seed, folders).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from harness.log.fact_table import TABLE
from harness.log.shown import printable

FactValue = str | int | float | bool

MAX_TEXT = 2000
"""Characters of a fact; of a longer one the start is kept, and a hash that tells it from others."""
MAX_NAME = 200
"""Characters of the name of a fact, likewise."""
MAX_BITS = 1 << 10
"""Bits of a whole number; a longer one is kept as its text in hexadecimal digits."""

CONFIG = "config."
"""Prefix of the facts that are single settings of a config block, `config.model.type`."""

MUST_MATCH: Mapping[str, str] = MappingProxyType(
    {fact.name: fact.meaning for fact in TABLE if fact.must_match}
)
MAY_DIFFER: Mapping[str, str] = MappingProxyType(
    {fact.name: fact.meaning for fact in TABLE if not fact.must_match}
)
FINGERPRINTS = frozenset(fact.name for fact in TABLE if fact.value == "fingerprint")
"""Facts that are compared as numbers; see `fingerprint.py`."""
OF_A_START = FINGERPRINTS | {"same_start", "perturbed"}
"""Facts that only a run from a given start states."""
OF_A_RESULT = frozenset({"train_split", "eval_split", "test_mode", "recurrence"})
"""Facts that only a published result states, and a candidate that is compared with it."""
FACTS: Mapping[str, str] = MappingProxyType({**MUST_MATCH, **MAY_DIFFER})
"""Facts with their meaning; `fact_table` holds them."""


def must_match(name: str) -> bool:
    """Whether two sides that differ in this fact are two experiments."""
    if name.startswith(CONFIG):
        return config_decides(name.removeprefix(CONFIG))
    return name in MUST_MATCH


_DECIDING = ("model.", "optim_wrapper.", "train_dataloader.", "train_cfg.", "log_processor.")
_HARMLESS = (
    "train_dataloader.num_workers",
    "train_dataloader.persistent_workers",
    "train_dataloader.pin_memory",
    "train_dataloader.prefetch_factor",
    "train_dataloader.dataset.data_root",
    "train_cfg.val_interval",
    "train_cfg.val_begin",
)


def config_decides(key: str) -> bool:
    """Whether a setting of the config block changes what is trained or how it is logged."""
    return key.startswith(_DECIDING) and not key.startswith(_HARMLESS)


def kept(value: FactValue) -> FactValue:
    r"""A fact as it is kept: one line of bounded length, without controls; a number that prints.

    >>> kept("SGD\x1b[2J"), kept(float("inf")), kept(0.5), kept(True)
    ('SGD\\x1b[2J', 'inf', 0.5, True)

    Raises:
        ValueError: something else than text, a number, true or false.
    """
    if isinstance(value, str):
        return short(printable(value), MAX_TEXT)
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_BITS else short(f"{value:#x}", MAX_TEXT)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    msg = f"a fact is text, a number, true or false, not {type(value).__name__}"
    raise ValueError(msg)


def short(text: str, length: int) -> str:
    """A text of this length at most; of a longer one the start, and what tells it from others."""
    if len(text) <= length:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    end = f"... ({len(text)} characters, SHA-256 {digest})"
    return text[: length - len(end)] + end


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts(Mapping[str, FactValue]):
    """The facts of one run by name. A fact that the log does not state is absent, never guessed.

    `lines` holds the line of the log that stated a fact; a derived fact has none. Values are kept
    as `kept` says, whoever states them.
    """

    values_by_name: Mapping[str, FactValue] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [n for n in self.values_by_name if n not in FACTS and not n.startswith(CONFIG)]
        if unknown:
            msg = f"not facts: {unknown}"
            raise ValueError(msg)
        values = {_name(name): kept(value) for name, value in self.values_by_name.items()}
        lines = {_name(name): line for name, line in self.lines.items()}
        object.__setattr__(self, "values_by_name", MappingProxyType(values))
        object.__setattr__(self, "lines", MappingProxyType(lines))

    def __getitem__(self, name: str) -> FactValue:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def named(self) -> dict[str, FactValue]:
        """The facts of the vocabulary in its order, without single settings of the config."""
        return {name: self[name] for name in FACTS if name in self}


def _name(name: str) -> str:
    return short(printable(name), MAX_NAME)
