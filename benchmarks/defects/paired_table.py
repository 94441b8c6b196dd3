"""The table of the paired corpus: what ten steps of one run a side notice, by rule and precision.

Every candidate is compared with the baseline of its seed and precision, on its first 1, 3, 10 and
30 steps. A fault touches the training within ten steps if any logged figure differs by a bit there.
The statistic was chosen on seed 7 (not stored) and on the families of faults whose name has an even
CRC-32; TIE, GROWTH and NORMS on benign runs of the seeds 7, 11 to 13 and 21 to 32. `held back` are
the other families of faults, and the benign runs of the seeds that were trained after that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import pandas as pd
from scipy.stats import beta

from benchmarks.defects.corpus import SHELF, Trained, load
from benchmarks.defects.paired import FRESH, PREFIX
from benchmarks.defects.score import COSTLY, by_setting, cost_of
from benchmarks.defects.settings import settings
from harness.align.start import start_of
from harness.comparison.judge import Policy
from harness.comparison.pipeline import compare
from harness.log.run import Run
from harness.rules import Verdict
from harness.stats.envelope import ULP, quantile_of

PARTS = (1, 3, 10, 30)
NOTICED = frozenset({Verdict.FAIL, Verdict.INCOMPARABLE})
SHORT = {1: "1 step", 3: "3 steps", 10: "10 steps", 30: "30 steps"}
Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A candidate with the baseline and the perturbed runs of its start."""

    setting: str
    group: str
    held_back: bool
    seed: int
    baseline: Run
    perturbed: tuple[Run, ...]
    candidate: Run
    waived: tuple[str, ...]

    def cut(self, steps: int) -> Pair:
        """Returns the pair with the first steps alone."""
        return replace(
            self, baseline=_cut(self.baseline, steps), candidate=_cut(self.candidate, steps),
            perturbed=tuple(_cut(run, steps) for run in self.perturbed),
        )  # fmt: skip

    @property
    def touched(self) -> bool:
        """Whether any figure of the first ten steps differs by a bit, or the start does."""
        ours, theirs = (
            {s.name: s for s in _cut(r, 10).series} for r in (self.baseline, self.candidate)
        )
        differs = any(
            name not in theirs
            or not np.array_equal(series.values, theirs[name].values, equal_nan=True)
            for name, series in ours.items()
        )
        return differs or any(
            self.baseline.facts.get(name) != self.candidate.facts.get(name)
            for name in ("start_weights", "start_images", "start_labels", "start_random")
        )


def _cut(run: Run, steps: int) -> Run:
    series = (
        replace(s, steps=s.steps[s.steps < steps], values=s.values[s.steps < steps])
        for s in run.series
        if s.window == 1
    )
    return replace(run, series=tuple(s for s in series if len(s)))


def even(setting: str) -> bool:
    """Returns whether the rule was chosen with a look at this family, at another seed."""
    return crc32(setting.partition("=")[0].encode()) % 2 == 0


def pairs(precision: str) -> Iterator[Pair]:
    """Yields every stored pair of a precision."""
    long = by_setting("cpu")
    known = {setting.name: setting for setting in settings("cpu")}
    runs: dict[tuple[str, int], Trained] = {
        (t.setting, t.seed): t for t in load(f"cpu-start-{precision}")
    }
    for (name, seed), trained in runs.items():
        if trained.kind in {"baseline", "perturbed"}:
            continue
        setting = known[name]
        base = setting.baseline
        prefix = PREFIX if base == "baseline" else f"{PREFIX}2x2-"
        near = [
            t.run for (n, s), t in runs.items()
            if s == seed and n.startswith(prefix) and n.removeprefix(prefix).isdecimal()
        ]  # fmt: skip
        costly = trained.kind == "fault" and not cost_of(long[name], long[base]) <= COSTLY
        yield Pair(
            setting=name,
            group="benign" if trained.kind == "benign" else "costly" if costly else "harmless",
            held_back=seed in FRESH if trained.kind == "benign" else not even(name),
            seed=seed,
            baseline=runs[base, seed].run,
            perturbed=tuple(near),
            candidate=trained.run,
            waived=setting.waived,
        )


def _of_policy(*, perturbed: bool, loss_alone: bool = False) -> Callable[[Pair], bool]:
    def noticed(pair: Pair) -> bool:
        base = [pair.baseline, *(pair.perturbed if perturbed else ())]
        candidate = pair.candidate
        if loss_alone:
            base, candidate = [_loss(run) for run in base], _loss(candidate)
        found = compare(base, candidate, Policy(allow=pair.waived))
        return found.verdict in NOTICED

    return noticed


def _beyond_largest(factor: float) -> Callable[[Pair], bool]:
    """Whether a figure exceeds so many times the largest deviation of a perturbed run so far."""

    def noticed(pair: Pair) -> bool:
        start = start_of([pair.baseline], [pair.candidate], pair.perturbed, metric="loss")
        if start is None:
            return True
        for series in start.series:
            size = np.maximum(np.abs(series.baseline), 1e-12)
            benign = np.abs(series.ours - series.baseline).max(axis=0) / size
            limit = factor * np.maximum(np.maximum.accumulate(benign), ULP)
            if not (np.abs(series.candidate - series.baseline) / size <= limit).all():
                return True
        return False

    return noticed


def _within_logs(pair: Pair) -> bool:
    """Whether a figure leaves the tolerance interval of log |deviation|, pooled over the steps.

    The logarithms are taken as normal around a line in the step, the level and growth of the run.
    """
    start = start_of([pair.baseline], [pair.candidate], pair.perturbed, metric="loss")
    if start is None:
        return True
    looks = sum(series.steps.size for series in start.series)
    for series in start.series:
        size = np.maximum(np.abs(series.baseline), 1e-12)
        logs = np.log(np.maximum(np.abs(series.ours - series.baseline) / size, ULP / 10))
        t = np.arange(series.steps.size)
        line = np.polyval(np.polyfit(t, logs.mean(axis=0), min(1, t.size - 1)), t)
        spread = float(np.sqrt(((logs - line) ** 2).mean()))
        limit = np.exp(line + quantile_of(0.01, looks, logs.shape[0]) * max(spread, 0.5))
        if not (np.abs(series.candidate - series.baseline) / size <= limit).all():
            return True
    return False


def _loss(run: Run) -> Run:
    return replace(run, series=tuple(s for s in run.series if s.name == "loss"))


def _ratios(pair: Pair) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Returns the relative differences of the loss; infinity at the steps of one side alone."""
    ours, theirs = (run.find("loss", 0)[0] for run in (pair.baseline, pair.candidate))
    common, left, right = np.intersect1d(ours.steps, theirs.steps, return_indices=True)
    alone = np.union1d(ours.steps, theirs.steps).size - common.size
    ratios = np.abs(theirs.values[right] / ours.values[left] - 1)
    return np.concatenate([ratios, np.full(alone, np.inf)])


JUDGES: Mapping[str, Callable[[Pair], bool]] = {
    "same-start": _of_policy(perturbed=True),
    "same-start, loss alone": _of_policy(perturbed=True, loss_alone=True),
    "same-start, no perturbed run": _of_policy(perturbed=False),
    "3 x the largest perturbed": _beyond_largest(3),
    "10 x the largest perturbed": _beyond_largest(10),
    "log-normal around a line": _within_logs,
    "bitwise": lambda pair: bool((_ratios(pair) != 0).any()),
    "each loss within 1e-4": lambda pair: not (_ratios(pair) <= 1e-4).all(),
    "first loss within 1e-5": lambda pair: not _ratios(pair)[0] <= 1e-5,
    "mean within 1 %": lambda pair: not abs(float(np.mean(_ratios(pair)))) <= 0.01,
}
"""Whether a judge notices a difference."""


def asked(precision: str) -> pd.DataFrame:
    """Returns a row for every pair, part and judge: was a difference noticed?"""
    rows = []
    for pair in pairs(precision):
        touched = pair.touched
        for steps in PARTS:
            part = pair.cut(steps)
            if not any(s.name == "loss" for s in part.candidate.series):
                continue
            for judge, noticed in JUDGES.items():
                rows.append({
                    "precision": precision, "setting": pair.setting, "group": pair.group,
                    "held_back": pair.held_back, "touched": touched, "seed": pair.seed,
                    "steps": steps, "judge": judge, "noticed": noticed(part),
                })  # fmt: skip
    return pd.DataFrame(rows)


def interval(count: int, of: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share (Clopper & Pearson 1934)."""
    low = float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return low, high


def share(rows: pd.DataFrame) -> str:
    """Returns a share with its counts and interval."""
    count, of = int(rows["noticed"].sum()), len(rows)
    if not of:
        return "-"
    low, high = interval(count, of)
    return f"{count / of:.1%} ({count}/{of}; {low:.1%} to {high:.1%})"


def print_tables(found: pd.DataFrame) -> None:
    """Prints the tables of one precision as Markdown."""
    precision = found["precision"].iloc[0]
    for title, part in (
        ("all families", found),
        ("families and seeds held back", found[found["held_back"]]),
    ):
        print(f"\n{precision}, {title}, 10 steps:\n")
        print("| | benign noticed | costly noticed | faults that touch ten steps | all faults |")
        print("|---|---|---|---|---|")
        ten = part[part["steps"] == 10]
        for judge in JUDGES:
            mine = ten[ten["judge"] == judge]
            faults = mine[mine["group"] != "benign"]
            cells = (
                mine[mine["group"] == "benign"],
                mine[(mine["group"] == "costly") & mine["touched"]],
                faults[faults["touched"]],
                faults,
            )
            print(f"| {judge} | " + " | ".join(map(share, cells)) + " |")
    print(f"\n{precision}, all families, by steps: benign / costly / all faults noticed\n")
    print("| | " + " | ".join(SHORT[n] for n in PARTS) + " |")
    print("|---|" + "---|" * len(PARTS))
    for judge in JUDGES:
        cells = []
        for steps in PARTS:
            mine = found[(found["judge"] == judge) & (found["steps"] == steps)]
            groups = [mine[mine["group"] == "benign"], mine[mine["group"] == "costly"],
                      mine[mine["group"] != "benign"]]  # fmt: skip
            cells.append(" / ".join(f"{rows['noticed'].mean():.0%}" for rows in groups))
        print(f"| {judge} | " + " | ".join(cells) + " |")
    missed = found[
        (found["judge"] == "same-start") & (found["steps"] == 10) & (found["group"] != "benign")
        & ~found["noticed"]
    ]  # fmt: skip
    names = missed.groupby(["setting", "touched", "group"]).size()
    print("\nNot noticed by same-start in 10 steps (setting, touches, group, runs of 3):")
    for (setting, touched, group), count in names.items():
        print(f"- `{setting}`: {'touches' if touched else 'does not touch'} them, {group}, {count}")


def main(precisions: Sequence[str]) -> int:
    """Prints the tables of every stored precision."""
    for precision in precisions:
        if (SHELF / f"cpu-start-{precision}").is_dir():
            print_tables(asked(precision))
    return 0
