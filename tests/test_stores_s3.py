"""Logs in S3, by s3fs against the server of moto in a separate process (`tox -e stores`)."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.request

import numpy as np
import pytest

pytest.importorskip("s3fs", reason="needs s3fs and moto: tox -e stores")
pytest.importorskip("moto", reason="needs s3fs and moto: tox -e stores")

import fsspec

from harness.errors import ParseError
from harness.storage import stores
from harness.storage.listing import expand
from harness.storage.logs import read_each, read_run, read_runs

SECRET = "a-secret-of-the-tests"
BUCKET = "s3://logs"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    out = (tmp_path_factory.mktemp("moto") / "out.txt").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-p", str(port)], stdout=out, stderr=out
    )
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    yield url
    server.terminate()
    server.wait()
    out.close()


@pytest.fixture
def store(endpoint, monkeypatch):
    """An empty bucket, and the variables that a user sets."""
    for name, value in environment(endpoint).items():
        monkeypatch.setenv(name, value)
    request = urllib.request.Request(f"{endpoint}/moto-api/reset", method="POST")
    urllib.request.urlopen(request).close()
    stores._unsigned.clear()
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    files = fsspec.filesystem("s3")
    files.mkdir("logs")
    return files


def environment(endpoint):
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "AKIAOFTHETESTS",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def losses(seed, steps=60):
    """Losses that a test can make again; one seed diverges."""
    values = 2 / (1 + np.arange(steps) / 20) + np.random.default_rng(seed).normal(0, 0.02, steps)
    if seed == 3:
        values[40:43] = [np.nan, np.inf, -0.0]
    return values


def put(store, name, seed, **options):
    text = "".join(f"step {i} loss: {v!r}\n" for i, v in enumerate(losses(seed).tolist()))
    store.pipe_file(f"logs/{name}", text.encode(), **options)


def bits(values):
    return [struct.pack("<d", value).hex() for value in values]


def harness(*arguments, cwd, endpoint):
    return subprocess.run(
        [sys.executable, "-m", "harness", *arguments],
        cwd=cwd,
        env={**os.environ, **environment(endpoint), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_folders_and_patterns_give_the_logs_with_the_bits_that_were_written(store):
    for n in range(40):
        put(store, f"runs/seed_{n:02d}.log", n)
    store.pipe_file("logs/runs/model.pth", b"weights")
    urls = [f"{BUCKET}/runs/seed_{n:02d}.log" for n in range(40)]
    assert expand(f"{BUCKET}/runs/") == expand(f"{BUCKET}/runs") == urls
    assert expand(f"{BUCKET}/**/*.log") == urls
    assert expand(f"{BUCKET}/runs/seed_0?.log") == urls[:10]
    for n, (url, runs) in enumerate(read_each(urls)):
        assert url == urls[n]
        assert bits(runs[0].find("loss", 0)[0].values) == bits(losses(n))


def test_one_bad_object_is_one_error_with_its_name(store):
    for n in range(5):
        put(store, f"runs/{n}.log", n)
    store.pipe_file("logs/runs/2.log", b"no figures here\n")
    store.pipe_file("logs/runs/3.log", b"")
    reads = dict(read_each([f"{BUCKET}/runs/{n}.log" for n in range(6)]))
    bad = {url.rpartition("/")[2]: str(r) for url, r in reads.items() if isinstance(r, Exception)}
    assert list(bad) == ["2.log", "3.log", "5.log"]
    assert f"{BUCKET}/runs/5.log: no such object" in bad["5.log"]
    assert all(text.startswith(f"{BUCKET}/runs/") for text in bad.values())


def test_a_bucket_that_does_not_exist_is_one_line(store):
    for url in ("s3://no-such-bucket/a.log", "s3://no-such-bucket/runs/"):
        with pytest.raises(ParseError, match="no such object") as caught:
            [read_run(name) for name in expand(url)]
        assert SECRET not in str(caught.value)


def test_without_credentials_the_store_is_asked_without_a_signature(store, monkeypatch, tmp_path):
    put(store, "runs/a.log", 1, ACL="public-read")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert expand(f"{BUCKET}/runs/") == [f"{BUCKET}/runs/a.log"]
    assert bits(read_run(f"{BUCKET}/runs/a.log").find("loss", 0)[0].values) == bits(losses(1))
    assert "s3" in stores._unsigned


def test_the_endpoint_may_come_from_the_configuration_of_fsspec(store, monkeypatch, endpoint):
    put(store, "runs/a.log", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": endpoint})
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    assert len(read_runs(f"{BUCKET}/runs/a.log")) == 1


def test_a_table_in_a_store_keeps_the_bits_and_reads_only_what_changed(store, tmp_path, endpoint):
    for n in range(30):
        put(store, f"runs/seed_{n:02d}.log", n)
    command = ("collect", f"{BUCKET}/runs/", "--to", f"{BUCKET}/table", "--workers", "2")
    first = harness(*command, cwd=tmp_path, endpoint=endpoint)
    assert first.returncode == 0, first.stderr
    assert "30 of 30 logs read, 0 unchanged" in first.stdout
    put(store, "runs/seed_07.log", 99)
    second = harness(*command, cwd=tmp_path, endpoint=endpoint)
    assert "1 of 30 logs read, 29 unchanged" in second.stdout
    runs = read_runs(f"{BUCKET}/table")
    assert len(runs) == 30
    for n, run in enumerate(runs):
        assert bits(run.find("loss", 0)[0].values) == bits(losses(99 if n == 7 else n)), n
    one = read_run(f"{BUCKET}/table#seed_03.log")
    assert one.source == f"{BUCKET}/table#{BUCKET}/runs/seed_03.log"


def test_a_collect_that_is_killed_goes_on(store, tmp_path, endpoint):
    for n in range(120):
        put(store, f"runs/{n:03d}.log", n)
    command = [sys.executable, "-c", SLOWLY, "collect", f"{BUCKET}/runs/", "--to", "table",
               "--workers", "1"]  # fmt: skip
    env = {**os.environ, **environment(endpoint), "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, cwd=tmp_path, env=env)
    begun = time.monotonic()
    while not (tmp_path / "table" / "collecting.json").exists():
        assert time.monotonic() - begun < 90
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(ParseError, match="whose collect is not finished"):
        read_runs(tmp_path / "table")
    done = harness("collect", f"{BUCKET}/runs/", "--to", "table", cwd=tmp_path, endpoint=endpoint)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split(" unchanged")[0].rpartition(" ")[2]) >= 10
    runs = read_runs(tmp_path / "table")
    assert [bits(run.find("loss", 0)[0].values) for run in runs] == [
        bits(losses(n)) for n in range(120)
    ]


SLOWLY = """
import time
from harness.storage.table import batches, collecting
collecting.MOST_RUNS = 10
read = batches._read
def slowly(*arguments):
    time.sleep(0.03)
    return read(*arguments)
batches._read = slowly
from harness.__main__ import main
main()
"""


def test_ports_in_a_store_are_judged_and_a_bad_one_stops_no_other(store, tmp_path, endpoint):
    for n in range(6):
        put(store, f"runs/seed_{n}.log", n)
    entry = (
        '[[port]]\nname = "p{0}"\nbaseline = "{1}/runs/seed_[0-2].log"\n'
        'candidate = "{1}/runs/{2}"\n'
    )
    names = ["seed_4.log", "seed_5.log", "gone.log", "seed_3.log"]
    text = "".join(entry.format(n, BUCKET, name) for n, name in enumerate(names))
    (tmp_path / "ports.toml").write_text(text)
    done = harness("check", "ports.toml", "--limit", "100", cwd=tmp_path, endpoint=endpoint)
    assert done.returncode == 2
    assert "no such object" in done.stdout + done.stderr
    assert "NaN or infinite" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_a_baseline_is_recorded_from_a_store(store, tmp_path, endpoint):
    for n in range(3):
        put(store, f"runs/seed_{n}.log", n)
    done = harness("baseline", "add", "gpu", f"{BUCKET}/runs/", "--origin", "here", cwd=tmp_path,
                   endpoint=endpoint)  # fmt: skip
    assert "recorded 3 runs" in done.stdout, done.stderr
