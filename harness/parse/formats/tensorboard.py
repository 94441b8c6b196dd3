"""TensorBoard's event files: binary records of scalars by tag.

events.out.tfevents.1732550000.host.123.0        (a file, the folder of a run, or a log folder)
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from harness.log.facts import FactValue
from harness.parse.collect import Collector
from harness.parse.formats.events import Value, event_of, plain, session_of
from harness.parse.formats.tensors import scalar_of
from harness.parse.line import Place
from harness.parse.names import Names, holds_figures

MAX_KNOWN = 20_000
"""Tags that are remembered."""
_START = 1
"""The status of a session that begins."""
_STEP_AT = 10
"""The byte of the step in a record that begins with its time of 8 bytes, as writers have it."""
_SHORT_STEP = 6
"""Bytes of a step up to 4 * 10**12."""
_MORE = 0x80
"""The bit of a byte that says that the number goes on."""
_NUMBER, _CLOCK = struct.Struct("<f"), struct.Struct("<d")
HPARAMS = "hparams"
_ENDED = {2: "failed", 3: "is still running"}
"""The status of a session of the hparams plugin, where it did not succeed."""


class TensorBoard:
    """Every tag of scalars is a series; steps are taken as they are written."""

    name = "tensorboard"
    example = "events.out.tfevents.* (tags become series: --metric train/loss)"


class Window(NamedTuple):
    """When the first and the last scalar of a file were written, in seconds, and their tags."""

    first: float
    last: float
    tags: frozenset[str]

    def is_beside(self, other: Window) -> bool:
        """Returns whether two files got the same tags at the same time, for most of the shorter.

        The file of a run that was resumed begins when the one before has ended, or a little earlier
        if the clocks of two machines differ.
        """
        common = min(self.last, other.last) - max(self.first, other.first)
        shorter = min(self.last - self.first, other.last - other.first)
        return common > shorter / 2 and not self.tags.isdisjoint(other.tags)


class Events:
    """Takes the events of one run in their order.

    The restart of a session (`SummaryWriter(purge_step=N)`) sets what was logged from its step on
    aside, as TensorBoard does.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._names = Names()
        self._plugins: dict[str, str] = {}
        self._known: dict[bytes, str] = {}
        self._series: dict[str, str | None] = {}
        self._high = -1
        self.hparams: dict[str, FactValue] = {}
        self.texts: dict[str, str] = {}
        self.ended = ""
        self._under = ""
        self._settings_only = False
        self._first = self._last = self._clock = b""
        self._tags: set[str] = set()

    def window(self) -> Window:
        """Returns when the scalars since this was last asked were written, and their tags."""
        first, last = (_CLOCK.unpack(t)[0] if t else 0.0 for t in (self._first, self._last))
        window = Window(first, last, frozenset(self._tags))
        self._first = self._last = b""
        self._tags.clear()
        return window

    def enter(self, under: str, *, settings_only: bool) -> None:
        """Goes on to other files: `under` precedes their tags, or they hold no curve."""
        self._under, self._settings_only = under, settings_only
        self._high = -1
        self._known.clear()
        self._series.clear()
        self._plugins.clear()

    def take(self, data: bytes | None) -> None:
        """Takes one record; None is one whose checksum is wrong."""
        into = self._into
        if data is None:
            into.skip(into.line, f"record {into.line}", "its checksum is wrong: it was damaged")
            return
        if data[:1] == b"\x09":
            self._clock = data[1:9]
        if self._again(data):
            return
        try:
            step, status, values = event_of(data)
        except ValueError:
            into.skip(into.line, f"record {into.line}", "it is no event of TensorBoard")
            return
        if status == _START:
            self._restart(step)
        for value in values:
            self._take(step, value)

    def _take(self, step: int, value: Value) -> None:
        plugin = self._plugin(value)
        if plugin in {"", "scalars"}:
            number = scalar_of(value.tensor) if value.tensor else value.scalar
            if isinstance(number, float):
                self._record(step, value.tag, number)
            begin = b"" if value.scalar is None else plain(value.tag)
            if begin and len(self._known) < MAX_KNOWN:
                self._known[begin] = value.tag
        elif plugin == HPARAMS and value.content:
            self._hparams(value.content)
        elif plugin == "text" and value.tensor:
            found = scalar_of(value.tensor)
            if isinstance(found, str):
                self.texts[value.tag.removesuffix("/text_summary")] = found

    def _again(self, data: bytes) -> bool:
        """Takes a record that holds a time, a step and the scalar of a known tag, as most do.

        It is read by its bytes alone: a message means the same wherever its bytes are the same.
        """
        if data[:1] != b"\x09" or data[9:_STEP_AT] != b"\x10":
            return False
        step = end = 0
        for end, byte in enumerate(data[_STEP_AT : _STEP_AT + _SHORT_STEP], _STEP_AT + 1):
            step |= (byte & 0x7F) << (7 * (end - _STEP_AT - 1))
            if byte < _MORE:
                break
        else:
            return False
        tag = self._known.get(data[end : -_NUMBER.size])
        if tag is None:
            return False
        self._record(step, tag, _NUMBER.unpack_from(data, len(data) - _NUMBER.size)[0])
        return True

    def _record(self, step: int, tag: str, number: float) -> None:
        if self._settings_only:
            return
        self._last = self._clock
        self._first = self._first or self._clock
        self._tags.add(tag)
        if tag not in self._series:
            self._series[tag] = self._name(tag)
            self._into.claim(TensorBoard.name)
        self._high = max(self._high, step)
        name = self._series[tag]
        if name is not None:
            self._into.record(Place(step), {name: number})

    def _name(self, tag: str) -> str | None:
        """The name of a tag's series; None for a tag that holds no figure."""
        full = f"{self._under}/{tag}" if self._under else tag
        return self._names.of(full) if holds_figures(full) else None

    def _restart(self, step: int) -> None:
        if step <= self._high:
            self._into.purge(step)
            self._into.note(
                f"the run went back to step {step}; what was logged from that step on before is "
                "set aside"
            )
            self._high = step - 1

    def _plugin(self, value: Value) -> str:
        """The plugin of a tag: only the first value of a tag must state it."""
        if value.plugin and len(self._plugins) < MAX_KNOWN:
            self._plugins.setdefault(value.tag, value.plugin)
        return self._plugins.get(value.tag, value.plugin)

    def _hparams(self, content: bytes) -> None:
        try:
            hparams, status = session_of(content)
        except ValueError:
            return
        self.hparams |= hparams
        if status in _ENDED:
            self.ended = f"TensorBoard's hparams say that the run {_ENDED[status]}"
