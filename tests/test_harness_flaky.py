"""A port that failed and passed is flaky: a repetition does not undo a failure, and is counted."""

import json
import random
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import xmlschema
from fleets import call, stop_clocks
from loglines import decaying, header, records
from portresults import entries, result
from test_harness_quarantine import everywhere, plain

from harness.comparison.flaky import (
    WORST_FIRST,
    Flakiness,
    flakiness,
    joined,
    with_earlier,
)
from harness.comparison.result import PortResult, RuleResult
from harness.comparison.trend import Entry
from harness.report import verdicts
from harness.report.ports import junit

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "docs" / "junit.xsd")
COMMIT = "a" * 40


def test_the_order_of_severity_is_that_of_the_reports():
    assert [str(word) for word in WORST_FIRST] == [row.word for row in verdicts.TABLE]


def attempts(*words, **fields):
    names = [f"try{number}.log" for number in range(len(words))]
    return joined(names, [result("p", word, **fields) for word in words])


@pytest.mark.parametrize("seed", range(20))
def test_the_worst_attempt_decides_in_any_order(seed):
    rng = random.Random(seed)
    words = [rng.choice(WORST_FIRST) for _ in range(rng.randint(2, 5))]
    made = attempts(*words)
    assert made.verdict == verdicts.worst(words)
    assert made.flaky == ({"fail", "pass"} <= set(words))
    assert [attempt.verdict for attempt in made.attempts] == words
    assert PortResult.from_json(made.to_json()) == made


def test_a_passing_repetition_is_said_first_and_undoes_nothing():
    made = attempts("fail", "pass", "pass")
    assert made.verdict == "fail"
    assert made.marked == "fail, flaky"
    assert made.reasons[0] == (
        "flaky: 3 attempts: 1 fail (try0.log); 2 pass (try1.log, try2.log). A repetition does not "
        "undo a failure"
    )


def test_the_p_value_of_attempts_counts_every_chance_to_fail():
    made = attempts("fail", "pass", "pass", p_value=0.01, level=0.02)
    assert made.p_value == pytest.approx(0.03)
    assert made.level == pytest.approx(0.06)


def test_junit_lists_each_failing_attempt_after_the_first_as_surefire_does():
    text = junit.render([attempts("fail", "fail", "pass", "fail")])
    SCHEMA.validate(text)
    (case,) = ET.fromstring(text).iter("testcase")
    assert case[0].get("message").startswith("flaky: 4 attempts: 3 fail")
    assert [part.tag for part in case] == ["failure", "rerunFailure", "rerunFailure"]
    assert [part.get("message")[:8] for part in case[1:]] == ["try1.log", "try3.log"]
    (case,) = ET.fromstring(junit.render([attempts("pass", "pass")])).iter("testcase")
    assert list(case) == []


def test_every_output_says_flaky():
    made = attempts("pass", "fail")
    for name, text in everywhere([made]).items():
        assert "flaky" in text, name
        assert "1 fail (try1.log)" in plain(text), name


def earlier(word, commit=COMMIT, **fields):
    rules = (RuleResult(rule="equivalence", verdict=word, reason="why"),)
    return Entry(
        result=result("p", word, rules=rules, **fields),
        commit=commit,
        when="2026-01-01T06:00:00+00:00",
    )


def test_a_port_that_failed_before_at_this_commit_fails_though_it_passes_now():
    (made,) = with_earlier([result("p")], {"p": [earlier("fail")]}, COMMIT)
    assert (made.verdict, made.flaky) == ("fail", True)
    assert [rule.verdict for rule in made.rules] == ["fail"]
    assert "check of 2026-01-01T06:00 UTC" in made.reasons[0]
    assert "1 pass (this check)" in made.reasons[0]


def test_a_port_that_fails_now_and_passed_before_is_flaky_too():
    (made,) = with_earlier([result("p", "fail")], {"p": [earlier("pass")]}, COMMIT)
    assert (made.verdict, made.flaky) == ("fail", True)


@pytest.mark.parametrize(
    "before",
    [
        earlier("fail", commit="b" * 40),
        earlier("fail", tool_version="0.0.9"),
        earlier("fail", metric="val.mIoU"),
        earlier("inconclusive"),
        earlier("pass"),
    ],
)
def test_another_commit_version_or_metric_is_no_repetition(before):
    (made,) = with_earlier([result("p")], {"p": [before]}, COMMIT)
    assert made == result("p")


@pytest.mark.parametrize("commit", ["", f"{COMMIT}-dirty"])
def test_checks_of_uncommitted_changes_are_no_repetitions(commit):
    (made,) = with_earlier([result("p")], {"p": [earlier("fail", commit=commit)]}, commit)
    assert made == result("p")


def test_a_history_counts_a_commit_once_however_often_it_was_checked():
    words = [("a", "fail"), ("a", "pass"), ("a", "pass"), ("b", "pass"), ("c", "fail")]
    known = flakiness([earlier(word, commit) for commit, word in words])
    assert known == Flakiness(commits=3, flaky=1, last="a")
    assert known.rate == pytest.approx(1 / 3)
    unknown = [earlier("fail", ""), earlier("pass", "")]
    assert flakiness(unknown) == Flakiness(commits=2, flaky=0)
    assert flakiness(entries([0.1, 0.2])) == Flakiness(commits=2, flaky=0)
    several = Entry(result=attempts("fail", "pass"), commit="", when="2026-01-01T06:00:00+00:00")
    assert flakiness([several]).flaky == 1


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A repository with a port that passes, and its history in `history.sqlite`."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("GITHUB_ACTIONS", "GITHUB_SHA", "CI_COMMIT_SHA", "HARNESS_COMMIT"):
        monkeypatch.delenv(name, raising=False)
    stop_clocks(monkeypatch)
    monkeypatch.setenv("HARNESS_COMMIT", COMMIT)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    base = decaying(80)
    for name, factor in (("gpu", 1.0), ("good", 1.001), ("bad", 1.3)):
        Path(f"{name}.log").write_text(header(seed=1) + records(base * factor))
    Path("now.log").write_bytes(Path("good.log").read_bytes())
    entry('candidate = "now.log"')
    return work


def entry(lines):
    Path("ports.toml").write_text(
        f'[[port]]\nname = "p"\nbaseline = "gpu.log"\nrules = ["two-sided"]\n{lines}\n'
    )


def test_attempts_of_a_manifest_are_judged_separately(here):
    entry('candidate = "good.log"\nattempts = ["bad.log"]')
    status, text = call("check", "--report", "reports", "--junit", "junit.xml")
    assert status == 1
    assert "flaky: 2 attempts: 1 fail (bad.log); 1 pass (good.log)" in " ".join(text.split())
    assert "1 port: 1 fail (1 flaky)" in text
    assert json.loads(Path("reports/p/comparison.json").read_text())["verdict"] == "fail"
    entry('candidate = "bad.log"\nattempts = ["good.log"]')
    assert call("check", "-q")[0] == 1
    entry('candidate = "good.log"\nattempts = ["now.log"]')
    assert call("check", "-q")[0] == 0


def test_a_changed_attempt_is_judged_again_on_resume_and_no_other(here, monkeypatch, capsys):
    entry('candidate = "good.log"\nattempts = ["now.log"]')
    monkeypatch.setattr("harness.ports.journal.Journal.finish", lambda _: None)
    assert call("check", "-q")[0] == 0
    assert call("check", "-q", "--resume")[0] == 0
    assert "1 of 1 ports were already judged" in capsys.readouterr().err
    Path("now.log").write_bytes(Path("bad.log").read_bytes())
    assert call("check", "-q", "--resume")[0] == 1


def test_an_attempt_that_cannot_be_read_is_an_error_beside_one_that_passes(here):
    entry('candidate = "good.log"\nattempts = ["no.log"]')
    status, text = call("check", "-q")
    assert status == 2
    assert "2 attempts: 1 error (no.log); 1 pass (good.log)" in text


def test_training_again_until_it_passes_does_not_pass_at_the_same_commit(here, monkeypatch):
    words = ("check", "-q", "--history", "history.sqlite")
    Path("now.log").write_bytes(Path("bad.log").read_bytes())
    assert call(*words)[0] == 1
    Path("now.log").write_bytes(Path("good.log").read_bytes())
    status, text = call(*words)
    assert status == 1
    assert "1 port: 1 fail (1 flaky)" in text
    text = call("history", "p", "--history", "history.sqlite")[1]
    assert "flaky (failed and passed) at 1 of 1 commit (100%), the last aaaaaaaaaa" in text
    assert "1 of 1 commit" in call("history", "--history", "history.sqlite")[1]
    (port,) = json.loads(call("history", "--history", "history.sqlite", "--json", "-")[1])["ports"]
    assert port["flaky"] == {"commits": 1, "flaky": 1, "rate": 1.0}
    assert [run["verdict"] for run in port["runs"]] == ["fail", "pass"]
    monkeypatch.setenv("HARNESS_COMMIT", "b" * 40)
    assert call(*words)[0] == 0


def test_a_flaky_port_can_be_quarantined(here, monkeypatch):
    monkeypatch.setenv("HARNESS_DATE", "2026-03-10")
    entry(
        'candidate = "good.log"\nattempts = ["bad.log"]\n[port.quarantine]\nowner = "Ada"\n'
        'issue = "#17"\nuntil = 2026-03-30\nreason = "one run in three diverges"'
    )
    status, text = call("check", "-q")
    assert status == 0
    assert "1 port: 1 fail (1 quarantined, 1 flaky)" in text


def test_git_names_the_commit_of_uncommitted_changes_dirty(tmp_path):
    from harness.comparison.flaky import is_clean
    from harness.ports.publish import commit_of

    identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    (tmp_path / "x").write_text("1")
    for words in (("init", "-q"), ("add", "x"), (*identity, "commit", "-qm", "x")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    assert is_clean(commit_of({}, folder=tmp_path))
    (tmp_path / "x").write_text("2")
    assert not is_clean(commit_of({}, folder=tmp_path))
