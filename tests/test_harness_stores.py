"""Logs in stores, by fsspec's store in memory: what a name gives, many in flight, errors."""

import threading
import time

import fsspec
import pytest

from harness.errors import ParseError
from harness.log.run import same_series
from harness.storage import fetching, stores
from harness.storage.fetching import fetched_ahead
from harness.storage.inputs import load
from harness.storage.listing import expand
from harness.storage.logs import read_each, read_run

TREES = {
    "logs beside each other": ("b.log", "a.log", "notes.md", ".hidden.log", "c.csv.gz"),
    "perturbed runs": ("a.log", "perturbed_10/a.log", "perturbed_2/a.log", "perturbed_x/a.log"),
    "a log per sub-folder": ("s2/t.log", "s1/t.log", "s1/x.pth", "deep/er/t.log"),
    "several logs in a sub-folder": ("s1/a.log", "s1/b.log"),
    "nothing": ("a.pth", "b/c.bin"),
}
PATTERNS = ("*", "*.log", "**/*.log", "**", "s?/t.log", "*/a.log", "perturbed_[0-9]*/*", "none*.x")


@pytest.fixture
def store():
    files = fsspec.filesystem("memory")
    yield files
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def log_text(seed=0, steps=60):
    return "".join(f"step {i} loss: {2 / (1 + i) + seed / 7!r}\n" for i in range(steps))


def put(store, tmp_path, names):
    """Writes the same logs into a folder and into the store."""
    for number, name in enumerate(names):
        local = tmp_path / "runs" / name
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(log_text(number))
        store.pipe_file(f"/bucket/runs/{name}", log_text(number).encode())


def outcome(spec, start):
    """The names relative to a folder, or the error without it."""
    try:
        return [name.removeprefix(start) for name in expand(spec)]
    except ParseError as error:
        return str(error).removeprefix(start).split(";")[0].split("(")[0].split(":")[0]


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("pattern", ["", *PATTERNS])
def test_a_name_gives_the_logs_that_it_gives_on_a_disk(store, tmp_path, tree, pattern):
    put(store, tmp_path, TREES[tree])
    local, remote = f"{tmp_path}/runs/", "memory://bucket/runs/"
    expected, found = outcome(local + pattern, local), outcome(remote + pattern, remote)
    if isinstance(expected, str):
        assert isinstance(found, str), found
    else:
        assert found == expected


def test_a_folder_that_is_named_without_a_slash_is_a_folder(store, tmp_path):
    put(store, tmp_path, TREES["logs beside each other"])
    assert expand("memory://bucket/runs") == expand("memory://bucket/runs/")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "no such object; check the bucket and the key"),
        (("a.pth", "b.pth"), "a folder without logs (2 other objects)"),
        (("events.out.tfevents.17.host.1.0",), "event files in a store are not read"),
        (("s1/a.log", "s1/b.log"), "2 logs (a.log, b.log); expected one log per run"),
    ],
)
def test_a_folder_that_gives_no_log_says_why(store, tmp_path, names, words):
    put(store, tmp_path, names)
    with pytest.raises(ParseError) as caught:
        expand("memory://bucket/runs/")
    assert words in str(caught.value)


def test_more_logs_than_expected_are_refused(store, tmp_path):
    put(store, tmp_path, ("a.log", "b.log", "c.log"))
    with pytest.raises(ParseError, match="3 logs; expected at most 2"):
        expand("memory://bucket/runs/", most=2)


def test_runs_of_a_store_are_those_of_the_disk_in_the_same_order(store, tmp_path):
    put(store, tmp_path, [f"seed_{n}.log" for n in range(50)])
    local, remote = load(f"{tmp_path}/runs"), load("memory://bucket/runs/")
    assert [run.sha256 for run in local] == [run.sha256 for run in remote]
    assert all(same_series(a.series, b.series) for a, b in zip(local, remote, strict=True))


def test_many_logs_are_fetched_at_the_same_time_and_arrive_in_order(monkeypatch):
    lock, running, most = threading.Lock(), 0, 0

    def slow(url):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02 if url.endswith("0.log") else 0.005)
        with lock:
            running -= 1
        return fetching.Fetched(data=url.encode())

    monkeypatch.setattr(fetching, "fetch", slow)
    urls = [f"s3://bucket/{n}.log" for n in range(200)]
    begun = time.monotonic()
    assert [url for url, _ in fetched_ahead(urls)] == urls
    assert 2 < most <= stores.IN_FLIGHT
    assert time.monotonic() - begun < 200 * 0.0065 / 2


def test_only_few_logs_are_held_at_a_time(monkeypatch):
    asked = []
    monkeypatch.setattr(fetching, "fetch", lambda url: asked.append(url))
    stream = fetched_ahead(f"s3://bucket/{n}.log" for n in range(1000))
    next(stream)
    assert len(asked) <= stores.IN_FLIGHT
    stream.close()


def test_a_log_that_cannot_be_read_stops_no_other(store, tmp_path):
    put(store, tmp_path, ("a.log", "b.log", "c.log"))
    store.pipe_file("/bucket/runs/b.log", b"no figures\n")
    urls = [f"memory://bucket/runs/{name}.log" for name in "abxc"]
    reads = dict(read_each(urls))
    assert list(reads) == urls
    assert [isinstance(read, tuple) for read in reads.values()] == [True, False, False, True]
    assert "memory://bucket/runs/x.log: no such object" in str(reads[urls[2]])


def test_a_log_above_the_size_that_is_fetched_ahead_is_read_as_a_stream(
    store, tmp_path, monkeypatch
):
    monkeypatch.setattr(fetching, "SMALL", 100)
    put(store, tmp_path, ("a.log",))
    run = read_run("memory://bucket/runs/a.log")
    assert same_series(run.series, read_run(f"{tmp_path}/runs/a.log").series)
    assert run.sha256 == read_run(f"{tmp_path}/runs/a.log").sha256


def test_a_log_without_a_byte_is_an_empty_log(store):
    store.pipe_file("/bucket/empty.log", b"")
    with pytest.raises(ParseError, match="empty"):
        read_run("memory://bucket/empty.log")


class BusyError(Exception):
    """An error such as botocore raises."""

    def __init__(self, status):
        super().__init__(f"status {status}")
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


@pytest.fixture
def waits(monkeypatch):
    waited = []
    monkeypatch.setattr(stores.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize(
    "error",
    [BusyError(503), BusyError(429), ConnectionResetError(), TimeoutError(), OSError(16, "busy")],
)
def test_a_busy_store_is_asked_again_with_growing_waits(waits, error):
    answers = iter([error, error, "data"])

    def ask(files, path):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert stores.on_store("memory://bucket/a", ask) == "data"
    assert len(waits) == 2
    assert stores.FIRST_WAIT_S / 2 <= waits[0] <= stores.FIRST_WAIT_S <= waits[1] * 1.0001


@pytest.mark.parametrize(
    "error", [BusyError(404), BusyError(403), PermissionError(), FileNotFoundError()]
)
def test_what_does_not_pass_is_not_tried_again(waits, error):
    def ask(files, path):
        raise error

    with pytest.raises(ParseError):
        stores.on_store("memory://bucket/a", ask)
    assert waits == []


def test_a_store_that_stays_busy_is_one_line(waits):
    def ask(files, path):
        raise BusyError(503)

    with pytest.raises(ParseError, match=r"did not answer in 5 tries \(status 503\); try again"):
        stores.on_store("memory://bucket/a", ask)
    assert len(waits) == stores.TRIES - 1


def test_credentials_are_not_shown(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-test")

    def ask(files, path):
        raise ValueError("signed with a-secret-of-the-test\nmore")

    with pytest.raises(ParseError) as caught:
        stores.on_store("memory://bucket/a", ask)
    assert "a-secret" not in str(caught.value)
    assert str(caught.value).endswith("signed with ***; check the URL and the endpoint")


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure")])
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, scheme, extra):
    import sys

    known = sys.modules["fsspec.registry"]._registry
    for protocol, package in stores.PACKAGES.items():
        monkeypatch.setitem(sys.modules, package, None)
        monkeypatch.delitem(known, protocol, raising=False)
    with pytest.raises(ParseError, match=rf"pip install 'ccnet-port-harness\[{extra}\]'"):
        read_run(f"{scheme}://bucket/a.log")


def test_ports_whose_logs_are_in_a_store_are_fetched_ahead_of_the_workers(store, tmp_path):
    from harness.ports.check import Task
    from harness.ports.manifest import read_manifest
    from harness.ports.supply import fetched_ahead as supplies

    put(store, tmp_path, ("a.log", "b.log"))
    url = "memory://bucket/runs"
    (tmp_path / "ports.toml").write_text(
        f'[[port]]\nname = "p"\nbaseline = "{url}/a.log"\ncandidate = "{url}/b.log"\n'
        f'[[port]]\nname = "q"\nbaseline = "runs/a.log"\ncandidate = "{url}/gone.log"\n'
        '[[port]]\nname = "r"\nbaseline = "runs/a.log"\ncandidate = "runs/b.log"\n'
    )
    manifest = tmp_path / "ports.toml"
    tasks = [Task(port=port, manifest=manifest, line=1) for port in read_manifest(manifest).port]
    found = list(supplies(tasks))
    assert [supply.task.port.name for supply in found] == ["p", "q", "r"]
    assert sorted(found[0].logs) == [f"{url}/a.log", f"{url}/b.log"]
    assert found[0].logs[f"{url}/b.log"].data == log_text(1).encode()
    assert found[1].logs == found[2].logs == {}


def test_workers_judge_the_bytes_that_were_fetched_for_them(store, tmp_path):
    """The store in memory is empty in a worker, so that a verdict shows whose bytes it judged."""
    from harness.ports.check import Task, check_ports
    from harness.ports.manifest import read_manifest

    put(store, tmp_path, ("a.log", "b.log"))
    entry = (
        '[[port]]\nname = "p{n}"\nbaseline = "memory://bucket/runs/a.log"\n'
        'candidate = "memory://bucket/runs/{log}"\n'
    )
    logs = ["b.log", "b.log", "gone.log", "b.log"]
    manifest = tmp_path / "ports.toml"
    manifest.write_text("".join(entry.format(n=n, log=log) for n, log in enumerate(logs)))
    tasks = [Task(port=port, manifest=manifest, line=1) for port in read_manifest(manifest).port]
    results = {r.port: r for r in check_ports(tasks, workers=2, limit_s=60)}
    assert "no such object" in results["p2"].reasons[0]
    assert {results[f"p{n}"].verdict for n in (0, 1, 3)} == {"inconclusive"}
