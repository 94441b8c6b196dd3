"""The rules: each takes aligned curves and returns a finding. `registry.py` lists them by name."""

from __future__ import annotations

from harness.rules.calls import RuleCall, default_parameters, parse_rule, rule_call
from harness.rules.finding import Estimate, Figure, Finding, Threshold, Verdict, within
from harness.rules.ranges import PRESETS
from harness.rules.registry import RULES

__all__ = [
    "PRESETS",
    "RULES",
    "Estimate",
    "Figure",
    "Finding",
    "RuleCall",
    "Threshold",
    "Verdict",
    "default_parameters",
    "parse_rule",
    "rule_call",
    "within",
]
