"""Files are written whole or not at all, and never through somebody else's link."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from loglines import decaying, records

from harness.comparison.pipeline import compare
from harness.errors import HarnessError
from harness.parse import parse_log
from harness.ports.files import OWNER, remove_report, reports_of, save_report
from harness.system import whole
from harness.system.whole import append_text, fill_folder, write_bytes, write_text

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def comparison():
    runs = [parse_log([records(decaying(60) * f)], source=s) for f, s in ((1, "a"), (1.001, "b"))]
    return compare(*runs)


def test_a_link_is_replaced_and_its_target_stays(tmp_path):
    other = tmp_path / "precious"
    other.write_text("mine")
    for name in ("a.xml", "dangling"):
        (tmp_path / name).symlink_to(other if name == "a.xml" else tmp_path / "nowhere")
        write_text(tmp_path / name, "new")
        assert not (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == "new"
    assert other.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_nothing_is_added_through_a_link(tmp_path):
    other = tmp_path / "precious"
    other.write_text("mine")
    (tmp_path / "summary.md").symlink_to(other)
    with pytest.raises(HarnessError, match="cannot be written"):
        append_text(tmp_path / "summary.md", "more")
    assert other.read_text() == "mine"


def test_a_file_keeps_its_mode_and_a_new_one_has_that_of_the_system(tmp_path):
    old = tmp_path / "old"
    old.write_text("x")
    old.chmod(0o640)
    write_text(old, "y")
    write_text(tmp_path / "new", "y")
    (tmp_path / "plain").write_text("y")
    assert old.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_and_a_device_are_written_to(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    write_text(pipe, "through")
    reader.join(20)
    assert got == ["through"]
    assert pipe.is_fifo()
    write_text(Path(os.devnull), "away")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize("refusing", ["write", "fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_file_and_nothing_beside(tmp_path, refusing):
    path = tmp_path / "j.xml"
    path.write_text("old")
    script = (
        "import os, resource, signal, sys\n"
        "from pathlib import Path\n"
        "from harness.system import whole\n"
        "def full(*a, **k): raise OSError(28, 'No space left on device')\n"
        f"if {refusing!r} == 'write':\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        f"elif {refusing!r} == 'fsync': os.fsync = full\n"
        "else: Path.replace = full\n"
        "try: whole.write_text(Path(sys.argv[1]), 'new' * 1000)\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        capture_output=True, text=True, check=False, cwd=ROOT, timeout=60,
    )  # fmt: skip
    assert "cannot be written" in done.stdout, done
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["j.xml"]


def test_a_name_that_cannot_be_is_one_line(tmp_path):
    with pytest.raises(HarnessError, match="cannot be written"):
        write_bytes(tmp_path / "a\0b", b"x")
    with pytest.raises(HarnessError, match="cannot be written"):
        write_bytes(tmp_path / ("a" * 300), b"x")


def test_what_could_not_be_made_leaves_the_folder_as_it_was(tmp_path):
    (tmp_path / "a").write_text("old")

    def make(folder):
        (folder / "a").write_text("new")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_folder(tmp_path, make)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


@pytest.mark.extra("plots")
def test_a_report_is_not_written_through_links_and_goes_whole(tmp_path, comparison, monkeypatch):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "report.html").write_text("mine")
    folder = tmp_path / "rep" / "p"
    folder.mkdir(parents=True)
    (folder / "report.html").symlink_to(precious / "report.html")
    save_report(comparison, folder, command="x", owner="ports.toml")
    assert (precious / "report.html").read_text() == "mine"
    assert not (folder / "report.html").is_symlink()
    assert {p.name for p in folder.iterdir()} == {
        "report.html", "report.md", "comparison.json", "comparison.png", "comparison.svg", OWNER
    }  # fmt: skip
    (tmp_path / "rep" / "q").symlink_to(precious)
    with pytest.raises(HarnessError, match="is a symbolic link"):
        save_report(comparison, tmp_path / "rep" / "q", command="x", owner="ports.toml")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("harness.report.comparison.plot.save", full)
    with pytest.raises(HarnessError, match="No space left"):
        save_report(comparison, folder, command="y", owner="ports.toml")
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_report_is_taken_away_and_what_is_not_its_own_stays(tmp_path, comparison):
    save_report(comparison, tmp_path / "p", command="x", owner="../ports.toml")
    save_report(comparison, tmp_path / "q", command="x", owner="../other.toml")
    (tmp_path / "p" / ".unfinished-1").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "p")
    assert reports_of("../ports.toml", tmp_path) == [tmp_path / "p"]
    with pytest.raises(HarnessError, match="is a symbolic link"):
        remove_report(tmp_path / "link")
    (tmp_path / "q" / "notes.txt").write_text("mine")
    remove_report(tmp_path / "p")
    remove_report(tmp_path / "q")
    remove_report(tmp_path / "absent")
    assert not (tmp_path / "p").exists()
    assert [p.name for p in (tmp_path / "q").iterdir()] == ["notes.txt"]


def test_the_system_s_own_links_are_written_to(monkeypatch):
    assert whole.is_direct(Path("/dev/stdout"))
    assert whole.is_direct(Path("/proc/self/fd/1"))
    assert not whole.is_direct(Path("/devices"))
