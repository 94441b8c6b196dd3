"""Drawing a street scene in which a sign tells what the vehicles are.

All vehicles of a scene look alike and are of one class, and only the sign that hangs at the top
edge says of which: the vehicles stand at the bottom edge, many in other columns, so that a
network must carry what it sees over the image. Whole numbers and PCG64 only, as in `scene`. The
class has no part in what is drawn from the generator: two scenes of one seed with different
vehicles differ in the sign's colour and in labels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.data.synthetic.cityscapes import write_pair
from model.data.synthetic.scene import Array, Canvas, paint_street, photograph


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign's own class and its colour, RGB."""

    name: str
    colour: tuple[int, int, int]


# Signs differ in class too: the network then tells them apart before it knows what that is good
# for. With one class for all signs the attention learnt nothing in 300 steps; with three kinds of
# vehicles it took longer.
SIGN_OF: dict[str, Sign] = {
    "car": Sign(name="traffic light", colour=(225, 45, 45)),
    "bus": Sign(name="traffic sign", colour=(240, 220, 40)),
}
VEHICLES = tuple(SIGN_OF)
VEHICLE_COLOUR = (40, 50, 150)


def write(
    out: Path, split: str, index: int, size: tuple[int, int], rng: np.random.Generator
) -> None:
    """Writes scene `index` of a split; the classes of vehicles take turns."""
    scene = draw_cued_scene(*size, rng, vehicle=VEHICLES[index % len(VEHICLES)])
    write_pair(out, split, index, *scene)


def draw_cued_scene(
    height: int, width: int, rng: np.random.Generator, *, vehicle: str
) -> tuple[Array, Array]:
    """Returns a scene with vehicles of one class: image [H, W, 3] RGB, label ids [H, W], uint8."""
    canvas = Canvas(height=height, width=width, rng=rng)
    paint_street(canvas)
    _sign(canvas, SIGN_OF[vehicle])
    _vehicles(canvas, vehicle)
    return photograph(canvas)


def _sign(canvas: Canvas, sign: Sign) -> None:
    top, wide = canvas.px(canvas.between(4, 8)), canvas.px(96)
    left = canvas.between(0, canvas.width - wide)
    mask = canvas.box(top, top + canvas.px(36), left, left + wide)
    canvas.fill(mask, colour=sign.colour, name=sign.name, shade=15)


def _vehicles(canvas: Canvas, vehicle: str) -> None:
    for _ in range(canvas.between(3, 4)):
        wide, high = canvas.px(canvas.between(60, 84)), canvas.px(canvas.between(32, 40))
        left = canvas.between(0, canvas.width - wide)
        bottom = canvas.height - canvas.px(canvas.between(2, 10))
        mask = canvas.box(bottom - high, bottom, left, left + wide)
        canvas.fill(mask, colour=VEHICLE_COLOUR, name=vehicle, shade=25)
