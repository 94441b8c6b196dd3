"""What mmengine's own runner writes into a checkpoint beyond tensors and plain values.

Its log histories and numpy's scalars are objects, which unpickling would build by calling code that
the file names. Here each name is read as an inert class instead, so nothing is called, whatever
arguments and state a file gives; numpy's own unpickling, which trusts its input, is not used
either. What those objects held is left out. Any other name is refused as before.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from torch.serialization import safe_globals

from model.errors import CheckpointError

NAMES = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    "builtins.getattr",  # by which a history refers to its statistics
    "numpy.dtype",
    "numpy.ndarray",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
)
SHOWN = 3


class LeftOut:
    """What is read for an object that is not rebuilt; it takes any arguments and keeps none."""

    def __init__(self, *_: Any) -> None: ...

    def __new__(cls, *_: Any) -> LeftOut:
        """Returns an object without the arguments."""
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None: ...


def _stand_in(name: str) -> type[LeftOut]:
    """Returns a class that torch's unpickler finds under a full name."""
    module, _, short = name.rpartition(".")
    return type(short, (LeftOut,), {"__module__": module})


_STAND_INS = [_stand_in(name) for name in NAMES]


def reading_inertly() -> safe_globals:
    """Returns a context in which `torch.load(weights_only=True)` reads NAMES as `LeftOut`."""
    return safe_globals(list(_STAND_INS))


def without_left_out(value: Any) -> Any:
    """Returns the value without the entries of mappings that hold something left out."""
    if not isinstance(value, Mapping) or next(_lost(value), None) is None:
        return value  # also the dict of weights, whose attribute has their versions
    return {key: without_left_out(item) for key, item in value.items() if not _is_lost(item)}


def _is_lost(value: Any) -> bool:
    """Returns whether a value is left out, or a list with such an item, which it cannot lose."""
    if isinstance(value, list | tuple):
        return any(map(_is_lost, value))
    return isinstance(value, LeftOut)


def _lost(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yields the entries that are left out: the path of their mapping, and their name in it."""
    for key, item in value.items():
        name = str(key) if str(key).isprintable() else ascii(key)
        if _is_lost(item):
            yield path, name
        elif isinstance(item, Mapping):
            yield from _lost(item, f"{path}{name}.")


def remark(checkpoint: Mapping[str, Any], source: object) -> str | None:
    """Returns one line on what is left out of a checkpoint; None if all of it is read.

    Raises CheckpointError for a checkpoint that contains itself.
    """
    places: dict[str, list[str]] = {}
    try:
        for path, name in _lost(checkpoint):
            places.setdefault(path, []).append(name)
    except RecursionError as error:
        raise CheckpointError(f"{source}: damaged (nested without an end)") from error
    if not places:
        return None
    named = [*places.pop("", [])]
    for path, names in places.items():
        many = len(names) > 1
        named.append(f"{path[:-1]} ({len(names)} entries)" if many else path + names[0])
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return (
        f"{source}: left out {', '.join(named[:SHOWN])}{more}: objects such as mmengine's log "
        "histories, which are never rebuilt from a file; the weights and all plain values were read"
    )


def tell(checkpoint: Mapping[str, Any], source: object) -> None:
    """Says on standard error what is left out of a checkpoint, if anything."""
    if (text := remark(checkpoint, source)) is not None:
        print(f"note: {text}", file=sys.stderr)
