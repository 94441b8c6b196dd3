"""Tables that Weights & Biases exports: charts of its pages, and histories of its API."""

import json
import math

import pandas as pd
import pytest

from harness import read_run
from harness.storage.logs import read_runs


def curve(run, name="loss"):
    (series,) = run.find(name, 0)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def chart(path, runs, *, axis="Step", spread=0.0):
    """The export of a chart: a column for each run, with the range beside it."""
    figure = "train/loss"
    heads = [f"{run} - {name}{end}" for run in runs for name, end in
             [("_step", ""), (figure, ""), (figure, "__MIN"), (figure, "__MAX")]]  # fmt: skip
    steps = sorted({step for points in runs.values() for step in points})
    lines = [",".join(f'"{head}"' for head in [axis, *heads])]
    for step in steps:
        cells = [str(step)]
        for points in runs.values():
            value = points.get(step)
            known = [step, value, value - spread, value + spread] if value is not None else [""] * 4
            cells += map(str, known)
        lines.append(",".join(f'"{cell}"' for cell in cells))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("name", ["gpu", "gpu: v1", "Group: gpu - fp16", "a - b"])
@pytest.mark.parametrize("axis", ["Step", "trainer/global_step"])
def test_a_chart_of_one_run_gives_its_figure_without_the_name_of_the_run(tmp_path, name, axis):
    points = {0: 4.0, 50: 2.0, 100: 1.0}
    run = read_run(chart(tmp_path / "chart.csv", {name: points}, axis=axis))
    assert [s.name for s in run.series] == ["loss"]
    assert curve(run) == points


def test_a_chart_of_several_runs_gives_each_its_own_points(tmp_path):
    runs = {"a": {0: 4.0, 50: 2.0}, "b - x": {0: 5.0, 100: float("nan")}}
    found = read_runs(chart(tmp_path / "chart.csv", runs))
    assert [run.source.rpartition(" [run ")[2] for run in found] == ["a]", "b - x]"]
    assert curve(found[0]) == runs["a"]
    assert curve(found[1])[0] == 5.0
    assert math.isnan(curve(found[1])[100])
    assert len(curve(found[1])) == 2


@pytest.mark.parametrize("spread", [0.0, 0.25])
def test_an_export_that_averages_says_so(tmp_path, spread):
    run = read_run(chart(tmp_path / "chart.csv", {"a": {0: 4.0, 50: 2.0}}, spread=spread))
    assert any("are means over several" in note for note in run.notes) == bool(spread)


def frame(*, counter=""):
    """What `run.history()` returns: a row for each log call, NaN where nothing was logged."""
    rows = []
    for i in range(12):
        row = {"_step": i, "_timestamp": 1.7e9 + i, "_runtime": 2.5 * i}
        validates = i % 4 == 3
        row |= {"val/miou": 0.25 * i} if validates else {"train/loss": 8.0 / (i + 1)}
        rows.append(row | ({counter: 100 * (i + validates)} if counter else {}))
    return pd.DataFrame(rows)


def expected(at=1):
    steps = [i for i in range(12) if i % 4 != 3]
    return {at * i: 8.0 / (i + 1) for i in steps}


FORMS = {
    "csv with an index": lambda f, p: f.to_csv(p),
    "csv": lambda f, p: f.to_csv(p, index=False),
    "json lines": lambda f, p: f.to_json(p, orient="records", lines=True, double_precision=15),
    "scan_history": lambda f, p: p.write_text(
        "".join(json.dumps(r.dropna().to_dict()) + "\n" for _, r in f.iterrows())
    ),
}


@pytest.mark.parametrize("counter", ["", "trainer/global_step", "train/global_step", "global_step"])
@pytest.mark.parametrize("form", FORMS)
def test_a_history_of_the_api_is_read_and_placed_by_its_counter_of_steps(tmp_path, form, counter):
    path = tmp_path / ("h.csv" if "csv" in form else "h.jsonl")
    FORMS[form](frame(counter=counter), path)
    run = read_run(path)
    at = 100 if counter else 1
    assert curve(run) == pytest.approx(expected(at))
    assert sorted(s.name for s in run.series) == ["loss", "val.miou"]
    assert list(curve(run, "val.miou")) == [at * (i + bool(counter)) for i in (3, 7, 11)]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("form", ["csv", "json lines"])
def test_a_word_for_what_is_not_finite_is_not_lost(tmp_path, form, word):
    table = frame().astype({"train/loss": object})
    table.loc[5, "train/loss"] = word
    path = tmp_path / ("h.csv" if form == "csv" else "h.jsonl")
    FORMS[form](table, path)
    assert curve(read_run(path))[5] == pytest.approx(float(word), nan_ok=True)


def test_an_empty_cell_of_a_loss_that_diverged_is_nan_and_one_beside_a_validation_is_nothing(
    tmp_path,
):
    table = frame()
    table.loc[8, "train/loss"] = float("nan")
    FORMS["csv with an index"](table, tmp_path / "h.csv")
    found = curve(read_run(tmp_path / "h.csv"))
    assert math.isnan(found.pop(8))
    assert found == {step: value for step, value in expected().items() if step != 8}
