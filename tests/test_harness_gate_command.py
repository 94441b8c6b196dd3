"""`harness gate` as a user runs it: limits, exit status, JSON, and the lines for ports.toml."""

import json
import tomllib
from datetime import datetime
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from gatehistories import normal
from portresults import entries
from typer.testing import CliRunner

from harness.cli.main import app
from harness.ports.check import Task, check_ports
from harness.ports.manifest import read_manifest

SCHEMA = Path(__file__).parents[1] / "docs" / "gate.schema.json"


def gate(*argv):
    done = CliRunner().invoke(app, ["gate", *map(str, argv)])
    return done.exit_code, done.output


def write(folder, values, *, metric="ips"):
    """A log for each value, whose metric is near it at every step."""
    folder.mkdir(exist_ok=True)
    for i, value in enumerate(values):
        rng = np.random.default_rng(i)
        noise = rng.standard_normal(60)
        lines = ["step,loss," + metric]
        for step, wave in enumerate((noise - noise.mean()).tolist()):
            lines.append(f"{step},{2 + 0.01 * wave},{value + 0.001 * wave}")
        (folder / f"run_{i}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def good(tmp_path):
    return write(tmp_path / "good", normal(12, mean=50.0, spread=1.0))


def test_a_gate_is_proposed_with_its_rates_and_the_lines_to_copy(good):
    status, text = gate(good, "--metric", "ips", "--worse", "lower", "--last", 60)
    assert status == 0, text
    assert "gate for ips: at least 4" in text
    assert "at most 1 % of good runs" in text
    assert "with 80 % probability" in text
    assert "half of that with" in text
    assert "no sign" in text
    assert 'rules = [{ name = "gate", at_least = 4' in text


def test_the_lines_are_an_entry_that_a_check_judges_by_the_limits(good, tmp_path):
    out = tmp_path / "gate.json"
    status, _ = gate(good, "--metric", "ips", "--worse", "lower", "--last", 60,
                     "--name", "speed", "--json", out)  # fmt: skip
    assert status == 0
    document = json.loads(out.read_text())
    limit = document["gate"]["at_least"]
    for name, value, verdict in (("new", limit + 0.01, "pass"), ("slow", limit - 0.01, "fail")):
        folder = write(tmp_path / name, [value])
        manifest = tmp_path / f"{name}.toml"
        lines = [
            line if not line.startswith("candidate") else f'candidate = "{folder.as_posix()}"'
            for line in document["manifest"]
        ]
        manifest.write_text("\n".join(lines) + "\n")
        (port,) = read_manifest(manifest).port
        (result,) = check_ports([Task(port=port, manifest=manifest, line=1)])
        assert result.verdict == verdict, result.reasons
        assert result.rules[0].rule.startswith("gate:at_least=")


@pytest.mark.parametrize("case", ["proposed", "refused", "broken"])
def test_the_json_fits_its_schema(good, tmp_path, case):
    folder = good
    if case != "proposed":
        values = np.array([50.0, 51.0, np.nan if case == "broken" else 49.0])
        folder = write(tmp_path / "few", values)
    status, text = gate(folder, "--metric", "ips", "--json", "-")
    document = json.loads(text)
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    assert status == (0 if case == "proposed" else 3)
    assert (document["gate"] is None) == bool(document["refusals"]) == (case != "proposed")


def test_the_lines_are_toml_whatever_the_names_hold(tmp_path):
    folder = write(tmp_path / 'a "quoted" \\ name', normal(12, mean=50.0, spread=1.0))
    status, text = gate(folder, "--metric", "ips", "--json", "-", "--runs", 3)
    assert status == 0
    lines = json.loads(text)["manifest"]
    (entry,) = tomllib.loads("\n".join(lines))["port"]
    assert entry["baseline"] == str(folder)
    assert entry["rules"][0]["runs"] == 3
    assert entry["min_steps"] == entry["last"] == 21


def test_a_history_that_drifts_ends_with_3_and_names_the_drift(tmp_path):
    folder = write(tmp_path / "drift", 50 + np.arange(12.0) + normal(12, mean=0.0, spread=0.3))
    status, text = gate(folder, "--metric", "ips")
    assert status == 3
    assert "the history drifts: the values rise from run to run" in text
    assert "lines for ports.toml" not in text


def test_runs_are_in_the_order_of_their_numbers(tmp_path):
    # sorted as text, run_10 and run_11 come behind run_1 and break the trend
    folder = write(tmp_path / "numbered", 50 + np.arange(12.0) ** 2 / 10)
    _, text = gate(folder, "--metric", "ips", "--json", "-")
    document = json.loads(text)
    assert document["checks"]["rank_correlation"] == pytest.approx(1)


def test_few_runs_end_with_3_and_the_number_that_is_needed(tmp_path):
    status, text = gate(write(tmp_path / "few", [50.0, 51.0, 49.5]), "--metric", "ips")
    assert status == 3
    assert "needs 5 runs or more; log 2 more runs" in text


def test_a_run_is_left_out_by_its_name(good, tmp_path):
    (good / "run_12.csv").write_text((good / "run_0.csv").read_text().replace("49", "20"))
    status, text = gate(good, "--metric", "ips", "--without", "run_12.csv")
    assert status == 0, text
    assert "left out on request" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("--metric", "mIoU"), "no series 'mIoU'"),
        (("--metric", "ips", "--rate", "0.5"), "rate is 0.5"),
        (("--metric", "ips", "--without", "gone"), "no run 'gone'"),
        (("--metric", "ips", "--allow", "nonsense"), "cannot allow nonsense"),
    ],
)
def test_bad_usage_is_an_error_with_a_reason(good, argv, message):
    done = CliRunner().invoke(app, ["gate", str(good), *argv])
    assert done.exit_code != 0
    assert message in str(done.exception)


def stored(folder, differences, verdict="pass"):
    pytest.importorskip("sqlalchemy")
    from harness.ports.history.store import open_history

    place = folder / "history.sqlite"
    with open_history(str(place)) as store:
        for entry in entries(differences, port="p", verdict=verdict):
            when = datetime.fromisoformat(entry.when)
            store.append([entry.result], commit=entry.commit, when=when)
    return place


def test_the_history_of_a_port_gives_limits_on_its_relative_difference(tmp_path):
    place = stored(tmp_path, normal(12, mean=0.002, spread=0.004).tolist())
    status, text = gate("p", "--history", place, "--json", "-")
    document = json.loads(text)
    assert status == 0, text
    (rule,) = tomllib.loads("\n".join(document["manifest"]))["rules"]
    assert set(rule) == {"name", "change_at_least", "change_at_most"}
    assert rule["change_at_least"] < 0.002 < rule["change_at_most"]
    jsonschema.validate(document, json.loads(SCHEMA.read_text()))


def test_options_for_logs_do_not_go_with_a_stored_history(tmp_path):
    place = stored(tmp_path, [0.001] * 6)
    done = CliRunner().invoke(app, ["gate", "p", "--history", str(place), "--last", "5"])
    assert "--last with --history" in str(done.exception)


def test_checks_that_did_not_pass_are_no_history(tmp_path):
    place = stored(tmp_path, [0.001] * 6, verdict="fail")
    done = CliRunner().invoke(app, ["gate", "p", "--history", str(place)])
    assert "no passed check of a port 'p'" in str(done.exception)
