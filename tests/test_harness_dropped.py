"""Lines with figures that no format reads are counted and shown, and other lines are not."""

import json

import pytest
from rich.console import Console
from typer.testing import CliRunner

from harness.cli.main import app
from harness.parse import parse_log
from harness.parse.dropped import Dropped, holds_figures
from harness.report import run as report

LOSSES = "step 1 loss 3.5\nstep 2 loss 3.25\n"
FIGURES = (
    "speech rate 4: snr=0.75 over 10 files",
    "BLEU = 27.5, 58.1/33.0/20.9/13.6 (BP=1.000)",
    "| road | 97.5 | 98.25 |",
    "mIoU: 71.5%",
    "2025-01-02 10:00:00 - INFO - psnr: 31.25",
)
CHATTER = (
    "ETA: 1.5 h",
    "max memory: 3.5 GB",
    "GPU memory allocated: 10.5",
    "iter time: 0.25 s, data time: 0.125",
    "Saving checkpoint, acc: 0.75",
    "Best accuracy: 76.5 at epoch 3",
    "2025-01-02 10:00:00.123 next epoch",
    "throughput: 12.5",
    "number of parameters: 25.6",
    "epoch 3 took 12.5 seconds",
    "workers: 4",
    "+------+------+",
    "| class | IoU |",
    "elapsed_time_per_iteration: 1.25",
)


@pytest.mark.parametrize("line", FIGURES)
def test_a_name_with_a_decimal_and_a_row_of_a_table_are_figures(line):
    assert holds_figures(line + "\n")
    run = parse_log([f"{LOSSES}{line}\n{line.replace('.', '.1')}\n"], source="x")
    assert run.dropped_count == 2
    assert (run.dropped[0].line, run.dropped[0].text) == (3, line.strip())


@pytest.mark.parametrize("line", CHATTER)
def test_times_sizes_and_lines_on_checkpoints_are_no_figures(line):
    run = parse_log([f"{LOSSES}{line}\n"], source="x")
    assert (run.dropped_count, run.dropped) == (0, ())


def test_settings_before_the_first_record_are_no_figures_that_were_dropped():
    head = "".join(f"{name}: 0.{i}\n" for i, name in enumerate(("momentum", "dropout", "decay"), 1))
    assert parse_log([head + LOSSES], source="x").dropped_count == 0
    assert parse_log([LOSSES + head], source="x").dropped_count == 3


def test_the_first_lines_are_kept_and_all_are_counted():
    dropped = Dropped()
    for number in range(10, 20):
        dropped.add(number, f"psnr: {number}.5\n")
    count, first = dropped.after(11)
    assert (count, [s.line for s in first]) == (8, [12, 13, 14])
    assert first[0].text == "psnr: 12.5"


def test_the_screen_says_that_none_was_skipped_only_where_none_was(tmp_path):
    def shown(text):
        console = Console(width=200, record=True, file=None)
        report.write(parse_log([text], source="x"), console)
        return console.export_text()

    none = "no line that looks like a record was skipped"
    assert none in shown(LOSSES)
    said = shown(LOSSES + "psnr: 31.5\nssim: 0.5\n")
    assert none not in said
    assert "2 lines behind the first record state figures that no format reads" in said
    assert "x:3: psnr: 31.5" in said

    log = tmp_path / "a.log"
    log.write_text(LOSSES + "psnr: 31.5\n", encoding="utf-8")
    done = CliRunner().invoke(app, ["parse", str(log), "--json", str(tmp_path / "a.json")])
    assert done.exit_code == 0
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert document["dropped"] == {"lines": 1, "first": [{"line": 3, "text": "psnr: 31.5"}]}
