"""Recorded baselines under full disks and strangers' edits: whole, or refused in one line."""

import copy
import hashlib
import lzma
import os
import re
import tomllib

import pytest
import tomli_w
from loglines import decaying, header, records

from harness.errors import BaselineError, HarnessError
from harness.log.run import same_series
from harness.parse import parse_log
from harness.storage import baselines
from harness.storage.baselines import load_runs, open_recording, record, seal
from harness.storage.logs import read_run
from harness.storage.recording import SEAL, seal_of
from harness.storage.verifying import verify
from harness.system import whole


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    for i in range(3):
        text = header(seed=i) + records(decaying(60) * (1 + i / 1e3))
        (folder / f"seed_{i}.log").write_text(text)
    return sorted(folder.iterdir())


@pytest.fixture
def recording(tmp_path, logs):
    return record(tmp_path / "shelf" / "gpu", [read_run(log) for log in logs], origin="o",
                  description="d")  # fmt: skip


def sealed(folder, meta):
    """Writes a baseline.toml whose seal fits, as one who knows of the seal can."""
    meta = {**meta, SEAL: seal_of(meta)}
    (folder / "baseline.toml").write_text(tomli_w.dumps(meta))


def meta_of(folder):
    return tomllib.loads((folder / "baseline.toml").read_text())


def attempt(folder, logs=None):
    """What reading and verifying a recording come to: nothing, or the message of the refusal."""
    try:
        found = open_recording(folder)
        load_runs(found)
        verify(found, logs=logs)
    except HarnessError as error:
        message = str(error)
        assert "\n" not in message
        return message
    return ""


def places(value, path=()):
    """Every leaf of nested tables and lists, as the keys that lead to it."""
    if isinstance(value, dict):
        for key in value:
            yield (*path, key)
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i, part in enumerate(value):
            yield (*path, i)
            yield from places(part, (*path, i))


def changed(meta, path, value):
    """A copy in which one place holds another value, or is gone where that is None."""
    copied = copy.deepcopy(meta)
    inner = copied
    for key in path[:-1]:
        inner = inner[key]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return copied


ABSURD = [None, True, -1, 2**62, 10**30, 1.5, float("nan"), float("inf")]
ABSURD += ["", "x", "../../etc/passwd", "/dev/zero", [], {}, [[]], {"a": 1}, ["x"]]


def test_every_edit_of_a_baseline_toml_is_noticed(recording):
    folder, meta = recording.folder, meta_of(recording.folder)
    tried = 0
    for path in places(meta):
        for value in ABSURD[:: 1 if path[0] != "runs" else 4]:
            edited = changed(meta, path, value)
            if seal_of(edited) == seal_of(meta) and edited.get(SEAL) == meta[SEAL]:
                continue
            (folder / "baseline.toml").write_text(tomli_w.dumps(edited))
            with pytest.raises(BaselineError):
                open_recording(folder)
            tried += 1
    assert tried > 400


def test_every_edit_that_is_sealed_again_is_read_or_refused_in_one_line(recording):
    folder, meta = recording.folder, meta_of(recording.folder)
    kinds = set()
    for path in places({key: value for key, value in meta.items() if key != SEAL}):
        if path[:2] in {("runs", 1), ("runs", 2)}:
            continue
        for value in ABSURD:
            sealed(folder, changed(meta, path, value))
            kinds.add(re.sub(r"'.*'|[\d.]+", "", attempt(folder)).partition(": ")[2])
    assert len(kinds) > 10


def test_edits_that_are_sealed_again_are_noticed_where_the_logs_are(recording, logs):
    """Learning rates, deciding facts, other figures: with their hash and seal made anew."""
    folder, meta = recording.folder, meta_of(recording.folder)
    where = logs[0].parent
    assert attempt(folder, where) == ""
    fact = next(iter(meta["runs"][0]["facts"]))
    for path, value in (
        (("runs", 0, "facts", fact), "something else"),
        (("runs", 0, "facts", fact), None),
        (("runs", 0, "facts", "learning_rate"), 0.123),
        (("runs", 0, "size_bytes"), 1),
        (("runs", 0, "sha256"), "0" * 64),
        (("noise_floor", "runs"), 30),
        (("noise_floor", "phases", 0, "run_spread"), 1e-9),
        (("noise_floor",), None),
    ):
        sealed(folder, changed(meta, path, value))
        assert attempt(folder, where), (path, value)
    series = folder / "series.csv"
    text = series.read_text()
    lower = re.sub(r"(?m)^(.*,loss,)([\d.]+)$", lambda m: f"{m[1]}{float(m[2]) * 0.8!r}", text)
    assert lower != text
    series.write_text(lower)
    digest = hashlib.sha256(lower.encode()).hexdigest()
    sealed(folder, changed(meta, ("series_sha256",), digest))
    assert "noise_floor" in attempt(folder, where)
    no_floor = changed(changed(meta, ("series_sha256",), digest), ("noise_floor",), None)
    sealed(folder, no_floor)
    assert attempt(folder, where)


def test_runs_that_were_cut_off_are_noticed_where_the_logs_lie_beside(tmp_path, logs):
    runs = [read_run(log) for log in logs]
    recording = record(logs[0].parent, runs, origin="o", description="d")
    assert len(verify(recording)) == 4
    record(logs[0].parent, runs[:2], origin="o", description="d", replace=True)
    assert "seed_2.log is beside baseline.toml but not recorded" in attempt(logs[0].parent)


def test_one_that_is_not_sealed_is_refused_until_it_is_sealed(recording):
    path = recording.folder / "baseline.toml"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    assert SEAL not in tomllib.loads(path.read_text())
    assert "is not sealed" in attempt(recording.folder)
    seal(recording.folder)
    assert attempt(recording.folder) == ""
    assert meta_of(recording.folder) == dict(recording.meta)


@pytest.mark.parametrize("target", ["/dev/zero", "/etc/passwd", "nowhere"])
def test_figures_behind_a_link_or_in_another_folder_are_refused(recording, target):
    series = recording.folder / "series.csv"
    series.unlink()
    series.symlink_to(target)
    assert re.search("not a regular file|SHA-256|cannot be read", attempt(recording.folder))
    sealed(recording.folder, changed(recording.meta, ("series",), target))
    assert "expected a file name such as series.csv" in attempt(recording.folder)


def test_figures_that_unpack_without_end_are_refused(recording, monkeypatch):
    monkeypatch.setattr(baselines, "FIGURES_BYTES", 1 << 20)
    bomb = lzma.compress(b"\0" * (8 << 20))
    (recording.folder / "series.csv.xz").write_bytes(bomb)
    sealed(recording.folder, changed(recording.meta, ("series",), "series.csv.xz"))
    assert "holds more than 1 MiB" in attempt(recording.folder)
    (recording.folder / "series.csv.xz").write_bytes(bomb[: len(bomb) // 2])
    assert re.search("holds more|ends too early", attempt(recording.folder))
    (recording.folder / "series.csv.xz").write_bytes(b"no xz")
    assert "cannot be read" in attempt(recording.folder)


HEAD = "run,rank,step,name,value\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run,rank\n0,0\n",
        HEAD,
        "\ufeff\0",
        HEAD + "0,0,0,loss,x\n",
        HEAD + "0,0,1,loss,1\n0,0,0,loss,1\n",
        HEAD + "0,-1,0,loss,1\n",
        HEAD + "9,0,0,loss,1\n",
        HEAD + '"0,0,0,loss,1\n',
        HEAD + "0,0,99999999999999999999,loss,1\n",
    ],
)
def test_figures_that_are_no_table_of_the_runs_are_refused(recording, text):
    (recording.folder / "series.csv").write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    meta = changed(recording.meta, ("series_sha256",), digest)
    sealed(recording.folder, meta)
    assert "series.csv" in attempt(recording.folder)


def test_every_cut_of_a_baseline_toml_is_refused(recording):
    path = recording.folder / "baseline.toml"
    whole_text = path.read_bytes()
    for size in range(0, len(whole_text) - 1, 7):
        path.write_bytes(whole_text[:size])
        assert attempt(recording.folder), size


class FullError(OSError):
    """The disk is full."""


def full_at(monkeypatch, count):
    """Makes the disk full at the n-th step of writing; returns whether that was reached."""
    reached = []

    def counted(function):
        def call(*args, **kwargs):
            reached.append(1)
            if len(reached) == count:
                raise FullError(28, "No space left on device")
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    monkeypatch.setattr(whole, "write_beside", counted(whole.write_beside))
    monkeypatch.setattr(baselines, "write_beside", whole.write_beside)
    monkeypatch.setattr(baselines, "move", counted(whole.move))
    return reached


@pytest.mark.parametrize("count", range(1, 12))
@pytest.mark.parametrize("state", ["new", "replace", "beside logs"])
def test_a_full_disk_leaves_the_whole_old_or_the_whole_new(
    tmp_path, logs, monkeypatch, count, state
):
    runs = [read_run(log) for log in logs]
    folder = logs[0].parent if state == "beside logs" else tmp_path / "gpu"
    if state == "replace":
        record(folder, runs[:1], origin="old", description="")
    with monkeypatch.context() as patched:
        full_at(patched, count)
        message = ""
        try:
            record(folder, runs, origin="new", description="", replace=state == "replace")
        except HarnessError as error:
            message = str(error)
    failed = bool(message)
    assert ("No space left" in message) is failed
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    if not (folder / "baseline.toml").exists():
        assert failed
        assert state != "replace"
        assert state == "beside logs" or not folder.exists()
        return
    found = open_recording(folder)
    expected = runs if found.meta["origin"] == "new" else runs[:1]
    back = load_runs(found)
    assert len(back) == len(expected)
    assert all(same_series(a.series, b.series) for a, b in zip(back, expected, strict=True))
    verify(found, logs=logs[0].parent)


def test_replacing_keeps_files_of_others_and_one_file_of_figures(tmp_path, logs):
    runs = [read_run(log) for log in logs]
    folder = tmp_path / "gpu"
    record(folder, runs[:1], origin="o", description="")
    (folder / "notes.md").write_text("mine")
    for some in (runs[1:], runs, runs, runs[:1]):
        record(folder, some, origin="o", description="", replace=True)
        names = sorted(p.name for p in folder.iterdir())
        assert len(names) == 3
        assert names[0] == "baseline.toml"
        assert len(load_runs(open_recording(folder))) == len(some)


def test_a_recording_holds_no_secret_and_is_not_written_through_a_link(tmp_path, logs):
    run = parse_log([records(decaying(60))], source="https://u:S3cret@h/a.log?X-Sig=S3cret")
    folder = tmp_path / "gpu"
    record(folder, [run], origin="from https://u:S3cret@h/", description="token=S3cret")
    assert "S3cret" not in (folder / "baseline.toml").read_text()
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(HarnessError, match="is a symbolic link"):
        record(tmp_path / "link", [run], origin="o", description="", replace=True)


def test_what_cannot_be_recorded_is_said(tmp_path, logs):
    run = read_run(logs[0])
    with pytest.raises(BaselineError, match="the origin is empty; state where the logs come from"):
        record(tmp_path / "x", [run], origin=" ", description="")
    with pytest.raises(BaselineError, match="no run was passed"):
        record(tmp_path / "x", [], origin="o", description="")
    from dataclasses import replace

    with pytest.raises(BaselineError, match="holds no record"):
        record(tmp_path / "x", [replace(run, series=())], origin="o", description="")
    assert not (tmp_path / "x").exists()


def test_a_damaged_neighbour_does_not_hide_what_is_missing(recording):
    neighbour = recording.folder.with_name("bad")
    neighbour.mkdir()
    (neighbour / "baseline.toml").write_text("x = ")
    with pytest.raises(BaselineError, match="no such baseline; recorded here: bad, gpu"):
        open_recording(recording.folder.with_name("absent"))
