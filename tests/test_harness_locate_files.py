"""Capture files: what is written is read, and damaged, foreign or hostile ones are one line."""

import gzip
import json
import os
import pickle
import random
import struct
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import save
from syntheticcaptures import Device, capture_of

from harness.__main__ import main
from harness.errors import ParseError
from harness.locate.capture import Record
from harness.locate.format import from_bytes, to_bytes
from harness.storage.captures import MAX_HEADER, read_capture, read_side, twins_of


@pytest.fixture(scope="module")
def run():
    return Device(0).run()


@pytest.fixture(scope="module")
def data(run):
    return to_bytes(run)


def parts_of(data):
    """The index of a capture, and its tensors."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    return json.loads(header["__metadata__"]["capture"]), header, data[8 + length :]


def with_index(data, change):
    """A capture whose index was changed."""
    index, header, rest = parts_of(data)
    change(index)
    header["__metadata__"]["capture"] = json.dumps(index)
    return framed(json.dumps(header).encode(), rest)


def framed(head, rest=b""):
    head += b" " * (-len(head) % 8)
    return struct.pack("<Q", len(head)) + head + rest


def with_tensor(run, **arrays):
    """A capture whose tensors were changed, past the checks of the class."""
    tensors = {"sketches": run.sketches, "norms": run.norms, "nonfinite": run.nonfinite}
    index, _, _ = parts_of(to_bytes(run))
    return bytes(save({**tensors, **arrays}, metadata={"capture": json.dumps(index)}))


def test_what_is_written_is_read(run, data):
    back = from_bytes(data, source="gpu.capture")
    assert back.records == run.records
    for name in ("sketches", "norms", "nonfinite"):
        assert np.array_equal(getattr(back, name), getattr(run, name))
    assert (back.facts, back.zeros, back.twin, back.moved) == (run.facts, ("head.bias",), 0, False)
    assert to_bytes(back) == data


def test_twins_beside_a_capture_belong_to_it(tmp_path, run, data):
    for k in (1, 2, 10):
        twin = to_bytes(replace(run, twin=k, moved=True))
        (tmp_path / f"gpu.twin{k}.capture").write_bytes(twin)
    for name in ("gpu.capture", "gpu2.capture", "gpu.twin.capture", "g.twin1.capture", "a.txt"):
        (tmp_path / name).write_bytes(data)
    side = read_side(str(tmp_path / "gpu.capture"))
    assert [twin.twin for twin in side.twins] == [1, 2, 10]
    assert read_side(str(tmp_path / "gpu2.capture")).twins == ()
    assert twins_of(tmp_path / "gpu.twin1.capture") == []


def test_names_with_brackets_find_their_own_twins_only(tmp_path, run, data):
    for name in ("a[1].capture", "a[1].twin1.capture", "a1.twin1.capture"):
        (tmp_path / name).write_bytes(data)
    assert [p.name for p in twins_of(tmp_path / "a[1].capture")] == ["a[1].twin1.capture"]


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/harness-was-here",)


def hostile(data, run):
    nested = b"[" * 200_000 + b"]" * 200_000
    return {
        "empty": b"",
        "seven bytes": b"1234567",
        "text": b"TCAPPDLL 2025 train.loss : 1.0\n" * 100,
        "pickle": pickle.dumps(Bomb()),
        "gzip": gzip.compress(data),
        "zip": b"PK\x03\x04" + data,
        "half": data[: len(data) // 2],
        "without the last byte": data[:-1],
        "with a byte more": data + b"x",
        "huge header": struct.pack("<Q", 1 << 62) + b"{}",
        "header as long as allowed": struct.pack("<Q", MAX_HEADER) + b"{}",
        "a header larger than its figures": framed(b'{"a":[' + b"[]," * 3_000_000 + b"[]]}"),
        "nested json": framed(nested),
        "nested index": framed(
            json.dumps({"__metadata__": {"capture": nested.decode()}}).encode()
        ),
        "weights of a network": bytes(save({"conv.weight": np.zeros((3, 3), np.float32)})),
        "index that is a list": bytes(
            save({"norms": np.zeros(1)}, metadata={"capture": "[]"})
        ),
        "no json": framed(b"no json at all"),
        "NaN in sketches": with_tensor(run, sketches=run.sketches * np.float32(np.nan)),
        "infinite norms": with_tensor(run, norms=run.norms + np.inf),
        "negative norms": with_tensor(run, norms=-1 - run.norms),
        "negative counts": with_tensor(run, nonfinite=run.nonfinite - 1),
        "another dtype": with_tensor(run, norms=run.norms.astype(np.float32)),
        "another shape": with_tensor(run, norms=run.norms[:-1]),
        "a newer format": with_index(data, lambda i: i.update(format_version=2)),
        "no version": with_index(data, lambda i: i.pop("format_version")),
        "an unknown key": with_index(data, lambda i: i.update(more=1)),
        "facts that are numbers": with_index(data, lambda i: i.update(facts={"a": 1})),
        "a column too short": with_index(data, lambda i: i["records"]["step"].pop()),
        "a million records claimed": with_index(
            data, lambda i: i["records"].update(step=[0] * 1_000_000)
        ),
        "a word that is not there": with_index(
            data, lambda i: i["records"]["name"].__setitem__(0, 10**6)
        ),
        "a negative number": with_index(data, lambda i: i["records"]["step"].__setitem__(0, -1)),
        "a huge number": with_index(data, lambda i: i["records"]["call"].__setitem__(0, 10**30)),
        "a fraction": with_index(data, lambda i: i["records"]["call"].__setitem__(0, 0.5)),
        "true": with_index(data, lambda i: i["records"]["call"].__setitem__(0, True)),
        "a kind that is unknown": with_index(
            data, lambda i: i["records"]["kind"].__setitem__(0, 99)
        ),
        "a cycle": with_index(data, lambda i: i["records"]["made_from"].__setitem__(5, [5])),
        "made from later": with_index(
            data, lambda i: i["records"]["made_from"].__setitem__(5, [9])
        ),
        "a thousand dimensions": with_index(
            data, lambda i: i["records"]["shape"].__setitem__(5, [1] * 1000)
        ),
    }  # fmt: skip


CASES = list(hostile(to_bytes(capture_of([(Record(kind="loss", name="l"), np.ones(3))] * 10)),
                     capture_of([(Record(kind="loss", name="l"), np.ones(3))] * 10)))  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_foreign_or_damaged_file_is_one_line(tmp_path, data, run, case):
    (tmp_path / "gpu.capture").write_bytes(data)
    bad = tmp_path / "bad.capture"
    bad.write_bytes(hostile(data, run)[case])
    begun = time.monotonic()
    with pytest.raises(ParseError) as raised:
        read_capture(str(bad))
    text = str(raised.value)
    assert text.startswith(str(bad))
    assert "\n" not in text
    assert len(text) < 600
    assert any(word in text for word in ("record it again", "expected", "update the harness"))
    assert time.monotonic() - begun < 20
    assert not os.path.exists("/tmp/harness-was-here")  # noqa: PTH110


@pytest.mark.parametrize("seed", range(40))
def test_flipped_bits_are_read_or_one_line(tmp_path, data, seed):
    """A flipped bit of a figure cannot be noticed; everything else is."""
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.choice((1, 3, 50))):
        length = int.from_bytes(data[:8], "little")
        changed[rng.randrange(rng.choice((16, length, len(data))))] ^= 1 << rng.randrange(8)
    try:
        capture = from_bytes(bytes(changed), source="x.capture")
    except ParseError as error:
        said = str(error)
        assert said.startswith("x.capture: ")
    else:
        assert np.isfinite(capture.sketches).all()


def test_the_command_ends_with_status_2_and_one_line(tmp_path, data, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gpu.capture").write_bytes(data)
    (tmp_path / "bad.capture").write_bytes(data[:-5])
    (tmp_path / "folder.capture").mkdir()
    for name in ("bad.capture", "absent.capture", "folder.capture", "/dev/zero", "a\0b.capture"):
        for pair in (("gpu.capture", name), (name, "gpu.capture")):
            monkeypatch.setattr("sys.argv", ["harness", "locate", *pair])
            with pytest.raises(SystemExit) as ended:
                main()
            assert ended.value.code == 2
            said = capsys.readouterr()
            assert said.out == ""
            assert len(said.err.strip().splitlines()) == 1
            assert said.err.startswith("error: ")


def test_a_damaged_twin_is_named(tmp_path, data):
    (tmp_path / "gpu.capture").write_bytes(data)
    (tmp_path / "gpu.twin1.capture").write_bytes(b"")
    with pytest.raises(ParseError, match=r"gpu\.twin1\.capture: an empty file; expected a capture"):
        read_side(str(tmp_path / "gpu.capture"))


def test_control_characters_and_secrets_in_names_are_shown_and_not_obeyed(data):
    def change(index):
        index["words"] = [f"{w}\x1b[2J\u202e http://u:pw@host/" for w in index["words"]]
        index["facts"]["device"] = "a\nb"
        index["zeros"] = ["::error::x\r"]

    back = from_bytes(with_index(data, change), source="x")
    assert back.records[0].name.endswith(r"\x1b[2J\u202e http://***@host/")
    assert back.facts["device"] == r"a\nb"
    assert back.zeros == (r"::error::x\r",)


def test_the_order_of_records_is_that_of_the_file(run, data):
    back = from_bytes(data, source="x")
    orders = [r.order for r in back.records if r.kind == "operator"]
    assert all(a < b for a, b in pairwise(orders))
