"""The config that mmengine prints at the start: Python source, read as data and never executed.

07/26 08:17:17 - mmengine - INFO - Config:
train_cfg = dict(max_iters=40000, type='IterBasedTrainLoop', val_interval=4000)
"""

from __future__ import annotations

import ast
import re
from typing import Any

from harness.log.fact_table import aliases
from harness.log.facts import CONFIG, FactValue
from harness.log.quiet import without_warnings
from harness.parse.collect import Collector
from harness.parse.line import Line

UNSPECIFIED_AMP = "amp"
"""Mixed precision in the dtype that the device takes by default."""
MAX_BITS = 1 << 10
MAX_TEXT = 1 << 20
"""Characters beyond which a config block is not one."""

_START = re.compile(r" - INFO - Config:\s*$")
_LOG_LINE = re.compile(
    r"(?:\d{4}[/-])?\d\d[/-]\d\d \d\d:\d\d:\d\d(?:,\d+)? - |TCAPPDLL |\{\"|-{20}"
)


class ConfigBlock:
    """Reads the block into `config.*` facts and the facts that they decide."""

    name = "config block"
    example = "07/26 08:17:17 - mmengine - INFO - Config:"
    fallback = False
    long_lines = False

    def __init__(self) -> None:
        self._lines: list[str] | None = None
        self._start = 0
        self._size = 0

    def feed(self, line: Line, into: Collector) -> bool:
        """Takes the heading and every line up to the next line of a log."""
        if self._lines is None:
            if "Config:" not in line.text or not _START.search(line.text):
                return False
            self._lines, self._start, self._size = [], line.number, 0
            return True
        self._size += len(line.text)
        if _LOG_LINE.match(line.text) or self._size > MAX_TEXT:
            self.close(into)
            return False
        if line.whole:  # otherwise cut off, and so may be its value
            self._lines.append(line.text)
        return True

    def close(self, into: Collector) -> None:
        """Reads what was gathered."""
        if self._lines is None:
            return
        text, self._lines = "".join(self._lines), None
        try:
            config = read_config(text)
        except ValueError as error:
            into.skip(self._start, "Config:", f"the config block cannot be read: {error}")
            return
        for name, value in config_facts(config).items():
            if value == UNSPECIFIED_AMP and into.has(name):
                continue  # the environment block says which dtype it was
            into.fact(name, value, line=self._start)
        window = config.get("log_processor.window_size")
        if isinstance(window, int) and not isinstance(window, bool) and window > 0:
            into.window = window


def read_config(text: str) -> dict[str, FactValue]:
    """The settings of a config by dotted key, `model.backbone.depth`, from its Python source.

    Only literals, lists, tuples and `dict(...)` calls are understood; any other expression is kept
    as its source text. Lists are indexed, `param_scheduler.0.type`.

    Raises:
        ValueError: the text is not a sequence of assignments (a block that was cut off, say).
    """
    try:
        with without_warnings():  # of odd escapes in the text of the log
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        msg = f"not Python source{f' from its line {line}' if line else ''}"
        raise ValueError(msg) from error
    flat: dict[str, FactValue] = {}
    try:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                _flatten(node.targets[0].id, _value(node.value), flat)
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error
    return flat


def _value(node: ast.expr) -> Any:
    """The data that an expression denotes, without running it."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [_value(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return {str(_value(k)): _value(v) for k, v in pairs if k is not None}
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            return {k.arg: _value(k.value) for k in keywords if k.arg is not None}
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
    return ast.unparse(node)


def _flatten(key: str, value: Any, into: dict[str, FactValue]) -> None:
    if isinstance(value, dict):
        for name, item in value.items():
            _flatten(f"{key}.{name}", item, into)
    elif isinstance(value, list):
        if all(isinstance(item, str | int | float) for item in value):
            into[key] = str(tuple(map(_printable, value)))
            return
        for i, item in enumerate(value):
            _flatten(f"{key}.{i}", item, into)
    elif isinstance(value, str | bool | int | float):
        into[key] = _printable(value)
    else:
        into[key] = repr(value)


def _printable(value: FactValue) -> FactValue:
    """The value, but a whole number that Python refuses to print in decimals as text."""
    huge = isinstance(value, int) and value.bit_length() > MAX_BITS
    return f"{value:#x}" if huge else value


_NAMED = aliases("mmengine")
_NAMED_BY_MMCV = aliases("mmcv")
"""Settings of a config of mmengine, and of mmcv before it, that are facts."""
_FOLDED = ("optim_wrapper.type", "optim_wrapper.dtype", "param_scheduler.")
"""Settings that a composed fact (precision, schedule) already holds."""


def config_facts(config: dict[str, FactValue]) -> dict[str, FactValue]:
    """The facts that a config decides: named ones, composed ones, and every setting by its key."""
    names = _NAMED if any(key.startswith("optim_wrapper.") for key in config) else _NAMED_BY_MMCV
    facts = {name: config[key] for key, name in names.items() if key in config}
    if "optim_wrapper.type" in config:
        facts["precision"] = _precision(config)
        facts.setdefault("grad_accumulation", 1)
    schedule = _schedule(config)
    if schedule:
        facts["schedule"] = schedule
    if "model.type" in config:
        facts["model"] = _model(config)
    for key, value in config.items():
        if key not in names and not key.startswith(_FOLDED):
            facts[CONFIG + key] = value
    return facts


def _precision(config: dict[str, FactValue]) -> str:
    if config["optim_wrapper.type"] != "AmpOptimWrapper":
        return "float32"
    dtype = config.get("optim_wrapper.dtype", "None")
    return UNSPECIFIED_AMP if dtype == "None" else f"amp-{dtype}"


def _schedule(config: dict[str, FactValue]) -> str:
    phases: dict[str, dict[str, FactValue]] = {}
    for key, value in config.items():
        if key.startswith("param_scheduler."):
            index, _, setting = key.removeprefix("param_scheduler.").partition(".")
            if not setting:
                index, setting = "0", index
            phases.setdefault(index, {})[setting] = value
    parts = []
    for settings in phases.values():
        kind = settings.pop("type", "?")
        parts.append(f"{kind}({', '.join(f'{k}={v}' for k, v in sorted(settings.items()))})")
    return " then ".join(parts)


def _model(config: dict[str, FactValue]) -> str:
    backbone = config.get("model.backbone.type")
    depth = config.get("model.backbone.depth")
    head = config.get("model.decode_head.type")
    parts = [f"{backbone}-{depth}" if depth is not None else backbone, head]
    inner = ", ".join(str(part) for part in parts if part is not None)
    return f"{config['model.type']}({inner})" if inner else str(config["model.type"])
