"""Simulated training runs whose truth is known, and their logs in every format that is read.

A `Truth` holds what a run logs, record by record; a `Form` writes it as the real program would. A
value that is text is written as it is, which is how a log comes to hold `null` or `******`.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np

from harness import Run, Series, read_run
from harness.log.facts import FACTS, RunFacts
from harness.parse import parse_log

STEPS = 400
EVERY = 40
"""Steps between validations."""
LOSS, LR, NORM, MIOU = "loss", "lr", "grad_norm", "val.mIoU"
PARTS = ("decode.loss_ce", "aux.loss_ce")
TRAINING = (LR, NORM, *PARTS, LOSS)
RECIPE = {
    "batch_per_device": 4,
    "effective_batch": 8,
    "learning_rate": 0.01,
    "planned_steps": STEPS,
}
DEVICES = {"cuda": "Some GPU", "sdaa": "SDAA T100"}

Value = float | str
Curve = Mapping[int, Value]
Key = tuple[str, int]
"""Name and rank."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Truth:
    """What a run logs: values by step, of each series and rank. Steps count from 0.

    `earlier` are the attempts before this one, in the same log. `spelt` gives series another name.
    """

    curves: Mapping[Key, Curve]
    facts: Mapping[str, object]
    earlier: tuple[Truth, ...] = ()
    spelt: Mapping[str, str] = field(default_factory=dict)
    clock: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a program logs at once, of one rank: names and values, of training or validation."""

    step: int
    rank: int
    values: Mapping[str, Value]
    validation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A format: who writes it, and how much of the truth it holds.

    A record comes every `interval` steps and is a mean over `window`. `states` are the facts that
    it has a place for. `numbered` says that lines name their step, `free` that a series may have
    any name.
    """

    name: str
    lines: Callable[[Truth], Iterable[str]]
    holds: tuple[str, ...]
    ranks: int = 1
    interval: int = 1
    window: int = 1
    states: frozenset[str] = frozenset()
    numbered: bool = True
    free: bool = False
    binary: bool = False
    pattern: str | None = None

    def can(self, need: str) -> bool:
        """Whether the format has what a tampering needs."""
        abilities = {
            "ranks": self.ranks > 1,
            "text": not self.binary,
            "numbered": self.numbered,
            "free": self.free,
            "every step": self.interval == 1,
        }
        return abilities.get(need, need in self.holds or need in self.states)

    def text(self, truth: Truth) -> str:
        """The log."""
        return "".join(f"{line}\n" for line in self.lines(truth))

    def read(self, text: str, *, source: str) -> Run:
        """The run in a log."""
        return parse_log([text], source=source, pattern=self.pattern)

    def run(self, truth: Truth, *, source: str) -> Run:
        """The truth, written and read again."""
        if self.binary:
            return _events(truth, source)
        return self.read(self.text(truth), source=source)


@cache
def simulated(seed: int, *, interval: int = 1, window: int = 1) -> Mapping[Key, Curve]:
    """The curves of one honest run, two ranks, as a program logs them.

    Levels differ by 1 to 2 % between seeds, the losses of two steps by 5 %, a validation by 0.4 of
    70 points; the gradient norm is noisier than the loss.
    """
    rng = np.random.default_rng(seed)
    steps = np.arange(STEPS)
    start, end = np.exp([0.02, 0.015] * rng.standard_normal(2))
    level = 0.4 * end + 2.5 * start * np.exp(-steps / 80)
    rate = 0.01 * (1 - steps / STEPS) ** 0.9
    share = 0.7 * np.exp(0.01 * rng.standard_normal((2, STEPS)))
    loss = level * np.exp(0.05 * rng.standard_normal((2, STEPS)))
    norm = 5 * np.sqrt(level) * np.exp(0.15 * rng.standard_normal(STEPS))
    curves: dict[Key, Curve] = {}
    logged = slice(interval - 1, None, interval)
    for rank in range(2):
        decode = share[rank] * loss[rank]
        full = (rate, norm, decode, loss[rank] - decode, loss[rank])
        for name, values in zip(TRAINING, full, strict=True):
            shown = values if name == LR else _means(values, window)
            curves[name, rank] = dict(
                zip(steps[logged].tolist(), shown[logged].tolist(), strict=True)
            )
    at = np.arange(EVERY - 1, STEPS, EVERY)
    miou = 70 * (1 - np.exp(-(at + 1) / 100)) + 0.4 * rng.standard_normal(at.size)
    curves[MIOU, 0] = dict(zip(at.tolist(), miou.tolist(), strict=True))
    return curves


def _means(values: np.ndarray, window: int) -> np.ndarray:
    """Means over the last `window` values, over fewer at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, values.size + 1)
    begins = np.maximum(0, ends - window)
    return (sums[ends] - sums[begins]) / (ends - begins)


@cache
def honest(form: Form, seed: int, device: str = "cuda") -> Truth:
    """An honest run, as much of it as the format holds."""
    every = simulated(seed, interval=form.interval, window=form.window)
    stated = {
        **RECIPE,
        "device_kind": device,
        "device_name": DEVICES[device],
        "seed": seed,
        "world_size": form.ranks,
    }
    return Truth(
        curves={k: c for k, c in every.items() if k[0] in form.holds and k[1] < form.ranks},
        facts={name: value for name, value in stated.items() if name in form.states},
        clock=seed,
    )


@cache
def read_honest(form: Form, seed: int, device: str = "cuda") -> Run:
    """The same run, written and read once."""
    return form.run(honest(form, seed, device), source=f"{device}_{seed:02}.log")


def as_run(truth: Truth, *, source: str) -> Run:
    """The truth as a run, without a log; every value must be a number."""
    series = tuple(
        Series(
            name=name,
            rank=rank,
            steps=np.array(list(curve), np.int64),
            values=np.array(list(curve.values()), float),
        )
        for (name, rank), curve in truth.curves.items()
    )
    facts = RunFacts(values_by_name={k: v for k, v in truth.facts.items() if k in FACTS})
    return Run(source=source, series=series, facts=facts, formats=("simulated",))


def rows(truth: Truth) -> Iterator[Row]:
    """The records in the order of the log: attempts, then steps, then ranks, then validation."""
    for attempt in (*truth.earlier, truth):
        by_place: dict[tuple[int, bool, int], dict[str, Value]] = {}
        for (name, rank), curve in attempt.curves.items():
            validation = name.startswith("val.")
            shown = attempt.spelt.get(name, name)
            for step, value in curve.items():
                by_place.setdefault((step, validation, rank), {})[shown] = value
        for step, validation, rank in sorted(by_place):
            values = by_place[step, validation, rank]
            yield Row(step=step, rank=rank, values=values, validation=validation)


def shown(value: Value, spec: str = "") -> str:
    """A value as Python formats it, text as it is."""
    return value if isinstance(value, str) else format(value, spec)


def environment(truth: Truth) -> Iterator[str]:
    """The blocks that this project's runs and mmengine print, as far as facts are stated."""
    facts = truth.facts
    names = ("device_kind", "device_name", "world_size", "seed", "batch_per_device")
    if any(name in facts for name in names):
        yield "-" * 60
        yield "Port environment:"
        yield from (f"    {name}: {facts[name]}" for name in names if name in facts)
        yield "-" * 60
    if "learning_rate" in facts:
        yield "07/26 08:17:17 - mmengine - INFO - Config:"
        yield "optim_wrapper = dict("
        yield f"    optimizer=dict(lr={facts['learning_rate']}, momentum=0.9, type='SGD'),"
        yield "    type='OptimWrapper')"
        yield "param_scheduler = ["
        yield f"    dict(begin=0, by_epoch=False, end={STEPS}, power=0.9, type='PolyLR'),"
        yield "]"
        yield f"train_cfg = dict(max_iters={facts['planned_steps']}, type='IterBasedTrainLoop')"
        yield ""
        yield "07/26 08:17:20 - mmengine - INFO - Checkpoints will be saved to /x."


def _stamp(truth: Truth, step: int) -> str:
    """A time of the day, another one in every run."""
    seconds = 60 * truth.clock + step
    return f"{8 + seconds // 3600 % 12:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _tcappdll(truth: Truth) -> Iterator[str]:
    yield from environment(truth)
    for row in rows(truth):
        time = _stamp(truth, row.step)
        if row.validation:
            fields = "  ".join(f"{_bare(k)}: {shown(v, '.4f')}" for k, v in row.values.items())
            yield f"2025/07/26 {time} - mmengine - INFO - Iter(val) [5/5]    {fields}"
        else:
            fields = "".join(f"train.{name} : {shown(v)}  " for name, v in row.values.items())
            yield (
                f"TCAPPDLL 2025-07-26 {time}.789113 - Epoch: 0 Iteration: {row.step}  "
                f"rank : {row.rank}  {fields}train.ips : 8.0 imgs/s train.total_time : 0.5 "
            )


def _tcappdll_json(truth: Truth) -> Iterator[str]:
    yield from environment(truth)
    yield (
        'TCAPPDLL {"datetime": "2025-06-17 01:47:20.1", "type": "METADATA", '
        '"metric": "train.ips", "metadata": {"unit": "imgs/s"}}'
    )
    for row in rows(truth):
        prefix = "" if row.validation else "train."
        data = ", ".join(f"'{prefix}{name}': '{shown(v)}'" for name, v in row.values.items())
        time = _stamp(truth, row.step)
        yield (
            f'TCAPPDLL {{"timestamp": "17501248{truth.clock:02}.5", "datetime": "2025-06-17 '
            f'{time}.479181", "type": "LOG", "step": [0, {row.step}], "data": '
            f"\"{{'rank': '{row.rank}', {data}}}\"}}"
        )


def _bare(name: str) -> str:
    return name.removeprefix("val.")


def _mmengine(truth: Truth) -> Iterator[str]:
    yield from environment(truth)
    for row in rows(truth):
        head = f"2026/11/23 {_stamp(truth, row.step)} - mmengine - INFO - "
        if row.validation:
            fields = "  ".join(f"{_bare(k)}: {shown(v, '.4f')}" for k, v in row.values.items())
            yield f"{head}Iter(val) [5/5]    {fields}  aAcc: 55.1250  time: 0.0131"
            continue
        values = dict(row.values)
        fields = f"lr: {shown(values.pop(LR), '.4e')}  " if LR in values else ""
        fields += "eta: 0:01:13  time: 0.1278  data_time: 0.0418  memory: 1200"
        fields += "".join(f"  {name}: {shown(v, '.4f')}" for name, v in values.items())
        yield f"{head}Iter(train) [{row.step + 1:>5}/{STEPS}]  {fields}  decode.acc_seg: 68.6723"


def _mmcv(truth: Truth) -> Iterator[str]:
    if "seed" in truth.facts:
        yield (
            "2021-08-01 12:00:00,123 - mmseg - INFO - Set random seed to "
            f"{truth.facts['seed']}, deterministic: False"
        )
    for row in rows(truth):
        head = f"2021-08-01 {_stamp(truth, row.step)},123 - mmseg - INFO - "
        if row.validation:
            fields = ", ".join(f"{_bare(k)}: {_fraction(v, '.4f')}" for k, v in row.values.items())
            yield f"{head}Iter(val) [500]\taAcc: 0.9512, {fields}"
            continue
        values = dict(row.values)
        fields = f"lr: {shown(values.pop(LR), '.3e')}, " if LR in values else ""
        fields += "eta: 0:10:11, time: 0.466, data_time: 0.010, memory: 10000"
        fields += "".join(f", {name}: {shown(v, '.4f')}" for name, v in values.items())
        yield f"{head}Iter [{row.step + 1}/{STEPS}]\t{fields}"


def _fraction(value: Value, spec: str) -> str:
    return value if isinstance(value, str) else format(value / 100, spec)


def _pairs(values: Mapping[str, Value], digits: int = 17) -> str:
    """The members of a JSON object, rounded as the program does."""
    return ", ".join(f'"{name}": {_json(_rounded(v, digits))}' for name, v in values.items())


def _json(value: Value) -> str:
    """NaN as Python's `json` writes it, text as it is."""
    return value if isinstance(value, str) else json.dumps(value)


def _rounded(value: Value, digits: int) -> Value:
    return value if isinstance(value, str) else round(value, digits)


def _mmcv_json(truth: Truth) -> Iterator[str]:
    seed = f'"seed": {truth.facts["seed"]}, ' if "seed" in truth.facts else ""
    yield f'{{"env_info": "sys.platform: linux", {seed}"exp_name": "ccnet.py"}}'
    for row in rows(truth):
        if row.validation:
            values = {_bare(k): v if isinstance(v, str) else v / 100 for k, v in row.values.items()}
            yield (
                f'{{"mode": "val", "epoch": 1, "iter": {row.step + 1}, "lr": 0.0098, '
                f'"aAcc": 0.9512, {_pairs(values, 4)}}}'
            )
        else:
            yield (
                f'{{"mode": "train", "epoch": 1, "iter": {row.step + 1}, "memory": 9000, '
                f'{_pairs(row.values, 5)}, "time": 0.4625}}'
            )


def _scalars_json(truth: Truth) -> Iterator[str]:
    for row in rows(truth):
        finished = row.step + 1
        if row.validation:
            values = {_bare(k): v for k, v in row.values.items()}
            yield (
                f'{{{_pairs(values)}, "aAcc": 55.125, "data_time": 0.0007, "time": 0.001, '
                f'"step": {finished}}}'
            )
        else:
            yield (
                f'{{{_pairs(row.values)}, "data_time": 0.0418, "time": 0.1278, '
                f'"decode.acc_seg": 68.6723, "iter": {finished}, "memory": 1200, '
                f'"step": {finished}}}'
            )


HF_NAMES = {LR: "learning_rate", MIOU: "eval_mIoU", "val.miou": "eval_miou"}


def _hf_trainer(truth: Truth) -> Iterator[str]:
    facts = truth.facts
    yield "TrainingArguments("
    if "learning_rate" in facts:
        yield f"learning_rate={facts['learning_rate']},"
    yield "logging_steps=4,"
    if "planned_steps" in facts:
        yield f"max_steps={facts['planned_steps']},"
    if "seed" in facts:
        yield f"seed={facts['seed']},"
    yield ")"
    for row in rows(truth):
        values = ", ".join(f"'{name}': {shown(v)}" for name, v in _hf_figures(row).items())
        epoch = round((row.step + 1) / 100, 2)
        took = "'eval_runtime': 3.2, 'eval_samples_per_second': 31.2, " if row.validation else ""
        yield f"{{{values}, {took}'epoch': {epoch}}}"


def _hf_figures(row: Row) -> dict[str, Value]:
    """Trainer's names; it rounds the losses and puts them first."""
    names = sorted(row.values, key=lambda name: name != LOSS)
    return {
        HF_NAMES.get(name, name): _rounded(row.values[name], 4 if name == LOSS else 17)
        for name in names
    }


def _hf_state(truth: Truth) -> Iterator[str]:
    yield "{"
    yield '  "best_metric": null,'
    yield f'  "global_step": {STEPS},'
    yield '  "log_history": ['
    entries = list(rows(truth))
    for i, row in enumerate(entries):
        yield "    {"
        yield f'      "epoch": {round((row.step + 1) / 100, 2)},'
        for name, value in sorted(_hf_figures(row).items()):
            yield f"      {_pairs({name: value})},"
        yield f'      "step": {row.step + 1}'
        yield "    }" if i == len(entries) - 1 else "    },"
    yield "  ],"
    yield '  "logging_steps": 4,'
    yield (
        f'  "max_steps": {truth.facts["planned_steps"]},' if "planned_steps" in truth.facts else ""
    )
    yield '  "train_batch_size": 4'
    yield "}"


MEGATRON_NAMES = {LR: "learning rate", LOSS: "lm loss", NORM: "grad norm"}


def _megatron(truth: Truth) -> Iterator[str]:
    batch = truth.facts.get("effective_batch")
    size = f"global batch size: {batch:>5} | " if batch else ""
    for row in rows(truth):
        done = row.step + 1
        fields = "".join(
            f"{MEGATRON_NAMES.get(k, k)}: {shown(v, '.3f' if k == NORM else '.6E')} | "
            for k, v in row.values.items()
        )
        yield (
            f" [2025-01-02 {_stamp(truth, row.step)}] iteration {done:>8}/{STEPS:>8} | "
            f"consumed samples: {8 * done:>12} | elapsed time per iteration (ms): 1234.5 | {size}"
            f"{fields}loss scale: 1.0 | number of skipped iterations:   0 | "
            "number of nan iterations:   0 |"
        )


MLLOG_FACTS = {
    "effective_batch": "global_batch_size",
    "seed": "seed",
    "learning_rate": "opt_base_learning_rate",
    "device_name": "submission_platform",
}


def _mllog(truth: Truth) -> Iterator[str]:
    def event(step: int, key: str, value: str, metadata: str) -> str:
        return (
            f'0: :::MLLOG {{"namespace": "", "time_ms": {1746056569890 + 1000 * step}, "key": '
            f'"{key}", "value": {value}, "metadata": {{{metadata}}}}}'
        )

    for name, key in MLLOG_FACTS.items():
        if name in truth.facts:
            yield event(0, key, json.dumps(truth.facts[name]), "")
    for row in rows(truth):
        place = {"samples_count": 8 * (row.step + 1)}
        for name, value in row.values.items():
            if row.validation:
                part = value if isinstance(value, str) else round(value / 100, 6)
                key = "eval_accuracy" if name == MIOU else "eval_Accuracy"
                yield event(row.step, key, _json(part), _pairs(place))
            elif name == LOSS:
                more = {k: v for k, v in row.values.items() if k != LOSS}
                yield event(row.step, "train_loss", _json(value), _pairs({**place, **more}))


def _json_lines(truth: Truth) -> Iterator[str]:
    yield from environment(truth)
    for row in rows(truth):
        values = {name.replace("val.", "val/"): v for name, v in row.values.items()}
        yield f'{{"step": {row.step}, "rank": {row.rank}, {_pairs(values)}}}'


def _cell(value: Value) -> str:
    text = shown(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def _csv(truth: Truth) -> Iterator[str]:
    found = [name for name in (LOSS, LR, NORM, *PARTS, MIOU) if _logs(truth, name)]
    names = [truth.spelt.get(name, name) for name in found]
    yield ",".join(["step", *(name.replace("val.", "val/") for name in names)])
    for row in rows(truth):
        yield ",".join(
            [str(row.step), *(_cell(row.values[n]) if n in row.values else "" for n in names)]
        )


def _logs(truth: Truth, name: str) -> bool:
    return any(key[0] == name for attempt in (*truth.earlier, truth) for key in attempt.curves)


def _tidy(truth: Truth) -> Iterator[str]:
    yield "run,rank,step,name,value"
    for row in rows(truth):
        for name, value in row.values.items():
            yield f"0,{row.rank},{row.step},{name.replace('val.', 'val/')},{_cell(value)}"


def _columns(truth: Truth) -> Iterator[str]:
    for row in rows(truth):
        if LOSS in row.values:
            yield f"{row.step} {shown(row.values[LOSS])}"


def _plain(truth: Truth) -> Iterator[str]:
    facts = truth.facts
    arguments = [
        f"{key}={facts[name]}"
        for name, key in (("batch_per_device", "batch_size"), ("learning_rate", "lr"))
        if name in facts
    ]
    if "seed" in facts:
        arguments.append(f"seed={facts['seed']}")
    yield f"Namespace({', '.join(arguments)})" if arguments else "start"
    for row in rows(truth):
        rate = f" - lr: {shown(row.values[LR])}" if LR in row.values else ""
        loss = f" - Loss: {shown(row.values[LOSS], '.6f')}" if LOSS in row.values else ""
        yield f"Iteration {row.step}/{STEPS}{loss}{rate}"


def _own(truth: Truth) -> Iterator[str]:
    for row in rows(truth):
        if LOSS in row.values:
            yield f"it={row.step:05} of {STEPS}] cost={shown(row.values[LOSS])} (ok)"


OWN = r"it=(?P<step>\d+) of \d+\] cost=(?P<loss>.*) \(ok\)"


def _tags(truth: Truth) -> Iterator[tuple[int, str, float]]:
    for row in rows(truth):
        for name, value in row.values.items():
            yield row.step, name.replace("val.", "val/"), float(value)


def _events(truth: Truth, source: str) -> Run:
    """The run in an event file, framed as TFRecord around TensorBoard's protobufs."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import masked_crc32c

    events = [Event(wall_time=1.0 + truth.clock, file_version="brain.Event:2")]
    for step, tag, value in _tags(truth):
        scalar = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        events.append(Event(wall_time=2.0 + truth.clock + step, step=step, summary=scalar))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.out.tfevents.1732550000.host"
        with path.open("wb") as file:
            for event in events:
                data = event.SerializeToString()
                length = struct.pack("<Q", len(data))
                file.write(length + struct.pack("<I", masked_crc32c(length)))
                file.write(data + struct.pack("<I", masked_crc32c(data)))
        return replace(read_run(path), source=source)


EVERYTHING = (*TRAINING, MIOU)
PORT = frozenset(
    {"device_kind", "device_name", "seed", "batch_per_device", "learning_rate", "planned_steps"}
)
FORMS = {
    form.name: form
    for form in (
        Form(
            name="tcappdll",
            lines=_tcappdll,
            holds=EVERYTHING,
            ranks=2,
            states=PORT | {"world_size"},
        ),
        Form(name="tcappdll json", lines=_tcappdll_json, holds=EVERYTHING, ranks=2, states=PORT),
        Form(
            name="mmengine", lines=_mmengine, holds=EVERYTHING, interval=4, window=10, states=PORT
        ),
        Form(
            name="mmcv",
            lines=_mmcv,
            holds=EVERYTHING,
            interval=4,
            window=4,
            states=frozenset({"seed"}),
        ),
        Form(
            name="mmcv .log.json",
            lines=_mmcv_json,
            holds=EVERYTHING,
            interval=4,
            window=4,
            states=frozenset({"seed"}),
            free=True,
        ),
        Form(
            name="scalars.json",
            lines=_scalars_json,
            holds=EVERYTHING,
            interval=4,
            window=10,
            free=True,
        ),
        Form(
            name="hf-trainer",
            lines=_hf_trainer,
            holds=(LOSS, NORM, LR, MIOU),
            interval=4,
            window=4,
            states=frozenset({"seed", "learning_rate", "planned_steps"}),
            numbered=False,
            free=True,
        ),
        Form(
            name="hf-trainer state",
            lines=_hf_state,
            holds=(LOSS, NORM, LR, MIOU),
            interval=4,
            window=4,
            states=frozenset({"planned_steps"}),
            free=True,
        ),
        Form(
            name="megatron",
            lines=_megatron,
            holds=(LR, LOSS, NORM),
            interval=4,
            window=4,
            states=frozenset({"effective_batch"}),
        ),
        Form(
            name="mllog",
            lines=_mllog,
            holds=(LOSS, LR, MIOU),
            states=frozenset({"effective_batch", "seed", "learning_rate", "device_name"}),
        ),
        Form(
            name="json lines",
            lines=_json_lines,
            holds=EVERYTHING,
            ranks=2,
            states=PORT,
            free=True,
        ),
        Form(name="csv", lines=_csv, holds=EVERYTHING, free=True),
        Form(name="csv, tidy", lines=_tidy, holds=EVERYTHING, ranks=2, free=True),
        Form(name="columns", lines=_columns, holds=(LOSS,)),
        Form(
            name="plain",
            lines=_plain,
            holds=(LOSS, LR),
            states=frozenset({"batch_per_device", "learning_rate", "seed"}),
        ),
        Form(name="pattern", lines=_own, holds=(LOSS,), pattern=OWN),
        Form(name="tensorboard", lines=lambda truth: (), holds=EVERYTHING, binary=True, free=True),
    )
}
