"""Prepares a comparison with a published result: final figures, their unit, and the evaluation.

A published result has the figures of the final checkpoint, as fractions. A log has a validation
every few thousand steps, often in percent. The last one is judged, as a fraction, if it is that of
the whole training. What a config says of the evaluation becomes facts, because another split or
another test mode makes another figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from harness.align.aligned import select
from harness.comparison.better import direction_of
from harness.errors import AlignmentError, PolicyError
from harness.log.facts import CONFIG, FactValue, RunFacts
from harness.log.published import Published
from harness.log.run import Run, Series
from harness.quality.completeness import listed

EVALUATIONS = ("val.", "test.")
IN_PERCENT = "mmengine"
"""The log format whose metrics of segmentation are in percent."""
PRECISION = re.compile(r"AP(?![a-z])")
"""In the names of average precisions."""
SINGLE, SEVERAL = "single-scale", "ms+flip"
"""Test modes, in the words of mmsegmentation's tables."""
RECURRENCES = (
    "model.decode_head.recurrence",
    "model.module.decode_head.recurrence",
    "model.attention.recurrence",
)
"""The settings of a config that give the rounds of attention; `module` is inside a wrapper."""
_SPLIT = re.compile(
    r"(?:^|[/_.-])(trainval|trainaug|train|val|test|aug)(?:ing|idation)?(?=$|[/_.-])"
)
_PATHS = (".ann_file", ".data_prefix.img_path", ".split", ".img_dir")
_AGAIN = ".indices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """Both sides of a comparison, with a published result on the step of the final figures.

    `published` is None if the baseline has logs; nothing is changed then. `unplaced` says why a
    candidate's last figure is not that of a whole training; no rule runs then. `doubts` prevent a
    pass. `notes` are remarks without influence on the verdict.
    """

    published: Published | None = None
    baseline: tuple[Run, ...]
    candidate: tuple[Run, ...]
    unplaced: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def published_of(baseline: Sequence[Run]) -> Published | None:
    """Returns the published result that the baseline is; None for logs and recordings.

    Raises:
        PolicyError: the baseline mixes published results with each other or with logs.
    """
    results = {run.published.name if run.published else "" for run in baseline}
    if results == {""}:
        return None
    if len(results) > 1:
        msg = "a published result is a baseline by itself; name no second one and no log beside it"
        raise PolicyError(msg)
    return baseline[0].published


def final(
    baseline: tuple[Run, ...],
    candidate: tuple[Run, ...],
    *,
    metric: str,
    evaluated: str,
    allow: Sequence[str] = (),
) -> Final:
    """Returns both sides, on the last validation if the baseline is a published result.

    `metric` is the judged series of both sides, `evaluated` its name in the candidate's logs: a
    `test.` series is that of the config's test data. Rank 0 is judged, which logs validations.
    `allow` names the facts that may differ.

    Raises:
        AlignmentError: a run lacks the series of a published result, or the candidate's runs have
            no common step of it.
        PolicyError: the baseline mixes published results with each other or with logs.
    """
    published = published_of(baseline)
    if published is None:
        return Final(baseline=baseline, candidate=candidate)
    for run in baseline:
        select(run, metric, 0)
    lacking = [run for run in candidate if not run.find(metric, 0)]
    if lacking:
        raise AlignmentError(_lacks(lacking[0], metric), source=lacking[0].source)
    loader = "test_dataloader" if evaluated.startswith("test.") else "val_dataloader"
    percent = [_in_percent(run, metric) for run in candidate]
    names = {s.name for s in baseline[0].series}
    runs = tuple(
        _with_facts(_hundredths(run, names) if hundred else run, loader)
        for run, hundred in zip(candidate, percent, strict=True)
    )
    steps = [set(run.find(metric, 0)[0].steps.tolist()) for run in runs]
    common = set.intersection(*steps)
    if not common:
        raise AlignmentError(_apart(runs, metric))
    last = max(common)
    planned = baseline[0].facts.get("planned_steps")
    longer = not {"all", "planned_steps"} & set(allow)
    return Final(
        published=published,
        baseline=tuple(_at(run, last) for run in baseline),
        candidate=runs,
        unplaced=(
            *_units(candidate, percent, metric),
            *(t for run in runs for t in _elsewhere(run, metric, planned, last, longer=longer)),
        ),
        doubts=tuple(text for run in runs for text in _two_figures(run, metric, last)),
        notes=(
            f"the baseline is a published result: {published.source} ({published.url})",
            *_unit(candidate, percent, metric),
            *(text for run in runs for text in _better_before(run, metric)),
        ),
    )


def _lacks(run: Run, metric: str) -> str:
    """Returns why a log has no final figure, and what to do."""
    have = sorted({s.name for s in run.series if s.name.startswith(EVALUATIONS)})
    tested = f"test.{metric.partition('.')[2]}"
    if tested in have:
        return f"no series {metric!r}, but {tested!r}: judge it with --metric {metric}={tested}"
    if have:
        return f"no series {metric!r}; its evaluations are: {', '.join(have)}. Choose --metric"
    return (
        f"no validation, and {metric!r} is the figure that was published; train with a validation "
        f"at the end, or evaluate the final checkpoint and judge that log with --metric "
        f"{metric}={tested}"
    )


def _at(run: Run, step: int) -> Run:
    """Returns a published run with its figures at a step."""
    series = (replace(s, steps=np.array([step])) for s in run.series)
    return replace(run, series=tuple(series))


def _in_percent(run: Run, metric: str) -> bool:
    """Returns whether a log has its accuracies and IoU in percent.

    One of its evaluations then exceeds 1. mmengine's metrics of segmentation are in percent in any
    case, so that 0.42 is not 42 %; its average precisions are fractions.
    """
    rates = [
        s.values
        for s in run.series
        if s.name.startswith(EVALUATIONS) and direction_of(s.name) == "higher"
    ]
    if any(bool((values[np.isfinite(values)] > 1).any()) for values in rates):
        return True
    return IN_PERCENT in run.formats and not PRECISION.search(metric)


def _hundredths(run: Run, names: Set[str]) -> Run:
    """Returns a run with the series of these names as fractions instead of percent."""
    series, replaced = (
        tuple(replace(s, values=s.values / 100) if s.name in names else s for s in part)
        for part in (run.series, run.replaced)
    )
    return replace(run, series=series, replaced=replaced)


def _unit(candidate: Sequence[Run], percent: Sequence[bool], metric: str) -> Iterator[str]:
    """Yields in which unit the logs have the metric; it is judged as a fraction."""
    converted = [run.source for run, hundred in zip(candidate, percent, strict=True) if hundred]
    if converted:
        verb = "log" if len(converted) > 1 else "logs"
        yield f"{listed(converted)} {verb} {metric} in percent; it is judged as a fraction"


def _units(candidate: Sequence[Run], percent: Sequence[bool], metric: str) -> Iterator[str]:
    """Yields that some runs log percent, and others no figure above 1.

    Those may be fractions, or the percent of a run that collapsed.
    """
    above = [run.source for run, hundred in zip(candidate, percent, strict=True) if hundred]
    below = [run.source for run, hundred in zip(candidate, percent, strict=True) if not hundred]
    if above and below:
        verb = "log" if len(above) > 1 else "logs"
        have = "have" if len(below) > 1 else "has"
        yield (
            f"{listed(above)} {verb} {metric} in percent, and {listed(below)} {have} no figure "
            "above 1: fractions, or the percent of a run that collapsed. Judge logs of one unit"
        )


def _apart(runs: Sequence[Run], metric: str) -> str:
    """Returns that runs have no common validation, and what to do."""
    ends = {run.source: run.find(metric, 0)[0].steps for run in runs}
    spans = "; ".join(f"{name}: {steps[0]} to {steps[-1]}" for name, steps in ends.items())
    return (
        f"the candidate runs have no common step of {metric!r}: {spans}. Each log must be that of "
        "a whole training; join the parts of a resumed one in one file, in their order"
    )


def _elsewhere(
    run: Run, metric: str, published: FactValue | None, last: int, *, longer: bool
) -> Iterator[str]:
    """Yields why the judged figure of a run is not that of the final checkpoint of the training.

    `longer` asks for more steps than were published too, which a log without a header shows. An
    evaluation by itself does not say which checkpoint it is of.
    """
    ends = int(run.find(metric, 0)[0].steps[-1])
    if ends != last:
        yield (
            f"{run.source} has its last {metric} at step {ends}, another candidate run at step "
            f"{last}: the published figure is that of the final checkpoint. Leave the run out, or "
            "train it to the end"
        )
        return
    trained = [
        int(s.steps[-1]) for s in run.series if s.steps.size and not s.name.startswith(EVALUATIONS)
    ]
    if not trained:
        return
    planned = run.facts.get("planned_steps", published)
    end = max(*trained, planned) if isinstance(planned, int) else max(trained)
    if ends + 1 < end:
        yield (
            f"{run.source} has its last {metric} at step {ends} of {end}, and the published "
            "figure is that of the final checkpoint: train to the end, or evaluate the final "
            "checkpoint and judge that log"
        )
    elif longer and isinstance(planned, int) and ends > planned:
        yield (
            f"{run.source} has its last {metric} at step {ends}, and the training has {planned}: "
            "it is another training, or counts its steps otherwise. If that is on purpose, allow "
            "planned_steps"
        )


def _two_figures(run: Run, metric: str, step: int) -> Iterator[str]:
    """Yields that a run has another figure at the judged step, which a later line replaced.

    An equal one, such as a line that is logged twice, is no reason for doubt.
    """
    counts = _at_step(run.find(metric, 0), step)
    for value in _at_step((s for s in run.replaced if s.name == metric and s.rank == 0), step):
        if value not in counts:
            yield (
                f"{run.source} has two figures of {metric} at its last step, {step}: {value:.4f}, "
                f"and {counts[0]:.4f} in a later line: which of them is that of the final "
                "checkpoint is unknown. Judge a log of one training, or evaluate the final "
                "checkpoint and judge that log"
            )


def _at_step(series: Iterable[Series], step: int) -> list[float]:
    return [float(v) for s in series for v in s.values[s.steps == step]]


def _better_before(run: Run, metric: str) -> Iterator[str]:
    """Yields that a run had a better figure before its last one."""
    series = run.find(metric, 0)[0]
    sign = -1.0 if direction_of(metric) == "lower" else 1.0
    ranked = np.where(np.isfinite(series.values), sign * series.values, -np.inf)
    best = int(ranked.argmax())
    if np.isfinite(series.values[-1]) and ranked[best] > ranked[-1]:
        yield (
            f"{run.source}: the best {metric} is {series.values[best]:.4f} at step "
            f"{series.steps[best]}; the last one, {series.values[-1]:.4f}, is judged, because the "
            "published figure is that of the final checkpoint"
        )


def _with_facts(run: Run, loader: str) -> Run:
    """Returns a run with the facts of its evaluation, as far as its config states them."""
    config = {
        name.removeprefix(CONFIG): value
        for name, value in run.facts.items()
        if name.startswith(CONFIG)
    }
    stated = {
        "train_split": _split(config, "train_dataloader"),
        "eval_split": _split(config, loader),
        "test_mode": _mode(config, loader),
        "model": _inner_model(config),
        "recurrence": _recurrence(config),
    }
    facts = {name: value for name, value in stated.items() if value not in {"", None}}
    if not facts:
        return run
    values = {**run.facts.values_by_name, **facts}
    return replace(run, facts=RunFacts(values_by_name=values, lines=run.facts.lines))


def _split(config: Mapping[str, FactValue], loader: str) -> str:
    """Returns the parts of a data set that a loader reads, by the names of its files.

    >>> _split({"val_dataloader.dataset.data_prefix.img_path": "images/validation"},
    ...        "val_dataloader")
    'val'
    """
    own = {k: str(v) for k, v in config.items() if k.startswith(f"{loader}.dataset.")}
    words = {
        word
        for key, value in own.items()
        if key.endswith(_PATHS)
        for word in _SPLIT.findall(value)[-1:]
    }
    part = any(key.endswith(_AGAIN) for key in own)
    return "+".join(sorted(words)) + (" in part" if words and part else "")


def _mode(config: Mapping[str, FactValue], loader: str) -> str:
    """Returns the test mode of a loader; empty if the config does not say."""
    pipeline = [
        str(value)
        for key, value in config.items()
        if key.startswith(f"{loader}.dataset.pipeline.") and key.endswith(".type")
    ]
    if not pipeline:
        return ""
    several = "TestTimeAug" in pipeline or _tests_several(config)
    return SEVERAL if several else SINGLE


def _tests_several(config: Mapping[str, FactValue]) -> bool:
    return str(config.get("model.type", "")).endswith("TTAModel")


def _inner_model(config: Mapping[str, FactValue]) -> str:
    """Returns the network inside a wrapper that tests several scales; empty without a wrapper."""
    if not _tests_several(config):
        return ""
    inside = {
        key: config.get(f"model.module.{key}")
        for key in ("type", "backbone.type", "backbone.depth", "decode_head.type")
    }
    backbone = f"{inside['backbone.type']}-{inside['backbone.depth']}"
    return f"{inside['type']}({backbone}, {inside['decode_head.type']})"


def _recurrence(config: Mapping[str, FactValue]) -> FactValue | None:
    """Returns how many rounds of criss-cross attention a network has; None if it does not say.

    >>> _recurrence({"model.decode_head.recurrence": 1})
    1
    """
    return next((config[key] for key in RECURRENCES if key in config), None)
