"""The network on clips: a backbone for each frame, heads that see all frames.

Letters: N batch, T frame, C channel, K class, H and W of the image, h and w of the feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor

from model.heads.criss_cross_3d import middle_frame
from model.registry import MODELS
from model.segmentor import EncoderDecoder

FRAMES_TRIED = 2


@MODELS.register_module()
class ClipEncoderDecoder(EncoderDecoder):
    """An EncoderDecoder on clips [N, T, 3, H, W], with labels and predictions of the middle frame.

    The decode head gets features [N, T, C, h, w] of all frames, an auxiliary head those of the
    middle frame [N, C, h, w].
    """

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Maps clips [N, T, 3, H, W] to the backbone's outputs for each frame [N, T, C, h, w]."""
        features = super().extract_feat(inputs.flatten(0, 1))
        return tuple(feature.unflatten(0, inputs.shape[:2]) for feature in features)

    def auxiliary_features(self, features: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Returns the features of the middle frame, [N, C, h, w] each."""
        return tuple(middle_frame(feature) for feature in features)

    def empty_input(self, side: int) -> Tensor:
        """Returns a clip without numbers, for trying out shapes: [1, 2, 3, side, side]."""
        return torch.empty(1, FRAMES_TRIED, 3, side, side)
