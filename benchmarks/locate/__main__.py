"""`python -m benchmarks.locate run|table`: who is named, by which mode, and at what cost."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmarks.locate.networks import NETWORKS, PRECISIONS

FOLDER = Path(__file__).parent / "results"
SEEDS = (1, 2, 3)
FRESH_SEEDS = (5, 6, 7)
"""Seeds of the model's faults; what is named first was chosen on 1 to 4."""
HEALTHY_SEEDS = tuple(range(301, 335))
"""204 healthy steps over networks and precisions; no limit was chosen by them."""
MOST = 40
"""Kernel faults of a network, precision and seed, drawn among all operators."""
Case = tuple[str, str, int]


def _trials(case: Case) -> list[dict[str, Any]]:
    from benchmarks.locate.kernels import Side

    torch.set_num_threads(1)
    side = Side(*case)
    faults = list(side.faults())
    chosen = Random(str(case)).sample(faults, min(MOST, len(faults)))
    return [asdict(side.trial(fault)) for fault in chosen]


def _healthy(case: Case) -> list[dict[str, Any]]:
    from benchmarks.locate.kernels import Side

    torch.set_num_threads(1)
    return [asdict(Side(*case).healthy())]


def _run(what: str, jobs: int) -> None:
    def cases(seeds: Iterable[int]) -> list[Case]:
        return [(n, p, s) for s in seeds for p in PRECISIONS for n in NETWORKS]

    kinds = {"kernels": (_trials, cases(SEEDS)), "healthy": (_healthy, cases(HEALTHY_SEEDS))}
    for name, (work, every) in kinds.items():
        if what not in {"all", name}:
            continue
        rows: list[dict[str, Any]] = []
        with ProcessPoolExecutor(jobs) as pool:
            for done, found in enumerate(pool.map(work, every), 1):
                rows += found
                print(f"\r{name}: {done} of {len(every)}", end="", file=sys.stderr, flush=True)
        _write(name, rows)
    if what in {"all", "semantic"}:
        from benchmarks.locate.semantic import measure

        rows = []
        for found_one in measure(FRESH_SEEDS, tuple(PRECISIONS), jobs):
            rows.append(asdict(found_one))
            print(f"\rsemantic: {len(rows)}", end="", file=sys.stderr, flush=True)
        _write("semantic", sorted(rows, key=lambda r: [str(r[k]) for k in list(r)[:4]]))


def _write(name: str, rows: list[dict[str, Any]]) -> None:
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(f"\n{len(rows)} rows in {FOLDER / name}.csv", file=sys.stderr)


def main() -> int:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure, and store the figures")
    run.add_argument("what", nargs="?", default="all")
    run.add_argument("--jobs", type=int, default=os.cpu_count())
    commands.add_parser("table", help="print the stored figures")
    args = parser.parse_args()
    if args.command == "run":
        _run(args.what, args.jobs)
    else:
        from benchmarks.locate.table import main as print_tables

        print_tables(FOLDER)
    return 0


if __name__ == "__main__":
    sys.exit(main())
