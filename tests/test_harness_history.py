"""The history: what goes in comes out, from two checks at once too, in SQLite and PostgreSQL."""

import dataclasses
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from urllib.parse import quote

import commandline
import postgres
import pytest
from portresults import HOSTILE, START, broken, entries, result

pytest.importorskip("sqlalchemy", reason="needs the extra [history]")

from sqlalchemy import inspect

from harness.comparison.result import RuleResult
from harness.errors import HistoryError
from harness.ports.history import schema, store
from harness.ports.history.connect import connect
from harness.ports.history.store import open_history
from harness.ports.publish import publish

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def server():
    """A server of its own; one for the session takes 2 s to start."""
    short = tempfile.TemporaryDirectory(prefix="pg")  # sockets live there: a short path
    with short as folder, postgres.server(Path(folder)) as port:
        yield port


@pytest.fixture
def database(server, request):
    """The URL of a fresh database."""
    import psycopg

    name = f"t{abs(hash(request.node.name))}"
    user = f"harness:{quote(postgres.PASSWORD, safe='')}@127.0.0.1:{server}"
    with psycopg.connect(f"postgresql://{user}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://{user}/{name}"


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """A place for a history, of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "h.sqlite")
    return request.getfixturevalue("database")


def lean(one):
    return dataclasses.replace(one, curve_steps=(), baseline_curve=(), candidate_curve=())


def test_what_goes_in_comes_out_in_order_and_without_its_curves(where):
    first, second = (
        result("p", relative_difference=0.1 + 0.2),
        result("p", "fail", relative_difference=-1e-300),
    )
    with open_history(where) as history:
        history.append([first, broken("q")], commit="a" * 40, when=START)
    with open_history(where) as history:
        history.append([second], commit="", when=START + timedelta(hours=1))
        found = history.read("p")
    assert [entry.result for entry in found] == [lean(first), lean(second)]
    assert [entry.commit for entry in found] == ["a" * 40, ""]
    assert found[0].when == "2026-01-01T06:00:00.000000+00:00"


def test_times_of_other_zones_sort_as_times(where):
    east = datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=8)))
    with open_history(where) as history:
        history.append([result("p", "fail")], commit="late", when=START)
        history.append([result("p")], commit="early", when=east)
        assert [entry.commit for entry in history.read("p")] == ["early", "late"]


def test_hostile_text_comes_out_as_it_went_in(where):
    rule = RuleResult(rule=HOSTILE, verdict="fail", reason=HOSTILE)
    one = result("p'; DROP TABLE harness_history; --", "fail", rules=(rule,), reasons=(HOSTILE,))
    with open_history(where) as history:
        history.append([one], commit=HOSTILE, when=START)
        (entry,) = history.read(one.port)
    assert entry.result == lean(one)


def test_the_newest_of_every_port(where):
    with open_history(where) as history:
        for day in range(5):
            results = [result(name, relative_difference=day / 100) for name in ("b", "a")]
            history.append(results, commit=str(day), when=START + timedelta(days=day))
        found = history.recent(2)
    assert list(found) == ["a", "b"]
    assert [entry.commit for entry in found["a"]] == ["3", "4"]


def test_a_port_that_was_never_checked_has_no_entries(where):
    with open_history(where) as history:
        assert history.read("p") == ()
        assert history.recent(5) == {}


APPEND = """
import sys
from datetime import UTC, datetime
import psycopg, sqlalchemy.dialects.postgresql
from harness.ports.history.store import open_history
from harness.comparison.result import PortResult
import harness.ports.history.schema
where, who = sys.argv[1:]
print("ready", flush=True)
sys.stdin.read()
for turn in range(4):
    with open_history(where) as history:
        results = [PortResult(port=f"p{i}", verdict="pass") for i in range(50)]
        history.append(results, commit=f"{who}-{turn}", when=datetime.now(UTC))
"""


def test_checks_that_append_at_the_same_time_all_land(where):
    """Four processes open a store that does not exist yet: they race to create its tables too."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", APPEND, where, str(who)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for who in range(4)
    ]
    assert [process.stdout.readline() for process in running] == ["ready\n"] * 4
    for process in running:
        process.stdin.close()
        process.stdin = None
    errors = [process.communicate(timeout=120)[1] for process in running]
    assert errors == [""] * 4
    with open_history(where) as history:
        found = [{e.commit for e in es} for es in history.recent(1000).values()]
    assert found == [{f"{who}-{turn}" for who in range(4) for turn in range(4)}] * 50


def test_the_results_of_a_check_land_all_or_none(where):
    with open_history(where) as history:
        bad = dataclasses.replace(result("q"), verdict=None)
        with pytest.raises(HistoryError, match="cannot be used"):
            history.append([result("p"), bad], commit="", when=START)
        assert history.recent(1) == {}


EARLIER = """
CREATE TABLE harness_history (
    id {id} NOT NULL, port TEXT NOT NULL, moment TEXT NOT NULL, "commit" TEXT NOT NULL,
    verdict TEXT NOT NULL, effect {double}, result TEXT NOT NULL, PRIMARY KEY (id)
);
CREATE TABLE harness_history_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT harness_history_version_pkc PRIMARY KEY (version_num)
);
CREATE INDEX harness_history_port_moment ON harness_history (port, moment);
INSERT INTO harness_history_version VALUES ('0001');
INSERT INTO harness_history (port, moment, "commit", verdict, effect, result)
VALUES ('p', '2026-01-01T05:00:00.000000+00:00', 'old', 'pass', 0.001, '{result}');
"""
"""What a store held that the harness made through Alembic, with one result in it."""


def execute(where, script):
    """Runs statements in the database of a history, outside the harness."""
    engine, _ = connect(where, wait_s=1)
    with engine.begin() as connection:
        for statement in script.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%"))


def described(where):
    """The columns, keys and indexes of every table of a database, types as text."""
    engine, _ = connect(where, wait_s=1)
    with engine.connect() as connection:
        inspector = inspect(connection)
        return {
            table: (
                [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(table)],
                inspector.get_pk_constraint(table),
                inspector.get_indexes(table),
            )
            for table in inspector.get_table_names()
        }


def earlier(where):
    """Makes the store of an earlier version at a place."""
    sqlite = "://" not in where
    kinds = ("INTEGER", "DOUBLE") if sqlite else ("BIGSERIAL", "DOUBLE PRECISION")
    kept = lean(result("p")).to_json()
    execute(where, EARLIER.format(id=kinds[0], double=kinds[1], result=kept))


def test_a_store_of_an_earlier_version_opens_and_takes_new_results(where):
    earlier(where)
    with open_history(where) as history:
        history.append([result("p")], commit="new", when=START)
        assert [entry.commit for entry in history.read("p")] == ["old", "new"]
        assert history.read("p")[0].result == lean(result("p"))


def test_a_new_store_has_the_tables_of_an_earlier_version(where):
    with open_history(where):
        new = described(where)
    with open_history(where) as history:
        schema.metadata.drop_all(history.engine)
    earlier(where)
    assert described(where) == new


def test_a_store_of_a_newer_harness_is_refused(where):
    with open_history(where) as history:
        history.append([result("p")], commit="old", when=START)
    execute(where, "UPDATE harness_history_version SET version_num = '0002'")
    with pytest.raises(HistoryError) as refused, open_history(where):
        pass
    assert "its schema is revision 0002, which this version does not know (it knows 0001)" in str(
        refused.value
    )
    assert "update the harness" in str(refused.value)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (
            "INSERT INTO harness_history_version VALUES ('0000')",
            "its schema has 2 revisions; expected one",
        ),
        ("DROP TABLE harness_history_version", "cannot be used: .*already exists"),
        (
            "DROP TABLE harness_history; CREATE VIEW harness_history AS SELECT 1 AS id",
            "harness_history is a view; expected a table",
        ),
    ],
)
def test_a_store_that_was_changed_by_hand_is_refused(where, script, message):
    with open_history(where):
        pass
    execute(where, script)
    with pytest.raises(HistoryError, match=message), open_history(where):
        pass


def test_a_password_is_never_shown(database):
    password = quote(postgres.PASSWORD, safe="")
    wrong = database.replace(password, "wrong-secret")
    gone = database.rpartition("/")[0] + "/absent"
    for url in (wrong, gone):
        with pytest.raises(HistoryError) as refused, open_history(url):
            pass
        said = str(refused.value)
        assert said.startswith("postgresql://127.0.0.1:")
        for secret in ("wrong-secret", password, postgres.PASSWORD):
            assert secret not in said
    with open_history(database) as history:
        assert password not in history.shown
        assert postgres.PASSWORD not in repr(history)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("mysql://u:secret@h/d", "a history in 'mysql'; expected the path of a file"),
        ("postgresql://u:secret@h:port/d", "URL cannot be read; expected postgresql://host"),
        ("postgresql://u:secret@127.0.0.1:1/d", "cannot be used: connection failed"),
        ("postgresql://127.0.0.1:1/d?password=secret", "cannot be used: connection failed"),
        ("no/such/folder/h.sqlite", "h.sqlite: the history cannot be used: unable to open"),
    ],
)
def test_a_place_that_cannot_be_used_says_so_without_the_password(
    where, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HistoryError) as refused, open_history(where):
        pass
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, and long enough to have a header of a hundred bytes" * 3)
    before = path.read_bytes()
    with pytest.raises(HistoryError, match="file is not a database"), open_history(str(path)):
        pass
    assert path.read_bytes() == before


def test_a_history_is_read_while_another_check_writes(tmp_path):
    path = str(tmp_path / "h.sqlite")
    with open_history(path) as history:
        history.append([result("p")], commit="", when=START)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with open_history(path) as history:
        assert len(history.read("p")) == 1
    writer.close()


def test_a_writer_that_never_ends_is_an_error_after_the_wait(tmp_path, monkeypatch):
    path = str(tmp_path / "h.sqlite")
    with open_history(path):
        pass
    monkeypatch.setattr(store, "WAIT_S", 0.1)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    with open_history(path) as history, pytest.raises(HistoryError, match="database is locked"):
        history.append([result("p")], commit="", when=START)
    writer.close()


def test_the_driver_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    words = r"pip install 'ccnet-port-harness\[history,postgres\]'"
    with pytest.raises(HistoryError, match=words), open_history("postgresql://h/d"):
        pass


def test_the_extra_is_named_where_it_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "harness.ports.history.connect", raising=False)
    words = r"pip install 'ccnet-port-harness\[history\]'"
    with pytest.raises(HistoryError, match=words), open_history(str(tmp_path / "h.sqlite")):
        pass


def test_postgres_is_taken_for_postgresql():
    engine, shown = connect("postgres://u:p@h:99/d", wait_s=1)
    assert engine.url.drivername == "postgresql+psycopg"
    assert shown == "postgresql://h:99/d"


def test_publish_appends_to_the_history(where):
    environ = {"CI_COMMIT_SHA": "c" * 40}
    for _ in range(2):
        publish([result("p")], outputs={}, history=where, environ=environ)
    with open_history(where) as history:
        assert [entry.commit for entry in history.read("p")] == ["c" * 40] * 2


@pytest.fixture
def harness(tmp_path):
    return partial(commandline.harness, tmp_path)


def filled(where, differences, *, port="p"):
    with open_history(where) as history:
        for entry in entries(differences, port=port):
            when = datetime.fromisoformat(entry.when)
            history.append([entry.result], commit=entry.commit, when=when)


def test_the_command_shows_a_port_and_names_the_run_where_it_changed(harness, tmp_path):
    filled(str(tmp_path / "history.sqlite"), [0.01] * 10 + [0.08] * 4)
    done = harness("history", "p", "--last", "5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum("2026-01-" in line and " pass " in line for line in lines) == 5
    assert sum(line.strip().startswith("> 2026-01-11") for line in lines) == 1
    assert "difference ▁▁▁▁▁▁▁▁▁▁████" in done.stdout
    assert (
        "the relative difference changed from +1.00% to +8.00% "
        "at the check of 2026-01-11 06:00 (0000000000)" in done.stdout
    )


def test_the_command_without_a_port_has_one_line_a_port(harness, where):
    filled(where, [0.01] * 10 + [0.08] * 4, port="moved")
    filled(where, [0.01] * 3, port="flat")
    done = harness("history", HARNESS_HISTORY=where)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.strip().startswith(("flat", "moved"))]
    assert len(rows) == 2
    assert rows[0].strip().endswith("-")
    assert rows[1].strip().endswith("2026-01-11: +1.00% to +8.00%")


def test_the_command_gives_json(harness, tmp_path):
    filled(str(tmp_path / "h.sqlite"), [0.01] * 10 + [None, 0.08, 0.08, 0.08])
    done = harness("history", "p", "--history", "h.sqlite", "--json", "-", "--last", "4")
    document = json.loads(done.stdout)
    (port,) = document["ports"]
    assert [run["relative_difference"] for run in port["runs"]] == [None, 0.08, 0.08, 0.08]
    assert port["changes"] == [
        {
            "when": "2026-01-12T06:00:00.000000+00:00",
            "commit": f"{11:040x}",
            "before": 0.01,
            "after": 0.08,
        }
    ]


def test_reading_makes_no_file_and_an_unknown_port_is_an_error(harness, tmp_path):
    done = harness("history")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: history.sqlite: no such history; `harness check --history FILE` starts one\n"
    )
    assert not (tmp_path / "history.sqlite").exists()
    filled(str(tmp_path / "history.sqlite"), [0.01])
    done = harness("history", "q")
    assert done.returncode == 2
    assert "history.sqlite: no result of a port 'q'" in done.stderr
