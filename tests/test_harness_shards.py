"""`harness check --shard` and `harness merge`: what one machine would have written, or an error."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from fleets import KINDS, call, outputs, stop_clocks, write_fleet, written

from harness import HarnessError
from harness.ports.journal import journal_path
from harness.ports.shard_files import RUN_VARIABLES
from harness.ports.shards import Shard, deal, parse_shard

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in (*RUN_VARIABLES, "GITHUB_ACTIONS", "GITHUB_SHA", "CI_COMMIT_SHA"):
        monkeypatch.delenv(name, raising=False)
    stop_clocks(monkeypatch)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def judge_shards(count, *options, only=None):
    for index in only or range(1, count + 1):
        call("check", "--shard", f"{index}/{count}", "-q", *options)


def refused(*words):
    with pytest.raises(HarnessError) as caught:
        call(*words)
    return str(caught.value)


@pytest.mark.extra("history")
def test_merged_shards_are_what_one_machine_writes_for_any_number_of_shards(here):
    write_fleet(here, 84)
    alone = (*call("check", *outputs(here / "alone")), *written(here / "alone"))
    assert alone[0] == 2
    words = {json.loads(row[-1])["verdict"] for row in alone[3]}
    assert words == {"pass", "fail", "inconclusive", "incomparable", "error"}
    assert any(json.loads(row[-1])["qualifier"] for row in alone[3])
    for count in (1, 2, 3, 7, 8, 100):
        where = here / f"in{count}"
        judge_shards(count, "--shards", where / "shards")
        merged = call("merge", where / "shards", *outputs(where / "merged"))
        assert (*merged, *written(where / "merged")) == alone, count


@pytest.mark.extra("history")
def test_merged_reports_index_and_annotations_are_those_of_one_machine(here, monkeypatch):
    write_fleet(here, len(KINDS))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(here))
    monkeypatch.setenv("GITHUB_SHA", "c" * 40)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary-alone"))
    Path("out").mkdir()
    alone = (
        *call("check", "--report", "out/reports", *outputs(Path("out"))),
        *written(Path("out")),
    )
    assert "::error file=ports.toml" in alone[1]
    assert {row[3] for row in alone[3]} == {"c" * 40}
    Path("out").rename("alone")
    judge_shards(3, "--report", "out/reports")
    monkeypatch.delenv("GITHUB_SHA")  # the commit is that of the shards
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(here / "summary-merged"))
    merged = call("merge", "--report", "out/reports", *outputs(Path("out")))
    files, rows = written(Path("out"))
    assert [name for name in alone[2] if files.get(name) != alone[2][name]] == []
    assert (*merged, files, rows) == alone
    assert Path("summary-merged").read_bytes() == Path("summary-alone").read_bytes()


def test_a_shard_exits_with_its_worst_port_and_merge_with_the_worst_of_all(here):
    write_fleet(here, 2)
    statuses = sorted(call("check", "--shard", f"{i}/2", "-q")[0] for i in (1, 2))
    assert statuses == [0, 0]
    text = Path("ports.toml").read_text().replace('"pass.log"', '"fail.log"')
    Path("ports.toml").write_text(text)
    assert sorted(call("check", "--shard", f"{i}/2", "-q")[0] for i in (1, 2)) == [0, 1]
    assert call("merge", "-q")[0] == 1


def test_a_shard_without_ports_says_so_and_can_be_merged(here):
    write_fleet(here, 2)
    ended = [call("check", "--shard", f"{i}/3") for i in (1, 2, 3)]
    assert ended[2] == (0, "shard 3/3 has no port, because the manifest has 2 ports\n")
    assert call("merge", "-q")[0] == 0


def test_sizes_differ_by_one_and_every_port_is_in_one_shard():
    names = [f"model{i // 8}-board{i % 8}" for i in range(203)]
    for count in (1, 2, 3, 7, 8, 203, 500):
        parts = [deal(names, Shard(i, count)) for i in range(1, count + 1)]
        assert sorted(place for part in parts for place in part) == list(range(203))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_port_keeps_its_shard_if_the_manifest_is_sorted_anew():
    names = [f"p{i}" for i in range(100)]
    mixed = random.Random(0).sample(names, 100)
    for index in (1, 2, 3):
        shard = Shard(index, 3)
        assert {names[n] for n in deal(names, shard)} == {mixed[n] for n in deal(mixed, shard)}


def test_no_shard_gets_every_large_log_of_a_periodic_manifest():
    names = [f"model{i // 8}-board{i % 8}" for i in range(800)]
    large = [sum(n % 8 == 0 for n in deal(names, Shard(i, 8))) for i in range(1, 9)]
    assert max(large) < 25  # dealt in the order of the manifest, one shard would have all 100


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0/8", "shards count from 1"),
        ("9/8", "there is no shard 9 of 8"),
        ("2", "not a shard; expected I/N"),
        ("1/0", "there is no shard 1 of 0"),
        ("-1/8", "not a shard"),
        ("1/100001", "more than 100,000 shards"),
        ("٢/8", "not a shard"),
    ],
)
def test_a_shard_that_cannot_be_is_refused(text, why):
    with pytest.raises(HarnessError, match=why):
        parse_shard(text)


def test_outputs_of_the_whole_check_are_refused_in_a_shard(here):
    write_fleet(here, 2)
    message = refused("check", "--shard", "1/2", "--comment", "c.md")
    assert message == "--comment with --shard; give that option to `harness merge`"
    assert not Path("shards").exists()
    message = refused("check", "--shards", "1/2")  # a slip that would judge every port
    assert message == "--shards 1/2 without --shard I/N; name the shard to judge"


# What merge refuses


@pytest.fixture
def three(here):
    write_fleet(here, 12)
    judge_shards(3)
    return here


def test_a_missing_shard_is_named_with_the_command_that_judges_it(three):
    Path("shards/2-of-3.jsonl").unlink()
    assert refused("merge") == (
        "1 shard of 3 missing: 2; run `harness check ports.toml --shard 2/3`, and copy its file "
        "here"
    )
    judge_shards(3, only=[2])
    assert call("merge", "-q")[0] == 2  # a port is an error


def test_a_shard_given_twice_is_refused(three):
    Path("shards/again").mkdir()
    Path("shards/again/2-of-3.jsonl").write_bytes(Path("shards/2-of-3.jsonl").read_bytes())
    assert "shard 2/3 again, as shards/2-of-3.jsonl; give each shard once" in refused("merge")


def test_shards_of_two_divisions_are_refused(three):
    judge_shards(4, only=[1])
    message = refused("merge")
    assert message.startswith("shards/1-of-4.jsonl: shard 1/4, but other files are shards of 3; ")


def forged(path, head=(), change=lambda entries: entries):
    """Rewrites the file of a shard with another head or other entries, and with their SHA-256."""
    from hashlib import sha256

    first, *entries, _ = [json.loads(line) for line in path.read_text().splitlines()]
    lines = [json.dumps(e) + "\n" for e in ({**first, **dict(head)}, *change(entries))]
    digest = sha256("".join(lines).encode()).hexdigest()
    path.write_text("".join(lines) + json.dumps({"sha256": digest}) + "\n")


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("manifest", "x/ports.toml", "manifest x/ports.toml, and other shards have ports.toml"),
        ("entries", "0" * 64, f"entries with SHA-256 {'0' * 64}, and other shards have"),
        ("ports", 13, "number of ports 13, and other shards have 12"),
        ("commit", "abc", "commit abc, and other shards have unknown; check out one commit"),
        ("run", "7", "run 7, and other shards have unknown; delete the files of the other run"),
        ("version", "9.9", "harness 9.9, and other shards have"),
        ("format", 2, "has format 2; expected 1. Use one version of harness"),
        ("count", "3", "its head has a field of another type"),
        ("index", 4, "it names a shard 4/3"),
        ("commit", None, "its head has a field of another type"),
    ],
)
def test_a_shard_of_another_check_is_refused_with_its_file(three, field, value, why):
    forged(Path("shards/2-of-3.jsonl"), {field: value})
    message = refused("merge")
    assert message.startswith("shards/2-of-3.jsonl: ")
    assert why in message


def test_a_changed_manifest_is_another_check(three):
    Path("ports.toml").write_text("\n" + Path("ports.toml").read_text())
    judge_shards(3, only=[3])
    message = refused("merge")
    assert message.startswith("shards/3-of-3.jsonl: shard 3/3 has entries with SHA-256 ")
    assert message.endswith("judge every shard from the same manifest")


def test_yesterdays_shard_is_not_taken_for_todays(three, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "42")
    judge_shards(3, only=[1, 2])  # the third job never began
    assert "shards/3-of-3.jsonl: shard 3/3 has run unknown, and other shards have 42" in refused(
        "merge"
    )
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "43")
    monkeypatch.setenv("HARNESS_RUN", "42")
    judge_shards(3, only=[3])
    assert call("merge", "-q")[0] == 2


def test_a_port_in_two_shards_or_in_none_is_refused(three):
    one, two = Path("shards/1-of-3.jsonl"), Path("shards/2-of-3.jsonl")
    entry = json.loads(one.read_text().splitlines()[1])
    before = two.read_bytes()
    forged(two, change=lambda entries: [*entries, entry])
    port = json.loads(entry["result"])["port"]
    assert f"port {port} is in shard 2/3 and in shard 1/3" in refused("merge")
    two.write_bytes(before)
    forged(two, change=lambda entries: entries[1:])
    assert "1 port in no shard" in refused("merge")
    two.write_bytes(before)
    forged(two, change=lambda entries: [*entries, entries[0]])
    assert "shard 2/3 has a port twice" in refused("merge")


def damages(data):
    """Yields damaged copies of a file: cut off anywhere, a byte flipped, a line lost or foreign."""
    yield b""
    yield b"\xff\xfe"
    yield b"[]\n"
    yield b"{}\n{}\n"
    yield b"[" * 100_000
    yield from (data[: len(data) * i // 9] for i in range(1, 9))
    for i in range(7):
        place = len(data) * i // 7
        yield data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    lines = data.splitlines(keepends=True)
    yield b"".join(lines[:1] + lines[2:])
    yield data + data


def test_any_damage_to_a_file_is_an_error_of_one_line(three):
    path = Path("shards/2-of-3.jsonl")
    for data in damages(path.read_bytes()):
        path.write_bytes(data)
        message = refused("merge")
        assert message.startswith("shards/2-of-3.jsonl: damaged: "), data[:80]
        assert "\n" not in message


def test_a_file_or_folder_that_is_not_there_is_refused(here):
    assert refused("merge") == "shards: cannot be read: No such file or directory; check the path"
    Path("shards").mkdir()
    assert refused("merge").startswith("shards: no file of a shard in this folder; ")
    write_fleet(here, 2)
    judge_shards(1)
    assert "the output would overwrite it" in refused("merge", "--junit", "shards/1-of-1.jsonl")


def test_a_report_that_its_shard_did_not_write_is_refused(here):
    write_fleet(here, 3)
    judge_shards(2, "--report", "reports")
    assert call("merge", "--report", "reports", "-q")[0] == 1
    Path("reports/p0/comparison.json").write_text("{}")
    assert refused("merge", "--report", "reports").startswith(
        "reports/p0: is not the report that shard "
    )
    assert refused("merge", "--report", "elsewhere").startswith("elsewhere/p0: has no report")
    judge_shards(2)
    assert "has no reports; run every shard with --report" in refused(
        "merge", "--report", "reports"
    )


def test_a_shard_keeps_the_reports_of_other_shards_and_removes_those_of_lost_ports(here):
    write_fleet(here, 4)
    judge_shards(2, "--report", "reports")
    write_fleet(here, 3)
    judge_shards(2, "--report", "reports", only=[1])
    assert sorted(path.name for path in Path("reports").iterdir()) == ["p0", "p1", "p2"]


def test_a_folder_that_leads_out_of_a_checkout_is_not_written_through(here, tmp_path):
    write_fleet(here, 2)
    (tmp_path / "outside").mkdir()
    kept = tmp_path / "outside" / "1-of-1.jsonl"
    kept.write_text("kept")
    Path("shards").symlink_to(tmp_path / "outside")
    assert "a symbolic link that leads out of the current folder" in refused(
        "check", "--shard", "1/1", "-q"
    )
    assert kept.read_text() == "kept"


# A shard that is killed


def lines_of(path):
    return path.read_text().count("\n") if path.exists() else 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_killed_shard_leaves_no_results_and_goes_on_without_judging_twice(here, monkeypatch):
    write_fleet(here, 12)
    names = [f"p{i}" for i in range(12)]
    mine = deal(names, Shard(1, 2))
    judge_shards(2)
    last = KINDS[mine[-1] % len(KINDS)]
    whole = Path(f"{last}.log")
    kept = whole.read_bytes() if whole.exists() else None
    whole.unlink(missing_ok=True)
    os.mkfifo(whole)  # nobody writes into it: the shard cannot end by itself
    command = [sys.executable, "-m", "harness", "check", "--shard", "1/2", "-q"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    journal = journal_path(here / "ports.toml", "1-of-2")
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as running:
        waiting = {i for i in mine if KINDS[i % len(KINDS)] in {last, "error", "absent"}}
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and lines_of(journal) < len(mine) - len(waiting):
            time.sleep(0.05)
        running.send_signal(signal.SIGKILL)
    assert not Path("shards/1-of-2.jsonl").exists()
    assert "1 shard of 2 missing: 1" in refused("merge")
    started = {
        json.loads(json.loads(line)["result"])["port"]: json.loads(line)["result"]
        for line in journal.read_text().splitlines()
    }
    assert len(started) == len(mine) - len(waiting) > 0
    whole.unlink()
    if kept is not None:
        whole.write_bytes(kept)
    done = subprocess.run(
        [*command, "--resume"], check=False, env=env, capture_output=True, text=True
    )
    assert f"{len(started)} of {len(mine)} ports were already judged" in done.stderr
    entries = [json.loads(t) for t in Path("shards/1-of-2.jsonl").read_text().splitlines()[1:-1]]
    after = {json.loads(e["result"])["port"]: e["result"] for e in entries}
    assert {name: after[name] for name in started} == started  # with the time of the first judging
    ports = Counter(json.loads(e["result"])["port"] for e in entries)
    assert ports == Counter(names[place] for place in mine)
    assert not journal.exists()
    assert call("merge", "-q")[0] == 2


def test_shards_that_share_a_home_folder_keep_separate_journals(here):
    write_fleet(here, 2)
    manifest = here / "ports.toml"
    paths = {journal_path(manifest, part) for part in ("", "1-of-2", "2-of-2")}
    assert len(paths) == 3
