"""Metrics of semantic segmentation."""

from model.metrics.iou import IoUMetric

__all__ = ["IoUMetric"]
