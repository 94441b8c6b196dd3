"""`harness parse` opens with one sentence on the run, and writes NaN as a value into its table."""

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.log.facts import RunFacts
from harness.log.run import Run, Series
from harness.parse import parse_log
from harness.report.opening import opening


def made(*series, **facts):
    return Run(
        source="x.log",
        series=series,
        formats=("config block", "mmengine"),
        facts=RunFacts(values_by_name=facts),
    )


def line(name="loss", rank=0, steps=range(300), value=1.0):
    steps = np.array(steps)
    return Series(name=name, rank=rank, steps=steps, values=np.full(steps.size, value))


def test_the_sentence_counts_losses_ranks_validations_and_devices():
    run = made(
        *(line(rank=rank) for rank in range(4)),
        line("val.mIoU", steps=range(24, 300, 25)),
        line("val.loss", steps=range(24, 300, 25)),
        effective_batch=32,
        batch_per_device=8,
        world_size=4,
    )
    assert opening(run) == (
        "1,200 training losses of 4 ranks at steps 0 to 299, from mmengine lines; 12 validations; "
        "batch 32 on 4 devices"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("step 1,000 loss 2.5\n", "1 training loss at step 1,000, from plain lines"),
        (
            "step 1 loss nan\nstep 2 loss 2.5\n",
            "2 training losses at steps 1 to 2 (1 not finite), from plain lines",
        ),
        (
            "loss: 2.5\nloss: 2.25\n",
            "2 training losses numbered 0 to 1 by order of printing, from plain lines",
        ),
        (
            "step 1 D loss: 0.5 G loss: 0.25\n",
            "no series called loss; 2 records of D_loss, G_loss at step 1, from plain lines",
        ),
    ],
)
def test_the_sentence_says_what_a_reader_must_know(text, sentence):
    assert opening(parse_log([text], source="x.log")) == sentence


def test_the_batch_of_a_device_is_called_so():
    assert opening(made(line(), batch_per_device=8)).endswith("; batch 8 per device")
    assert opening(made(line(), world_size=1)).endswith("; on 1 device")


def test_the_command_opens_with_it_and_its_table_keeps_nan(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_text("step 1 loss nan\nstep 2 loss -inf\nstep 3 loss 2.5\n")
    done = CliRunner().invoke(app, ["parse", "a.log", "--csv", "a.csv"])
    assert done.exit_code == 0
    assert done.stdout.startswith("a.log: 3 training losses at steps 1 to 3 (2 not finite), from ")
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
    assert [row["value"] for row in rows] == ["nan", "-inf", "2.5"]
    assert [row["step"] for row in rows] == ["1", "2", "3"]
