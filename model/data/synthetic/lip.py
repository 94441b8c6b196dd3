"""People in LIP's layout: left and right limbs look alike, and only the body shows the side.

- TrainVal_images/{train,val}_images/person_000000.jpg, TrainVal_images/{train,val}_id.txt
- TrainVal_parsing_annotations/{train,val}_segmentations/person_000000.png

A person faces the camera, so that the left arm is on the image's right, anywhere in the image and
in many poses. A mirror image of a person is as likely as the person. Whole numbers and PCG64 only,
as in `scene`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.lip import CLASSES
from model.data.synthetic.files import Array, encode_jpeg, encode_png, write_file, write_lines

IMAGES, LABELS = "TrainVal_images", "TrainVal_parsing_annotations"
FOLDERS = (IMAGES, LABELS)
SKINS = ((240, 200, 175), (225, 175, 140), (205, 150, 115))
NOISE = 8

Point = tuple[int, int]  # row, column
Colour = tuple[int, int, int]


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> str:
    """Writes person `index` of a split, at most `size` (height, width) large; returns its name."""
    height, width = (int(rng.integers(length * 3 // 4, length + 1)) for length in size)
    image, labels = draw_person(height, width, rng)
    name = f"person_{index:06d}"
    files = {
        out / IMAGES / f"{split}_images" / f"{name}.jpg": encode_jpeg(image[..., ::-1]),
        out / LABELS / f"{split}_segmentations" / f"{name}.png": encode_png(labels),
    }
    for path, data in files.items():
        write_file(path, data)
    return name


def finish(out: Path, names: Mapping[str, Sequence[str]]) -> None:
    """Writes the list of each split's names."""
    for split, listed in names.items():
        write_lines(out / IMAGES / f"{split}_id.txt", listed)


@dataclass(kw_only=True)
class Figure:
    """A picture in the making, and the person in it.

    `px` gives lengths in hundredths of the person's height. `top` is the row of the crown,
    `middle` the column of the spine.
    """

    height: int
    width: int
    rng: np.random.Generator
    image: NDArray[np.int64] = field(init=False)
    labels: Array = field(init=False)
    tall: int = field(init=False)
    top: int = field(init=False)
    middle: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows, self.columns = np.indices((self.height, self.width))
        self.image = np.empty((self.height, self.width, 3), dtype=np.int64)
        self.image[:] = self.any_colour()
        self.labels = np.zeros((self.height, self.width), dtype=np.uint8)
        self.tall = self.height * self.between(84, 97) // 100
        self.top = (self.height - self.tall) * self.between(20, 80) // 100
        self.middle = self.width * self.between(32, 68) // 100

    def between(self, low: int, high: int) -> int:
        """Returns a whole number from `low` to `high`, both included."""
        return int(self.rng.integers(low, high + 1))

    def any_colour(self) -> Colour:
        """Returns a colour, RGB, that is no skin: it has less red."""
        return self.between(10, 120), self.between(10, 200), self.between(10, 230)

    def px(self, hundredths: int) -> int:
        """Returns a length in pixels, at least 1."""
        return max(1, self.tall * hundredths // 100)

    def at(self, down: int, across: int) -> Point:
        """Returns a point of the body, in hundredths from the crown and from the spine."""
        return self.top + self.tall * down // 100, self.middle + self.tall * across // 100

    def paint(self, mask: NDArray[np.bool_], name: str, colour: Colour) -> None:
        """Gives the pixels of `mask` ([height, width]) a class and a colour."""
        self.image[mask] = colour
        self.labels[mask] = CLASSES.index(name)

    def limb(self, start: Point, end: Point, thick: int) -> NDArray[np.bool_]:
        """Returns the mask of a line, `thick` hundredths wide and round at its ends."""
        radius = self.px(thick) // 2
        down, across = end[0] - start[0], end[1] - start[1]
        length_2 = down**2 + across**2
        row, column = self.rows - start[0], self.columns - start[1]
        along, aside = row * down + column * across, row * across - column * down
        beside = (along >= 0) & (along <= length_2) & (aside**2 <= radius**2 * length_2)
        return np.asarray(beside | self.disc(start, radius) | self.disc(end, radius))

    def disc(self, centre: Point, radius: int) -> NDArray[np.bool_]:
        """Returns the mask of a disc; the radius is in pixels."""
        row, column = self.rows - centre[0], self.columns - centre[1]
        return np.asarray(row**2 + column**2 <= radius**2)


def draw_person(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns one person: image [H, W, 3] uint8 RGB, classes [H, W] uint8."""
    figure = Figure(height=height, width=width, rng=rng)
    skin = SKINS[figure.between(0, len(SKINS) - 1)]
    shoes = figure.any_colour()
    for side, sign in (("left", 1), ("right", -1)):
        _leg(figure, side, sign, skin, shoes)
    _clothes(figure)
    for side, sign in (("left", 1), ("right", -1)):
        _arm(figure, side, sign, skin)
    _head(figure, skin)
    noise = rng.integers(-NOISE, NOISE + 1, size=figure.image.shape)
    return np.clip(figure.image + noise, 0, 255).astype(np.uint8), figure.labels


def _leg(figure: Figure, side: str, sign: int, skin: Colour, shoes: Colour) -> None:
    """From the hip to the shoe; `sign` is 1 for the image's right."""
    ankle = figure.at(figure.between(90, 94), sign * figure.between(9, 20))
    figure.paint(figure.limb(figure.at(58, sign * 8), ankle, 15), f"{side}-leg", skin)
    toes = (ankle[0], ankle[1] + sign * figure.px(4))
    figure.paint(figure.limb(ankle, toes, 14), f"{side}-shoe", shoes)


def _clothes(figure: Figure) -> None:
    """Long pants or a short and wide skirt, and what is above them."""
    pants = figure.between(0, 1) == 0
    name, colour = "pants" if pants else "skirt", figure.any_colour()
    hem, wide = (figure.between(66, 74), 9) if pants else (figure.between(60, 66), 11)
    for sign in (1, 0, -1)[:: 2 if pants else 1]:
        leg = figure.limb(figure.at(55, sign * 5), figure.at(hem, sign * wide), 14)
        figure.paint(leg, name, colour)
    colour = figure.any_colour()
    for sign in (1, -1):
        half = figure.limb(figure.at(28, sign * 6), figure.at(50, sign * 5), 16)
        figure.paint(half, "upperclothes", colour)


def _arm(figure: Figure, side: str, sign: int, skin: Colour) -> None:
    """From the shoulder over the elbow to the hand, up, down or away from the body."""
    elbow = figure.at(figure.between(26, 40), sign * figure.between(19, 25))
    hand = figure.at(figure.between(10, 56), sign * figure.between(18, 32))
    arm = figure.limb(figure.at(26, sign * 13), elbow, 12) | figure.limb(elbow, hand, 12)
    figure.paint(arm, f"{side}-arm", skin)


def _head(figure: Figure, skin: Colour) -> None:
    centre, radius = figure.at(12, 0), figure.px(9)
    figure.paint(figure.disc((centre[0] - figure.px(2), centre[1]), radius), "hair", (60, 40, 25))
    face = figure.disc((centre[0] + figure.px(2), centre[1]), figure.px(7))
    figure.paint(face, "face", skin)
    if figure.between(0, 2) == 0:
        brim = figure.top + figure.px(7)
        hat = figure.disc(centre, figure.px(11)) & (figure.rows < brim)
        figure.paint(hat, "hat", figure.any_colour())
