"""Which injected fault does a difference resemble? A diagnosis is a hint, never a verdict.

A fault's *signature* is how far it moved each feature of the curves, in the spread of seeds,
averaged over the training runs that had it. A comparison is set beside every signature by the
cosine of the angle between the two, over the features that both have: it does not depend on the
severity, as long as a fault moves the same features in the same proportion. Distances are cut at
`MOST`, since beyond it they only say that a feature differs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
class KnownFault:
    """A fault with its signature (F,) and the points of mIoU that it cost in the corpus."""

    name: str
    summary: str
    origin: str
    miou_lost: float
    signature: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """The faults of the corpus, their features' names, and the spread (F,) by seed there.

    `rates` are measured: the fraction of failing runs whose true fault came first, and among the
    first three, by what the spread was taken from (`baseline`, `corpus`) and by what was compared
    (`everything` that the corpus logs, the `loss` alone).
    """

    features: tuple[str, ...]
    spread: Floats
    faults: tuple[KnownFault, ...]
    rates: Mapping[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarFault:
    """A fault that the difference resembles; `similarity` is the cosine, 1 the same direction."""

    fault: KnownFault
    similarity: float
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The most similar faults first. `shared` features were compared; `rates` as in `Catalogue`."""

    similar: tuple[SimilarFault, ...]
    shared: int
    spread_of: str
    rates: tuple[float, float]
    why_empty: str = ""


def from_json(data: Mapping[str, Any]) -> Catalogue:
    """The catalogue as `signatures.json` has it."""
    return Catalogue(
        features=tuple(data["features"]),
        spread=np.array(data["spread"]),
        faults=tuple(
            KnownFault(
                name=fault["name"],
                summary=fault["summary"],
                origin=fault["origin"],
                miou_lost=fault["cost"],
                signature=np.array(fault["moved"]),
            )
            for fault in data["faults"]
        ),
        rates={
            (of, compared): (first, three)
            for of, pairs in data["rates"].items()
            for compared, (first, three) in pairs.items()
        },
    )


def diagnose(aligned: Aligned, catalogue: Catalogue, *, most: int = 5) -> Diagnosis:
    """Returns the faults that the difference of two sides resembles, at most `most` kinds."""
    enough_seeds = aligned.baseline.shape[0] >= FEWEST
    spread_of = "baseline" if enough_seeds else "corpus"
    empty = Diagnosis(
        similar=(), shared=0, spread_of=spread_of, rates=catalogue.rates[spread_of, "loss"]
    )
    if nonfinite("", aligned, {}) is not None:
        why = "the curves hold NaN or infinity: look at the first such step"
        return replace(empty, why_empty=why)
    observed = signature(aligned)
    ours, theirs = shared_features(observed.names, catalogue.features)
    empty = replace(empty, shared=len(ours))
    if len(ours) < SHARED:
        features = counted(len(ours), "feature")
        why = f"the curves share {features} with the corpus, {SHARED} are needed"
        return replace(empty, why_empty=why)
    if enough_seeds:
        t = distances(observed).t
    else:
        t = _in_spread_of_corpus(observed, catalogue, ours, theirs)
    shift = cut(t[ours])
    if not shift.any():
        return replace(empty, why_empty="the curves do not differ")
    names = [catalogue.features[i] for i in theirs]
    everything = any(not name.startswith("loss: ") for name in names)
    ranked = sorted(
        (_compared(fault, shift, fault.signature[theirs], names) for fault in catalogue.faults),
        key=lambda similar: -similar.similarity,
    )
    return replace(
        empty,
        similar=tuple(_first_of_each_kind(ranked))[:most],
        rates=catalogue.rates[spread_of, "everything" if everything else "loss"],
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
    observed: Signature, catalogue: Catalogue, ours: list[int], theirs: list[int]
) -> Floats:
    """Distances (F,) where the baseline's runs are too few to show what seeds do."""
    b, c = observed.baseline.shape[0], observed.candidate.shape[0]
    shift = run_mean(observed.candidate) - run_mean(observed.baseline)
    t = np.zeros(shift.size)
    spread = np.maximum(catalogue.spread[theirs], EQUAL)  # of a schedule, any difference shows
    t[ours] = shift[ours] / spread / spread_factor(b, c)
    return t


def _compared(
    fault: KnownFault, shift: Floats, known: Floats, names: Sequence[str]
) -> SimilarFault:
    """The similarity of a shift to a fault's signature, both (F,), over the shared features."""
    size = float(np.linalg.norm(shift) * np.linalg.norm(known))
    similarity = float(shift @ known) / size if size > 0 else 0.0
    order = np.argsort(-(shift * known), kind="stable")[:NAMED].tolist()
    features = tuple(names[i] for i in order)
    return SimilarFault(fault=fault, similarity=similarity, features=features)


def _first_of_each_kind(ranked: Sequence[SimilarFault]) -> list[SimilarFault]:
    """The most similar severity of each fault."""
    kinds: dict[str, SimilarFault] = {}
    for similar in ranked:
        kinds.setdefault(similar.fault.name.partition("=")[0], similar)
    return list(kinds.values())
