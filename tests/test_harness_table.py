"""`harness collect`: what a table keeps, how it is replaced, and how its runs are named."""

import dataclasses
import json
import struct
import sys
from contextlib import closing

import numpy as np
import pytest
from typer.testing import CliRunner

from harness.cli.main import app
from harness.errors import HarnessError, ParseError
from harness.log.facts import RunFacts
from harness.log.run import Read, Run, Series, Skipped, same_series
from harness.storage.inputs import load
from harness.storage.logs import expand, read_run, read_runs
from harness.storage.table import collecting
from harness.storage.table.found import logs_of
from harness.storage.table.rows import row_of, run_of

ODD = [float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 0.1 + 0.2]


def write_log(path, seed, steps=60, figures=None):
    """A log of known losses; returns them."""
    rng = np.random.default_rng(seed)
    losses = 2 / (1 + np.arange(steps) / 20) + rng.normal(0, 0.02, steps)
    losses[: len(figures or ())] = figures or ()
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"step {i} loss: {v!r} lr: 0.01\n" for i, v in enumerate(losses.tolist())]
    path.write_text("".join(lines), encoding="utf-8")
    return losses


def bits(values):
    return [struct.pack("<d", value).hex() for value in values]


def series(name="loss", values=(1.0,), **named):
    steps = np.arange(len(values), dtype=np.int64)
    return Series(name=name, rank=0, steps=steps, values=np.array(values), **named)


def full_run():
    """A run in which no field has its default."""
    nan = struct.unpack("<d", bytes.fromhex("230100000000f87f"))[0]  # with a payload
    skipped = Skipped(line=4, text="step 4 loss: ?", reason="not a number")
    return Run(
        source="runs/a.log",
        series=(
            series(values=(*ODD, nan)),
            series("lr", values=(), window=10, unit="1/step"),
            series("val.mIoU", values=(0.5,)),
        ),
        replaced=(series("loss", values=(ODD[0], -0.0), unit="nat"),),
        facts=RunFacts(
            values_by_name={"world_size": 4, "learning_rate": 0.1, "optimizer": "SGD"},
            lines={"world_size": 3},
        ),
        formats=("plain", "config"),
        lines=77,
        skipped=(skipped,),
        notes=("a remark \N{GREEK SMALL LETTER MU}",),
        sha256="ab" * 32,
        size_bytes=2**40,
        by_order=("loss",),
        epochs=series("epoch", values=(0.5, 1.5)),
        unread_end=skipped,
        read=(Read(format="plain", place=3, first_line=1, last_line=9, records=8),),
        dropped=(skipped, skipped),
        dropped_count=9,
        unfinished="the tracker says that it is still running",
    )


def plain(value):
    """A field as something that can be compared, series by their bits."""
    if isinstance(value, Series):
        return (value.name, value.rank, value.window, value.unit, value.steps.tolist(),
                bits(value.values))  # fmt: skip
    if isinstance(value, RunFacts):
        return list(value.items()), list(value.lines.items())
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return value


def test_a_row_keeps_every_field_and_every_bit():
    run = full_run()
    again = run_of(row_of(run, log="runs/a.log", stamp=""), source="runs/a.log")
    default = Run(source="", series=())
    kept = [field for field in dataclasses.fields(Run) if field.name != "published"]  # has no log
    for field in kept:
        assert plain(getattr(again, field.name)) == plain(getattr(run, field.name)), field.name
        assert plain(getattr(run, field.name)) != plain(getattr(default, field.name)), field.name


def test_a_row_whose_series_do_not_fit_is_damaged():
    row = row_of(full_run(), log="a", stamp="")
    with pytest.raises(ValueError, match="has 8 records, and its series have 7"):
        run_of(dataclasses.replace(row, series=json.dumps([["loss", 0, 1, "", 7]])), source="a")


@pytest.fixture
def here(tmp_path, monkeypatch):
    pytest.importorskip("polars", reason="needs the extra parquet")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclasses.dataclass(frozen=True)
class Done:
    """What a command did."""

    status: int
    out: str
    err: str


@pytest.fixture
def run_command():
    def run(*arguments):
        done = CliRunner().invoke(app, arguments)
        if isinstance(done.exception, HarnessError):
            return Done(2, done.stdout, f"error: {done.exception}")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(done.exit_code, done.stdout, done.stderr)

    return run


def collect(*logs, to="table", stop_after=None):
    """Collects logs in this process, and returns the errors; `stop_after` logs it is stopped."""
    named = collecting.stamped(logs_of(logs), pattern=None)
    with closing(collecting.begin(to)) as begun:
        unread = collecting.to_read(begun, named)
        reads = []
        for read in collecting.read_into(begun, unread, pattern=None, workers=1):
            reads.append(read)
            if len(reads) == stop_after:
                return [r.log.name for r in reads]
        collecting.publish(begun)
    return [r.log.name for r in reads]


def test_the_figures_of_a_table_have_the_bits_of_the_logs(here):
    written = {f"seed_{n}.log": write_log(here / "runs" / f"seed_{n}.log", n, figures=ODD)
               for n in range(3)}  # fmt: skip
    collect("runs")
    for name, losses in written.items():
        run = read_run(f"table#{name}")
        assert bits(run.find("loss", 0)[0].values) == bits(losses), name
        log = read_run(here / "runs" / name)
        assert (run.sha256, run.size_bytes) == (log.sha256, log.size_bytes)
        assert same_series(run.series, log.series)


def test_the_records_are_a_plain_table_of_parquet(here):
    import polars as pl

    losses = write_log(here / "runs" / "a.log", 1, figures=ODD)
    collect("runs")
    table = pl.read_parquet("table/records/**/*.parquet", hive_partitioning=False)
    assert table.columns[:6] == ["run", "rank", "series", "step", "value", "facts"]
    found = table.filter((pl.col("run") == "runs/a.log") & (pl.col("series") == "loss"))
    assert bits(found["value"]) == bits(losses)
    assert found["step"].to_list() == list(range(60))


@pytest.mark.parametrize("candidate", ["seed_4.log", "diverged.log"])
def test_a_verdict_from_a_table_is_that_from_the_logs(here, run_command, candidate):
    for n in range(5):
        write_log(here / "runs" / f"seed_{n}.log", n, steps=100)
    write_log(here / "runs" / "diverged.log", 9, steps=100, figures=[2.0, float("nan")])
    assert run_command("collect", "runs", "--to", "table").status == 0
    logs = run_command("compare", "runs/seed_[0-3].log", f"runs/{candidate}", "--json", "-")
    table = run_command("compare", "table#seed_[0-3].log", f"table#{candidate}", "--json", "-")
    assert json.loads(logs.out)["verdict"] == ("fail" if "div" in candidate else "pass")
    assert table.out.replace("table#", "") == logs.out
    assert table.status == logs.status


def test_every_command_that_reads_logs_reads_a_table(here, run_command):
    for n in range(6):
        write_log(here / "runs" / f"seed_{n}.log", n, steps=100)
    run_command("collect", "runs", "--to", "t")
    assert "t#runs/seed_3.log: 100 training losses" in run_command("parse", "t").out
    added = run_command("baseline", "add", "gpu", "t#seed_[0-4].log", "--origin", "here")
    assert "recorded 5 runs" in added.out
    (here / "ports.toml").write_text(
        '[[port]]\nname = "a"\nbaseline = "gpu"\ncandidate = "t#seed_5.log"\n'
        '[[port]]\nname = "b"\nbaseline = "runs/seed_[0-4].log"\ncandidate = "runs/seed_5.log"\n'
    )
    assert run_command("check", "ports.toml", "--report", "reports").status == 0
    of_table, of_logs = (
        json.loads((here / "reports" / port / "comparison.json").read_text()) for port in "ab"
    )
    assert of_table["findings"] == of_logs["findings"]
    gates = [run_command("gate", name, "--json", "-") for name in ("t", "runs")]
    assert gates[0].status == gates[1].status
    table, logs = (json.loads(gate.out) for gate in gates)
    assert table.pop("manifest") != logs.pop("manifest")  # each names its own history
    assert json.dumps(table).replace("t#runs/", "runs/") == json.dumps(logs)


def test_unchanged_logs_are_not_read_again_and_a_changed_log_is_replaced(here):
    for n in range(4):
        write_log(here / "runs" / f"seed_{n}.log", n)
    assert len(collect("runs")) == 4
    assert collect("runs") == []
    changed = write_log(here / "runs" / "seed_2.log", 77, steps=61)
    write_log(here / "runs" / "seed_9.log", 9)
    assert sorted(collect("runs")) == ["runs/seed_2.log", "runs/seed_9.log"]
    runs = read_runs("table")
    assert [run.source for run in runs] == [f"table#runs/seed_{n}.log" for n in (0, 1, 2, 3, 9)]
    assert bits(runs[2].find("loss", 0)[0].values) == bits(changed)
    assert len(list((here / "table").rglob("*.parquet"))) == 2 * 2
    assert not (here / "table" / "collecting.json").exists()


def test_a_log_is_read_again_by_another_version(here, monkeypatch):
    write_log(here / "runs" / "a.log", 1)
    collect("runs")
    monkeypatch.setattr(collecting, "tool_version", lambda: "99.0")
    assert collect("runs") == ["runs/a.log"]
    assert len(read_runs("table")) == 1


def test_a_collect_that_was_stopped_goes_on_and_shows_no_half_of_a_table(here, monkeypatch):
    monkeypatch.setattr(collecting, "MOST_RUNS", 3)
    for n in range(10):
        write_log(here / "runs" / f"seed_{n}.log", n)
    assert len(collect("runs", stop_after=7)) == 7
    with pytest.raises(ParseError, match="a table whose collect is not finished"):
        read_runs("table")
    assert len(collect("runs")) == 4  # two parts of three were written
    assert len(read_runs("table")) == 10
    write_log(here / "runs" / "seed_1.log", 50)
    write_log(here / "runs" / "seed_10.log", 10)
    monkeypatch.setattr(collecting, "MOST_RUNS", 1)
    collect("runs", stop_after=1)
    old = read_run("table#seed_1.log")
    assert len(read_runs("table")) == 10
    assert len(collect("runs")) == 1
    assert len(read_runs("table")) == 11
    assert read_run("table#seed_1.log").sha256 != old.sha256


def test_a_log_that_cannot_be_read_is_named_and_stops_no_other(here, run_command):
    for n in range(3):
        write_log(here / "runs" / f"seed_{n}.log", n)
    (here / "runs" / "bad.log").write_text("nothing to see\n")
    done = run_command("collect", "runs", "--to", "t")
    assert done.status == 2
    assert "error: runs/bad.log: " in done.err
    assert "1 log could not be read" in done.err
    assert "3 of 4 logs read" in done.out
    assert len(read_runs("t")) == 3


def test_a_table_of_which_no_log_can_be_read_is_an_error(here, run_command):
    (here / "a.log").write_text("nothing\n")
    done = run_command("collect", "a.log", "--to", "t")
    assert done.status == 2
    assert "no log could be read, so there is no table" in done.err
    assert not (here / "t").exists()


def test_the_errors_of_logs_are_listed_if_none_could_be_read(here):
    (here / "a.log").write_text("nothing\n")
    done = CliRunner().invoke(app, ["collect", "a.log", "gone.log", "--to", "t"])
    assert "error: a.log: no training record" in done.stderr
    assert "error: gone.log: no such file" in done.stderr
    assert "error: 2 logs could not be read" in done.stderr


@pytest.mark.parametrize("inner", ["records", "runs"])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: path.unlink(), "is missing, though the manifest lists it"),
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "is damaged or was changed"),
    ],
)
def test_damage_is_named(here, inner, harm, words):
    write_log(here / "runs" / "a.log", 3)
    collect("runs")
    (file,) = (here / "table" / inner).rglob("*.parquet")
    harm(file)
    with pytest.raises(ParseError, match=words) as caught:
        read_runs("./table")
    assert str(file.relative_to(here / "table")) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is damaged"),
        ('{"format": "other"}', "not the manifest of a table"),
        ('{"format": "ccnet-port-harness table", "version": 2}', "version 2; this tool reads 1"),
        (None, "was edited or is damaged: its hash does not match"),
    ],
)
def test_a_manifest_that_was_changed_is_named(here, text, words):
    write_log(here / "runs" / "a.log", 3)
    collect("runs")
    manifest = here / "table" / "collected.json"
    content = manifest.read_text()
    manifest.write_text(text or content.replace('"runs": 1', '"runs": 2'))
    with pytest.raises(ParseError, match=f"table/collected.json: {words}"):
        read_runs("table")


def test_a_table_that_another_collect_replaced_is_left_alone(here):
    write_log(here / "a.log", 1)
    write_log(here / "b.log", 2)
    begun = collecting.begin("table")
    begun.close()  # as on a file system without locks
    collect("a.log")
    list(collecting.read_into(begun, logs_of(["b.log"]), pattern=None, workers=1))
    with pytest.raises(HarnessError, match="another collect has replaced this table meanwhile"):
        collecting.publish(begun)
    assert [run.source for run in read_runs("table")] == ["table#a.log"]


def test_a_collect_whose_parts_another_has_removed_says_so(here, monkeypatch):
    monkeypatch.setattr(collecting, "MOST_RUNS", 1)
    write_log(here / "a.log", 1)
    write_log(here / "b.log", 2)
    begun = collecting.begin("table")
    begun.close()  # as in a store
    list(collecting.read_into(begun, logs_of(["b.log"]), pattern=None, workers=1))
    (here / "table" / "collecting.json").unlink()
    collect("a.log")
    with pytest.raises(HarnessError, match="another collect has replaced this table meanwhile"):
        collecting.publish(begun)
    assert [run.source for run in read_runs("table")] == ["table#a.log"]


@pytest.mark.skipif(sys.platform == "win32", reason="has no locks on folders")
def test_a_second_collect_into_a_table_ends_at_once(here, run_command):
    write_log(here / "a.log", 1)
    collect("a.log")
    with closing(collecting.begin("table")):
        done = run_command("collect", "a.log", "--to", "table")
        assert done.status == 2
        assert "table: another collect is writing this table; wait until it has ended" in done.err
        assert len(read_runs("table")) == 1
    assert run_command("collect", "a.log", "--to", "table").status == 0
    assert sorted(path.name for path in (here / "table").iterdir()) == [
        "collected.json",
        "records",
        "runs",
    ]


def test_a_row_of_a_newer_harness_says_so(here):
    row = row_of(full_run(), log="a.log", stamp="")
    about = json.dumps({**json.loads(row.about), "colour": "red"})
    with pytest.raises(ValueError, match="has 'colour', which a newer harness wrote"):
        run_of(dataclasses.replace(row, about=about), source="t#a.log")


def test_a_reader_of_a_table_that_is_replaced_reads_the_new_one(here, monkeypatch):
    from harness.storage.table import reading

    write_log(here / "a.log", 1)
    collect("a.log")
    old = reading._finished("table")
    write_log(here / "b.log", 2)
    write_log(here / "a.log", 3)
    collect("a.log", "b.log")
    answers = iter([old])
    now = reading._finished
    monkeypatch.setattr(reading, "_finished", lambda table: next(answers, None) or now(table))
    reading.kept_part.cache_clear()
    reading._index.cache_clear()
    assert len(read_runs("table")) == 2


@pytest.mark.parametrize("to", ["exp", "memory://bucket/exp"])
def test_a_folder_with_other_files_is_refused_and_keeps_them(here, to):
    fsspec = pytest.importorskip("fsspec")
    write_log(here / "a.log", 1)
    others = ["exp/runs/seed_0.parquet", "exp/notes.txt"]
    files = fsspec.filesystem("memory" if "://" in to else "file")
    root = "/bucket" if "://" in to else str(here)
    try:
        for name in others:
            files.makedirs(f"{root}/{name}".rpartition("/")[0], exist_ok=True)
            files.pipe_file(f"{root}/{name}", b"mine")
            with pytest.raises(ParseError, match=r"holds .*, and no table; expected the folder"):
                collecting.begin(to)
            assert files.cat_file(f"{root}/{name}") == b"mine"
            files.rm_file(f"{root}/{name}")
    finally:
        fsspec.filesystem("memory").store.clear()


def test_a_collect_removes_its_own_parts_only(here):
    write_log(here / "a.log", 1)
    collect("a.log")
    own = next((here / "table" / "runs").rglob("*.parquet"))
    left = own.with_name(f".runs.parquet.{'0' * 16}")  # of a collect that was killed
    mine = here / "table" / "runs" / "mine.parquet"
    left.write_bytes(b"half")
    mine.write_bytes(b"mine")
    write_log(here / "b.log", 2)
    collect("b.log")
    assert mine.read_bytes() == b"mine"
    assert not left.exists()
    assert len(read_runs("table")) == 2


def test_a_table_is_not_written_into_a_file(here):
    write_log(here / "a.log", 1)
    with pytest.raises(ParseError, match=r"a\.log: is a file; expected the folder of a table"):
        collecting.begin("a.log")


def test_many_small_collects_are_joined(here):
    for n in range(collecting.MOST_SMALL + 2):
        write_log(here / f"{n}.log", n)
        collect(f"{n}.log")
    parts = len(list((here / "table" / "records").iterdir()))
    assert parts <= 2
    assert len(read_runs("table")) == collecting.MOST_SMALL + 2


def test_runs_are_named_by_log_by_end_and_by_pattern(here):
    for folder in ("gpu", "port"):
        for n in range(2):
            write_log(here / "runs" / folder / f"seed_{n}.log", n)
    collect("runs/*/*.log")
    named = {
        "table#runs/gpu/seed_1.log": ["runs/gpu/seed_1.log"],
        "table#port/seed_0.log": ["runs/port/seed_0.log"],
        "table#gpu/*.log": ["runs/gpu/seed_0.log", "runs/gpu/seed_1.log"],
        "table#runs/**/seed_1.log": ["runs/gpu/seed_1.log", "runs/port/seed_1.log"],
    }
    for name, logs in named.items():
        assert expand(name) == [name]
        assert [run.source for run in read_runs(name)] == [f"table#{log}" for log in logs], name
    with pytest.raises(ParseError, match=r"2 logs end in this name.*name more of its path"):
        read_runs("table#seed_1.log")
    with pytest.raises(
        ParseError, match="no such run among 4; the table has logs such as runs/gpu"
    ):
        read_runs("table#seed_7.log")


def test_a_folder_that_was_collected_has_the_order_of_the_folder(here):
    for name in ("b.log", "a.log", "perturbed_10/a.log", "perturbed_2/a.log", "perturbed_2/b.log"):
        write_log(here / "runs" / name, 1)
    collect("runs")
    sources = [run.source for run in read_runs("table")]
    assert sources == [f"table#{name}" for name in expand("runs")]


def test_a_file_with_a_number_sign_in_its_name_is_a_log(here):
    losses = write_log(here / "table#a.log", 4)
    write_log(here / "a.log", 5)
    collect("a.log")
    assert bits(read_run("table#a.log").find("loss", 0)[0].values) == bits(losses)


def test_a_table_of_several_runs_keeps_them_apart(here):
    rows = [f"{run},{step},{run + step / 10}\n" for run in (1, 2) for step in range(60)]
    (here / "both.csv").write_text("run,step,loss\n" + "".join(rows))
    collect("both.csv")
    runs, logs = read_runs("table"), read_runs("both.csv")
    assert [r.source for r in runs] == [f"table#{log.source}" for log in logs]
    assert [r.sha256 for r in runs] == [log.sha256 for log in logs]
    assert read_run("table#both.csv [run 2]").sha256 == logs[1].sha256


def test_a_table_in_a_store_reads_as_one_on_a_disk(here):
    fsspec = pytest.importorskip("fsspec")
    for n in range(3):
        write_log(here / "runs" / f"seed_{n}.log", n)
    collect("runs", to="memory://bucket/t/")
    try:
        assert len(read_runs("memory://bucket/t")) == 3
        assert expand("memory://bucket/t") == ["memory://bucket/t"]
        run = read_run("memory://bucket/t#seed_1.log")
        assert same_series(run.series, read_run("runs/seed_1.log").series)
        assert collect("runs", to="memory://bucket/t") == []
    finally:
        fsspec.filesystem("memory").store.clear()


def test_a_verdict_from_a_table_in_a_store_is_that_from_the_logs(here, run_command):
    fsspec = pytest.importorskip("fsspec")
    for n in range(6):
        write_log(here / "runs" / f"seed_{n}.log", n)
    collect("runs", to="memory://bucket/t")
    table = "memory://bucket/t"
    pairs = [
        ("runs/seed_[0-4].log", "runs/seed_5.log"),
        (f"{table}#seed_[0-4].log", f"{table}#seed_5.log"),
        (f"{table}#seed_0.log,{table}#seed_[1-4].log", f"{table}#runs/seed_5.log"),
    ]
    try:
        done = [run_command("compare", *pair, "--quiet") for pair in pairs]
        assert done[0].status in {0, 1, 3}
        assert [(each.status, each.out) for each in done[1:]] == [(done[0].status, done[0].out)] * 2
        assert "byte for byte" in run_command("compare", table, "runs/seed_5.log", "-q").out
        assert "no such object" in run_command("compare", f"{table}x", "runs/seed_5.log", "-q").err
    finally:
        fsspec.filesystem("memory").store.clear()


def test_a_log_that_was_fetched_is_not_looked_for_as_a_table(here, monkeypatch):
    """A name without the ending of a log may be a table's, which two further requests would ask."""
    fsspec = pytest.importorskip("fsspec")
    from harness.storage import logs
    from harness.storage.table.names import table_of

    write_log(here / "a.log", 1)
    asked = []
    monkeypatch.setattr(logs, "table_of", lambda name: asked.append(name) or table_of(name))
    files = fsspec.filesystem("memory")
    try:
        files.pipe_file("/bucket/a", (here / "a.log").read_bytes())
        ((_, runs),) = logs.read_all(["memory://bucket/a"])
        assert len(runs) == 1
        assert asked == []
    finally:
        files.store.clear()


@pytest.mark.parametrize("to", ["table", "part#1.table"])
def test_the_name_of_a_run_that_is_printed_names_it_again(here, to):
    fsspec = pytest.importorskip("fsspec")
    write_log(here / "a.log", 1)
    files = fsspec.filesystem("memory")
    try:
        files.pipe_file("/bucket/runs/a.log", (here / "a.log").read_bytes())
        collect("memory://bucket/runs/a.log", "a.log", to=to)
    finally:
        files.store.clear()
    sources = [run.source for run in read_runs(to)]
    assert sources == [f"{to}#a.log", f"{to}#memory://bucket/runs/a.log"]
    for source in sources:
        assert expand(source) == [source]
        assert read_run(source).source == source
        assert [run.source for run in load(source)] == [source]


def test_standard_input_and_urls_that_differ_in_secrets_only_are_refused(here):
    with pytest.raises(ParseError, match="standard input has no name to collect it under"):
        logs_of(["-"])
    with pytest.raises(ParseError, match=r"differ in their user, password or query only") as caught:
        logs_of(["http://host/a.log?token=abcd", "http://host/a.log?token=efgh"])
    assert "efgh" not in str(caught.value)


def test_without_polars_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ParseError, match=r"pip install 'ccnet-port-harness\[parquet\]'"):
        collecting.begin(str(tmp_path / "t"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and so on")
    with pytest.raises(ParseError, match=r"a.parquet: Parquet needs polars; install it"):
        read_runs(tmp_path / "a.parquet")
