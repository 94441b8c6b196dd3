"""The command that repeats a comparison."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.comparison.judge import DEFAULT_RULES, Policy
from harness.comparison.pipeline import Comparison
from harness.log.run import Run, place_text
from harness.log.shown import MASK, masked, shown
from harness.parse.formats.sides import both_sides

_PLAIN = Policy()


def repeat_command(
    comparison: Comparison,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    baselines: str | None = None,
) -> str:
    """Returns the `harness compare` command of this comparison, quoted for a POSIX shell.

    `baseline` and `candidate` are the arguments that named the sides, such as the name of a
    recording; without them the logs are listed. A file that holds both sides is named
    once. `baselines` is the folder of recordings, if given.
    A comment after `#` names options that only a manifest has, and secrets of a URL that are left
    out.
    """
    policy = comparison.policy
    options = _options(policy) + (["--baselines", baselines] if baselines else [])
    pair = _pair(comparison)
    sides = [
        _sources(comparison.sides[0]) if baseline is None else baseline,
        _sources(comparison.sides[1]) if candidate is None else candidate,
    ]
    if pair:
        sides = [baseline or pair]
    secret = any(masked(side) != side for side in sides)
    sides = [place_text(side) for side in sides]  # user and password do not go into a report
    if any(side.startswith("-") for side in sides):  # the name of a log, not an option
        words = [*options, "--", *sides]
    else:
        words = [*sides, *options]
    command = " ".join(map(shlex.quote, ["harness", "compare", *words]))
    return shown(command) + _remark(policy, secret=secret)


def _pair(comparison: Comparison) -> str:
    """The one file that holds both sides; empty where each has its own logs."""
    runs = (*comparison.baseline, *comparison.candidate)
    files = {run.source.rpartition(" [run ")[0] for run in runs}
    return files.pop() if len(files) == 1 and both_sides(runs) is not None else ""


def _sources(runs: Sequence[Run]) -> str:
    return ",".join(run.source for run in runs)


def _options(policy: Policy) -> list[str]:
    words: list[str] = []
    if policy.metric != _PLAIN.metric:
        words += ["--metric", policy.metric]
    if policy.rank != _PLAIN.rank:
        words += ["--rank", str(policy.rank)]
    if policy.calls != DEFAULT_RULES:
        for rule in policy.calls:
            words += ["--rule", str(rule)]
    if policy.last is not None:
        words += ["--last", str(policy.last)]
    if _from_start(policy) and policy.steps is not None:
        words += ["--until", str(policy.steps[1])]
    if policy.min_steps is not None:
        words += ["--min-steps", str(policy.min_steps)]
    if policy.max_missing != _PLAIN.max_missing:
        words += ["--max-missing", repr(policy.max_missing)]
    if policy.allow:
        words += ["--allow", ",".join(policy.allow)]
    return words


def _from_start(policy: Policy) -> bool:
    """Returns whether the judged part starts at step 0, as `--until` requires."""
    return policy.steps is not None and policy.steps[0] == 0


def _remark(policy: Policy, *, secret: bool) -> str:
    """Returns a shell comment on what the command line cannot state and what is left out."""
    remarks = []
    if policy.steps is not None and not _from_start(policy):
        remarks.append(f"in a manifest, with steps = {list(policy.steps)}")
    if secret:
        remarks.append(f"replace {MASK} by your secrets")
    return f"  # {'; '.join(remarks)}" if remarks else ""
