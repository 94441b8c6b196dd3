"""Writes whole runs in each format that the harness reads, with anything in the place of a loss.

`render("csv", range(400), losses, token_at={150: "N/A"})` is a table of 400 rows, at step 150 with
`N/A` for a loss. Steps are those that the reader gives back, so a line of mmengine says
`[151/400]` for step 150. Formats that number their lines (`hf-trainer`) want steps from 1 on.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence

from loglines import record

LEFT_OUT = None
"""In `token_at`: the record is written without its loss."""
NUMBERED_FROM_1 = frozenset({"hf-trainer", "hf-trainer state", "hf-trainer state on a line"})
JSON_FORMATS = frozenset(
    {"json lines", "scalars.json", "mmcv .log.json", "mllog", "hf-trainer state"}
    | {"hf-trainer state on a line"}
)
"""Formats in which a token is text of JSON: `null`, `"NaN"`."""
LEAVES_OUT = frozenset(
    {"json lines", "scalars.json", "mmcv .log.json", "hf-trainer state", "hf-trainer"}
    | {"hf-trainer state on a line", "tcappdll json"}
)
"""Formats of names and values in which a record may lack its loss and still is one."""

Row = tuple[int, str | None, float, int]
"""Step, the text of the loss, learning rate, and the step at which the run ends."""


def render(
    form: str,
    steps: Sequence[int],
    losses: Sequence[float],
    *,
    lr: float | Sequence[float] = 0.01,
    val: Mapping[int, float] | None = None,
    token_at: Mapping[int, str | None] | None = None,
) -> str:
    """The log of a run. `val` are validation losses by step, where the format has a place for them.

    `token_at` holds what stands in the place of the loss, by step; `LEFT_OUT` leaves it out.
    """
    tokens = token_at or {}
    rates = [lr] * len(steps) if isinstance(lr, float) else list(lr)
    rows = [
        (step, tokens[step] if step in tokens else repr(float(loss)), rate, max(steps) + 1)
        for step, loss, rate in zip(steps, losses, rates, strict=True)
    ]
    begin, line, validation, parting, end = FORMATS[form]
    parts = []
    for row in rows:
        parts.append(line(row))
        if val and row[0] in val and validation is not None:
            parts.append(validation(row[0], val[row[0]]))
    return begin + parting.join(parts) + end


def _json(row: Row, before: Mapping[str, object], after: Mapping[str, object], key="loss") -> str:
    """A JSON object with the text of the loss as it is."""
    parts = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in before.items()]
    if row[1] is not LEFT_OUT:
        parts.append(f'"{key}": {row[1]}')
    parts += [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in after.items()]
    return "{" + ", ".join(parts) + "}"


def _tcappdll(row: Row) -> str:
    return record(row[0], row[1]) + "\n"


def _tcappdll_json(row: Row) -> str:
    loss = "" if row[1] is LEFT_OUT else f"'train.loss': '{row[1]}', "
    return (
        'TCAPPDLL {"datetime": "2025-06-17 01:47:20.4", "type": "LOG", '
        f"\"step\": [0, {row[0]}], \"data\": \"{{'rank': '0', {loss}'train.lr': '{row[2]}'}}\"}}\n"
    )


def _mmengine(row: Row) -> str:
    return (
        f"2026/11/23 15:52:15 - mmengine - INFO - Iter(train) [{row[0] + 1:5}/{row[3]}]  "
        f"lr: {row[2]:.4e}  eta: 1:59:13  time: 0.1278  loss: {row[1]}  decode.acc_seg: 68.6723\n"
    )


def _mmcv(row: Row) -> str:
    return (
        f"2021-08-01 12:00:30,123 - mmseg - INFO - Iter [{row[0] + 1}/{row[3]}]\tlr: {row[2]:.3e}, "
        f"eta: 5:10:11, time: 0.466, memory: 10000, loss: {row[1]}, decode.loss_ce: 2.1250\n"
    )


def _hf_trainer(row: Row) -> str:
    loss = "" if row[1] is LEFT_OUT else f"'loss': {row[1]}, "
    return f"{{{loss}'grad_norm': 2.5, 'learning_rate': {row[2]}, 'epoch': {row[0] / 100:.2f}}}\n"


def _hf_entry(row: Row) -> str:
    return _json(row, {"epoch": row[0] / 100, "grad_norm": 2.5}, {"lr": row[2], "step": row[0]})


def _hf_pretty(row: Row) -> str:
    return "    {\n      " + re.sub(r', "', ',\n      "', _hf_entry(row)[1:-1]) + "\n    }"


def _megatron(row: Row) -> str:
    return (
        f" [2025-01-02 03:04:05] iteration {row[0]:8}/{row[3]:8} | "
        f"consumed samples: {8 * row[0]} | learning rate: {row[2]:.3E} | "
        f"global batch size: 8 | lm loss: {row[1]} | "
        "loss scale: 1.0 | grad norm: 12.125 |\n"
    )


def _mllog(row: Row) -> str:
    value = "" if row[1] is LEFT_OUT else f'"value": {row[1]}, '
    return (
        f'0: :::MLLOG {{"namespace": "", "key": "train_loss", {value}'
        f'"metadata": {{"step": {row[0] + 1}, "lr": {row[2]}}}}}\n'
    )


Writer = tuple[str, Callable[[Row], str], Callable[[int, float], str] | None, str, str]
"""What stands first, a record, a validation record, and what stands between and behind them."""

FORMATS: dict[str, Writer] = {
    "tcappdll": ("", _tcappdll, None, "", ""),
    "tcappdll json": ("", _tcappdll_json, None, "", ""),
    "mmengine": (
        "",
        _mmengine,
        lambda s, v: f"2026/11/23 15:52:27 - mmengine - INFO - Iter(val) [5/5]    loss: {v}\n",
        "",
        "",
    ),
    "mmcv": (
        "",
        _mmcv,
        lambda s, v: f"2021-08-01 12:02:00,1 - mmseg - INFO - Iter(val) [500]\tloss: {v}\n",
        "",
        "",
    ),
    "hf-trainer": (
        "",
        _hf_trainer,
        lambda s, v: f"{{'eval_loss': {v}, 'eval_runtime': 3.2, 'epoch': {s / 100:.2f}}}\n",
        "",
        "",
    ),
    "megatron": ("", _megatron, None, "", ""),
    "mllog": ("", _mllog, None, "", ""),
    "mmcv .log.json": (
        '{"env_info": "linux", "seed": 17}\n',
        lambda r: (
            _json(r, {"mode": "train", "epoch": 1, "iter": r[0] + 1, "lr": r[2]}, {"time": 0.5})
            + "\n"
        ),
        lambda s, v: f'{{"mode": "val", "epoch": 1, "iter": 9, "loss": {v}}}\n',
        "",
        "",
    ),
    "scalars.json": (
        "",
        lambda r: _json(r, {"lr": r[2]}, {"time": 0.5, "iter": r[0] + 1, "step": r[0] + 1}) + "\n",
        lambda s, v: f'{{"loss": {v}, "step": {s + 1}}}\n',
        "",
        "",
    ),
    "hf-trainer state": (
        '{\n  "epoch": 0.2,\n  "log_history": [\n',
        _hf_pretty,
        None,
        ",\n",
        '\n  ],\n  "max_steps": 400\n}\n',
    ),
    "hf-trainer state on a line": (
        '{"log_history": [',
        _hf_entry,
        lambda s, v: f'{{"epoch": {s / 100}, "eval_loss": {v}, "step": {s}}}',
        ", ",
        '], "max_steps": 400}\n',
    ),
    "json lines": (
        "",
        lambda r: _json(r, {"step": r[0]}, {"lr": r[2]}) + "\n",
        lambda s, v: f'{{"step": {s}, "val/loss": {v}}}\n',
        "",
        "",
    ),
    "csv": (
        "epoch,step,loss,lr,val_loss\n",
        lambda r: f"0,{r[0]},{r[1]},{r[2]},\n",
        lambda s, v: f"0,{s},,,{v}\n",
        "",
        "",
    ),
    "csv, tidy": (
        "rank,step,name,value\n",
        lambda r: f"0,{r[0]},lr,{r[2]}\n0,{r[0]},loss,{r[1]}\n",
        lambda s, v: f"0,{s},val_loss,{v}\n",
        "",
        "",
    ),
    "columns": ("", lambda r: f"{r[0]}, {r[1]}\n", None, "", ""),
    "plain": (
        "",
        lambda r: f"Iteration {r[0]}/{r[3]} - Loss: {r[1]} - lr: {r[2]}\n",
        lambda s, v: f"Iteration {s}/400 - val Loss: {v}\n",
        "",
        "",
    ),
    "plain, loss last": (
        "",
        lambda r: f"step {r[0]} lr {r[2]} loss {r[1]}\n",
        lambda s, v: f"step {s} val loss {v}\n",
        "",
        "",
    ),
}
