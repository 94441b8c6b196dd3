"""What real logs look like, one small written case for each mess, with what must be read."""

import bz2
import gzip
import lzma
import os
import sys

import numpy as np
import pytest
from logforms import LOGS
from loglines import header, record, records, to_zst

from harness.errors import ParseError
from harness.parse import parse_log
from harness.storage.logs import read_run


def parse(text, **options):
    return parse_log([text], source="x.log", **options)


def points(run, name="loss", rank=0):
    """Step and value of each record of one series."""
    (series,) = run.find(name, rank)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def remarks(run):
    """Line and reason of everything that was skipped."""
    return [(s.line, s.reason) for s in run.skipped]


def test_a_coloured_progress_bar_hides_no_record():
    bar = "\x1b[32m 50%|#####     | 1/2\x1b[0m [00:01<00:01]\r"
    text = bar + "\x1b[1m" + record(0, 4.0) + "\x1b[0m\r" + bar + record(1, 3.0) + "\x1b[K\n"
    run = parse(text)
    assert points(run) == {0: 4.0, 1: 3.0}
    assert remarks(run) == []


def test_colours_inside_a_record_are_no_part_of_its_numbers():
    text = record(0, "4.0").replace("4.0 ", "\x1b[31m4.0\x1b[0m ", 1) + "\n"
    assert points(parse(text)) == {0: 4.0}


def test_a_bar_overwritten_on_one_line_gives_the_loss_of_each_step():
    text = "".join(
        f"\r{i}%|#  | {i}/100 [00:0{i}<00:09, 1.0it/s, loss={9 - i}.5]" for i in (1, 2, 3)
    )
    run = parse("Epoch 0:" + text + "\n")
    assert run.formats == ("plain",)
    assert points(run) == {1: 8.5, 2: 7.5, 3: 6.5}


def test_records_joined_on_a_line_are_all_read():
    run = parse(record(0, 4.0) + record(0, 4.5, rank=1) + " " + record(1, 3.0) + "\n")
    assert points(run) == {0: 4.0, 1: 3.0}
    assert points(run, rank=1) == {0: 4.5}
    assert remarks(run) == []


def test_a_record_split_inside_a_number_is_no_number_and_both_halves_are_reported():
    one, two = record(0, 4.0), record(1, "3.125")
    at = two.index("3.125") + 1
    run = parse(f"{one}\n{two[:at]}\n{two[at:]}\n{record(2, 2.0)}\n")
    assert points(run) == {0: 4.0, 2: 2.0}
    assert remarks(run) == [(3, "the rest of a record that another line was written into")]


def test_a_rank_that_writes_into_anothers_line_costs_that_number_alone():
    one, other = record(0, "4.125"), record(0, "7.5", rank=1)
    at = one.index("4.125") + 2
    run = parse(f"{one[:at]}{other}\n{one[at:]}\n{record(1, 3.0)}\n")
    assert points(run) == {1: 3.0}
    assert points(run, rank=1) == {0: 7.5}
    assert [line for line, _ in remarks(run)] == [1, 2]
    assert remarks(run)[0][1] == "another record begins inside train.loss"


@pytest.mark.parametrize("code", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
@pytest.mark.parametrize("size", [1, 3, 1 << 20], ids=["byte by byte", "by threes", "whole"])
def test_what_powershells_tee_writes_is_read(code, size):
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(code, "")
    data = (mark + header(seed=5) + records([4.0, 3.0])).replace("\n", "\r\n").encode(code)
    run = parse_log([data[i : i + size] for i in range(0, len(data), size)], source="x")
    assert points(run) == {0: 4.0, 1: 3.0}
    assert run.facts["seed"] == 5
    assert run.lines == header().count("\n") + 2
    assert not [note for note in run.notes if "UTF-8" in note]


def test_a_line_in_gbk_is_text_and_is_counted():
    text = "训练开始\n".encode("gbk") + records([4.0, 3.0]).encode()
    run = parse(text)
    assert points(run) == {0: 4.0, 1: 3.0}
    assert "1 lines are not UTF-8; read as GBK where they are that" in run.notes


def test_a_loss_named_in_gbk_on_a_line_of_its_own_format_is_read():
    text = "第1轮 step 3 loss 4.5 完成\n第1轮 step 4 loss 4.25 完成\n".encode("gbk")
    assert points(parse(text)) == {3: 4.5, 4: 4.25}


def test_invalid_bytes_inside_a_record_leave_its_numbers_alone():
    line = record(0, 4.0).encode().replace(b"imgs/s", b"imgs\xff\xfe/s")
    run = parse(line + b"\n" + records([5.0, 3.0]).encode())
    assert points(run)[1] == 3.0
    assert "1 lines are not UTF-8; read as GBK where they are that" in run.notes


def test_windows_line_ends_are_no_part_of_the_last_number():
    run = parse("step,loss\r\n1,4.5\r\n2,4.25\r\n")
    assert points(run) == {1: 4.5, 2: 4.25}
    assert run.lines == 3


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        (".gz", gzip.compress),
        (".xz", lzma.compress),
        (".bz2", bz2.compress),
        (".zst", to_zst),
    ],
)
def test_a_packed_log_in_utf_16_is_read_from_the_disk(tmp_path, suffix, pack):
    path = tmp_path / f"a.log{suffix}"
    path.write_bytes(pack(records([4.0, 3.0]).encode("utf-16")))
    assert points(read_run(path)) == {0: 4.0, 1: 3.0}


def resumed(again):
    return records([4.0, 3.0, 2.0]) + "Resumed from iter 1\n" + again


def test_where_a_resumed_run_repeats_itself_the_later_record_counts_and_both_are_kept():
    run = parse(resumed(record(1, 3.0) + "\n" + record(2, 2.5) + "\n" + record(3, 1.5) + "\n"))
    assert points(run) == {0: 4.0, 1: 3.0, 2: 2.5, 3: 1.5}
    (old,) = [s for s in run.replaced if s.name == "loss"]
    assert (old.steps.tolist(), old.values.tolist()) == ([1, 2], [3.0, 2.0])
    assert (
        "loss of rank 0: 2 steps are logged twice (1 to 2); the later record is used; it differs "
        "from the earlier one by up to 25.00%"
    ) in run.notes


def test_a_resumed_run_that_repeats_the_same_bits_says_so():
    run = parse(resumed(record(1, 3.0) + "\n" + record(2, 2.0) + "\n"))
    assert (
        "loss of rank 0: 2 steps are logged twice (1 to 2); the later record is used, and equals "
        "the earlier one to the last bit"
    ) in run.notes


def test_a_counter_that_restarts_with_each_epoch_is_one_curve():
    text = "".join(
        f"Epoch [{e}/3] Step [{i}/2], Loss: {9 - 2 * e - i}.5\n" for e in (1, 2, 3) for i in (1, 2)
    )
    assert points(parse(text)) == {1: 6.5, 2: 5.5, 3: 4.5, 4: 3.5, 5: 2.5, 6: 1.5}


def test_a_log_that_is_still_written_gives_what_is_there_and_more_later():
    whole = records([4.0, 3.0, 2.0])
    early = parse(whole[: whole.rindex("train.ips")])
    assert points(early) == {0: 4.0, 1: 3.0, 2: 2.0}
    assert points(early, "ips") == {0: 4.0, 1: 4.0}
    assert early.lines == 3
    assert points(parse(whole), "ips") == {0: 4.0, 1: 4.0, 2: 4.0}


def test_a_run_that_died_and_began_again_with_seed_variation_is_the_second_one():
    text = header(seed=5) + records([4.0, 3.0]) + header(seed=6) + records([4.5, 3.5, 2.5])
    run = parse(text)
    assert points(run) == {0: 4.5, 1: 3.5, 2: 2.5}
    assert run.facts["seed"] == 6
    (old,) = [s for s in run.replaced if s.name == "loss"]
    assert old.values.tolist() == [4.0, 3.0]
    last = header().count("\n") + 2
    assert (
        f"loss of rank 0: started again 1 time, the last after line {last}; the 2 records "
        "before are set aside"
    ) in run.notes


def test_a_run_that_died_inside_a_number_and_began_again_invents_none():
    first = records([4.0, "3.125"])
    text = first[: first.index("3.125") + 2] + header(seed=6) + records([4.5, 3.5])
    run = parse(text)
    assert points(run) == {0: 4.5, 1: 3.5}
    assert 3.0 not in [v for s in run.replaced for v in s.values.tolist()]


def test_steps_out_of_order_are_sorted_and_reported():
    run = parse("".join(f"step {s} loss {s}.5\n" for s in (2, 4, 3, 5)))
    assert points(run) == {2: 2.5, 3: 3.5, 4: 4.5, 5: 5.5}
    assert "loss of rank 0: steps are out of order; sorted" in run.notes


def test_epochs_whose_steps_are_out_of_order_follow_one_another():
    """Their last two steps say nothing of how long an epoch is."""
    epochs = [(3, 80, 13), (3, 80, 13), (3,)]
    lines = [f"{step} {i}.{step}\n" for i, epoch in enumerate(epochs) for step in epoch]
    length = 80 - 3 + (80 - 13)
    expected = {s + i * length: float(f"{i}.{s}") for i, e in enumerate(epochs) for s in e}
    assert points(parse("".join(lines))) == expected


@pytest.mark.parametrize(
    ("shown", "value"),
    [
        ("nan", np.nan),
        ("NaN", np.nan),
        ("inf", np.inf),
        ("-inf", -np.inf),
        ("1.0E+01", 10.0),
        ("1,234.5", 1234.5),
        ("-0.0", -0.0),
        ("1e-400", 0.0),
    ],
)
def test_a_value_is_what_the_program_meant_in_every_format_of_text(shown, value):
    texts = {
        "tcappdll": record(5, shown) + "\n",
        "mmengine": f"- mmengine - INFO - Iter(train) [6/9]  loss: {shown}  time: 1.0\n",
        "plain": f"step 5 loss {shown}\n",
        "columns": f"5 {shown}\n",
        "csv": f'step,loss\n5,"{shown}"\n',
        "megatron": f" iteration 5/ 9 | lm loss: {shown} |\n",
        "hf-trainer": f"logging_steps=5,\n{{'loss': {shown}, 'epoch': 1.0}}\n",
    }
    for form, text in texts.items():
        run = parse(text)
        assert run.formats == (form,)
        (series,) = run.find("loss", 0)
        assert np.array_equal(series.values, [value], equal_nan=True), form
        assert series.steps.tolist() == [5]


@pytest.mark.parametrize("shown", ["1_0", "٣", "0x1p3", "1.2.3", "1,23", "--1", "1e", "."])
def test_what_may_be_a_part_of_a_number_is_reported_with_its_line_and_is_no_value(shown):
    run = parse(records([4.0]) + record(1, shown) + "\n" + record(2, 2.0) + "\n")
    assert points(run) == {0: 4.0, 2: 2.0}
    assert remarks(run) == [(2, f"train.loss {shown!r} is not a number")]


def test_lines_of_ten_megabytes_are_read_where_a_format_can_be_that_long():
    step = record(0, 4.5) + " "
    many = 10_000_000 // len(step)
    joined = "".join(record(i, 4.5) + " " for i in range(many))
    entries = ", ".join(f'{{"step": {i}, "loss": 1.5}}' for i in range(1, 100_001))
    assert len(parse(joined + "\n").find("loss", 0)[0]) == many
    assert len(parse('{"log_history": [' + entries + "]}\n").find("loss", 0)[0]) == 100_000


def test_a_long_line_that_no_format_takes_is_counted_and_hides_nothing():
    run = parse("x" * 10_000_000 + "\n" + records([4.0, 3.0]))
    assert points(run) == {0: 4.0, 1: 3.0}
    assert "1 lines of more than 65536 characters are not read" in run.notes


def test_a_line_without_end_is_an_error_and_not_all_the_memory():
    with pytest.raises(ParseError, match=r"x\.log:1: a line of more than 32 MiB"):
        parse_log((b"x" * (1 << 20) for _ in range(64)), source="x.log")


def test_an_empty_file_is_one_line(tmp_path):
    for name, data in (("a.log", b""), ("a.log.gz", gzip.compress(b""))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(
            ParseError, match=r"a\.log.*: the file is empty; expected a training log"
        ):
            read_run(tmp_path / name)


def test_a_directory_is_one_line(tmp_path):
    with pytest.raises(ParseError, match="a folder; name the log file in it"):
        read_run(tmp_path)


def test_a_missing_permission_is_one_line(tmp_path, monkeypatch):
    """Root may read everything, so the refusal of the system stands in for its cause."""
    path = tmp_path / "a.log"
    path.write_text(records([4.0]))
    refusal = PermissionError(13, os.strerror(13), str(path))

    def refuse(*args, **options):
        raise refusal

    monkeypatch.setattr("io.open", refuse)
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ParseError, match="no permission to read it; change its mode") as caught:
        read_run(path)
    assert caught.value.__cause__ is refusal


@pytest.mark.parametrize("protocol", ["s3", "gs", "az"])
def test_a_log_in_an_object_store_is_read_by_its_url(monkeypatch, protocol):
    """An in-memory file system answers for the store."""
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Store(MemoryFileSystem):
        @classmethod
        def _strip_protocol(cls, path):
            return MemoryFileSystem._strip_protocol(path.split("://")[-1])

    Store.protocol = protocol
    monkeypatch.setitem(sys.modules["fsspec.registry"]._registry, protocol, Store)
    data = gzip.compress(records([4.0, 3.0]).encode())
    with fsspec.open(f"{protocol}://runs/seed_1/a.log.gz", "wb") as remote:
        remote.write(data)
    run = read_run(f"{protocol}://runs/seed_1/a.log.gz")
    assert points(run) == {0: 4.0, 1: 3.0}
    assert run.size_bytes == len(data)
    with pytest.raises(ParseError, match="no such object"):
        read_run(f"{protocol}://runs/no.log")


@pytest.mark.parametrize(
    ("form", "cut", "line", "reason"),
    [
        ("tcappdll", "12.7", 6, "the log ends inside train.loss"),
        ("mmengine", "time: 0.12", 1, "the line was cut inside time"),
        ("mmcv", "loss: 3.1", 2, "the line was cut inside loss"),
        ("hf-trainer", "'loss': 1.2", 2, "a dict of figures that does not end"),
        ("megatron", "lm loss: 9.1", 2, "a field without its closing bar: the line was cut"),
        ("mllog", '"value": 1.62', 3, "no JSON event with key and value after the mark"),
        ("scalars.json", '"loss": 1.96', 2, "starts like a JSON object and is none"),
        ("mmcv .log.json", '"loss": 2.7', 3, "starts like a JSON object and is none"),
        ("json lines", '"loss": 3.9', 2, "starts like a JSON object and is none"),
        ("csv", "149,1.5", 5, "4 cells under 5 names"),
        ("csv", "99,,1.9", 4, "the file ends inside val_loss"),
        ("columns", "12 7.6", 2, "the file ends inside this line"),
        ("plain", "Loss: 10.5", 2, "the log ends inside this line"),
        ("hf-trainer state", '"loss": 1.1', 13, "the file ends inside this entry"),
    ],
)
def test_a_log_that_ends_inside_a_number_says_where(form, cut, line, reason):
    text = LOGS[form]
    run = parse(text[: text.index(cut) + len(cut)])
    assert remarks(run) == [(line, reason)]


HUGE = "9" * 400


@pytest.mark.parametrize(
    "text",
    [
        f'{{"log_history": [{{"step": 1, "loss": {HUGE}}}]}}\n',
        f'{{"mode": "train", "epoch": 1, "iter": 1, "loss": {HUGE}}}\n',
        f'{{"step": 1, "loss": {HUGE}}}\n',
        f'{{"step": 1, "iter": 1, "loss": {HUGE}}}\n',
        f':::MLLOG {{"key": "train_loss", "value": {HUGE}, "metadata": {{"step": 1}}}}\n',
        f"step 1 loss {HUGE}\n",
    ],
)
def test_a_whole_number_too_large_for_a_float_is_infinite(text):
    assert [s.values.tolist() for s in parse(text).series] == [[np.inf]]


def test_names_that_cannot_be_printed_are_escaped_and_facts_too():
    text = (
        '{"step": 1, "loss": 4.5, "\\ud800": 1, "a\\nb": 2, "": 3}\n'
        ':::MLLOG {"key": "opt_name", "value": "sgd\\ud800"}\n'
    )
    run = parse(text)
    assert {s.name: s.values.tolist() for s in run.series} == {
        "loss": [4.5],
        r"\ud800": [1],
        r"a\nb": [2],
    }
    assert run.facts["optimizer"] == r"sgd\ud800"
    assert [s.reason for s in run.skipped] == ["no place for this record"]


def test_a_number_of_a_config_that_python_cannot_print_is_kept_as_text():
    text = (
        header().replace(
            "crop_size = (", f"steps = [1, -0x{'f' * 5000}]\nseed = 0x{'f' * 5000}\ncrop_size = ("
        )
        * 2
    )
    run = parse(text + records([4.0]))
    seed = str(run.facts["config.seed"])
    assert seed.startswith("0xfff")
    assert "5002 characters, SHA-256" in seed
