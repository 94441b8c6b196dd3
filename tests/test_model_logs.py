"""The step log and its head, as the harness is to read them."""

import contextlib
import math
import os
import pty
import re
import subprocess
import sys
from datetime import datetime

import pytest
from tiny_run import ROOT, command, environment, options, records, train

from model import load_config
from model.devices import find_device
from model.environment import environment_block, gather_facts
from model.hooks.port_log import format_record

ORDER = [
    "device_kind", "device_name", "device_count", "driver", "runtime", "backend", "world_size",
    "launcher", "seed", "deterministic", "num_threads", "batch_per_device", "grad_accumulation",
    "precision", "planned_steps", "python", "torch", "mmengine", "model_code",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    """A run of 4 steps: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("logs") / "run"
    done = train(folder, options(scenes, steps=4), "--seed", "3")
    return folder, done


def test_a_record_has_the_published_form_to_the_last_blank():
    line = format_record(
        datetime(2025, 7, 26, 8, 17, 23, 943828),
        epoch=0,
        iteration=1,
        rank=0,
        loss=3.9321765899658203,
        batch=2,
        step_s=0.1545729637145996,
    )
    assert line == (
        "TCAPPDLL 2025-07-26 08:17:23.943828 - Epoch: 0 Iteration: 1  rank : 0  "
        "train.loss : 3.9321765899658203  train.ips : 12.938873344582818 imgs/s "
        "train.total_time : 0.1545729637145996 \n"
    )


@pytest.mark.shared
def test_a_record_is_the_published_log_line_for_line(shared_data):
    """Every record of a real log is rendered again from its own values, byte for byte."""
    lines = (shared_data / "ccnet" / "cuda.log").read_text().splitlines(keepends=True)
    real = [line for line in lines if line.startswith("TCAPPDLL")]
    assert len(real) > 50
    for line, record in zip(real, records("".join(real)), strict=True):
        again = format_record(
            datetime.strptime(line[9:35], "%Y-%m-%d %H:%M:%S.%f"),
            epoch=0,
            iteration=record.iteration,
            rank=record.rank,
            loss=record.loss,
            batch=2,
            step_s=record.total_time,
        )
        assert again == line


def test_log_begins_with_the_environment_then_the_config_then_records(run):
    folder, _ = run
    text = (folder / "port.log").read_text()
    lines = text.splitlines()
    assert lines[:2] == ["-" * 60, "Port environment:"]
    end = lines.index("-" * 60, 1)
    facts = dict(re.fullmatch(r"    (\w+): (.+)", line).groups() for line in lines[2:end])
    assert list(facts) == [key for key in ORDER if key in facts]
    assert set(ORDER) - set(facts) <= {"device_name", "driver", "runtime"}
    want = {
        "device_kind": "cpu",
        "backend": "none",
        "world_size": "1",
        "launcher": "none",
        "seed": "3",
        "deterministic": "False",
        "num_threads": "1",
        "batch_per_device": "4",
        "precision": "float32",
        "planned_steps": "4",
        "mmengine": "0.10.7",
    }
    assert {key: facts[key] for key in want} == want
    assert re.fullmatch(r"\d\d/\d\d \d\d:\d\d:\d\d - mmengine - INFO - Config:", lines[end + 1])
    blank = lines.index("", end)
    config = "\n".join(lines[end + 2 : blank])
    assert "randomness = dict(seed=3)" in config
    assert compile(config, "config", "exec")
    assert len(lines[blank:]) == 2 + 4
    assert [r.iteration for r in records(text)] == [0, 1, 2, 3]


def test_rate_times_time_is_the_batch_and_the_loss_is_a_float32_in_full(run):
    import numpy as np

    for record in records((run[0] / "port.log").read_text()):
        assert record.ips * record.total_time == pytest.approx(4, rel=1e-14)
        assert 0 < record.total_time < 60
        assert float(np.float32(record.loss)) == record.loss


def test_standard_output_holds_the_same_records_and_blocks(run):
    folder, done = run
    log = (folder / "port.log").read_text()
    block = log[: log.index("- mmengine")].rsplit("\n", 1)[0]
    assert block in done.stdout
    assert records(done.stdout) == records(log)
    config = done.stdout.index(" - mmengine - INFO - Config:\n")
    assert done.stdout.index(block) < config < done.stdout.index("TCAPPDLL")
    assert re.fullmatch(r"training: 1 of 4 steps done, about \d+ s left\n", done.stderr)


def test_mmengines_log_is_written_too_and_agrees(run):
    folder, _ = run
    text = next(folder.glob("*/2*.log")).read_text()
    lines = re.findall(r"Iter\(train\) \[(\d+)/4\].*  loss: (\d+\.\d+)", text)
    assert [int(step) for step, _ in lines] == [2, 4]
    losses = [record.loss for record in records((folder / "port.log").read_text())]
    assert math.isclose(float(lines[0][1]), sum(losses[:2]) / 2, abs_tol=6e-5)
    assert re.search(r"Iter\(val\).*aAcc: .*mIoU: .*mAcc: ", text)


def test_facts_that_are_not_known_are_left_out():
    assert environment_block({"seed": "0"}) == "\n".join(
        ["-" * 60, "Port environment:", "    seed: 0", "-" * 60, ""]
    )


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (None, None),
        (False, None),
        (True, "inductor"),
        ({"mode": "max-autotune"}, "inductor max-autotune"),
        ({"backend": "aot_eager"}, "aot_eager"),
    ],
)
def test_what_makes_a_run_faster_is_a_fact_where_the_config_sets_it(setting, words):
    cfg = load_config("ccnet_r18-d8_demo")
    cfg.compile = setting
    if words:
        cfg.model.memory_format = "contiguous"
    facts = gather_facts(cfg, find_device("cpu"), launcher="none", world_size=1)
    assert facts.get("compiled") == words
    assert facts.get("memory_format") == ("contiguous" if words else None)


def test_lines_of_many_processes_never_mix(tmp_path):
    """Three writers into one pipe and one file, as ranks do: every line stays whole."""
    code = (
        "import os, sys; from datetime import datetime\n"
        "from model.hooks.port_log import format_record, open_log\n"
        "from pathlib import Path\n"
        "rank = int(sys.argv[1]); log = open_log(Path(sys.argv[2]))\n"
        "for i in range(300):\n"
        "    line = format_record(datetime.now(), epoch=0, iteration=i, rank=rank,"
        " loss=1 / (i + 3), batch=2, step_s=0.1).encode()\n"
        "    os.write(log, line); os.write(1, line)\n"
    )
    read, write = os.pipe()
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), str(tmp_path)],
            stdout=write, env=environment(), cwd=ROOT,
        )
        for rank in range(3)
    ]  # fmt: skip
    os.close(write)
    with os.fdopen(read) as pipe:
        piped = pipe.read()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    for text in (piped, (tmp_path / "port.log").read_text()):
        found = records(text)
        assert len(found) == len(text.splitlines()) == 900
        assert {(r.rank, r.iteration) for r in found} == {
            (k, i) for k in range(3) for i in range(300)
        }


@pytest.mark.parametrize("stdout_is_terminal", [False, True])
def test_the_bar_is_on_a_terminal_of_its_own_or_not_at_all(scenes, tmp_path, stdout_is_terminal):
    master, terminal = pty.openpty()
    argv = command(tmp_path / "run", options(scenes, steps=2), "--device", "cpu", "--no-validate")
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            argv, cwd=tmp_path, env=environment(TERM="xterm"),
            stdout=terminal if stdout_is_terminal else out, stderr=terminal,
        )  # fmt: skip
        os.close(terminal)
        shown = b""
        with contextlib.suppress(OSError):  # Linux: reading a closed terminal's other end
            while part := os.read(master, 65536):
                shown += part
    os.close(master)
    assert process.wait(60) == 0
    assert ("━".encode() in shown) != stdout_is_terminal
    if not stdout_is_terminal:
        assert b"TCAPPDLL" not in shown
        assert "\x1b" not in (tmp_path / "out").read_text()
