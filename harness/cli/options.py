"""The options and exit statuses that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXIT = {"pass": 0, "fail": 1, "error": 2, "inconclusive": 3, "incomparable": 4}

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="Print one line: verdict, relative difference, main reason."
    ),
]
Where = Annotated[
    str,
    typer.Option(
        "--history",
        envvar="HARNESS_HISTORY",
        help="Database of results over time: an SQLite file or postgresql://user@host/database.",
        metavar="FILE|URL",
    ),
]
Pattern = Annotated[
    str | None,
    typer.Option(
        help="Your own log format: a regular expression (RE2) with named groups, such as "
        r"'(?P<step>\d+)\] cost=(?P<loss>\S+)'. Groups: step, epoch, rank, total, and the name of "
        "any series.",
        metavar="REGEX",
    ),
]
JunitTo = Annotated[
    Path | None,
    typer.Option(
        "--junit", help="Write JUnit XML with a test case per port and rule.", metavar="FILE"
    ),
]
GitlabTo = Annotated[
    Path | None,
    typer.Option("--gitlab", help="Write a GitLab code-quality report (JSON).", metavar="FILE"),
]
CommentTo = Annotated[
    Path | None,
    typer.Option(
        "--comment", help="Write a short Markdown comment for a pull request.", metavar="FILE"
    ),
]
