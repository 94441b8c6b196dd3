"""What the shell offers behind TAB: names of baselines, rules, facts and ports.

The shell starts `harness` at each TAB, so each function loads only what it needs. A function that
cannot read what it offers from returns nothing: the shell then offers files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import typer

PLAIN = re.compile(r"[\w.+@-]+(?:[ /]?[\w.+@-]+)*")
"""Names that are offered. zsh evaluates what it is offered, so a folder named `\\$(..)` is not."""


def baseline_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the baselines in the folder that --baselines names, `baselines` by default."""
    from harness.cli.baseline import SHELF
    from harness.storage.shelf import recording_folders

    shelf = Path(ctx.params.get("baselines") or SHELF)
    recorded = [folder.name for folder in recording_folders(shelf)]
    published = _published(shelf) if _begins_with_folder(incomplete) else []
    return _offered((*recorded, *published), incomplete)


def _begins_with_folder(incomplete: str) -> bool:
    """Returns whether what is typed may become the name of a published result."""
    return incomplete[:1] == "p"


def _published(shelf: Path) -> list[str]:
    """Returns the published results of a shelf; empty if a file cannot be read."""
    from harness.errors import BaselineError
    from harness.storage.published import FOLDER, entries

    try:
        known = entries(shelf)
    except BaselineError:
        return []
    return [f"{FOLDER}/{name}" for entry in known.values() for name in entry.names]


def rule_names(incomplete: str) -> list[str]:
    """Returns the rules, also those of installed packages.

    The rules are read from the names of their files: loading them takes 0.2 s, for scipy.
    """
    from importlib.util import find_spec

    from harness.version import extensions

    spec = find_spec("harness.rules")
    folders = (spec and spec.submodule_search_locations) or ()
    files = [file for folder in folders for file in Path(folder).glob("*.py")]
    ours = [file.stem.replace("_", "-") for file in files if _defines_rule(file)]
    return _offered((*ours, *(rule.name for rule in extensions("harness.rules"))), incomplete)


def _defines_rule(file: Path) -> bool:
    """Returns whether a file of `harness/rules` defines the rule that it is named for."""
    text = file.read_text(encoding="utf-8")
    return re.search(rf"^def {file.stem}\(\s*aligned: Aligned[,)]", text, re.MULTILINE) is not None


def fact_names(incomplete: str) -> list[str]:
    """Returns lists of facts that differ from what is typed in the last fact only."""
    from harness.log.facts import FACTS

    typed, comma, last = incomplete.rpartition(",")
    before = set(typed.split(","))
    known = ("all", *FACTS) if not typed else FACTS
    return [typed + comma + name for name in _offered(known, last) if name not in before]


def port_names(incomplete: str) -> list[str]:
    """Returns the ports of `ports.toml` in the working folder."""
    from harness.system.toml_text import MANIFEST_BYTES, read_toml

    try:
        entries = read_toml(Path("ports.toml"), most_bytes=MANIFEST_BYTES)[0]["port"]
        names = [entry["name"] for entry in entries]
    except (OSError, ValueError, KeyError, TypeError):  # TomlError is a ValueError
        return []
    return _offered((name for name in names if isinstance(name, str)), incomplete)


def _offered(names: Iterable[str], incomplete: str) -> list[str]:
    """Returns the plain names that begin with what is typed, in order."""
    return sorted({n for n in names if n.startswith(incomplete) and PLAIN.fullmatch(n)})
