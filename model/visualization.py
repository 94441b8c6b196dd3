"""mmengine's visualizer, which also draws segmentation maps."""

from pathlib import Path

import cv2
from mmengine.visualization import Visualizer

from model.data.palettes import distinct_colours
from model.pictures import Image, picture
from model.registry import VISUALIZERS
from model.structures import SegDataSample


@VISUALIZERS.register_module()
class SegLocalVisualizer(Visualizer):
    """Draws samples with the class names and the palette of the data set (`dataset_meta`).

    Classes without names are numbered; without a palette they get distinct colours.
    """

    def add_datasample(
        self,
        name: str,
        image: Image,
        data_sample: SegDataSample,
        *,
        out_file: str | None = None,
        step: int = 0,
    ) -> None:
        """Draws `image` [H, W, 3] RGB, its labels if it has some, and its prediction.

        The picture goes to `out_file`, or to the backends under `name`.
        """
        found = {
            key: getattr(data_sample, field).data[0].cpu().numpy() if field in data_sample else None
            for key, field in (("labels", "gt_sem_seg"), ("prediction", "pred_sem_seg"))
        }
        meta = self.dataset_meta or {}
        classes = meta.get("classes") or [f"class {i}" for i in range(255)]
        palette = meta.get("palette") or distinct_colours(len(classes))
        drawn = picture(image, classes=classes, palette=palette, **found)
        if out_file is None:
            self.add_image(name, drawn, step)
        else:
            path = Path(out_file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())
