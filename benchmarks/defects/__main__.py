"""The commands of the corpus; `python -m benchmarks.defects --help` lists them."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import numpy as np


def main() -> int:
    """Runs a command; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.defects", description="Injected faults: what each rule catches."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="train what is not trained yet, and store the figures")
    for name in ("train", "collect"):
        commands.add_parser(name, help=f"only the {'first' if name == 'train' else 'second'} half")
    again = commands.add_parser("repeat", help="train runs again and compare their bits")
    again.add_argument("settings", nargs="+", help="baseline, other-seeds, a fault as stored, ...")
    commands.add_parser("table", help="every rule on the stored figures")
    commands.add_parser("picture", help="the table's summary, for README")
    commands.add_parser("signatures", help="what `harness explain` knows, from the stored figures")
    start = commands.add_parser("start", help="train and store the paired corpus")
    start.add_argument("--precision", default="float32", choices=("float32", "bfloat16", "float16"))
    commands.add_parser("start-table", help="what a few steps from the same start notice")
    commands.add_parser("start-picture", help="that table's summary, for README")
    for command in commands.choices.values():
        command.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
        command.add_argument("--baseline", help="device of the baseline; default the same")
        command.add_argument("--logs", type=Path, default=Path("logs/defects"))
        command.add_argument("--jobs", type=int, default=os.cpu_count())
        command.add_argument("--only", default="", help="settings whose name holds this")
    args = parser.parse_args()
    if args.command in {"table", "picture", "signatures"}:
        from importlib import import_module

        status: int = import_module(f"benchmarks.defects.{args.command}").main(
            args.device, args.baseline or args.device
        )
        return status
    if args.command == "start-table":
        from benchmarks.defects.paired import PRECISIONS
        from benchmarks.defects.paired_table import main as print_table

        return print_table(tuple(PRECISIONS))
    if args.command == "start-picture":
        from benchmarks.defects.paired_picture import main as draw_picture

        return draw_picture()
    return _paired(args) if args.command == "start" else _train(args)


def _paired(args: argparse.Namespace) -> int:
    """Trains what is missing of the paired corpus, and stores its figures."""
    from benchmarks.defects import corpus, training
    from benchmarks.defects.paired import paired_settings

    every = paired_settings(args.precision)
    device = f"{args.device}-start-{args.precision}"
    training.make_scenes()
    chosen = tuple(s for s in every if args.only in s.name)
    failed = training.train_all(chosen, args.logs / device, device=args.device, jobs=args.jobs)
    for name, reason in failed.items():
        print(f"{name}: {reason}")
    command = f"python -m benchmarks.defects start --precision {args.precision}"
    print(corpus.collect(every, args.logs / device, device=device, command=command))
    return int(bool(failed))


def _train(args: argparse.Namespace) -> int:
    from benchmarks.defects import corpus, training
    from benchmarks.defects.settings import settings

    every = settings(args.device)
    folder, failed = args.logs / args.device, {}
    if args.command == "repeat":
        return _repeat(args, folder)
    if args.command != "collect":
        chosen = tuple(s for s in every if args.only in s.name)
        if not chosen:
            print(f"error: no setting of {args.device} holds {args.only!r}", file=sys.stderr)
            return 2
        training.make_scenes()
        failed = training.train_all(chosen, folder, device=args.device, jobs=args.jobs)
        for name, reason in failed.items():
            print(f"{name}: {reason}; see {folder / name}.log")
    if args.command != "train":
        command = "python -m benchmarks.defects run --device " + args.device
        print(corpus.collect(every, folder, device=args.device, command=command))
    return int(bool(failed))


def _repeat(args: argparse.Namespace, folder: Path) -> int:
    """Trains the first seed of settings again; 1 if a bit of any figure differs."""
    from benchmarks.defects import corpus, training
    from benchmarks.defects.settings import settings
    from harness.log.run import same_series
    from harness.storage.logs import read_run

    unknown = set(args.settings) - {s.name for s in settings(args.device)}
    if unknown:
        print(f"error: no setting {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    training.make_scenes()
    kept = {(t.setting, t.seed): t for t in corpus.load(args.device)}
    differing, again = 0, folder / "again"
    shutil.rmtree(again, ignore_errors=True)
    for setting in (s for s in settings(args.device) if s.name in args.settings):
        seed = setting.seeds[0]
        run = training.planned(setting, seed, again, device=args.device)
        failed = training.train_runs([run], again)
        fresh = read_run(training.log_of(again, setting.name, seed))
        ours = [s for s in fresh.series if s.name not in corpus.TIMES]
        equal = not failed and same_series(ours, kept[setting.name, seed].run.series)
        differing += not equal
        figures = int(np.sum([len(s) for s in ours]))
        print(f"{setting.name} seed {seed}: {figures} figures {'equal' if equal else 'DIFFER'}")
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
