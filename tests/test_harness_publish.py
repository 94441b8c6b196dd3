"""Verdicts written to trackers: what is written, and that a tracker changes no verdict."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from harness.__main__ import main
from harness.comparison.result import PortResult
from harness.errors import HarnessError, PolicyError
from harness.trackers import publish
from harness.trackers.publish import Publication, check_names, publish_all


def log(path, seed, shift=0.0):
    values = 2 + shift + 3 * np.exp(-np.arange(200) / 40)
    values = values + np.random.default_rng(seed).normal(0, 0.02, 200)
    path.parent.mkdir(exist_ok=True)
    path.write_text("step,loss\n" + "".join(f"{i},{v!r}\n" for i, v in enumerate(values.tolist())))


@pytest.fixture
def tracker(monkeypatch):
    """A tracker `test`, which keeps what is written, and refuses what `refuse` names."""
    kept = SimpleNamespace(written=[], refuse=set())

    def write(verdict):
        kept.written.append(verdict)
        if verdict.result.port in kept.refuse:
            msg = "the tracker is down"
            raise HarnessError(msg)
        return f"test:{verdict.result.port}"

    monkeypatch.setitem(sys.modules, "publish_test", SimpleNamespace(publish=write))
    monkeypatch.setattr(publish, "PUBLISHERS", {**publish.PUBLISHERS, "test": "publish_test"})
    return kept


@pytest.fixture
def ports(tmp_path, monkeypatch):
    """A manifest with ports that pass, fail, and cannot be read."""
    monkeypatch.chdir(tmp_path)
    for seed in range(5):
        log(tmp_path / "gpu" / f"{seed}.csv", seed)
    log(tmp_path / "good.csv", 7)
    log(tmp_path / "bad.csv", 8, shift=1.0)
    names = {"good": "good.csv", "bad": "bad.csv", "lost": "mlflow:lost.db!port/a"}
    text = "".join(f'[[port]]\nname = "{name}"\nbaseline = "gpu"\ncandidate = "{of}"\n'
                   for name, of in names.items())  # fmt: skip
    (tmp_path / "ports.toml").write_text(text)
    return tmp_path


def run(capsys, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def test_a_comparison_is_written_with_its_words_figures_and_report(
    tracker, ports, capsys, monkeypatch
):
    status, _, err = run(capsys, monkeypatch, "compare", "gpu", "bad.csv", "--to", "test",
                         "--report", "r")  # fmt: skip
    assert status == 1
    assert "bad.csv: fail written to test:bad.csv" in err
    (verdict,) = tracker.written
    assert verdict.tags["harness.verdict"] == "fail"
    assert verdict.tags["harness.version"]
    assert verdict.figures["harness.relative_difference"] > 0.2
    assert verdict.figures["harness.steps"] > 0
    assert verdict.alert.startswith("bad.csv: fail: ")
    assert (verdict.report / "report.html").is_file()
    assert verdict.candidate == "bad.csv"


def test_a_check_writes_every_port_with_the_place_of_its_candidate(
    tracker, ports, capsys, monkeypatch
):
    status, _, _ = run(capsys, monkeypatch, "check", "ports.toml", "--to", "test", "--report", "r")
    assert status == 2  # the log of one port cannot be read
    verdicts = {verdict.result.port: verdict for verdict in tracker.written}
    assert {p: v.result.verdict for p, v in verdicts.items()} == {
        "good": "pass", "bad": "fail", "lost": "error"}  # fmt: skip
    assert verdicts["lost"].candidate == "mlflow:lost.db!port/a"
    assert verdicts["lost"].report is None
    assert verdicts["good"].report.name == "good"
    assert not verdicts["good"].alert


def test_a_path_of_a_candidate_starts_from_the_manifest(tracker, ports, capsys, monkeypatch):
    monkeypatch.chdir("/")
    run(capsys, monkeypatch, "check", ports / "ports.toml", "--to", "test")
    assert tracker.written[-1].candidate == f"mlflow:{ports}/lost.db!port/a"


def test_merged_shards_are_written_as_one_check_is(tracker, ports, capsys, monkeypatch):
    for part in ("1/2", "2/2"):
        run(capsys, monkeypatch, "check", "ports.toml", "--shard", part)
    assert not tracker.written
    run(capsys, monkeypatch, "merge", "shards", "--to", "test")
    assert [v.result.port for v in tracker.written] == ["good", "bad", "lost"]
    assert tracker.written[-1].candidate == "mlflow:lost.db!port/a"


def test_a_tracker_that_is_down_changes_neither_status_nor_output(
    tracker, ports, capsys, monkeypatch
):
    alone = run(capsys, monkeypatch, "compare", "gpu", "good.csv", "--json", "-")
    tracker.refuse = {"good.csv"}
    status, out, err = run(capsys, monkeypatch, "compare", "gpu", "good.csv", "--json", "-",
                           "--to", "test")  # fmt: skip
    assert (status, out) == alone[:2]
    assert status == 0
    assert err == "warning: good.csv: the verdict was not written to test: the tracker is down\n"


def test_a_tracker_that_is_down_is_given_up_and_one_bad_run_is_not_the_tracker(tracker):
    verdicts = [Publication(result=PortResult(port=str(i), verdict="pass")) for i in range(9)]
    tracker.refuse = {"1", "3"}
    assert len(list(publish_all(["test"], verdicts))) == 9
    tracker.refuse = {"2", "3", "4"}
    lines = list(publish_all(["test", "test"], verdicts))
    assert len(lines) == 5
    assert lines[-1].startswith("warning: 4: the verdict was not written")


def test_figures_that_are_unknown_are_not_written():
    verdict = Publication(result=PortResult(port="p", verdict="error", reasons=("a", "b")))
    assert verdict.figures == {"harness.steps": 0.0}
    assert verdict.tags["harness.reason"] == "a; b"
    assert not verdict.alert


def test_an_unknown_tracker_and_a_shard_are_refused_before_any_work(
    tracker, ports, capsys, monkeypatch
):
    with pytest.raises(PolicyError, match=r"--to other: an unknown tracker; expected one of: "):
        check_names(["test", "other"])
    for arguments, message in (
        (("compare", "none", "none", "--to", "other"), "unknown tracker"),
        (("check", "none.toml", "--to", "other"), "unknown tracker"),
        (("merge", "none", "--to", "other"), "unknown tracker"),
        (("check", "ports.toml", "--shard", "1/2", "--to", "test"), "--to with --shard"),
    ):
        status, _, err = run(capsys, monkeypatch, *arguments)
        assert (status, message in err) == (2, True)


def test_a_missing_package_is_named_with_its_extra(ports, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    status, _, err = run(capsys, monkeypatch, "compare", "gpu", "good.csv", "-q", "--to", "mlflow")
    assert status == 0
    assert "that needs mlflow; install it: pip install 'ccnet-port-harness[mlflow]'" in err
