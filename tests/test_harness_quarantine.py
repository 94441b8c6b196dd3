"""A port in quarantine is judged and reported, and fails no check until the day it ends."""

import html
import json
import xml.etree.ElementTree as ET
from datetime import date, timedelta
from pathlib import Path

import pytest
import xmlschema
from fleets import call, outputs, stop_clocks, written
from loglines import decaying, header, records
from portresults import HOSTILE, result

from harness.comparison.quarantine import MOST_DAYS, Quarantine, sentence
from harness.comparison.result import PortResult
from harness.comparison.standing import dated, deciding
from harness.errors import PolicyError
from harness.ports.manifest import read_manifest
from harness.report.escape import _BREAK
from harness.report.ports import check_table, comment, github, gitlab, junit, oneline
from harness.report.ports.site import render_index
from harness.report.screen import Screen
from harness.system.today import today

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "docs" / "junit.xsd")
DAY = date(2026, 3, 10)
TERMS = {"owner": "Ada", "issue": "#17", "reason": "the pooling kernel is being rewritten"}


def quarantined(verdict, days, **fields):
    """A result whose quarantine ends so many days after the check."""
    until = (DAY + timedelta(days=days)).isoformat()
    port = result(verdict, verdict, quarantine=Quarantine(until=until, **TERMS), **fields)
    (made,) = dated([port], DAY)
    return made


def everywhere(results):
    """What every writer of a check makes of results."""
    screen = __import__("io").StringIO()
    check_table.write(results, Screen(screen, width=200, no_color=True, force_terminal=False))
    return {
        "table": screen.getvalue(),
        "line": oneline.summary_line(results),
        "junit": junit.render(results),
        "gitlab": gitlab.render(results),
        "comment": comment.render(results),
        "github": "\n".join(github.commands(results)),
        "index": render_index(results),
    }


def plain(text):
    """Text without the escapes of Markdown and HTML."""
    return html.unescape(text).replace("\\", "").replace(_BREAK, "")


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "incomparable", "error"])
def test_every_output_shows_the_true_verdict_and_the_terms(verdict):
    for name, text in everywhere([quarantined(verdict, 20)]).items():
        assert verdict in text, name
        assert "quarantined until 2026-03-30 by Ada (#17)" in plain(text), name


def test_the_quarantine_holds_to_the_end_of_its_last_day_and_no_longer():
    assert deciding([quarantined("fail", days) for days in (1, 0, -1)]) == ["pass", "pass", "fail"]


def test_an_expired_quarantine_says_since_when():
    for name, text in everywhere([quarantined("fail", -4)]).items():
        assert "expired 4 days ago, on 2026-03-06" in text, name
    assert github.commands([quarantined("fail", -4)])[0].startswith("::error")


def test_a_quarantine_that_ends_soon_is_a_warning_and_an_earlier_one_a_notice():
    near, far = quarantined("fail", 7), quarantined("fail", 8)
    assert "it ends in 7 days, and then the port decides" in sentence(near.quarantine, "fail")
    assert "ends" not in sentence(far.quarantine, "fail")
    assert "it ends today" in sentence(quarantined("fail", 0).quarantine, "fail")
    levels = [github.commands([port])[0].split()[0] for port in (near, far)]
    assert levels == ["::warning", "::notice"]


@pytest.mark.parametrize("days", [30, -30])
def test_a_quarantine_that_hides_nothing_is_to_be_removed(days):
    for name, text in everywhere([quarantined("pass", days)]).items():
        if name not in {"line"}:
            assert "hides nothing: remove" in text, name
    assert "hides nothing" in oneline.summary_line([quarantined("pass", days)])


def test_junit_skips_a_port_in_quarantine_with_its_verdict_and_fails_an_expired_one():
    text = junit.render(
        [quarantined("fail", 3), quarantined("error", 3), quarantined("incomparable", -1)]
    )
    SCHEMA.validate(text)
    (suite,) = ET.fromstring(text)
    assert (suite.get("skipped"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    kinds = [(case[0].tag, case[0].get("type")) for case in suite]
    assert kinds == [("skipped", "fail"), ("skipped", "error"), ("failure", "incomparable")]
    SCHEMA.validate(junit.render([quarantined("pass", 3)]))


def test_a_quarantined_port_is_listed_after_those_that_decide():
    lines = everywhere([quarantined("fail", 3), result("open", "inconclusive")])["comment"]
    assert lines.index("| open |") < lines.index("| fail |")
    assert "### Ports: inconclusive" in lines
    assert "2 ports: 1 fail, 1 inconclusive (1 quarantined)" in lines


def test_hostile_terms_are_text_in_every_output():
    terms = Quarantine(owner=HOSTILE, issue=HOSTILE, until="2026-03-30", reason=HOSTILE)
    (port,) = dated([result("p", "fail", quarantine=terms)], DAY)
    found = everywhere([port])
    SCHEMA.validate(found["junit"])
    json.loads(found["gitlab"])
    assert "<b>&" not in found["index"]
    assert len(found["github"].splitlines()) == 1
    assert "\x1b" not in found["table"] + found["line"]


def test_a_result_keeps_its_quarantine_as_json_and_reads_results_without_it():
    port = quarantined("fail", 3)
    assert PortResult.from_json(port.to_json()) == port
    older = json.loads(result().to_json())
    for name in ("quarantine", "attempts", "better"):
        del older[name]
    assert PortResult.from_json(json.dumps(older)) == result()


ENTRY = '[[port]]\nname = "p"\nbaseline = "a"\ncandidate = "b"\n'
GOOD = 'owner = "Ada"\nissue = "#17"\nuntil = 2026-03-30\nreason = "kernel"\n'


def manifest(tmp_path, terms, *, before=""):
    path = tmp_path / "ports.toml"
    path.write_text(before + ENTRY + terms)
    return path


def test_both_forms_of_a_table_are_read(tmp_path):
    inline = "quarantine = { " + ", ".join(GOOD.splitlines()) + " }\n"
    for terms in (f"[port.quarantine]\n{GOOD}", inline):
        (port,) = read_manifest(manifest(tmp_path, terms), today=DAY).port
        assert port.quarantine.terms() == Quarantine(
            owner="Ada", issue="#17", until="2026-03-30", reason="kernel"
        )


@pytest.mark.parametrize("key", ["owner", "issue", "until", "reason"])
def test_every_key_of_a_quarantine_is_required(tmp_path, key):
    lines = [line for line in GOOD.splitlines() if not line.startswith(key)]
    path = manifest(tmp_path, "[port.quarantine]\n" + "\n".join(lines), before="\n\n")
    with pytest.raises(PolicyError, match=f"ports.toml:3: port p: quarantine lacks {key}"):
        read_manifest(path, today=DAY)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("2026-03-30", '"2026-03-30"', "write until = 2026-03-30, without quotes"),
        ("2026-03-30", "2026-03-30T12:00:00Z", "write until = 2026-03-30, without a time"),
        ("2026-03-30", '"30.3.2026"', "expected a date without quotes"),
        ("2026-03-30", "20260330", "expected a date without quotes"),
        ("2026-03-30", "12:00:00", "expected a date without quotes"),
        ("2026-03-30", "2029-03-30", "1116 days ahead; expected at most 90 days after 2026-03-10"),
        ('"#17"', "17", "quarantine.issue is 17; expected the URL or the number of an issue"),
        ('"kernel"', '"  "', "quarantine.reason is '  '; expected words in quotes"),
        ('"Ada"', "true", "quarantine.owner is true"),
        ("owner", "owners", "unknown key 'owners'"),
    ],
)
def test_wrong_terms_are_an_error_with_the_line(tmp_path, old, new, why):
    path = manifest(tmp_path, f"[port.quarantine]\n{GOOD.replace(old, new)}", before="\n")
    with pytest.raises(PolicyError) as caught:
        read_manifest(path, today=DAY)
    assert "ports.toml:2: " in str(caught.value) or "line 2, " in str(caught.value)
    assert why in str(caught.value)


def test_the_farthest_date_is_ninety_days_ahead(tmp_path):
    terms = f"[port.quarantine]\n{GOOD}"
    until = date(2026, 3, 30)
    assert read_manifest(manifest(tmp_path, terms), today=until - timedelta(days=MOST_DAYS))
    with pytest.raises(PolicyError, match="91 days ahead"):
        read_manifest(manifest(tmp_path, terms), today=until - timedelta(days=MOST_DAYS + 1))
    assert read_manifest(manifest(tmp_path, terms), today=date(2036, 1, 1))


def test_the_day_of_a_check_can_be_set_but_not_by_a_build_environment():
    assert today({"HARNESS_DATE": "2026-03-10"}) == DAY
    assert today({"SOURCE_DATE_EPOCH": "315532800"}).year >= 2026
    for wrong in ("20260310", "2026-W11-2", "tomorrow", "2026-02-30"):
        with pytest.raises(PolicyError, match="HARNESS_DATE is"):
            today({"HARNESS_DATE": wrong})


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a good port, and a failing port in quarantine until 2026-03-30."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_DATE", "2026-03-10")
    for name in ("GITHUB_ACTIONS", "GITHUB_SHA", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    stop_clocks(monkeypatch)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    base = decaying(80)
    for name, factor in (("gpu", 1.0), ("good", 1.001), ("bad", 1.3)):
        Path(f"{name}.log").write_text(header(seed=1) + records(base * factor))
    Path("ports.toml").write_text(
        "".join(
            f'[[port]]\nname = "{name}"\nbaseline = "gpu.log"\ncandidate = "{name}.log"\n'
            'rules = ["two-sided"]\n'
            for name in ("good", "bad")
        )
        + f"[port.quarantine]\n{GOOD}"
    )
    return work


def test_a_check_passes_until_the_quarantine_expires(here, monkeypatch):
    status, text = call("check")
    assert status == 0
    assert "quarantined until 2026-03-30 by Ada (#17): kernel" in text
    assert "2 ports: 1 pass, 1 fail (1 quarantined)" in text
    monkeypatch.setenv("HARNESS_DATE", "2026-03-31")
    status, text = call("check")
    assert status == 1
    assert "expired 1 day ago, on 2026-03-30" in text


def test_merged_shards_are_dated_as_one_machine_is(here, monkeypatch):
    for day in ("2026-03-25", "2026-03-31"):
        monkeypatch.setenv("HARNESS_DATE", day)
        alone = (*call("check", *outputs(here / f"alone{day}")), *written(here / f"alone{day}"))
        for index in (1, 2):
            call("check", "--shard", f"{index}/2", "-q", "--shards", f"s{day}")
        monkeypatch.setenv("HARNESS_DATE", "2026-06-01")  # the merge is late, and changes nothing
        where = here / f"merged{day}"
        assert (*call("merge", f"s{day}", *outputs(where)), *written(where)) == alone


def test_shards_of_two_days_have_the_later_day(here, monkeypatch):
    for index, day in ((1, "2026-03-30"), (2, "2026-03-31")):
        monkeypatch.setenv("HARNESS_DATE", day)
        call("check", "--shard", f"{index}/2", "-q")
    status, text = call("merge")
    assert status == 1
    assert "expired 1 day ago" in text


def test_a_resumed_check_has_the_day_on_which_it_ends(here, monkeypatch):
    from harness.ports.journal import journal_path

    kept = []
    monkeypatch.setattr("harness.ports.journal.Journal.finish", lambda _: kept.append(1))
    assert call("check", "-q")[0] == 0
    assert journal_path(Path("ports.toml")).exists()
    monkeypatch.setenv("HARNESS_DATE", "2026-04-02")
    status, text = call("check", "--resume", "-q")
    assert (status, "expired 3 days ago" in text) == (1, True)


def test_pytest_expects_the_failure_until_the_quarantine_expires(here, pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    words = ("-p", "harness.pytest_plugin", "-rx", "ports.toml")
    for path in here.iterdir():
        (pytester.path / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(pytester.path)
    made = pytester.runpytest_subprocess(*words)
    made.assert_outcomes(passed=1, xfailed=1)
    made.stdout.fnmatch_lines(["*quarantined until 2026-03-30 by Ada (#17): kernel*"])
    monkeypatch.setenv("HARNESS_DATE", "2026-03-31")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1, failed=1)
