"""Facts and contradictions that follow from the figures of a log rather than from its words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.log.facts import FactValue, RunFacts
from harness.log.run import Series

PART = 1 << 20
"""Records that are multiplied at a time: a log may hold hundreds of millions."""


def batch_from_throughput(series: Sequence[Series]) -> int | None:
    """The per-device batch size if `ips * total_time` is one whole number on every record.

    The images per second that a process logs are its batch size divided by the time of the step,
    so the product is the batch size. None where the two are not logged, or do not agree to 1e-6.
    """
    by_key = {(s.name, s.rank): s for s in series if s.window == 1}
    batch = 0.0
    for (name, rank), ips in by_key.items():
        time = by_key.get(("total_time", rank))
        if name != "ips" or time is None or not np.array_equal(ips.steps, time.steps):
            continue
        for start in range(0, len(ips), PART):
            part = slice(start, start + PART)
            with np.errstate(all="ignore"):
                product = ips.values[part] * time.values[part]
            if not batch:
                batch = float(np.round(product[0])) if np.isfinite(product[0]) else 0.0
            if batch < 1 or not bool(np.all(np.abs(product - batch) <= 1e-6 * batch)):
                return None
    return int(batch) or None


def derive(facts: RunFacts, series: Sequence[Series]) -> tuple[dict[str, FactValue], list[str]]:
    """Facts that the log does not state but its figures give, and notes on contradictions."""
    derived: dict[str, FactValue] = {}
    notes = []
    measured = batch_from_throughput(series)
    stated = facts.get("batch_per_device")
    if measured is not None and stated is None:
        derived["batch_per_device"] = measured
        notes.append(f"batch_per_device {measured} follows from ips * total_time on every record")
    elif measured is not None and measured != stated:
        notes.append(
            f"the config says batch_per_device {stated}, but ips * total_time gives {measured}"
        )
    ranks = len({s.rank for s in series})
    world = facts.get("world_size")
    if world is None and ranks > 1:
        derived["world_size"] = ranks
        notes.append(f"world_size {ranks} follows from the ranks that logged")
    elif isinstance(world, int) and ranks > world:
        notes.append(f"the environment says world_size {world}, but {ranks} ranks logged")
    effective = _effective({**facts.named(), **derived})
    if effective is not None and "effective_batch" not in facts:
        derived["effective_batch"] = effective
    return derived, notes


def _effective(facts: dict[str, FactValue]) -> int | None:
    factors = [facts.get(n) for n in ("batch_per_device", "world_size", "grad_accumulation")]
    product = 1
    for factor in factors:
        if not isinstance(factor, int) or isinstance(factor, bool):
            return None
        product *= factor
    return product
