"""Event files that torch and tensorboard wrote, compared with what tensorboard reads in them."""

import random

import numpy as np
import pytest

from harness.storage.logs import read_run, read_runs

pytest.importorskip("torch", reason="needs torch (`tox -e trackers`)")
pytest.importorskip("tensorboard", reason="needs tensorboard (`tox -e trackers`)")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

pytestmark = pytest.mark.filterwarnings("ignore")  # of tensorboard's own dependencies
ODD = [float("nan"), float("inf"), -float("inf"), 1e-45, -0.0, 3.4e38, 1e300, 0.1]


def points(run, name="loss"):
    (series,) = run.find(name, 0)
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def bits(pairs):
    with np.errstate(over="ignore"):
        return [(step, np.float32(value).tobytes()) for step, value in pairs]


def numbers(seed, count=200):
    rng = random.Random(seed)
    return [rng.choice(ODD) if i % 6 == 0 else rng.gauss(0, 1) for i in range(count)]


@pytest.mark.parametrize("new_style", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_scalars_of_torch_are_read_to_the_last_bit(tmp_path, seed, new_style):
    values = numbers(seed)
    with SummaryWriter(tmp_path) as writer:
        for i, value in enumerate(values):
            step = 7 * i * 10**seed
            writer.add_scalar("train/loss", value, step, new_style=new_style)
            writer.add_scalar("größe/名前", i, step)
            if i % 50 == 0:
                writer.add_histogram("weights", np.arange(10.0), step)
                writer.add_text("remark", "lr: 0.1", step)
    run = read_run(tmp_path)
    assert bits(points(run)) == bits((7 * i * 10**seed, v) for i, v in enumerate(values))
    assert {s.name for s in run.series} == {"loss", "größe/名前"}
    assert run.skipped == ()


def test_scalars_of_tensorboards_own_writer_are_read(tmp_path):
    from tensorboard.summary import Writer

    values = numbers(9)
    writer = Writer(str(tmp_path))
    for i, value in enumerate(values):
        writer.add_scalar("train/loss", value, i)
    writer.close()
    assert bits(points(read_run(tmp_path))) == bits(enumerate(values))


def test_a_restart_that_purges_gives_what_tensorboard_shows(tmp_path):
    for begin, end, offset in [(0, 100, 0), (60, 80, 1000), (70, 75, 2000)]:
        with SummaryWriter(tmp_path, purge_step=begin, filename_suffix=f".{offset}") as writer:
            for step in range(begin, end):
                writer.add_scalar("train/loss", step + offset, step)
                if step % 10 == 0:
                    writer.add_scalar("val/miou", step + offset, step)
    official = EventAccumulator(str(tmp_path), size_guidance={"scalars": 0}).Reload()
    run = read_run(tmp_path)
    for name, tag in [("loss", "train/loss"), ("val.miou", "val/miou")]:
        assert points(run, name) == [(e.step, e.value) for e in official.Scalars(tag)]


def test_hyperparameters_and_curves_beside_each_other_belong_to_their_run(tmp_path):
    for seed in (9, 10):
        with SummaryWriter(tmp_path / f"seed_{seed}") as writer:
            writer.add_text("config", "optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.25))")
            for step in range(10):
                writer.add_scalar("train/loss", 1 / (step + seed), step)
                writer.add_scalars("cost", {"train": step, "val": 2 * step}, step)
            writer.add_hparams({"batch_size": 8, "seed": seed}, {"hparam/miou": 0.5})
    runs = read_runs(f"tensorboard:{tmp_path}")
    assert [run.facts["seed"] for run in runs] == [9, 10]
    assert [run.facts["learning_rate"] for run in runs] == [0.25, 0.25]
    assert [run.facts["batch_per_device"] for run in runs] == [8, 8]
    assert {s.name for s in runs[0].series} == {"loss", "train/cost", "val.cost"}
    assert points(runs[0], "val.cost") == [(step, 2.0 * step) for step in range(10)]


def test_a_file_that_is_being_written_gives_what_was_flushed(tmp_path):
    writer = SummaryWriter(tmp_path, max_queue=1, flush_secs=1)
    for step in range(50):
        writer.add_scalar("train/loss", step, step)
    writer.flush()
    found = points(read_run(tmp_path))
    assert found == [(step, float(step)) for step in range(50)]
    writer.close()
