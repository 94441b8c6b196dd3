"""What a log states of its run, and which of two contradicting statements holds."""

from __future__ import annotations

from harness.log.facts import FactValue, must_match, short
from harness.parse.notes import Remark

MAX_STATEMENTS = 20
"""Different values of one fact that are kept; a log with more says nothing."""
MAX_QUOTED = 200
"""Characters of a value that a remark quotes."""
MAX_FACTS = 50_000
"""Facts that are kept, single settings included."""


class Statements:
    """Facts with the lines that state them, in the order of the log.

    The first statement holds, but where a run died and was started again in the same log, the
    first one of the last attempt: `run_began_after` is the line that ended the attempt before.
    """

    def __init__(self) -> None:
        self.run_began_after = 0
        self._said: dict[str, list[tuple[FactValue, int | None]]] = {}

    def add(self, name: str, value: FactValue, line: int | None) -> None:
        """States a fact. Repetitions of the same value count only in a later attempt."""
        if name not in self._said and len(self._said) >= MAX_FACTS:
            return
        said = self._said.setdefault(name, [])
        if len(said) < MAX_STATEMENTS and (not said or not _same(said[-1][0], value)):
            said.append((value, line))

    def __contains__(self, name: str) -> bool:
        return name in self._said

    def settled(self) -> tuple[dict[str, FactValue], dict[str, int]]:
        """The facts that hold, and the lines of those that have one.

        A fact that decides the experiment and changes within one attempt has no one value: it is
        the text of all of them, which equals no other run's.
        """
        values: dict[str, FactValue] = {}
        lines: dict[str, int] = {}
        for name in self._said:
            of_attempt = self._of_attempt(name)
            value, line = of_attempt[0]
            if len({repr(v) for v, _ in of_attempt}) > 1 and must_match(name):
                value = ", then ".join(str(v) for v, _ in of_attempt)
            values[name] = value
            if line is not None:
                lines[name] = line
        return values, lines

    def contradictions(self) -> list[Remark]:
        """A remark on every fact that changes within one attempt."""
        notes = []
        for name in self._said:
            (first, line), *others = self._of_attempt(name)
            for value, later in others:
                if not _same(value, first):
                    then = "no value holds" if must_match(name) else "the first is used"
                    text = (
                        f" is stated twice: {_quoted(first)} (line {line or 'unknown'}), then "
                        f"{_quoted(value)} (line {later or 'unknown'}); {then}"
                    )
                    notes.append(Remark(name, text))
        return notes

    def _of_attempt(self, name: str) -> list[tuple[FactValue, int | None]]:
        """The statements of the last attempt; the last one before it where it makes none."""
        said = self._said[name]
        own = [s for s in said if s[1] is None or s[1] > self.run_began_after]
        return own or said[-1:]


def _quoted(value: FactValue) -> str:
    return short(repr(value), MAX_QUOTED)


def _same(a: FactValue, b: FactValue) -> bool:
    return a == b or (a != a and b != b)  # noqa: PLR0124  (NaN)
