"""The demo's first verdict, with trainings: this machine against the recorded start."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from same_run import STARTS

from harness import Verdict, compare, read_run
from harness.align.start import parted
from harness.storage.baselines import load_runs, open_recording
from model.faults import parse_fault

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def trained(demo, tmp_path_factory):
    """A folder in which the demo trained its first steps, healthy and with the fault."""
    folder = tmp_path_factory.mktemp("demo")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PYTHONPATH", path)
        scenes = [sys.executable, "-m", "model.data.synthetic", "data/synthetic"]
        subprocess.run(scenes, check=True, capture_output=True)
        demo.train_first("port", ["--device", "cpu"])
        demo.train_first("faulty", ["--device", "cpu", "--fault", demo.FAULT])
    return folder / demo.FIRST


@pytest.fixture(scope="module")
def recorded(demo):
    return load_runs(open_recording(ROOT / "baselines" / demo.START))


def test_a_fresh_start_passes_against_the_recorded_start(trained, recorded):
    """The recording is of another machine, or of another day of this one."""
    found = compare(recorded, [read_run(trained / "port/port.log")])
    (finding,) = found.judgement.findings
    assert (finding.rule, found.verdict) == ("same-start", Verdict.PASS), finding.reason
    assert (finding.observed["steps"], finding.observed["perturbed_runs"]) == (20, 8)
    assert finding.observed["largest_ratio"] < 1


def test_the_recording_fits_the_code(trained, recorded):
    """A change of the config, the scenes or the draws makes the recording one of another start."""
    (original,), _ = parted(recorded, "baseline")
    fresh = read_run(trained / "port/port.log")
    for name in STARTS:
        ours, theirs = ([float(word) for word in str(run.facts[name]).split()]
                        for run in (original, fresh))  # fmt: skip
        assert theirs == pytest.approx(ours, abs=1e-5)
    assert {s.name for s in fresh.series} == {s.name for s in original.series}


def test_the_fault_is_noticed_and_the_loss_alone_does_not_show_it(demo, trained, recorded):
    found = compare(recorded, [read_run(trained / "faulty/port.log")])
    (finding,) = found.judgement.findings
    assert (finding.rule, found.verdict) == ("same-start", Verdict.FAIL)
    assert finding.observed["first_step_outside"] == 1
    assert "its gradients do not: look at the backward pass" in finding.reason
    (original,), _ = parted(recorded, "baseline")
    runs = (original, read_run(trained / "faulty/port.log"))
    healthy, faulty = (run.find("loss", 0)[0].values.mean() for run in runs)
    assert faulty == pytest.approx(healthy, rel=0.005)


def test_the_demo_says_what_the_catalogue_says_of_its_fault(demo):
    meaning = parse_fault(demo.FAULT).fault.summary.rstrip(".")
    assert meaning[0].lower() + meaning[1:] == demo.FAULT_MEANS
