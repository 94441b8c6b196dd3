"""One table says what a verdict looks like; no writer, style or command states it again."""

import ast
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from harness.comparison.result import ERROR, PortResult
from harness.report import verdicts
from harness.report.ports import check_table, github, gitlab, junit, oneline, site
from harness.report.screen import Screen
from harness.rules import Verdict

HARNESS = Path(__file__).parents[1] / "harness"
TABLE = HARNESS / "report" / "verdicts.py"
WORDS = {entry.word for entry in verdicts.TABLE}


def stated(path: Path) -> list[str]:
    """Where a source maps verdicts to something, shows an icon or styles a verdict."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        return _maps(text) + _icons(text) + re.findall(r"typer\.Exit\(\d+\)", text)
    names = "|".join(WORDS)
    styles = rf"--(?:{names})(?:-ground)?\s*:|\.(?:badge|verdict)\.(?:{names})\b"
    return re.findall(styles, text) + _icons(text)


def _maps(text: str) -> list[str]:
    """Dictionaries with two verdicts or more among their keys."""
    maps = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Dict)]
    return [
        ast.unparse(node) for node in maps if len({_word(key) for key in node.keys} & WORDS) > 1
    ]


def _word(key: ast.expr | None) -> str:
    """The verdict that a key names, as text or as `Verdict.FAIL`."""
    if isinstance(key, ast.Attribute):
        return key.attr.lower()
    return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else ""


def _icons(text: str) -> list[str]:
    return [icon for icon in ("✓", "✕", "≠", verdicts.QUALIFIED_ICON) if icon in text]


def test_the_table_has_every_verdict_and_the_word_for_an_error():
    assert {*Verdict, ERROR} == WORDS
    assert len(verdicts.TABLE) == len(WORDS)


def test_every_verdict_has_an_exit_status_and_colours_of_its_own():
    for get in (lambda e: e.exit_status, lambda e: e.icon, lambda e: e.dot, lambda e: e.light.ink):
        assert len({get(entry) for entry in verdicts.TABLE}) == len(WORDS)


def test_no_other_source_states_what_a_verdict_looks_like():
    files = [p for kind in ("py", "css", "js", "j2") for p in HARNESS.rglob(f"*.{kind}")]
    assert len(files) > 150
    assert {str(p): found for p in files if p != TABLE and (found := stated(p))} == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("new.py", "COLOURS = {'pass': 'green', 'fail': 'red'}"),
        ("new.py", "EXIT = {Verdict.PASS: 0, Verdict.FAIL: 1}"),
        ("new.py", "raise typer.Exit(3)"),
        ("new.py", "sign = '✓'"),
        ("new.css", ":root { --inconclusive: #7a5200; }"),
        ("new.css", ".badge.inconclusive { color: red; }"),
        ("new.js", "const sign = '≠';"),
    ],
)
def test_the_search_sees_a_second_table(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    assert stated(path)


def test_the_worst_is_an_error_then_a_fail():
    words = ["pass", "inconclusive", "incomparable", "fail", "error"]
    for i, word in enumerate(words):
        assert verdicts.worst(words[: i + 1]) == word
    assert all(verdicts.rank(b) < verdicts.rank(a) for a, b in pairwise(words))


@pytest.fixture
def stranger(monkeypatch):
    """A sixth verdict, the worst of all."""
    entry = replace(
        verdicts.row("fail"), word="unsure", headline="nobody knows", exit_status=9, icon="∿",
        dot="#123456", terminal="bright_blue", gitlab="info", github="notice", junit="error",
        light=verdicts.Shade(ink="#abcdef", ground="#fedcba"),
    )  # fmt: skip
    monkeypatch.setattr(verdicts, "TABLE", (entry, *verdicts.TABLE))
    return [
        PortResult(port="good", verdict="pass", manifest="p.toml"),
        PortResult(port="odd", verdict="unsure", reasons=("no idea",), manifest="p.toml"),
    ]


def test_a_new_row_reaches_every_writer_of_a_check(stranger):
    page = site.render_index(stranger)
    assert "∿" in page
    assert "--unsure: #abcdef; --unsure-ground: #fedcba;" in page
    assert ":is(.badge, .verdict).unsure" in page
    assert page.index(">odd<") < page.index(">good<")
    assert github.commands(stranger)[0].startswith("::notice file=p.toml")
    assert [issue["severity"] for issue in json.loads(gitlab.render(stranger))] == ["info"]
    suite = ET.fromstring(junit.render(stranger)).find("testsuite")
    assert suite.attrib["errors"] == "1"
    assert oneline.summary_line(stranger).endswith("odd: unsure, no idea")
    with (screen := Screen(width=120, color_system="standard", force_terminal=True)).capture() as c:
        check_table.write(stranger, screen)
    assert "\x1b[1;94munsure" in c.get()
    assert "odd: nobody knows" in c.get()
    assert verdicts.row(verdicts.worst(r.verdict for r in stranger)).exit_status == 9
