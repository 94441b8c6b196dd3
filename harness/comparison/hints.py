"""Which planted defect does a difference resemble? Hints for the search, never a verdict.

A fault's *signature* is how far it moved each feature of the curves, in the spread of seeds,
averaged over the training runs that had it. A comparison is set beside every signature by the
cosine of the angle between the two, over the features that both have: it does not depend on the
dose, as long as a fault moves the same features in the same proportion. Distances are cut at
`MOST`, since beyond it they only say that a feature differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.align.aligned import Aligned
from harness.log.wording import counted
from harness.rules.finding import nonfinite
from harness.stats.power import spread_factor
from harness.stats.seeds import FEWEST, distances, run_mean
from harness.stats.signature import EQUAL, Signature, signature

Floats = NDArray[np.float64]

MOST = 10.0
SHARED = 5
"""Features that a comparison must share with the signatures."""
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Known:
    """A fault with its signature (F,) and what it cost in the corpus, in points of mIoU."""

    name: str
    summary: str
    origin: str
    cost: float
    moved: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """The faults of the corpus, their features' names, and the spread (F,) by seed there.

    `rates` are measured: the fraction of failing runs whose true fault came first, and among the
    first three, by what the spread was taken from (`baseline`, `corpus`) and by what was compared
    (`everything` that the corpus logs, the `loss` alone).
    """

    features: tuple[str, ...]
    spread: Floats
    faults: tuple[Known, ...]
    rates: Mapping[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """A fault that the difference resembles; `alike` is the cosine, 1 the same direction."""

    fault: Known
    alike: float
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """The likeliest faults first. `shared` features were compared; `rates` as in `Catalogue`."""

    hints: tuple[Hint, ...]
    shared: int
    spread_of: str
    rates: tuple[float, float]
    why_none: str = ""


def from_json(data: Mapping[str, Any]) -> Catalogue:
    """The catalogue as `signatures.json` has it."""
    return Catalogue(
        features=tuple(data["features"]),
        spread=np.array(data["spread"]),
        faults=tuple(
            Known(
                name=one["name"],
                summary=one["summary"],
                origin=one["origin"],
                cost=one["cost"],
                moved=np.array(one["moved"]),
            )
            for one in data["faults"]
        ),
        rates={
            (of, compared): (first, three)
            for of, pairs in data["rates"].items()
            for compared, (first, three) in pairs.items()
        },
    )


def hints(aligned: Aligned, catalogue: Catalogue, *, most: int = 5) -> Hints:
    """The faults that the difference of two sides resembles, at most `most` kinds of them."""
    several = aligned.baseline.shape[0] >= FEWEST
    spread_of = "baseline" if several else "corpus"
    rates = catalogue.rates[spread_of, "loss"]
    if nonfinite("", aligned, {}) is not None:
        why = "the curves hold NaN or infinity: look at the first such step"
        return Hints(hints=(), shared=0, spread_of=spread_of, rates=rates, why_none=why)
    found = signature(aligned)
    ours, theirs = shared_features(found.names, catalogue.features)
    if len(ours) < SHARED:
        why = (
            f"the curves share {counted(len(ours), 'feature')} with the corpus, {SHARED} are needed"
        )
        return Hints(hints=(), shared=len(ours), spread_of=spread_of, rates=rates, why_none=why)
    t = distances(found).t if several else _in_spread_of_corpus(found, catalogue, ours, theirs)
    moved = cut(t[ours])
    if not moved.any():
        why = "the curves do not differ"
        return Hints(hints=(), shared=len(ours), spread_of=spread_of, rates=rates, why_none=why)
    names = [catalogue.features[i] for i in theirs]
    if any(not name.startswith("loss: ") for name in names):
        rates = catalogue.rates[spread_of, "everything"]
    ranked = sorted(
        (_hint(fault, moved, fault.moved[theirs], names) for fault in catalogue.faults),
        key=lambda hint: -hint.alike,
    )
    return Hints(
        hints=tuple(_first_of_each_kind(ranked))[:most],
        shared=len(ours),
        spread_of=spread_of,
        rates=rates,
    )


def cut(t: Floats) -> Floats:
    """Distances between -MOST and MOST."""
    return np.clip(t, -MOST, MOST)


def shared_features(ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[int], list[int]]:
    """The places of the features that both have, in the order of `ours`.

    A schedule is the same feature at whichever step it differs most.
    """
    at = {_kind(name): i for i, name in enumerate(theirs)}
    pairs = [(i, at[_kind(name)]) for i, name in enumerate(ours) if _kind(name) in at]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _kind(name: str) -> str:
    return name.partition(" at step ")[0]


def _in_spread_of_corpus(
    found: Signature, catalogue: Catalogue, ours: list[int], theirs: list[int]
) -> Floats:
    """Distances (F,) where the baseline's runs are too few to show what seeds do."""
    b, c = found.baseline.shape[0], found.candidate.shape[0]
    shift = run_mean(found.candidate) - run_mean(found.baseline)
    t = np.zeros(shift.size)
    spread = np.maximum(catalogue.spread[theirs], EQUAL)  # of a schedule, any difference shows
    t[ours] = shift[ours] / spread / spread_factor(b, c)
    return t


def _hint(fault: Known, moved: Floats, theirs: Floats, names: Sequence[str]) -> Hint:
    size = float(np.linalg.norm(moved) * np.linalg.norm(theirs))
    alike = float(moved @ theirs) / size if size > 0 else 0.0
    order = np.argsort(-(moved * theirs), kind="stable")[:NAMED].tolist()
    return Hint(fault=fault, alike=alike, features=tuple(names[i] for i in order))


def _first_of_each_kind(ranked: Sequence[Hint]) -> list[Hint]:
    """One hint for a fault of several doses, the likest."""
    kinds: dict[str, Hint] = {}
    for hint in ranked:
        kinds.setdefault(hint.fault.name.partition("=")[0], hint)
    return list(kinds.values())
