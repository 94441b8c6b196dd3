"""Reading logs: the published pair with its traps, and small written ones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loglines import header, record, records

from harness.errors import ParseError
from harness.parse import FORMATS, parse_log
from harness.parse.blocks.config_block import read_config
from harness.parse.line import Line
from harness.storage.logs import read_run


def parse(text: str):
    return parse_log(text.splitlines(keepends=True), source="x.log")


def loss(run, rank=0, window=1):
    return next(s for s in run.find("loss", rank) if s.window == window)


@pytest.fixture(scope="session")
def cuda(shared_data):
    return read_run(shared_data / "ccnet" / "cuda.log")


@pytest.fixture(scope="session")
def sdaa(shared_data):
    return read_run(shared_data / "ccnet" / "sdaa.log")


@pytest.mark.shared
def test_joined_lines_lose_no_record_of_any_of_four_interleaved_ranks(shared_data, sdaa):
    text = (shared_data / "ccnet" / "sdaa.log").read_text()
    joined = [line for line in text.splitlines() if line.count("TCAPPDLL 2") > 1]
    assert len(joined) == 19
    assert text.count("TCAPPDLL 2") == 416
    assert [len(loss(sdaa, rank)) for rank in range(4)] == [104] * 4
    assert sdaa.skipped == ()
    for rank in range(4):
        assert loss(sdaa, rank).steps.tolist() == list(range(104))


@pytest.mark.shared
def test_each_value_of_a_rank_is_the_one_beside_its_name_in_the_text(shared_data, sdaa):
    pieces = (shared_data / "ccnet" / "sdaa.log").read_text().split("TCAPPDLL")[1:]
    for piece in pieces:
        words = piece.split()
        step, rank = int(words[words.index("Iteration:") + 1]), int(words[words.index("rank") + 2])
        value = float(words[words.index("train.loss") + 2])
        assert loss(sdaa, rank).values[step] == value


@pytest.mark.shared
def test_the_printed_loss_is_the_mean_of_the_last_ten_and_another_series(cuda, sdaa):
    for run, expected in ((cuda, [49, 99, 149, 199]), (sdaa, [49, 99])):
        steps, means = loss(run, window=10).steps, loss(run, window=10).values
        assert steps.tolist() == expected
        each = loss(run).values
        by_hand = [sum(each[s - 9 : s + 1].tolist()) / 10 for s in steps]
        assert np.allclose(means, by_hand, rtol=0, atol=5.1e-5)


@pytest.mark.shared
def test_throughput_times_time_is_the_batch_of_each_device_on_every_line(cuda, sdaa):
    for run in (cuda, sdaa):
        for rank in run.ranks:
            (ips,), (time,) = run.find("ips", rank), run.find("total_time", rank)
            assert ips.unit == "imgs/s"
            assert np.allclose(ips.values * time.values, run.facts["batch_per_device"], rtol=1e-12)
        assert not run.notes


@pytest.mark.shared
def test_facts_of_the_published_pair(cuda, sdaa):
    both = {
        "batch_per_device": 2,
        "grad_accumulation": 1,
        "precision": "amp",
        "optimizer": "SGD",
        "learning_rate": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "planned_steps": 40000,
        "schedule": "PolyLR(begin=0, by_epoch=False, end=40000, eta_min=0.0001, power=0.9)",
        "crop_size": "(512, 1024)",
        "model": "EncoderDecoder(ResNetV1c-50, CCHead)",
        "dataset": "CityscapesDataset",
        "launcher": "pytorch",
        "mmengine": "0.10.4",
    }
    of_cuda = {
        "world_size": 1,
        "effective_batch": 2,
        "device_kind": "cuda",
        "device_name": "NVIDIA GeForce RTX 4090",
        "device_count": 1,
        "backend": "nccl",
        "seed": 1671516877,
        "python": "3.12.9",
        "torch": "2.7.1+cu126",
        "runtime": "V12.6.85",
        "data_root": "/home/02/Cityscapes",
    }
    of_sdaa = {
        "world_size": 4,
        "effective_batch": 8,
        "device_kind": "sdaa",
        "backend": "tccl",
        "seed": 899077318,
        "python": "3.10.16",
        "torch": "2.4.0a0+git4451b0e",
        "collectives": "1.23.0",
        "dnn": "2.2.0b0",
        "blas": "2.2.0b0",
        "driver": "2.1.0",
        "runtime": "2.1.0",
        "data_root": "/data/teco-data/Cityscapes/",
    }
    assert cuda.facts.named() == {**both, **of_cuda}
    assert sdaa.facts.named() == {**both, **of_sdaa}
    assert cuda.facts["config.model.auxiliary_head.loss_decode.loss_weight"] == 0.4
    assert cuda.facts.lines["seed"] == 21


losses = st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20)


@given(losses, st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_was_written_is_read_back_bit_for_bit(values, world, shuffler):
    """Ranks interleave, records of a step join on a line, nothing is lost or changed."""
    lines = []
    for step, value in enumerate(values):
        ranks = list(range(world))
        shuffler.shuffle(ranks)
        pieces = [record(step, repr(value * (rank + 1)), rank=rank) for rank in ranks]
        joint = " ".join if shuffler.random() < 0.5 else "\n".join
        lines.append(joint(pieces))
    run = parse("\n".join(lines) + "\n")
    for rank in range(world):
        written = np.array([value * (rank + 1) for value in values])
        assert np.array_equal(loss(run, rank).values, written, equal_nan=True)
        assert loss(run, rank).steps.tolist() == list(range(len(values)))
    assert run.skipped == ()


def test_a_record_is_read_field_by_field():
    run = parse(record(7, 3.25, rank=2, time=0.25) + "\n")
    assert {(s.name, s.rank, s.steps[0], s.values[0]) for s in run.series} == {
        ("loss", 2, 7, 3.25),
        ("ips", 2, 7, 8.0),
        ("total_time", 2, 7, 0.25),
    }


def test_a_log_that_ends_inside_a_number_does_not_invent_one():
    whole = records([4.0, 3.0])
    cut = whole[: whole.rindex("3.0  train.ips") + 1]
    assert cut.endswith(": 3")
    run = parse(cut)
    assert loss(run).values.tolist() == [4.0]
    assert [(s.line, s.reason) for s in run.skipped] == [(2, "the log ends inside train.loss")]


def test_what_stands_before_the_cut_is_kept():
    whole = records([4.0, 3.0])
    run = parse(whole[: whole.rindex("train.total_time") + len("train.total_time : 0.")])
    assert loss(run).values.tolist() == [4.0, 3.0]
    assert len(run.find("total_time", 0)[0]) == 1


def test_nan_and_infinity_are_values_in_every_spelling():
    lines = [record(i, v) for i, v in enumerate(["nan", "inf", "-inf", "1.0E+01", "nan(ind)"])]
    run = parse("\n".join(lines) + "\n")
    assert loss(run).steps.tolist() == [0, 1, 2, 3, 4]
    values = [np.nan, np.inf, -np.inf, 10.0, np.nan]
    assert np.array_equal(loss(run).values, values, equal_nan=True)
    assert [s.line for s in run.skipped] == [5]
    assert "'nan(ind)' is not a number" in run.skipped[0].reason


def test_a_counter_that_restarts_with_the_epoch_is_unrolled():
    text = "".join(record(i, 10 * e + i, epoch=e) + "\n" for e in range(3) for i in range(4))
    assert loss(parse(text)).steps.tolist() == list(range(12))


def test_an_unrolled_counter_goes_on_one_logging_interval_later():
    text = "".join(record(i, 1.0, epoch=e) + "\n" for e in range(2) for i in (0, 10, 20))
    assert loss(parse(text)).steps.tolist() == [0, 10, 20, 30, 40, 50]


def test_a_global_counter_is_left_alone_when_the_epoch_rises():
    text = "".join(record(i, 1.0, epoch=i // 4) + "\n" for i in range(12))
    assert loss(parse(text)).steps.tolist() == list(range(12))


def test_a_step_logged_twice_keeps_the_later_record_and_says_so():
    text = records([4.0, 3.0, 2.0]) + record(1, 2.5) + "\n" + record(2, 1.5) + "\n"
    run = parse(text)
    assert loss(run).values.tolist() == [4.0, 2.5, 1.5]
    assert (
        "loss of rank 0: 2 steps are logged twice (1 to 2); the later record is used; it differs "
        "from the earlier one by up to 25.00%"
    ) in run.notes


def test_a_progress_bar_with_carriage_returns_hides_no_record():
    text = "1%|\r2%|\r" + record(0, 4.0) + "\r3%|" + record(1, 3.0) + "\n"
    assert loss(parse(text)).values.tolist() == [4.0, 3.0]


def test_windows_line_ends_change_nothing():
    text = header() + records([4.0, 3.0])
    plain, dos = parse(text), parse(text.replace("\n", "\r\n"))
    assert plain.facts.named() == dos.facts.named()
    assert loss(dos).values.tolist() == [4.0, 3.0]


def test_mmengine_lines_speak_of_the_last_finished_step():
    text = (
        "2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [ 5/20]  lr: 4.0437e-02  "
        "eta: 51 days, 0:00:00  time: 0.0036  loss: 1.1698  acc_seg: 22.9492\n"
        "2026/11/23 15:52:16 - mmengine - INFO - Saving checkpoint at 20 iterations\n"
        "2026/11/23 16:01:04 - mmengine - INFO - Iter(val) [5/5]    mIoU: 33.3330  "
        "aAcc: 55.0000  data_time: 0.0007  time: 0.0010\n"
    )
    run = parse(text)
    found = {(s.key, int(s.steps[0]), float(s.values[0])) for s in run.series}
    assert found == {
        ("lr", 4, 0.040437),
        ("time@10", 4, 0.0036),
        ("loss@10", 4, 1.1698),
        ("acc_seg@10", 4, 22.9492),
        ("val.mIoU", 19, 33.333),
        ("val.aAcc", 19, 55.0),
    }
    assert run.facts["planned_steps"] == 20


def test_an_epoch_line_counts_from_the_length_of_its_epoch():
    text = "06/23 05:12:33 - mmengine - INFO - Epoch(train)   [2][ 100/500]  lr: 1e-3  loss: 2.0\n"
    assert loss(parse(text), window=10).steps.tolist() == [599]


def test_the_window_of_the_printed_loss_comes_from_the_config():
    text = (
        header().replace(
            "train_cfg = ", "log_processor = dict(by_epoch=False, window_size=25)\ntrain_cfg = "
        )
        + "07/26 08:17:29 - mmengine - INFO - Iter(train) [ 50/400]  loss: 2.0\n"
    )
    assert [s.window for s in parse(text).find("loss", 0)] == [25]


def test_scalars_json_has_training_and_validation_lines():
    text = (
        '{"lr": 0.01, "data_time": 0.04, "loss": 2.1715, "time": 0.1, "iter": 50, "step": 50}\n'
        '{"mIoU": 33.3, "aAcc": 55.0, "data_time": 0.0007, "time": 0.001, "step": 50}\n'
    )
    run = parse(text)
    assert run.formats == ("scalars.json",)
    assert (loss(run, window=10).steps[0], loss(run, window=10).values[0]) == (49, 2.1715)
    assert run.find("val.mIoU", 0)[0].values[0] == 33.3


def test_a_port_environment_block_states_facts_by_name():
    line = "-" * 60
    text = (
        f"{line}\nPort environment:\n    device_kind: sdaa\n    world_size: 4\n"
        f"    deterministic: True\n    torch: 2.13.0+cpu\n    no_such_fact: 1\n{line}\n"
        + records([4.0])
    )
    assert parse(text).facts.named() == {
        "device_kind": "sdaa",
        "world_size": 4,
        "deterministic": True,
        "torch": "2.13.0+cpu",
        "batch_per_device": 2,
    }


def test_a_config_that_leaves_the_dtype_open_contradicts_nothing():
    block = "Port environment:\n    precision: amp-bfloat16\n" + "-" * 60 + "\n"
    run = parse(block + header() + records([4.0]))
    assert run.facts["precision"] == "amp-bfloat16"
    assert run.notes == ()


def test_the_config_is_read_as_data_and_never_executed(tmp_path):
    witness = tmp_path / "witness"
    text = header().replace(
        "crop_size = (",
        f"evil = __import__('pathlib').Path({str(witness)!r}).touch()\ncrop_size = (",
    )
    run = parse(text + records([4.0]))
    assert not witness.exists()
    assert "touch()" in str(run.facts["config.evil"])
    assert run.facts["learning_rate"] == 0.01


def test_a_config_that_is_cut_off_is_reported_and_its_facts_stay_unknown():
    text = header()
    cut = text[: text.index("train_cfg = dict(") + len("train_cfg = dict(")] + "\n"
    run = parse(cut + records([4.0]))
    assert "learning_rate" not in run.facts
    assert "the config block cannot be read" in run.skipped[0].reason


@pytest.mark.parametrize("text", ["a = " + "(" * 5000, "a = " + "-" * 100_000 + "1", "a = \0"])
def test_a_hostile_config_is_an_error_and_no_crash(text):
    with pytest.raises(ValueError, match=r"not Python source|nested too deeply"):
        read_config(text)


def test_the_batch_follows_from_the_figures_where_no_config_says_it():
    run = parse(records([4.0, 3.0], batch=64))
    assert run.facts["batch_per_device"] == 64
    assert "batch_per_device 64 follows from ips * total_time on every record" in run.notes


def test_a_config_that_contradicts_the_figures_is_reported():
    run = parse(header(batch=2) + records([4.0, 3.0], batch=3))
    assert run.facts["batch_per_device"] == 2
    assert "the config says batch_per_device 2, but ips * total_time gives 3" in run.notes


def test_the_number_of_ranks_is_the_world_size_where_nothing_states_it():
    text = "".join(record(0, 4.0, rank=r) + "\n" for r in range(3))
    assert parse(text).facts["world_size"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x.log: the file is empty; expected a training log"),
        ("hello\nworld\n", "x.log: no training record in 2 lines; expected one of: tcappdll"),
        ("a\n\0\0\n", "x.log:2: a NUL byte, so this is not text"),
        ("a\nTCAPPDLL rubbish\n", "x.log:2: 1 damaged records and no whole one"),
    ],
)
def test_a_log_with_nothing_to_judge_is_an_error_that_says_what_was_found(text, message):
    with pytest.raises(ParseError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_reads_the_example_that_it_shows(kind):
    class Spy:
        def __getattr__(self, name):
            return lambda *args, **fields: seen.append(name)

        window = 10
        in_containers = False

    seen: list[str] = []
    reader = kind()
    line = reader.example.split(" / ")[0]
    assert reader.feed(Line.of(1, line + "\n"), Spy())
    assert "skip" not in seen
