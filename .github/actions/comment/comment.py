"""Writes the comment of a check on its pull request, or updates the earlier comment.

Needs the standard library only. Environment: COMMENT, the file; TOKEN; and what GitHub sets.

In a workflow that `workflow_run` starts, the file comes from a job that ran the code of a fork. It
is data of a stranger then: the pull request is looked up from the event, which GitHub wrote, and
the text loses links, pictures, HTML and mentions.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

MARK = "<!-- ccnet-port-harness -->"
"""The first line of every comment of the harness."""
LARGEST = 65_000
"""Bytes of a comment; GitHub takes 65,536 characters."""
AUTHOR = "github-actions[bot]"
"""The only author whose comment is replaced: anybody can write a comment with the mark."""
PAGES = 30
PER_PAGE = 100
WAIT_S = 30
STRANGER = "_This text was written by a job that ran the code of the pull request._"
APART = "\u200b"
"""A space without width: the text looks the same, and is no longer a link or a mention."""


class CommentError(Exception):
    """The error of a comment that cannot be written. The message is one line."""


def main() -> int:
    """Comments, and returns 0; 1 with an annotation if the comment cannot be written."""
    try:
        event = _event()
        if _from_fork(event):
            print(
                "::notice::no comment: the pull request comes from a fork, whose token cannot "
                "write. A second workflow can comment; see the page on using the action"
            )
            return 0
        text = read_comment(os.environ["COMMENT"])
        if "workflow_run" in event:
            text = harmless(text)
        print(f"comment: {write(number_of(event), text)}")
    except (CommentError, KeyError, OSError, ValueError) as error:
        said = str(error) if isinstance(error, CommentError) else f"{type(error).__name__}: {error}"
        print(f"::warning::no comment was written: {_one_line(said)}")
        return 1
    return 0


def _event() -> dict[str, Any]:
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    if not isinstance(event, dict):
        raise CommentError("the event is not an object; run this on GitHub Actions")
    return event


def _from_fork(event: dict[str, Any]) -> bool:
    """Returns whether this job was started by a pull request of a fork, which may not write."""
    if "pull_request" not in event:
        return False
    home = event["pull_request"]["head"].get("repo") or {}  # null after the fork was deleted
    return home.get("full_name") != os.environ["GITHUB_REPOSITORY"]


def read_comment(path: str) -> str:
    """Returns the comment in a file: regular, of bounded size, UTF-8, with the mark in front.

    Raises:
        CommentError: it is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise CommentError(f"{path} is not a regular file")
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise CommentError(f"{path} has more than {LARGEST} bytes; check fewer ports in a job")
    text = content.decode("utf-8").replace("\r\n", "\n")
    if text.partition("\n")[0] != MARK:
        raise CommentError(f"{path} does not begin with {MARK}; pass what --comment wrote")
    return text


def harmless(text: str) -> str:
    """Returns a stranger's comment without links, pictures, HTML, mentions and references."""
    body = text.partition("\n")[2]
    body = "".join(c for c in body if c == "\n" or c.isprintable())
    body = re.sub(r"<(?!br>)", "&lt;", body)
    body = re.sub(r"\](?=[(\[:])", "]" + APART, body)
    body = re.sub(r"://|(?i:www\.)|mailto:|[@#](?=\w)|\b(?i:gh)-(?=\d)", _apart, body)
    return f"{MARK}\n{STRANGER}\n\n{body}"


def _apart(found: re.Match[str]) -> str:
    return found[0][0] + APART + found[0][1:] if len(found[0]) > 1 else found[0] + APART


def number_of(event: dict[str, Any]) -> int:
    """Returns the number of the pull request that an event is about.

    Raises:
        CommentError: the event is about none, or its pull request is closed or has newer commits.
    """
    if "pull_request" in event:
        return int(event["pull_request"]["number"])
    run = event.get("workflow_run")
    if run is None or run.get("event") != "pull_request":
        raise CommentError("the event is about no pull request; start the workflow by workflow_run")
    # `pull_requests` of the event is empty for forks.
    head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
    query = urllib.parse.urlencode({"state": "open", "head": head, "per_page": PER_PAGE})
    for pull in _call("GET", f"pulls?{query}"):
        if pull["head"]["sha"] == run["head_sha"]:
            return int(pull["number"])
    raise CommentError("no open pull request has the commit that was checked; it may have moved on")


def write(number: int, text: str) -> str:
    """Updates the earlier comment on a pull request, or writes the first; returns its address."""
    earlier = _earlier(number)
    if earlier is None:
        made = _call("POST", f"issues/{number}/comments", {"body": text})
    else:
        made = _call("PATCH", f"issues/comments/{earlier}", {"body": text})
    return str(made.get("html_url", ""))


def _earlier(number: int) -> int | None:
    for page in range(1, PAGES + 1):
        comments = _call("GET", f"issues/{number}/comments?per_page={PER_PAGE}&page={page}")
        for comment in comments:
            author = (comment.get("user") or {}).get("login")
            if author == AUTHOR and str(comment.get("body", "")).startswith(MARK):
                return int(comment["id"])
        if len(comments) < PER_PAGE:
            return None
    return None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Refuses to follow: the token must not reach another host."""

    def redirect_request(self, *_: Any) -> None:
        """Returns no request, so that the answer is an error."""


def _call(method: str, path: str, content: Any = None) -> Any:
    """Returns the answer of GitHub's API about this repository."""
    address = f"{os.environ['GITHUB_API_URL']}/repos/{os.environ['GITHUB_REPOSITORY']}/{path}"
    request = urllib.request.Request(  # noqa: S310  (GitHub's address, from GitHub)
        address,
        method=method,
        data=None if content is None else json.dumps(content).encode(),
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {os.environ['TOKEN']}",
            "Content-Type": "application/json",
            "User-Agent": "ccnet-port-harness",
        },
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=WAIT_S) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        needed = "; the job needs `pull-requests: write`" if error.code in (401, 403) else ""
        raise CommentError(f"{method} {path.partition('?')[0]}: {error.code}{needed}") from error


def _one_line(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


if __name__ == "__main__":
    sys.exit(main())
