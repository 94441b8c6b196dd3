"""Settings that training programs print before they start: Megatron's and the Trainer's.

  global_batch_size ............................... 64                     (Megatron, MindSpeed)
using world size: 8, data-parallel size: 8, tensor-model-parallel size: 1
  Instantaneous batch size per device = 2                                  (Hugging Face Trainer)
"""

from __future__ import annotations

import re

from harness.log.fact_table import aliases
from harness.parse.blocks.arguments import ARGUMENTS, argument_value, fits
from harness.parse.collect import Collector
from harness.parse.line import Line
from harness.parse.number import count

MAX_LINE = 1000

_DOTTED = re.compile(
    r"(?:^|[\s:\]])(?P<name>[a-z]\w{0,60}) \.{4,60} (?P<value>[^\s].{0,300}?)\s*$", re.ASCII
)
_WORLD = re.compile(r"\busing world size: (?P<size>\d{1,9}),", re.ASCII)
_TRAINER = re.compile(
    r"(?P<name>Instantaneous batch size per device|Gradient Accumulation steps"
    r"|Total train batch size|Total optimization steps)(?: \(w\. parallel[^)]{0,60}\))?"
    r" = (?P<value>[\d,]{1,16})\s*$",
    re.ASCII,
)
_OF_TRAINER = aliases("trainer")
_OF_MEGATRON = aliases("megatron_arguments")


class Launch:
    """Reads settings, one a line; those without a name in the vocabulary are `config.args.NAME`."""

    name = "launch settings"
    example = "  global_batch_size ............................... 64"
    fallback = False
    long_lines = False

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes a line with a setting; one without its end may be cut inside its value."""
        number, text = line.number, line.text
        if not line.whole or len(text) > MAX_LINE:
            return False
        if " ...." in text and (dotted := _DOTTED.search(text)):
            _megatron(number, dotted["name"], dotted["value"], into)
            return True
        if "using world size: " in text and (world := _WORLD.search(text)):
            into.fact("world_size", int(world["size"]), line=number)
            return True
        stated = _TRAINER.search(text) if " = " in text else None
        value = None if stated is None else count(stated["value"].replace(",", ""))
        if stated is None or value is None:
            return False
        into.fact(_OF_TRAINER[stated["name"]], value, line=number)
        return True

    def close(self, into: Collector) -> None:
        """Nothing stays open between lines."""


def _megatron(line: int, name: str, text: str, into: Collector) -> None:
    """States one of Megatron's arguments."""
    if name in {"bf16", "fp16"}:
        if text == "True":
            kind = "bfloat16" if name == "bf16" else "float16"
            into.fact("precision", f"amp-{kind}", line=line)
        return
    if name == "params_dtype" and text == "torch.float32":  # neither bf16 nor fp16
        into.fact("precision", "float32", line=line)
    value = argument_value(text)
    if value is None:
        return
    fact = _OF_MEGATRON.get(name)
    if fact is None or not fits(fact, value):
        fact = ARGUMENTS + name
    into.fact(fact, value, line=line)
