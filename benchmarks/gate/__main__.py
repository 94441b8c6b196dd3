"""Prints the tables of docs/explanation/gate.md.

    python -m benchmarks.gate [--draws N] [--families FOLDER] [--logs FOLDER]

`--families` is a folder of groups of runs that share a recipe (`index.json`, `curves.npz`);
`--logs` a folder of systems, each a folder of logs that differ by seed. Both are left out if they
are not given.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.gate import fleet, real, simulated, tails


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate")
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--families", type=Path)
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    _choice(10 * given.draws, given.seed)
    _simulated(list(simulated.measured(given.draws, given.seed)))
    _tests(given.draws, given.seed)
    _real(given.families, given.logs, given.seed)
    _tails(given.families)
    _fleet(given.seed)


def _choice(draws: int, seed: int) -> None:
    out("\nQuantiles of the limits over those that are needed, by rate\n")
    rows = list(simulated.choice(draws, seed))
    head = ("runs", *(f"{100 * rate:g} %" for rate in simulated.CHOSEN_AT))
    out(table(head, [(str(n), *(f"{x:.2f}" for x in ours)) for n, ours, _ in rows]))
    out("\nFalse alarms of the interval for normal values at 1 %, in percent\n")
    cells = [
        (str(n), *(f"{a:.2f} ({b:.2f})" for a, b in zip(p[::2], p[1::2], strict=True)))
        for n, _, p in rows
    ]
    out(table(("runs", *(f"{name}: after the test (all)" for name in simulated.CHOSEN_ON)), cells))


def _simulated(rows: list[simulated.Measured]) -> None:
    for rate in simulated.RATES:
        out(f"\nFalse alarms in percent (refused), {100 * rate:g} % asked for, worst direction\n")
        head = ("distribution", *(f"{n} runs" for n in simulated.SIZES))
        out(table(head, _by_size(rows, rate)))
    out("\nProbability of noticing the stated regression, means over distributions\n")
    body = []
    for group in ("chosen on", "unseen", "beyond"):
        of = [r for r in rows if r.group == group]
        for n in simulated.SIZES:
            some = [r for r in of if r.runs == n]
            parts = [[r.noticed[i] for r in some] for i in (0, 1)]
            cells = [f"{100 * sum(p) / len(p):.0f} ({100 * min(p):.0f})" for p in parts]
            kept = [max(r.nine_of_ten for r in some if r.rate == rate) for rate in simulated.RATES]
            body.append((group, str(n), *cells, *(f"{100 * share:.1f}" for share in kept)))
    head = ("distributions", "runs", "80 % (least)", "90 % (least)",
            *(f"nine of ten gates, {100 * r:g} % asked for" for r in simulated.RATES))  # fmt: skip
    out(table(head, body))


def _by_size(rows: list[simulated.Measured], rate: float) -> Iterable[tuple[str, ...]]:
    names = dict.fromkeys((r.group, r.distribution) for r in rows)
    for group, name in names:
        cells = []
        for n in simulated.SIZES:
            of = [r for r in rows if (r.distribution, r.runs, r.rate) == (name, n, rate)]
            if not of:
                cells.append("refused")
                continue
            worst = max(of, key=lambda r: r.alarms)
            cells.append(
                f"{100 * worst.alarms:.2f} ± {196 * worst.error:.2f} ({100 * worst.refused:.0f})"
            )
        yield f"{name} ({group})", *cells


def _tests(draws: int, seed: int) -> None:
    out("\nHow often the tests err on independent values, in percent\n")
    body = [
        (name, str(n), *(f"{100 * share:.1f}" for share in shares))
        for name, n, *shares in simulated.sizes_of_tests(draws, seed)
    ]
    out(table(("distribution", "runs", "drift (5 %)", "outlier (5 %)", "not normal (1 %)"), body))
    out("\nHistories that drift: refused, and false alarms at the next run, in percent\n")
    drifts = [
        (name, str(n), f"{100 * noticed:.0f}", "-" if math.isnan(alarms) else f"{100 * alarms:.1f}")
        for name, n, noticed, alarms in simulated.drifting(draws, seed)
    ]
    out(table(("history", "runs", "refused", "alarms of the others (1 %)"), drifts))


def _real(families: Path | None, logs: Path | None, seed: int) -> None:
    for last in (None, 1):
        found = [] if families is None else real.of_families(families, last=last)
        found += [] if logs is None else real.of_logs(logs, last=last)
        if not found:
            return
        figure = "the last record" if last else "the mean of the last 35 % of the records"
        out(f"\nReal seeds, {figure}, both directions: false alarms in percent\n")
        body = []
        for rate in simulated.RATES:
            for row in real.rates(found, rate, seed=seed):
                seen = "looked at" if row.family in real.LOOKED_AT else "unseen"
                body.append(
                    (f"{row.family} ({seen})", str(row.runs), f"{100 * rate:g}",
                     f"{100 * row.share:.2f} ({100 * row.low:.2f} to {100 * row.high:.2f})",
                     str(row.judged), str(row.refused))
                )  # fmt: skip
        out(table(("family", "runs", "asked for", "false alarms", "judged", "refused"), body))


def _tails(families: Path | None) -> None:
    if families is None:
        return
    out("\nP-values of the project's tests on real seeds: percent at or below a level\n")
    body = [
        (rule, kind, str(count), *(f"{100 * share:.2f}" for share in shares))
        for rule, kind, count, shares in tails.tails(families, 4)
    ]
    head = ("test", "comparisons", "number", *(f"{100 * level:g} %" for level in tails.LEVELS))
    out(table(head, body))


def _fleet(seed: int) -> None:
    out("\n1,000 ports, tests at 1 %, without and with --false-discoveries 0.05\n")
    body = [
        (str(row.broken), *(f"{a:.1f} / {b:.1f}" for a, b in (
            row.false, tuple(100 * x for x in row.share), tuple(100 * x for x in row.found))))
        for row in fleet.fleets(100, seed)
    ]  # fmt: skip
    out(table(("broken ports", "good ports that fail", "their share of the failures, %",
               "broken ports that fail, %"), body))  # fmt: skip


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def out(text: str) -> None:
    """Writes a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
