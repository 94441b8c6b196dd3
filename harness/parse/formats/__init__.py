"""Every format of logs, a file each, in the order in which they are asked for a line.

A new format is a file in this folder, a place in `FORMATS`, and its cases in `tests/logforms.py`
and `tests/test_harness_formats.py`.
"""

from __future__ import annotations

from harness.parse.blocks.arguments import Arguments
from harness.parse.blocks.command import Command
from harness.parse.blocks.config_block import ConfigBlock
from harness.parse.blocks.device_notes import DeviceNotes
from harness.parse.blocks.environment import Environment
from harness.parse.blocks.launch import Launch
from harness.parse.format import Format
from harness.parse.formats.boxed_table import BoxedTable
from harness.parse.formats.columns import Columns
from harness.parse.formats.csv_table import CsvTable
from harness.parse.formats.epoch_table import EpochTable
from harness.parse.formats.hf_state import HfState
from harness.parse.formats.hf_trainer import HfTrainer
from harness.parse.formats.json_lines import JsonLines
from harness.parse.formats.megatron import Megatron
from harness.parse.formats.mllog import Mllog
from harness.parse.formats.mmcv_json import MmcvJson
from harness.parse.formats.mmcv_text import MmcvText
from harness.parse.formats.mmengine_text import MmengineText
from harness.parse.formats.pattern import Pattern
from harness.parse.formats.scalars_json import ScalarsJson
from harness.parse.formats.sides import Sides
from harness.parse.formats.tcappdll import Tcappdll
from harness.parse.formats.tcappdll_json import TcappdllJson
from harness.parse.grammar.reader import Grammar

__all__ = ["AS_SPELLED", "FACTS_ONLY", "FORMATS"]

FORMATS: tuple[type[Format], ...] = (
    ConfigBlock,  # its lines are Python source, in which any word may occur
    TcappdllJson,  # before Tcappdll, which takes every line with the same mark
    Tcappdll,  # processes print it into the lines of others, and the mark is unmistakable
    MmengineText,
    MmcvText,
    HfTrainer,
    Megatron,
    Mllog,  # before the JSON formats: its object follows a mark
    MmcvJson,  # the JSON formats, from the most to the least particular keys
    ScalarsJson,
    HfState,
    JsonLines,
    Arguments,  # blocks of facts come after the formats of lines that name such facts as well
    Launch,
    Environment,
    DeviceNotes,
    Command,  # states only what none of those before it states
    EpochTable,
    BoxedTable,
    CsvTable,  # takes every line behind its heading
    Sides,  # fallbacks: rows of numbers, two numbers on a line, or a loss on a line
    Columns,
    Grammar,
)
"""The first that takes a line has it. An installed package's formats are asked before `Sides`."""
FACTS_ONLY = (ConfigBlock, Arguments, Launch, Environment, DeviceNotes, Command)
"""Blocks that state facts and hold no record."""
AS_SPELLED = (Mllog, MmcvJson, ScalarsJson, HfState, JsonLines, Pattern)
"""Formats that read values as they are spelled, and note those that are not numbers themselves."""
