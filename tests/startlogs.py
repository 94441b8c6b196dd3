"""Runs of one start whose rounding is known, as runs and as logs.

A deviation of x units of rounding at the first step grows by a factor from step to step, as in a
training near its start; every run draws its own x.
"""

from __future__ import annotations

import numpy as np

from harness.log.facts import RunFacts
from harness.log.run import Run, Series

UNIT, GROWTH, STEPS = 1e-7, 1.7, 20
PRINTS = {
    "start_weights": "0.87 0.15 -0.43",
    "start_images": "-3.06 2.09 2.1",
    "start_labels": "-0.17 0.17 -1.03",
    "start_random": "1.05 2.11 2.38",
}
CURVES = {
    "loss": lambda t: 4 * np.exp(-(t + 1) / 15) + 0.5,
    "grad_norm": lambda t: 1 + 0.3 * np.sin(t + 1),
    "grad_norm_geometric": lambda t: np.sqrt(0.0004 + 0.0001 * t),
    "update_norm": lambda t: np.sqrt(0.04 + 0.01 * t),
    "lr": lambda t: 0.1 * (1 - (t + 1) / 300) ** 0.9,
    "buffer_norm": lambda t: np.pi * (5 + t),
}


def deviations(rng, *, size=1.0, steps=STEPS):
    """The deviations of a healthy run by series, each (steps,), as fractions."""
    grown = UNIT * GROWTH ** np.arange(steps)
    return {name: size * grown * rng.normal(size=steps) for name in CURVES if name != "lr"}


def start_run(apart=None, *, steps=STEPS, source="run.log", facts=None, series=None):
    """A run that deviates from the start's exact curves by fractions `apart` (name: (steps,))."""
    t = np.arange(steps)
    apart = apart or {}
    kept = series or tuple(CURVES)
    values = {name: CURVES[name](t) * (1 + apart.get(name, np.zeros(steps))) for name in kept}
    stated = {"same_start": True, "precision": "float32", "seed": 7, **PRINTS, **(facts or {})}
    return Run(
        source=source,
        series=tuple(
            Series(name=name, rank=0, steps=t, values=curve) for name, curve in values.items()
        ),
        facts=RunFacts(values_by_name={k: v for k, v in stated.items() if v is not None}),
    )


def perturbed_runs(rng, count=8, *, size=1.0, steps=STEPS, facts=None):
    """Perturbed runs of the start."""
    return [
        start_run(
            deviations(rng, size=size, steps=steps),
            steps=steps,
            source=f"perturbed_{k}.log",
            facts={"perturbed": f"draw {k}", **(facts or {})},
        )
        for k in range(count)
    ]


def log_of(run):
    """The text of a run as model.train writes it."""
    head = "\n".join(f"    {name}: {value}" for name, value in run.facts.items())
    rule = "-" * 60
    lines = [rule, "Port environment:", head, rule]
    loss, *others = run.series
    for i, step in enumerate(loss.steps.tolist()):
        more = " ".join(f"train.{s.name} : {s.values[i]!s}" for s in others)
        lines.append(
            f"TCAPPDLL 2026-01-02 03:04:05.{i:06d} - Epoch: 0 Iteration: {step}  rank : 0  "
            f"train.loss : {loss.values[i]!s}  train.ips : {20 + i / 7} imgs/s "
            f"train.total_time : 0.1 {more} "
        )
    return "\n".join([*lines, ""])
