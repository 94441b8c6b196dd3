"""A package of somebody else adds a rule; what is wrong with it is one line that names it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from loglines import decaying, run

from harness import HarnessError, Policy, Verdict, compare
from harness.report import rules as writer
from harness.report.screen import Screen
from harness.rules import RULES, default_parameters, parse_rule
from harness.rules.registry import SHARED
from harness.version import extensions

ROOT = Path(__file__).parents[1]
RULE = """
from harness.rules import Finding, Verdict, within


def last_value(aligned, *, allowed=0.1):
    error = float(abs(aligned.candidate_mean[-1] - aligned.baseline_mean[-1]))
    return Finding(
        rule="last-value",
        verdict=Verdict.PASS if within(error, allowed) else Verdict.FAIL,
        observed={"last_error": error},
        parameters={"allowed": allowed},
        reason=f"the last values differ by {error:.3g}, allowed are {allowed:g}",
    )


def number(aligned, *, allowed=0.1):
    return 1.0


def careless(aligned, allowed=0.1):
    return last_value(aligned, allowed=allowed)


nothing = 3
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Installs a package `extras 1.0` with the entry points that the test names."""

    def install(*points, name="extras", group="harness.rules"):
        folder = tmp_path / "site"
        (folder / f"{name}-1.0.dist-info").mkdir(parents=True)
        info = folder / f"{name}-1.0.dist-info"
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(points) + "\n")
        (folder / f"{name}.py").write_text(RULE)
        monkeypatch.syspath_prepend(str(folder))
        extensions.cache_clear()
        return folder

    yield install
    extensions.cache_clear()


def pair(shift=0.0):
    values = decaying(80, seed=1)
    return run(values, source="a"), run(values + shift, source="b")


def test_a_rule_of_another_package_judges_by_its_name_and_parameters(package):
    package("last-value = extras:last_value")
    assert default_parameters("last-value") == {"allowed": 0.1}
    base, cand = pair(0.05)
    assert compare(base, cand, Policy(rules=("last-value",))).verdict is Verdict.PASS
    strict = compare(base, cand, Policy(rules=("last-value:allowed=0.01",)))
    assert strict.verdict is Verdict.FAIL
    assert "allowed are 0.01" in strict.judgement.reasons[0]


def test_it_judges_from_the_command_line_and_in_every_report(package, tmp_path):
    folder = package("last-value = extras:last_value")
    for name, run_ in zip("ab", pair(0.05), strict=True):
        rows = zip(run_.series[0].steps, run_.series[0].values, strict=True)
        text = "step,loss\n" + "".join(f"{s},{float(v)!r}\n" for s, v in rows)
        (tmp_path / f"{name}.csv").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "harness", "compare", "a.csv", "b.csv", "--rule", "last-value",
         "--report", "out", "--allow", "all"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"},
    )  # fmt: skip
    written = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [finding["rule"] for finding in written["findings"]] == ["last-value"], done
    assert "last-value" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ("bad = absent_module:rule", "extras 1.0 adds 'bad' as absent_module:rule, which cannot"),
        ("bad = extras:absent", "which cannot be loaded: AttributeError"),
        ("bad = extras:nothing", "the rule 'bad' of the package extras 1.0 is not usable"),
        ("bad = extras:careless", "keyword-only parameters with numeric defaults"),
    ],
)
def test_a_rule_that_cannot_be_asked_is_an_error_that_names_its_package(package, point, message):
    package(point)
    with pytest.raises(HarnessError, match=message):
        Policy(rules=("bad",))


def test_what_is_no_finding_is_an_error_and_no_verdict(package):
    package("number = extras:number")
    with pytest.raises(HarnessError, match="returned float; expected a Finding"):
        compare(*pair(), Policy(rules=("number",)))


def test_no_package_replaces_a_rule_of_the_project(package):
    package("equivalence = extras:last_value")
    with pytest.raises(HarnessError, match="adds a rule 'equivalence', and so does this package"):
        Policy(rules=("absent",))
    assert RULES["equivalence"].__module__ == "harness.rules.equivalence"


def test_two_packages_with_one_name_are_an_error(package):
    package("last-value = extras:last_value")
    package("last-value = others:last_value", name="others")
    with pytest.raises(HarnessError, match=r"others 1\.0 adds a rule 'last-value'.*extras 1\.0"):
        Policy(rules=("last-value",))


def test_a_broken_package_does_not_keep_the_project_from_judging(package):
    package("bad = absent_module:rule")
    assert compare(*pair(), Policy(rules=("exact",))).verdict is Verdict.PASS


def test_an_unknown_rule_lists_those_of_other_packages(package):
    package("last-value = extras:last_value")
    with pytest.raises(HarnessError, match=r"no rule 'absent'; expected one of: .*last-value"):
        parse_rule("absent")


def test_the_old_name_of_a_rule_is_the_rule():
    call = parse_rule("another-seed:level=0.02")
    assert str(call) == "seed-variation:level=0.02"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        (("absent",), "no rule 'absent'"),
        (("equivalence:margin=3",), "parameter 'margin' of rule 'equivalence' is '3'"),
        (("equivalence:width=3",), "has no parameter 'width'"),
        ("equivalence", "rules is the text 'equivalence'; expected a sequence"),
    ],
)
def test_a_policy_is_checked_when_it_is_made_as_the_command_line_does(rules, message):
    with pytest.raises(HarnessError, match=message):
        Policy(rules=rules)


def test_every_file_of_the_rules_holds_a_rule_or_what_rules_share():
    files = {p.stem for p in (ROOT / "harness" / "rules").glob("*.py")} - {"__init__"}
    assert files == {name.replace("-", "_") for name in RULES} | SHARED


def test_every_rule_has_its_row_in_the_reference():
    page = (ROOT / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
    for name in RULES:
        assert f"\n| `{name}` | " in page, name


def test_the_command_rules_lists_every_rule_and_those_of_packages(package, capsys):
    package("last-value = extras:last_value")
    writer.write(Screen(width=200))
    out = capsys.readouterr().out
    assert set(RULES) <= set(re.findall(r"^(\S+): ", out, re.MULTILINE))
    assert "last-value (from the package extras 1.0): " in out
    assert "    allowed=0.1" in out
