"""Which records of two captures are the same tensor.

Weights, inputs, losses, gradients and the outputs of modules meet by their names. Operators meet by
the module that they ran in, its call, the pass, and their place in the sequence of that module's
operators. A device may fuse operators or split them, so that some have no partner; the output of
the module and the next operators still have.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.locate import names
from harness.locate.capture import Capture, Record
from harness.locate.sequence import Pairs, aligned
from harness.log.wording import counted

Key = tuple[object, ...]
SENTENCES = 20
"""Sentences on what was not compared; the rest is a number."""
MODULES = 3
"""Modules that a sentence names."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Matched:
    """Pairs (P, 2) of records of two captures, in the order of the first; and the others."""

    pairs: NDArray[np.int64]
    ours_only: tuple[int, ...]
    theirs_only: tuple[int, ...]


def match(ours: Capture, theirs: Capture) -> Matched:
    """Returns which records of two captures are the same tensor."""
    mine, others = ours.records, theirs.records
    pairs = _operators(ours, theirs) + _named(mine, others) + _changed(mine, others)
    pairs = _without_partial_sums(ours, theirs, pairs)
    ordered = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    met = {int(i) for i in ordered[:, 0]}, {int(j) for j in ordered[:, 1]}
    return Matched(
        pairs=ordered,
        ours_only=tuple(i for i in range(len(mine)) if i not in met[0]),
        theirs_only=tuple(j for j in range(len(others)) if j not in met[1]),
    )


def _named(ours: Sequence[Record], theirs: Sequence[Record]) -> Pairs:
    """Returns the pairs of the records that are not operators; equal names meet in order."""
    mine, others = (_grouped(enumerate(records), _name_of) for records in (ours, theirs))
    return [pair for key in mine for pair in zip(mine[key], others.get(key, []), strict=False)]


def _without_partial_sums(ours: Capture, theirs: Capture, pairs: Pairs) -> Pairs:
    """Returns the pairs without sums of gradients that were made from other gradients.

    Autograd adds the gradients of a tensor with several uses in the order of these uses. In another
    order the sum is the same, and its parts are not.
    """
    sums = {pair for pair in pairs if _adds_gradients(ours.records[pair[0]])}
    met = [pair for pair in pairs if pair not in sums]
    sides = [{pair[side]: n for n, pair in enumerate(met)} for side in (0, 1)]
    return [
        pair
        for pair in pairs
        if pair not in sums
        or _summed(ours, pair[0], sides[0]) == _summed(theirs, pair[1], sides[1])
    ]


def _adds_gradients(record: Record) -> bool:
    backward = record.phase == "backward" and record.kind == "operator"
    return backward and names.canonical(record.name) == "add"


def _summed(capture: Capture, i: int, number_of: dict[int, int]) -> set[int]:
    """Returns the pairs that a sum was made from, through other sums of gradients."""
    found: set[int] = set()
    ahead = [*capture.records[i].made_from]
    while ahead:
        n = ahead.pop()
        if n in number_of:
            found.add(number_of[n])
        elif _adds_gradients(capture.records[n]):
            ahead.extend(capture.records[n].made_from)
    return found


def _changed(ours: Sequence[Record], theirs: Sequence[Record]) -> Pairs:
    """Returns the pairs of final gradients of which one side alone was changed before the update.

    A gradient that nothing changes is recorded once, behind the backward pass.
    """
    mine, others = ({_gradient_of(r): i for i, r in enumerate(side)} for side in (ours, theirs))
    return [
        (mine[key], others[key])
        for key in (mine.keys() & others.keys()) - {None}
        if ours[mine[key]].output != theirs[others[key]].output
    ]


def _gradient_of(record: Record) -> Key | None:
    return (record.step, names.path(record.name)) if record.kind == "gradient" else None


def _name_of(record: Record) -> Key | None:
    """Returns the name by which a record that is no operator meets its partner."""
    if record.kind == "operator":
        return None
    return (
        record.kind, record.step, names.path(record.name), names.path(record.module), record.call,
        record.phase, record.output,
    )  # fmt: skip


def _operators(ours: Capture, theirs: Capture) -> Pairs:
    """Returns the pairs of operators: first inside each call of a module, then in the whole pass.

    The second round is for operators that the other side counts to another module.
    """
    pairs: Pairs = []
    left = tuple(
        [(i, r) for i, r in enumerate(capture.records) if r.kind == "operator"]
        for capture in (ours, theirs)
    )
    for group, trusted in ((_call_of, True), (_pass_of, False)):
        mine, others = (_grouped(records, group) for records in left)
        for key in mine.keys() & others.keys():
            pairs += _in_group(ours, theirs, mine[key], others[key], trusted=trusted)
        met = {i for i, _ in pairs}, {j for _, j in pairs}
        left = tuple(
            [(i, r) for i, r in records if i not in done]
            for records, done in zip(left, met, strict=True)
        )
    return pairs


def _call_of(record: Record) -> Key:
    return (record.step, record.phase, names.path(record.module), record.call)


def _pass_of(record: Record) -> Key:
    return (record.step, record.phase)


def _in_group(
    ours: Capture, theirs: Capture, mine: list[int], others: list[int], *, trusted: bool
) -> Pairs:
    words = [_word(ours, i) for i in mine], [_word(theirs, j) for j in others]
    near = lambda i, j: _distance(ours, theirs, mine[i], others[j])  # noqa: E731
    return [(mine[i], others[j]) for i, j in aligned(*words, near, trusted=trusted)]


def _word(capture: Capture, i: int) -> Key:
    """Returns what two operators share if they may be the same.

    The number of weights counts: a convolution with a bias is another tensor than one whose bias a
    later operator adds.
    """
    record = capture.records[i]
    weights = 0
    if record.phase == "forward":
        weights = sum(capture.records[k].kind == "weight" for k in record.made_from)
    return (names.canonical(record.name), record.output, record.shape, weights)


def _distance(ours: Capture, theirs: Capture, i: int, j: int) -> float:
    size = max(ours.norms[i], theirs.norms[j])
    if size == 0:
        return 0.0
    apart = ours.sketches[i].astype(np.float64) - theirs.sketches[j]
    return float(np.linalg.norm(apart) / size)


def _grouped(
    records: Iterable[tuple[int, Record]], group: Callable[[Record], Key | None]
) -> dict[Key, list[int]]:
    """Returns the numbers of the records by the key that `group` gives them; None leaves out."""
    found: dict[Key, list[int]] = defaultdict(list)
    for i, record in records:
        key = group(record)
        if key is not None:
            found[key].append(i)
    return found


def sentences(ours: Capture, theirs: Capture, matched: Matched) -> tuple[str, ...]:
    """Returns sentences on the records without a partner, one for equal modules and steps."""
    places: dict[str, tuple[set[int], dict[str, None]]] = {}
    for (step, phase, module, kind), sides in _alone(ours, theirs, matched).items():
        has = "; ".join(
            f"the {side} alone has {_listed(counts)}"
            for side, counts in zip(("baseline", "candidate"), sides, strict=True)
            if counts
        )
        what = f"{_PLURAL[kind]} of the {phase} pass" if kind in _PLURAL else kind.replace("_", " ")
        steps, modules = places.setdefault(f"{what}: {has}", (set(), {}))
        steps.add(step)
        modules[module or "the whole network"] = None
    texts = [
        f"{what} (in {_in_words(list(modules))}; {_steps(steps)})"
        for what, (steps, modules) in places.items()
    ]
    rest = len(texts) - SENTENCES
    more = [f"{counted(rest, 'further difference')} of this kind"] if rest > 0 else []
    return (*texts[:SENTENCES], *more)


def _steps(steps: set[int]) -> str:
    first, last = min(steps), max(steps)
    return f"step {first}" if first == last else f"steps {first} to {last}"


_PLURAL = {"operator": "operators", "module": "outputs of modules"}


def _alone(
    ours: Capture, theirs: Capture, matched: Matched
) -> dict[tuple[int, str, str, str], tuple[Counter[str], Counter[str]]]:
    """Returns the names without a partner on each side, by step, pass, module and kind."""
    found: dict[tuple[int, str, str, str], tuple[Counter[str], Counter[str]]] = {}
    sides = ((ours, matched.ours_only), (theirs, matched.theirs_only))
    for side, (capture, numbers) in enumerate(sides):
        for i in numbers:
            record = capture.records[i]
            module = names.path(record.module) if record.kind in _PLURAL else ""
            key = (record.step, record.phase, module, record.kind)
            counts = found.setdefault(key, (Counter(), Counter()))
            counts[side][record.name or "an output"] += 1
    return found


def _listed(counts: Counter[str]) -> str:
    words = [name if n == 1 else f"{n} {name}" for name, n in sorted(counts.items())]
    more = len(words) - 2 * MODULES
    return ", ".join(words[: 2 * MODULES]) + (f" and {more} more" if more > 0 else "")


def _in_words(modules: Sequence[str]) -> str:
    shown = ", ".join(modules[:MODULES])
    more = len(modules) - MODULES
    return shown + (f" and {counted(more, 'more module')}" if more > 0 else "")
