"""Pictures that a person can judge: image, labels, prediction, and where the two differ.

The panels stand side by side, those of a landscape two by two, over a legend of the classes that
they show. Large images are made smaller, tiny ones larger. Pixels without a class are hatched.
Letters: H and W of the image, h and w of a panel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

Image = NDArray[np.uint8]
Palette = Sequence[Sequence[int]]

WIDTH = 1600  # of a picture, at most, in pixels
HEIGHT = 800  # of a panel, at most
LARGE_ENOUGH = 384  # pixels of the longer side up to which an image is enlarged
LANDSCAPE = 1.2  # width / height from which panels stand two by two
GAP = 8
LINE = 20  # height of a line of text
STRIPE = 4  # width of a stripe of the hatching
WRONG = (230, 25, 25)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """Pixels, [h, w, 3] RGB, under a title."""

    title: str
    pixels: Image


def picture(
    image: Image,
    *,
    labels: NDArray[Any] | None,
    prediction: NDArray[Any] | None,
    classes: Sequence[str],
    palette: Palette,
) -> Image:
    """Returns image [H, W, 3] RGB, labels and prediction ([H, W] each) as one picture, uint8 RGB.

    Labels that are no index into `classes` count as ignored. What is None has no panel.
    """
    columns = _columns(image, 1 + (labels is not None) + (prediction is not None))
    size = panel_size(image.shape[0], image.shape[1], columns=columns)
    small = resized(image, size)
    panels = [Panel(title=f"image, {image.shape[1]} x {image.shape[0]} pixels", pixels=small)]
    shown = []
    for title, found in (("labels", labels), ("prediction", prediction)):
        if found is not None:
            shown.append(resized(found, size))
            pixels = overlay(small, shown[-1], palette[: len(classes)])
            panels.append(Panel(title=title, pixels=pixels))
    if labels is not None and prediction is not None:
        title = f"wrong: {wrong_share(labels, prediction, len(classes)):.1%} of the labelled pixels"
        panels.append(Panel(title=title, pixels=differing(small, *shown, classes=len(classes))))
    sheet = arranged(panels, columns=_columns(image, len(panels)))
    ids = {int(i) for found in (labels, prediction) if found is not None for i in np.unique(found)}
    return np.concatenate([sheet, legend(sorted(ids), sheet.shape[1], classes, palette)])


def _columns(image: Image, panels: int) -> int:
    """Returns how many of `panels` stand side by side."""
    return min(panels, 2) if image.shape[1] > LANDSCAPE * image.shape[0] else panels


def panel_size(height: int, width: int, *, columns: int) -> tuple[int, int]:
    """Returns the (h, w) at which an image of H x W is shown in one of `columns`."""
    room = (WIDTH - (columns + 1) * GAP) // columns
    factor = min(room / width, HEIGHT / height)
    if factor >= 1:
        factor = max(1, min(int(factor), LARGE_ENOUGH // max(height, width)))
    return max(1, round(height * factor)), max(1, round(width * factor))


def resized(array: NDArray[Any], size: tuple[int, int]) -> Image:
    """Returns an image [H, W, 3] or labels [H, W] at the size (h, w), uint8.

    Images that shrink are averaged; labels, and images that grow, keep their pixels' values.
    """
    shrinks = size[0] < array.shape[0] and array.ndim == 3
    how = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST_EXACT
    return cv2.resize(array.astype(np.uint8), (size[1], size[0]), interpolation=how)  # type: ignore[return-value]


def hatching(shape: Sequence[int]) -> Image:
    """Returns diagonal stripes in two greys, [h, w, 3]: the colour of what has no class."""
    rows, columns = np.indices(shape[:2])
    stripe = (rows + columns) // STRIPE % 2
    return np.where(stripe, np.uint8(225), np.uint8(75))[..., None].repeat(3, axis=2)


def colour_map(labels: NDArray[Any], palette: Palette) -> Image:
    """Returns the class colours of `labels` [h, w]: [h, w, 3] RGB, hatched where there is none."""
    known = labels < len(palette)
    colours = np.asarray(palette, dtype=np.uint8)[np.where(known, labels, 0)]
    return np.where(known[..., None], colours, hatching(labels.shape))


def overlay(image: Image, labels: NDArray[Any], palette: Palette, *, alpha: float = 0.65) -> Image:
    """Returns the class colours of `labels` [h, w] laid over `image` [h, w, 3]; same shape, RGB."""
    mixed = (1 - alpha) * image + alpha * colour_map(labels, palette)
    return mixed.round().astype(np.uint8)


def differing(image: Image, labels: Image, prediction: Image, *, classes: int) -> Image:
    """Returns a grey `image` [h, w, 3] with the wrong pixels red, and the ignored ones hatched."""
    grey = (image.mean(axis=2, keepdims=True) * 0.6 + 80).astype(np.uint8).repeat(3, axis=2)
    wrong = (labels != prediction)[..., None]
    marked = np.where(wrong, (0.25 * grey + 0.75 * np.array(WRONG)).astype(np.uint8), grey)
    return np.where((labels < classes)[..., None], marked, hatching(labels.shape))


def wrong_share(labels: NDArray[Any], prediction: NDArray[Any], classes: int) -> float:
    """Returns the share of wrong pixels among those with a label, both [H, W]; NaN without any."""
    labelled = labels < classes
    return float(np.mean((labels != prediction)[labelled])) if labelled.any() else float("nan")


def arranged(panels: Sequence[Panel], *, columns: int) -> Image:
    """Returns the panels in rows of `columns`, each under its title, on white."""
    height, width = panels[0].pixels.shape[:2]
    wide = max(width, *(_text_width(panel.title) for panel in panels)) + GAP
    high = LINE + height + GAP
    size = (GAP + columns * wide, -(-len(panels) // columns) * high)
    sheet = Pillow.new("RGB", size, "white")
    for place, panel in enumerate(panels):
        row, column = divmod(place, columns)
        left, top = GAP + column * wide, row * high
        ImageDraw.Draw(sheet).text((left, top + 2), panel.title, fill="black", font=_font())
        sheet.paste(Pillow.fromarray(panel.pixels), (left, top + LINE))
    return np.array(sheet)


def legend(ids: Sequence[int], width: int, classes: Sequence[str], palette: Palette) -> Image:
    """Returns a strip [h, width, 3] that names the colours of the classes in `ids`.

    Ids that are no index into `classes` share one entry, "ignored". A name that is wider than the
    strip is cut.
    """
    known = [i for i in ids if i < len(classes)]
    names = [*(classes[i] for i in known), *(["ignored"] if len(known) < len(ids) else [])]
    swatch = LINE - 6
    widest = max((_text_width(name) for name in names), default=0)
    entry = min(swatch + widest + 3 * GAP, width)
    columns = max(1, (width - GAP) // entry)
    strip = Pillow.new("RGB", (width, LINE * -(-len(names) // columns)), "white")
    for place, name in enumerate(names):
        row, column = divmod(place, columns)
        left, top = GAP + column * entry, row * LINE + 3
        square = np.full((swatch, swatch), known[place] if place < len(known) else len(classes))
        strip.paste(Pillow.fromarray(colour_map(square, palette[: len(classes)])), (left, top))
        draw = ImageDraw.Draw(strip)
        draw.rectangle((left, top, left + swatch - 1, top + swatch - 1), outline=(60, 60, 60))
        text = _cut(name, width - left - swatch - GAP)
        draw.text((left + swatch + GAP // 2, top - 1), text, fill="black", font=_font())
    return np.array(strip)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Returns matplotlib's font, which has Latin, Greek and Cyrillic letters."""
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), 13)


def _text_width(text: str) -> int:
    return int(_font().getlength(text)) + 1


def _cut(text: str, width: int) -> str:
    """Returns the beginning of `text` that fits into `width` pixels."""
    if _text_width(text) <= width:
        return text
    fits = [n for n in range(len(text)) if _text_width(text[:n] + "…") <= width]
    return text[: max(fits, default=0)] + "…"
