"""Which format took which lines of a log, and where `harness parse` shows it."""

import io
import json

import pytest
from logforms import LOGS
from loglines import header, record
from rich.console import Console

from harness.log.run import Read
from harness.parse import parse_log, parse_logs
from harness.parse.formats import FORMATS
from harness.report.run import render_json, write

PLACES = {name: i for i, name in enumerate(dict.fromkeys(kind.name for kind in FORMATS), 1)}
LOSSES = "".join(record(step, 2.5, rank=rank) + "\n" for step in range(40) for rank in range(2))


@pytest.mark.parametrize("bulk_after", [0, None])
def test_each_format_has_its_lines_and_its_records(bulk_after):
    head = header()
    first = head.count("\n") + 1
    run = parse_log([head + LOSSES], source="x.log", bulk_after=bulk_after)
    reads = {read.format: read for read in run.read}
    assert [read.place for read in run.read] == sorted(PLACES[name] for name in reads)
    assert reads["tcappdll"] == Read(
        format="tcappdll",
        place=PLACES["tcappdll"],
        first_line=first,
        last_line=first + 79,
        records=80,
    )
    assert reads["environment block"].records == reads["config block"].records == 0
    assert reads["config block"].last_line == first - 2  # a line of mmengine ends it


@pytest.mark.parametrize("name", LOGS)
def test_the_formats_that_hold_records_are_those_of_the_run(name):
    run = parse_log([LOGS[name]], source="x")
    assert {read.format for read in run.read if read.records} == set(run.formats)


def test_a_fallback_that_gives_way_took_nothing():
    run = parse_log(["step 1 loss 2.5\n" + LOSSES], source="x.log")
    assert [read.format for read in run.read] == ["tcappdll"]


def test_every_run_of_a_table_shows_its_own_records():
    text = "run,step,loss\na,1,2.5\na,2,2.25\nb,1,2.75\n"
    assert [run.read[0].records for run in parse_logs([text], source="x.csv")] == [2, 1]


def test_the_screen_and_the_json_show_the_formats():
    run = parse_log([LOSSES], source="x.log")
    console = Console(width=100, file=io.StringIO(), record=True)
    write(run, console)
    line = next(t for t in console.export_text().splitlines() if t.strip().startswith("tcappdll "))
    assert line.split() == ["tcappdll", str(PLACES["tcappdll"]), "1", "to", "80", "80"]
    assert json.loads(render_json(run))["read"] == [
        {
            "format": "tcappdll",
            "asked_as": PLACES["tcappdll"],
            "first_line": 1,
            "last_line": 80,
            "records": 80,
        }
    ]
