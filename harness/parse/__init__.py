"""Text of a training log -> `Run`. One file per format; formats are detected, not asked for."""

from __future__ import annotations

from harness.parse.formats import FORMATS
from harness.parse.reading import parse_log, parse_logs

__all__ = ["FORMATS", "parse_log", "parse_logs"]
