"""False alarms among many ports: the correction of Benjamini and Hochberg, and the p-value."""

import numpy as np
import pytest
from loglines import decaying, header, records, run
from portresults import broken, result
from typer.testing import CliRunner

from harness.cli.main import app
from harness.comparison.fleet import controlled, expected_alarms, warning
from harness.comparison.judge import Policy
from harness.comparison.pipeline import compare
from harness.comparison.result import PortResult, RuleResult, judged
from harness.errors import PolicyError

LEVEL = 0.01


def port(name, p, *, verdict=None):
    verdict = verdict or ("fail" if p <= LEVEL else "pass")
    return result(name, verdict, p_value=p, level=LEVEL)


def verdicts(results):
    return {r.port: r.verdict for r in results}


def step_up(p_values, share):
    """Benjamini and Hochberg's method in words: which hypotheses are rejected."""
    m = len(p_values)
    ranked = sorted(range(m), key=lambda i: p_values[i])
    most = max((k for k in range(1, m + 1) if p_values[ranked[k - 1]] <= share * k / m), default=0)
    return {ranked[i] for i in range(most)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_the_failures_that_survive_are_those_of_the_step_up_method(seed, share):
    rng = np.random.default_rng(seed)
    p_values = np.r_[rng.uniform(0, LEVEL, 8), rng.uniform(0, 2e-4, 6), rng.uniform(0.02, 1, 40)]
    ports = [port(str(i), float(p)) for i, p in enumerate(p_values)]
    kept = {r.port for r in controlled(ports, share) if r.verdict == "fail"}
    as_judged = [p if p <= LEVEL else 1.0 for p in p_values.tolist()]
    assert kept == {str(i) for i in step_up(as_judged, share) if as_judged[i] < 1}
    assert len(kept) > 0 or share == 0.01


def test_a_failure_that_does_not_survive_is_inconclusive_with_the_reason():
    ports = [port("a", 0.009), *(port(str(i), 0.5) for i in range(99))]
    lost, *others = controlled(ports, 0.05)
    assert lost.verdict == "inconclusive"
    assert "alone this port fails (p = 0.009), but not among 100 tested ports" in lost.reasons[0]
    assert lost.rules[0].verdict == "inconclusive"
    assert others == ports[1:]


def test_among_few_ports_a_clear_failure_stays():
    ports = [port("a", 1e-6), port("b", 0.5)]
    assert controlled(ports, 0.05) == ports


def test_a_failure_that_is_not_a_test_is_not_touched_and_not_counted():
    fixed = result("gate", "fail")  # no p-value
    ports = [fixed, broken("gone"), port("a", 0.02, verdict="fail"), port("b", 0.5)]
    kept = verdicts(controlled(ports, 0.05))
    assert kept == {"gate": "fail", "gone": "error", "a": "fail", "b": "pass"}


def test_a_pass_stays_a_pass_and_the_order_is_kept():
    ports = [port(str(i), p) for i, p in enumerate([0.5, 1e-9, 0.009, 0.3] + [0.4] * 50)]
    after = controlled(ports, 0.05)
    assert [r.port for r in after] == [r.port for r in ports]
    assert [r.verdict for r in after[:4]] == ["pass", "fail", "inconclusive", "pass"]


def test_a_small_p_value_that_failed_no_port_keeps_no_other_failure():
    # a rule may ask for more than a small p-value, such as a material difference
    others = [port(f"o{i}", 1e-9, verdict="inconclusive") for i in range(50)]
    lost, *_ = controlled([port("a", 0.009), *others], 0.05)
    assert lost.verdict == "inconclusive"


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_out_of_range_is_an_error(share):
    with pytest.raises(PolicyError, match="expected a number between 0 and 1"):
        controlled([], share)


def test_good_ports_that_share_baselines_rarely_fail_together():
    """With no broken port, every failure is false: a check has one in at most 5 % of the cases."""
    rng = np.random.default_rng(3)
    from scipy import stats

    alarmed = 0
    for _ in range(200):
        base = rng.standard_normal((10, 6))
        t = rng.standard_normal((10, 20)) - base.mean(axis=1)[:, None]
        t /= base.std(axis=1, ddof=1)[:, None] * np.sqrt(1 + 1 / 6)
        p_values = 2 * stats.t.sf(np.abs(t.ravel()), 5)
        ports = [port(str(i), float(p)) for i, p in enumerate(p_values)]
        alarmed += any(r.verdict == "fail" for r in controlled(ports, 0.05))
    assert alarmed / 200 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


# What a check says without the option


def test_the_expected_number_of_false_alarms_counts_tested_ports_alone():
    ports = [*(port(str(i), 0.5) for i in range(200)), result("gate", "fail"), broken()]
    assert expected_alarms(ports) == pytest.approx(2.0)
    assert warning(ports) == ""
    assert "fail 1 of 201 ports; if all of them were good, chance alone would fail up to 2" in (
        warning([*ports, port("a", 0.005)])
    )


# The p-value of a port


def compared(rules, candidate, *, runs=6):
    base = [run(decaying(200, seed=i), source=f"{i}") for i in range(runs)]
    return compare(base, [run(candidate, source="c")], Policy(rules=rules))


def test_a_port_is_failed_at_its_level_and_passed_above_it():
    rules = ("ensemble:level=0.2",)
    base = [run(decaying(200, seed=i), source=f"{i}") for i in range(5)]
    for factor in (1.0, 1.02):
        cand = [run(factor * decaying(200, seed=90 + i), source=f"c{i}") for i in range(5)]
        found = judged("p", compare(base, cand, Policy(rules=rules)))
        assert (found.p_value <= found.level) == (found.verdict == "fail")


def test_two_tests_have_the_p_value_at_which_holms_method_fails_the_port():
    comparison = compared(("seed-variation", "moderated"), 1.3 * decaying(200, seed=90))
    first, second = comparison.judgement.findings
    found = judged("p", comparison)
    level = (first.level + second.level) / 2
    least = min(first.p_value / first.level, second.p_value / second.level)
    assert found.level == pytest.approx(level)
    assert found.p_value == pytest.approx(min(1, 2 * least * level))


def test_a_port_that_something_else_fails_has_no_p_value():
    assert judged("p", compared(("seed-variation",), decaying(200, seed=9))).p_value is not None
    both = judged("p", compared(("seed-variation", "gate:at_least=99"), decaying(200, seed=9)))
    assert (both.verdict, both.p_value) == ("fail", None)


def test_a_result_keeps_its_p_value_as_json_and_reads_results_without_it():
    one = PortResult(port="p", verdict="fail", p_value=0.003, level=0.01,
                     rules=(RuleResult(rule="r", verdict="fail", reason="w"),))  # fmt: skip
    assert PortResult.from_json(one.to_json()) == one
    old = one.to_json().replace(', "p_value": 0.003, "level": 0.01', "")
    assert "p_value" not in old
    assert PortResult.from_json(old).p_value is None


def test_runs_that_are_not_independent_give_no_p_value():
    base = [run(decaying(200, seed=i), source=f"{i}") for i in range(6)]
    found = judged("p", compare([*base, base[0]], [run(3 * decaying(200, seed=9), source="c")],
                                Policy(rules=("seed-variation",))))  # fmt: skip
    assert any("not independent" in rule.reason for rule in found.rules)
    assert found.p_value is None


# The command


@pytest.fixture
def manifest(tmp_path):
    """A port that tests fail: its loss is 30 % higher than that of six seeds."""
    for i in range(6):
        lines = header(seed=i) + records(decaying(200, seed=i, noise=0.2))
        (tmp_path / f"seed_{i}.log").write_text(lines)
    (tmp_path / "port.log").write_text(
        header(seed=9, backend="tccl") + records(1.3 * decaying(200, seed=9, noise=0.2))
    )
    path = tmp_path / "ports.toml"
    path.write_text(
        '[[port]]\nname = "p"\nbaseline = "seed_*.log"\ncandidate = "port.log"\n'
        'rules = ["moderated"]\n'
    )
    return path


def check(*argv):
    done = CliRunner().invoke(app, ["check", *map(str, argv)])
    return done.exit_code, done.output


def test_a_check_corrects_its_failures_if_asked(manifest, tmp_path):
    junit = tmp_path / "junit.xml"
    assert check(manifest)[0] == 1
    assert check(manifest, "--false-discoveries", 0.9)[0] == 1
    status, text = check(manifest, "--false-discoveries", 1e-12, "--junit", junit)
    assert status == 3, text
    assert "but not among 1 tested port" in text
    assert "Benjamini-Hochberg" in junit.read_text()


def test_a_share_out_of_range_ends_the_command_before_any_port_is_judged(manifest):
    done = CliRunner().invoke(app, ["check", str(manifest), "--false-discoveries", "5"])
    assert isinstance(done.exception, PolicyError)
