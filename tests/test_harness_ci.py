"""What a check writes for CI: JUnit, code quality, annotations, the comment."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import typer.main
import xmlschema
from loglines import decaying, records, run
from portresults import HOSTILE, broken, result

import harness.report.ports
from harness import Policy, compare
from harness.cli.main import app
from harness.comparison.result import RuleResult, judged
from harness.errors import HarnessError
from harness.ports.outputs import OUTPUTS
from harness.ports.publish import commit_of, publish
from harness.report.comparison import failure
from harness.report.ports import comment, github, gitlab, junit
from harness.rules import RuleCall

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[1] / "docs" / "junit.xsd")
ALL = [
    result("good"),
    result("bad", "fail", relative_difference=0.2, line=7),
    result("short", "inconclusive"),
    result("wide", "incomparable"),
    broken("gone"),
]
MANIFEST = """
[[port]]
name = "good"
baseline = "gpu.log"
candidate = "same.log"
rules = ["two-sided", "exact"]

[[port]]
name = "gone"
baseline = "gpu.log"
candidate = "no.log"
"""
NOWHERE = {"outputs": {}, "history": ""}


def problems(text):
    """What each test case of a JUnit document ended with."""
    return {
        (case.get("classname"), case.get("name")): [(p.tag, p.get("type")) for p in case]
        for case in ET.fromstring(text).iter("testcase")
    }


def test_junit_names_port_and_rule_and_keeps_the_verdicts_apart():
    text = junit.render(ALL)
    SCHEMA.validate(text)
    assert problems(text) == {
        ("good", "equivalence"): [],
        ("bad", "equivalence"): [("failure", "fail")],
        ("short", "equivalence"): [("failure", "inconclusive")],
        ("wide", "comparison"): [("failure", "incomparable")],
        ("gone", "comparison"): [("error", "error")],
    }
    (suite,) = ET.fromstring(text)
    assert [suite.get(k) for k in ("name", "tests", "failures", "errors")] == [
        "ports.toml",
        "5",
        "3",
        "1",
    ]


def test_junit_has_a_suite_for_each_manifest():
    text = junit.render([result("a", manifest="x.toml"), result("b", manifest="y.toml")])
    SCHEMA.validate(text)
    assert [suite.get("name") for suite in ET.fromstring(text)] == ["x.toml", "y.toml"]


def test_data_that_carry_no_pass_leave_no_green_test_case():
    base = decaying(40)
    policy = Policy(rules=(RuleCall(name="exact"), RuleCall(name="tolerance")))
    made = compare(run(base), run(base * 1.0001), policy)
    assert made.judgement.doubts
    assert [f.verdict for f in made.judgement.findings] == ["fail", "pass"]
    assert problems(junit.render([judged("p", made)])) == {
        ("p", "exact"): [("failure", "fail")],
        ("p", "tolerance"): [("failure", "inconclusive")],
    }
    assert [failure.of_rule(made, i).split(":")[0] for i in range(2)] == ["fail", "inconclusive"]


def test_a_rule_that_passes_beside_one_that_fails_stays_green():
    rules = (
        RuleResult(rule="two-sided", verdict="pass", reason="within"),
        RuleResult(rule="exact", verdict="fail", reason="step 0"),
    )
    found = problems(junit.render([result("p", "fail", rules=rules)]))
    assert found == {("p", "two-sided"): [], ("p", "exact"): [("failure", "fail")]}


def test_junit_holds_hostile_text_as_text():
    rule = RuleResult(rule=HOSTILE, verdict="fail", reason=HOSTILE)
    text = junit.render(
        [result(HOSTILE, "fail", rules=(rule,), reasons=(HOSTILE,), manifest=HOSTILE)]
    )
    text.encode("utf-8")
    SCHEMA.validate(text)
    (case,) = ET.fromstring(text).iter("testcase")
    assert case.get("classname").startswith(r"""<b>&"']]>\x00\x1b[31m\udc80 ::error::x\r\n""")
    assert not set(text) & set(map(chr, [*range(9), 11, 12, *range(14, 32)]))


def test_the_schema_refuses_what_is_no_junit():
    good = junit.render(ALL)
    for old, new in (('tests="5"', 'tests="five"'), ('classname="bad" ', ""), ("failure", "fault")):
        assert old in good
        assert not SCHEMA.is_valid(good.replace(old, new))


def test_pytest_writes_junit_that_names_port_and_rule(pytester, monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    (pytester.path / "gpu.log").write_text(records(decaying(80)))
    (pytester.path / "same.log").write_text(records(decaying(80) * 1.001))
    (pytester.path / "ports.toml").write_text(MANIFEST)
    plugin = ("-p", "harness.pytest_plugin", "-o", "junit_family=xunit2")
    pytester.runpytest_subprocess(*plugin, "--junitxml=j.xml", "ports.toml")
    text = (pytester.path / "j.xml").read_text(encoding="utf-8")
    SCHEMA.validate(text)
    found = problems(text)
    assert {name: len(bad) for name, bad in found.items()} == {
        ("ports.toml", "good[two-sided]"): 0,
        ("ports.toml", "good[exact]"): 1,
        ("ports.toml", "gone[default]"): 1,
    }
    assert "exact: step 0 is the first to differ" in text


def test_an_annotation_stands_at_the_port_in_the_manifest():
    lines = github.commands(ALL)
    assert lines[:2] == (
        "::error file=ports.toml,line=9,title=gone%3A error::no.log: no such file",
        "::error file=ports.toml,line=7,title=bad%3A fail::difference +20.00%25; reason of bad",
    )
    assert lines[3].startswith("::warning file=ports.toml,line=3,title=short%3A inconclusive::")
    assert len(lines) == 4


def test_hostile_text_cannot_end_an_annotation():
    (line,) = github.commands([result(HOSTILE, "fail", reasons=(HOSTILE,), manifest="a,b:c%.toml")])
    assert "\n" not in line
    assert "\r" not in line
    head, _, text = line.removeprefix("::error ").partition("::")
    assert head.startswith("file=a%2Cb%3Ac%25.toml,line=3,title=<b>")
    assert len(head.split(",")) == 3
    assert "100%25, a: b" in text


def test_github_is_given_ten_annotations_of_a_level_and_the_count_of_the_rest():
    lines = github.commands([result(f"p{i}", "fail") for i in range(1000)])
    assert len(lines) == 10
    assert lines[-1].endswith("::and 991 ports: 991 fail")


def test_code_quality_has_the_fields_that_gitlab_asks_for():
    issues = json.loads(gitlab.render(ALL))
    assert [issue["severity"] for issue in issues] == ["critical", "major", "critical", "blocker"]
    assert issues[0] == {
        "description": "bad: fail (difference +20.00%): why",
        "check_name": "equivalence",
        "fingerprint": issues[0]["fingerprint"],
        "severity": "critical",
        "location": {"path": "ports.toml", "lines": {"begin": 7}},
    }
    assert len({issue["fingerprint"] for issue in issues}) == 4


def test_a_fingerprint_outlives_the_figures_and_the_line():
    def issue(difference, line):
        rules = (RuleResult(rule="equivalence", verdict="fail", reason=f"off by {difference}"),)
        return json.loads(
            gitlab.render(
                [result("p", "fail", relative_difference=difference, line=line, rules=rules)]
            )
        )

    one, two = issue(0.1, 3), issue(0.2, 30)
    other = json.loads(gitlab.render([result("q", "fail")]))
    assert one[0]["fingerprint"] == two[0]["fingerprint"] != other[0]["fingerprint"]


def test_a_comment_is_one_screen_even_of_a_thousand_ports():
    many = [result(f"p{i}", "pass") for i in range(999)] + [
        result("bad", "fail", relative_difference=0.2)
    ]
    text = comment.render(many)
    lines = text.splitlines()
    assert len(lines) <= 40
    assert len(text) < 10_000
    assert "1000 ports: 999 pass, 1 fail" in lines
    assert next(line for line in lines if line.startswith("| bad")).startswith(
        "| bad | **fail** | +20.00% |"
    )
    assert "985 more, not worse than these." in lines


def test_a_comment_shows_the_picture_of_the_worst_port():
    linked = comment.render(ALL, pictures="https://example.org/reports/")
    assert "(https://example.org/reports/bad/comparison.png)" in linked
    chart = comment.render(ALL)
    assert chart.count("    line [") == 2
    assert 'title "bad: baseline blue, candidate orange"' in chart


def test_a_chart_leaves_out_what_is_not_finite():
    gaps = tuple(None if i > 50 else 2.0 for i in range(80))
    text = comment.render([result("p", "fail", candidate_curve=gaps)])
    assert 'x-axis "step" 1 --> 50' in text
    assert "None" not in text
    assert "```mermaid" not in comment.render([broken()])


def test_a_comment_shows_hostile_text_as_text():
    text = comment.render([result(HOSTILE, "fail", reasons=(HOSTILE,))])
    row = next(line for line in text.splitlines() if "**fail**" in line)
    assert "<b>" not in text
    assert "@all" not in text
    cells = row.replace("\\|", "").split("|")
    assert len(cells) == 7


def test_publish_writes_what_is_asked_for_and_makes_the_folders(tmp_path):
    places = {
        "junit": tmp_path / "a" / "j.xml",
        "gitlab": tmp_path / "b" / "q.json",
        "comment": tmp_path / "c.md",
    }
    publish(ALL, outputs=places, history="", environ={})
    SCHEMA.validate(places["junit"].read_text(encoding="utf-8"))
    assert len(json.loads(places["gitlab"].read_text(encoding="utf-8"))) == 4
    assert places["comment"].read_text(encoding="utf-8").startswith(comment.MARK)


def test_nothing_is_said_to_github_elsewhere(tmp_path, capsys):
    summary = tmp_path / "summary.md"
    publish(ALL, **NOWHERE, environ={"GITHUB_STEP_SUMMARY": str(summary)})
    assert capsys.readouterr().out == ""
    assert not summary.exists()


def test_github_gets_annotations_and_an_appended_summary(tmp_path, capsys):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    publish(ALL, **NOWHERE, environ=environ)
    assert capsys.readouterr().out.count("::error file=ports.toml") == 3
    page = summary.read_text(encoding="utf-8")
    assert page.startswith("before\n<!--")
    assert "| good | **pass** |" in page


def test_paths_are_given_from_the_top_of_the_checkout(tmp_path, capsys, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    publish([result("p", "fail")], **NOWHERE, environ=environ)
    assert "file=sub/ports.toml,line=3" in capsys.readouterr().out


def test_what_cannot_be_written_is_an_error_and_stops_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    wrong = tmp_path / "file" / "j.xml"
    right = tmp_path / "c.md"
    with pytest.raises(HarnessError, match=r"j\.xml: cannot be written"):
        publish(ALL, outputs={"junit": wrong, "comment": right}, history="", environ={})
    assert right.exists()


def test_the_commit_is_what_ci_says_or_what_git_says(tmp_path):
    assert commit_of({"GITHUB_SHA": "a" * 40}, folder=tmp_path) == "a" * 40
    assert commit_of({"CI_COMMIT_SHA": "b" * 40}, folder=tmp_path) == "b" * 40
    assert commit_of({}, folder=tmp_path) == ""
    assert commit_of({}, folder=tmp_path / "absent") == ""


def test_every_output_is_an_option_of_check_and_has_a_writer():
    options = {p.name: p for p in typer.main.get_command(app).commands["check"].params}
    for output in OUTPUTS:
        assert options[output.name].help == output.help
        assert output.render(ALL, {})


def test_every_writer_of_a_check_is_an_output_or_is_listed_here():
    """The others write what is asked for in another way: the screen, the index, the history."""
    folder = Path(harness.report.ports.__file__).parent
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    others = {"check_table", "github", "history_table", "oneline", "site", "trend"}
    assert modules == {output.name for output in OUTPUTS} | others
