"""What a test makes the simulated device do. Each control has an environment variable, so that a
training which a test starts as a process has it too.

    set_device_count(2)                               TORCH_SDAA_DEVICES=2
    set_memory_limit(2**20)                           TORCH_SDAA_MEMORY=1048576
    plant("aten::mm", "scale", 1.001, nth=3)          TORCH_SDAA_FAULTS=aten::mm:scale:1.001:nth=3
    miss("aten::_softmax", "raise")                   TORCH_SDAA_MISSING=aten::_softmax:raise
    fail("aten::mm", nth=3)                           TORCH_SDAA_FAILURES=aten::mm:nth=3
    lose_after(1000)                                  TORCH_SDAA_LOST_AFTER=1000

Several of a kind are separated by blanks.
"""

import os

from torch_sdaa import _sdaa

DEFAULTS = {
    "scale": 1.001,  # times
    "offset": 1e-3,  # plus
    "bf16": 0,  # rounded to bfloat16
    "truncate": 13,  # bits of float32 cut off, as in TF32 without rounding
    "lastcol": 0,  # zeros in the last place of the last dimension
    "firstrow": 0,  # zeros in the first place of the last dimension but one
    "sign": 0,  # the row in the middle has the other sign
    "nan": 0,  # one element, in the middle
    "stale": 0,  # one element, in the middle, keeps its value of the previous call
    "swap": 0,  # the first and the last element exchanged
    "noise": 4,  # units in the last place, at most; other ones in each call and process
}
"""The kinds of faults, with the number that a fault of the kind takes by default."""

MODES = {"warn": _sdaa.Mode.warn, "silent": _sdaa.Mode.silent, "raise": _sdaa.Mode.raise_}

set_device_count = _sdaa.set_device_count
set_memory_limit = _sdaa.set_memory_limit
heal = _sdaa.heal
calls = _sdaa.calls
fell_back = _sdaa.fell_back
lose_after = _sdaa.lose_after


def plant(name: str, kind: str, by: float | None = None, *, nth: int = 0, after: int = 0) -> None:
    """Makes the results of an operator wrong.

    `name` is an operator (`aten::add`) or an overload (`aten::add.Tensor`). `nth` counts its calls
    from 1 and alters that call alone; `after` leaves out as many calls at the beginning.
    """
    _sdaa.plant(name, kind, DEFAULTS.get(kind, 0) if by is None else by, nth, after)


def miss(name: str, mode: str = "warn") -> None:
    """Takes an operator away: it falls back to the CPU ("warn", "silent"), or raises ("raise")."""
    _sdaa.miss(name, MODES[mode])


def fail(name: str, *, nth: int = 1) -> None:
    """Makes a call of an operator fail; the next synchronisation of its device raises the error."""
    _sdaa.fail(name, nth)


def from_environment() -> None:
    """Applies the variables."""
    environ = os.environ
    if value := environ.get("TORCH_SDAA_DEVICES"):
        set_device_count(int(value))
    if value := environ.get("TORCH_SDAA_MEMORY"):
        set_memory_limit(int(value))
    for words, numbers in _entries("FAULTS"):
        name, kind, *by = words
        plant(name, kind, float(by[0]) if by else None, **numbers)
    for words, _ in _entries("MISSING"):
        miss(*words)
    for words, numbers in _entries("FAILURES"):
        fail(*words, **numbers)
    if value := environ.get("TORCH_SDAA_LOST_AFTER"):
        lose_after(int(value))


def _entries(variable: str):
    """Yields the words and the named numbers of each entry of a variable."""
    for entry in os.environ.get(f"TORCH_SDAA_{variable}", "").split():
        operator, *rest = entry.replace("::", "\0").split(":")
        words = [operator.replace("\0", "::"), *(word for word in rest if "=" not in word)]
        numbers = dict(word.split("=") for word in rest if "=" in word)
        yield words, {name: int(number) for name, number in numbers.items()}
