"""Reads `ports.toml`: the ports of a project, and the policy that each must satisfy.

[[port]]
name = "ccnet-sdaa"
baseline = "ccnet_r50-d8_cityscapes_rtx4090"   # a name in baselines/, a log, a glob or a folder
candidate = "logs/sdaa.log"
rules = ["equivalence", { name = "tolerance", rtol = 0.02 }]
allow = ["world_size"]
reason = "why these facts may differ"
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.align.comparable import check_allow
from harness.comparison.judge import DEFAULT_RULES, Policy
from harness.comparison.pipeline import Comparison, compare
from harness.errors import HarnessError, PolicyError
from harness.parse.formats.pattern import compiled
from harness.ports.manifest_words import of_document, of_entry, together
from harness.ports.quarantine_entry import QuarantineEntry
from harness.rules import RuleCall, parse_rule, rule_call
from harness.storage.inputs import load_sides
from harness.system.filenames import alike, shortened, unfit
from harness.system.today import today as present_day
from harness.system.toml_text import read_by_hand

LARGEST = 2**53
"""Largest whole number that a manifest may hold."""


def _fit(name: str) -> str:
    reason = unfit(name)
    if reason:
        raise ValueError(reason)
    return name


def _place(text: str) -> str:
    if "\0" in text or not text.strip():
        msg = "not the name of a log"
        raise ValueError(msg)
    return text


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Place = Annotated[str, AfterValidator(_place)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]

DEFAULT = tuple(str(rule) for rule in DEFAULT_RULES)


class Port(BaseModel):
    """One entry. An unknown key is an error, and so is `true` for 1. A waiver requires a reason.

    Attributes:
        name: the port's name in tables, reports and the history
        baseline: the GPU's runs: the name of a baseline in `baselines/` beside the manifest, a
            published result (`published/NAME`), a log, logs separated by commas, a glob, or a
            folder with one log per seed
        candidate: the port's runs, named in the same ways
        rules: the rules that must all pass, as `"name"`, `"name:parameter=value"` or
            `{ name = "name", parameter = value }`
        metric: the series to judge; `A=B` compares A of the baseline with B of the candidate
        rank: the rank whose series is judged
        allow: facts that may differ, or `["all"]`; requires `reason`
        reason: why these facts may differ; every report repeats it
        steps: judge only the steps from the first to the second of this pair, such as `[0, 999]`;
            the verdict states the steps
        last: judge only the last N common steps
        min_steps: smallest number of common records (steps times the runs of the smaller side) for
            a pass; default 50, or 1 for a validation metric
        max_missing: fraction of the common steps that may be missing on one side
        pattern: your own log format, as a regular expression with named groups
        attempts: further attempts of the candidate, such as repeated trainings of one commit, each
            named as the candidate is. Every attempt is judged separately, and the worst verdict is
            the port's. A port that fails in one attempt and passes in another is flaky
        quarantine: a table with `owner`, `issue`, `until` (a date without quotes, at most 90 days
            ahead) and `reason`; until that day the port is judged and reported, but does not decide
            the exit status
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: Annotated[str, AfterValidator(_fit)]
    baseline: Place
    candidate: Place
    rules: Annotated[
        tuple[str | dict[str, Any], ...], BeforeValidator(_tupled), Field(min_length=1)
    ] = DEFAULT
    pattern: Annotated[str, Field(min_length=1)] | None = None
    metric: Annotated[str, Field(min_length=1)] = "loss"
    rank: Whole = 0
    allow: Annotated[tuple[str, ...], BeforeValidator(_tupled)] = ()
    reason: str = ""
    steps: Annotated[tuple[Whole, Whole] | None, BeforeValidator(_tupled)] = None
    last: Positive | None = None
    min_steps: Positive | None = None
    max_missing: Annotated[float, Field(ge=0, le=1)] = 0.0
    attempts: Annotated[tuple[Place, ...], BeforeValidator(_tupled)] = ()
    quarantine: QuarantineEntry | None = None

    def tries(self) -> tuple[Port, ...]:
        """Returns the port once for every attempt; the first is the candidate."""
        update: dict[str, Any] = {"attempts": ()}
        places = (self.candidate, *self.attempts)
        return tuple(self.model_copy(update=update | {"candidate": place}) for place in places)

    def policy(self) -> Policy:
        """Returns the policy of this entry.

        Raises:
            PolicyError: a rule, a parameter or an allowed fact does not exist, a waiver has no
                reason, or the pattern is invalid.
        """
        check_allow(self.allow)
        if self.pattern is not None:
            compiled(self.pattern)
        if self.allow and not self.reason.strip():
            msg = f"allows {', '.join(self.allow)} without a reason; add reason = '...'"
            raise PolicyError(msg)
        if self.steps is not None and self.steps[1] < self.steps[0]:
            msg = f"steps = {list(self.steps)} ends before it begins; give the earlier step first"
            raise PolicyError(msg)
        return Policy(
            metric=self.metric,
            rank=self.rank,
            rules=tuple(_rule(entry) for entry in self.rules),
            allow=self.allow,
            allow_reason=self.reason,
            steps=self.steps,
            last=self.last,
            min_steps=self.min_steps,
            max_missing=self.max_missing,
        )


class Manifest(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    port: Annotated[tuple[Port, ...], Field(min_length=1)]


ABSENT = "pass the manifest's path, or write a manifest as the README shows"
"""What to do without a manifest."""


def read_manifest(path: Path, *, today: date | None = None) -> Manifest:
    """Returns the manifest in a file, with every policy checked.

    `today` is the day of the check; by default it is that of the clock.

    Raises:
        PolicyError: the file cannot be read, is not TOML, or has an invalid entry. The message
            names the entry and the key, and lists up to ten mistakes.
    """
    source = str(path)
    today = today or present_day(os.environ)
    content, text = read_by_hand(path, absent=ABSENT)
    wrong = of_document(content)
    if wrong:
        raise PolicyError(wrong, source=source)
    entries: Sequence[Mapping[str, Any]] = content["port"]
    lines = _lines(text, len(entries))
    ports: list[Port] = []
    mistakes: list[tuple[int, str]] = []
    for number, (entry, line) in enumerate(zip(entries, lines, strict=True), 1):
        try:
            port = Port.model_validate(dict(entry))
            _check(port, today)
            ports.append(port)
        except ValidationError as error:
            mistakes += [(line, f"{_called(entry, number)}: {w}") for w in of_entry(error)]
        except HarnessError as error:
            mistakes.append((line, f"{_called(entry, number)}: {error.message}"))
    if mistakes:
        message, at = together(mistakes)
        raise PolicyError(message, source=source, line=at)
    _check_names([port.name for port in ports], source)
    return Manifest.model_construct(port=tuple(ports))


def _check(port: Port, today: date) -> None:
    port.policy()
    twice = [place for place, n in Counter((port.candidate, *port.attempts)).items() if n > 1]
    if twice:
        msg = f"names the attempt {shortened(twice[0])!r} twice; name each attempt once"
        raise PolicyError(msg)
    if port.quarantine is not None:
        port.quarantine.check(today)


def _check_names(names: Sequence[str], source: str) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        msg = f"two ports are named {', '.join(twice[:10])}; give each its own name"
        raise PolicyError(msg, source=source)
    close = alike(names)
    if close:
        msg = (
            f"the names {' and '.join(close[0][:2])} are the same folder on systems that ignore "
            "case; give each its own name"
        )
        raise PolicyError(msg, source=source)


def _called(entry: Mapping[str, Any], number: int) -> str:
    name = entry.get("name")
    return f"port {shortened(name)}" if isinstance(name, str) and name else f"entry {number}"


def entry_lines(path: Path, count: int) -> list[int]:
    """Returns the line of each `[[port]]` of a manifest; all 1 if the entries are inline tables."""
    try:
        return _lines(read_by_hand(path, absent=ABSENT)[1], count)
    except PolicyError:  # a pipe, which cannot be read a second time
        return [1] * count


def _lines(text: str, count: int) -> list[int]:
    lines = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if "".join(line.partition("#")[0].split()) == "[[port]]"
    ]
    return lines if len(lines) == count else [1] * count


def compare_port(port: Port, root: Path) -> Comparison:
    """Returns the comparison of one entry; relative paths start from `root`, the manifest's folder.

    Raises:
        HarnessError: the logs cannot be read or aligned.
    """
    base, cand = load_sides(port.baseline, port.candidate, root=root, pattern=port.pattern)
    return compare(base, cand, port.policy())


def _rule(entry: str | dict[str, Any]) -> RuleCall:
    if isinstance(entry, str):
        return parse_rule(entry)
    parameters = dict(entry)
    name = parameters.pop("name", None)
    if not isinstance(name, str):
        msg = f"a rule without a name: {entry!r}; expected {{ name = 'two-sided', rtol = 0.05 }}"
        raise PolicyError(msg)
    return rule_call(name, parameters)
