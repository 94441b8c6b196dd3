"""Asks every judge about every run of a corpus, in comparisons of three sizes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from benchmarks.defects.corpus import Trained, load
from benchmarks.defects.judges import Case, Judge, case, judges
from benchmarks.defects.settings import FAULTS, settings
from harness.log.run import Run, Series
from harness.rules import Verdict

SIZES = ((1, 1), (10, 1), (10, 3))
"""Baseline runs and candidate runs of a comparison."""
ONE_MORE = "10 v 1+1"
"""Ten against one, and where that is inconclusive against that one and the setting's next run."""
ASKED_AGAIN = ("default policy", "seed-variation", "seed-variation: loss alone", "equivalence 2 %")
"""Judges that are asked in this way."""
COSTLY = 1.0
"""Points of mIoU from which a fault counts as costly."""
PARTS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Parts of the run after which a judge is asked, to see how many steps it needs."""
NEW_BENIGN = ("fresh-seeds", "threads-2", "baseline-2x2")
SLOW = ("equivalence 5 %", "ensemble", "ensemble: loss alone", "seed-variation: loss alone")
"""Judges that are asked about whole runs only, to keep the table within a minute."""

Runs = Mapping[str, Sequence[Trained]]
"""The runs of each setting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A comparison to be made, and what is known of its candidate.

    `group` is `benign`, `costly` or `harmless`. `new` are settings
    on which no rule was chosen. Runs are given by their places in their settings.
    """

    setting: str
    group: str
    new: bool
    reference: str
    baseline: tuple[int, ...]
    candidate: tuple[int, ...]
    waived: tuple[str, ...]


def plans(
    reference: Runs, candidates: Runs, device: str, *, size: tuple[int, int]
) -> Iterator[Plan]:
    """Every comparison of one size of the runs of a device with a reference.

    Each candidate meets each ten of the reference's runs, single runs one of them in turn. Where
    the reference is another device's, the device's own baseline is a candidate too.
    """
    b, c = size
    known = {setting.name: setting for setting in settings(device)}
    for name, mine in candidates.items():
        setting = known[name]
        against = setting.baseline
        if (name == "baseline" and reference is candidates) or against not in reference:
            continue
        fault = setting.kind == "fault"
        costly = fault and not cost_of(mine, candidates[against]) <= COSTLY
        most = len(mine) if b > 1 or not fault else 2  # one run a side takes a bootstrap
        for start in range(0, min(most, len(mine)) - c + 1, c):
            for chosen in _tens(len(reference[against]), b, turn=mine[start].seed):
                yield Plan(
                    setting=name,
                    group="benign" if not fault else "costly" if costly else "harmless",
                    new=is_new(name, device),
                    reference=against,
                    baseline=chosen,
                    candidate=tuple(range(start, start + c)),
                    waived=setting.waived,
                )


def is_new(name: str, device: str) -> bool:
    """Whether no rule was chosen on a setting's runs, which were trained after that was done."""
    return device == "cpu" and name in {*FAULTS["cpu"], *FAULTS["two_ranks"], *NEW_BENIGN}


def cost_of(mine: Sequence[Trained], baseline: Sequence[Trained]) -> float:
    """Points of mIoU that a setting's median run ends below the baseline's; NaN counts for 0.

    Medians, since one run that learns late would make a harmless fault look costly.
    """
    ours, theirs = (np.nan_to_num([run.miou for run in side]) for side in (mine, baseline))
    return float(np.median(theirs) - np.median(ours))


def _tens(count: int, b: int, *, turn: int) -> list[tuple[int, ...]]:
    """The first ten places of `count`, the next ten, and so on; of single places, one in turn."""
    if b == 1:
        return [(turn % count,)]
    return [tuple(range(i, i + b)) for i in range(0, count - b + 1, b)]


def by_setting(device: str) -> Runs:
    """The stored runs of a device, in the order of their settings."""
    found: dict[str, list[Trained]] = {}
    for trained in load(device):
        found.setdefault(trained.setting, []).append(trained)
    return found


def made(plan: Plan, reference: Runs, candidates: Runs) -> Case:
    """The comparison of a plan."""
    return case(
        [reference[plan.reference][i].run for i in plan.baseline],
        [candidates[plan.setting][i].run for i in plan.candidate],
        plan.waived,
    )


def verdicts(device: str, reference: str, *, parts: Sequence[float] = (1.0,)) -> pd.DataFrame:
    """Every judge's verdict on every comparison with a reference device's baseline, a row each."""
    candidates = by_setting(device)
    baseline = candidates if device == reference else by_setting(reference)
    jobs: list[Job] = [
        (f"{size[0]} v {size[1]}", part, plan)
        for size in SIZES
        for part in (parts if size == (10, 1) else (1.0,))
        for plan in plans(baseline, candidates, device, size=size)
    ]
    single = plans(baseline, candidates, device, size=(10, 1))
    jobs += [(ONE_MORE, 1.0, plan) for plan in single if len(candidates[plan.setting]) > 1]
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(
        os.cpu_count(), initializer=_open, initargs=(baseline, candidates)
    ) as pool:
        for found in pool.map(_asked, jobs, chunksize=16):
            rows.extend(found)
    return pd.DataFrame(rows)


_OPEN: list[Runs] = []
"""Reference and candidates, in a process that asks."""


def _open(reference: Runs, candidates: Runs) -> None:
    _OPEN[:] = [reference, candidates]


Job = tuple[str, float, Plan]
"""Size, part of the run, comparison."""


def _asked(job: Job) -> list[dict[str, object]]:
    size, part, plan = job
    one = made(plan, *_OPEN)
    if part < 1:
        one = _until(one, part)
    known = {
        "size": size, "part": part, "setting": plan.setting, "group": plan.group, "new": plan.new,
    }  # fmt: skip
    asked = {name: judge for name, judge in judges().items() if part == 1 or name not in SLOW}
    if size == ONE_MORE:
        two = made(with_next(plan, _OPEN[1]), *_OPEN)
        asked = {name: _again(asked[name], two) for name in ASKED_AGAIN}
    return [{**known, "judge": name, "verdict": str(judge(one))} for name, judge in asked.items()]


def with_next(plan: Plan, candidates: Runs) -> Plan:
    """The comparison with the candidate's setting's next run too, the first after the last."""
    (first,) = plan.candidate
    return replace(plan, candidate=(first, (first + 1) % len(candidates[plan.setting])))


def _again(judge: Judge, two: Case) -> Judge:
    """The judge, asked about both runs where one leaves it undecided."""

    def asked(one: Case) -> Verdict:
        verdict = judge(one)
        return judge(two) if verdict is Verdict.INCONCLUSIVE else verdict

    return asked


def _until(one: Case, part: float) -> Case:
    """The comparison as it would have been after a part of the run."""
    last = int(one.aligned.steps[-1] * part)
    return case(
        [_cut(run, last) for run in one.baseline],
        [_cut(run, last) for run in one.candidate],
        one.waived,
    )


def _cut(run: Run, last: int) -> Run:
    """The run up to a step; series that begin later are gone."""
    ends = [(s, int(np.searchsorted(s.steps, last, side="right"))) for s in run.series]
    return replace(run, series=tuple(_head(s, end) for s, end in ends if end))


def _head(series: Series, end: int) -> Series:
    return replace(series, steps=series.steps[:end], values=series.values[:end])
