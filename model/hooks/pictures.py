"""Pictures of predictions during validation and test."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from mmengine.hooks import Hook
from mmengine.runner import Runner

from model.data.loading import read_image
from model.registry import HOOKS
from model.structures import SegDataSample


@HOOKS.register_module()
class SegVisualizationHook(Hook):
    """Draws every `interval`-th sample beside its labels, if `draw` is set.

    The pictures go to `out_dir` as `<image>.png`, or to the visualizer's backends where none is
    given. Images of one name in several folders have their folders in the picture's name.
    """

    def __init__(
        self, *, draw: bool = False, interval: int = 50, out_dir: str | Path | None = None
    ) -> None:
        self.draw = draw
        self.interval = interval
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.drawn: dict[str, Path] = {}

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draws samples of validation."""
        self._draw(runner, batch_idx, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Draws samples of a test."""
        self._draw(runner, batch_idx, outputs)

    def _draw(self, runner: Runner, batch_idx: int, outputs: Sequence[SegDataSample]) -> None:
        if not self.draw or batch_idx % self.interval:
            return
        for sample in outputs:
            path = Path(sample.metainfo["img_path"])
            name = self._name(path)
            image = cv2.cvtColor(read_image(str(path)), cv2.COLOR_BGR2RGB)
            runner.visualizer.add_datasample(
                name,
                image,
                sample,
                out_file=None if self.out_dir is None else str(self.out_dir / f"{name}.png"),
                step=runner.iter,
            )

    def _name(self, path: Path) -> str:
        """Returns an image's name, after as many of its folders as no other picture has."""
        parts = path.with_suffix("").parts
        names = ("_".join(parts[-count:]) for count in range(1, len(parts) + 1))
        return next(name for name in names if self.drawn.setdefault(name, path) == path)
