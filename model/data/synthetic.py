"""Synthetic street scenes in Cityscapes' folder layout: `python -m model.data.synthetic OUT`.

A seed gives the same pixels on every run and machine; nothing is downloaded. The labels are written
as `*_gtFine_labelIds.png`, so that a run on them goes the way of the real data set.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from model.command import ended
from model.data.cues import VEHICLES, draw_cued_scene
from model.data.scene import Array, draw_scene
from model.errors import DataError

CITY = "synthville"
SPLITS = ("train", "val")
KINDS = ("plain", "cues")
MANIFEST = "synthetic.json"
FORMAT = 1


def generate(
    out: Path,
    *,
    train: int = 64,
    val: int = 16,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    kind: str = "plain",
) -> None:
    """Writes `train` and `val` scenes of `size` (height, width) and one of KINDS under `out`.

    Scene i of a split depends on (kind, seed, split, i) alone. Earlier synthetic scenes in the
    folder are replaced; a folder with another data set in it is refused.
    """
    manifest = out / MANIFEST
    if not manifest.exists() and any((out / name).exists() for name in ("leftImg8bit", "gtFine")):
        raise DataError(
            f"{out} holds a data set that was not made here (no {MANIFEST}); choose another folder"
        )
    counts = dict(zip(SPLITS, (train, val), strict=True))
    for split in SPLITS:
        for folder in _folders(out, split):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
    facts = {"format": FORMAT, "kind": kind, **counts, "height": size[0], "width": size[1]}
    facts["seed"] = seed
    manifest.write_text(json.dumps(facts) + "\n", encoding="utf-8")
    jobs = [(split, index) for split in SPLITS for index in range(counts[split])]
    for split, index in track(
        jobs,
        description="scenes",
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    ):
        _write(out, split, index, size=size, seed=seed, kind=kind)


def _folders(out: Path, split: str) -> tuple[Path, Path]:
    """Where a split's images and labels lie."""
    return out / "leftImg8bit" / split / CITY, out / "gtFine" / split / CITY


def _write(
    out: Path, split: str, index: int, *, size: tuple[int, int], seed: int, kind: str
) -> None:
    rng = np.random.Generator(np.random.PCG64([seed, SPLITS.index(split), index]))
    image, labels = _draw(kind, index, size, rng)
    images, annotations = _folders(out, split)
    stem = f"{CITY}_{index:06d}_000000"
    (images / f"{stem}_leftImg8bit.png").write_bytes(encode_png(image[..., ::-1]))  # BGR
    (annotations / f"{stem}_gtFine_labelIds.png").write_bytes(encode_png(labels))


def encode_png(pixels: Array) -> bytes:
    """Returns the file of an image: uint8 [H, W] (grey) or [H, W, 3] (BGR)."""
    return cv2.imencode(".png", pixels)[1].tobytes()


def _draw(
    kind: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> tuple[Array, Array]:
    """Image and label ids of scene `index`; the vehicles of cued scenes take turns."""
    if kind == "cues":
        return draw_cued_scene(*size, rng, vehicle=VEHICLES[index % len(VEHICLES)])
    return draw_scene(*size, rng)


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


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status, 2 for an error of the user's."""
    parser = argparse.ArgumentParser(prog="python -m model.data.synthetic", description=__doc__)
    parser.add_argument("out", type=Path, help="folder to write into")
    parser.add_argument(
        "--kind",
        choices=KINDS,
        default="plain",
        help="cues: far-off signs decide the vehicles' class",
    )
    parser.add_argument("--train", type=_count, default=64, metavar="N", help="training scenes")
    parser.add_argument("--val", type=_count, default=16, metavar="N", help="validation scenes")
    parser.add_argument(
        "--size", type=_size, default=(128, 256), metavar="HxW", help="in pixels; default 128x256"
    )
    parser.add_argument("--seed", type=_count, default=0, help="of what is drawn; default 0")
    args = parser.parse_args(argv)
    return ended(lambda: command(args))


def command(args: argparse.Namespace) -> int:
    """Writes the scenes and prints where they are; returns the exit status."""
    generate(
        args.out, train=args.train, val=args.val, size=args.size, seed=args.seed, kind=args.kind
    )
    print(f"{args.train} train and {args.val} val scenes in {args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
