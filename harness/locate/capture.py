"""A capture: what one side recorded of the first steps of a training, tensor by tensor.

Letters: R records, B buckets of a sketch.

A record is one tensor at one moment: a weight before the step, the images of the batch, the loss,
the output of an operator or of a module, a gradient, an update. It holds a sketch, B sums of the
elements with random signs: the relative distance of two sketches estimates that of the tensors, to
about 1 / sqrt(2 B). A sketch notices a sign, a transposition and a displacement, which a norm does
not.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.log.arrays import Floats

BUCKETS = 128
"""Sums of a sketch; an estimated distance is right to about 6 %."""
KINDS = (
    "weight",
    "buffer",
    "input",
    "operator",
    "module",
    "loss",
    "gradient",
    "update",
    "buffer_update",
)
"""What a record is of, in the order of the stages of a step."""
START = ("weight", "buffer", "input")
"""The kinds that both sides must have equal: the start."""
PASSES = ("forward", "backward")
"""When an operator ran."""


class Record(NamedTuple):
    """One tensor at one moment.

    `name` is the parameter's, the input's or the loss's path, or the operator's name on its device
    (`aten::convolution_overrideable`). `module` is the path of the module that the tensor belongs
    to, "" for the whole network. `call` counts the calls of that module in the step from 0, `order`
    all operators of the step from 0 (-1 for other kinds). `output` counts an operator's outputs.
    `source` is the line of the user's program, "" if unknown. `made_from` are the numbers of the
    records that went in; a tensor that no record is of is left out. `settings` are the numbers that
    an operator was called with, as a JSON object by the names of its schema, "" without any.
    """

    kind: str
    name: str
    module: str = ""
    call: int = 0
    phase: str = "forward"
    order: int = -1
    output: int = 0
    step: int = 0
    shape: tuple[int, ...] = ()
    dtype: str = ""
    source: str = ""
    made_from: tuple[int, ...] = ()
    settings: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Capture:
    """The records of one side, with their figures.

    `sketches` has shape (R, B); an element that is not finite counts as 0 in it. `norms` has shape
    (R,): the L2 norm of the finite elements. `nonfinite` has shape (R, 3): how many elements are
    NaN, infinite, and minus infinite. `zeros` are the parameters that were all zero at the start.
    `facts` state the device, the versions and the precision. `twin` is 0 for the run itself, k for
    its k-th benign repetition; `moved` says that the repetition moved weights and inputs by a
    rounding.
    """

    records: tuple[Record, ...]
    sketches: NDArray[np.float32]
    norms: Floats
    nonfinite: NDArray[np.int64]
    facts: dict[str, str]
    zeros: tuple[str, ...] = ()
    twin: int = 0
    moved: bool = False
    source: str = ""

    def __post_init__(self) -> None:
        count = len(self.records)
        shapes = {"sketches": (count, BUCKETS), "norms": (count,), "nonfinite": (count, 3)}
        for field in fields(self):
            if field.name not in shapes:
                continue
            array = getattr(self, field.name)
            if array.shape != shapes[field.name]:
                raise ValueError(
                    f"{field.name} has the shape {array.shape}, expected {shapes[field.name]}"
                )
            array.flags.writeable = False

    @property
    def device(self) -> str:
        """The device's type, as torch writes it."""
        return self.facts.get("device", "an unknown device")
