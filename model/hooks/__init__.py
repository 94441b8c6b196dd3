"""Hooks: the step log, the progress bar, pictures of predictions, plain checkpoints."""

from model.checkpoint import PlainCheckpointHook
from model.hooks.pictures import SegVisualizationHook
from model.hooks.port_log import PortLogHook
from model.hooks.progress import ProgressHook

__all__ = ["PlainCheckpointHook", "PortLogHook", "ProgressHook", "SegVisualizationHook"]
