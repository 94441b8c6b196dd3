"""The names of a tracker's runs: one run of those that a name gives, and whether two are the same.

mlflow:port [run seed_1]        what a list calls the run `mlflow:port/seed_1`
"""

from __future__ import annotations

import re

from harness.trackers.registry import INSIDE, NAMED_BY_PATH

_LISTED = re.compile(r"(?P<all>.*) \[run (?P<label>.*)\]", re.DOTALL)


def run_in(spec: str, name: str) -> str:
    """Returns the name of one run of those that a name of a tracker gives.

    >>> run_in("mlflow:port", "a"), run_in("trackio:port.db!", "a"), run_in("wandb:wandb", "a")
    ('mlflow:port/a', 'trackio:port.db!a', 'wandb:wandb!a')
    """
    scheme, _, where = spec.partition(":")
    if where.endswith((INSIDE, "/")) and not (where.endswith("/") and scheme in NAMED_BY_PATH):
        return spec + name
    by_path = scheme.lower() in NAMED_BY_PATH and INSIDE not in where
    return f"{spec.rstrip('/')}{INSIDE if by_path else '/'}{name}"


def identity(source: str) -> str:
    """Returns a text that the names of one run share, whether it was named alone or in a list.

    >>> identity("mlflow:port [run a]") == identity("mlflow:port/a")
    True
    >>> identity("wandb:wandb [run a]") == identity("wandb:wandb!a")
    True
    """
    listed = _LISTED.fullmatch(source)
    name = f"{listed['all']}/{listed['label']}" if listed else source
    return re.sub(r"[/!]+", "/", name)
