"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print one line: verdict, difference, main reason.")
]
Where = Annotated[
    str,
    typer.Option(
        "--history",
        envvar="HARNESS_HISTORY",
        help="Store of results over time: an SQLite file, or postgresql://user@host/database.",
        metavar="FILE|URL",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="A log format of your own: a regular expression (RE2) with named groups, "
        r"'(?P<step>\d+)\] cost=(?P<loss>\S+)'; also epoch, rank, total, and any series.",
        metavar="REGEX",
    ),
]
JunitTo = Annotated[
    Path | None,
    typer.Option("--junit", help="Write JUnit XML, a test case per rule.", metavar="FILE"),
]
GitlabTo = Annotated[
    Path | None,
    typer.Option("--gitlab", help="Write GitLab's code-quality JSON.", metavar="FILE"),
]
CommentTo = Annotated[
    Path | None,
    typer.Option("--comment", help="Write a Markdown comment of one screen.", metavar="FILE"),
]
