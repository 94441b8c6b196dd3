"""What was tried on the shell after it was thought to be closed: one test a kind."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.system import whole


def command(folder, *args, **options):
    return subprocess.run(
        [sys.executable, "-m", "harness", *args],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120, **options,
    )  # fmt: skip


@pytest.fixture
def ports(tmp_path):
    """A manifest of one port, a copy of plain lines with another learning curve."""
    for name, seed in (("a", 1), ("b", 2)):
        noise = np.random.default_rng(seed).normal(0, 0.01, 80)
        lines = (f"step {s} loss {3 - s / 50 + n}\n" for s, n in enumerate(noise))
        (tmp_path / f"{name}.log").write_text("".join(lines))
    text = '[[port]]\nname = "p"\nbaseline = "a.log"\ncandidate = "b.log"\n'
    (tmp_path / "ports.toml").write_text(text)
    return tmp_path


def refused(done, text):
    assert done.returncode == 2
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("check", "--report", "out"),
        ("check", "--report", "out/inner"),
        ("check", "--junit", "out/j.xml"),
        ("compare", "a.log", "b.log", "--json", "out/x.json"),
        ("compare", "a.log", "b.log", "--report", "out"),
        ("baseline", "add", "x", "a.log", "--origin", "o", "--baselines", "out"),
    ],
)
def test_no_link_leads_a_write_out_of_the_folder(ports, tmp_path_factory, args):
    victim = tmp_path_factory.mktemp("victim")
    (ports / "out").symlink_to(victim)
    refused(command(ports, *args), "symbolic link")
    assert not list(victim.iterdir())


def test_a_link_within_the_folder_is_followed(ports):
    (ports / "real").mkdir()
    (ports / "out").symlink_to("real")
    done = command(ports, "compare", "a.log", "b.log", "--json", "out/x.json")
    assert done.returncode != 2
    assert (ports / "real" / "x.json").is_file()


def test_a_pipe_that_nobody_reads_is_given_up(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(whole, "PIPE_S", 0.3)
    with pytest.raises(HarnessError, match="has had no reader"):
        whole.write_text(tmp_path / "pipe", "x")


def test_a_view_in_the_place_of_the_history_is_refused(ports):
    pytest.importorskip("sqlalchemy")
    assert command(ports, "check", "--history", "h.sqlite").returncode != 2
    base = sqlite3.connect(ports / "h.sqlite")
    base.execute("alter table harness_history rename to zz")
    base.execute(
        "create view harness_history as with recursive r(i) as (select 1 union all select i + 1 "
        "from r) select i as id, 'p' as port, '2020' as moment, 'c' as \"commit\", "
        "'pass' as verdict, 0.1 as effect, '{}' as result from r"
    )
    base.commit()
    base.close()
    refused(command(ports, "history", "--history", "h.sqlite"), "is a view")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(?P<loss>a)|" * 2000, "characters"),
        ("".join(f"(?P<x{i}>a)?" for i in range(200)) + "(?P<loss>b)", "groups"),
    ],
)
def test_a_pattern_is_bounded(ports, pattern, text):
    refused(command(ports, "parse", "a.log", "--pattern", pattern), text)


def test_nothing_is_no_verified_baseline(ports):
    refused(command(ports, "baseline", "verify"), "no baseline to verify")
    (ports / "baselines" / "x").mkdir(parents=True)
    (ports / "baselines" / "x" / "baseline.toml").symlink_to("/dev/zero")
    assert command(ports, "baseline", "verify").returncode == 2


def test_an_output_does_not_replace_the_manifest(ports):
    before = (ports / "ports.toml").read_text()
    refused(command(ports, "check", "--junit", "ports.toml"), "is the manifest")
    assert (ports / "ports.toml").read_text() == before


def test_a_log_with_the_times_of_another_is_its_copy(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{s},{3 - s / 50:.4f},{1 + rng.random():.4f}\n" for s in range(80)]
    (tmp_path / "a.csv").write_text("step,loss,step_time\n" + "".join(rows))
    (tmp_path / "b.csv").write_text("step,loss,step_time\r\n" + "".join(rows).replace("\n", "\r\n"))
    done = command(tmp_path, "compare", "a.csv", "b.csv", "-q")
    assert (done.returncode, "times and speeds included" in done.stdout) == (3, True)
