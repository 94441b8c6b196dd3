"""Checks the environment before a training: `python -m model.doctor [--device KIND]`.

Prints `ok`, `warning` or `problem` for each check, what to do about it, and the facts that the head
of a log will state. Exit status: 0 no problem, 1 a problem, 2 bad usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from model.command import ended
from model.doctor.check import BY_NAME, CHECKS, CONFIG, SECONDS, Asked, Result, with_needs
from model.doctor.report import as_json, facts, line, summary
from model.doctor.supervise import count, run_all
from model.errors import UnknownDevice

CONFIGS = Path(__file__).parents[1] / "configs"


def parser() -> argparse.ArgumentParser:
    """Returns the parser of `python -m model.doctor`."""
    p = argparse.ArgumentParser(
        prog="python -m model.doctor",
        description="Check the device, the software, the data and the machine before a training.",
        epilog="Exit status: 0 no problem, 1 a problem, 2 bad usage.",
    )
    add = p.add_argument
    add("--device", metavar="KIND", help="kind of device, as for model.train; default the best")
    add(
        "--config",
        type=_config,
        default=CONFIG,
        help=f"config that will be trained; default {CONFIG}",
    )
    add("--data-root", metavar="DIR", help="folder of the data set; default the config's")
    add("--json", metavar="FILE", help="write the report as JSON; - for standard output, alone")
    add(
        "--only",
        type=_names,
        default=[check.name for check in CHECKS],
        metavar="CHECK[,CHECK..]",
        help=f"these checks, and those that they need; of {', '.join(BY_NAME)}",
    )
    add(
        "--timeout",
        type=_seconds,
        default=SECONDS,
        metavar="SECONDS",
        help=f"time that one check may take; default {SECONDS:g}",
    )
    return p


def _names(text: str) -> list[str]:
    """Returns the checks that a list names, and those that they need."""
    names = text.split(",")
    for name in names:
        if name not in BY_NAME:
            raise argparse.ArgumentTypeError(f"no check {name!r}; expected {', '.join(BY_NAME)}")
    return with_needs(names)


def _config(text: str) -> str:
    """Returns the name or the path of a config that exists."""
    if not Path(text).is_file() and not any(CONFIGS.glob(f"*/{text.removesuffix('.py')}.py")):
        raise argparse.ArgumentTypeError(
            f"no config {text!r}; expected a file or a name in {CONFIGS}"
        )
    return text


def _seconds(text: str) -> float:
    """Returns a number of seconds above 0."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected seconds above 0")
    return seconds


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    args = parser().parse_args(argv)
    return ended(lambda: command(args))


def command(args: argparse.Namespace) -> int:
    """Runs the checks and prints the report; returns the exit status."""
    asked = Asked(device=args.device, config=args.config, data_root=args.data_root)
    quiet = args.json == "-"
    if args.device is not None:
        args.only = with_needs([*args.only, "plugin"])  # which knows whether the device exists

    def show(name: str, result: Result) -> None:
        if "unknown" in result.details:
            raise UnknownDevice(result.found)
        if not quiet:
            print(line(name, result), flush=True)

    results = run_all(asked, args.only, seconds=args.timeout, show=show)
    if quiet:
        sys.stdout.write(as_json(results))
    else:
        _print_end(results)
        if args.json is not None:
            Path(args.json).write_text(as_json(results), encoding="utf-8")
    return 1 if count(results)[0] else 0


def _print_end(results: dict[str, Result]) -> None:
    """Prints the facts that a log will state, and the number of problems."""
    if gathered := facts(results):
        print("\nFacts at the head of a log:")
        for key, value in gathered.items():
            print(f"    {key}: {value}")
    print(f"\n{summary(results)}")


if __name__ == "__main__":
    sys.exit(main())
