"""`harness locate` as a user runs it: advice, two captures, and the modes in a child process."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import commandline
import jsonschema
import numpy as np
import pytest
from startlogs import deviations, log_of, perturbed_runs, start_run
from syntheticcaptures import Device, F, baseline

from harness.errors import HarnessError
from harness.locate.advice import advise, stage_of
from harness.locate.format import to_bytes
from harness.system.children import run_module

ROOT = Path(__file__).parents[1]
SCHEMA = ROOT / "docs" / "locate.schema.json"


@pytest.fixture
def harness(tmp_path):
    return partial(commandline.harness, tmp_path)


@pytest.fixture
def captures(tmp_path):
    run, twins = baseline(2)
    (tmp_path / "gpu.capture").write_bytes(to_bytes(run))
    for twin in twins:
        (tmp_path / f"gpu.twin{twin.twin}.capture").write_bytes(to_bytes(twin))
    fault = (("forward", "block2.fc", "mm"), lambda a: a * F(1.0001))
    (tmp_path / "single.capture").write_bytes(to_bytes(run))
    sides = {
        "good": Device(3, vendor="native"),
        "bad": Device(3, vendor="native", fault=fault),
        "zero": Device(3, zero_gamma=True),
    }
    for name, side in sides.items():
        (tmp_path / f"{name}.capture").write_bytes(to_bytes(side.run(2)))
    return tmp_path


@pytest.mark.parametrize(
    ("pair", "status", "word"),
    [
        ("gpu good", 0, "pass"),
        ("gpu bad", 1, "fail"),
        ("single bad", 3, "inconclusive"),
        ("gpu zero", 4, "incomparable"),
    ],
)
def test_the_exit_status_is_the_outcome(harness, captures, pair, status, word):
    done = harness("locate", "--quiet", *(f"{name}.capture" for name in pair.split()))
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout.startswith(f"{word}: ")
    assert len(done.stdout.splitlines()) == 1


def test_a_report_and_json_are_written_beside_the_table(harness, captures):
    out = captures / "reports" / "first"
    done = harness("locate", "gpu.capture", "bad.capture", "--report", out, "--json", "out.json")
    assert done.returncode == 1
    assert "aten::mm in block2.fc" in done.stdout
    assert done.stdout.rstrip().endswith(f"report: {out / 'locate.html'}")
    assert {p.name for p in out.iterdir()} == {"locate.html", "locate.json"}
    assert (captures / "out.json").read_text() == (out / "locate.json").read_text()
    on_screen = harness("locate", "gpu.capture", "bad.capture", "--json", "-")
    document = json.loads(on_screen.stdout)
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert document["sources"] == ["gpu.capture", "bad.capture"]


def test_bad_usage_is_status_2_with_a_remedy(harness, captures):
    for words, said in (
        (("a.capture", "b.capture", "c.capture"), "3 paths; expected two captures"),
        (("gpu.capture",), "one capture; expected two"),
        (("--report", "x"), "need two captures"),
        (("absent",), "no such file"),
        (("--top", "0"), "--top"),
        ((), "no comparison.json below this folder"),
    ):
        done = harness("locate", *words)
        assert (done.returncode, done.stdout) == (2, ""), words
        assert said in " ".join(done.stderr.split()).lower().replace("│", ""), done.stderr


@pytest.fixture
def compared(tmp_path, harness):
    """Reports of two comparisons, the second from the same start with a wrong update."""

    def side(name, runs):
        (tmp_path / name).mkdir()
        for k, run in enumerate(runs):
            (tmp_path / name / f"{k}.log").write_text(log_of(run))

    rng = np.random.default_rng(1)
    side("gpu", [start_run(), *perturbed_runs(rng)])
    wrong = deviations(rng)
    wrong["update_norm"] = wrong["update_norm"] + 0.01
    side("port", [start_run(wrong)])
    side("good", [start_run(deviations(rng))])
    for name, status in (("good", 0), ("port", 1)):
        done = harness("compare", "gpu", name, "--report", f"reports/{name}")
        assert done.returncode == status, done.stdout
        os.utime(tmp_path / "reports" / name / "comparison.json", (10**9, 10**9 + status))
    return tmp_path


def test_without_words_the_newest_report_is_read_and_the_next_search_named(harness, compared):
    done = harness("locate")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("reports/port/comparison.json: From the same start, update_norm")
    assert "Search the optimizer:" in done.stdout
    assert "1. harness locate record" in done.stdout
    for named in ("reports/good", "reports/good/comparison.json"):
        done = harness("locate", named)
        assert "The comparison passes: there is no difference to locate." in done.stdout


def test_a_failed_verdict_from_a_shared_start_names_the_command_everywhere(harness, compared):
    folder = compared / "reports"
    for text in (
        (folder / "port" / "report.html").read_text(),
        (folder / "port" / "report.md").read_text(),
    ):
        assert "run `harness locate`" in text.replace("\\", "")
    assert "harness locate" not in (folder / "good" / "report.html").read_text()
    done = harness("explain", "gpu", "port")
    assert "run `harness locate`" in " ".join(done.stdout.split())
    assert "harness locate" not in harness("explain", "gpu", "good").stdout


def test_a_file_that_is_no_comparison_is_one_line(harness, tmp_path):
    for name, content in {
        "list.json": b"[]",
        "text.json": b"no",
        "nested.json": b"[" * 100_000,
        "other.json": b'{"verdict": 3}',
        "binary.json": bytes(range(256)),
    }.items():
        (tmp_path / name).write_bytes(content)
        done = harness("locate", name)
        assert (done.returncode, done.stdout) == (2, "")
        assert "comparison.json that `harness compare --report DIR` writes" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def finding(first="", step=0, verdict="fail", reason=""):
    observed = {"first_outside": first, "first_step_outside": step}
    entry = {"rule": "same-start", "verdict": verdict, "observed": observed, "reason": reason}
    return {"verdict": verdict, "findings": [entry]}


@pytest.mark.parametrize(
    ("comparison", "stage", "first"),
    [
        (finding("loss, grad_norm"), "the forward pass and the data", "harness locate replay"),
        (finding("grad_norm", 1), "the backward pass", "harness locate replay --steps 2"),
        (finding("update_norm", 0), "the optimizer", "harness locate record"),
        (finding("loss", 1), "the first update", "harness locate record --steps 2"),
        (finding("loss", 7), "the later steps", "harness locate record --steps 8"),
        (finding("buffer_norm", 2), "the running statistics", "harness locate record --steps 3"),
        (finding("lr", 0), "the schedule", "harness compare"),
        (finding("loss", reason="The arithmetic differs: tf32."), "the precision",
         "harness compare"),
        ({"verdict": "fail", "findings": []}, "the start", "python -m model.train --same-start"),
        (
            {"verdict": "incomparable", "comparability": [
                {"fact": "start_weights", "class": "differs", "waived": False}]},
            "the start", "harness locate record",
        ),
        (
            {"verdict": "incomparable", "comparability": [
                {"fact": "world_size", "class": "differs", "waived": False}]},
            "the settings", "harness compare",
        ),
        (finding(verdict="inconclusive"), "", "harness compare"),
    ],
)  # fmt: skip
def test_the_stage_and_the_first_search_follow_from_what_differs_first(comparison, stage, first):
    advice = advise(comparison)
    assert advice.stage == stage
    assert advice.searches[0].command.startswith(first)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ("grad_norm", "From the same start, grad_norm differs first, at step 4."),
        ("loss, a, b", "From the same start, loss, a and b differ first, at step 4."),
    ],
)
def test_the_figures_that_differ_first_are_listed(first, says):
    assert advise(finding(first, 4)).shows == says


def test_a_pass_leaves_nothing_to_search():
    assert advise({"verdict": "pass"}).searches == ()


@pytest.mark.parametrize(
    "comparison",
    [{"verdict": "fail"}, {"verdict": "fail", "findings": 3}, {"verdict": "incomparable"},
     {"verdict": "fail", "findings": [3, {"rule": "same-start", "verdict": "fail"}]},
     {"verdict": "error"}],
)  # fmt: skip
def test_a_comparison_that_lacks_keys_gets_an_advice(comparison):
    assert advise(comparison).shows


def test_every_series_of_the_rule_has_a_stage():
    for step in (0, 1, 9):
        for name in ("loss", "decode.loss", "grad_norm", "update_norm", "buffer_norm", "lr", "x"):
            assert stage_of([name], step)


FAKE = """
import signal, sys, time
words = sys.argv[1:]
if words[1:2] == ["--sleep"]:
    print("ready", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        sys.exit(7)
print(words)
sys.exit(int(words[-1]))
"""


def hear_interrupts():
    """A shell's job in the background ignores SIGINT, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Runs `run_module` on a module of ours, in a separate process."""
    (tmp_path / "fakemode.py").write_text(FAKE)
    script = (
        "import sys; from harness.system.children import run_module; "
        "sys.exit(run_module('fakemode', sys.argv[1:], needs='json', extra='capture'))"
    )
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-c", script, *words], env=env, stdout=subprocess.PIPE, text=True,
            preexec_fn=hear_interrupts,  # noqa: PLW1509 - no thread runs here
        )  # fmt: skip

    return start


@pytest.mark.parametrize("status", [0, 1, 3, 4])
def test_a_mode_gets_its_words_unread_and_its_status_is_ours(fake, status):
    child = fake("replay", "--report", "x", "--help", str(status))
    out, _ = child.communicate(timeout=60)
    assert out.strip() == f"['replay', '--report', 'x', '--help', '{status}']"
    assert child.returncode == status


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 7), (signal.SIGTERM, 143)])
def test_an_interrupt_or_an_end_reaches_the_child(fake, number, status):
    child = fake("replay", "--sleep")
    assert child.stdout.readline() == "ready\n"
    begun = time.monotonic()
    child.send_signal(number)
    child.communicate(timeout=60)
    assert child.returncode == status
    assert time.monotonic() - begun < 30


def test_without_torch_one_line_says_what_to_install():
    with pytest.raises(HarnessError) as raised:
        run_module("harness.capture", ("replay",), needs="absent_package", extra="capture")
    said = str(raised.value)
    assert said.startswith(
        "`harness locate replay` needs absent_package, which is not installed in"
    )
    assert said.endswith('pip install "ccnet-port-harness[capture]"')


def test_the_help_has_an_example_of_each_mode(harness):
    text = harness("locate", "--help", COLUMNS="100").stdout
    for word in ("record", "replay", "ablate", "gpu.capture port.capture", "exit status"):
        assert word in " ".join(text.split())
