"""The command that repeats a comparison."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from harness.comparison import Comparison
from harness.curve import Run
from harness.judge import DEFAULT_RULES, Policy

_PLAIN = Policy()


def repeat_command(
    comparison: Comparison,
    *,
    baseline: str | None = None,
    candidate: str | None = None,
    baselines: str | None = None,
) -> str:
    """The `harness compare` that gives this comparison again, quoted for a POSIX shell.

    `baseline` and `candidate` are the words that named the sides, a recording's name for one;
    without them the logs are listed. `baselines` is the folder of recordings, where one was named.
    What only a manifest can ask for stands behind a `#`.
    """
    policy = comparison.policy
    options = _options(policy) + (["--baselines", baselines] if baselines else [])
    sides = [
        _sources(comparison.baseline) if baseline is None else baseline,
        _sources(comparison.candidate) if candidate is None else candidate,
    ]
    if any(side.startswith("-") for side in sides):  # a log's name, no option
        words = [*options, "--", *sides]
    else:
        words = [*sides, *options]
    return " ".join(map(shlex.quote, ["harness", "compare", *words])) + _remark(policy)


def _sources(runs: Sequence[Run]) -> str:
    return ",".join(run.source for run in runs)


def _options(policy: Policy) -> list[str]:
    words: list[str] = []
    if policy.metric != _PLAIN.metric:
        words += ["--metric", policy.metric]
    if policy.rank != _PLAIN.rank:
        words += ["--rank", str(policy.rank)]
    if policy.rules != DEFAULT_RULES:
        for rule in policy.rules:
            words += ["--rule", str(rule)]
    if policy.last is not None:
        words += ["--last", str(policy.last)]
    if policy.allow:
        words += ["--allow", ",".join(policy.allow)]
    return words


def _remark(policy: Policy) -> str:
    """The limits that the command line does not take."""
    given = [
        f"{name} = {getattr(policy, name)}"
        for name in ("min_steps", "max_missing")
        if getattr(policy, name) != getattr(_PLAIN, name)
    ]
    return f"  # in a manifest, with {', '.join(given)}" if given else ""
