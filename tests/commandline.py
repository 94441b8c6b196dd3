"""`harness` as a user calls it: in this process, or in one of its own, which takes 1 to 2 s."""

import contextlib
import io
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from harness.__main__ import main

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended, by the names of `subprocess.CompletedProcess`."""

    returncode: int
    stdout: str
    stderr: str


def harness(folder: Path, *words: object, **environ: str) -> Done:
    """Runs `harness WORDS` in a folder, with these variables added to the environment."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        contextlib.chdir(folder),
        patch.object(sys, "argv", ["harness", *map(str, words)]),
        patch.dict(os.environ, environ),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(), encoding="utf-8")),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            status = ended.code
    assert isinstance(status, int)
    return Done(returncode=status, stdout=_text(out), stderr=_text(err))


def started(folder: Path, *words: object, **environ: str) -> Done:
    """Runs `python -m harness WORDS` in another process; otherwise as `harness`."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, words)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
    )
    return Done(returncode=done.returncode, stdout=done.stdout, stderr=done.stderr)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8")  # type: ignore[attr-defined]
