"""Every writer against text that other languages obey: what it writes holds only its own structure.

Names, facts, reasons, notes and sources are put into results of all kinds; each output is read
again by a parser of its language that is not the project's own.
"""

import csv
import io
import json as stdjson
import pkgutil
import re
import shlex
import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from loglines import decaying
from loglines import run as make_run
from markdown_it import MarkdownIt
from portresults import entries, result
from rich.console import Console
from typer.testing import CliRunner

import harness.report
from harness import Policy, compare
from harness.align.comparable import Comparability
from harness.align.start import start_of
from harness.cli.main import app
from harness.comparison.diagnosis import Diagnosis, KnownFault, SimilarFault
from harness.comparison.error_rates import Row
from harness.comparison.judge import Judgement
from harness.comparison.result import RuleResult, judged
from harness.comparison.trend import Change
from harness.gate.figures import History
from harness.gate.propose import propose
from harness.log.facts import RunFacts
from harness.log.run import Run, Series, Skipped
from harness.report import (
    envelope,
    error_rates,
    escape,
    figures,
    formats,
    noise,
    published,
    recording,
    rules,
    run,
    screen,
)
from harness.report.comparison import diagnosis, failure, html, json, markdown, plot, repeat, text
from harness.report.gate import json as gate_json
from harness.report.gate import manifest as gate_manifest
from harness.report.gate import text as gate_text
from harness.report.ports import (
    check_table,
    comment,
    github,
    gitlab,
    history_table,
    junit,
    oneline,
    site,
    trend,
)
from harness.rules import Finding, Verdict
from harness.rules.modelzoo import published as judge_published
from harness.stats.noise import NoiseFloor, Phase

SECRET = "hunter2"
PIECES = [
    "\n::error file=a::x",
    "::stop-commands::deadbeef",
    "##[group]g",
    "##vso[task.setvariable variable=a]b",
    "\x1b[2J\x1b]0;t\x07",
    "\r\rPort verdict: pass\r===\r",
    "\u202egnp.exe\u2066",
    "$\\frac$",
    "$x^$",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@here",
    "#12 GH-7 !3 o/r#4",
    "| a | b |",
    "`code`",
    "</script><script>alert(1)</script>",
    "<!-- <img src=x onerror=alert(1)>",
    "]]>&amp;",
    "\u2028\u2029\x85",
    "\ud800",
    "\x00\x0b\x0c",
    "# h\n===\n---\n",
    "1. a\n- b\n> c\n- [ ] d",
    "    code",
    "[l](http://a.b) http://c.d www.e.f g@h.i",
    f"https://u:{SECRET}@host/a.log?sig={SECRET} ",
    '"]; evil("',
    "[bold red]m[/bold red] [link=http://a]x[/link]",
    "{{ 7*7 }} {% raw %}",
    "~~~\n```\n",
    "a" * 10_000,
    "loss_a",
    "-0.5",
    " ",
]
hostile = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join) | st.text(
    st.characters(exclude_categories=()), min_size=1, max_size=30
)
every = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ALL = "".join(PIECES)
"""Every kind at once."""


@cache
def honest():
    """A comparison of two plain runs, into which hostile text is put."""
    sides = (make_run(decaying(60), source="b"), make_run(decaying(60, seed=1), source="c"))
    return compare(*sides, Policy(rules=("tolerance",)))


def infected(h, verdict=Verdict.INCONCLUSIVE):
    """The comparison with `h` wherever a log, a path, a config or a manifest can put text."""
    plain = honest()

    def side(runs):
        return tuple(
            replace(
                one,
                source=h,
                notes=(h,),
                formats=(h,),
                facts=RunFacts(values_by_name={"model": h, f"config.{h}": h}),
                skipped=(Skipped(line=1, text=h, reason=h),) * 7,
                sha256="0" * 64,
                size_bytes=1,
            )
            for one in runs
        )

    finding = Finding(
        rule=h,
        verdict=verdict,
        observed={h: h, "low": 0.0, "difference": 0.1, "high": 0.2},
        parameters={h: 1.0, "margin": 0.02},
        reason=h,
        caveat=h,
    )
    judgement = Judgement(
        verdict=verdict, findings=(finding,), reasons=(h, h), failures=(), doubts=(h,), scope=h
    )
    row = Comparability(fact=h, baseline=h, candidate=(h, "b"), kind="differs", waived=True)
    none = Comparability(fact=h, baseline=None, candidate=None, kind="unknown", waived=False)
    return replace(
        plain,
        baseline=side(plain.baseline),
        candidate=side(plain.candidate),
        policy=replace(plain.policy, metric=h, allow=(h,), allow_reason=h),
        comparability=(*plain.comparability, row, none),
        aligned=replace(plain.aligned, metric=h),
        whole=replace(plain.whole, metric=h),
        judgement=judgement,
        notes=(h,),
    )


def ports(h):
    """Results of ports with `h` in every text, one of each kind of verdict."""
    rule = RuleResult(rule=h, verdict="fail", reason=h)
    words = ("pass", "fail", "inconclusive", "incomparable", "error")
    return [
        result(h, word, rules=(rule,), reasons=(h, h), metric=h, manifest=h, tool_version=h)
        for word in words
    ]


def past(h):
    """A history whose port and commits are `h`, and a change in it."""
    made = entries([0.0, 0.0, 0.1, 0.1])
    runs = [replace(one, commit=h, result=ports(h)[i % 2]) for i, one in enumerate(made)]
    return runs, [Change(at=2, before=0.0, after=0.1)]


def printed(write, *, terminal=False):
    """What a writer of the screen writes, on a narrow one, so that lines are broken."""
    out = io.StringIO()
    colours = "truecolor" if terminal else None
    write(screen.Screen(out, width=50, force_terminal=terminal, color_system=colours))
    return out.getvalue()


def faults(h):
    fault = KnownFault(name=h, summary=h, origin=h, miou_lost=1.0, signature=np.zeros(2))
    one = SimilarFault(fault=fault, similarity=0.5, features=(h,))
    return Diagnosis(similar=(one,), shared=2, spread_of="baseline", rates=(0.5, 0.7))


def rows(h):
    return [Row(rule=h, kind=h, comparisons=3, failed=1, passed=1)]


def floor(h):
    phase = Phase(name=h, first_step=0, last_step=1, mean=1.0, run_spread=0.1, step_spread=0.1)
    return NoiseFloor(metric=h, runs=3, phases=(phase,))


def gate(h, *, runs=8):
    """A proposal whose metric and runs are named `h`, and its lines; refused for few runs."""
    values = 2 + 0.1 * np.array([3, 1, 7, 4, 0, 6, 2, 5])[:runs]
    made = History(metric=h, names=(h,) * runs, values=values, last=1, steps=(0, 0), notes=(h,),
                   mixed=h if runs < 5 else "")  # fmt: skip
    proposal = propose(made)
    return proposal, gate_manifest.lines(proposal, name=h, baseline=h, candidate=h)


def start(h):
    """A start whose judged series is named `h`."""
    series = Series(name=h, rank=0, steps=np.arange(12), values=np.linspace(3, 2, 12) ** 0.5)
    one = Run(source=h, series=(series,))
    return start_of([one], [one], [one], metric=one.series[0].name)


def screens(h):
    """What each writer of the screen prints; the module's name -> how."""
    made, failed = infected(h), infected(h, Verdict.FAIL)
    runs, changes = past(h)
    found = history_table.of_port(runs, changes)
    many = history_table.overview({h: runs}, {h: changes}, last=4, marks="_.-:=+*#")
    return {
        "text": lambda to: text.write(made, to),
        "run": lambda to: run.write(made.baseline[0], to),
        "recording": lambda to: recording.write(made.baseline, to),
        "check_table": lambda to: check_table.write(ports(h), to),
        "diagnosis": lambda to: diagnosis.write(failed, faults(h), to),
        "formats": formats.write,
        "rules": rules.write,
        "history_table": lambda to: to.print(screen.lay_out(found), screen.lay_out(many)),
        "envelope": lambda to: to.print(
            screen.lay_out(envelope.table(start(h))), screen.words(envelope.summary(start(h)))
        ),
        "noise": lambda to: to.print(screen.lay_out(noise.table(floor(h)))),
        "error_rates": lambda to: to.print(screen.lay_out(error_rates.table(rows(h)), wide=True)),
        "manifest": lambda to: [gate_text.write(*gate(h, runs=n), to) for n in (8, 3)],
        "trend": lambda to: to.print(*map(screen.words, trend.describe(*past(h)))),
    }


def folder(h):
    """A port's name, which names a folder too and so holds no URL."""
    return h.replace("/", "").replace(SECRET, "") or "x"


LINES = {
    "failure": lambda h: failure.of_rule(infected(h), 0),
    "failure, incomparable": lambda h: failure.of_rule(infected(h, Verdict.INCOMPARABLE), 0),
    "oneline": lambda h: oneline.one_line(judged(h, infected(h))),
    "oneline, summary": lambda h: oneline.summary_line(ports(h)),
    "published": lambda _: "\n".join(
        published.lines(judge_published(np.ones(60), np.full(60, 1.1)))
    ),
}
PAGES = {
    "html": lambda h: html.render(infected(h), command=h),
    "site": lambda h: site.render_index(
        [replace(one, port=folder(h)) for one in ports(h)],
        title=h,
        histories={folder(h): past(h)[0]},
    ),
    "trend": lambda h: f"<!doctype html>{trend.trend_svg(*past(h))}",
}
MARKDOWN = {
    "markdown": lambda h: markdown.render(infected(h), picture="comparison.png"),
    "comment": lambda h: comment.render(ports(h)),
}
JSON = {
    "json": lambda h: json.render(infected(h)),
    "json, gate": lambda h: gate_json.render(*gate(h)),
    "json, gate refused": lambda h: gate_json.render(*gate(h, runs=3)),
    "run": lambda h: run.render_json(*infected(h).baseline),
    "gitlab": lambda h: gitlab.render(ports(h)),
}
OTHERS = {
    "repeat",
    "github",
    "junit",
    "plot",
    "figures",
    "error_rates",
    "published",
    "final_metric",
}
"""Writers with a test of their own below."""
PARTS = {
    "chart_data",
    "escape",
    "forest",
    "link",
    "opening",
    "page",
    "scale",
    "screen",
    "sparkline",
    "table",
    "tables",
    "tree",
    "verdicts",
}
"""Modules that write nothing by themselves: what they make goes out through the others."""


def test_no_writer_is_forgotten():
    modules = {
        module.name.rsplit(".")[-1]
        for module in pkgutil.walk_packages(harness.report.__path__, "harness.report.")
        if not module.ispkg
    }
    tried = {name.split(",")[0] for kinds in (LINES, PAGES, MARKDOWN, JSON) for name in kinds}
    assert modules == tried | set(screens("x")) | OTHERS | PARTS


def obeyed(line):
    """Whether GitHub, Azure or TeamCity takes a line of a log as a command."""
    bare = re.sub(r"\x1b\[[0-9;]*m", "", line).lstrip()
    return bare.startswith("::") or re.search(r"##\w*\[", line) is not None


def assert_shown(out, *, colours=False):
    """Only characters that can be seen, and no secret; rich's own colours where it may use them."""
    if colours:
        out = re.sub(r"\x1b\[[0-9;]*m", "", out)
    odd = {c for c in out if not (c.isprintable() or c in "\n\N{FIGURE SPACE}\N{ZERO WIDTH SPACE}")}
    assert not odd, sorted(map(repr, odd))
    assert SECRET not in out
    out.encode("utf-8")


def test_the_checks_see_what_they_look_for():
    assert [obeyed(x) for x in ("  ::error::x", "a ##[group]b", "a ::error::x")] == [1, 1, 0]
    for bad in ("\x1b[2J", "\r", "\u202e", "\ud800", f"p={SECRET}"):
        with pytest.raises((AssertionError, UnicodeEncodeError)):
            assert_shown(bad)
    for bad in ("x http://a.b", "<b>x</b>", "- [ ] x @here", "a #12", "# a", "a\n==="):
        assert links_and_blocks(bad), bad


@every
@example(h=ALL)
@given(h=hostile)
@pytest.mark.parametrize("name", sorted(screens("x")))
def test_a_screen_shows_hostile_text_and_obeys_none(name, h):
    for terminal in (False, True):
        out = printed(screens(h)[name], terminal=terminal)
        assert_shown(out, colours=terminal)
        assert not any(map(obeyed, out.splitlines()))
        assert "\x1b]8" not in out  # a link


@every
@example(h=ALL)
@given(h=hostile)
@pytest.mark.parametrize("name", sorted(LINES))
def test_lines_of_text_hold_no_command(name, h):
    out = LINES[name](h)
    assert_shown(out)
    assert not any(map(obeyed, out.splitlines()))


@every
@example(h=ALL)
@given(h=hostile)
def test_the_command_that_repeats_is_one_line_for_a_shell(h):
    named = repeat.repeat_command(infected(h), baseline=h, candidate=h, baselines=h)
    for command in (named, repeat.repeat_command(infected(h))):
        assert_shown(command)
        words = shlex.split(command, comments=True)
        assert words[:2] == ["harness", "compare"]
        assert not set(words) & {";", "|", "&", ">", "<"}


@pytest.mark.parametrize("command", ["list", "show", "verify"])
def test_a_recording_is_shown_without_commands(command, tmp_path):
    rows = [{"step": i, "loss": v, "::error::x": v} for i, v in enumerate(decaying(60).tolist())]
    (tmp_path / "a.jsonl").write_text("".join(f"{stdjson.dumps(row)}\n" for row in rows))
    shelf = ["--baselines", str(tmp_path / "shelf")]
    add = ["baseline", "add", "b", str(tmp_path / "a.jsonl"), "--origin", "\n::error::o\x1b[2J"]
    added = CliRunner().invoke(app, [*add, "--description", "d\r\n::error::d", *shelf])
    assert added.exit_code == 0, added.output
    named = ["b"] if command != "list" else []
    shown = CliRunner().invoke(app, ["baseline", command, *named, *shelf])
    assert shown.exit_code == 0, shown.output
    assert_shown(shown.output)
    assert not any(map(obeyed, shown.output.splitlines()))


@every
@given(h=hostile)
def test_one_line_is_one_line(h):
    for result_ in (judged(h, infected(h)), *ports(h)):
        assert len(oneline.one_line(result_).splitlines()) == 1


class Tags(HTMLParser):
    """Tags and attributes as a browser sees them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes = [], set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data):
        self.tags.append(f"<!--{data}")


@every
@example(h=ALL)
@given(h=hostile)
@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_has_the_tags_of_any_other(name, h):
    page, plain = PAGES[name](h), Tags(PAGES[name]("x"))
    assert_shown(page)
    found = Tags(page)
    assert found.tags == plain.tags
    assert found.attributes == plain.attributes


def test_the_data_of_the_charts_cannot_end_their_script():
    page = html.render(infected("</script><!--<script>"), command="x")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert stdjson.loads(data)["metric"] == "</script><!--<script>"
    assert not set("<>&") & set(data)


def links_and_blocks(source):
    """What a reader of Markdown, or a forge behind it, makes of a text beyond words and tables."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    own = {"paragraph", "list_item", "bullet_list", "table", "thead", "tbody", "tr", "th", "td"}
    odd = []
    for token in parser.parse(source):
        kind = token.type.removesuffix("_open").removesuffix("_close")
        if kind == "fence" and token.info == "mermaid":
            odd.append(("chart", re.sub(r'"[\w. :,-]{0,100}"', "", token.content)))
        elif kind not in {*own, "inline"}:
            odd.append((token.type, token.content))
        for part in token.children or ():
            if part.type == "text" and re.search(
                r"https?://|www\.|[@#!$~%^]\w|\bGH-\d|\w@\w", part.content
            ):
                odd.append(("reference", part.content))
            elif part.type not in {"text", "strong_open", "strong_close", "text_special"} and (
                part.content not in {"<br>", "</b>"}
            ):
                odd.append((part.type, part.content))
    return odd


@every
@example(h=ALL)
@given(h=hostile)
@pytest.mark.parametrize("name", sorted(MARKDOWN))
def test_markdown_has_our_headings_and_tables_and_no_link(name, h):
    source = MARKDOWN[name](h)
    assert_shown(source)
    assert links_and_blocks(source) == links_and_blocks(MARKDOWN[name]("x"))
    depth = [
        line.count("<td>") for line in MarkdownIt().enable("table").render(source).split("<tr>")
    ]
    plain = MarkdownIt().enable("table").render(MARKDOWN[name]("x")).split("<tr>")
    assert depth == [line.count("<td>") for line in plain]


@every
@given(h=hostile)
def test_text_stays_what_it_is_in_markdown(h):
    (paragraph,) = [
        token
        for token in MarkdownIt("commonmark").parse(f"- {escape.markdown_line(h) or 'x'}")
        if token.type == "inline"
    ]
    words = "".join(child.content for child in paragraph.children)
    seen = " ".join(escape.shown(h).split()) or "x"
    assert words.replace("\N{ZERO WIDTH SPACE}", "") == seen


@every
@example(h=ALL)
@given(h=hostile)
@pytest.mark.parametrize("name", sorted(JSON))
def test_json_is_strict_and_without_secrets(name, h):
    out = JSON[name](h)
    assert_shown(out)
    document = stdjson.loads(out, parse_constant=lambda constant: pytest.fail(constant))
    assert shape(document) == shape(stdjson.loads(JSON[name]("x"))) or "config." in out
    stdjson.dumps(document, ensure_ascii=False).encode("utf-8")


def shape(document):
    if isinstance(document, dict):
        return {"{}": [shape(value) for value in document.values()]}
    return [shape(value) for value in document] if isinstance(document, list) else ""


@every
@example(h=ALL)
@given(h=hostile)
def test_github_gets_one_command_a_port_and_nothing_else(h):
    lines = github.commands(ports(h))
    assert len(lines) == len(github.commands(ports("x")))
    for line in lines:
        assert_shown(line)
        name, data = re.fullmatch(r"::(?:error|warning) ([^:]*)::(.*)", line).groups()
        assert len(name.split(",")) == 3
        assert not re.search(r"%(?!25|3A|2C|0A|0D)", name + data)
        assert not re.search(r"##\w*\[", line)


@every
@example(h=ALL)
@given(h=hostile)
def test_junit_is_xml_with_our_elements(h):
    out = junit.render(ports(h))
    assert_shown(out)
    found, plain = (
        [(e.tag, sorted(e.attrib)) for e in ET.fromstring(text_).iter()]
        for text_ in (out, junit.render(ports("x")))
    )
    assert found == plain


@every
@example(h=ALL)
@given(h=hostile)
def test_no_cell_of_csv_is_a_formula(h):
    out = error_rates.to_csv(rows(h))
    assert_shown(out)
    head, cells = csv.reader(io.StringIO(out, newline=""))
    assert len(cells) == len(head)
    for cell in cells:
        assert re.fullmatch(r"[-+]?[\d.]+(?:e[-+]?\d+)?", cell) or not cell.lstrip().startswith(
            ("=", "+", "-", "@", "\t", "\r")
        )


@every
@example(h=ALL)
@given(h=hostile)
def test_the_table_of_a_log_holds_no_formula(h):
    one = infected(h).baseline[0]
    named = replace(one, series=tuple(replace(s, name=h) for s in one.series))
    for runs in ([named], [named, one]):
        out = run.to_csv(runs)
        assert_shown(out)
        head, *records = csv.reader(io.StringIO(out, newline=""))
        assert len(records) == 60 * len(runs)
        name = records[0][head.index("name")]
        assert not name.lstrip().startswith(("=", "+", "-", "@")) or float(name) < 0
        assert {r[head.index("value")] for r in records} == {
            repr(float(v)) for v in one.series[0].values
        }


@pytest.mark.parametrize("cell", ["-0.5", "+1", "-1e-05", "nan", "-inf", "loss", "a=b"])
def test_numbers_and_words_stay_what_they_are_in_csv(cell):
    assert escape.csv_cell(cell) == cell


@pytest.mark.extra("plots")
@pytest.mark.parametrize("h", ["$\\frac$", "$x^$", "\\$a", "a$b$c$", ALL])
def test_a_picture_reads_no_formula(h, tmp_path):
    figure = plot.draw(infected(h))
    plot.save(infected(h), tmp_path)
    error_rates.save(rows(h[:200]), tmp_path)
    label = figure.axes[0].get_ylabel()
    assert label.replace("\\$", "$").removesuffix("…") == escape.shown(h)[:99]
    assert "hunter2" not in (tmp_path / "comparison.svg").read_text(encoding="utf-8")


@pytest.mark.extra("plots")
@pytest.mark.parametrize(
    "content",
    [b"text.usetex: True\naxes.facecolor: red\nsavefig.dpi: 5\n", b"\xff\xfe\x00", b"x" * 9],
)
def test_a_matplotlibrc_of_the_folder_is_not_obeyed(content, tmp_path):
    import subprocess
    import sys

    draw = (
        "import hashlib, pathlib, sys\n"
        "from harness.report import error_rates, published\n"
        "from harness.comparison.error_rates import Row\n"
        "from harness.log.run import Series\n"
        "rows = [Row(rule='a', kind='b', comparisons=3, failed=1, passed=1)]\n"
        "error_rates.save(rows, pathlib.Path(sys.argv[1]))\n"
        "one = Series(name='loss', rank=0, steps=range(60), values=[1.0] * 60)\n"
        "published.plot(one, one, pathlib.Path(sys.argv[1]) / 'loss.png')\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).glob('*.png')):\n"
        "    print(hashlib.sha256(path.read_bytes()).hexdigest())\n"
    )
    said = []
    for name, text_ in (("plain", None), ("stray", content)):
        folder = tmp_path / name
        folder.mkdir()
        if text_ is not None:
            (folder / "matplotlibrc").write_bytes(text_)
        command = [sys.executable, "-c", draw, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        assert done.returncode == 0, done.stderr
        said.append((done.stdout, done.stderr))
    assert said[0] == said[1]


@pytest.mark.extra("plots")
def test_settings_of_a_user_reach_no_picture(tmp_path):
    import matplotlib as mpl

    def drawn(folder):
        folder.mkdir()
        one = Series(name="loss", rank=0, steps=range(60), values=decaying(60))
        published.plot(one, one, folder / "loss.png")
        error_rates.save(rows("x"), folder)
        plot.save(honest(), folder)
        return [path.read_bytes() for path in sorted(folder.glob("*.png"))]

    plain = drawn(tmp_path / "plain")
    with mpl.rc_context({"text.usetex": True, "axes.facecolor": "red", "savefig.bbox": "tight"}):
        assert drawn(tmp_path / "own") == plain
        assert mpl.rcParams["axes.facecolor"] == "red"  # and ours reach no picture of theirs
    assert len(plain) == 3


def test_a_plain_console_of_rich_obeys_no_markup_of_a_log():
    out = io.StringIO()
    text.write(infected("[red]x[/red] [nonsense"), Console(file=out, width=200))
    assert "[red]x[/red] [nonsense" in out.getvalue()
    assert figures.own_style is not None


def test_a_published_result_with_controls_is_printed_as_text(tmp_path):
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "a.toml").write_text(
        'source = "us\\u001b[2J\\n::error::x"\nurl = "https://x.org/\\u001b[2J"\n'
        'date = 2026-01-02\n[[result]]\nname = "a"\nvalues.unstated = { mIoU = [0.5] }\n',
        encoding="utf-8",
    )
    for words in (["list"], ["show", "published/a"]):
        printed = CliRunner().invoke(app, ["baseline", *words, "--baselines", str(tmp_path)]).output
        assert "published/a" in printed
        assert "\x1b" not in printed
        assert "\n::error" not in printed
