"""The paired corpus: every setting from the same start as a baseline, for 30 steps.

Baselines have 8 perturbed runs. Benign variations and faults are those of the long corpus, each
with the seeds of the baselines, so that a run and its baseline differ by the variation alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmarks.defects.settings import TWO_RANKS, WAIVED, Setting, settings

STEPS = 30
PERTURBED = 8
SEEDS = (11, 12, 13)
FRESH = tuple(range(41, 53))
"""More seeds for benign variations, trained after all constants of the rule were chosen."""
PRECISIONS: Mapping[str, tuple[str, ...]] = {
    "float32": (),
    "bfloat16": ("--amp",),
    "float16": ("--amp", "--cfg-options", "optim_wrapper.dtype=float16"),
}
NOT_PAIRED = {"other-seeds", "fresh-seeds", "bfloat16", "deterministic"}
"""Benign settings that are another start or precision, or that every run from a start is."""
NOT_AT_16_BITS = {"float64"}
"""Autocast casts no weights of float64, so a network of them cannot train at 16 bits."""
PREFIX = "perturbed-"


def paired_settings(precision: str) -> tuple[Setting, ...]:
    """Returns the settings at a precision: baselines, their perturbed runs, variations, faults.

    Only float32 has the fresh seeds.
    """
    fresh = FRESH if precision == "float32" else ()
    more = PRECISIONS[precision]
    start = ("--same-start", "--steps", str(STEPS), *more)
    found: list[Setting] = []
    for name, options, ranks in (("baseline", (), 1), ("baseline-2x2", TWO_RANKS, 2)):
        base = Setting(
            name=name, kind="baseline", seeds=SEEDS + (fresh if ranks == 1 else ()), ranks=ranks,
            options=_joined(start, ("--perturb", str(PERTURBED)), options),
        )  # fmt: skip
        kept = "" if ranks == 1 else "2x2-"
        found += [base, *(_perturbed(f"{PREFIX}{kept}{k}", base) for k in range(1, 1 + PERTURBED))]
    for setting in settings("cpu"):
        if setting.kind == "baseline" or setting.name in NOT_PAIRED:
            continue
        if precision != "float32" and setting.name in NOT_AT_16_BITS:
            continue
        found.append(
            replace(
                setting, seeds=SEEDS + (fresh if setting.kind == "benign" else ()),
                options=_joined(start, setting.options),
                waived=WAIVED.get(setting.name, ()),
            )
        )  # fmt: skip
    return tuple(found)


def _perturbed(name: str, base: Setting) -> Setting:
    return Setting(
        name=name, kind="perturbed", seeds=base.seeds, ranks=base.ranks, made_with=base.name
    )


def _joined(*groups: tuple[str, ...]) -> tuple[str, ...]:
    """Returns options with the values of all `--cfg-options` behind a single one, at the end."""
    options: list[str] = []
    values: list[str] = []
    for group in groups:
        into = options
        for word in group:
            if word == "--cfg-options":
                into = values
            elif word.startswith("--"):
                into = options
                options.append(word)
            else:
                into.append(word)
    return (*options, *(("--cfg-options", *values) if values else ()))
