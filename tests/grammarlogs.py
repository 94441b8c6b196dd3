"""Logs that the grammar must read, printed from known figures, and the demand for those figures.

    python tests/grammarlogs.py [RECORDS] [SEED]

prints logs until RECORDS figures (1,000,000) were printed, reads each, and counts the differing.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Mapping
from math import isnan
from typing import NamedTuple

from harness.log.run import Run
from harness.parse import parse_log

HEADS = (
    "",
    "[rank{rank}]: ",
    "[default{rank}]:",
    "[1,{rank}]<stdout>:",
    "{rank}: ",
    "2025-03-04 10:00:00,123 - root - INFO - [Rank {rank}] ",
    "[2025-03-04 10:00:00 net] (main.py 226): INFO ",
    "2025-03-04T10:00:00.123456789Z ",
    "I0304 10:00:00.123456  1234 solver.cpp:239] ",
)
PLACES = (
    "step {step} ",
    "step: {step:,} | ",
    "iter {step}/9000: ",
    "global_step={step}, ",
    "num_updates={step}, ",
    "{step} | ",
    "{step}iter - ",
    "global step {step}, epoch: {epoch}, batch: {counter}, ",
    "Epoch: [{epoch}]  [{counter:3d}/{length}]  ",
    "Train: [{epoch}/300][{counter}/{length}]\t",
    "Train: {epoch} [{counter:4d}/{length} ({percent}%)]  ",
    "epoch {epoch:03d}:     {counter} / {length} ",
    "Epoch [{epoch}/300] Step [{counter}/{length}] ",
    "Epoch {epoch}:  {percent}%|##  | {counter}/{length} [00:02<00:40, 4.7it/s, ",
    "Epoch: [{epoch}/300] Iter:[{counter}/{length}], ",
    "{{ Epoch:[{epoch:3d}/300], step:[{counter:5d}/{length:5d}], ",
    "Train Epoch: {epoch} [{counter}/{length} ({percent}%)]\t",
    "| epoch {epoch:3d} | {counter:5d}/{length:5d} batches | ",
    "[TRAIN] epoch: {epoch}, iter: {step}/9000, ",
    "[Train][Epoch {epoch}/300][Iter: {counter}/{length}] ",
    "epoch {epoch} - iter {counter}/{length} - ",
    "Epoch {epoch}/300  ━━━━━━━ {counter}/{length} 0:00:01 • 0:00:09 4.7it/s ",
    "train[{step:5d}]: ",
    "[{step}] ",
    "'global_step/max_steps': '{step}/9000', ",
    '"current_steps": {step}, "total_steps": 9000, ',
)
PAIRS = (
    "{name}: {value}",
    "{name}={value}",
    "'{name}': '{value}'",
    "{name}: [{value}]",
    "{name}: {{{value}}}",
    "{name}: {value} (0.125)",
    "{name}: tensor({value}, device='npu:0')",
)
JOINS = (" ", ", ", "  ", " | ", "\t")
NAMES = ("kl_loss", "loss_cls", "lr", "grad_norm", "acc1")
EVALUATIONS = ("Test: loss {v}", "Validation loss: {v}", "[Eval] loss={v}", "eval_loss: {v}")
BETWEEN = ("Saving checkpoint\n", "time 10:00:00, mem 900 MB\n", "\n")

Points = Mapping[str, Mapping[int, float]]
"""Figures by step, of each series as `name`, or `name of rank`."""


class Printed(NamedTuple):
    """A log, and what it states."""

    text: str
    points: Points

    @property
    def figures(self) -> int:
        """How many figures it states."""
        return sum(map(len, self.points.values()))


def printed(rng: random.Random) -> Printed:
    """Returns a log in any supported form, drawn from `rng`."""
    place = rng.choice(PLACES)
    head = rng.choice(HEADS)
    pair, join = rng.choice(PAIRS), rng.choice(JOINS)
    names = ["loss", *rng.sample(NAMES, rng.randint(0, len(NAMES)))]
    rng.shuffle(names)
    ranks = rng.randint(1, 3) if "{rank}" in head else 1
    length, every = rng.randint(4, 50), rng.randint(1, 4)
    lines: list[str] = []
    points: dict[str, dict[int, float]] = {}
    first, end = rng.randint(0, 1), rng.choice(("\n", "\n", "\r\n"))
    evaluation = rng.choice(("", *EVALUATIONS))
    for step in range(0, 3 * length, every):
        epoch, counter = divmod(step, length)
        for rank in range(ranks):
            texts = {name: _value(rng) for name in names}
            where = {"step": step, "epoch": epoch + first, "counter": counter, "length": length}
            where |= {"percent": 100 * counter // length, "rank": rank}
            figures = join.join(pair.format(name=n, value=v) for n, v in texts.items())
            lines.append(head.format(**where) + place.format(**where) + figures + end)
            for name, text in texts.items():
                key = f"{name} of {rank}" if rank else name
                points.setdefault(key, {})[step] = float(text)
        if evaluation and step + every >= (epoch + 1) * length:
            text = _value(rng)
            lines.append(head.format(rank=0) + evaluation.format(v=text) + end)
            points.setdefault("val.loss", {})[step] = float(text)
        if not rng.randint(0, 20):
            lines.append(rng.choice(BETWEEN))
    return Printed("".join(lines), points)


def _value(rng: random.Random) -> str:
    """A number as programs print it."""
    if not rng.randrange(500):
        return rng.choice(("nan", "inf", "-inf"))
    exponent = rng.choice((-6, -3, -1, 0, 0, 1, 2, 5))
    number = rng.uniform(-1, 1) * 10.0**exponent
    form = rng.choice((".4f", ".6g", ".3e", ".10f", ""))
    return format(number, form)


def read(text: str | bytes) -> dict[str, dict[int, float]]:
    """Returns what the harness reads in a log, as `Printed.points`."""
    return points_of(parse_log([text], source="x.log"))


def points_of(run: Run) -> dict[str, dict[int, float]]:
    """Returns the figures of a run, as `Printed.points`."""
    found: dict[str, dict[int, float]] = {}
    for s in run.series:
        key = f"{s.name} of {s.rank}" if s.rank else s.name
        found.setdefault(key, {}).update(zip(s.steps.tolist(), s.values.tolist(), strict=True))
    return found


def differing(log: Printed) -> int:
    """Returns how many figures of a log are lost, invented or other than printed."""
    found = read(log.text)
    wrong = 0
    for key in log.points.keys() | found.keys():
        stated, got = log.points.get(key, {}), found.get(key, {})
        wrong += sum(
            not _same(stated.get(step), got.get(step)) for step in stated.keys() | got.keys()
        )
    return wrong


def _same(stated: float | None, got: float | None) -> bool:
    """Whether both are the same number, NaN included."""
    if stated is None or got is None:
        return False
    return stated == got or (isnan(stated) and isnan(got))


def main(arguments: list[str]) -> int:
    """Demands figures back until so many were printed; 1 if any differs."""
    wanted, seed = (int(word) for word in [*arguments, *("1000000", "1")[len(arguments) :]])
    rng = random.Random(seed)
    logs = figures = wrong = 0
    began = time.perf_counter()
    while figures < wanted:
        log = printed(rng)
        bad = differing(log)
        if bad and not wrong:
            print(log.text[:2000], flush=True)
        logs, figures, wrong = logs + 1, figures + log.figures, wrong + bad
    took = time.perf_counter() - began
    print(f"{figures:,} records in {logs:,} logs, {wrong:,} differing, {took:.0f} s")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
