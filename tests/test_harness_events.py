"""TensorBoard's event files: written by tensorboard's own writer, read by tag."""

import struct
import sys
import time

import pytest

from harness import HarnessError, Policy, compare, read_run
from harness.storage.logs import expand

pytest.importorskip("tensorboard")


def write(folder, curves, *, name="a", first=0):
    """An event file with scalars by tag: the framing of TFRecord around tensorboard's protobufs."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    events = [Event(wall_time=1.0, file_version="brain.Event:2")]
    for tag, values in curves.items():
        for i, value in enumerate(values):
            scalar = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            events.append(Event(wall_time=2.0, step=first + i, summary=scalar))
    folder.mkdir(exist_ok=True)
    path = folder / f"events.out.tfevents.17325500{name}.host"
    with path.open("wb") as file:
        for event in events:
            data = event.SerializeToString()
            length = struct.pack("<Q", len(data))
            file.write(length + struct.pack("<I", masked_crc32c(length)))
            file.write(data + struct.pack("<I", masked_crc32c(data)))
    return path


def test_tags_become_series_and_the_training_loss_is_found(tmp_path):
    path = write(tmp_path, {"train/loss": [3.0, 2.0, 1.0], "lr-SGD": [0.5], "val/loss": [1.5]})
    run = read_run(path)
    assert run.formats == ("tensorboard",)
    assert {s.name: s.values.tolist() for s in run.series} == {
        "loss": [3.0, 2.0, 1.0],
        "lr": [0.5],
        "val.loss": [1.5],
    }
    assert run.find("loss", 0)[0].steps.tolist() == [0, 1, 2]
    assert "the training loss is logged as 'train/loss'" in run.notes
    assert (run.size_bytes, len(run.sha256)) == (path.stat().st_size, 64)


def test_a_tag_is_chosen_by_the_metric(tmp_path):
    base = [4 / (i + 1) + 1 for i in range(60)]
    runs = [
        read_run(write(tmp_path / side, {"loss": base, "my/cost": [v * f for v in base]}))
        for side, f in (("b", 1.0), ("c", 1.001))
    ]
    assert compare(*runs, Policy(metric="my/cost")).verdict == "pass"
    with pytest.raises(HarnessError, match=r"no series 'accuracy'.*my/cost \(rank 0\)"):
        compare(*runs, Policy(metric="accuracy"))


def test_the_folder_of_a_run_is_one_run_whose_later_file_wins(tmp_path):
    write(tmp_path / "run", {"loss": [3.0, 2.0, 1.0]}, name="01")
    write(tmp_path / "run", {"loss": [9.0, 8.0]}, name="02", first=2)
    assert expand(str(tmp_path / "run")) == [str(tmp_path / "run")]
    assert expand(str(tmp_path)) == [str(tmp_path / "run")]
    loss = read_run(tmp_path / "run").find("loss", 0)[0]
    assert (loss.steps.tolist(), loss.values.tolist()) == ([0, 1, 2, 3], [3.0, 2.0, 9.0, 8.0])


def test_an_event_file_is_known_by_its_content(tmp_path):
    path = write(tmp_path, {"loss": [3.0, 2.0]})
    renamed = path.rename(tmp_path / "export.bin")
    assert read_run(renamed).formats == ("tensorboard",)


def test_a_file_that_is_cut_says_so(tmp_path):
    path = write(tmp_path, {"loss": [3.0, 2.0, 1.0]})
    path.write_bytes(path.read_bytes()[:-5])
    run = read_run(path)
    assert run.find("loss", 0)[0].values.tolist() == [3.0, 2.0]
    assert any("ends inside a record" in note for note in run.notes)


def test_damage_is_an_error_of_one_line_within_a_second(tmp_path):
    path = write(tmp_path, {"loss": [3.0, 2.0, 1.0]})
    data = bytearray(path.read_bytes())
    data[40] ^= 255
    path.write_bytes(bytes(data))
    begun = time.monotonic()
    with pytest.raises(HarnessError, match="no training record"):
        read_run(path)
    assert time.monotonic() - begun < 10


def test_without_tensorboard_the_error_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path, {"loss": [3.0, 2.0, 1.0]})
    for name in [n for n in sys.modules if n.startswith("tensorboard")]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tensorboard.backend.event_processing", None)
    with pytest.raises(HarnessError, match=r"pip install 'ccnet-port-harness\[tensorboard\]'"):
        read_run(path)
