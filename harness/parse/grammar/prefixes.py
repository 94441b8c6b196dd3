"""Prefixes of a line: times, levels, loggers and the rank of a process."""

from __future__ import annotations

import re
from typing import NamedTuple

from harness.parse.containers import MASTER
from harness.parse.grammar.words import EVALUATION, TRAINING
from harness.parse.number import count

MAX_PREFIXES = 12
"""Prefixes of a line that are looked for."""

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d{1,9})?"
_DATE = r"(?:\d{4}[-/]\d\d[-/]\d\d|\d\d[-/]\d\d(?:[-/]\d{2,4})?)"
_ZONE = r"(?:\s?(?:Z|UTC|[+-]\d\d:?\d\d)(?!\w))?"
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|CRITICAL|FATAL)"
_CONTAINER = r"[A-Za-z][\w.-]{0,60}?[-_]"
_ROLES = "master|chief|worker"
_POD_END = r"(?:-[a-z0-9]{5})?"
"""Five characters that Kubernetes adds to the name of a pod."""
_PREFIX = re.compile(
    r"\s{0,64}(?:"
    rf"\[{_DATE}[T ,]\s?{_CLOCK}{_ZONE}(?: [\w.-]{{1,40}})?\]"
    rf"|\[?(?:{_DATE}[T ,]\s?)?{_CLOCK}{_ZONE}\]?"
    rf"|[IWEF]\d{{4,8}} {_CLOCK}\s{{1,8}}\d{{1,20}} [\w./-]{{1,80}}:\d{{1,6}}\]"
    rf"|\[{_DATE}:{_CLOCK}:{_LEVEL}:[\w.]{{1,80}}(?::\w{{1,40}})?\]"
    rf"|\[{_LEVEL}:[\w.]{{1,80}}\]"
    rf"|[A-Z]{{2,12}}(?=\s{_DATE} {_CLOCK} - )"
    rf"|(?P<level>\[?{_LEVEL}(?![\w.])(?:\|[\w./-]{{1,80}}:\d{{1,6}})?\]?:?)"
    r"|\[?(?i:rank)[ _:]?\s?(?P<rank>\d{1,9})\](?:\s{0,2}:)?"
    r"|(?i:rank)\s?(?P<named>\d{1,9}):"
    r"|\[default(?P<default>\d{1,9})\]:?"
    r"|\[\d{1,9},(?P<mpi>\d{1,9})\]<std(?:out|err)>:"
    r"|\((?:[\w.-]{1,60}\.py[ :]{1,2}\d{1,6}"
    rf"|\w{{1,40}}:\d{{1,6}}(?=\)\s{{1,8}}{_LEVEL}\b)|[^()\n]{{0,60}}\bpid=\d{{1,12}}[^()\n]{{0,60}})\):?"
    r"|[A-Za-z_]\w{0,40}(?:\.\w{1,40}){1,8}(?::[\w<>]{1,40})?:\d{1,6}(?=\s-\s)"
    r"|(?P<code>[A-Za-z_]\w{0,40}:[\w<>]{1,40}):\d{1,6}(?=\s-\s)"
    r"|\[[\w.-]{1,60}\.(?:py|cc|cpp|h):\d{1,6}(?::\w{1,40})?\]:?"
    r"|\((?P<of>\d{1,6})/\d{1,6}\)(?=\s)"
    r"|\[(?P<word>[A-Za-z_][\w.]{0,40})\]:?"
    rf"|{_CONTAINER}(?P<compose>\d{{1,4}}){_POD_END}\s{{2,40}}\|(?=\s)"
    rf"|(?:{_CONTAINER})?(?:{_ROLES})[-_](?P<member>\d{{1,4}}){_POD_END}(?::|\s{{1,40}}\|)(?=\s)"
    rf"|\[pod/{_CONTAINER}(?P<pod>\d{{1,4}}){_POD_END}/[\w.-]{{1,60}}\]"
    r"|\[pod/[\w.-]{1,100}/[\w.-]{1,60}\]"
    rf"|\[{_CONTAINER}(?P<task>\d{{1,4}}){_POD_END}:[A-Za-z][\w.-]{{0,60}}\]"
    r"|(?P<srun>\d{1,6}):(?=\s)"
    r"|(?P<logger>[A-Za-z_][\w.]{0,60})(?:\s{0,4}:(?!\s{0,8}['\"\[{(]{0,2}[-+.\d])|"
    r"\s{1,4}(?:-|\|)(?=\s)|(?=\s{1,4}(?:-\s)?"
    rf"{_LEVEL}\b))"
    r"|[-|>]{1,3}(?=\s)"
    r")",
    re.ASCII,
)
_CONTAINERS = ("compose", "member", "pod", "task")
"""`net-0  | ` of Docker Compose; `[pod/net-0/main]`, `[net-0:main]` and `net-worker-0: `
of Kubernetes."""
_MASTER = re.compile(r"(?:^|[-_/\[])(?:master|chief)[-_]\d")
_COUNTER = re.compile(r"step|epoch|iter", re.IGNORECASE)
_RANKS = ("rank", "named", "default", "mpi", "of", *_CONTAINERS)


class Prefix(NamedTuple):
    """Where the text of a line begins, and the rank that its prefixes state, None if none does.

    `srun` is a number and a colon at the start of the line, as `srun -l` labels its tasks; it is a
    rank only where the text behind it states a position. `container` says that the rank is the
    number of a container, and more by `MASTER` for that of a master.
    """

    end: int = 0
    rank: int | None = None
    srun: int | None = None
    container: bool = False


def prefix_of(text: str) -> Prefix:
    """Returns the prefixes of a line of text.

    >>> prefix_of("[rank1]:2025-01-02 10:00:00,100 - root - INFO - step: 1")
    Prefix(end=47, rank=1, srun=None, container=False)
    """
    end, rank, srun, container = 0, None, None, False
    for turn in range(MAX_PREFIXES):
        match = _PREFIX.match(text, end)
        if match is None:
            break
        kind = match.lastgroup
        if kind in ("word", "logger") and not _is_logger(match[kind], kind, end):
            break
        if kind == "code" and (not turn or _COUNTER.search(match["code"])):
            break
        if (
            (kind == "srun" and turn)
            or (kind == "of" and not turn)
            or (kind in _CONTAINERS and turn)
        ):
            break
        if kind == "srun":
            srun = count(match["srun"])
        elif kind in _RANKS:
            rank, container = count(match[kind]), kind in _CONTAINERS
            if container and rank is not None and _MASTER.search(match[0].strip()):
                rank += MASTER
        end = match.end()
    return Prefix(end, rank, srun, container)


def _is_logger(word: str, kind: str, end: int) -> bool:
    """Whether a word names a logger: it is no phase, and a bare one follows another prefix."""
    low = word.lower()
    if low in TRAINING or low in EVALUATION or "loss" in low or "epoch" in low or "step" in low:
        return False
    return kind == "word" or end > 0
