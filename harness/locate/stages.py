"""The stages of a step: the weights, the batch, the forward pass, ..., the updates."""

from __future__ import annotations

from collections.abc import Sequence

from harness.locate.result import Row, Stage, State

ORDER = (
    "weights",
    "buffers",
    "batch",
    "forward pass",
    "loss",
    "backward pass",
    "gradients",
    "updates",
    "updates of buffers",
)
"""The stages in the order in which a training goes through them."""
_OF_KIND = {
    "weight": "weights",
    "buffer": "buffers",
    "input": "batch",
    "loss": "loss",
    "gradient": "gradients",
    "update": "updates",
    "buffer_update": "updates of buffers",
}
_SEVERITY: tuple[State, ...] = ("wrong", "inherited", "unjudged", "healthy", "hidden")


def stage_of(row: Row) -> str:
    """Returns the stage that a row belongs to."""
    return _OF_KIND.get(row.kind, f"{row.phase} pass")


def stages_of(rows: Sequence[Row]) -> tuple[Stage, ...]:
    """Returns the stages of all steps, in order, each with its worst tensor."""
    groups: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.step, ORDER.index(stage_of(row))), []).append(row)
    return tuple(_stage(ORDER[at], step, groups[step, at]) for step, at in sorted(groups))


def _stage(name: str, step: int, rows: Sequence[Row]) -> Stage:
    worst = min(rows, key=lambda row: (_SEVERITY.index(row.state), -row.ratio))
    return Stage(
        name=name, step=step, count=len(rows), error=worst.error, limit=worst.limit,
        state=worst.state, worst=title(worst),
    )  # fmt: skip


def title(row: Row) -> str:
    """Returns what a row is of, in words."""
    if row.is_input:
        return f"{row.operator} of {row.module}"
    if row.kind == "module":
        what = "the output of" if row.phase == "forward" else "the gradient at the output of"
        return f"{what} {row.module or 'the whole network'}"
    if row.kind == "operator":
        which = f", output {row.output + 1}" if row.output else ""
        return f"{row.operator}{which} in {row.module or 'the whole network'}"
    if row.kind == "loss" and row.operator != "loss":
        return f"loss {row.operator}"
    return argument(row.operator) if row.kind == "input" else row.operator


def argument(name: str) -> str:
    """Returns what the network was called with, from the path of a record.

    A path begins with 0 and the place of an argument, or with 1 and its keyword.

    >>> argument("0.0"), argument("0.1.3.image"), argument("1.scale"), argument("images")
    ('argument 1', '3.image of argument 2', 'argument scale', 'input images')
    """
    kind, _, rest = name.partition(".")
    head, _, inside = rest.partition(".")
    if kind == "0" and head.isdigit():
        head = str(int(head) + 1)
    elif kind != "1" or not head:
        return f"input {name}"
    return f"{inside} of argument {head}" if inside else f"argument {head}"
