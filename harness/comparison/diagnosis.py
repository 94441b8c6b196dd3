"""Finds the injected faults that a difference resembles. A diagnosis is a hint, never a verdict.

The *signature* of a fault is how far it shifts each feature of the curves, in units of the spread
of seeds, averaged over the training runs with that fault. A comparison is compared with every
signature by the cosine of the angle between them, over the features that both have. The cosine does
not depend on the severity if a fault shifts the same features in the same proportion. Distances are
clipped at `MOST`, because larger ones carry no further information.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.align.aligned import Aligned
from harness.log.arrays import Floats
from harness.log.wording import counted
from harness.rules.finding import nonfinite
from harness.stats.power import spread_factor
from harness.stats.seeds import FEWEST, distances, run_mean
from harness.stats.signature import EQUAL, Signature, signature

MOST = 10.0
SHARED = 5
"""Smallest number of features that a comparison must share with the signatures."""
NAMED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownFault:
    """A fault with its signature (F,) and its mean loss of mIoU in the corpus, in points."""

    name: str
    summary: str
    origin: str
    miou_lost: float
    signature: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Catalogue:
    """The faults of the corpus, the names of the features, and their spread (F,) over seeds.

    `rates` are measured: the fraction of failing runs whose true fault is the first, and among the
    first three. The keys are the source of the spread (`baseline`, `corpus`) and the series that
    were compared (`everything` that the corpus logs, or the `loss` alone).
    """

    features: tuple[str, ...]
    spread: Floats
    faults: tuple[KnownFault, ...]
    rates: Mapping[tuple[str, str], tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarFault:
    """A fault that the difference resembles; `similarity` is the cosine, 1 for full agreement."""

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
    """Returns the catalogue from the content of `signatures.json`."""
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
        why = "the curves contain NaN or infinity: look at the first such step"
        return replace(empty, why_empty=why)
    observed = signature(aligned)
    ours, theirs = shared_features(observed.names, catalogue.features)
    empty = replace(empty, shared=len(ours))
    if len(ours) < SHARED:
        features = counted(len(ours), "feature")
        why = f"the curves share {features} with the corpus; expected {SHARED} or more"
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
    """Returns distances, clipped to -MOST and MOST."""
    return np.clip(t, -MOST, MOST)


def shared_features(ours: Sequence[str], theirs: Sequence[str]) -> tuple[list[int], list[int]]:
    """Returns the places of the shared features in both lists, in the order of `ours`.

    A schedule is the same feature at any step; the name has the step at which it differs most.
    """
    at = {_kind(name): i for i, name in enumerate(theirs)}
    pairs = [(i, at[_kind(name)]) for i, name in enumerate(ours) if _kind(name) in at]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _kind(name: str) -> str:
    return name.partition(" at step ")[0]


def _in_spread_of_corpus(
    observed: Signature, catalogue: Catalogue, ours: list[int], theirs: list[int]
) -> Floats:
    """Returns distances (F,) in the spread of the corpus, for a baseline of too few runs."""
    b, c = observed.baseline.shape[0], observed.candidate.shape[0]
    shift = run_mean(observed.candidate) - run_mean(observed.baseline)
    t = np.zeros(shift.size)
    spread = np.maximum(catalogue.spread[theirs], EQUAL)  # schedules have no spread
    t[ours] = shift[ours] / spread / spread_factor(b, c)
    return t


def _compared(
    fault: KnownFault, shift: Floats, known: Floats, names: Sequence[str]
) -> SimilarFault:
    """Returns the similarity of a shift to a fault's signature, both (F,) by shared features."""
    size = float(np.linalg.norm(shift) * np.linalg.norm(known))
    similarity = float(shift @ known) / size if size > 0 else 0.0
    order = np.argsort(-(shift * known), kind="stable")[:NAMED].tolist()
    features = tuple(names[i] for i in order)
    return SimilarFault(fault=fault, similarity=similarity, features=features)


def _first_of_each_kind(ranked: Sequence[SimilarFault]) -> list[SimilarFault]:
    """Returns the most similar severity of each fault."""
    kinds: dict[str, SimilarFault] = {}
    for similar in ranked:
        kinds.setdefault(similar.fault.name.partition("=")[0], similar)
    return list(kinds.values())
