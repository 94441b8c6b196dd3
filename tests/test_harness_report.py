"""Writers: JSON against its schema, Markdown and text without markup of the log, plots."""

import json as stdjson
import xml.etree.ElementTree as ET
from io import StringIO
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from loglines import decaying
from loglines import run as make_run
from rich.console import Console

from harness import Policy, compare
from harness.align.thinning import extremes
from harness.parse import parse_log
from harness.report import published, run
from harness.report.comparison import json, markdown, plot, text
from harness.report.comparison.failure import of_rule
from harness.rules import parse_rule
from harness.rules.modelzoo import published as judge_published

SCHEMA = stdjson.loads(
    (Path(__file__).parents[1] / "docs" / "comparison.schema.json").read_text(encoding="utf-8")
)
RULES = tuple(parse_rule(r) for r in ("modelzoo", "two-sided", "tolerance", "exact"))


def comparison(base=None, cand=None, *, policy=None, **facts):
    base = decaying(80) if base is None else base
    cand = decaying(80, seed=1) if cand is None else cand
    facts = facts or {"seed": 1}
    return compare(
        make_run(base, source="b.log", **facts),
        make_run(cand, source="c.log", **(facts | {"seed": 2})),
        policy or Policy(rules=RULES),
    )


@pytest.mark.parametrize("bad", [1.0, np.nan, np.inf])
def test_json_fits_its_schema_and_is_strict_json(bad):
    cand = decaying(80)
    cand[5] *= bad
    text_ = json.render(comparison(cand=cand))
    document = stdjson.loads(text_, parse_constant=lambda name: pytest.fail(name))
    jsonschema.validate(document, SCHEMA)
    assert document["schema_version"] == 2
    assert document["verdict"] == "fail" if bad != 1.0 else document["verdict"]


def test_the_schema_refuses_what_is_no_comparison():
    document = stdjson.loads(json.render(comparison()))
    for change in ({"verdict": "ok"}, {"schema_version": 1}, {"findings": [{"rule": "x"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(document | change, SCHEMA)


def test_json_says_the_same_as_the_comparison():
    made = comparison(world_size=1, seed=1)
    document = json.document(made)
    assert document["verdict"] == made.verdict
    assert document["alignment"]["steps"] == 80
    assert [f["rule"] for f in document["findings"]] == [r.name for r in RULES]
    assert document["findings"][1]["parameters"]["rtol"] == 0.05
    rows = {row["fact"]: row for row in document["comparability"]}
    assert rows["world_size"]["class"] == "same"
    assert rows["seed"] == {
        "fact": "seed",
        "baseline": 1,
        "candidate": 2,
        "class": "may_differ",
        "waived": False,
    }
    assert document["policy"]["rules"][0]["name"] == "modelzoo"


def test_json_has_the_intervals_beside_the_threshold_that_they_met():
    made = compare(
        make_run(decaying(80)), make_run(decaying(80)), Policy(rules=(parse_rule("equivalence"),))
    )
    (margin,) = json.document(made)["findings"]
    (known,) = made.judgement.findings
    assert margin["threshold"] == {"size": 0.02, "one_sided": False}
    assert [e["part"] for e in margin["estimates"]] == [e.part for e in known.estimates]
    assert all(e["low"] <= e["value"] <= e["high"] for e in margin["estimates"])
    assert len(margin["estimates"]) == 2
    assert json.document(comparison())["findings"][0]["threshold"]["one_sided"]


HOSTILE = "<script>alert(1)</script>|[red]x[/red] *b* `c`"


def test_the_policy_in_force_is_shown_even_where_no_rule_was_asked():
    made = compare(
        make_run(decaying(80), world_size=1),
        make_run(decaying(80), world_size=4),
        Policy(rules=(parse_rule("two-sided:rtol=0.02"),)),
    )
    assert made.verdict == "incomparable"
    assert "rule two-sided with rtol 0.02, atol 0.0002, window 5" in markdown.render(made)
    parameters = json.document(made)["policy"]["rules"][0]["parameters"]
    assert parameters == {"rtol": 0.02, "atol": 0.0002, "window": 5}


def test_every_step_left_out_is_listed():
    kept = np.delete(np.arange(80), [3, 7, 8, 9])
    made = compare(make_run(decaying(90)), make_run(decaying(80)[kept], steps=kept))
    alignment = json.document(made)["alignment"]
    assert alignment["baseline_only_steps"] == [[3, 3], [7, 9], [80, 89]]
    assert alignment["missing_steps"] == [[3, 3], [7, 9]]
    assert alignment["candidate_only_steps"] == []
    assert "14 steps of the baseline only (3, 7 to 9, 80 to 89)" in markdown.render(made)


def test_markdown_shows_the_words_of_a_log_as_words():
    page = markdown.render(comparison(device_name=HOSTILE, seed=3))
    assert "<script>" not in page
    assert "\\<script\\>alert(1)\\</script\\>\\|\\[red\\]x\\[/red\\] \\*b\\* \\`c\\`" in page


def test_text_shows_the_words_of_a_log_as_words():
    console = Console(width=200, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    text.write(comparison(device_name=HOSTILE, seed=3), console)
    shown = console.export_text()
    assert HOSTILE in shown
    console.file.close()


def test_every_limit_stands_beside_the_value_it_met():
    page = markdown.render(comparison())
    for words in ("rtol = 0.05", "mean\\_abs\\_relative\\_error =", "cap = 10"):
        assert words in page


@pytest.mark.extra("plots")
def test_the_plot_is_written_as_png_and_svg(tmp_path):
    paths = plot.save(comparison(), tmp_path)
    assert [p.name for p in paths] == ["comparison.png", "comparison.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    assert ET.parse(paths[1]).getroot().tag.endswith("svg")


@pytest.mark.extra("plots")
def test_the_plot_shows_curves_limits_and_judged_window():
    figure = plot.draw(comparison(policy=Policy(rules=RULES, last=50)))
    loss, error = figure.axes
    labels = [t.get_text() for axes in (loss, error) for t in axes.get_legend().get_texts()]
    assert labels == [
        "baseline (smoothed over 5 steps)",
        "candidate (smoothed over 5 steps)",
        "judged steps",
        "limit: two-sided ±5 %",
        "limit: tolerance ±5 %",
        "limit: modelzoo at most +5 %",
        "of each step",
        "of the smoothed curves",
    ]
    raw = loss.lines[0].get_ydata()
    assert np.array_equal(raw, decaying(80))
    assert loss.patches[0].get_x() == 30
    assert loss.patches[0].get_width() == 49


@pytest.mark.parametrize("count", [80, 2600, 2601, 40_003])
def test_a_long_line_is_thinned_and_keeps_its_extremes(count):
    values = np.random.default_rng(count).standard_normal(count)
    steps, kept = extremes(np.arange(count), values, most=plot.COLUMNS)
    assert np.array_equal(values[steps], kept)
    assert steps.size <= 2 * plot.COLUMNS + count // 1000
    length = -(-count // plot.COLUMNS) if count > 2 * plot.COLUMNS else 1
    for start in range(0, count, length):  # every stretch, one by one
        inside = kept[(steps >= start) & (steps < start + length)]
        stretch = values[start : start + length]
        assert inside.min() == stretch.min()
        assert inside.max() == stretch.max()


def test_a_thinned_line_shows_its_gap():
    values = np.zeros(40_000)
    values[17_777] = np.nan
    steps, kept = extremes(np.arange(40_000), values, most=plot.COLUMNS)
    assert steps[np.isnan(kept)].tolist() == [17_777]


@pytest.mark.extra("plots")
def test_a_curve_with_nan_is_drawn(tmp_path):
    cand = decaying(80)
    cand[3:9] = np.nan
    assert plot.save(comparison(cand=cand), tmp_path)


def test_the_published_lines_name_the_smaller_of_the_two():
    lower = published.lines(judge_published(np.full(60, 2.0), np.full(60, 1.0)))
    assert lower == (
        "MeanRelativeError: -0.5",
        "MeanAbsoluteError: -1.0",
        "Rule,mean_absolute_error -1.0",
        "pass mean_relative_error=np.float64(-0.5) <= 0.05 or "
        "mean_absolute_error=np.float64(-1.0) <= 0.0002",
    )
    higher = published.lines(judge_published(np.full(60, 4.0), np.full(60, 5.0)))
    assert higher[2] == "Rule,mean_relative_error 0.25"
    assert higher[3].startswith("fail mean_relative_error=np.float64(0.25) <= 0.05 or")


def test_a_failure_shows_the_table_of_the_rule_that_failed():
    made = comparison(cand=decaying(80) * 1.2)
    message = of_rule(made, 1)
    assert message.startswith("fail: the candidate does not reproduce the baseline")
    assert "mean_abs_relative_error = 0.2" in message
    assert "rtol = 0.05" in message
    assert of_rule(comparison(cand=decaying(80, seed=1)), 1) == ""


def test_a_parsed_run_is_shown_with_facts_and_series():
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    run.write(make_run(decaying(30), world_size=4), console)
    shown = console.export_text()
    console.file.close()
    for words in ("world_size", "loss", "0 to 29", "no line that looks like a record was skipped"):
        assert words in shown


def test_a_step_that_many_series_lack_is_said_once_with_their_names():
    def shown(ranks, *names):
        lines = [
            f"[rank{rank}]: step {step} " + " ".join(f"{n}: {step}.5" for n in names) + "\n"
            for step in (1, 2, 3, 5, 6, 7)
            for rank in range(ranks)
        ]
        console = Console(width=200, record=True, file=StringIO())
        run.write(parse_log(lines, source="x"), console)
        return [line for line in console.export_text().splitlines() if " lack" in line]

    assert shown(1, "loss") == ["note: loss of rank 0 lacks 1 step: 4"]
    assert shown(1, "loss", "acc") == ["note: acc and loss of rank 0 lack 1 step: 4"]
    assert shown(2, "loss", "acc", "lr") == ["note: acc, loss and lr of 2 ranks lack 1 step: 4"]
    names = ("loss", *(f"loss_{c}" for c in "abcdefgh"))
    (said,) = shown(1, *names)
    assert said.endswith("loss_e and 3 more of rank 0 lack 1 step: 4")
