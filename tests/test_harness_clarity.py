"""What a reader must not miss, and must not read twice: the words and pictures of a report."""

import io
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from loglines import decaying
from loglines import run as make_run
from portresults import result

from harness import Policy, compare
from harness.comparison.error_rates import Row
from harness.comparison.result import PortResult, judged, qualifier
from harness.log.facts import RunFacts
from harness.log.run import Series
from harness.log.wording import counted
from harness.report import error_rates, run, screen
from harness.report.comparison import html, markdown, plot, repeat, scale, tables, text
from harness.report.ports import check_table, comment, oneline, site
from harness.rules import parse_rule
from harness.stats.interval import from_runs
from harness.stats.signature import signature, words_of

ROOT = Path(__file__).parents[1]
TOLERANT = ("tolerance:rtol=0.5,outside=1,cap=100",)


def made(base=None, cand=None, *, policy=None, rules=TOLERANT, **facts):
    base = decaying(100) if base is None else base
    cand = decaying(100, seed=1) if cand is None else cand
    return compare(
        make_run(base, source="b.log", seed=1, **facts),
        make_run(cand, source="c.log", seed=2, **facts),
        policy or Policy(rules=rules),
    )


def on_screen(comparison, width=200):
    out = io.StringIO()
    text.write(comparison, screen.Screen(out, width=width))
    return out.getvalue()


def on_a_part():
    return made(policy=Policy(rules=TOLERANT, steps=(0, 59)))


def waived():
    return compare(
        make_run(decaying(100), source="b.log", learning_rate=0.1),
        make_run(decaying(100, seed=1), source="c.log", learning_rate=0.2),
        Policy(rules=TOLERANT, allow=("learning_rate",)),
    )


def far_off():
    return made(cand=1.2 * decaying(100, seed=1))


PASSES = {
    "part": (on_a_part, "judged on steps 0 to 59 of 100 (60 %)"),
    "waived": (waived, "1 fact waived"),
    "far off": (far_off, "the mean level differs"),
}


@pytest.mark.extra("plots")
@pytest.mark.parametrize("kind", sorted(PASSES))
def test_a_pass_that_is_not_full_says_so_everywhere(kind):
    make, words = PASSES[kind]
    comparison = make()
    port = judged("p", comparison)
    assert comparison.verdict == "pass"
    assert words in port.qualifier
    assert PortResult.from_json(port.to_json()) == port
    table = io.StringIO()
    check_table.write([port], screen.Screen(table, width=300))
    said = {
        "text": on_screen(comparison),
        "markdown": markdown.render(comparison).replace("\\", ""),
        "page": html.render(comparison, command="x"),
        "picture": plot.draw(comparison).get_suptitle(),
        "line": oneline.one_line(port),
        "table": table.getvalue(),
        "comment": comment.render([port]).replace("\\", ""),
        "index": site.render_index([port]),
    }
    for name, found in said.items():
        assert words in found, name
    assert 'class="verdict pass qualified"' in said["page"]
    assert 'class="badge pass qualified"' in said["index"]
    assert "pass *" in said["table"]


def test_a_full_pass_is_not_qualified():
    comparison = made()
    port = judged("p", comparison)
    assert (comparison.verdict, port.qualifier) == ("pass", "")
    assert "pass qualified" not in html.render(comparison, command="x")
    assert "pass qualified" not in site.render_index([port])
    assert oneline.one_line(port).startswith("p: pass +") or "p: pass -" in oneline.one_line(port)


def test_only_a_pass_is_qualified():
    failed = made(
        cand=2 * decaying(100), policy=Policy(rules=(parse_rule("exact"),), steps=(0, 59))
    )
    assert failed.verdict == "fail"
    assert qualifier(failed) == ""


@pytest.mark.parametrize("writer", [on_screen, lambda c: markdown.render(c).replace("\\", "")])
def test_no_reason_is_said_twice(writer):
    comparison = on_a_part()
    (finding,) = comparison.judgement.findings
    found = " ".join(re.sub("[│\n]", " ", writer(comparison)).split())
    assert found.count(finding.reason) == 1
    assert found.count(comparison.judgement.scope) == 1


def test_the_page_says_no_reason_twice():
    comparison = on_a_part()
    page = html.render(comparison, command="x")
    assert page.count(comparison.judgement.findings[0].reason) == 1


def test_no_fact_is_listed_as_unknown_twice():
    comparison = made()
    notes = [note for note in tables.remarks(comparison) if "state" in note]
    names = [name for note in notes for name in note.partition(": ")[2].split(", ")]
    assert len(notes) == 2
    assert len(names) == len(set(names))


@pytest.mark.extra("plots")
def test_the_published_rule_has_one_side_in_every_picture():
    comparison = made(rules=(parse_rule("modelzoo"),))
    (limit,) = scale.limits(comparison)
    assert limit.one_sided
    error = plot.draw(comparison).axes[1]
    labels = [one.get_text() for one in error.get_legend().get_texts()]
    assert f"limit: {limit.text}" in labels
    (edges,) = [c for c in error.collections if str(c.get_label()).startswith("limit")]
    assert [segment[0][1] for segment in edges.get_segments()] == [100 * limit.size]
    assert limit.text in html.render(comparison, command="x")


@pytest.mark.extra("plots")
def test_wild_steps_leave_the_limit_visible_and_are_marked():
    rng = np.random.default_rng(0)
    base = np.full(1000, 1.0)
    cand = base * np.exp(0.5 * rng.standard_normal(1000))
    comparison = made(base, cand, rules=(parse_rule("equivalence:margin=0.02"),))
    error = plot.draw(comparison).axes[1]
    low, high = error.get_ylim()
    assert low == -high
    assert high < 60  # 95 % of single steps lie within 100 %
    labels = [one.get_text() for one in error.get_legend().get_texts()]
    assert "beyond the scale" in labels
    marks = [line for line in error.lines if line.get_marker() in {"^", "v"}]
    beyond = np.abs(100 * (cand - base) / base) > high
    assert sum(line.get_xdata().size for line in marks) == np.count_nonzero(beyond) > 0


def test_a_large_error_of_the_level_is_inside_the_scale():
    found = scale.error_bound(np.full(100, 33.0), np.full(100, 33.0), 2.0)
    assert found > 33
    assert scale.error_bound(np.zeros(9), np.zeros(9), 2.0) > 2
    assert scale.error_bound(np.full(9, np.nan), np.full(9, np.nan), 0.0) == 1


@pytest.mark.extra("plots")
@pytest.mark.parametrize(("count", "window"), [(30, 5), (200, 5), (1000, 25), (10_000, 101)])
def test_the_smoothing_follows_the_number_of_points(count, window):
    comparison = made(decaying(count), decaying(count, seed=1))
    assert scale.smoothing(count) == window
    assert (
        f"smoothed over {window} steps"
        in plot.draw(comparison).axes[0].get_legend_handles_labels()[1][0]
    )
    assert f'<option value="{window}" selected>' in html.render(comparison, command="x")


def test_the_headline_of_the_error_does_not_alarm():
    page = html.render(made(rules=(parse_rule("equivalence:margin=0.001"),)), command="x")
    (title,) = re.findall('<h3 id="error-title">(.*?)</h3>', page)
    assert title.startswith("The error of the curves smoothed over 5 steps is largest at step ")
    assert "lie beyond" not in title
    assert "95 % of the single steps are within" in title


def strip(port):
    """The path of the error in the index, as heights."""
    page = site.render_index([port])
    (path,) = re.findall('<path class="error" d="(.*?)"', page)
    return page, [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]


@pytest.mark.parametrize(("part", "bound"), [(0.33, "±50%"), (-0.19, "±20%"), (0.01, "±2%")])
def test_the_strip_of_the_index_holds_the_error(part, bound):
    curve = tuple(float(v) for v in np.linspace(4, 1, 80))
    moved = tuple(v * (1 + part * i / 79) for i, v in enumerate(curve))
    page, heights = strip(result("p", "fail", baseline_curve=curve, candidate_curve=moved))
    assert f"error {bound}</span>" in page
    assert len(set(heights)) > 40  # a line that moves, and no flat one at the edge
    assert re.search('class="clipped" d=""', page)
    assert ('class="limit"' in page) == (abs(part) > 0.02)


def test_an_error_beyond_the_strip_is_marked():
    curve = (1.0, 1.0, 1.0)
    page, _ = strip(
        result("p", curve_steps=(0, 1, 2), baseline_curve=curve, candidate_curve=(1.0, 5.0, 1.0))
    )
    assert "error ±100%, cut off" in page
    assert re.search('class="clipped" d="M[^"]+z"', page)


def test_two_ways_to_average_are_told_apart():
    comparison = made()
    for found in (
        on_screen(comparison),
        markdown.render(comparison),
        html.render(comparison, command=""),
    ):
        assert "errors of single steps" in found
        assert "even in sign" in " ".join(found.split())


def test_features_are_explained_where_they_are_named():
    runs = [make_run(decaying(100, seed=i), source=f"{i}", seed=i) for i in range(7)]
    comparison = compare(runs[:6], runs[6], Policy(rules=(parse_rule("seed-variation"),)))
    (finding,) = comparison.judgement.findings
    words = {feature.words for feature in signature(comparison.aligned).features}
    for key in ("largest_at", "resolution_in"):
        assert finding.observed[key] in words
        for page in (on_screen(comparison), html.render(comparison, command="x")):
            assert str(finding.observed[key]) in " ".join(page.split())
    assert not any("level 1" in value for value in map(str, finding.observed.values()))


def test_the_words_of_a_feature_follow_from_its_name():
    runs = [make_run(decaying(100, seed=i), source=f"{i}", seed=i) for i in range(3)]
    for feature in signature(compare(runs[:2], runs[2]).aligned).features:
        assert words_of(feature.name) == feature.words


@pytest.mark.parametrize("name", ["loss", "level 1", "loss: level 99", "loss: level x", ": ", ""])
def test_other_words_are_no_feature(name):
    assert words_of(name) == ""


@pytest.mark.parametrize(
    ("cand", "words"),
    [
        (np.full(100, 1.0001), "both limits are met"),
        (np.full(100, 1.02), "the relative limit is met, and either limit suffices"),
        (np.full(100, 2.0), "neither limit is met"),
    ],
)
def test_two_limits_of_which_one_is_enough_say_which_decides(cand, words):
    for rule in ("two-sided", "modelzoo"):
        comparison = made(np.ones(100), cand, rules=(parse_rule(rule),))
        assert words in comparison.judgement.findings[0].reason


@pytest.mark.parametrize(
    ("factor", "said"), [(1000, True), (0.001, True), (1.5, False), (-1, False)]
)
def test_another_unit_is_asked_about(factor, said):
    notes = made(cand=factor * decaying(100)).notes
    assert any("check whether one side logs another unit" in note for note in notes) == said
    if said:
        assert any("about 1e+03 times" in note for note in notes)


def test_a_missing_step_says_how_to_accept_it():
    steps = np.delete(np.arange(101), 50)
    comparison = compare(
        make_run(decaying(101), source="b"),
        make_run(decaying(101, seed=1)[steps], steps=steps, source="c"),
        Policy(rules=TOLERANT),
    )
    (doubt,) = [d for d in comparison.judgement.doubts if "within the common range" in d]
    assert doubt.startswith("one side lacks 1 step within the common range")
    (share,) = re.findall(r"--max-missing ([\d.]+) \(max_missing in a manifest\)", doubt)
    accepted = replace(comparison.policy, max_missing=float(share))
    again = compare(comparison.baseline, comparison.candidate, accepted)
    assert not [d for d in again.judgement.doubts if "within the common range" in d]


def test_records_are_called_records_where_a_log_states_no_steps():
    bad = decaying(100)
    bad[7] = np.nan
    for by_order, word in (((), "step"), (("loss",), "record")):
        cand = replace(make_run(bad, source="c"), by_order=by_order)
        comparison = compare(make_run(decaying(100), source="b"), cand, Policy(rules=TOLERANT))
        said = [f.reason for f in comparison.judgement.findings]
        assert not said or f"the first is {word} 7" in said[0]
        assert comparison.aligned.by_order == bool(by_order)


def test_a_long_fact_is_cut_with_a_mark():
    facts = RunFacts(values_by_name={"schedule": "PolyLR(" + "x" * 80})
    out = io.StringIO()
    one = replace(make_run(decaying(5)), facts=facts)
    run.write(one, screen.Screen(out, width=200))
    assert "PolyLR(" + "x" * 52 + "…" in out.getvalue()
    assert "derived" not in out.getvalue()  # a recording keeps no lines, derived or not


def test_columns_asks_for_more_width_where_nothing_is_a_terminal(monkeypatch):
    for given, width in (("200", 200), ("80", 120), ("x", 120), ("", 120), ("9" * 5000, 120)):
        monkeypatch.setenv("COLUMNS", given)
        assert screen.console().width == width


def test_the_secret_of_a_url_is_left_out_of_the_command_and_named():
    comparison = made()
    command = repeat.repeat_command(
        comparison, baseline="http://ann:s3cret@host/a.log", candidate="c.log"
    )
    assert "s3cret" not in command
    assert command.endswith("# replace *** by your secrets")
    plain = repeat.repeat_command(comparison, baseline="http://host/a.log", candidate="c.log")
    assert plain.startswith("harness compare http://host/a.log c.log")
    assert "secrets" not in plain


@pytest.mark.parametrize("zero", ["baseline", "candidate"])
def test_a_side_of_zeros_warns_nobody(zero):
    some, none = np.ones((6, 50)) + np.arange(6)[:, None], np.zeros((6, 50))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for count in (1, 6):
            sides = (some, none[:count]) if zero == "candidate" else (none, some[:count])
            if zero == "candidate":
                from_runs(*sides)
            compare(
                [make_run(row, source=f"b{i}") for i, row in enumerate(sides[0])],
                [make_run(row, source=f"c{i}") for i, row in enumerate(sides[1])],
            )


WRONG = re.compile(
    r"(?<![\d.,%-])\b1 (?:[a-z]+ ){0,2}(?:steps|runs|records|ports|seeds|times|ranks|lines|logs)\b"
)


def test_one_is_singular():
    assert WRONG.search("at 1 common steps")
    assert not WRONG.search("101 steps, 1 step, 0.1 runs")
    one = Series(name="loss", rank=0, steps=[3], values=[1.0])
    single = replace(make_run([1.0]), series=(one,), lines=1)
    comparison = compare(single, replace(single, source="c"), Policy(rules=TOLERANT, min_steps=2))
    hole = np.delete(np.arange(60), 30)
    gap = compare(
        make_run(decaying(60), source="b"),
        make_run(decaying(60)[hole], steps=hole, source="c"),
        Policy(rules=(*TOLERANT, parse_rule("exact"), parse_rule("equivalence"))),
    )
    out = io.StringIO()
    run.write(single, screen.Screen(out, width=200))
    found = [out.getvalue(), oneline.counts([result("p")]), comment.render([result("p")])]
    for each in (comparison, gap):
        found += [on_screen(each), markdown.render(each), html.render(each, command="x")]
    for page in found:
        visible = re.sub(r"<script.*?</script>|<style.*?</style>", "", page, flags=re.DOTALL)
        assert not WRONG.search(visible), WRONG.search(visible)


def test_no_message_leaves_the_number_open():
    for path in (ROOT / "harness").rglob("*.py"):
        words = re.findall(
            r"\b(?:run|step|port|time|record|seed|line)\(s\)", path.read_text("utf-8")
        )
        assert not words, path


def test_no_heading_of_a_wide_table_is_broken():
    names = (
        "ensemble: loss",
        "published",
        "bitwise",
        "seed-variation",
        "per step 5 %",
        "equiv. 2 %",
    )
    rows = [
        Row(rule=f"{name} {i}", kind="two runs of a system", comparisons=9, failed=1, passed=1)
        for name in names
        for i in range(4)
    ]
    for width in (60, 120, 400):
        out = io.StringIO()
        screen_ = screen.Screen(out, width=width)
        screen_.print(screen.lay_out(error_rates.table(rows), wide=True))
        found = out.getvalue().split()
        assert found.count("11/11") == 24
        assert found.count("published") == found.count("seed-variation") == 4
        assert max(map(len, out.getvalue().splitlines())) <= width
        assert (out.getvalue().count("Percent of comparisons") == 1) == (width == 400)


@pytest.mark.parametrize(("number", "words"), [(0, "0 steps"), (1, "1 step"), (2, "2 steps")])
def test_a_number_agrees_with_its_noun(number, words):
    assert counted(number, "step") == words
