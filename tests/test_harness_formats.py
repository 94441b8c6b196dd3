"""Every format in the spellings of the programs that write it: the series, windows and facts."""

import re
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from logforms import BLOCKS, LOGS, SPELLINGS
from loglines import header, record, records

from harness.errors import HarnessError
from harness.parse import FORMATS, formats, parse_log, reading
from harness.parse.formats.pattern import Pattern
from harness.parse.grammar.reader import Grammar


def parse(text, **options):
    return parse_log([text], source="x.log", **options)


def series(run):
    """Each series as `name@window`, with its rank if that is not 0, and its points."""
    return {
        s.key if not s.rank else f"{s.key} of {s.rank}": dict(
            zip(s.steps.tolist(), s.values.tolist(), strict=True)
        )
        for s in run.series
    }


EXPECTED = {
    "blocks of losses": {"loss": {0: 4.5625, 1: 4.3125, 2: 4.1875, 3: 4.0625, 4: 3.9375}},
    "tcappdll": {
        "loss": {0: 3.9321765899658203, 1: 3.5, 2: 2.25},
        "loss of 1": {0: 4.125, 1: 3.0625, 2: 12.75},
        "ips": {0: 4.0, 1: 4.0, 2: 4.0},
        "ips of 1": {0: 4.0, 1: 4.0, 2: 4.0},
        "total_time": {0: 0.5, 1: 0.5, 2: 0.5},
        "total_time of 1": {0: 0.5, 1: 0.5, 2: 0.5},
    },
    "epoch table": {
        "box_loss@8": {8: 1.5, 16: 1.25},
        "cls_loss@8": {8: 2.5, 16: 2.25},
        "val.P": {8: 0.625},
        "val.R": {8: 0.375},
        "val.mAP50": {8: 0.5},
    },
    "boxed table": {
        "loss": {2048: 6.5, 4096: 5.25},
        "lr": {2048: 0.0003, 4096: 0.00025},
    },
    "tcappdll json": {
        "loss": {90: 429.9375, 91: 411.5, 92: 401.25},
        "ips": {90: 68.0625, 91: 68.0625, 92: 68.0625},
    },
    "mmengine": {
        "loss@10": {49: 2.1715, 99: 1.9625},
        "lr": {49: 0.0099891, 99: 0.0099781},
        "time@10": {49: 0.1278, 99: 0.1254},
        "data_time@10": {49: 0.0418, 99: 0.0402},
        "memory": {49: 1200.0, 99: 1200.0},
        "decode.acc_seg@10": {49: 68.6723, 99: 71.0625},
        "val.aAcc": {99: 55.125},
        "val.mIoU": {99: 33.333},
    },
    "mmengine, by epoch": {
        "loss@10": {599: 12.0625, 699: 11.0625},
        "loss_cls@10": {599: 11.125, 699: 10.125},
        "lr": {599: 0.00125, 699: 0.001125},
        "time@10": {599: 0.25, 699: 0.375},
        "val.coco/bbox_mAP": {699: 0.3125},
    },
    "mmcv": {
        "loss@50": {49: 3.1415, 99: 2.7182},
        "decode.loss_ce@50": {49: 2.125, 99: 1.8125},
        "lr": {49: 0.009989, 99: 0.009978},
        "time@50": {49: 0.466, 99: 0.461},
        "data_time@50": {49: 0.01, 99: 0.011},
        "memory": {49: 10000.0, 99: 10000.0},
        "val.aAcc": {99: 0.9512},
        "val.mIoU": {99: 0.7012},
    },
    "mmcv, by epoch": {
        "loss@50": {49: 12.25, 99: 11.75},
        "loss_cls@50": {49: 1.125, 99: 1.0625},
        "lr": {49: 0.001978, 99: 0.002978},
        "time@50": {49: 0.466, 99: 0.461},
        "memory": {49: 3999.0, 99: 3999.0},
        "val.bbox_mAP": {99: 0.3125},
    },
    "mmcv .log.json": {
        "loss@50": {49: 3.1415, 99: 2.7182},
        "lr": {49: 0.00999, 99: 0.00978},
        "memory": {49: 9000.0, 99: 9000.0},
        "time@50": {49: 0.4625, 99: 0.4575},
        "val.mIoU": {99: 0.7012},
    },
    "scalars.json": {
        "loss@10": {49: 2.1715, 99: 1.9625, 149: 1.8125},
        "lr": {49: 0.0099891, 99: 0.0099781, 149: 0.0099671},
        "time@10": {49: 0.1278, 99: 0.1254, 149: 0.1262},
        "data_time@10": {49: 0.0418, 99: 0.0402, 149: 0.0411},
        "memory": {49: 1200.0, 99: 1200.0, 149: 1200.0},
        "val.mIoU": {149: 33.3125},
        "val.aAcc": {149: 55.125},
    },
    "hf-trainer": {
        "loss": {1: 1.5289, 2: 1.2875},
        "lr": {1: 4.9996e-05, 2: 4.9125e-05},
        "grad_norm": {1: 20.3271, 2: 11.1625},
        "val.loss": {2: 0.4125},
    },
    "hf-trainer in a bar": {"loss": {1: 11.25, 2: 10.75}, "lr": {1: 4.95e-05, 2: 4.9e-05}},
    "hf-trainer state": {
        "loss@10": {10: 1.25, 20: 1.125},
        "lr": {10: 5e-05, 20: 4e-05},
        "grad_norm": {10: 12.125, 20: 11.0625},
        "val.loss": {20: 0.875},
    },
    "hf-trainer state on a line": {
        "loss@10": {10: 1.25, 20: 1.125},
        "lr": {10: 5e-05, 20: 4e-05},
        "val.loss": {20: 0.875},
    },
    "megatron": {
        "loss@10": {10: 10.46, 20: 9.125},
        "lr": {10: 0.00015, 20: 0.0001625},
        "samples": {10: 80.0, 20: 160.0},
        "elapsed time per iteration (ms)@10": {10: 1234.5, 20: 1200.25},
        "grad_norm@10": {10: 12.125, 20: 10.5},
        "loss scale": {10: 1.0, 20: 1.0},
    },
    "mllog": {
        "loss": {9: 1.92359, 19: 1.62125},
        "lr": {9: 0.0005, 19: 0.00045},
        "samples": {9: 80.0, 19: 160.0},
        "val.eval_accuracy": {19: 0.93125},
    },
    "json lines": {
        "loss": {13: 4.5625, 14: 3.9375, 25: 2.0625},
        "lr": {13: 0.00125, 14: 0.00115},
        "train/acc": {25: 0.125},
    },
    "json lines, nested": {
        "loss": {13: 4.5625, 14: 3.9375},
        "train/acc": {13: 0.125, 14: 0.25},
    },
    "csv": {
        "loss": {49: 2.125, 99: 1.8125, 149: 1.5625},
        "lr": {49: 0.125, 99: 0.115, 149: 0.105},
        "val.loss": {99: 1.9375},
    },
    "csv, step last": {"loss": {10: 12.5, 20: 11.75}, "grad_norm": {10: 1.125, 20: 1.0625}},
    "csv, tidy": {"loss": {10: 12.5}, "loss of 1": {10: 12.75}, "lr": {11: 0.125}},
    "csv, tensorboard": {"loss": {10: 12.5, 20: 11.75, 30: 10.5}},
    "csv, semicolons": {"loss": {10: 12.5, 11: 11.25, 12: 10.125}},
    "columns": {"loss": {11: 8.048333168029785, 12: 7.625, 13: 17.1875}},
    "columns with a heading": {"loss": {11: 8.25, 12: 7.625, 13: 17.1875}},
    "columns with commas": {"loss": {11: 8.25, 12: 7.625, 13: 17.1875}},
    "plain": {"loss": {12: 11.2315, 13: 10.5625, 24: 9.1875}},
    "plain, step and loss": {"loss": {13: 14.5, 14: 13.25, 25: 12.125}},
    "plain, step last": {
        "loss": {11: 14.2954, 12: 13.9375},
        "lr": {11: 4.997e-05, 12: 4.995e-05},
    },
    "plain, bars alone": {"loss": {0: 10.125, 1: 9.5, 2: 8.75}},
    "plain, train and validation": {
        "loss": {100: 14.2874, 250: 13.5125},
        "val.loss": {100: 15.2823, 250: 14.5312},
    },
    "plain, a bar of tqdm": {"loss": {10: 12.3125, 20: 12.1875}},
    "plain, ranks": {
        "loss of 10": {11: 14.5},
        "loss of 11": {11: 13.25},
        "lr of 10": {11: 0.0125},
        "lr of 11": {11: 0.0125},
    },
}
FORMAT_OF = {
    "tcappdll json": "tcappdll",
    "hf-trainer in a bar": "hf-trainer",
    "hf-trainer state on a line": "hf-trainer state",
    "columns with a heading": "columns",
    "columns with commas": "columns",
}
FACTS = {
    "tcappdll": {"batch_per_device": 2, "world_size": 2},
    "mmengine": {"planned_steps": 40000},
    "mmcv": {"planned_steps": 40000, "seed": 17},
    "mmcv .log.json": {"seed": 17},
    "megatron": {"planned_steps": 500, "effective_batch": 8},
    "mllog": {"effective_batch": 8},
    "hf-trainer state": {"planned_steps": 20, "batch_per_device": 4},
    "hf-trainer state on a line": {"planned_steps": 20},
    "csv, tidy": {"world_size": 2},
    "plain, ranks": {"world_size": 2},
}


@pytest.mark.parametrize("name", {**LOGS, **SPELLINGS})
def test_each_spelling_gives_the_series_that_it_states_and_no_others(name):
    run = parse({**LOGS, **SPELLINGS}[name])
    assert series(run) == EXPECTED[name]
    assert run.formats == (FORMAT_OF.get(name, name.split(",")[0]),)
    assert run.facts.named() == FACTS.get(name, {})
    assert run.skipped == ()


RISING = {
    "TcappdllJson": ("97", "loss"),
    "Tcappdll": ("Iteration: 1 ", "loss"),
    "MmengineText": ("   50/", "loss@10"),
    "MmcvText": ("[50/", "loss@50"),
    "HfTrainer": ("", "loss"),
    "Megatron": ("     10/", "loss@10"),
    "Mllog": ('"samples_count": 80', "loss"),
    "MmcvJson": ('"iter": 50', "loss@50"),
    "ScalarsJson": ('"step": 50', "loss@10"),
    "HfState": ('"step": 10', "loss"),
    "JsonLines": ('"step": 3', "loss"),
    "Columns": ("1 ", "loss"),
    "Grammar": ("Iteration 12", "loss"),
}
"""What in the example counts the steps, and the series that it is of."""
NO_COUNTER = {
    "ConfigBlock": "states facts",
    "Arguments": "states facts",
    "Environment": "states facts",
    "Launch": "states facts",
    "Command": "states facts",
    "DeviceNotes": "states facts",
    "CsvTable": "its example is a heading",
    "EpochTable": "its example is a heading",
    "BoxedTable": "its example is a row of a box",
    "Sides": "its example is a heading",
}
"""Formats whose example counts no step."""


def classes_in_the_folder():
    """The classes with `feed` in the files of the folder of formats."""
    folder = Path(formats.__file__).parent
    modules = [
        import_module(f"{formats.__name__}.{path.stem}")
        for path in sorted(folder.glob("*.py"))
        if path.stem != "__init__"
    ]
    return {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and kind.__module__ == module.__name__ and hasattr(kind, "feed")
    }


def test_every_format_in_the_folder_is_in_the_list():
    beside = set(formats.FACTS_ONLY) | {Grammar}  # the grammar has a folder of its modules
    assert classes_in_the_folder() - {Pattern} == set(FORMATS) - beside


def test_fallback_formats_come_last():
    assert [kind.fallback for kind in FORMATS] == sorted(kind.fallback for kind in FORMATS)


def test_every_format_has_a_log_among_the_cases_and_an_example_that_is_tried():
    names = {FORMAT_OF.get(name, name) for name in LOGS}
    assert {kind.name for kind in FORMATS} - {kind.name for kind in formats.FACTS_ONLY} == names
    assert {kind.name for kind in formats.FACTS_ONLY} == set(BLOCKS)
    assert {*LOGS, *SPELLINGS} == set(EXPECTED)
    assert {kind.__name__ for kind in FORMATS} == RISING.keys() | NO_COUNTER.keys()


@pytest.mark.parametrize("kind", [k for k in FORMATS if k.__name__ in RISING])
def test_the_example_of_each_format_repeated_with_rising_steps_is_read_by_it_alone(kind):
    counter, key = RISING[kind.__name__]
    first = int(re.findall(r"\d+", counter)[-1]) if counter else 1
    lines = [kind.example]
    for times in (2, 3):
        rising = counter.replace(str(first), str(first * times)) if counter else ""
        lines.append(kind.example.replace(counter, rising) if counter else kind.example)
    if kind.__name__ == "Mllog":
        lines.insert(0, ':::MLLOG {"key": "global_batch_size", "value": 8}')
    if kind.__name__ == "HfState":
        lines = lines[:1]  # a document is one
    run = parse("\n".join(lines) + "\n")
    assert run.formats == (kind.name,)
    assert len(series(run)[key]) == (1 if kind.__name__ == "HfState" else 3)
    assert run.skipped == ()


def test_the_csv_example_is_a_heading():
    assert series(parse(next(k for k in FORMATS if k.name == "csv").example + "\n0,4,2.5,\n")) == {
        "loss": {4: 2.5}
    }


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_facts_alone_is_no_training_log(block):
    with pytest.raises(HarnessError, match="no training record"):
        parse(BLOCKS[block])


@pytest.mark.parametrize(
    "name", [n for n in LOGS if "state" not in n and n not in ("csv", "columns")]
)
def test_a_format_is_found_below_a_header_and_beside_foreign_text(name):
    noise = "loading weights\nWARNING: the loss function is deprecated\nprogress: 12 of 34\n"
    run = parse(header() + noise + LOGS[name] + noise)
    losses = {key: points for key, points in EXPECTED[name].items() if key.startswith("loss")}
    assert losses.items() <= series(run).items()
    assert run.formats == (FORMAT_OF.get(name, name),)


# --- TCAPPDLL: all spellings


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("train.loss : 3.5 train.ips : 12.9 imgs/s", {"loss": 3.5, "ips": 12.9}),
        ("loss : 3.5  ips : 12.9 imgs/s", {"loss": 3.5, "ips": 12.9}),
        ("train.loss_avg : 3.5 ", {"loss": 3.5}),
        ("train.loss : 3.5  train.loss_avg : 3.75", {"loss": 3.5, "loss_avg": 3.75}),
        ("train.loss : 3.5 val.mIoU : 0.25", {"loss": 3.5, "val.mIoU": 0.25}),
        ("train.ips : 12.9 images/sec train.loss : 3.5", {"ips": 12.9, "loss": 3.5}),
    ],
)
@pytest.mark.parametrize(
    "head", ["Epoch: 0 Iteration: 4  rank : {}  ", "Epoch: 0 Iteration: 4 rank: {} "]
)
@pytest.mark.parametrize("rank", [0, -1, 3])
def test_tcappdll_is_read_in_all_its_spellings(fields, expected, head, rank):
    run = parse(f"[rank{rank}] TCAPPDLL 2025-07-26 08:17:23.9 - {head.format(rank)}{fields}\n")
    assert {s.name: s.values.tolist() for s in run.series} == {k: [v] for k, v in expected.items()}
    assert run.ranks == (max(rank, 0),)
    assert run.skipped == ()


def test_tcappdll_counters_that_restart_with_the_epoch_are_one_curve_for_each_rank():
    text = "".join(
        record(i, f"{e}{i}.{r}", rank=r, epoch=e) + "\n"
        for e in range(2)
        for i in range(3)
        for r in range(2)
    )
    run = parse(text)
    assert series(run)["loss"] == {0: 0.0, 1: 1.0, 2: 2.0, 3: 10.0, 4: 11.0, 5: 12.0}
    assert series(run)["loss of 1"] == {0: 0.1, 1: 1.1, 2: 2.1, 3: 10.1, 4: 11.1, 5: 12.1}


@pytest.mark.parametrize("step", ["[0, 97]", "97", "[97]", "[0, 97, 3]"])
def test_tcappdll_json_takes_a_place_with_or_without_epoch(step):
    line = FORMATS[1].example.replace("[24, 97]", step)
    assert list(series(parse(line + "\n"))["loss"]) == [97]


# --- what must not be read


def test_plain_losses_beside_tcappdll_are_no_records():
    text = "".join(f"step {i} loss 99.5\n{record(i, 4.0)}\n" for i in range(3))
    run = parse(text + "Loss: bad\nepoch 1 loss 98")
    assert series(run)["loss"] == {0: 4.0, 1: 4.0, 2: 4.0}
    assert run.formats == ("tcappdll",)
    assert run.skipped == ()


@pytest.mark.parametrize(
    "line",
    [
        "loss_decode=dict(loss_weight=0.4, type='CrossEntropyLoss'),",
        "UserWarning: reduction of the loss will be 'mean' in 2 releases",
        "Using CrossEntropyLoss with weight 0.4",
        "loss function: cross entropy",
        "Total loss is not finite",
        "loss scaler: 65536.0 -> 32768.0",
        "Step 3: reducing loss scale to 1024.0",
        "glossary 12",
        "Loss: 50%|#####     | 5/10",
    ],
)
def test_text_that_speaks_of_a_loss_is_no_record(line):
    with pytest.raises(HarnessError):
        parse(line + "\n")


def test_lines_without_a_step_beside_numbered_ones_are_left_out_and_said_so():
    run = parse("initial loss: 9.5\nstep 1 loss 4.5\nstep 2 loss 4.25\nmean loss: 4.375\n")
    assert series(run) == {"loss": {1: 4.5, 2: 4.25}}
    assert "plain: 2 losses without a step beside others with one are left out" in run.notes


@pytest.mark.parametrize("name", ["Validation", "val", "test", "eval", "Valid"])
def test_the_loss_of_a_validation_is_another_series(name):
    run = parse(f"step 1 loss 4.5\nstep 1 {name} loss 9.5\nstep 2 loss 4.25\n")
    assert series(run) == {"loss": {1: 4.5, 2: 4.25}, "val.loss": {1: 9.5}}


# --- formats that look like one another


def test_an_object_with_step_alone_is_generic_and_one_with_iter_is_mmengines():
    assert series(parse('{"step": 50, "loss": 2.5}\n')) == {"loss": {50: 2.5}}
    assert series(parse('{"step": 50, "iter": 50, "loss": 2.5}\n')) == {"loss@10": {49: 2.5}}


def test_lightnings_table_counts_from_zero_and_tensorboards_names_no_loss():
    assert parse(LOGS["csv"]).notes == ("the training loss is logged as 'train_loss'",)
    assert series(parse("Wall time,Step,Value\n1.5,0,2.5\n")) == {"loss": {0: 2.5}}


def test_a_trainer_that_logs_nan_or_inf_says_so():
    run = parse(
        "{'loss': nan, 'grad_norm': inf, 'learning_rate': 1e-05, 'epoch': 0.1}\n"
        "{'loss': 0.0, 'grad_norm': nan, 'learning_rate': 1e-05, 'epoch': 0.2}\n"
    )
    (loss,), (norm,) = run.find("loss", 0), run.find("grad_norm", 0)
    assert np.array_equal(loss.values, [np.nan, 0.0], equal_nan=True)
    assert np.array_equal(norm.values, [np.inf, np.nan], equal_nan=True)
    state = '{"log_history": [{"step": 1, "loss": NaN}, {"step": 2, "loss": Infinity}]}\n'
    assert np.array_equal(parse(state).find("loss", 0)[0].values, [np.nan, np.inf], equal_nan=True)


def test_the_arguments_of_a_trainer_number_its_losses():
    text = BLOCKS["argument block"] + LOGS["hf-trainer"]
    run = parse(text)
    assert series(run)["loss@10"] == {10: 1.5289, 20: 1.2875}
    assert series(run)["val.loss"] == {20: 0.4125}
    assert run.facts["config.args.logging_steps"] == 10


@pytest.mark.parametrize("at", ["learning rate: 1.625", "lm loss: 9.1", "grad norm: 10"])
def test_a_megatron_line_cut_inside_a_field_keeps_the_fields_before_it(at):
    text = LOGS["megatron"]
    run = parse(text[: text.index(at) + len(at)] + "\n")
    loss = next(
        points for key, points in series(run).items() if key.startswith("loss@") or key == "loss"
    )
    assert loss == ({10: 10.46, 20: 9.125} if at.startswith("grad") else {10: 10.46})
    assert "a field without its closing bar" in run.skipped[0].reason


def test_a_pattern_of_ones_own_comes_before_every_format():
    text = "[12] cost=1.5 rank=1 loss 9.0\n[13] cost=1.25 rank=1 loss 8.0\n"
    run = parse(text, pattern=r"\[(?P<step>\d+)\] cost=(?P<loss>\S+)(?: rank=(?P<rank>\d+))?")
    assert series(run) == {"loss of 1": {12: 1.5, 13: 1.25}}
    assert run.formats == ("pattern",)


def test_a_pattern_without_step_numbers_its_lines_and_says_so():
    run = parse("cost=1.5\nx\ncost=1.25\n", pattern=r"cost=(?P<loss>\S+)")
    assert series(run) == {"loss": {0: 1.5, 1: 1.25}}
    assert run.notes == ("pattern: 2 records without a step are numbered from 0",)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(?P<loss>", "is not understood"),
        (r"(?=a)(?P<loss>\d)", "RE2 knows no look-around"),
        (r"step (?P<step>\d+)", "names no series"),
        (r"(\d+)", "names no series"),
    ],
)
def test_a_pattern_that_cannot_be_used_says_why(pattern, message):
    with pytest.raises(HarnessError, match=message):
        parse(records([4.0]), pattern=pattern)


def test_two_formats_that_log_the_same_loss_are_kept_apart_and_compared():
    text = records([4.0, 3.0]) + LOGS["json lines"]
    run = parse(text)
    assert series(run)["loss"] == {13: 4.5625, 14: 3.9375, 25: 2.0625}
    assert series(run)["tcappdll.loss"] == {0: 4.0, 1: 3.0}
    assert any("is written by json lines and by tcappdll" in note for note in run.notes)


def test_formats_are_listed_in_the_order_of_the_log():
    one, two = LOGS["scalars.json"], LOGS["tcappdll"]
    for bulk_after in (0, reading.BULK_AFTER):
        assert parse(one + two, bulk_after=bulk_after).formats == ("scalars.json", "tcappdll")
        assert parse(two + one, bulk_after=bulk_after).formats == ("tcappdll", "scalars.json")
