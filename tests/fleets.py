"""Writes manifests with many ports and every kind of result, and runs commands on them."""

import contextlib
import io
import sqlite3
from datetime import UTC, datetime

import typer.main
from loglines import decaying, header, records

from harness.cli.main import app

KINDS = ("pass", "qualified", "fail", "inconclusive", "incomparable", "error", "absent")
"""What the candidate of a port is, in turn."""
MOMENT = datetime(2026, 1, 1, 6, tzinfo=UTC)


def write_fleet(folder, ports, *, named="p{}"):
    """Writes `ports` ports that share seven candidates."""
    base = decaying(80)
    head = header(seed=1).replace("max_iters=400", "max_iters=80")
    logs = {
        "gpu": head + records(base),
        "pass": head + records(base * 1.001),
        "qualified": head.replace("lr=0.01", "lr=0.02") + records(base * 1.001),
        "fail": head + records(base * 1.3),
        "inconclusive": head + records(base[:30]),
        "incomparable": head.replace("GPU number: 1", "GPU number: 4") + records(base),
        "error": "nothing\n",
    }
    for name, text in logs.items():
        (folder / f"{name}.log").write_text(text)
    entries = []
    for number in range(ports):
        kind = KINDS[number % len(KINDS)]
        waiver = 'allow = ["learning_rate"]\nreason = "warm-up"\n' if kind == "qualified" else ""
        entries.append(
            f'[[port]]\nname = "{named.format(number)}"\nbaseline = "gpu.log"\n'
            f'candidate = "{kind}.log"\nrules = ["two-sided", "modelzoo"]\n{waiver}'
        )
    (folder / "ports.toml").write_text("# ports\n\n" + "\n".join(entries))


def call(*words):
    """Returns the exit status and the standard output of a command; its error is raised."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        command = typer.main.get_command(app)
        status = command.main([str(word) for word in words], standalone_mode=False)
    return status or 0, out.getvalue()


class _Clock:
    """A clock at rest."""

    @staticmethod
    def now(_):
        return MOMENT

    @staticmethod
    def monotonic():
        return 0.0


def stop_clocks(monkeypatch):
    """Lets every check begin at the same moment and take no time, in this process."""
    monkeypatch.setattr("harness.ports.check.datetime", _Clock)
    monkeypatch.setattr("harness.ports.check.time", _Clock)
    monkeypatch.setattr("harness.ports.publish.datetime", _Clock)
    monkeypatch.setattr("harness.ports.check._cores", lambda: 1)


def outputs(folder):
    """Returns options for every output of a check, in a folder."""
    names = ("junit", "gitlab", "comment", "history")
    return [word for name in names for word in (f"--{name}", folder / name)]


def written(folder):
    """Returns the bytes of every file below a folder, and the rows of its history."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "history"
    }
    with contextlib.closing(sqlite3.connect(folder / "history")) as store:
        rows = store.execute("select * from harness_history order by id").fetchall()
    return files, rows
