"""Compares the facts of both sides: do they describe the same experiment?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import PolicyError
from harness.log.facts import (
    CONFIG,
    FACTS,
    FINGERPRINTS,
    MAY_DIFFER,
    OF_A_RESULT,
    OF_A_START,
    FactValue,
    RunFacts,
    must_match,
)
from harness.log.fingerprint import ALIKE, distance

Class = Literal["same", "may_differ", "differs", "unknown"]
SideValue = FactValue | tuple[FactValue, ...] | None

SERIES, RANKS = "series", "ranks"
"""Names that `allow` accepts in addition to facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparability:
    """One fact on both sides. A side whose runs disagree has a tuple; None is not stated.

    `same`: both sides state the same value. `may_differ`: the values differ, as they may in a port.
    `differs`: the values differ, and the fact must match. `unknown`: a side does not state the
    fact, which does not count as equal. `waived`: the fact differs, and the policy allows it.
    """

    fact: str
    baseline: SideValue
    candidate: SideValue
    kind: Class
    waived: bool = False


def compare_facts(
    baseline: Sequence[RunFacts], candidate: Sequence[RunFacts], *, allow: Sequence[str] = ()
) -> tuple[Comparability, ...]:
    """Returns every fact and the config settings that differ, the decisive rows first.

    Config settings are compared if both sides print their config; equal settings are not listed.
    What only runs from a given start state is listed if both sides state it, and what only a
    published result states if the baseline states it. Fingerprints are equal if they agree to
    `ALIKE`.
    `allow` waives facts by name, settings also by the start of their dotted name (`config.model`),
    and `all` waives everything.

    Raises:
        PolicyError: `allow` contains an unknown name.
    """
    check_allow(allow)
    stated = [{name for facts in side for name in facts} for side in (baseline, candidate)]
    listed = (
        name
        for name in FACTS
        if (name not in OF_A_START or all(name in side for side in stated))
        and (name not in OF_A_RESULT or name in stated[0])
    )
    rows = [_row(name, baseline, candidate, allow) for name in listed]
    rows += [_row(name, baseline, candidate, allow) for name in _differing(baseline, candidate)]
    return tuple(sorted(rows, key=_weight))


def _weight(row: Comparability) -> int:
    """Returns the place of a row: facts that must match first, unknown ones before equal ones."""
    if row.kind == "differs":
        return 1 if row.waived else 0
    if row.kind == "unknown":
        return 4 if row.fact in MAY_DIFFER else 2
    return 3 if row.kind == "may_differ" else 5


def waivable(name: str) -> bool:
    """Returns whether `allow` accepts this name although it is not a fact."""
    return name in {SERIES, RANKS} or name.startswith(f"{SERIES}.")


def check_allow(allow: Sequence[str]) -> None:
    """Checks that every name is a fact, a setting, a series, `ranks` or `all`.

    Raises:
        PolicyError: a name is something else.
    """
    unknown = [
        name
        for name in allow
        if name not in FACTS
        and name != "all"
        and not f"{name}.".startswith(CONFIG)
        and not waivable(name)
    ]
    if unknown:
        msg = f"cannot allow {', '.join(unknown)}: no such fact; expected all or of: "
        raise PolicyError(msg + ", ".join(FACTS) + ", config.<setting>, ranks, series.<name>")


def _row(
    name: str,
    baseline: Sequence[Mapping[str, FactValue]],
    candidate: Sequence[Mapping[str, FactValue]],
    allow: Sequence[str],
) -> Comparability:
    if name.startswith(CONFIG):  # listed only if both sides print their config
        baseline, candidate = (
            [{name: facts.get(name, "(not set)")} for facts in side if _configured(facts)]
            for side in (baseline, candidate)
        )
    left, right = side_value(baseline, name), side_value(candidate, name)
    if name in FINGERPRINTS and _alike(left, right):
        # the last digits differ from device to device
        left = right = left[0] if isinstance(left, tuple) else left
    kind: Class
    if left is None or right is None:
        kind = "unknown"
    elif left == right and (not isinstance(left, tuple) or not must_match(name)):
        kind = "same"
    else:
        kind = "differs" if must_match(name) else "may_differ"
    waived = kind == "differs" and any(
        item in {name, "all"} or name.startswith(f"{item}.") for item in allow
    )
    return Comparability(fact=name, baseline=left, candidate=right, kind=kind, waived=waived)


def _alike(left: SideValue, right: SideValue) -> bool:
    """Returns whether all fingerprints of both sides are those of the same arrays."""
    values = [v for side in (left, right) for v in (side if isinstance(side, tuple) else (side,))]
    return all(distance(values[0], value) <= ALIKE for value in values)


def side_value(side: Sequence[Mapping[str, FactValue]], name: str) -> SideValue:
    """Returns the value of one side: a tuple if its runs disagree, None if no run states the fact.

    Runs that do not state the fact are ignored here; `completeness` reports them.
    """
    known = [value for value in (facts.get(name) for facts in side) if value is not None]
    distinct = tuple(dict.fromkeys(known))  # a set would lose the order of the runs
    if not distinct:
        return None
    return distinct[0] if len(distinct) == 1 else distinct


def _differing(baseline: Sequence[RunFacts], candidate: Sequence[RunFacts]) -> list[str]:
    """Returns the settings that must match but differ between the runs that print a config."""
    printed = [[facts for facts in side if _configured(facts)] for side in (baseline, candidate)]
    if not all(printed):
        return []
    runs = [facts for side in printed for facts in side]
    names = sorted({name for facts in runs for name in facts if name.startswith(CONFIG)})
    return [
        name
        for name in names
        if must_match(name) and len({repr(facts.get(name)) for facts in runs}) > 1
    ]


def _configured(facts: Mapping[str, FactValue]) -> bool:
    return any(name.startswith(CONFIG) for name in facts)


def blocking(rows: Sequence[Comparability]) -> tuple[Comparability, ...]:
    """Returns the facts that make the sides different experiments and are not waived."""
    return tuple(row for row in rows if row.kind == "differs" and not row.waived)


def weighty_unknowns(rows: Sequence[Comparability]) -> tuple[Comparability, ...]:
    """Returns the facts that must match but that a side does not state."""
    return tuple(row for row in rows if row.kind == "unknown" and row.fact not in MAY_DIFFER)
