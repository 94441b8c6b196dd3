"""`harness accept` makes the runs of a failing candidate the baseline, with reason and chain."""

import json
from pathlib import Path

import numpy as np
import pytest
from fleets import call
from loglines import decaying, header, records

from harness import HarnessError
from harness.errors import BaselineError, PolicyError
from harness.ports.manifest_edit import with_baseline
from harness.storage.baselines import open_recording

MANIFEST = """# the ports of this project
[[port]]
name = "other"   # baseline = "gpu" in a comment
baseline = "gpu"
candidate = 'cand'
reason = 'baseline = "gpu"'

[[port]]
candidate = "cand"   # six seeds
baseline   =   'gpu'   # recorded in January
name = "p"
rules = ["equivalence"]
"""


def one_log(place, seed, losses):
    """Writes the log of one run of 200 planned steps."""
    Path(place).write_text(
        header(seed=seed).replace("max_iters=400", "max_iters=200") + records(losses)
    )


def write_logs(folder, factor, *, offset=0, count=6, steps=200, head=""):
    folder = Path(folder)
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for i in range(count):
        seed = offset + i
        losses = decaying(200, seed=seed)[:steps] * factor
        text = (head or header(seed=seed)).replace("max_iters=400", "max_iters=200")
        (folder / f"seed_{i}.log").write_text(text + records(losses))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A project whose port `p` has a loss 20 % below that of the recorded baseline `gpu`."""
    for name in ("GITHUB_ACTIONS", "GITHUB_SHA", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_DATE", "2026-03-10")
    monkeypatch.setenv("HARNESS_COMMIT", "c" * 40)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    write_logs("gpu_logs", 1.0)
    call("baseline", "add", "gpu", "gpu_logs", "--origin", "our GPU", "--description", "six seeds")
    write_logs("cand", 0.8, offset=50)
    Path("ports.toml").write_text(MANIFEST)
    return work


def accept(*words, what="p", reason="the new loss scale is right", by="Ada"):
    return call("accept", what, "--reason", reason, "--by", by, *words)


def refused(*words, **fields):
    with pytest.raises(HarnessError) as caught:
        accept(*words, **fields)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_new_baseline_keeps_what_it_replaces_by_whom_when_and_why(here):
    old = open_recording(Path("baselines/gpu"))
    status, text = accept()
    assert status == 0
    link = open_recording(Path("baselines/gpu-2")).meta["replaces"]
    assert link["baseline"] == "gpu"
    assert link["seal"] == old.meta["seal"]
    told = (link["by"], link["on"], link["reason"], link["port"], link["commit"], link["verdict"])
    assert told == (
        "Ada", "2026-03-10", "the new loss scale is right", "p", "c" * 40, "fail"
    )  # fmt: skip
    assert link["new_mean"] / link["old_mean"] - 1 == pytest.approx(link["difference"])
    assert link["difference"] == pytest.approx(-0.2, abs=0.01)
    assert open_recording(Path("baselines/gpu")).meta == old.meta
    assert "recorded 6 runs in baselines/gpu-2" in text
    assert "(-19.9" in text
    assert 'change port p in ports.toml: baseline = "gpu-2"' in text
    assert Path("ports.toml").read_text() == MANIFEST


def test_write_changes_the_one_value_and_the_next_runs_pass(here):
    accept("--write")
    expected = MANIFEST.replace("baseline   =   'gpu' ", 'baseline   =   "gpu-2" ')
    assert Path("ports.toml").read_text() == expected
    write_logs("cand", 0.8, offset=80)
    status, text = call("check", "-q")
    assert status == 1
    assert "2 ports: 1 fail, 1 pass" in text


def test_runs_that_were_just_accepted_do_not_pass_as_their_own_copy(here):
    accept("--write")
    assert "p: inconclusive" in call("check")[1] or call("check", "-q")[0] != 0


def test_show_and_verify_follow_the_chain_back_to_the_first(here):
    accept("--write")
    write_logs("cand", 0.6, offset=80)
    accept("--write", reason="the scheduler was off by one")
    text = call("baseline", "show", "gpu-3")[1]
    at = [
        text.index(words)
        for words in ("replaces gpu-2 (", "by Ada: the sched", "replaces gpu (", "by Ada: the new")
    ]
    assert at == sorted(at)
    text = call("baseline", "verify", "gpu-3")[1]
    assert "gpu-3: gpu-2 is the recording that was replaced" in text
    assert "gpu-2: gpu is the recording that was replaced" in text


def test_a_replaced_baseline_that_was_recorded_again_is_an_error(here):
    accept()
    write_logs("gpu_logs", 1.1)
    call("baseline", "add", "gpu", "gpu_logs", "--origin", "another", "--replace")
    with pytest.raises(BaselineError, match="gpu-2 replaced the recording with seal"):
        call("baseline", "verify", "gpu-2")
    assert "the chain ends here" in call("baseline", "show", "gpu-2")[1]


def test_a_replaced_baseline_that_is_gone_is_said(here):
    accept()
    for path in Path("baselines/gpu").iterdir():
        path.unlink()
    assert "gpu is not a recording beside it; its seal was not checked" in call(
        "baseline", "verify", "gpu-2"
    )[1]  # fmt: skip


def test_an_edited_chain_breaks_the_seal(here):
    accept()
    path = Path("baselines/gpu-2/baseline.toml")
    path.write_text(path.read_text().replace('by = "Ada"', 'by = "Eve"'))
    with pytest.raises(BaselineError, match="its seal does not match"):
        call("baseline", "verify", "gpu-2")


def test_edited_figures_of_a_replaced_baseline_are_an_error(here):
    accept()
    assert call("baseline", "verify", "gpu-2")[0] == 0
    figures = open_recording(Path("baselines/gpu")).series_path
    figures.write_text(figures.read_text().replace("1", "2", 1))
    with pytest.raises(BaselineError, match="SHA-256 of the figures is"):
        call("baseline", "verify", "gpu-2")


def poisoned(losses):
    losses[100] = np.nan
    return losses


def spiked(losses):
    losses = losses * 0.8
    losses[140:146] *= 4
    return losses


def test_nothing_but_complete_runs_that_differ_are_accepted(here):
    write_logs("cand", 1.0005, offset=50)
    assert "the port passes, so the baseline needs no change" in refused()
    write_logs("cand", 0.8, offset=50, steps=120)
    assert "sufficient" in refused() or "ends at step 119" in refused()
    write_logs("cand", 0.8, offset=50, count=3)
    assert "3 candidate runs, and the baseline has 6: train 2 more" in refused()
    write_logs("cand", 0.8, offset=50)
    one_log("cand/seed_3.log", 53, poisoned(decaying(200, seed=53) * 0.8))
    assert "NaN" in refused()
    write_logs("cand", 0.8, offset=50)
    Path("cand/seed_3.log").write_bytes(Path("cand/seed_2.log").read_bytes())
    assert "cand/seed_2.log" in refused()
    write_logs("cand", 0.8)  # the noise of the baseline's runs
    assert "follows gpu/seed_" in refused()
    write_logs("cand", 0.8, head=header(world=4, seed=1))
    assert "the candidate is another experiment" in refused()
    write_logs("cand", 0.8, offset=50)
    one_log("cand/seed_3.log", 53, spiked(decaying(200, seed=53)))
    assert "not sufficient for a baseline: loss of cand/seed_3.log" in refused()
    write_logs("cand", 0.8, offset=50)
    assert not Path("baselines/gpu-2").exists()
    assert accept()[0] == 0


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_spike_is_refused_however_few_the_runs_are(here, count):
    """With as many runs as the rule for a new baseline requires, and with fewer."""
    write_logs("gpu_logs", 1.0, count=count)
    call("baseline", "add", "gpu", "gpu_logs", "--origin", "our GPU", "--replace")
    write_logs("cand", 0.5, offset=50, count=count)
    losses = decaying(200, seed=51) * 0.5
    losses[140] *= 40
    one_log("cand/seed_1.log", 51, losses)
    assert "loss of cand/seed_1.log is" in refused()


def test_an_inconclusive_candidate_is_not_accepted(here):
    write_logs("cand", 1.02, offset=50)
    assert "the data cannot decide whether the candidate differs" in refused()


def test_a_part_of_the_run_does_not_replace_a_whole_baseline(here):
    write_logs("cand", 0.8, offset=50, steps=120)
    text = MANIFEST + "steps = [0, 99]\n"
    Path("ports.toml").write_text(text)
    assert "a candidate run ends at step 119, and the baseline at 199" in refused()


def test_a_port_with_a_passing_attempt_is_not_accepted(here):
    write_logs("again", 1.0005, offset=80)
    Path("ports.toml").write_text(MANIFEST + 'attempts = ["again"]\n')
    assert (
        "the attempt again is pass, so the runs of the candidate may differ by chance" in refused()
    )


def test_reason_and_person_are_required(here, monkeypatch):
    assert "--reason is empty" in refused(reason="  ")
    monkeypatch.setattr("harness.ports.accepting.person", lambda _: "")
    assert "--by is empty" in refused(by="")
    monkeypatch.setattr("harness.ports.accepting.person", lambda _: "Grace")
    accept(by="")
    assert open_recording(Path("baselines/gpu-2")).meta["replaces"]["by"] == "Grace"


def test_a_name_is_free_fit_and_counted_on(here):
    assert "already recorded" in refused("--as", "gpu")
    assert "cannot name a folder" in refused("--as", "a/b")
    assert "has no port 'q', and no report has this path" in refused(what="q")
    accept("--as", "gpu-9")
    Path("ports.toml").write_text(MANIFEST.replace("'gpu'", "'gpu-9'"))
    write_logs("cand", 0.6, offset=80)
    assert "baselines/gpu-10" in accept()[1]


def test_a_baseline_of_logs_is_named_by_their_hashes(here):
    Path("ports.toml").write_text(MANIFEST.replace("'gpu'", "'gpu_logs'"))
    assert "pass --as NAME" in refused()
    text = accept("--as", "new")[1]
    assert "replaces gpu_logs (SHA-256 " in text
    assert len(open_recording(Path("baselines/new")).meta["replaces"]["sha256"]) == 6
    assert call("baseline", "verify", "new")[0] == 0


def test_a_report_is_accepted_from_the_logs_that_were_judged(here):
    call("compare", "gpu", "cand", "--rule", "equivalence", "--report", "report", "-q")
    text = accept(what="report")[1]
    assert "recorded 6 runs in baselines/gpu-2" in text
    assert "compare with it: harness compare gpu-2 CANDIDATE" in text
    assert "--write with a report" in refused("--write", what="report")
    log = Path("cand/seed_0.log")
    log.write_text(log.read_text() + "one more line\n")
    assert "is not the log that was judged" in refused("--as", "x", what="report")
    document = json.loads(Path("report/comparison.json").read_text())
    del document["policy"]
    Path("report/comparison.json").write_text(json.dumps(document))
    assert "lacks a part of a comparison" in refused("--as", "x", what="report")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("baseline = 'a'\n", 'baseline = "b"\n'),
        ('"baseline"="a" # x\n', '"baseline"="b" # x\n'),
        ("baseline = 'a'\r\n", 'baseline = "b"\r\n'),
        ('# baseline = "a"\nbaseline = "a"\n', '# baseline = "a"\nbaseline = "b"\n'),
    ],
)
def test_the_manifest_is_edited_at_the_value_alone(old, new):
    text = '[[port]]\nname = "q"\nbaseline = "a"\n[[port]]\nname = "p"\n'
    assert with_baseline(text + old, "p", "b") == text + new
    assert with_baseline(old + '[[port]]\nname = "p"\nbaseline = "z"', "p", "b").startswith(old)


def test_entries_in_a_line_are_edited_and_odd_values_are_left_to_the_author():
    text = 'port = [{name = "q", baseline = "a"}, {name = "p", baseline = "a"}]\n'
    assert with_baseline(text, "p", "b") == text.replace('"a"}]', '"b"}]')
    with pytest.raises(PolicyError, match='write baseline = "b" there yourself'):
        with_baseline('[[port]]\nname = "p"\nbaseline = """a"""\n', "p", "b")
