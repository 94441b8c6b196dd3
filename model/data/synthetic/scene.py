"""Drawing one synthetic street scene: image [H, W, 3] uint8 RGB and label ids [H, W] uint8.

Whole numbers and PCG64 only: no sine, no cv2, no thread has a say, so that a seed gives the same
bytes on any machine. Lengths are given for an image 128 pixels high and scale with its height.
People and poles are drawn at least two cells wide and six high at stride 8, so that they are
learnt at that resolution.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model.data.labels import LABEL_ID

UNLABELED = 0
IGNORED_SHARE = 100  # one pixel in this many carries no label
NOISE = 14

COLOURS: dict[str, tuple[int, int, int]] = {
    "sky": (150, 190, 235),
    "building": (125, 100, 85),
    "vegetation": (70, 125, 55),
    "road": (85, 85, 92),
    "sidewalk": (175, 165, 160),
    "car": (40, 50, 150),
    "person": (205, 70, 60),
    "pole": (225, 215, 90),
}

Array = NDArray[np.uint8]


@dataclass(slots=True, kw_only=True)
class Canvas:
    """An image and its labels, painted over from back to front.

    `label_of` gives a class' value in the labels by its name; by default Cityscapes' label ids.
    """

    height: int
    width: int
    rng: np.random.Generator
    label_of: Mapping[str, int] = field(default_factory=lambda: LABEL_ID)
    image: NDArray[np.int32] = field(init=False)
    labels: Array = field(init=False)
    rows: NDArray[np.int64] = field(init=False)
    columns: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        self.image = np.zeros((self.height, self.width, 3), dtype=np.int32)
        self.labels = np.full((self.height, self.width), UNLABELED, dtype=np.uint8)
        self.rows, self.columns = np.ogrid[: self.height, : self.width]

    def between(self, low: int, high: int) -> int:
        """Returns a whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def px(self, length: int) -> int:
        """Returns a length or offset given for 128 rows, in pixels of this image."""
        return length * self.height // 128

    def paint(self, name: str, mask: NDArray[np.bool_], *, shade: int = 20) -> None:
        """Gives the pixels of `mask` ([H, W]) a class and its colour, varied by up to `shade`."""
        self.fill(mask, colour=COLOURS[name], name=name, shade=shade)

    def fill(
        self, mask: NDArray[np.bool_], *, colour: tuple[int, int, int], name: str, shade: int
    ) -> None:
        """Gives the pixels of `mask` ([H, W]) a class and a colour that need not tell it."""
        self.image[mask] = np.array(colour) + self.rng.integers(-shade, shade + 1, size=3)
        self.labels[mask] = self.label_of[name]

    def box(self, top: int, bottom: int, left: int, right: int) -> NDArray[np.bool_]:
        """Returns the mask of a rectangle, [H, W]; the far ends are left out."""
        rows = (self.rows >= top) & (self.rows < bottom)
        return np.asarray(rows & (self.columns >= left) & (self.columns < right))

    def disc(self, row: int, column: int, radius: int, *, wide: int) -> NDArray[np.bool_]:
        """Returns the mask of an ellipse, [H, W], `radius` high and `wide` across."""
        down, across = self.rows - row, self.columns - column
        return np.asarray((down * wide) ** 2 + (across * radius) ** 2 <= (radius * wide) ** 2)


def draw_scene(height: int, width: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns one scene: image [H, W, 3] uint8 RGB, label ids [H, W] uint8."""
    canvas = Canvas(height=height, width=width, rng=rng)
    horizon = paint_street(canvas)
    _poles(canvas, horizon)
    _cars(canvas, horizon)
    _people(canvas, horizon)
    return photograph(canvas)


def paint_street(canvas: Canvas) -> int:
    """Paints an empty street; returns the row of its horizon."""
    horizon = canvas.px(canvas.between(52, 62))
    canvas.paint("sky", canvas.box(0, canvas.height, 0, canvas.width))
    _buildings(canvas, horizon)
    _trees(canvas, horizon)
    _ground(canvas, horizon)
    return horizon


def photograph(canvas: Canvas, *, unlabeled: int = UNLABELED) -> tuple[Array, Array]:
    """Returns the image [H, W, 3] with noise, and the labels [H, W], some `unlabeled`; uint8."""
    size, rng = (canvas.height, canvas.width), canvas.rng
    noise = rng.integers(-NOISE, NOISE + 1, size=(2, *size, 3)).sum(axis=0)
    image = np.clip(canvas.image + noise, 0, 255).astype(np.uint8)
    left_out = rng.integers(IGNORED_SHARE, size=size) == 0
    return image, np.where(left_out, np.uint8(unlabeled), canvas.labels)


def _buildings(canvas: Canvas, horizon: int) -> None:
    left = -canvas.px(canvas.between(0, 20))
    while left < canvas.width:
        right = left + canvas.px(canvas.between(28, 60))
        top = horizon - canvas.px(canvas.between(8, 44))
        canvas.paint("building", canvas.box(top, horizon + canvas.px(6), left, right), shade=30)
        left = right + canvas.px(canvas.between(0, 26))


def _trees(canvas: Canvas, horizon: int) -> None:
    for _ in range(canvas.between(2, 4)):
        row = horizon - canvas.px(canvas.between(2, 18))
        column = canvas.between(0, canvas.width - 1)
        radius, wide = canvas.px(canvas.between(14, 22)), canvas.px(canvas.between(16, 30))
        canvas.paint("vegetation", canvas.disc(row, column, radius, wide=wide))


def _ground(canvas: Canvas, horizon: int) -> None:
    """Pavement from the horizon down, and on it the road, narrow far off and wide in front."""
    canvas.paint("sidewalk", canvas.box(horizon, canvas.height, 0, canvas.width))
    middle = canvas.width // 2 + canvas.px(canvas.between(-16, 16))
    far, near = canvas.px(canvas.between(24, 36)), canvas.px(canvas.between(90, 115))
    depth = canvas.height - horizon
    half = far + (near - far) * (canvas.rows - horizon) // depth
    inside = np.abs(canvas.columns - middle) <= half
    canvas.paint("road", np.asarray(inside & (canvas.rows >= horizon)))


def _poles(canvas: Canvas, horizon: int) -> None:
    for side in _sides(canvas, canvas.between(1, 2)):
        left = _beside_road(canvas, side)
        top, bottom = horizon - canvas.px(canvas.between(30, 46)), horizon + canvas.px(40)
        canvas.paint("pole", canvas.box(top, bottom, left, left + canvas.px(16)))


def _cars(canvas: Canvas, horizon: int) -> None:
    for _ in range(canvas.between(1, 3)):
        size = canvas.between(34, 56)
        width, height = canvas.px(size), canvas.px(size * 6 // 10)
        left = canvas.width // 2 + canvas.px(canvas.between(-70, 40))
        bottom = horizon + canvas.px(canvas.between(20, 56))
        body = canvas.box(bottom - height * 6 // 10, bottom, left, left + width)
        roof = canvas.box(
            bottom - height, bottom - height // 2, left + width // 5, left + width * 4 // 5
        )
        canvas.paint("car", body | roof, shade=35)


def _people(canvas: Canvas, horizon: int) -> None:
    for side in _sides(canvas, canvas.between(1, 3)):
        width = canvas.px(canvas.between(18, 26))
        left = _beside_road(canvas, side) + canvas.px(canvas.between(-8, 8))
        bottom = horizon + canvas.px(canvas.between(34, 62))
        height = canvas.px(canvas.between(50, 60))
        body = canvas.box(bottom - height * 3 // 4, bottom, left, left + width)
        head = canvas.disc(
            bottom - height * 3 // 4, left + width // 2, height // 4, wide=width * 4 // 10
        )
        canvas.paint("person", body | head, shade=30)


def _sides(canvas: Canvas, count: int) -> list[int]:
    """For each of `count` objects the side of the road it stands on: 0 left, 1 right."""
    return [canvas.between(0, 1) for _ in range(count)]


def _beside_road(canvas: Canvas, side: int) -> int:
    """Returns a column on the pavement of one side."""
    distance = canvas.px(canvas.between(4, 56))
    return distance if side == 0 else canvas.width - distance - canvas.px(22)
