"""TensorBoard's event files: written by tensorboard's own writer, read by tag."""

import struct
import sys
import time

import numpy as np
import pytest

from harness import HarnessError, Policy, compare, read_run
from harness.parse.crc32c import crc32c, masked
from harness.parse.formats.tensors import scalar_of
from harness.storage.logs import expand, read_runs

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


def framed(datas):
    """Records of TFRecord, with tensorboard's own checksums."""
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    parts = []
    for data in datas:
        length = struct.pack("<Q", len(data))
        parts += [length, struct.pack("<I", masked_crc32c(length))]
        parts += [data, struct.pack("<I", masked_crc32c(data))]
    return b"".join(parts)


def event(step, *values, **more):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    summary = {"summary": Summary(value=list(values))} if values else {}
    return Event(wall_time=2.0, step=step, **summary, **more).SerializeToString()


def scalar(tag, number):
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary.Value(tag=tag, simple_value=number)


def of_plugin(tag, plugin, *, content=b"", **more):
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata

    data = SummaryMetadata.PluginData(plugin_name=plugin, content=content)
    return Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=data), **more)


def folder_of(path, *datas, name="events.out.tfevents.1.host"):
    path.mkdir(parents=True, exist_ok=True)
    first = event(0, file_version="brain.Event:2")
    (path / name).write_bytes(framed([first, *datas]))
    return path


def curve(run, name="loss"):
    (series,) = run.find(name, 0)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def test_tensorboard_is_not_needed_for_reading(tmp_path, monkeypatch):
    path = write(tmp_path, {"train/loss": [3.0, 2.0, 1.0]})
    for name in [n for n in sys.modules if n.partition(".")[0] in {"tensorboard", "google"}]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert curve(read_run(path)) == {0: 3.0, 1: 2.0, 2: 1.0}


def test_checksums_are_those_of_tensorboard():
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    rng = np.random.default_rng(1)
    long = [255, 256, 257, 511, 512, 513, 4095, 4097, 70_001]
    lengths = np.array([*range(70), *long, *rng.integers(1, 600, 200)])
    data = rng.integers(0, 256, lengths.sum(), dtype=np.uint8).tobytes()
    starts = np.cumsum(lengths) - lengths
    texts = [data[s : s + n] for s, n in zip(starts, lengths, strict=True)]
    expected = [masked_crc32c(text) for text in texts if text]
    assert masked(crc32c(data, starts, lengths)).tolist()[1:] == expected


TYPES = ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("number", [0, 1, 3, 100])
def test_a_tensor_of_any_type_is_read_as_tensorboard_reads_it(kind, number):
    from tensorboard.util.tensor_util import make_tensor_proto

    array = np.array(number, dtype=kind)
    proto = make_tensor_proto(array)
    packed = type(proto)(dtype=proto.dtype, tensor_content=array.tobytes())
    assert scalar_of(proto.SerializeToString()) == float(number)
    assert scalar_of(packed.SerializeToString()) == float(number)


@pytest.mark.parametrize("number", [-1.5, float("nan"), float("inf"), -7, 0.1])
@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "i1", "i2", "i4", "i8"])
def test_signs_and_what_is_not_finite_are_kept_in_tensors(kind, number):
    from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

    if kind[0] == "i":
        number = -7
    proto = make_tensor_proto(np.array(number, dtype=kind))
    expected = float(make_ndarray(proto).item())
    found = scalar_of(proto.SerializeToString())
    assert struct.pack("<d", found) == struct.pack("<d", expected)


def test_a_bfloat16_is_the_upper_half_of_a_float32():
    from tensorboard.compat.proto.tensor_pb2 import TensorProto

    assert scalar_of(TensorProto(dtype=14, half_val=[0x3FC0]).SerializeToString()) == 1.5
    assert scalar_of(TensorProto(dtype=14, tensor_content=b"\xc0\xbf").SerializeToString()) == -1.5


def test_arrays_texts_and_truth_values_are_no_scalars():
    from tensorboard.util.tensor_util import make_tensor_proto

    for array in (np.zeros(2), np.array(True), np.zeros((1, 0)), np.array(1j)):
        assert scalar_of(make_tensor_proto(array).SerializeToString()) is None
    assert scalar_of(make_tensor_proto(b"lr: 1").SerializeToString()) == "lr: 1"


def test_a_tag_of_another_plugin_stays_one_where_only_its_first_value_says_so(tmp_path):
    from tensorboard.util.tensor_util import make_tensor_proto

    tensor = make_tensor_proto(np.float32(4))
    later = type(of_plugin("x", ""))(tag="odd", tensor=tensor)
    path = folder_of(
        tmp_path,
        event(1, of_plugin("odd", "meshes", tensor=tensor), scalar("loss", 2.0)),
        event(2, later, scalar("loss", 1.0)),
        event(3, of_plugin("acc", "scalars", tensor=tensor)),
    )
    assert {s.name for s in read_run(path).series} == {"loss", "acc"}


def official(folder):
    """The scalars of a folder by tensorboard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


@pytest.mark.parametrize("seed", range(20))
def test_a_session_that_goes_back_leaves_what_tensorboard_leaves(tmp_path, seed):
    rng = np.random.default_rng(seed)
    start = {"session_log": {"status": 1}}
    records, step = [event(0, **start)], 0
    for _ in range(rng.integers(1, 4)):
        for _ in range(rng.integers(1, 12)):
            step += int(rng.integers(1, 4))
            tags = ["loss", "val/acc"] if rng.random() < 0.3 else ["loss"]
            records.append(event(step, *(scalar(tag, rng.random()) for tag in tags)))
        step = int(rng.integers(1, step + 1))
        records.append(event(step, **start))
        records.append(event(step, scalar("loss", rng.random())))
    run = read_run(folder_of(tmp_path / "run", *records))
    expected = official(tmp_path / "run")
    assert list(curve(run).items()) == expected["loss"]
    if expected.get("val/acc"):
        assert list(curve(run, "val.acc").items()) == expected["val/acc"]


def test_a_value_that_is_not_finite_is_remembered_where_the_run_went_back(tmp_path):
    records = [event(i, scalar("loss", v)) for i, v in enumerate([3.0, 2.0, float("nan")])]
    again = [event(2, session_log={"status": 1}), event(2, scalar("loss", 1.0))]
    run = read_run(folder_of(tmp_path, *records, *again))
    assert curve(run) == {0: 3.0, 1: 2.0, 2: 1.0}
    assert [np.isnan(s.values).tolist() for s in run.replaced] == [[True]]
    assert any("went back to step 2" in note for note in run.notes)


def small_file(tmp_path):
    values = [1.0 / 3**i for i in range(12)]
    records = [event(i * 100, scalar("loss", v)) for i, v in enumerate(values)]
    path = folder_of(tmp_path, *records) / "events.out.tfevents.1.host"
    return path, {
        i * 100: struct.unpack("<f", struct.pack("<f", v))[0] for i, v in enumerate(values)
    }


def curve_or_nothing(path):
    try:
        return curve(read_run(path))
    except HarnessError:
        return {}


def test_a_file_cut_at_any_byte_gives_the_records_before(tmp_path):
    path, truth = small_file(tmp_path)
    data, whole = path.read_bytes(), 0
    for length in range(64, len(data)):
        path.write_bytes(data[:length])
        found = curve_or_nothing(path)
        assert list(found.items()) == list(truth.items())[: len(found)]
        assert whole <= len(found) <= whole + 1
        whole = len(found)
    assert whole == len(truth) - 1


def test_a_changed_byte_never_changes_a_number(tmp_path):
    path, truth = small_file(tmp_path)
    data = path.read_bytes()
    for at in range(40, len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        found = curve_or_nothing(path)
        assert found.items() <= truth.items()
        assert len(found) < len(truth)


def test_hyperparameters_and_texts_become_facts(tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.util.tensor_util import make_tensor_proto

    data = HParamsPluginData()
    data.session_start_info.hparams["lr"].number_value = 0.5
    data.session_start_info.hparams["batch_size"].number_value = 8
    data.session_start_info.hparams["optimizer"].string_value = "SGD"
    hparams = of_plugin("_hparams_/session_start_info", "hparams", content=data.SerializeToString())
    text = "|param|value|\n|-|-|\n|seed|3|\n|momentum|0.9|"
    table = of_plugin("args/text_summary", "text", tensor=make_tensor_proto(text.encode()))
    run = read_run(
        folder_of(tmp_path, event(0, hparams), event(0, table), event(1, scalar("loss", 1)))
    )
    assert dict(run.facts.named()) == {
        "batch_per_device": 8,
        "optimizer": "SGD",
        "learning_rate": 0.5,
        "momentum": 0.9,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("optim_wrapper = dict(optimizer=dict(lr=0.5, type='SGD'))", {"learning_rate": 0.5}),
        ('{"learning_rate": 0.5, "seed": 3}', {"learning_rate": 0.5, "seed": 3}),
        ("Namespace(lr=0.5, seed=3)", {"learning_rate": 0.5, "seed": 3}),
        ("{'lr': 0.5, 'seed': 3}", {"learning_rate": 0.5, "seed": 3}),
        ("a long remark", {}),
    ],
)
def test_settings_are_read_from_the_texts_that_programs_write(tmp_path, text, facts):
    from tensorboard.util.tensor_util import make_tensor_proto

    value = of_plugin("config/text_summary", "text", tensor=make_tensor_proto(text.encode()))
    run = read_run(folder_of(tmp_path, event(0, value), event(1, scalar("loss", 1.0))))
    assert {name: run.facts.get(name) for name in facts} == facts


def test_a_session_that_failed_is_not_taken_for_a_whole_run(tmp_path):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData()
    data.session_end_info.status = 2
    value = of_plugin("_hparams_/session_end_info", "hparams", content=data.SerializeToString())
    run = read_run(folder_of(tmp_path, event(1, scalar("loss", 1.0)), event(0, value)))
    assert "failed" in run.unfinished


def a_log_folder(tmp_path):
    """Two runs; the first with the folders that `add_scalars` and `add_hparams` make."""
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    data = HParamsPluginData()
    data.session_start_info.hparams["lr"].number_value = 0.5
    hparams = of_plugin("_hparams_/session_start_info", "hparams", content=data.SerializeToString())
    one = folder_of(tmp_path / "logs" / "seed_9", event(1, scalar("train/loss", 4.0)))
    folder_of(one / "cost_a_val", event(1, scalar("cost/a", 2.0)))
    folder_of(one / "17.5", event(0, hparams), event(0, scalar("hparam/acc", 1.0)))
    folder_of(tmp_path / "logs" / "seed_10", event(1, scalar("train/loss", 5.0)))
    (tmp_path / "logs" / "plugins").mkdir()
    folder_of(tmp_path / "logs" / "empty")
    return tmp_path / "logs"


@pytest.mark.parametrize("shift", [0, 30, 95, 100, 200])
def test_two_writers_in_one_folder_are_refused_and_a_resumed_run_is_not(tmp_path, shift):
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    for name, begun in (("a", 0), ("b", shift)):
        events = [
            Event(wall_time=begun + i, step=i, summary=Summary(value=[scalar("loss", i)]))
            for i in range(101)
        ]
        datas = [e.SerializeToString() for e in events]
        folder_of(tmp_path, *datas, name=f"events.out.tfevents.{name}")
    if shift < 95:
        with pytest.raises(HarnessError, match="were written at the same time; expected one"):
            read_run(tmp_path)
    else:
        assert len(curve(read_run(tmp_path))) == 101


def test_a_log_folder_gives_its_runs_with_what_their_writers_put_into_folders(tmp_path):
    place = f"tensorboard:{a_log_folder(tmp_path)}"
    runs = read_runs(place)
    assert [run.source for run in runs] == [f"{place} [run seed_9]", f"{place} [run seed_10]"]
    assert [curve(run) for run in runs] == [{1: 4.0}, {1: 5.0}]
    assert [sorted(s.name for s in run.series) for run in runs] == [
        ["loss", "val.cost/a"],
        ["loss"],
    ]
    assert runs[0].facts["learning_rate"] == 0.5
    assert read_run(f"{place}/seed_9").sha256 == runs[0].sha256 != runs[1].sha256


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("absent", "no such folder"),
        ("empty", "without a scalar"),
        ("plugins", "without event files"),
    ],
)
def test_a_place_without_runs_is_an_error_of_one_line(tmp_path, name, message):
    place = a_log_folder(tmp_path) / name
    with pytest.raises(HarnessError, match=message) as caught:
        read_runs(f"tensorboard:{place}")
    assert "\n" not in str(caught.value)
