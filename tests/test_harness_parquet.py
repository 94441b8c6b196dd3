"""Anybody's Parquet file is read as a CSV table is: long or wide, with the bits of its figures."""

import io
import json
import struct

import pytest

from harness.errors import ParseError
from harness.storage.logs import read_run, read_runs

pl = pytest.importorskip("polars", reason="needs the extra parquet")

ODD = [0.1 + 0.2, 5e-324, -0.0, float("inf"), float("-inf"), float("nan"), 1.5]
STEPS = list(range(10, 17))


def bits(values):
    return [struct.pack("<d", value).hex() for value in values]


def write(path, **columns):
    pl.DataFrame(columns).write_parquet(path)
    return path


def losses(path):
    return read_run(path).find("loss", 0)[0]


def test_a_wide_file_keeps_the_bits(tmp_path):
    series = losses(write(tmp_path / "a.parquet", step=STEPS, loss=ODD))
    assert series.steps.tolist() == STEPS
    assert bits(series.values) == bits(ODD)


def test_a_long_file_keeps_the_bits_and_the_runs_apart(tmp_path):
    path = write(
        tmp_path / "a.parquet",
        run=["a"] * 7 + ["b"] * 7,
        series=["loss"] * 14,
        step=STEPS * 2,
        value=ODD + [1.0 + n for n in range(7)],
        host=["node1"] * 14,
    )
    runs = read_runs(path)
    assert [run.source for run in runs] == [f"{path} [run a]", f"{path} [run b]"]
    assert bits(runs[0].find("loss", 0)[0].values) == bits(ODD)
    assert runs[1].find("loss", 0)[0].values.tolist() == [1.0 + n for n in range(7)]


@pytest.mark.parametrize("name", ["series", "metric", "key", "tag", "variable", "name"])
def test_a_long_csv_and_a_long_parquet_file_name_the_series_alike(tmp_path, name):
    columns = {"step": STEPS, name: ["loss"] * 7, "value": [2.0 - n / 10 for n in range(7)]}
    path = write(tmp_path / "a.parquet", **columns)
    table = tmp_path / "a.csv"
    pl.DataFrame(columns).write_csv(table)
    assert bits(losses(path).values) == bits(losses(table).values) == bits(columns["value"])


def test_a_float32_is_the_float64_of_its_value(tmp_path):
    column = pl.Series([0.1, 0.2, 0.3], dtype=pl.Float32)
    series = losses(write(tmp_path / "a.parquet", step=[1, 2, 3], loss=column))
    assert bits(series.values) == bits(column.cast(pl.Float64))


def test_a_null_where_a_loss_is_expected_is_nan(tmp_path):
    columns = {"step": STEPS, "loss": [1.0, 0.9, 0.8, None, 0.7, 0.6, 0.5], "lr": [0.1] * 7}
    values = losses(write(tmp_path / "a.parquet", **columns)).values
    assert bits(values[3:4]) == bits([float("nan")])
    assert values[4] == 0.7


def test_an_index_without_a_name_is_the_step_unless_a_column_counts(tmp_path):
    index = {"__index_level_0__": [5, 6, 7], "loss": [3.0, 2.0, 1.0]}
    assert losses(write(tmp_path / "a.parquet", **index)).steps.tolist() == [5, 6, 7]
    both = write(tmp_path / "b.parquet", **index, step=[10, 20, 30])
    assert losses(both).steps.tolist() == [10, 20, 30]


def write_range(path, columns, **index):
    """A file whose index pandas keeps in its metadata, where it is a range."""
    stated = {"index_columns": [{"kind": "range", "name": None, **index}]}
    metadata = {"pandas": json.dumps(stated)}
    pl.DataFrame(columns).write_parquet(path, metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("columns", "index", "steps"),
    [
        ({}, {"start": 0, "step": 1}, [0, 1, 2]),
        ({}, {"start": 10, "step": 10}, [10, 20, 30]),
        ({}, {"start": 5, "step": 5, "name": "step"}, [5, 10, 15]),
        ({"step": [7, 8, 9]}, {"start": 0, "step": 1}, [7, 8, 9]),
        ({"step": [7, 8, 9]}, {"start": 0, "step": 1, "name": "row"}, [7, 8, 9]),
    ],
)
def test_a_range_that_pandas_states_as_the_index_counts_the_steps(tmp_path, columns, index, steps):
    path = write_range(tmp_path / "a.parquet", {**columns, "loss": [3.0, 2.0, 1.0]}, **index)
    assert losses(path).steps.tolist() == steps


@pytest.mark.parametrize("index", [{"start": "0"}, {"start": 0, "step": 0}, {}])
def test_an_index_that_is_no_range_is_left_out(tmp_path, index):
    path = write_range(tmp_path / "a.parquet", {"step": [7, 8], "loss": [2.0, 1.0]}, **index)
    assert losses(path).steps.tolist() == [7, 8]


def test_the_rows_of_several_runs_are_not_steps(tmp_path):
    columns = {"run": ["a", "a", "b", "b"], "loss": [2.0, 1.0, 2.0, 1.0]}
    path = write_range(tmp_path / "a.parquet", columns, start=0, step=1)
    with pytest.raises(ParseError, match="no training record"):
        read_runs(path)


def test_a_file_without_numbers_is_not_called_empty(tmp_path):
    path = write(tmp_path / "a.parquet", host=["a", "b"], tags=[["x"], []])
    with pytest.raises(ParseError, match=r"without a column of numbers \(host, tags\)"):
        read_runs(path)


def test_columns_that_hold_no_figure_leave_no_trace(tmp_path):
    from datetime import UTC, datetime

    path = write(
        tmp_path / "a.parquet",
        step=[1, 2, 3],
        loss=[3.0, 2.0, 1.0],
        time=[datetime(2026, 1, 1, tzinfo=UTC)] * 3,
        tags=[["a"], ["b"], []],
        host=["node1"] * 3,
        ok=[True, False, True],
    )
    run = read_run(path)
    assert [series.name for series in run.series] == ["loss"]
    assert not run.skipped


def test_a_packed_file_and_a_folder_of_files_are_read(tmp_path):
    import gzip

    from harness.storage.logs import expand

    out = io.BytesIO()
    pl.DataFrame({"step": [1, 2], "loss": [2.0, 1.0]}).write_parquet(out)
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(out.getvalue()))
    assert expand(str(tmp_path)) == [str(tmp_path / "a.parquet.gz")]
    assert losses(tmp_path / "a.parquet.gz").values.tolist() == [2.0, 1.0]


def test_a_damaged_file_is_one_line(tmp_path):
    path = write(tmp_path / "a.parquet", step=STEPS, loss=ODD)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ParseError, match=r"a\.parquet: a Parquet file that cannot be read"):
        read_runs(path)


def test_a_file_that_is_too_large_is_refused(tmp_path, monkeypatch):
    from harness.storage.table import foreign

    monkeypatch.setattr(foreign, "MAX_BYTES", 100)
    path = write(tmp_path / "a.parquet", step=STEPS, loss=ODD)
    with pytest.raises(ParseError, match="more than 100 bytes; split it into a file per run"):
        read_runs(path)
