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

import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.comparable import check_allow
from harness.comparison import Comparison, compare
from harness.errors import PolicyError
from harness.judge import DEFAULT_RULES, Policy
from harness.parse.pattern import compiled
from harness.resolve import load_sides
from harness.rules import RuleCall, parse_rule, rule_call

DEFAULT = tuple(str(rule) for rule in DEFAULT_RULES)


class Port(BaseModel):
    """One entry. Unknown keys are errors; a waiver needs its reason.

    Attributes:
        name: what the port is called in tables, reports and the history
        baseline: the GPU's side: a name in `baselines/` beside the manifest, a log, several by
            comma, a glob, or a folder of seeds
        candidate: the port's side, named in the same ways
        rules: the rules that must all pass, as `"name"`, `"name:limit=value"` or
            `{ name = "name", limit = value }`
        metric: the series that is judged
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

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1, pattern=r"^[^\s\[\]/:]+$")]
    baseline: Annotated[str, Field(min_length=1)]
    candidate: Annotated[str, Field(min_length=1)]
    rules: Annotated[tuple[str | dict[str, Any], ...], Field(min_length=1)] = DEFAULT
    pattern: Annotated[str, Field(min_length=1)] | None = None
    metric: str = "loss"
    rank: Annotated[int, Field(ge=0)] = 0
    allow: tuple[str, ...] = ()
    reason: str = ""
    steps: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]] | None = None
    last: Annotated[int, Field(ge=1)] | None = None
    min_steps: Annotated[int, Field(ge=1)] | None = None
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
            names the entry and the key.
    """
    source = str(path)
    try:
        manifest = Manifest.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        msg = "no such file; name the manifest, or write one as README shows"
        raise PolicyError(msg, source=source) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"cannot be read as TOML: {error}"
        raise PolicyError(msg, source=source) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        msg = f"{where}: {first['msg']} (found {first['input']!r:.80})"
        raise PolicyError(msg, source=source) from error
    names = [port.name for port in manifest.port]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = f"two ports are named {', '.join(twice)}; give each its own name"
        raise PolicyError(msg, source=source)
    for port in manifest.port:
        try:
            port.policy()
        except PolicyError as error:
            msg = f"port {port.name}: {error.message}"
            raise PolicyError(msg, source=source) from error
    return manifest


def entry_lines(path: Path, count: int) -> list[int]:
    """The lines on which the entries of a manifest begin; all 1 where they are not so written."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [i for i, line in enumerate(lines, 1) if line.split("#")[0].strip() == "[[port]]"]
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
