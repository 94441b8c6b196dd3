"""Writes `harness/comparison/signatures.json`: how each fault moves the features of the curves.

The hit rates in it are measured with seeds left out: a failing run is compared with signatures made
without its seed, and against the other half of the baseline.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.defects.corpus import ROOT, Trained
from benchmarks.defects.judges import Case, case
from benchmarks.defects.score import by_setting, cost_of
from harness.comparison.diagnosis import Catalogue, KnownFault, cut, diagnose
from harness.rules.finding import nonfinite
from harness.rules.seed_variation import seed_variation
from harness.stats.seeds import distances
from harness.stats.signature import signature
from model.faults import parse_fault

TARGET = ROOT / "harness" / "comparison" / "signatures.json"
RUNS = 10
LEVEL = 0.01
NOTICED = 0.5
"""Part of its runs that must fail for a fault to have a signature; of others it would be noise."""


def main(device: str, reference: str) -> int:
    """Writes the file from the figures of a device, and prints the hit rates."""
    runs, base = by_setting(device), by_setting(reference)["baseline"]
    halves = [base[:RUNS], base[RUNS : 2 * RUNS]]
    faults = {
        name: several
        for name, several in runs.items()
        if several[0].kind == "fault" and several[0].ranks == 1
    }
    cases = {
        (name, trained.seed, half): one
        for name, several in faults.items()
        for trained in several
        for half, runs in enumerate(halves)
        if _finite(one := case([b.run for b in runs], [trained.run]))
    }
    moved = {key: cut(distances(signature(one.aligned)).t) for key, one in cases.items()}
    failing = {key for key, one in cases.items() if _fails(one)}
    catalogue = _catalogue(faults, base, cases, moved, failing)
    rates = _rates(catalogue, {key: cases[key] for key in cases if key in failing}, moved)
    for (of, compared), (first, three) in rates.items():
        print(f"spread of {of}, {compared}: first {first:.0%}, among the first three {three:.0%}")
    TARGET.write_text(_json(replace(catalogue, rates=rates)), encoding="utf-8")
    print(TARGET)
    return 0


Key = tuple[str, int, int]
KINDS = tuple((of, what) for of in ("baseline", "corpus") for what in ("everything", "loss"))
Floats = NDArray[np.float64]


def _finite(one: Case) -> bool:
    whole = one.aligned
    return nonfinite("", whole, {}) is None


def _catalogue(
    faults: Mapping[str, Sequence[Trained]],
    base: Sequence[Trained],
    cases: Mapping[Key, Case],
    moved: Mapping[Key, Floats],
    failing: Collection[Key],
) -> Catalogue:
    features = signature(next(iter(cases.values())).aligned)
    whole = signature(case([b.run for b in base], [base[0].run]).aligned)
    known = []
    for name, several in faults.items():
        mine = [t for key, t in moved.items() if key[0] == name]
        failed = [key in failing for key in cases if key[0] == name]
        if mine and np.mean(failed) >= NOTICED:
            fault = parse_fault(name).fault
            known.append(
                KnownFault(
                    name=name,
                    summary=fault.summary.rstrip("."),
                    origin=fault.origin.rstrip("."),
                    miou_lost=cost_of(several, base),
                    signature=np.mean(mine, axis=0),
                )
            )
    return Catalogue(
        features=features.names,
        spread=whole.baseline.std(axis=0, ddof=1),
        faults=tuple(known),
        rates=dict.fromkeys(KINDS, (0.0, 0.0)),
    )


def _fails(one: Case) -> bool:
    """Whether the run fails, or is asked for once more."""
    p_value = seed_variation(one.aligned).observed["p_value"]
    return isinstance(p_value, float) and p_value <= LEVEL


def _rates(
    catalogue: Catalogue, cases: Mapping[Key, Case], moved: Mapping[Key, Floats]
) -> dict[tuple[str, str], tuple[float, float]]:
    """How often the true fault comes first, and among three, in these cases.

    A fault without a signature cannot be named, and counts as missed.
    """
    hits: dict[tuple[str, str], list[int]] = {key: [] for key in KINDS}
    for (name, seed, half), one in cases.items():
        without = replace(
            catalogue,
            faults=tuple(
                replace(fault, signature=np.mean(others, axis=0))
                for fault in catalogue.faults
                if (others := _others(moved, fault.name, seed=seed, half=half))
            ),
        )
        single = case(one.baseline[:1], one.candidate)
        for of, aligned in (("baseline", one.aligned), ("corpus", single.aligned)):
            alone = replace(aligned, schedules=(), validation=(), auxiliary=())
            for what, compared in (("everything", aligned), ("loss", alone)):
                found = diagnose(compared, without, most=len(catalogue.faults)).similar
                kinds = [hint.fault.name.partition("=")[0] for hint in found]
                kind = name.partition("=")[0]
                hits[of, what].append(kinds.index(kind) if kind in kinds else len(kinds))
    return {
        key: (float(np.mean([p < 1 for p in at])), float(np.mean([p < 3 for p in at])))
        for key, at in hits.items()
    }


def _others(moved: Mapping[Key, Floats], name: str, *, seed: int, half: int) -> list[Floats]:
    """The distances of a fault's runs with other seeds, from the other half of the baseline."""
    return [t for key, t in moved.items() if key[0] == name and key[1] != seed and key[2] != half]


def _json(catalogue: Catalogue) -> str:
    """Rounded to what the hints need."""
    data = {
        "made_by": "python -m benchmarks.defects signatures",
        "features": list(catalogue.features),
        "spread": [float(f"{x:.3g}") for x in catalogue.spread],
        "rates": {
            of: {what: [round(x, 3) for x in catalogue.rates[of, what]] for _, what in KINDS[:2]}
            for of in ("baseline", "corpus")
        },
        "faults": [
            {
                "name": fault.name,
                "summary": fault.summary,
                "origin": fault.origin,
                "cost": round(fault.miou_lost, 2),
                "moved": [round(float(x), 2) for x in fault.signature],
            }
            for fault in catalogue.faults
        ],
    }
    return json.dumps(data, indent=1).replace(",\n   ", ", ").replace("[\n   ", "[") + "\n"
