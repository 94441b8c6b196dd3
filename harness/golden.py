"""Golden loss curves for tests.

A missing golden file is written and the test fails once; a different curve fails with a table.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from harness.align.aligned import Aligned, align
from harness.errors import HarnessError
from harness.log.run import Run, Series
from harness.log.wording import counted
from harness.rules import Verdict, parse_rule
from harness.system.whole import write_text

FLAG = "--harness-rebaseline"
SHOWN = 10
"""Largest number of differing steps in a failure's table."""
LONGEST = 100
"""Longest name of a golden file, in characters."""
_UNFIT = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|\ud800-\udfff]')


def file_name(*parts: str) -> str:
    """Returns the name of a golden file, from the test's classes, its name and the curve's name.

    A character that a file name cannot hold becomes `_`; a part of a hash then keeps names unique.

    >>> file_name("TestPort", "test_curve[a]"), file_name("test_par[a/b]")
    ('TestPort.test_curve[a].csv', 'test_par[a_b]-60c6a418.csv')
    """
    whole = ".".join(parts)
    fit = _UNFIT.sub("_", whole)[:LONGEST]
    if fit != whole:
        fit += f"-{hashlib.sha256(whole.encode('utf-8', 'backslashreplace')).hexdigest()[:8]}"
    return f"{fit}.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRegression:
    """Compares curves of a test with golden files in `folder` by a rule.

    `test` holds the names of the test's classes and of the test. With `rebaseline` the files are
    rewritten and the test fails once, so that nobody rewrites them by accident.
    """

    folder: Path
    test: tuple[str, ...]
    rule: str = "exact"
    rebaseline: bool = False
    _checked: set[str] = field(default_factory=set, repr=False)

    def check(
        self, losses: Sequence[float], *, steps: Sequence[int] | None = None, name: str = ""
    ) -> None:
        """Compares losses (n,) with the golden file.

        `steps` (n,) rise strictly and default to 0, 1, ... n - 1. A test with more than one curve
        gives each a `name`; each curve has its own file.

        Raises:
            AssertionError: the rule does not pass, steps differ, or the file was just written.
        """
        __tracebackhide__ = True
        if name in self._checked:
            called = f"named {name!r}" if name else "without a name"
            msg = f"two curves {called} in one test; give each its own name: check(..., name=...)"
            raise AssertionError(msg)
        self._checked.add(name)
        path = self.folder / file_name(*self.test, *((name,) if name else ()))
        numbers = np.arange(len(losses)) if steps is None else np.asarray(steps, dtype=np.int64)
        candidate = Series(
            name="loss", rank=0, steps=numbers, values=np.asarray(losses, dtype=np.float64)
        )
        rule = parse_rule(self.rule)
        if not len(candidate):
            raise AssertionError("no losses were given; train for at least one step")
        obtained = path.with_suffix(".obtained.csv")
        if self.rebaseline or not path.exists():
            word = "rewrote" if path.exists() else "wrote the missing"
            write_text(path, _csv(candidate))
            obtained.unlink(missing_ok=True)
            msg = f"{word} golden curve {path}; review it, commit it, and run again"
            raise AssertionError(msg)
        aligned = align([_run(str(path), _read(path))], [_run("this test", candidate)])
        finding = rule(aligned)
        alone = aligned.baseline_only.size + aligned.candidate_only.size
        if finding.verdict is Verdict.PASS and not alone:
            obtained.unlink(missing_ok=True)
            return
        write_text(obtained, _csv(candidate))  # for review; no test reads it
        in_reason = finding.verdict is not Verdict.PASS and rule.name == "exact"
        count = f"{counted(alone, 'step')} on one side only"
        parts = [
            finding.reason + (f"; {count}" if alone and not in_reason else ""),
            difference_table(aligned),
            f"golden curve: {path}",
            f"candidate: {obtained}",
            f"If the change is right, pass {FLAG}.",
        ]
        raise AssertionError("\n".join(part for part in parts if part))


def _read(path: Path) -> Series:
    try:
        rows = path.read_text(encoding="utf-8").splitlines()[1:]
        pairs = [(int(step), float(value)) for step, value in (r.split(",") for r in rows)]
        steps, values = zip(*pairs, strict=True)
        return Series(name="loss", rank=0, steps=np.array(steps), values=np.array(values))
    except (OSError, ValueError, OverflowError) as error:
        msg = f"not a golden curve: {error}. Restore it, or pass {FLAG}."
        raise HarnessError(msg, source=str(path)) from error


def difference_table(aligned: Aligned) -> str:
    """Returns a table of the first differing steps; empty if no step differs.

    Its columns are step, baseline, candidate, difference.
    """
    base, cand = aligned.baseline[0].tolist(), aligned.candidate[0].tolist()
    at = np.flatnonzero(~(aligned.baseline[0] == aligned.candidate[0]))
    if not at.size:
        return ""
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
