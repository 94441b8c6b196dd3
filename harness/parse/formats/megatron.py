"""Megatron-LM's training lines: means since the last line, parted by bars.

iteration       10/     500 | consumed samples:           80 | elapsed time per iteration (ms): \
1234.5 | learning rate: 1.500E-04 | global batch size:     8 | lm loss: 1.046E+01 | grad norm: 1.2 |
"""

from __future__ import annotations

import re

from harness.log.fact_table import aliases
from harness.parse.grammar.fields import Barred
from harness.parse.grammar.headed import Headed
from harness.parse.grammar.layout import Layout


class Megatron(Headed):
    """Reads every field of a line; a field that its bar does not end was cut off."""

    name = "megatron"
    example = (
        " iteration       10/     500 | consumed samples:           80 | "
        "learning rate: 1.500E-04 | global batch size:     8 | lm loss: 1.046E+01 |"
    )
    layout = Layout(
        needle="iteration ",
        head=re.compile(  # not NeMo's `Training epoch 0, iteration 9/99 |`, which the grammar reads
            r"(?<!, )\biteration\s{1,20}(?P<done>\d+)/\s{0,20}(?P<total>\d+) \|"
            r"|\bvalidation loss at iteration (?P<step>\d+)(?: on validation set)? \| ",
            re.ASCII,
        ),
        fields=Barred(),
        left_out=re.compile("number of (?:skipped|nan) iterations"),
        renamed={
            "consumed samples": "samples",
            "learning rate": "lr",
            "grad norm": "grad_norm",
            "lm loss": "loss",
        },
        endings={" value": "", " PPL": " PPL"},
        facts=aliases("megatron"),
        first=0,
        means="interval",
        instant=frozenset({"lr", "samples", "loss scale"}),
        needs="loss",
        without="an iteration without a loss",
        without_result="a validation without 'name value: number' between bars",
    )
