"""The HTML report and the index of ports, as text: what stands in them, and what cannot."""

import base64
import hashlib
import json
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from loglines import decaying
from loglines import run as make_run
from typer.testing import CliRunner

from harness import Policy, compare
from harness.comparison.result import PortResult, judged
from harness.report.comparison import html
from harness.report.comparison.chart_data import payload
from harness.report.comparison.forest import forest
from harness.report.comparison.repeat import repeat_command
from harness.report.comparison.scale import limits
from harness.report.ports import site
from harness.rules import parse_rule

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \"'&"


def comparison(base=None, cand=None, *, policy=None, base_source="b.log", **facts):
    base = decaying(80) if base is None else base
    cand = decaying(80, seed=1) if cand is None else cand
    return compare(
        make_run(base, source=base_source, **(facts or {"seed": 1})),
        make_run(cand, source="c.log", **(facts | {"seed": 2})),
        policy or Policy(),
    )


class Page(HTMLParser):
    """Tags with their attributes, the text of scripts and styles, and all other text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.raw, self.words, self._in = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._in = (tag, dict(attrs)) if tag in {"script", "style"} else None

    def handle_endtag(self, tag):  # noqa: ARG002
        self._in = None

    def handle_data(self, data):
        if self._in:
            self.raw.append((*self._in, data))
        else:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def data(self):
        return next(json.loads(text) for _, attrs, text in self.raw if attrs.get("id") == "data")


def page(made, command="harness compare b.log c.log"):
    return Page(html.render(made, command=command))


def unpack(packed):
    return np.frombuffer(base64.b64decode(packed["base64"]), dtype=f"<{packed['type']}")


def test_verdict_and_reasons_come_first():
    made = comparison(cand=decaying(80) * 9)
    text = page(made).text
    assert text.index("fail : the candidate does not reproduce the baseline") < 300
    assert text.index(made.judgement.reasons[0]) < text.index("Log scale") < text.index("Rules:")


def test_the_report_says_what_the_comparison_says():
    made = comparison(world_size=1, seed=1)
    text = page(made).text
    for words in (
        "moderated",
        "resolution 0.05",
        "world_size 1 1 same",
        "seed 1 2 may differ, differs",
        "harness compare b.log c.log",
        "80 common steps, 0 to 79",
        "missing within the range that both sides cover: no step",
    ):
        assert words in text, words


def test_facts_that_differ_stand_on_top_with_their_class():
    made = comparison(world_size=1, crop_size="(2, 2)")
    other = compare(made.baseline, make_run(decaying(80), world_size=4, crop_size="(2, 2)"))
    table = page(other).text.split("Facts of both sides")[1]
    assert table.index("world_size 1 4 must match, differs") < table.index("crop_size")
    assert "No rule ran: the facts decide first" in page(other).text
    assert "rule default" in page(other).text


def test_inputs_have_size_and_whole_hash():
    made = comparison()
    run = replace(made.baseline[0], sha256="ab" * 32, size_bytes=12345, formats=("tcappdll",))
    text = page(replace(made, baseline=(run,))).text
    assert f"b.log baseline 12,345 tcappdll {'ab' * 32}" in text


def test_text_of_a_log_is_text():
    made = comparison(base_source=HOSTILE, device_name=HOSTILE, seed=3)
    text = html.render(made, command=HOSTILE)
    found = Page(text)
    assert found.text.count(HOSTILE) >= 4
    assert [tag for tag, _ in found.tags if tag in {"img", "iframe", "object", "base"}] == []
    assert [tag for tag, _ in found.tags].count("script") == 2


def test_the_check_of_hostile_text_sees_a_tag():
    assert ("img", {"src": "x"}) in Page("<p><img src=x>").tags


def test_embedded_data_cannot_end_their_element():
    made = comparison(policy=Policy(metric="loss"))
    hostile = replace(made, whole=replace(made.whole, metric=HOSTILE))
    found = page(hostile)
    assert found.data()["metric"] == HOSTILE
    assert [tag for tag, _ in found.tags].count("script") == 2


@pytest.mark.parametrize("text", ["report", "index"])
def test_the_policy_of_a_page_allows_its_own_script_and_style_and_nothing_else(text):
    made = html.render(comparison(), command="x") if text == "report" else site.render_index([])
    found = Page(made)
    meta = next(a for t, a in found.tags if a.get("http-equiv") == "Content-Security-Policy")
    allowed = dict(part.strip().split(" ", 1) for part in meta["content"].split(";"))
    scripts = [data for tag, attrs, data in found.raw if tag == "script" and "type" not in attrs]
    styles = [data for tag, _, data in found.raw if tag == "style"]
    assert allowed.pop("script-src") == digest(scripts)
    assert allowed.pop("style-src") == digest(styles)
    assert allowed == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert not any("style" in attrs for _, attrs in found.tags)
    assert not any(name.startswith("on") for _, attrs in found.tags for name in attrs)


def digest(texts):
    assert len(texts) == 1
    return f"'sha256-{base64.b64encode(hashlib.sha256(texts[0].encode()).digest()).decode()}'"


def test_a_page_names_no_other_place():
    for text in (html.render(comparison(), command="x"), site.render_index([])):
        targets = [a.get("src") or a.get("href") or "" for _, a in Page(text).tags]
        assert all(t == "" or t.startswith(("#", "data:")) for t in targets), targets
        assert "url(" not in text.replace("function", "")
        assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|import)\(", text)


def test_same_input_gives_the_same_bytes():
    assert html.render(comparison(), command="x") == html.render(comparison(), command="x")
    assert site.render_index([result()]) == site.render_index([result()])


def test_without_its_data_a_report_stays_below_a_megabyte():
    made = many_runs(2, 3, 5000)
    text = html.render(made, command="x")
    assert len(text) - len(json.dumps(payload(made))) < 200_000 < len(text)


def test_the_licence_of_uplot_travels_with_it():
    assert "Permission is hereby granted" in html.render(comparison(), command="x")
    assert "Permission is hereby granted" not in site.render_index([])


def many_runs(b, c, n):
    rng = np.random.default_rng(0)
    return compare(
        [make_run(decaying(n, seed=int(s)), source=f"b{s}", seed=int(s)) for s in range(b)],
        [make_run(decaying(n, seed=int(rng.integers(99, 999)))) for _ in range(c)],
    )


def test_the_chart_has_every_logged_point():
    kept = np.delete(np.arange(80), [3, 7, 8])
    values = decaying(77, seed=1)
    values[5] = np.nan
    made = compare(make_run(decaying(90)), make_run(values, steps=kept))
    data = payload(made)
    assert data["grids"][data["baseline"][0]["grid"]] == {"start": 0, "stride": 1, "count": 90}
    assert np.array_equal(unpack(data["grids"][data["candidate"][0]["grid"]]), kept)
    shown = unpack(data["candidate"][0]["values"])
    assert np.array_equal(shown, values.astype(np.float32), equal_nan=True)
    assert np.array_equal(unpack(data["common"]["baseline"]), decaying(90)[kept])


def test_runs_on_the_same_steps_share_them():
    data = payload(many_runs(4, 4, 100))
    assert len(data["grids"]) == 1


def test_a_value_beyond_float32_is_kept():
    big = decaying(80)
    big[40] = 1e39
    data = payload(comparison(cand=big))
    assert unpack(data["candidate"][0]["values"])[40] == 1e39


def test_limits_of_all_rules_are_shown_and_one_sided_ones_as_such():
    rules = tuple(
        parse_rule(r) for r in ("equivalence", "two-sided:rtol=0.03", "modelzoo", "exact")
    )
    made = comparison(policy=Policy(rules=rules))
    assert [limit.text for limit in limits(made)] == [
        "equivalence ±2 %",
        "two-sided ±3 %",
        "modelzoo at most +5 %",
    ]


def test_values_that_are_not_finite_are_counted():
    bad = decaying(80)
    bad[[3, 9]] = np.nan, np.inf
    text = page(comparison(cand=bad)).text
    assert "as logged (2 not finite)" in text
    assert "mean loss of a side is not finite" in text
    assert "2 steps have no finite error" in text
    assert "nan%" not in text.split("Rules:")[0]


def test_the_table_stands_for_the_chart():
    made = comparison()
    text = page(made).text
    assert "The charts as a table (25 steps of the mean curves)" in text
    last = f"79 {made.whole.baseline_mean[79]:.5g} {made.whole.candidate_mean[79]:.5g}"
    assert last in text


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_short_comparison_has_a_report(count):
    page(comparison(decaying(count), decaying(count)))


def test_the_picture_of_an_interval_is_to_scale():
    finding = comparison(cand=decaying(80, seed=1) * 1.5).judgement.findings[0]
    drawn = forest(finding)
    bar = drawn.bars[0]
    per_unit = (drawn.right - 50) / drawn.margin
    assert bar.estimate == pytest.approx(50 + per_unit * finding.estimates[0].value, abs=1e-2)
    assert drawn.right < bar.low < bar.estimate < bar.high <= 100
    exact = compare(make_run([1.0]), make_run([1.0]), Policy(rules=(parse_rule("exact"),)))
    assert forest(exact.judgement.findings[0]) is None


def test_the_command_repeats_the_comparison(tmp_path, monkeypatch):
    from harness.cli.main import app

    monkeypatch.chdir(tmp_path)
    for name, seed in (("a b.log", 0), ("-it's.log", 1)):
        (tmp_path / name).write_text(
            "step loss\n"
            + "".join(f"{i} {v!r}\n" for i, v in enumerate(decaying(80, seed=seed).tolist()))
        )
    words = ["--rule", "two-sided:rtol=0.02", "--last", "60", "--allow", "seed", "--report", "out"]
    CliRunner().invoke(app, ["compare", *words, "--", "a b.log", "-it's.log"])
    command = shown_command(tmp_path / "out" / "report.html")
    assert command.startswith(
        "harness compare --rule two-sided:rtol=0.02 --last 60 --allow seed --"
    )
    first = json.loads((tmp_path / "out" / "comparison.json").read_text())
    again = CliRunner().invoke(app, ["compare", "--json", "-", *shlex.split(command)[2:]])
    assert json.loads(again.stdout) == first


def shown_command(path):
    return re.search(r'aria-label="Command"><code>(.*?)</code>', page_text(path), re.S)[1]


def page_text(path):
    import html as stdhtml

    return stdhtml.unescape(path.read_text(encoding="utf-8"))


def test_the_command_names_what_only_a_manifest_can_ask_for():
    policy = Policy(min_steps=20, metric="loss", rank=0)
    made = comparison(policy=policy)
    assert repeat_command(made) == "harness compare b.log c.log --min-steps 20"
    assert repeat_command(made, baseline="name", baselines="my shelf").startswith(
        "harness compare name c.log --min-steps 20 --baselines 'my shelf'"
    )
    part = comparison(policy=Policy(steps=(10, 70), min_steps=20))
    assert repeat_command(part).endswith("--min-steps 20  # in a manifest, with steps = [10, 70]")
    until = comparison(policy=Policy(steps=(0, 70), max_missing=0.1))
    assert repeat_command(until) == "harness compare b.log c.log --until 70 --max-missing 0.1"


def result(port="ccnet", **fields):
    return replace(judged(port, comparison(), started="2026-11-25T19:42:52Z"), **fields)


def test_the_index_lists_every_port_the_worst_first():
    broken = PortResult(port="broken", verdict="error", reasons=("x.log:3: no number",))
    text = site.render_index(
        [result("good", verdict="pass"), broken, result("bad", verdict="fail")]
    )
    words = Page(text).text
    assert words.index("broken") < words.index("bad") < words.index("good")
    assert "3 in total: 1 error, 1 fail, 1 pass" in words
    assert "x.log:3: no number" in words
    links = [a["href"] for t, a in Page(text).tags if t == "a" and "report" in a["href"]]
    assert links == ["./bad/report.html", "./good/report.html"]


def test_the_index_shows_effect_coverage_and_time():
    words = Page(site.render_index([result(relative_difference=-0.298, coverage=0.448)])).text
    for shown in ("-29.80%", "44.8%", "2026-11-25 19:42", "80"):
        assert shown in words


def test_a_hostile_port_is_text_and_its_link_stays_here():
    hostile = result(f"{HOSTILE}javascript:?#", reasons=(HOSTILE,), verdict="fail")
    found = Page(site.render_index([hostile]))
    assert found.text.count(HOSTILE) == 2
    link = next(a["href"] for t, a in found.tags if t == "a" and "report" in a["href"])
    assert re.fullmatch(r"\./[A-Za-z0-9%._~-]+/report\.html", link)
    assert [tag for tag, _ in found.tags].count("script") == 1


def test_a_small_curve_has_a_gap_where_a_value_is_not_known():
    thin = result(
        curve_steps=(0, 10, 20, 30),
        baseline_curve=(3.0, 2.0, 1.0, 1.0),
        candidate_curve=(3.0, None, 1.0, 1.5),
    )
    paths = {a["class"]: a["d"] for t, a in Page(site.render_index([thin])).tags if t == "path"}
    assert paths["baseline"] == "M3.0 3.0L54.3 21.0L105.7 39.0L157.0 39.0"
    assert paths["candidate"] == "M3.0 3.0M105.7 39.0L157.0 30.0"
    assert paths["error"].endswith("L157.0 45.0"), "an error beyond the strip ends at its edge"


def test_an_index_of_no_port_is_a_page():
    assert "0 in total: none" in Page(site.render_index([])).text
