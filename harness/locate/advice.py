"""Which search to run next, from the JSON of a comparison, and why.

The first step that differs, and the figures that differ there, narrow a fault down before any
capture is made: the first loss has seen the forward pass and the data alone, its gradients the
backward pass, its update the optimizer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

REPLAY = "harness locate replay"
RECORD = "harness locate record"
TWIN = "harness locate gpu.capture port.capture"
SAME_START = "same-start"
_STARTS = "start_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A command, and why to run it."""

    command: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What a comparison shows, which stage to search, and the commands in their order.

    `stage` is empty if there is nothing to search.
    """

    shows: str
    stage: str
    searches: tuple[Search, ...] = ()


def advise(comparison: dict[str, Any]) -> Advice:
    """Returns what to run next after a comparison, given as the content of comparison.json.

    Unknown or missing keys are read as if the comparison did not state them.
    """
    verdict = comparison.get("verdict")
    if verdict == "pass":
        return Advice(shows="The comparison passes: there is no difference to locate.", stage="")
    if verdict == "incomparable":
        return _of_facts(comparison)
    finding = _start_finding(comparison)
    if finding is None:
        return _NO_START
    if finding.get("verdict") != "fail":
        return Advice(
            shows="The first steps from the same start do not fail, so they show nothing to "
            "search for.",
            stage="",
            searches=(Search(command="harness compare", why="follow its reason first"),),
        )
    return _of_departure(finding)


def _of_facts(comparison: dict[str, Any]) -> Advice:
    rows = [row for row in _list(comparison.get("comparability")) if row.get("class") == "differs"]
    names = [str(row.get("fact")) for row in rows if not row.get("waived")]
    start = [name for name in names if name.startswith(_STARTS)]
    listed = ", ".join(names[:6]) or "see its reasons"
    if start:
        return Advice(
            shows=f"The sides do not begin alike: {', '.join(start)} differ.",
            stage="the start",
            searches=(_MEND,),
        )
    return Advice(
        shows=f"The sides are different experiments: {listed}.",
        stage="the settings",
        searches=(
            Search(
                command="harness compare",
                why="set these alike on both sides first: captures of different experiments "
                "differ everywhere",
            ),
        ),
    )


_MEND = Search(
    command=RECORD,
    why="load the same weights and feed the same batch on both sides first; two captures name the "
    "weights and inputs that differ",
)
_NO_START = Advice(
    shows="The comparison fails. Its runs share no start, so single tensors cannot be compared.",
    stage="the start",
    searches=(
        Search(
            command="python -m model.train --same-start --steps 20",
            why="train both sides from the same start, compare them, and locate what differs then "
            "(docs/how-to/same-start.md has the helper for other programs)",
        ),
        Search(
            command=REPLAY,
            why="needs no second side: it checks every operator of one step of the candidate "
            "against the CPU",
        ),
    ),
)


def _of_departure(finding: dict[str, Any]) -> Advice:
    """Returns the advice for a failed finding of the rule same-start."""
    observed = finding.get("observed") or {}
    step = observed.get("first_step_outside", "unknown")
    named = observed.get("first_outside") or observed.get("largest_in")
    series = [name.strip() for name in str(named or "the loss").split(",")]
    shows = f"From the same start, {_listed(series)} first, at step {step}."
    if "arithmetic differs" in str(finding.get("reason")):
        return Advice(
            shows=shows,
            stage="the precision",
            searches=(
                Search(
                    command="harness compare",
                    why="run both sides with the same precision and the same autocast first: its "
                    "reason names the setting that differs",
                ),
            ),
        )
    first = step if isinstance(step, int) else 0
    stage = stage_of(series, first)
    return Advice(shows=shows, stage=stage, searches=_searches(stage, first + 1))


def _listed(series: Sequence[str]) -> str:
    """Returns the names and their verb.

    >>> _listed(["loss"]), _listed(["loss", "grad_norm", "update_norm"])
    ('loss differs', 'loss, grad_norm and update_norm differ')
    """
    *others, last = series
    return f"{', '.join(others)} and {last} differ" if others else f"{last} differs"


def stage_of(series: Sequence[str], step: int) -> str:
    """Returns the stage to search, by the series that leave the envelope first and their step.

    >>> stage_of(["loss", "grad_norm"], 0), stage_of(["grad_norm"], 1)
    ('the forward pass and the data', 'the backward pass')
    """
    names = [name.lower() for name in series]
    kinds = [_kind(name) for name in names]
    if "loss" in kinds:
        first = "the forward pass and the data"
        return first if step == 0 else ("the first update" if step == 1 else "the later steps")
    for kind, stage in _STAGES:
        if kind in kinds:
            return stage
    return "the schedule"


def _kind(name: str) -> str:
    if "grad" in name:
        return "gradient"
    if "buffer" in name:
        return "buffer"
    if "update" in name or "weight" in name:
        return "update"
    schedule = name in {"lr", "momentum", "weight_decay"} or "learning_rate" in name
    return "schedule" if schedule or name.startswith("lr.") else "loss"


_STAGES = (
    ("gradient", "the backward pass"),
    ("update", "the optimizer"),
    ("buffer", "the running statistics"),
)


def _kernels(stage: str, steps: int) -> Search:
    return Search(
        command=f"{REPLAY}{_steps(steps)}",
        why=f"runs on the candidate's machine alone and names a wrong kernel of {stage}",
    )


def _steps(steps: int) -> str:
    return "" if steps == 1 else f" --steps {steps}"


def _twin(steps: int, why: str) -> Search:
    return Search(command=f"{RECORD}{_steps(steps)} (on both machines), then {TWIN}", why=why)


_SETTINGS = (
    "sees what a replay cannot: other data, and healthy operators that are called with other "
    "settings"
)


def _searches(stage: str, steps: int) -> tuple[Search, ...]:
    """Returns the searches for a stage, the first to run first; `steps` reach the difference."""
    return {
        "the forward pass and the data": (_kernels("the forward pass", steps), _twin(1, _SETTINGS)),
        "the backward pass": (
            _kernels("the backward pass", steps),
            _twin(steps, "names the first gradient that differs, and its module"),
        ),
        "the first update": (
            _twin(steps, "separates the gradients of the first step from the optimizer's update"),
            _kernels("the backward pass", steps - 1),
        ),
        "the optimizer": (
            _twin(
                steps,
                "names the parameters whose update differs; check the optimizer's settings and "
                "the schedule",
            ),
        ),
        "the running statistics": (
            _twin(steps, "names the buffers that differ; check their momentum"),
        ),
        "the schedule": (
            Search(
                command="harness compare",
                why="compare the settings of the schedule: no operator makes it",
            ),
        ),
        "the later steps": (
            _twin(
                steps,
                "the first steps agree, so the cause changes with the step: state, schedule, order "
                "of the data",
            ),
        ),
    }[stage]


def _start_finding(comparison: dict[str, Any]) -> dict[str, Any] | None:
    findings = _list(comparison.get("findings"))
    return next((f for f in findings if f.get("rule") == SAME_START), None)


def _list(content: Any) -> list[dict[str, Any]]:
    """Returns the objects of a list of JSON; nothing for other content."""
    entries = content if isinstance(content, list) else []
    return [entry for entry in entries if isinstance(entry, dict)]
