"""`ports.toml`: the ports of a project and what each must satisfy.

[[port]]
name = "ccnet-sdaa"
baseline = "ccnet_r50-d8_cityscapes_rtx4090"   # a name in baselines/, a log, a glob or a folder
candidate = "logs/sdaa.log"
rules = ["equivalence", { name = "tolerance", rtol = 0.02 }]
allow = ["world_size"]
reason = "why these facts may differ"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness.align.comparable import check_allow
from harness.comparison.judge import DEFAULT_RULES, Policy
from harness.comparison.pipeline import Comparison, compare
from harness.errors import HarnessError, PolicyError
from harness.parse.formats.pattern import compiled
from harness.ports.manifest_words import of_document, of_entry, together
from harness.rules import RuleCall, parse_rule, rule_call
from harness.storage.inputs import load_sides
from harness.system.filenames import alike, shortened, unfit
from harness.system.toml_text import MANIFEST_BYTES, TomlError, read_toml

LARGEST = 2**53
"""Largest whole number of a manifest."""


def _fit(name: str) -> str:
    reason = unfit(name)
    if reason:
        raise ValueError(reason)
    return name


def _place(text: str) -> str:
    if "\0" in text or not text.strip():
        msg = "no place of a log"
        raise ValueError(msg)
    return text


def _tupled(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Place = Annotated[str, AfterValidator(_place)]
Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]

DEFAULT = tuple(str(rule) for rule in DEFAULT_RULES)


class Port(BaseModel):
    """One entry. Unknown keys are errors, and so is `true` for 1; a waiver needs its reason.

    Attributes:
        name: what the port is called in tables, reports and the history
        baseline: the GPU's side: a name in `baselines/` beside the manifest, a log, several by
            comma, a glob, or a folder of seeds
        candidate: the port's side, named in the same ways
        rules: the rules that must all pass, as `"name"`, `"name:limit=value"` or
            `{ name = "name", limit = value }`
        metric: the series that is judged; `A=B`: the baseline's A against the candidate's B
        rank: the rank whose series is judged
        allow: facts that may differ, or `["all"]`; needs `reason`
        reason: why these facts may differ; stands in every report
        steps: judge the part of the run from the first to the second of two steps on purpose, as
            `[0, 999]`; the verdict carries it
        last: judge the last so many common steps only
        min_steps: common records, steps times the runs of the smaller side, below which nothing
            passes; 50 unless given, 1 for a validation figure
        max_missing: fraction of the steps inside the common range that may be missing on one side
        pattern: a log format of your own, as a regular expression with named groups
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

    def policy(self) -> Policy:
        """The policy of this entry.

        Raises:
            PolicyError: a rule, a limit or an allowed fact that does not exist; a waiver without
                its reason; a pattern that is none.
        """
        check_allow(self.allow)
        if self.pattern is not None:
            compiled(self.pattern)
        if self.allow and not self.reason.strip():
            msg = f"allows {', '.join(self.allow)} without saying why; add reason = '...'"
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


def read_manifest(path: Path) -> Manifest:
    """The manifest in a file, with every policy checked.

    Raises:
        PolicyError: the file cannot be read, is no TOML, or an entry does not fit; the message
            names the entry and the key, and has all mistakes up to ten.
    """
    source = str(path)
    content, text = _read(path)
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
            port.policy()
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


def _check_names(names: Sequence[str], source: str) -> None:
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        msg = f"two ports are named {', '.join(twice[:10])}; give each its own name"
        raise PolicyError(msg, source=source)
    close = alike(names)
    if close:
        msg = (
            f"the names {' and '.join(close[0][:2])} are one folder where capitals count for "
            "nothing; give each its own name"
        )
        raise PolicyError(msg, source=source)


def _called(entry: Mapping[str, Any], number: int) -> str:
    name = entry.get("name")
    return f"port {shortened(name)}" if isinstance(name, str) and name else f"entry {number}"


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        return read_toml(path, most_bytes=MANIFEST_BYTES)
    except FileNotFoundError as error:
        msg = "no such file; name the manifest, or write one as README shows"
        raise PolicyError(msg, source=str(path)) from error
    except TomlError as error:
        raise PolicyError(str(error), source=str(path)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"cannot be read: {reason}; check path and permission"
        raise PolicyError(msg, source=str(path)) from error


def entry_lines(path: Path, count: int) -> list[int]:
    """The lines on which the entries of a manifest begin; all 1 where they are not so written."""
    try:
        return _lines(_read(path)[1], count)
    except PolicyError:  # a pipe, which has been read
        return [1] * count


def _lines(text: str, count: int) -> list[int]:
    found = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if "".join(line.partition("#")[0].split()) == "[[port]]"
    ]
    return found if len(found) == count else [1] * count


def compare_port(port: Port, root: Path) -> Comparison:
    """The comparison of one entry; relative paths start from `root`, the manifest's folder."""
    base, cand = load_sides(port.baseline, port.candidate, root=root, pattern=port.pattern)
    return compare(base, cand, port.policy())


def _rule(entry: str | dict[str, Any]) -> RuleCall:
    if isinstance(entry, str):
        return parse_rule(entry)
    limits = dict(entry)
    name = limits.pop("name", None)
    if not isinstance(name, str):
        msg = f"a rule without a name: {entry!r}; expected {{ name = 'two-sided', rtol = 0.05 }}"
        raise PolicyError(msg)
    return rule_call(name, limits)
