"""Logs that strangers give: one line and status 2, or a verdict; never a traceback or a secret.

Bounds are made small, so that a test sees them kept in a second; their real values are in the docs.
"""

import bz2
import contextlib
import gzip
import http.server
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time

import pytest
from loglines import decaying, header, records

from harness.__main__ import main
from harness.errors import HarnessError, ParseError
from harness.log.facts import RunFacts
from harness.log.run import Run, Skipped
from harness.parse import parse_log
from harness.storage import bounded, local, remote, unpack
from harness.storage.inputs import load, load_sides
from harness.storage.logs import expand, read_run
from harness.storage.places import parts_of, place_of
from harness.trackers import tfrecords as events

TEXT = header(seed=5) + records(decaying(60))
SECRET = "S3cretTok"
CHUNK = b"1\r\nx\r\n"


def answers(path: str) -> list[bytes | float]:
    """What the server sends for a path: bytes, and seconds to wait."""
    ok = b"HTTP/1.1 200 OK\r\n"
    body = TEXT.encode()
    sized = ok + b"Content-Length: %d\r\n\r\n" % len(body)
    chunked = ok + b"Transfer-Encoding: chunked\r\n\r\n"
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n"
    known: dict[str, list[bytes | float]] = {
        "good": [sized, body],
        "query": [sized, body],
        "packed.log.gz": [ok + b"\r\n", gzip.compress(body)],
        "encoded": [ok + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(body)],
        "brotli": [ok + b"Content-Encoding: br\r\n\r\n", body],
        "moved": [moved % b"/good"],
        "file": [moved % b"file:///etc/passwd"],
        "loop": [moved % b"/loop"],
        "nowhere": [b"HTTP/1.1 302 Found\r\n\r\n"],
        "away": [moved % b"http://localhost:%d/good"],
        "short": [ok + b"Content-Length: 99999\r\n\r\n", body],
        "negative": [ok + b"Content-Length: -5\r\n\r\n", body],
        "absurd": [ok + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", body],
        "torn": [chunked, b"%x\r\n" % len(body), body[:100]],
        "garbage": [b"what is this\r\n\r\n"],
        "headers": [ok, b"X: y\r\n" * 200, b"\r\n"],
        "404": [b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nabc"],
        "stall": [sized, body[:100], 9.0],
        "silent": [9.0],
        "drip": [chunked, *([CHUNK, 0.05] * 200)],
        "dripping-head": [ok, *([b"X", 0.05] * 200)],
        "endless": [chunked, *([b"1000\r\n" + b"x" * 4095 + b"\n\r\n"] * 5000)],
    }
    return known[path.strip("/").partition("?")[0]]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """The other side may go away."""


@pytest.fixture(scope="module")
def server():
    seen = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append((self.path, self.headers.get("Host"), self.headers.get("Authorization")))
            for part in answers(self.path):
                if isinstance(part, float):
                    time.sleep(part)
                else:
                    port = b"%d" % self.server.server_port
                    self.wfile.write(part.replace(b"%d", port))
                    self.wfile.flush()
            self.close_connection = True

        def log_message(self, *_):
            """Nothing."""

    with _Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        running.seen = seen
        yield running
        running.shutdown()


@pytest.fixture
def url(server):
    return lambda path: f"http://ann:{SECRET}@127.0.0.1:{server.server_port}/{path}"


@pytest.fixture
def hasty(monkeypatch):
    """Bounds of time in which a test can wait."""
    monkeypatch.setattr(remote, "WAIT_S", 0.5)
    monkeypatch.setattr(remote, "TOTAL_S", 1.5)
    monkeypatch.setattr(local, "PAUSE_S", 0.5)
    monkeypatch.setattr(bounded, "MAX_BYTES", 1 << 20)


def run(capsys, monkeypatch, *arguments):
    """Status, standard output and standard error of the command."""
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    out = capsys.readouterr()
    return int(ended.value.code or 0), out.out, out.err


def check_outcome(status, out, err):
    """What holds of every command, whatever it reads."""
    assert "Traceback" not in out + err
    assert SECRET not in out + err
    assert status in {0, 1, 2, 3, 4}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", out + err)
    if status == 2:
        assert err.startswith("error: ")
        assert err.count("\n") == 1


def test_the_check_of_an_outcome_can_fail():
    for bad in ((1, "Traceback", ""), (0, SECRET, ""), (2, "", "a\nb\n"), (0, "\x1b[2J", "")):
        with pytest.raises(AssertionError):
            check_outcome(*bad)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("file", "redirects to something other than an http"),
        ("nowhere", "redirects to something other than an http"),
        ("loop", "more than 5 redirects"),
        ("short", r"the connection closed after \d+ of 99999 bytes"),
        ("negative", "states an invalid length"),
        ("absurd", "states more than 1 MiB"),
        ("torn", "the connection closed within the answer"),
        ("garbage", "the server's answer is not HTTP"),
        ("headers", "the server's answer is not HTTP"),
        ("brotli", "uses the encoding 'br'"),
        ("404", "the server answers 404 Not Found"),
        ("stall", "took more than 0.5 s to send its next byte"),
        ("silent", "took more than 0.5 s to send its next byte"),
        ("drip", "did not end within 1.5 s"),
        ("dripping-head", "did not end within 1.5 s"),
        ("endless", "more than 1 MiB"),
    ],
)
def test_a_server_that_misbehaves_is_one_line_in_time(url, hasty, capsys, monkeypatch, path, words):
    begun = time.monotonic()
    outcome = run(capsys, monkeypatch, "parse", url(f"{path}?X-Amz-Signature={SECRET}"))
    assert time.monotonic() - begun < 8
    check_outcome(*outcome)
    assert outcome[0] == 2
    assert re.search(words, outcome[2])


@pytest.mark.parametrize("path", ["good", "moved", "encoded", "packed.log.gz", "query?a=b,c"])
def test_a_server_that_behaves_is_read(url, path):
    found = read_run(url(path))
    assert len(found.find("loss", 0)[0]) == 60
    assert SECRET not in found.source
    assert bool([note for note in found.notes if "states no length" in note]) == (
        path in {"encoded", "packed.log.gz"}
    )


def test_a_password_goes_to_the_host_that_it_was_given_for_and_to_no_other(server, url):
    server.seen.clear()
    read_run(url("moved"))
    assert all(auth for _, _, auth in server.seen)
    server.seen.clear()
    read_run(url("away"))
    first, second = server.seen
    assert first[2] is not None
    assert (second[1], second[2]) == (f"localhost:{server.server_port}", None)


def test_no_output_and_no_recording_holds_a_secret(url, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    given = url(f"good?X-Amz-Signature={SECRET}")
    commands = [
        ["parse", given, "--json", "p.json"],
        ["parse", given, "--json", "-"],
        ["compare", given, given, "--json", "c.json", "--report", "rep"],
        ["baseline", "add", "b", given, "--origin", "here"],
        ["baseline", "show", "b"],
        ["explain", given, given],
    ]
    for command in commands:
        check_outcome(*run(capsys, monkeypatch, *command))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    "spec",
    [
        "reference://a::local://b",
        "REFERENCE://x",
        " reference://x",
        "file::reference://x",
        "simplecache::http://h/x",
        "memory://x::reference://y",
        "dir://x",
        "local://a.log",
        "zip://a",
        "github://o:r@b/x",
        "file://host/a.log",
        "http://",
        "http://h:99999/x",
        "",
        " ",
        "a\0b",
    ],
)
def test_what_is_no_place_of_a_log_is_refused_before_any_library_is_asked(spec, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    for ask in (place_of, expand, read_run, load):
        with pytest.raises(ParseError):
            ask(spec)


def test_a_file_url_is_a_local_path(tmp_path):
    path = tmp_path / "a b.log"
    path.write_text(TEXT)
    assert len(load(f"FILE://{tmp_path}/a%20b.log")) == 1
    assert len(load(f"file://localhost{tmp_path}/*.log")) == 1
    with pytest.raises(ParseError, match="no such file"):
        load(f"file://{tmp_path}/no.log")


def test_a_comma_parts_a_url_from_another_url_alone():
    assert parts_of("http://h/a,b.log") == ["http://h/a,b.log"]
    assert parts_of("a.log,http://h/a,b,s3://c/d") == ["a.log", "http://h/a,b", "s3://c/d"]
    with pytest.raises(ParseError, match="an empty name between commas"):
        load("a.log,,b.log")


def command(*arguments, **options):
    words = [sys.executable, "-m", "harness", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)


def test_standard_input_is_read_once(tmp_path):
    done = command("parse", "-", input=TEXT)
    assert (done.returncode, done.stderr) == (0, "")
    assert "60" in done.stdout
    with pytest.raises(ParseError, match="standard input is named twice"):
        load_sides("-", "-")
    with pytest.raises(ParseError, match="standard input in a manifest"):
        load("-", root=tmp_path)


def test_a_pipe_that_nobody_writes_to_ends(tmp_path, hasty):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ParseError, match=r"nobody wrote into this pipe for 0\.5 s"):
        read_run(tmp_path / "pipe")
    (tmp_path / "events.out.tfevents.1").symlink_to("pipe")
    with pytest.raises(ParseError, match="a folder without logs"):
        expand(str(tmp_path))


def test_a_slow_writer_is_read_as_long_as_it_writes(tmp_path, hasty):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    def write():
        with pipe.open("wb", buffering=0) as file:
            for start in range(0, len(TEXT), len(TEXT) // 5):
                file.write(TEXT[start : start + len(TEXT) // 5].encode())
                time.sleep(0.2)

    writer = threading.Thread(target=write)
    writer.start()
    assert len(read_run(pipe).find("loss", 0)[0]) == 60
    writer.join()


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/random", "/dev/null", "/dev/tty"])
def test_a_device_is_no_log(path):
    with pytest.raises(ParseError, match="a device, not a file"):
        read_run(path)


def test_a_socket_is_no_log(tmp_path):
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "s"))
        with pytest.raises(ParseError, match="a socket, not a file"):
            read_run(tmp_path / "s")


def test_a_file_that_grows_is_read_as_it_was(tmp_path):
    path = tmp_path / "a.log"
    path.write_text("step 1 loss 2\nstep 2 loss 1\n")
    stream = local.open_path(str(path))
    with path.open("a") as more:
        more.write("step 3 loss 1\n" * 1000)
    assert len(stream.read(1 << 20)) == 28
    assert stream.read(1 << 20) == b""
    stream.close()


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_an_archive_that_becomes_too_much_is_refused_before_it_is_read(
    tmp_path, monkeypatch, suffix, pack
):
    monkeypatch.setattr(unpack, "FLOOR_BYTES", 1 << 20)
    path = tmp_path / f"a.log{suffix}"
    path.write_bytes(pack(TEXT.encode() + b"step 1 loss 1.0\n" * 1_000_000))
    with pytest.raises(ParseError, match=r"compressed bytes give more than .* a ratio above 100"):
        read_run(path)
    noise = random.Random(1).randbytes(1 << 20).hex().encode()  # packs little, and so allows much
    path.write_bytes(pack(TEXT.encode() + b"step 1 loss 1.0\n" * 1_000_000 + noise))
    with pytest.raises(ParseError, match=r"compressed bytes give more than .* a ratio above 100"):
        read_run(path)
    lines = "".join(f"step {i} loss {1 / (i + 1)}\n" for i in range(100_000))
    path.write_bytes(pack(lines.encode()))  # 3 MB, and no more than logs pack
    assert len(read_run(path).find("loss", 0)[0]) == 100_000


def test_unpacking_without_a_line_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "PATIENCE_S", 0.0)
    path = tmp_path / "a.log.gz"
    path.write_bytes(gzip.compress(b"x" * 100))
    with pytest.raises(ParseError, match="no line ends within 0 s of decompression"):
        read_run(path)


def test_links_that_lead_in_a_circle_end(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).symlink_to(tmp_path)
    (tmp_path / "x").symlink_to("x")
    (tmp_path / "r.log").write_text(TEXT)
    begun = time.monotonic()
    assert expand("**/*.log", root=tmp_path) == [str(tmp_path / "r.log")]
    assert time.monotonic() - begun < 10
    with pytest.raises(ParseError, match="cannot be read"):
        read_run(tmp_path / "x")


def test_a_pattern_below_a_folder_with_brackets_finds_its_files(tmp_path):
    folder = tmp_path / "runs [1]"
    folder.mkdir()
    (folder / "s1.log").write_text(TEXT)
    assert expand("s*.log", root=folder) == [str(folder / "s1.log")]
    assert expand("runs [1]/s?.log", root=tmp_path) == [str(folder / "s1.log")]


def test_a_folder_of_very_many_logs_is_one_line(tmp_path):
    for i in range(1001):
        (tmp_path / f"{i}.log").touch()
    with pytest.raises(ParseError, match="1001 logs; expected at most 1000"):
        expand(str(tmp_path))


def test_a_file_name_that_is_not_utf_8_can_be_written(tmp_path, capsys, monkeypatch):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/a\xff\x1b.log")
    with open(path, "w") as file:  # noqa: PTH123  (a name of bytes)
        file.write(TEXT)
    source = read_run(path).source
    assert source.isprintable()
    source.encode()
    made = tmp_path / "r"
    check_outcome(*run(capsys, monkeypatch, "compare", path, path, "--report", made))
    assert (made / "report.html").is_file()


def event_file(folder, datas, *, name="events.out.tfevents.1"):
    """An event file with these records behind its first one."""
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    folder.mkdir(exist_ok=True)
    with (folder / name).open("wb") as file:
        for data in [Event(file_version="brain.Event:2").SerializeToString(), *datas]:
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc32c(length)))
            file.write(data + struct.pack("<I", masked_crc32c(data)))
    return folder / name


def scalar(step, value, *, tag="loss", dims=()):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto

    tensor = TensorProto(dtype=1, float_val=[value])
    for n in dims:
        tensor.tensor_shape.dim.add(size=n)
    return Event(
        step=step, summary=Summary(value=[Summary.Value(tag=tag, tensor=tensor)])
    ).SerializeToString()


@pytest.mark.parametrize("dims", [(10**9,), (10**15,), (2**32, 2**32), (-1,), (0,)])
def test_a_tensor_is_not_made_larger_than_a_scalar(tmp_path, dims):
    path = event_file(tmp_path, [scalar(1, 1.0, dims=dims), scalar(2, 2.0, dims=(1, 1))])
    loss = read_run(path).find("loss", 0)[0]
    assert (loss.steps.tolist(), loss.values.tolist()) == ([2], [2.0])


def test_odd_events_cost_their_record_alone(tmp_path):
    odd = [scalar(-1, 1.0), scalar(2**63 - 1, 1.0), scalar(3, 1.0, tag=""), b"\xff" * 40]
    found = read_run(event_file(tmp_path, [*odd, scalar(4, 5.0)]))
    assert found.find("loss", 0)[0].steps.tolist() == [4]
    assert len(found.skipped) == len(odd)


def test_a_wrong_checksum_costs_its_record_and_an_absurd_length_the_rest(tmp_path, monkeypatch):
    path = event_file(tmp_path, [scalar(i, 1.0) for i in range(3)])
    data = bytearray(path.read_bytes())
    data[-6] ^= 255
    path.write_bytes(data)
    found = read_run(path)
    assert found.find("loss", 0)[0].steps.tolist() == [0, 1]
    assert "its checksum is wrong" in found.skipped[0].reason
    monkeypatch.setattr(events, "MAX_RECORD", 5)
    with pytest.raises(ParseError, match="no training record"):
        read_run(path)


HUGE = "9" * 5000
DEEP = "[" * 100_000
HOSTILE_TEXTS = {
    "integer": f'{{"step": 1, "loss": {HUGE}}}\n',
    "step": f'{{"step": {HUGE}, "loss": 1}}\n',
    "deep": f'{{"step": 1, "loss": 1, "x": {DEEP}\n',
    "exponent": '{"step": 1, "loss": 1e999999999}\nstep 2 loss 1e-999999999\n',
    "config": f"07/26 08:17:17 - mmengine - INFO - Config:\nseed = {HUGE}\nx = {DEEP}\n",
    "hex": f"07/26 08:17:17 - mmengine - INFO - Config:\nseed = 0x{HUGE}\n",
    "world": f"Port environment:\n    world_size: {HUGE}\n    batch_per_device: many\n\n",
    "large": "Port environment:\n    world_size: 999999999999999999\n    planned_steps: -7\n\n",
    "words": "Port environment:\n    world_size: four\n    planned_steps: all\n    seed: x\n\n",
    "escape": "Port environment:\n    device_name: \x1b[2J\u202e::stop::\n\n",
    "arguments": f"Namespace(lr=inf, momentum=nan, seed={HUGE})\n",
    "names": '{"step": 1, "loss": 1, "\\u001b[2J": 1, "a\\nb": 2, "\\u202e": 3, "\\ud800": 4}\n',
    "blank": "\n" * 100_000,
    "returns": "\r" * 100_000,
    "zeros": "\0" * 1000,
    "gzip": gzip.compress(b"x" * 99).decode("latin-1"),
}


@pytest.mark.parametrize("kind", HOSTILE_TEXTS)
def test_hostile_text_ends_in_a_line_or_a_verdict(kind, tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.log"
    path.write_text(HOSTILE_TEXTS[kind] + TEXT, encoding="utf-8", errors="surrogatepass")
    honest = tmp_path / "b.log"
    honest.write_text(TEXT)
    json_to = tmp_path / "c.json"
    for words in (
        ["parse", path, "--json", "-"],
        ["parse", path],
        ["compare", honest, path, "--json", json_to, "--report", tmp_path / "r"],
        ["compare", path, path, "--quiet"],
        ["baseline", "add", "b", path, "--origin", "x", "--baselines", tmp_path / "s"],
    ):
        outcome = run(capsys, monkeypatch, *words)
        check_outcome(*outcome)
        if outcome[0] == 1:
            assert json.loads(json_to.read_text())["verdict"] == "fail"


def test_many_generated_files_end_in_a_line_or_a_verdict(tmp_path, capsys, monkeypatch):
    draw = random.Random(5)
    data = TEXT.encode()
    for i in range(60):
        changed = bytearray(data)
        for _ in range(draw.randrange(1, 8)):
            at = draw.randrange(len(changed))
            piece = bytes(draw.choices(range(256), k=draw.randrange(9)))
            changed[at : at + draw.randrange(40)] = piece
        name = f"{i}.log{draw.choice(['', '', '.gz', '.xz', '.zst', '.bz2'])}"
        packed = gzip.compress(bytes(changed)) if draw.random() < 0.5 else bytes(changed)
        (tmp_path / name).write_bytes(packed)
        check_outcome(*run(capsys, monkeypatch, "parse", tmp_path / name))
        good = tmp_path / "good.log"
        good.write_text(TEXT)
        check_outcome(*run(capsys, monkeypatch, "compare", good, tmp_path / name, "-q"))


def test_remarks_that_repeat_one_cause_are_one_with_their_number():
    row = "".join(f', "s{i}": {i}' for i in range(990))
    text = "".join(f'{{"step": {step}, "loss": 1{row}}}\n' for step in (1, 2, 2, 3))
    found = parse_log([text], source="a.jsonl")
    assert len(found.notes) == 1
    assert found.notes[0].endswith("(likewise 990 more)")


def test_a_text_of_a_log_is_kept_without_controls_and_of_bounded_length():
    facts = RunFacts(
        values_by_name={"model": "a\x1b[2J\u202e", "dataset": "x" * 9999, "seed": 10**5000}
    )
    assert facts["model"] == r"a\x1b[2J\u202e"
    assert len(str(facts["dataset"])) == 2000
    assert facts["dataset"] != RunFacts(values_by_name={"dataset": "x" * 9998})["dataset"]
    assert str(facts["seed"]).startswith("0x")
    skipped = Skipped(line=1, text="\x1b[2J", reason="a\nb")
    assert (skipped.text, skipped.reason) == (r"\x1b[2J", r"a\nb")
    made = Run(source=f"http://u:{SECRET}@h/a?b={SECRET}", series=(), notes=("a\rb",))
    assert (made.source, made.notes) == ("http://***@h/a?b=***", (r"a\rb",))


def test_a_name_that_is_escaped_does_not_become_another_series():
    text = '{"step": 1, "loss": 1, "a\\\\nb": 2, "a\\nb": 3}\n'
    found = parse_log([text], source="a.jsonl")
    assert {s.name: s.values.tolist() for s in found.series} == {"loss": [1], r"a\nb": [2]}
    assert len(found.skipped) == 1


@pytest.mark.parametrize("kind", ["names", "blank", "returns", "short"])
def test_time_grows_with_the_size_of_a_log(kind):
    def text(n):
        if kind == "names":
            return "".join(f'{{"step": {i}, "loss": 1, "s{i}": 1}}\n' for i in range(n // 40))
        return {"blank": "\n", "returns": "\r", "short": "y\n"}[kind] * (n // len("y"))

    def seconds(n):
        log = text(n)
        begun = time.process_time()
        with contextlib.suppress(HarnessError):
            parse_log([log], source="a")
        return time.process_time() - begun

    seconds(1000)
    assert seconds(1_600_000) < 8 * max(0.05, seconds(400_000))
