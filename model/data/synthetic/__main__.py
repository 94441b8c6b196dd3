"""The command `python -m model.data.synthetic OUT`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import model.data.synthetic
from model.command import ended
from model.data.synthetic import KINDS, generate


def _size(text: str) -> tuple[int, int]:
    """Height and width from '128x256'."""
    height, cross, width = text.partition("x")
    if not (cross and height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise argparse.ArgumentTypeError(f"'{text}' is not a size; expected HEIGHTxWIDTH")
    return int(height), int(width)


def _count(text: str) -> int:
    """Returns a whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number from 0 on")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command."""
    p = argparse.ArgumentParser(
        prog="python -m model.data.synthetic", description=model.data.synthetic.__doc__
    )
    add = p.add_argument
    add("out", type=Path, help="folder to write into")
    kinds = "; ".join(f"{name}: {kind.says}" for name, kind in KINDS.items())
    add("--kind", choices=tuple(KINDS), default="cityscapes", help=f"{kinds}; default cityscapes")
    add("--train", type=_count, default=64, metavar="N", help="training samples; default 64")
    add("--val", type=_count, default=16, metavar="N", help="validation samples; default 16")
    add("--size", type=_size, default=(128, 256), metavar="HxW", help="in pixels; default 128x256")
    add("--seed", type=_count, default=0, help="of what is drawn; default 0")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status, 2 for an error of the user's."""
    args = parser().parse_args(argv)
    return ended(lambda: command(args))


def command(args: argparse.Namespace) -> int:
    """Writes the data set and prints where it is; returns the exit status."""
    generate(
        args.out, train=args.train, val=args.val, size=args.size, seed=args.seed, kind=args.kind
    )
    print(f"{args.train} train and {args.val} val scenes in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
