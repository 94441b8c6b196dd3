"""Points of a tracker -> `Run`, under the rules that hold for logs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.errors import ParseError
from harness.log.arrays import Floats, Steps
from harness.log.facts import FactValue
from harness.log.run import Run
from harness.log.wording import counted
from harness.parse.blocks.arguments import argument_value, state
from harness.parse.blocks.config_block import config_facts
from harness.parse.collect import Collector
from harness.parse.finish import run_of
from harness.parse.line import Place
from harness.parse.names import Names, holds_figures
from harness.parse.several import refusals

MMENGINE = "optim_wrapper."
"""How settings of mmengine's configs begin, which name the facts in another way."""
OWN = "harness."
"""How the tags and figures begin that the harness writes to a run; they are none of its training.
"""

_ONE_PROCESS = (
    "expected one loss a step. If several processes log into one run, let the first of them log, "
    "or give each its own run; if the steps are those of epochs, log the step of the optimizer."
)


NOTHING = (
    "the run has no metric of a training, or no number in one; expected a loss at steps from 0. "
    "Name another run."
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Metric:
    """The points of one metric, all arrays (n,), in the order in which they were logged.

    `times` need only be comparable among the metrics of a run. `without_steps` says that the
    tracker states no steps: the points are numbered in their order.
    """

    times: Steps | Floats
    steps: Steps
    values: Floats
    without_steps: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A run as a tracker stores it.

    `settings` are its parameters or its config by name, as text or as values. `facts` are facts
    under the names of the vocabulary. `unfinished` says why the run may not be whole, as a clause:
    "the tracker says that it is still running"; empty if it finished.
    """

    metrics: Mapping[str, Metric]
    settings: Mapping[str, object]
    facts: Mapping[str, FactValue]
    notes: Sequence[str] = ()
    unfinished: str = ""


def gathered(stored: Stored, *, source: str, reader: str) -> Run:
    """Returns the run; `source` names it, `reader` is the name of the tracker.

    Metrics are named as the columns of a table are. A step that falls to where the run began is a
    restart, one that falls less a resumed run, and the later point of a step counts. Points at
    negative steps are left out, because no step of a training has such a number.

    Raises:
        ParseError: the run has no point, or its losses are those of several processes.
    """
    into = Collector()
    into.reader = reader
    for name, fact in stored.facts.items():
        into.fact(name, fact)
    state_settings(stored.settings, into)
    _record(stored.metrics, into)
    if not into.line:
        raise ParseError(NOTHING, source=source)
    into.write()
    for reason in refusals(into.tracks.by_key).values():
        into.refusals[reader] = f"{reason.partition('; expected')[0]}; {_ONE_PROCESS}"
    for text in stored.notes:
        into.note(text)
    if stored.unfinished:
        into.note(stored.unfinished)
    run = run_of(into, source=source, lines=max(1, into.line), known=[reader])
    return replace(run, unfinished=stored.unfinished)


def state_settings(settings: Mapping[str, object], into: Collector) -> None:
    """States settings by name under the rules of printed arguments and configs."""
    values = {name: value for name, value in settings.items() if value is not None}
    if any(name.startswith(MMENGINE) for name in values):
        config = config_facts({name: _value(given) for name, given in values.items()})
        for name, fact in config.items():
            into.fact(name, fact)
        return
    for name, given in values.items():
        state(name, as_setting(given), into)


def as_setting(value: object) -> FactValue:
    """Returns a value of a config as a fact has it: a structure as its text."""
    return value if isinstance(value, str | int | float | bool) else repr(value)


def _value(given: object) -> FactValue:
    """Returns a value of a config that may be stored as its text, `0.01`."""
    value = as_setting(given)
    read = argument_value(value) if isinstance(value, str) and value else value
    return str(value) if read is None else read


def with_figures(labels: Sequence[str], runs: Sequence[Stored]) -> list[tuple[int, Stored]]:
    """Returns the runs of a folder or a project that have a metric, each with its index.

    A note of the first gives the labels of those that are left out, and says which of them did not
    finish. If no run has a metric, all are returned.
    """
    kept = [(i, run) for i, run in enumerate(runs) if any(map(_is_figure, run.metrics))]
    left = sorted(set(range(len(runs))) - {i for i, _ in kept})
    if not kept or not left:
        return list(enumerate(runs))
    ends = [f" ({runs[i].unfinished})" if runs[i].unfinished else "" for i in left[:5]]
    named = [labels[i] + end for i, end in zip(left[:5], ends, strict=True)]
    more = f", and {len(left) - 5} more" if len(left) > 5 else ""
    note = f"left out, without a metric of a training: {', '.join(named)}{more}"
    at, first = kept[0]
    return [(at, replace(first, notes=(*first.notes, note))), *kept[1:]]


def _is_figure(name: str) -> bool:
    return holds_figures(name) and not name.startswith(OWN)


def _record(metrics: Mapping[str, Metric], into: Collector) -> None:
    """Records all points in the order of time; those of equal times in the order of steps."""
    names = Names()
    kept = {name: metric for name, metric in metrics.items() if _is_figure(name)}
    names.learn(list(kept))
    labels = [names.of(name) for name in kept]
    for label, (name, metric) in zip(labels, kept.items(), strict=True):
        _remark(name, label, metric, into)
    if not kept:
        return
    parts = list(kept.values())
    which = np.repeat(np.arange(len(parts)), [part.steps.size for part in parts])
    steps = np.concatenate([_numbered(part) for part in parts])
    values = np.concatenate([part.values for part in parts])
    times = np.concatenate([part.times for part in parts])
    order = np.lexsort((steps, times))
    order = order[steps[order] >= 0]
    columns = (which[order].tolist(), steps[order].tolist(), values[order].tolist())
    for line, (metric_index, step, value) in enumerate(zip(*columns, strict=True), 1):
        into.line = line
        into.record(Place(step), {labels[metric_index]: value})
    if order.size:
        into.claim(into.reader, line=1)


def _numbered(metric: Metric) -> Steps:
    return np.arange(metric.steps.size) if metric.without_steps else metric.steps


def _remark(name: str, label: str, metric: Metric, into: Collector) -> None:
    """Notes what is odd about the steps of a metric."""
    if metric.without_steps:
        into.by_order(label)
        into.note(" is logged without steps: its points are numbered in their order", about=name)
        return
    negative = int(np.count_nonzero(metric.steps < 0))
    if negative:
        points = counted(negative, "point")
        into.note(f": {points} at negative steps, left out", about=name)


def sealed(run: Run) -> Run:
    """Returns the run with the hash and the size of its facts and figures, unless it has them.

    A store holds many runs, so the hash of its file would make them copies of one another.
    """
    if run.sha256:
        return run
    content, size = hashlib.sha256(), 0
    facts = sorted((name, repr(value)) for name, value in run.facts.items())
    for part in [repr(facts).encode(), *(_bytes(run))]:
        content.update(part)
        size += len(part)
    return replace(run, sha256=content.hexdigest(), size_bytes=size)


def _bytes(run: Run) -> list[bytes]:
    parts: list[bytes] = []
    for series in run.series:
        head = f"{series.key} {series.rank} {len(series)}\n"
        parts += [head.encode(), series.steps.tobytes(), series.values.tobytes()]
    return parts
