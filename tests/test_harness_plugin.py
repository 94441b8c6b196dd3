"""The pytest plugin through its whole life, in a pytest of its own."""

import re
from pathlib import Path

import pytest
from loglines import decaying, header, records

MANIFEST = """
[[port]]
name = "good"
baseline = "gpu.log"
candidate = "same.log"
rules = ["two-sided", "exact"]

[[port]]
name = "wide"
baseline = "gpu.log"
candidate = "wide.log"
"""
WAIVED = MANIFEST + "allow = ['world_size', 'effective_batch']\nreason = 'four slow devices'\n"


@pytest.fixture
def project(pytester):
    base = decaying(80)
    pytester.makeini("[pytest]\naddopts = --strict-markers\nfilterwarnings = error\n")
    folder = pytester.path
    (folder / "gpu.log").write_text(header(seed=1) + records(base))
    (folder / "same.log").write_text(header(seed=1) + records(base * 1.0005))
    (folder / "wide.log").write_text(header(seed=1, world=4) + records(base * 1.0005))
    (folder / "ports.toml").write_text(MANIFEST)
    return pytester


def run(project, *args):
    return project.runpytest_subprocess("-p", "harness.pytest_plugin", *args)


@pytest.fixture(autouse=True)
def _once(monkeypatch):
    """Where the package is installed its entry point loads the plugin too; -p must not collide."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def test_a_manifest_gives_a_test_per_port_and_rule(project):
    result = run(project, "ports.toml", "-v")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "ports.toml::good[[]two-sided[]] PASSED*",
            "ports.toml::good[[]exact[]] FAILED*",
            "ports.toml::wide[[]default[]] FAILED*",
        ]
    )


def test_a_failure_is_the_table_of_the_finding_without_a_traceback(project):
    result = run(project, "ports.toml")
    text = result.stdout.str()
    for words in (
        "exact: step 0 is the first to differ",
        "differing_steps = 80",
        "incomparable: not the same experiment",
        "world_size is 1 in the baseline and 4 in the candidate",
        "Waive them in ports.toml",
    ):
        assert words in text
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text


def test_a_waiver_with_its_reason_lets_an_incomparable_port_be_judged(project):
    (project.path / "ports.toml").write_text(WAIVED)
    run(project, "ports.toml", "-k", "wide").assert_outcomes(passed=1, deselected=2)


def test_a_port_whose_log_is_gone_fails_with_its_error(project):
    (project.path / "same.log").unlink()
    result = run(project, "ports.toml", "-k", "good")
    result.assert_outcomes(failed=2, deselected=1)
    result.stdout.fnmatch_lines(["*same.log: no such file; check the path*"])


def test_a_manifest_that_does_not_fit_is_a_collection_error(project):
    (project.path / "ports.toml").write_text("[[port]]\nname = 'x'\n")
    result = run(project, "ports.toml")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*ports.toml: 2 mistakes: line 1, port x: lacks baseline; expected a log*"]
    )


def test_too_little_data_fails(project):
    (project.path / "same.log").write_text(header(seed=2) + records(decaying(20)))
    result = run(project, "ports.toml", "-k", "good and two")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["inconclusive: the data cannot decide*", "*20 common steps*"])


def test_the_published_port_of_this_repository_is_a_failing_test(pytester):
    manifest = Path(__file__).parents[1] / "ports.toml"
    result = run(pytester, str(manifest), "-k", "ccnet-sdaa", "-p", "no:cacheprovider")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["incomparable: not the same experiment", "- world_size is 1*"])


def test_the_marker_selects_ports(project):
    run(project, "ports.toml", "-m", "not port").assert_outcomes(deselected=3)


GOLDEN = """
import pytest
LOSSES = {losses!r}

{mark}
def test_curve(loss_regression):
    loss_regression.check(LOSSES)
"""


def golden(project, losses, mark=""):
    project.makepyfile(
        test_golden=GOLDEN.format(losses=[float(loss) for loss in losses], mark=mark)
    )


def test_the_life_of_a_golden_curve(project):
    path = project.path / "test_golden" / "test_curve.csv"
    golden(project, [3.0, 2.0, 1.0])
    first = run(project, "test_golden.py")
    first.assert_outcomes(failed=1)
    first.stdout.fnmatch_lines([f"*wrote the missing golden curve {path}*"])
    run(project, "test_golden.py").assert_outcomes(passed=1)
    assert path.read_text() == "step,value\n0,3.0\n1,2.0\n2,1.0\n"

    golden(project, [3.0, 2.5, 1.0])
    changed = run(project, "test_golden.py")
    changed.assert_outcomes(failed=1)
    changed.stdout.fnmatch_lines(
        [
            "*step 1 is the first to differ: 2.0 against 2.5*",
            "*step*baseline*candidate*difference*",
            "*1*2.0*2.5*5.000e-01*",
            f"*golden curve: {path}*",
            "*candidate: *test_curve.obtained.csv*",
            "*If the change is right, pass --harness-rebaseline.*",
        ]
    )
    assert "0,3.0\n1,2.0" in path.read_text()

    again = run(project, "test_golden.py", "--harness-rebaseline")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*rewrote golden curve*"])
    run(project, "test_golden.py").assert_outcomes(passed=1)


def test_a_marker_chooses_the_rule_of_a_golden_curve(project):
    golden(project, decaying(80))
    run(project, "test_golden.py")
    golden(project, decaying(80) * 1.001)
    run(project, "test_golden.py").assert_outcomes(failed=1)
    golden(project, decaying(80) * 1.001, "@pytest.mark.harness_rule('tolerance:rtol=0.01')")
    run(project, "test_golden.py").assert_outcomes(passed=1)


def test_a_golden_curve_with_more_or_fewer_steps_differs(project):
    mark = "@pytest.mark.harness_rule('tolerance:rtol=0.01')"
    golden(project, decaying(80), mark)
    run(project, "test_golden.py")
    for count in (79, 81):
        golden(project, decaying(count), mark)
        result = run(project, "test_golden.py")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*1 step on one side only*"])


def test_a_damaged_golden_file_says_so(project):
    golden(project, [3.0, 2.0])
    run(project, "test_golden.py")
    (project.path / "test_golden" / "test_curve.csv").write_text("step,value\n0,x\n")
    result = run(project, "test_golden.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*not a golden curve*"])


FAMILY = """
import pytest

class TestA:
    def test_curve(self, loss_regression):
        loss_regression.check([1.0, 2.0])

class TestB:
    def test_curve(self, loss_regression):
        loss_regression.check([3.0, 4.0])

@pytest.mark.parametrize("kind", ["a/b", "a b", "a\\\\b"])
def test_par(loss_regression, kind):
    loss_regression.check([len(kind), 1.0])

def test_two(loss_regression):
    loss_regression.check([1.0], name="training")
    loss_regression.check([2.0], name="validation")
"""


def test_every_test_and_every_curve_of_a_test_has_a_golden_file(project):
    project.makepyfile(test_family=FAMILY)
    run(project, "test_family.py").assert_outcomes(failed=6)
    run(project, "test_family.py").assert_outcomes(failed=1, passed=5)  # the second curve of two
    run(project, "test_family.py").assert_outcomes(passed=6)
    found = sorted(path.name for path in (project.path / "test_family").iterdir())
    assert found[:2] == ["TestA.test_curve.csv", "TestB.test_curve.csv"]
    assert "test_par[a b].csv" in found
    assert sum(name.startswith("test_par[a_b]-") for name in found) == 1
    assert found[-2:] == ["test_two.training.csv", "test_two.validation.csv"]
    assert len(found) == 7


def test_two_curves_of_one_name_are_refused(project):
    project.makepyfile(
        test_twice="def test_x(loss_regression):\n"
        "    loss_regression.check([1.0])\n    loss_regression.check([2.0])\n"
    )
    run(project, "test_twice.py")
    result = run(project, "test_twice.py")
    result.stdout.fnmatch_lines(["*two curves without a name in one test; give each its own*"])


def test_a_failure_shows_plain_numbers_and_not_the_code_of_the_check(project):
    golden(project, [3.0, 2.0, 1.0])
    run(project, "test_golden.py")
    golden(project, [3.0, 2.0])
    result = run(project, "test_golden.py")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "np.float64" not in text
    assert "aligned = align(" not in text
    assert "baseline                candidate" not in text  # no step differs: no empty table
    assert len(re.findall(r"one side", text.partition("short test summary")[0])) == 1


def test_the_obtained_curve_goes_when_the_test_passes_again(project):
    obtained = project.path / "test_golden" / "test_curve.obtained.csv"
    golden(project, [3.0, 2.0])
    run(project, "test_golden.py")
    golden(project, [3.0, 2.5])
    run(project, "test_golden.py")
    assert obtained.exists()
    run(project, "test_golden.py", "--harness-rebaseline")
    assert not obtained.exists()
    golden(project, [3.0, 2.0])
    run(project, "test_golden.py")
    assert obtained.exists()
    golden(project, [3.0, 2.5])
    run(project, "test_golden.py").assert_outcomes(passed=1)
    assert not obtained.exists()


def test_a_golden_curve_is_not_written_through_a_link(project):
    golden(project, [3.0, 2.0])
    other = project.path / "precious"
    other.write_text("mine")
    (project.path / "test_golden").mkdir()
    (project.path / "test_golden" / "test_curve.csv").symlink_to(other)
    run(project, "test_golden.py", "--harness-rebaseline")
    assert other.read_text() == "mine"


def test_a_manifest_of_another_name_is_collected_where_it_is_named(project):
    (project.path / "ports.toml").rename(project.path / "nightly.toml")
    (project.path / "other.toml").write_text("[tool]\n")
    assert run(project, "nightly.toml").parseoutcomes()
    assert "nightly.toml" not in run(project).stdout.str()
    run(project, "other.toml").stderr.fnmatch_lines(["*other.toml*"])
