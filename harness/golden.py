"""Golden loss curves for tests: missing -> written and failed; different -> failed with a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.align import Aligned, align
from harness.curve import Run, Series
from harness.errors import HarnessError
from harness.rules import Verdict, parse_rule
from harness.wording import counted

FLAG = "--harness-rebaseline"
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRegression:
    """Compares a curve with the golden file at `path` by a rule.

    `rebaseline` rewrites the file, and fails all the same, so that nobody re-baselines by accident.
    """

    path: Path
    rule: str = "exact"
    rebaseline: bool = False

    def check(self, losses: Sequence[float], *, steps: Sequence[int] | None = None) -> None:
        """Raises AssertionError unless the losses (n,) are those of the golden file by the rule.

        `steps` (n,) rise strictly and default to 0, 1, ... n - 1.
        """
        numbers = np.arange(len(losses)) if steps is None else np.asarray(steps, dtype=np.int64)
        candidate = Series(
            name="loss", rank=0, steps=numbers, values=np.asarray(losses, dtype=np.float64)
        )
        rule = parse_rule(self.rule)
        if not len(candidate):
            raise AssertionError("no losses were given; train for at least one step")
        if self.rebaseline or not self.path.exists():
            word = "rewrote" if self.path.exists() else "wrote the missing"
            self._write(candidate)
            msg = f"{word} golden curve {self.path}; look at it, commit it, and run again"
            raise AssertionError(msg)
        golden = self._read()
        aligned = align([_run(str(self.path), golden)], [_run("this test", candidate)])
        finding = rule(aligned)
        alone = aligned.baseline_only.size + aligned.candidate_only.size
        if finding.verdict is Verdict.PASS and not alone:
            return
        extra = f"; {counted(alone, 'step')} on one side only" if alone else ""
        msg = (
            f"{finding.reason}{extra}\n{difference_table(aligned)}\n"
            f"golden curve: {self.path}\ncandidate: {self._keep(candidate)}\n"
            f"If the change is right, pass {FLAG}."
        )
        raise AssertionError(msg)

    def _keep(self, candidate: Series) -> Path:
        """The candidate beside the golden file, for a look; tests ignore it."""
        path = self.path.with_suffix(".obtained.csv")
        path.write_text(_csv(candidate), encoding="utf-8")
        return path

    def _write(self, series: Series) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(_csv(series), encoding="utf-8")

    def _read(self) -> Series:
        rows = self.path.read_text(encoding="utf-8").splitlines()[1:]
        try:
            pairs = [(int(step), float(value)) for step, value in (r.split(",") for r in rows)]
            steps, values = zip(*pairs, strict=True)
            return Series(name="loss", rank=0, steps=np.array(steps), values=np.array(values))
        except ValueError as error:
            msg = f"not a golden curve: {error}. Restore it, or pass {FLAG}."
            raise HarnessError(msg, source=str(self.path)) from error


def difference_table(aligned: Aligned) -> str:
    """The first differing steps: step, baseline, candidate, difference."""
    base, cand = aligned.baseline[0], aligned.candidate[0]
    at = np.flatnonzero(~(base == cand))
    lines = [f"{'step':>8} {'baseline':>24} {'candidate':>24} {'difference':>12}"]
    lines += [
        f"{aligned.steps[i]:>8} {base[i]!r:>24} {cand[i]!r:>24} {cand[i] - base[i]:>12.3e}"
        for i in at[:SHOWN].tolist()
    ]
    if at.size > SHOWN:
        lines.append(f"... and {at.size - SHOWN} more of {counted(aligned.steps.size, 'step')}")
    return "\n".join(lines)


def _csv(series: Series) -> str:
    pairs = zip(series.steps.tolist(), series.values.tolist(), strict=True)
    return "step,value\n" + "".join(f"{step},{value!r}\n" for step, value in pairs)


def _run(source: str, series: Series) -> Run:
    return Run(source=source, series=(series,))
