"""One file may hold both sides of a comparison, as blocks of losses under the names of devices."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import HarnessError, PolicyError
from harness.parse import parse_log, parse_logs
from harness.parse.formats.sides import both_sides
from harness.storage.inputs import load, load_pair

PAIR = (
    "=== CUDA ===\n4.5 4.25 4.125\n4.0 3.875 3.75\n\n"
    "=== SDAA ===\n4.5625 4.3125 4.1875\n4.0625 3.9375 3.8125\n\n"
    "=== RESULT ===\nMeanRelativeError: 0.01\n1 2 3\n"
)


def sides(text):
    runs = parse_logs([text], source="x.txt")
    return {run.source.removeprefix("x.txt"): points(run) for run in runs}


def points(run):
    (series,) = run.find("loss", 0)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def numbered(*values):
    return dict(enumerate(values))


def test_each_block_is_a_run_numbered_in_order():
    assert sides(PAIR) == {
        " [run CUDA]": numbered(4.5, 4.25, 4.125, 4.0, 3.875, 3.75),
        " [run SDAA]": numbered(4.5625, 4.3125, 4.1875, 4.0625, 3.9375, 3.8125),
    }
    assert [run.by_order for run in parse_logs([PAIR], source="x")] == [("loss",)] * 2


@pytest.mark.parametrize(
    "heads",
    [
        ("cuda:", "sdaa:"),
        ("# GPU", "# NPU"),
        ("[CUDA]", "[SDAA]"),
        ("cuda_loss", "sdaa_loss"),
        ("--- Baseline ---", "--- Candidate ---"),
        ("CUDA loss:", "SDAA loss:"),
    ],
)
def test_headings_have_many_forms(heads):
    text = f"{heads[0]}\n4.5, 4.25\n{heads[1]}\n[4.0, 3.5]\n"
    assert list(sides(text).values()) == [numbered(4.5, 4.25), numbered(4.0, 3.5)]


def test_rows_of_a_counter_and_a_loss_have_their_steps():
    text = "=== CUDA ===\n10 4.5\n20 4.25\n=== SDAA ===\n10 4.75\n20 4.5\n"
    assert list(sides(text).values()) == [{10: 4.5, 20: 4.25}, {10: 4.75, 20: 4.5}]
    assert all(run.by_order == () for run in parse_logs([text], source="x"))


def test_a_damaged_number_keeps_its_place():
    text = PAIR.replace("4.25 4.125", "nan 4.1x5")
    first = parse_logs([text], source="x")[0]
    values = list(points(first).values())
    assert np.isnan(values[1:3]).all()
    assert values[3] == 4.0
    assert "loss '4.1x5' is not a number" in first.skipped[0].reason
    cut = PAIR[: PAIR.index("3.8125") + 3]
    last = parse_logs([cut], source="x")[1]
    assert list(points(last).values()) == [4.5625, 4.3125, 4.1875, 4.0625, 3.9375]
    assert last.skipped[-1].reason == "the log ends inside this line"


@pytest.mark.parametrize("order", [("CUDA", "SDAA"), ("SDAA", "CUDA")])
def test_the_gpu_is_the_baseline_wherever_it_stands(order):
    text = f"== {order[0]} ==\n4.5 4.25\n== {order[1]} ==\n4.0 3.5\n"
    pair = both_sides(parse_logs([text], source="x"))
    assert [run.source for run in pair] == ["x [run CUDA]", "x [run SDAA]"]


def test_one_block_is_one_run_and_a_log_with_records_has_no_blocks():
    assert points(parse_log(["=== CUDA ===\n4.5 4.25\n"], source="x")) == numbered(4.5, 4.25)
    text = "".join(f'{{"step": {i}, "loss": 2.5}}\n' for i in range(3))
    run = parse_log([text + PAIR], source="x")
    assert points(run) == {0: 2.5, 1: 2.5, 2: 2.5}


def test_a_word_alone_is_no_heading():
    with pytest.raises(HarnessError, match="no training record"):
        parse_logs(["CUDA\n4.5 4.25 4.125\n"], source="x")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = 4.0 * np.exp(-np.arange(100) / 50) + 1
    rows = "\n".join(" ".join(f"{v:.6f}" for v in row) for row in values.reshape(20, 5))
    (tmp_path / "both.txt").write_text(f"=== CUDA ===\n{rows}\n\n=== SDAA ===\n{rows}\n")
    (tmp_path / "one.log").write_text("step 1 loss 2.5\nstep 2 loss 2.25\n")
    return tmp_path


def run(*words):
    return CliRunner().invoke(app, words)


def test_the_command_judges_a_file_with_both_sides_and_repeats_itself(files):
    done = run("compare", "both.txt", "--rule", "exact", "--report", "out", "--json", "c.json")
    document = json.loads((files / "c.json").read_text())
    assert document["verdict"] == {0: "pass", 3: "inconclusive"}[done.exit_code]
    sources = [document[side]["runs"][0]["path"] for side in ("baseline", "candidate")]
    assert sources == ["both.txt [run CUDA]", "both.txt [run SDAA]"]
    page = (files / "out" / "report.html").read_text()
    assert "harness compare both.txt --rule exact" in page


def test_parse_shows_both_sides(files):
    done = run("parse", "both.txt")
    assert "both.txt [run CUDA]: 100 training losses" in done.stdout
    assert "both.txt [run SDAA]: 100 training losses" in done.stdout


def test_a_file_without_a_pair_is_a_usage_error_that_says_what_was_expected(files):
    with pytest.raises(PolicyError, match=r"1 run and no pair.*CUDA.*BASELINE CANDIDATE"):
        load_pair("one.log")
    done = run("compare", "one.log")
    assert done.exit_code == 2
    assert "Usage" in done.stderr
    assert "no pair" in done.stderr
    (files / "three.txt").write_text("=== CUDA ===\n1.5 2\n=== SDAA ===\n1 2\n=== NPU ===\n1 2\n")
    with pytest.raises(PolicyError, match="3 runs and no pair"):
        load_pair("three.txt")


def test_a_file_with_both_sides_is_no_side(files):
    with pytest.raises(PolicyError, match=r"both\.txt: holds a baseline and a candidate"):
        load("both.txt")
    assert run("baseline", "add", "gpu", "both.txt", "--origin", "a test").exit_code != 0
    assert not (files / "baselines").exists()
