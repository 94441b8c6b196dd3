"""Commands on what strangers made: a verdict's status, or 2 and one line; nothing else."""

import contextlib
import http.server
import io
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from loglines import decaying, header, records
from portresults import result

from harness.cli.main import app
from harness.comparison.result import PortResult
from harness.errors import HarnessError, HistoryError
from harness.ports.history.store import open_history
from harness.ports.manifest import read_manifest
from harness.system import running

ROOT = Path(__file__).parents[1]
ENTRY = '[[port]]\nname = "p"\nbaseline = "gpu.log"\ncandidate = "port.log"\n'
STATUSES = {0, 1, 2, 3, 4}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.chdir(tmp_path)
    base = decaying(60)
    for seed, name in ((1, "gpu.log"), (2, "port.log")):
        noise = np.random.default_rng(seed).normal(0, 0.02, base.size)
        Path(name).write_text(records(base * (1 + noise)))
    Path("ports.toml").write_text(ENTRY + 'rules = ["two-sided"]\n')
    return tmp_path


def harness(*args):
    """A command in this process: its status and what it printed."""
    out, err = io.StringIO(), io.StringIO()
    before = sys.argv
    sys.argv = ["harness", *map(str, args)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = running.run(lambda: app)
    finally:
        sys.argv = before
    return status, out.getvalue(), err.getvalue()


def command(*args, **kwargs):
    """A command in a process of its own."""
    kwargs = {"capture_output": True, "text": True, "timeout": 120, **kwargs}
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "harness", *map(str, args)], check=False, env=env, **kwargs
    )


def sound(status, out, err):
    """Whether a command ended as one may: no traceback, no foreign status, one line of error."""
    assert status in STATUSES, (status, err)
    assert "Traceback" not in out + err
    assert "internal error" not in out + err, out + err
    if status == 1:
        assert "fail" in out
    if status == 2 and "Usage" not in err:
        assert len(err.splitlines()) == 1 or "error" in out, err
    return status


# What a command is run by


@pytest.mark.parametrize(
    "error",
    [TypeError("x"), RecursionError("deep"), MemoryError(), UnicodeEncodeError("a", "b", 0, 1, "c"),
     AssertionError(), BaseException("of a library"), ImportError("typer"), StopIteration()],
    ids=repr,
)  # fmt: skip
def test_an_internal_error_is_one_line_and_status_2(capsys, monkeypatch, error):
    monkeypatch.delenv(running.TRACEBACK, raising=False)

    def load():
        raise error

    assert running.run(load) == 2
    line = capsys.readouterr().err
    assert line.startswith("error: internal error in harness ")
    assert type(error).__name__ in line
    assert line.count("\n") == 1
    monkeypatch.setenv(running.TRACEBACK, "1")
    running.run(load)
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [(SystemExit(1), 1), (SystemExit(3), 3), (SystemExit("words"), 2), (KeyboardInterrupt(), 130)],
    ids=repr,
)
def test_leaving_keeps_its_status(error, status):
    def load():
        raise error

    assert running.run(load) == status


def test_a_broken_dependency_is_status_2(tmp_path):
    (tmp_path / "typer.py").write_text("raise RuntimeError('broken')\n")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "harness", "--help"], capture_output=True, text=True, check=False,
        env=env, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "internal error in harness" in done.stderr
    assert "Traceback" not in done.stderr


OUTPUTS = ("j.xml", "g.json", "c.md", "h.sqlite", "rep/index.html", "rep/p/report.html")
CHECK = ("check", "--junit", "j.xml", "--gitlab", "g.json", "--comment", "c.md", "--history",
         "h.sqlite", "--report", "rep")  # fmt: skip


@pytest.mark.parametrize("end", ["closed pipe", "full", "none"])
def test_output_that_nobody_reads_changes_no_status_and_loses_no_file(place, end):
    if end == "full" and not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    run = " ".join([f"{sys.executable} -m harness", *CHECK])
    shell = {
        "closed pipe": f"({run}; echo $? > status) | true",
        "full": f"{run} > /dev/full; echo $? > status",
        "none": f"{run} >&-; echo $? > status",
    }[end]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GITHUB_ACTIONS": "1"}
    subprocess.run(["bash", "-c", shell], check=False, env=env, timeout=120, capture_output=True)
    assert Path("status").read_text().strip() == "0"
    assert [name for name in OUTPUTS if not Path(name).exists()] == []


@pytest.mark.parametrize("args", [("formats",), ("parse", "gpu.log"), ("--help",)])
def test_output_of_a_command_without_a_verdict_may_be_cut_by_its_reader(place, args):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = " ".join([f"{sys.executable} -m harness", *args])
    done = subprocess.run(
        ["bash", "-c", f"({run}; echo status $? >&2) | true"], check=False, env=env, timeout=120,
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr == "status 0\n"
    if Path("/dev/full").exists() and args[0] == "parse":
        with Path("/dev/full").open("w") as full:
            done = command(*args, stdout=full, stderr=subprocess.PIPE, capture_output=False)
        assert done.returncode == 2
        assert "standard output: No space left on device" in done.stderr


def test_an_argument_that_is_no_text_is_shown_escaped(place):
    done = command("compare", "a\udcff\n\x1b[2Jb", "gpu.log")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "\x1b" not in done.stderr


def test_without_arguments_three_commands_are_shown():
    status, out, err = harness()
    text = " ".join((out + err).split())
    assert status == 2
    for start in ("harness compare gpu.log", "harness baseline add", "harness check --report"):
        assert start in text
    assert harness("--version")[0] == 0


# A check


def test_an_error_of_one_port_costs_no_other(place, monkeypatch):
    Path("ports.toml").write_text(
        "".join(ENTRY.replace('"p"', f'"p{i}"') + 'rules = ["two-sided"]\n' for i in range(3))
    )
    from harness.ports import check as checking

    real = checking.compare_port

    def compare_port(port, root):
        if port.name == "p1":
            raise RecursionError("deep")
        return real(port, root)

    monkeypatch.setattr(checking, "compare_port", compare_port)
    status, out, err = harness(*CHECK)
    assert status == 2
    assert "p1: internal error in harness" in out
    assert "2 pass, 1 error" in " ".join(out.split())
    assert err == ""


def test_a_report_does_not_keep_yesterdays_verdict(place):
    Path("ports.toml").write_text(ENTRY + 'rules = ["two-sided"]\n' + ENTRY.replace('"p"', '"q"'))
    harness("check", "--report", "rep")
    assert Path("rep/p/report.html").exists()
    Path("ports.toml").write_text(ENTRY + 'rules = ["two-sided"]\n')
    Path("rep/q/notes.txt").write_text("mine")
    Path("port.log").unlink()
    status, *_ = harness("check", "--report", "rep")
    assert status == 2
    assert not Path("rep/p").exists()
    assert [p.name for p in Path("rep/q").iterdir()] == ["notes.txt"]  # it left the manifest
    assert "./p/report.html" not in Path("rep/index.html").read_text()


def test_a_check_that_is_interrupted_leaves_an_index_of_what_it_knows(place, monkeypatch):
    from harness.ports import check as checking

    harness("check", "--report", "rep")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(checking, "compare_port", interrupted)
    assert harness("check", "--report", "rep")[0] == 130
    assert "the check was interrupted" in Path("rep/index.html").read_text()
    assert not Path("rep/p").exists()


def test_a_check_follows_no_link_of_a_checkout(place):
    victim = place / "victim"
    victim.mkdir()
    for name in ("a", "report.html", "comparison.json"):
        (victim / name).write_text("mine")
    before = {p.name: p.read_text() for p in victim.iterdir()}
    Path(".harness_cache").symlink_to(victim)
    for name in ("j.xml", "g.json", "c.md"):
        Path(name).symlink_to(victim / "a")
    Path("rep").mkdir()
    Path("rep/index.html").symlink_to(victim / "a")
    Path("rep/p").symlink_to(victim)
    status, out, _ = harness(*CHECK)
    assert status == 2
    assert "rep/p: is a symbolic link" in out
    Path("rep/p").unlink()
    Path("rep/p").mkdir()
    for name in ("report.html", "comparison.json", ".harness-port"):
        Path("rep/p", name).symlink_to(victim / "report.html")
    assert harness(*CHECK)[0] == 0
    Path("h.sqlite").unlink()
    Path("h.sqlite").symlink_to(victim / "new.sqlite")
    status, _, err = harness(*CHECK)
    assert (status, "is a symbolic link" in err) == (2, True)
    assert {p.name: p.read_text() for p in victim.iterdir()} == before


def test_secrets_of_an_address_stand_nowhere(place):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        at = f"http://ann:S3cretPw@127.0.0.1:{server.server_port}"
        url = f"{at}/gpu.log?X-Amz-Signature=S3cretSig"
        Path("ports.toml").write_text(
            ENTRY.replace('"gpu.log"', f'"{url}"') + 'rules = ["two-sided"]\n'
            + ENTRY.replace('"p"', '"q"').replace("port.log", f"{at}/absent?token=S3cretTok")
        )  # fmt: skip
        status, out, err = harness(*CHECK)
        sound(status, out, err)
        shown = harness("history", "p", "--history", "h.sqlite", "--json", "-")[1]
        harness("baseline", "add", "x", url, "--origin", url)
    finally:
        server.shutdown()
        server.server_close()
    written = [p for name in OUTPUTS[:4] if (p := Path(name)).exists()]
    assert len(written) == 4
    for text in (out, err, shown, *(p.read_text(errors="replace") for p in written)):
        assert "S3cret" not in text
    for toml in Path().glob("baselines/x/*"):
        assert "S3cret" not in toml.read_text()


# Going on with a check


def unfinished(place, monkeypatch, broken="q"):
    """A check of two ports of which the second was interrupted."""
    from harness.ports import check as checking

    real = checking.compare_port

    def compare_port(port, root):
        if port.name == broken:
            raise KeyboardInterrupt
        return real(port, root)

    entries = (ENTRY, ENTRY.replace('"p"', '"q"'))
    Path("ports.toml").write_text("".join(e + 'rules = ["two-sided"]\n' for e in entries))
    with monkeypatch.context() as patched:
        patched.setattr(checking, "compare_port", compare_port)
        assert harness("check")[0] == 130


def test_a_result_is_kept_for_the_bytes_that_were_judged(place, monkeypatch):
    unfinished(place, monkeypatch)
    status, _, err = harness("check", "--resume")
    assert status == 0
    assert "1 of 2 ports were already judged" in err


def test_a_log_of_the_same_size_and_time_is_judged_again(place, monkeypatch):
    unfinished(place, monkeypatch)
    log, stat = Path("port.log"), Path("port.log").stat()
    text = log.read_text()
    other = text.replace("train.loss : 3", "train.loss : 9")
    assert len(other) == len(text)
    assert other != text
    log.write_text(other)
    os.utime(log, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert "were already judged" not in harness("check", "--resume")[2]


def test_a_log_that_changes_while_it_is_judged_is_judged_again(place, monkeypatch):
    from harness.ports import check as checking

    real = checking.compare_port

    def compare_port(port, root):
        if port.name == "q":
            raise KeyboardInterrupt
        found = real(port, root)
        log = root / "port.log"
        log.write_text("later\n")
        return found

    entries = (ENTRY, ENTRY.replace('"p"', '"q"'))
    Path("ports.toml").write_text("".join(e + 'rules = ["two-sided"]\n' for e in entries))
    with monkeypatch.context() as patched:
        patched.setattr(checking, "compare_port", compare_port)
        assert harness("check")[0] == 130
    status, _, err = harness("check", "--resume")
    assert "were already judged" not in err
    assert status == 2


def test_a_recording_that_changes_is_judged_again(place, monkeypatch):
    harness("baseline", "add", "gpu", "gpu.log", "--origin", "o")
    monkeypatch.setattr(sys.modules[__name__], "ENTRY", ENTRY.replace("gpu.log", "gpu"))
    unfinished(place, monkeypatch)
    Path("gpu.log").write_text(header(seed=1) + records(decaying(60) * 2))
    harness("baseline", "add", "gpu", "gpu.log", "--origin", "o", "--replace")
    assert "were already judged" not in harness("check", "--resume")[2]


def test_results_in_a_checkout_and_other_reports_are_not_believed(place, monkeypatch):
    unfinished(place, monkeypatch)
    Path("rep/p").mkdir(parents=True)
    Path("rep/p/comparison.json").write_text("{}")
    assert "were already judged" not in harness("check", "--resume", "--report", "rep")[2]
    unfinished(place, monkeypatch)
    assert not Path(".harness_cache").exists()
    (journal,) = Path(".cache").rglob("*.jsonl")
    forged = json.loads(journal.read_text())
    journal.write_text(json.dumps({**forged, "result": "[" * 100_000}) + "\n")
    sound(*harness("check", "--resume"))


# Manifests


def manifest_error(text):
    path = Path("m.toml")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(HarnessError) as caught:
        read_manifest(path)
    message = str(caught.value)
    assert "\n" not in message
    assert not any(word in message for word in ("Input should", "Field required", "pydantic"))
    return message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no entry; write [[port]]"),
        ("[[ports]]\nname = 'p'\n", "has [[ports]]; write [[port]]"),
        ("[port]\nname = 'p'\n", "has [port]; write [[port]], in two pairs of brackets"),
        ("port = 1", "expected entries that begin with [[port]]"),
        ("port = [1]", "expected entries that begin with [[port]]"),
        ("x = 1\n" + ENTRY, "has 'x' outside an entry; put it below a [[port]]"),
        (ENTRY + 'rule = ["exact"]', "m.toml:1: port p: unknown key 'rule'; did you mean 'rules'?"),
        (ENTRY + 'zzz = 1', "unknown key 'zzz'; known keys: name, baseline"),
        (ENTRY + 'allow = "seed"', "allow is 'seed'; write allow = [\"seed\"]"),
        (ENTRY + 'rules = "exact"', "rules is 'exact'; write rules = [\"exact\"]"),
        (ENTRY + "rules = []", "rules holds []; expected a list of rules"),
        (ENTRY + "rules = [1]", "rules holds 1; expected a list of rules"),
        (ENTRY + 'rules = ["two-sided:window=1"]', "p: parameter 'window' of rule 'two-sided'"),
        (ENTRY + 'rules = ["equivalence:confidence=7"]', "parameter 'confidence' of rule"),
        (ENTRY + "rules = [{ name = 'equivalence', margin = 2 }]", "for 2 % write 2% or 0.02"),
        (ENTRY + "last = true", "last holds true; expected a whole number of at least 1"),
        (ENTRY + "last = 1.0", "last holds 1.0; expected a whole number"),
        (ENTRY + 'last = "1"', "last holds '1'; expected a whole number"),
        (ENTRY + "max_missing = true", "max_missing holds true; expected a fraction from 0 to 1"),
        (ENTRY + "max_missing = nan", "max_missing holds nan; expected a fraction"),
        (ENTRY + "max_missing = -inf", "max_missing holds -inf; expected a fraction"),
        (ENTRY + "rank = 99999999999999999999", "rank holds 99999999999999999999; expected"),
        (ENTRY + "steps = [9, 1]", "steps = [9, 1] ends before it begins"),
        (ENTRY + "steps = [1]", "steps holds [1]; expected the first and the last step"),
        (ENTRY.replace('"gpu.log"', "5"), "baseline holds 5; expected a log"),
        (ENTRY.replace('"port.log"', '"a\\u0000b"'), r"candidate holds 'a\x00b'; expected a log"),
        (ENTRY.replace('candidate = "port.log"\n', ""), "port p: lacks candidate; expected a log"),
        (ENTRY + ENTRY, "two ports are named p"),
        (ENTRY + ENTRY.replace('"p"', '"P"'), "the names p and P are the same folder"),
        (ENTRY + "last = " + "9" * 5000, "a number or a nesting that is too large"),
        (ENTRY + "last = " + "9" * 4000, "last holds 999"),
        ("a = " + "[" * 100_000, "nests brackets more than 50 deep"),
        ("a = " + "{a=" * 100_000, "nests brackets more than 50 deep"),
        ("a" + ".a" * 30_000 + " = 1", "a dotted key of more than 50 parts"),
        ("[a" + " . a" * 30_000 + "]", "a dotted key of more than 50 parts"),
        ('a' + '."a"' * 30_000 + " = 1", "a dotted key of more than 50 parts"),
        ('"\\' * 200_000, "is not TOML"),
        ("'" * 300_001, "is not TOML"),
        ("a" * 2_000_000, "is not TOML"),
        ("#" * (5 << 20), "is larger than 4 MiB"),
        (ENTRY.encode("utf-16"), "is UTF-16; save it as UTF-8"),
        (ENTRY.encode() + b"\0", "holds a NUL on line 5"),
        (ENTRY.encode() + b"\xff", "is not UTF-8: byte 0xff on line 5"),
    ],
)  # fmt: skip
def test_a_manifest_that_does_not_fit_says_so_in_words_of_its_author(place, text, message):
    assert message in manifest_error(text)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "a\\b", "a:b", "a b", "a\nb", "a\0b", "-x", ".git", "x" * 300,
     "ü" * 101, "CON", "nul.log", "com1", "a.", "a\u202eb", "a\x1bb"],
)  # fmt: skip
def test_a_name_that_is_no_folder_is_refused(place, name):
    text = ENTRY.replace('"p"', json.dumps(name))
    assert "name " in manifest_error(text)
    status, _, err = harness("baseline", "add", "--origin", "o", "--", name, "gpu.log")
    assert status == 2
    assert not list(Path().rglob("baseline.toml"))
    assert err.count("\n") == 1


def test_all_mistakes_are_listed_up_to_ten(place):
    message = manifest_error("".join(ENTRY.replace('"p"', f'"p{i}"') + "last = 0\n"
                                     for i in range(15)))  # fmt: skip
    assert "15 mistakes: line 1, port p0: last holds 0" in message
    assert "line 46, port p9" in message
    assert "port p10" not in message
    assert message.endswith("and 5 more")


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbf" + ENTRY.encode(), ENTRY.replace("\n", "\r\n").encode(),
     ENTRY.replace("\n", "\r").encode()],
)  # fmt: skip
def test_byte_order_marks_and_other_line_ends_are_read(place, data):
    Path("m.toml").write_bytes(data)
    assert read_manifest(Path("m.toml")).port[0].name == "p"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_no_manifest(place):
    os.mkfifo("pipe.toml")
    for path in ("pipe.toml", "/dev/zero", "."):
        status, _, err = harness("check", path)
        assert (status, err.count("\n")) == (2, 1)


# Histories


def database(where, change):
    with open_history(str(where)) as history:
        from datetime import UTC, datetime

        history.append([result("p", "pass")], commit="c", when=datetime.now(UTC))
    with sqlite3.connect(where) as connection:
        change(connection)
    connection.close()


DAMAGES = {
    "two revisions": "INSERT INTO harness_history_version VALUES ('other')",
    "an unknown revision": "UPDATE harness_history_version SET version_num = 'f00'",
    "deep JSON": f"UPDATE harness_history SET result = '{'[' * 100_000}'",
    "other JSON": "UPDATE harness_history SET result = '[1]'",
    "a number": "UPDATE harness_history SET result = 7",
    "nothing": "UPDATE harness_history SET result = ''",
    "bytes": "UPDATE harness_history SET result = x'ff00'",
    "a wrong type": 'UPDATE harness_history SET result = replace(result, \'"verdict": "pass"\', '
    "'\"verdict\": [1]')",
    "an unknown verdict": "UPDATE harness_history SET result = replace(result, '\"pass\"', "
    "'\"ok\"')",
    "a text for a difference": "UPDATE harness_history SET result = "
    "replace(result, '\"relative_difference\": ', "
    '\'"relative_difference": "x", "was": \')',
    "a moment that is none": "UPDATE harness_history SET moment = 'yesterday'",
    "no such column": "ALTER TABLE harness_history DROP COLUMN effect",
    "no table": "DROP TABLE harness_history",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_history_is_one_line(place, damage):
    database("h.sqlite", lambda connection: connection.execute(DAMAGES[damage]))
    for args in (("history",), ("history", "p"), ("check",)):
        status, _, err = harness(*args, "--history", "h.sqlite")
        assert "internal error" not in err
        if args != ("check",):
            assert (status, err.count("\n")) == (2, 1), (damage, args, err)


def test_a_row_of_a_newer_version_is_read():
    entry = json.loads(result("p", "pass").to_json()) | {"colour": "green"}
    entry["rules"] = [{"rule": "exact", "verdict": "pass", "reason": "", "weight": 1}]
    assert PortResult.from_json(json.dumps(entry)).port == "p"


@pytest.mark.parametrize(
    "where",
    ["host=db password=S3cret", "user = x  password=S3cret", "dbname=x", ".", "/dev/zero", "",
     "sqlite://", "sqlite:///", "sqlite:///:memory:", ":memory:", "sqlite:////no/such/h.sqlite",
     "postgresql://u:S3cret@h:x/d", "oracle://u:S3cret@h/d", "sqlite:///h.db?mode=S3cret",
     "postgresql+nonsense://u:S3cret@h/d", "://", "no/such/folder/h.sqlite"],
)  # fmt: skip
def test_a_place_that_holds_no_history_is_refused_without_its_secret(place, where):
    before = sorted(Path().iterdir())
    with pytest.raises(HistoryError) as caught, open_history(where):
        pass
    message = str(caught.value)
    assert "S3cret" not in message
    assert "\n" not in message
    assert sorted(Path().iterdir()) == before


# Whatever else there is


def hostile_manifest(rng):
    """An entry with a few keys that hold something odd."""
    odd = ["true", "-1", "1e400", "nan", '""', "[]", "{}", "[[1]]", '"../x"', '"\\u0000"', '"a,b"',
           '"gpu.log"', '"*.log"', '"http://u:S3cret@127.0.0.1:9/x?k=S3cret"', "1979-05-27", "0",
           '["all"]', '"/dev/null"', '"."', '"loss@1"', "9" * 30, '"reference://x::y"']  # fmt: skip
    keys = ["name", "baseline", "candidate", "rules", "metric", "rank", "allow", "reason", "steps",
            "last", "min_steps", "max_missing", "pattern", "extra"]  # fmt: skip
    values = {"name": '"p"', "baseline": '"gpu.log"', "candidate": '"port.log"'}
    values |= {rng.choice(keys): rng.choice(odd) for _ in range(rng.randint(1, 3))}
    return "[[port]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def test_no_manifest_ends_in_anything_but_a_verdict_or_one_line(place):
    rng = random.Random(5)
    seen = set()
    for _ in range(150):
        Path("ports.toml").write_text(
            "".join(hostile_manifest(rng) for _ in range(rng.randint(1, 2)))
        )
        status, out, err = harness("check", "-q")
        seen.add(sound(status, out, err))
        assert "S3cret" not in out + err
    assert {0, 2} <= seen


def test_no_options_end_in_anything_but_a_verdict_or_one_line(place):
    harness("baseline", "add", "gpu", "gpu.log", "--origin", "o")
    words = "gpu.log port.log gpu absent . - --rule --last 0 equivalence:margin=2 --metric nope"
    words += " --report --json /dev/full --rank -1 --allow all --until 3 --pattern ("
    words = [*words.split(), "", "a\0b", "x" * 5000, "\ud800"]
    commands = ["compare", "explain", "parse", "history", "check", "loss", "baseline", "formats"]
    inner = ["add", "list", "show", "verify", "seal", "nope"]
    rng = random.Random(7)
    for _ in range(150):
        first = rng.choice(commands)
        more = [rng.choice(inner)] if first == "baseline" else []
        if first == "compare" and rng.random() < 0.5:
            more = ["gpu.log", "port.log"]
        args = [first, *more, *rng.choices(words, k=rng.randint(0, 4))]
        status, out, err = harness(*args)
        assert status in STATUSES, args
        assert "Traceback" not in out + err, args
        assert "internal error" not in out + err, (args, err)
        assert status != 1 or "fail" in out or first == "loss", args
