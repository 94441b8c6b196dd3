"""One sentence that says what a log holds, as a person would say it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.log.run import Run, Series
from harness.parse.formats import FACTS_ONLY

NAMED = 4
"""Series that are named where none is called loss."""
_BLOCKS = frozenset(kind.name for kind in FACTS_ONLY)
_WHOLE = ("lines", "json", "state", "tensorboard", "losses")
"""Ends of the names of formats that need no word behind them."""


def opening(run: Run) -> str:
    """Returns what a log holds: losses with their ranks and steps, validations, batch, devices."""
    parts = [_losses(run), _validations(run), _batch(run)]
    return "; ".join(part for part in parts if part)


def _losses(run: Run) -> str:
    """The training losses, or the other series of a log in which none is called loss."""
    found = [s for s in run.series if s.name == "loss"]
    if found:
        what = _many(sum(map(len, found)), "training loss", "training losses")
    else:
        found = [s for s in run.series if not s.name.startswith("val.")] or list(run.series)
        what = f"no series called loss; {_many(sum(map(len, found)), 'record')} of {_names(found)}"
    ranks = len({s.rank for s in found})
    of = f" of {ranks} ranks" if ranks > 1 else ""
    return f"{what}{of} {_places(found, run)}{_not_finite(found)}{_formats(run)}"


def _many(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def _names(series: Sequence[Series]) -> str:
    names = list(dict.fromkeys(s.name for s in series))
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _places(series: Sequence[Series], run: Run) -> str:
    """The steps of series, or their numbers where the log states no step."""
    first, last = min(int(s.steps[0]) for s in series), max(int(s.steps[-1]) for s in series)
    span = f"{first:,}" if first == last else f"{first:,} to {last:,}"
    if series[0].name in run.by_order:
        return f"numbered {span} by order of printing"
    return f"at step {span}" if first == last else f"at steps {span}"


def _not_finite(series: Sequence[Series]) -> str:
    bad = sum(int(np.count_nonzero(~np.isfinite(s.values))) for s in series)
    return f" ({bad:,} not finite)" if bad else ""


def _formats(run: Run) -> str:
    names = [name for name in run.formats if name not in _BLOCKS]
    said = [name if name.endswith(_WHOLE) else f"{name} lines" for name in names]
    return f", from {' and '.join(said)}" if said else ""


def _validations(run: Run) -> str:
    steps = {int(step) for s in run.series if s.name.startswith("val.") for step in s.steps}
    return _many(len(steps), "validation") if steps else ""


def _batch(run: Run) -> str:
    """The batch over all devices where it is known, or that of a device; and the devices."""
    whole, each = run.facts.get("effective_batch"), run.facts.get("batch_per_device")
    devices = run.facts.get("world_size")
    parts = []
    if whole is not None:
        parts.append(f"batch {whole}")
    elif each is not None:
        parts.append(f"batch {each} per device")
    if isinstance(devices, int):
        parts.append(f"on {_many(devices, 'device')}")
    return " ".join(parts)
