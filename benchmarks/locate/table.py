"""Prints the stored figures as Markdown: who is named first, among three, and what is flagged."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from scipy.stats import binomtest

ABOVE = 4.0
"""Relative change, in units of eps, from which a fault is above the rounding of its format."""


def main(folder: Path) -> None:
    """Prints the tables."""
    kernels = pd.read_csv(folder / "kernels.csv")
    print("Planted kernel faults above rounding, named first (among three):\n")
    _print_kernels(kernels[kernels.change > ABOVE])
    below = kernels[kernels.change <= ABOVE]
    print(f"\n{len(below)} further faults changed nothing above rounding; they are left out.\n")
    print("Healthy steps with other kernels, with at least one flag:\n")
    _print_healthy(pd.read_csv(folder / "healthy.csv"))
    print("\nFaults of the model on the operator level, two captures, named first (among three):\n")
    _print_semantic(pd.read_csv(folder / "semantic.csv", keep_default_na=False))


def _print_kernels(found: pd.DataFrame) -> None:
    print("| network | precision | replay | twin | first beyond 1e-4 | first other L1 norm |")
    print("|---|---|---|---|---|---|")
    for names, group in [*found.groupby(["network", "precision"]), (("all", ""), found)]:
        cells = [_ranked(group.replay), _ranked(group.twin)]
        cells += [_share(int(group[k].sum()), len(group)) for k in ("fixed", "hashes")]
        print(f"| {' | '.join([*map(str, names), *cells])} |")
    either = (found.replay == 1) | (found.twin == 1)
    print(f"\nNamed first by one of the modes: {_share(int(either.sum()), len(found))}.")
    quiet = found[found.loss_change < 1e-6]
    print(
        f"{len(quiet)} of these faults change the loss by less than 1e-6; replay names "
        f"{int((quiet.replay == 1).sum())} of them first."
    )


def _print_healthy(found: pd.DataFrame) -> None:
    print("| network | precision | steps | results | replay | twin | beyond 1e-4 | other L1 |")
    print("|---|---|---|---|---|---|---|---|")
    for names, group in [*found.groupby(["network", "precision"]), (("all", ""), found)]:
        cells = [str(len(group)), f"{int(group.results.sum()):,}"]
        flags = (int((group[m] > 0).sum()) for m in ("replay", "twin", "fixed", "hashes"))
        cells += [_share(count, len(group)) for count in flags]
        print(f"| {' | '.join([*map(str, names), *cells])} |")
    print(f"\nThe largest healthy error is {found.worst_twin.max():.2f} limits with twins.")


def _print_semantic(found: pd.DataFrame) -> None:
    there = found[~found.same]
    print("| network | precision | named first | among three |")
    print("|---|---|---|---|")
    for names, group in [*there.groupby(["network", "precision"]), (("all", ""), there)]:
        first, three = (int(group.twin.between(1, most).sum()) for most in (1, 3))
        cells = [_share(first, len(group)), _share(three, len(group))]
        print(f"| {' | '.join([*map(str, names), *cells])} |")
    print(f"\n{int(found.same.sum())} runs were left out: the fault changed nothing in them.")
    lost = there[there.twin != 1]
    print("\nNot named first (runs of 6):\n")
    for precision, group in lost.groupby("precision"):
        counts = group.fault.value_counts(sort=False).sort_index()
        print(f"- {precision}: {', '.join(f'`{name}` ({n})' for name, n in counts.items())}")


def _ranked(ranks: pd.Series[int]) -> str:
    first, three = int((ranks == 1).sum()), int(ranks.between(1, 3).sum())
    more = f" ({three})" if three > first else ""
    return f"{_share(first, len(ranks))}{more}"


def _share(count: int, total: int) -> str:
    """Returns a share in percent, with its numbers and the 95 % interval of Clopper and Pearson."""
    if not total:
        return "-"
    low, high = binomtest(count, total).proportion_ci(0.95)
    return f"{count / total:.1%} ({count}/{total}; {low:.1%} to {high:.1%})"
