"""Logs on disk: compression, encodings, hashes, folders; recordings that give the bits back."""

import bz2
import gzip
import hashlib
import lzma
import os
import threading
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loglines import decaying, header, records, run

from harness.errors import BaselineError, ParseError
from harness.log.run import Series, same_series
from harness.storage import logs as store
from harness.storage.baselines import (
    load_runs,
    open_recording,
    record,
)
from harness.storage.inputs import load
from harness.storage.logs import expand, read_run, read_runs
from harness.storage.shelf import recording_folders
from harness.storage.verifying import verify

TEXT = header(seed=5) + records(decaying(60))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(TEXT)
    return path


@pytest.mark.parametrize(
    ("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress)]
)
def test_a_packed_log_reads_like_the_plain_one(log, suffix, pack):
    packed = log.with_name("a.log" + suffix)
    packed.write_bytes(pack(TEXT.encode()))
    plain, read = read_run(log), read_run(packed)
    assert same_series(plain.series, read.series)
    assert plain.facts == read.facts
    assert read.sha256 == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert read.size_bytes == packed.stat().st_size


@pytest.mark.parametrize("block", [1, 7, 100, len(TEXT), len(TEXT) + 1])
@pytest.mark.parametrize("suffix", ["", ".bz2"])
def test_every_byte_of_a_log_counts_for_its_hash(log, monkeypatch, suffix, block):
    data = TEXT.encode()
    path = log.with_name("b.log" + suffix)
    path.write_bytes(bz2.compress(data) + b"behind it" * 9999 if suffix else data)
    monkeypatch.setattr(store, "BLOCK_BYTES", block)
    run = read_run(path)
    assert same_series(run.series, read_run(log).series)
    assert run.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert run.size_bytes == path.stat().st_size


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_a_byte_order_mark_tells_the_encoding(log, encoding):
    other = log.with_name("b.log")
    other.write_bytes(TEXT.encode(encoding))
    assert same_series(read_run(log).series, read_run(other).series)


def test_invalid_bytes_cost_nothing_but_their_line(log):
    log.write_bytes(b"\xff\xfe\xfa caf\xe9\n".replace(b"\xff\xfe", b"\xc3") + TEXT.encode())
    assert len(read_run(log).find("loss", 0)[0]) == 60


def test_a_file_system_other_than_the_disk_is_read_by_its_url(log):
    import fsspec

    with fsspec.open("memory://runs/a.log", "wb") as remote:
        remote.write(TEXT.encode())
    assert same_series(read_run("memory://runs/a.log").series, read_run(log).series)


@pytest.mark.parametrize("cut", [30, 200])
@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".xz", lzma.compress)])
def test_a_damaged_archive_is_one_line(tmp_path, suffix, pack, cut):
    path = tmp_path / f"a.log{suffix}"
    path.write_bytes(pack(TEXT.encode())[:cut])
    with pytest.raises(ParseError, match=r"a\.log.*: "):
        read_run(path)
    path.write_bytes(b"no archive at all")
    with pytest.raises(ParseError, match=r"a\.log.*: cannot be read"):
        read_run(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.log", "no.log: no such file; check the path"),
        ("folder", "folder: a folder; name the log file in it"),
        (
            "s9://bucket/a.log",
            "s9://bucket/a.log: the protocol 's9' is not supported; expected a path",
        ),
    ],
)
def test_what_cannot_be_opened_is_one_line(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ParseError) as caught:
        read_run(name)
    assert message in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_one_line(log):
    log.chmod(0)
    with pytest.raises(ParseError, match="no permission to read it"):
        read_run(log)


def test_a_folder_that_may_not_be_entered_is_one_line(log, monkeypatch):
    """Its logs cannot even be looked at; root may, so the system's answer is played here."""
    real = Path.stat

    def stat(self, **options):
        if self.is_relative_to(log.parent):
            raise PermissionError(13, "Permission denied", str(self))
        return real(self, **options)

    monkeypatch.setattr(Path, "stat", stat)
    monkeypatch.setattr(Path, "open", lambda self, *_: self.stat())
    for ask in (read_run, load, expand):
        for path in (log, log.parent):
            if (ask, path) == (read_run, log.parent):
                continue
            with pytest.raises(ParseError, match="no permission to read it"):
                ask(str(path))


def test_a_pipe_is_read_from_its_first_byte(log):
    pipe = log.with_name("pipe")
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(TEXT))
    writer.start()
    (run,) = load(str(pipe))
    writer.join()
    plain = read_run(log)
    assert same_series(run.series, plain.series)
    assert (run.lines, run.size_bytes, run.sha256) == (plain.lines, plain.size_bytes, plain.sha256)


def test_a_folder_gives_its_logs_or_those_of_its_sub_folders(tmp_path):
    (tmp_path / "direct").mkdir()
    for name in ("b.log", "a.log.xz", "notes.md", ".hidden.log"):
        (tmp_path / "direct" / name).touch()
    assert expand(str(tmp_path / "direct")) == [
        str(tmp_path / "direct" / name) for name in ("a.log.xz", "b.log")
    ]
    for seed in (1, 2):
        (tmp_path / "seeds" / str(seed)).mkdir(parents=True)
        (tmp_path / "seeds" / str(seed) / "port.log").touch()
    assert len(expand(str(tmp_path / "seeds"))) == 2
    (tmp_path / "seeds" / "1" / "other.log").touch()
    with pytest.raises(ParseError, match=r"2 logs \(other\.log, port\.log\); expected one log"):
        expand(str(tmp_path / "seeds"))


def test_a_glob_gives_its_matches_in_order_and_none_is_an_error(tmp_path):
    for name in ("s2.log", "s1.log"):
        (tmp_path / name).touch()
    found = expand(str(tmp_path / "s*.log"))
    assert found == [str(tmp_path / "s1.log"), str(tmp_path / "s2.log")]
    with pytest.raises(ParseError, match="no file matches this pattern"):
        expand(str(tmp_path / "t*.log"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ParseError, match="a folder without logs"):
        expand(str(tmp_path / "empty"))


def test_a_recording_gives_back_the_same_bits_and_facts(tmp_path, log):
    odd = log.with_name("b.log")
    odd.write_text(header(seed=6) + records([np.nan, np.inf, 1e-320, 0.1 + 0.2, -0.0, *TEXT[:0]]))
    runs = [read_run(log), read_run(odd)]
    recording = record(tmp_path / "shelf" / "two", runs, origin="here", description="two runs")
    back = load_runs(recording)
    for before, after in zip(runs, back, strict=True):
        assert same_series(before.series, after.series)
        assert dict(before.facts) == dict(after.facts)
        assert (before.sha256, before.size_bytes) == (after.sha256, after.size_bytes)
    assert [r.source for r in back] == ["two/a.log", "two/b.log"]
    assert {s.unit for s in back[0].series} == {"imgs/s", ""}


def test_a_large_recording_is_packed(tmp_path, log):
    log.write_text(records(decaying(20_000)))
    recording = record(tmp_path / "big", [read_run(log)], origin="x", description="")
    assert recording.series_path.name == "series.csv.xz"
    assert same_series(load_runs(recording)[0].series, read_run(log).series)


def test_a_recording_is_not_overwritten_by_accident(tmp_path, log):
    runs = [read_run(log)]
    record(tmp_path / "one", runs, origin="x", description="")
    with pytest.raises(BaselineError, match="already recorded; pass --replace"):
        record(tmp_path / "one", runs, origin="x", description="")
    again = record(tmp_path / "one", runs * 2, origin="x", description="", replace=True)
    assert len(load_runs(again)) == 2


def test_verify_notices_changed_figures_and_another_log(tmp_path, log):
    recording = record(tmp_path / "one", [read_run(log)], origin="x", description="")
    assert "a.log is not here" in verify(recording)[1]
    assert "a.log is the log that was recorded" in verify(recording, logs=tmp_path)[1]
    log.write_text(TEXT + " ")
    with pytest.raises(BaselineError, match="another log of this name"):
        verify(recording, logs=tmp_path)
    text = recording.series_path.read_text()
    recording.series_path.write_text(text.replace("0,0,0,loss,", "0,0,0,loss,1", 1))
    with pytest.raises(BaselineError, match="SHA-256 of the figures"):
        verify(recording)
    with pytest.raises(BaselineError, match="SHA-256 of the figures"):
        load_runs(recording)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("format_version = 9\n", "format_version 9; this tool reads 1"),
        ("format_version = 1\n", "lacks series, series_sha256, runs"),
        ("x = ", "not a baseline.toml"),
        ("y = 1", "not a baseline.toml: it lacks format_version"),
    ],
)
def test_a_damaged_recording_says_what_is_wrong(tmp_path, content, message):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "baseline.toml").write_text(content)
    with pytest.raises(BaselineError) as caught:
        open_recording(tmp_path / "bad")
    assert message in str(caught.value)


def test_a_baseline_is_found_by_name_and_an_unknown_name_lists_the_known(tmp_path, log):
    record(tmp_path / "baselines" / "gpu", [read_run(log)], origin="x", description="")
    assert load("gpu", root=tmp_path)[0].source == "gpu/a.log"
    assert load("baselines/gpu", root=tmp_path)[0].source == "gpu/a.log"
    assert len(load("*.log", root=tmp_path)) == 1
    with pytest.raises(BaselineError, match="no such baseline; recorded here: gpu"):
        open_recording(tmp_path / "baselines" / "cpu")


@pytest.mark.shared
def test_the_recorded_pair_is_the_published_one(shared_data, request):
    shelf = request.config.rootpath / "baselines"
    for name, log in (("rtx4090", "cuda.log"), ("sdaa-x4", "sdaa.log")):
        recording = open_recording(shelf / f"ccnet_r50-d8_cityscapes_{name}")
        assert verify(recording, logs=shared_data / "ccnet")
        fresh = read_run(shared_data / "ccnet" / log)
        assert same_series(load_runs(recording)[0].series, fresh.series)
        assert dict(load_runs(recording)[0].facts) == dict(fresh.facts)


def test_every_recording_of_the_repository_is_whole(request):
    folders = recording_folders(request.config.rootpath / "baselines")
    recordings = [open_recording(folder) for folder in folders]
    assert recordings
    for recording in recordings:
        verify(recording)
        assert tomllib.loads((recording.folder / "baseline.toml").read_text())["origin"]


@pytest.mark.parametrize(
    "name", ["recall@5", "acc@top", "metrics/mAP@0.5", "loss, aux", 'a"b', "loss@10", "@", "x@"]
)
@pytest.mark.parametrize("window", [1, 10])
def test_a_recording_keeps_any_name_and_window(tmp_path, name, window):
    made = run(decaying(20), source="a.log")
    extra = Series(
        name=name, rank=1, window=window, unit="u", steps=np.arange(20), values=decaying(20) / 7
    )
    made = replace(made, series=(*made.series, extra), by_order=("loss",))
    (back,) = load_runs(record(tmp_path / "r", [made], origin="o", description="d"))
    assert [(s.name, s.window, s.rank, s.unit) for s in back.series] == [
        (s.name, s.window, s.rank, s.unit) for s in made.series
    ]
    assert same_series(made.series, back.series)
    assert back.by_order == ("loss",)


def test_a_table_of_several_runs_is_read_as_runs_with_hashes_of_their_own(tmp_path):
    rows = [(run, step, 3 - step / 100 + run) for run in range(3) for step in range(60)]
    text = "run,step,loss\n" + "".join(f"{run},{step},{loss}\n" for run, step, loss in rows)
    path = tmp_path / "series.csv"
    path.write_text(text)
    runs = read_runs(path)
    assert [run.source for run in runs] == [f"{path} [run {label}]" for label in range(3)]
    assert len({run.sha256 for run in runs}) == 3
    assert runs[0].sha256 != hashlib.sha256(text.encode()).hexdigest()
    assert [run.size_bytes for run in runs] == [len(text)] * 3
    assert [run.sha256 for run in load(str(path))] == [run.sha256 for run in runs]
    with pytest.raises(ParseError, match=r"holds 3 runs.*harness compare"):
        read_run(path)
