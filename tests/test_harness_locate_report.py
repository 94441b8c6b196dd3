"""Reports on a located fault: terminal, JSON and page say the same; foreign text stays text."""

import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from loglines import decaying
from loglines import run as make_run
from syntheticcaptures import Device, F, baseline

from harness import compare
from harness.locate.compare import compare_captures
from harness.locate.result import Located, Row
from harness.ports.files import LOCATED, LOCATED_PAGE, PAGE, save_located, save_report
from harness.report.locate import html, link, tables, text
from harness.report.locate import json as json_writer
from harness.report.locate.tree import DEEPEST, heat_of, map_of, tree_of
from harness.report.screen import Screen

SCHEMA = Path(__file__).parents[1] / "docs" / "locate.schema.json"
HOSTILE = "</script><script>alert(1)</script>\x1b[2J<img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def found():
    run, twins = baseline(2)
    fault = (("forward", "block2.fc", "mm"), lambda a: a * F(1.01))
    candidate = replace(Device(3, vendor="native", fault=fault).run(2), source="port.capture")
    return compare_captures(replace(run, source="gpu.capture"), candidate, baseline_twins=twins)


def printed(located, *, width=100, **options):
    out = io.StringIO()
    text.write(located, Screen(out, width=width, **options))
    return out.getvalue()


def row(**changes):
    return Row(
        **{"operator": "aten::mm", "error": 1e-3, "limit": 1e-6, "state": "wrong", **changes}
    )


def result(*rows, **changes):
    fields = {"mode": "twin", "outcome": "fail", "headline": "x differs", "rows": rows, **changes}
    return Located(**fields)


def test_the_terminal_names_the_operator_its_error_limit_and_line(found):
    shown = printed(found)
    assert "fail: aten::mm in block2.fc differs by 0.01 of its norm" in " ".join(shown.split())
    line = next(line for line in shown.splitlines() if line.strip().startswith("1 "))
    cells = ["aten::mm in block2.fc", "step 0, forward", "0.01", "4e-06", "2590", "net.py:19"]
    assert re.findall(r"   +(.*?)(?=   |$)", line)[: len(cells)] == cells
    for stage in ("weights", "batch", "forward pass", "loss", "gradients", "updates"):
        assert stage in shown


def test_the_terminal_keeps_its_width_and_has_no_colour_in_a_pipe(found):
    for width in (60, 100):
        shown = printed(found, width=width)
        assert max(map(len, shown.splitlines())) <= width
        assert "\x1b" not in shown
    coloured = printed(found, force_terminal=True, color_system="standard", _environ={})
    assert "\x1b[" in coloured
    plain = printed(found, force_terminal=True, _environ={"NO_COLOR": "1", "TERM": "xterm"})
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain)


def test_the_terminal_shows_as_many_rows_as_asked_for():
    many = tuple(row(module=f"m{n}", order=n) for n in range(30))
    shown = printed(result(*many, culprits=many))
    assert "(20 more rows not shown)" in shown
    assert "aten::mm in m9" in shown
    assert "aten::mm in m10" not in shown


def test_the_json_follows_its_schema_and_holds_every_row(found):
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    infinite = result(row(error=float("inf")), row(limit=0.0, error=0.0), mode="replay")
    for located in (found, infinite):
        document = json.loads(json_writer.render(located))
        jsonschema.validate(document, schema)
        assert len(document["rows"]) == len(located.rows)
    document["outcome"] = "good"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)
    first = json_writer.document(found)["culprits"][0]
    assert (first["operator"], first["module"], first["state"]) == (
        "aten::mm",
        "block2.fc",
        "wrong",
    )
    assert first["ratio"] == pytest.approx(first["error"] / first["limit"])


class Page(HTMLParser):
    """Tags, links and text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.words, self.targets = [], [], [], set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        self.links += [given["href"]] if tag == "a" else []
        self.targets |= {f"#{given['id']}"} if "id" in given else set()

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_page_says_what_the_terminal_says(found):
    page = Page(html.render(found))
    assert "aten::mm in block2.fc differs by 0.01 of its norm" in page.text
    for cells in (*tables.culprits_table(found).rows, *tables.stages_table(found).rows):
        for cell in cells:
            assert " ".join(cell.split()) in page.text
    assert page.text.count("differs first") >= 4  # nav, heading, tree, table
    assert html.render(found) == html.render(found)


def test_links_of_the_page_lead_somewhere(found):
    page = Page(html.render(found, report="report.html"))
    inner = [target for target in page.links if target.startswith("#")]
    assert len(inner) >= 6
    assert set(inner) <= page.targets
    assert [target for target in page.links if not target.startswith("#")] == ["report.html"]


def test_foreign_text_of_a_page_and_a_screen_is_text():
    foul = row(
        operator=HOSTILE, module=f"a.{HOSTILE}", source=HOSTILE, note=HOSTILE, bundle=HOSTILE
    )
    located = result(
        foul, culprits=(foul,), headline=HOSTILE, unmatched=(HOSTILE,), notes=(HOSTILE,),
        sides=({HOSTILE: HOSTILE},), sources=(HOSTILE,),
    )  # fmt: skip
    page = html.render(located)
    tags = Page(page).tags
    assert tags.count("script") == 1
    assert "img" not in tags
    assert "\x1b" not in page
    shown = printed(located)
    assert "\x1b" not in shown
    assert r"\x1b[2J" in shown.replace("\n", "")


def test_the_page_allows_its_own_script_and_style_and_nothing_else(found):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', html.render(found))[1]
    assert policy.startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "unsafe" not in policy
    assert not re.search(r'(?:href|src)="(?:https?:)?//', html.render(found))


def test_a_page_of_many_tensors_is_bounded_and_keeps_the_largest_errors():
    small = [row(error=1e-9, state="healthy", module=f"m{n}.{n % 7}", order=n) for n in range(5000)]
    worst = row(module="the.worst", order=9999)
    page = html.render(result(*small, worst, culprits=(worst,)))
    assert len(page) < 3_000_000
    shown = Page(page).text
    assert "3,501 tensors with smaller errors are left out" in shown
    assert shown.count("aten::mm in the.worst") >= 3


def test_the_tree_has_each_module_with_its_largest_error_and_marks_what_differs_first(found):
    tree = tree_of(found.rows)
    assert list(tree.inner)[:2] == ["block0", "block1"]
    block = tree.inner["block2"]
    own = [
        r for r in found.rows
        if f"{r.module}.".startswith("block2.") or r.operator.startswith("block2.")
    ]  # fmt: skip
    assert {"weight", "gradient", "update"} <= {r.kind for r in own}
    assert block.worst.ratio == max(r.ratio for r in own)
    assert block.first
    assert block.inner["fc"].first
    assert not tree.inner["block0"].first
    assert block.open
    assert tree.inner["head"].inner == {}


def test_a_tree_nests_to_a_depth_and_no_deeper():
    deep = row(module=".".join("a" * 5000))
    tree = tree_of([deep])
    depth = 0
    while tree.inner:
        (tree,) = tree.inner.values()
        depth += 1
    assert depth == DEEPEST
    html.render(result(deep))


def test_the_map_has_a_column_for_each_step_or_for_each_pass_of_a_single_one(found):
    both = map_of(found.rows)
    assert both.columns == ("step 0", "step 1")
    one = map_of([r for r in found.rows if r.step == 0])
    assert one.columns == ("forward", "backward")
    cells = dict(one.lines)["block2.fc"]
    forward = [
        r for r in found.rows if r.module == "block2.fc" and r.phase == "forward" and not r.step
    ]
    assert cells[0].text == tables.times(max(r.ratio for r in forward))
    assert cells[0].heat == "heat-4"


@pytest.mark.parametrize(
    ("changes", "heat"),
    [
        ({"error": 0.2, "limit": 1.0, "state": "healthy"}, "heat-1"),
        ({"error": 1.0, "limit": 1.0, "state": "healthy"}, "heat-2"),
        ({"error": 1.1, "limit": 1.0}, "heat-3"),
        ({"error": np.inf, "limit": 1.0}, "heat-4"),
        ({"error": np.nan, "limit": 1.0}, "heat-4"),
        ({"error": 0.0, "limit": 0.0, "state": "hidden"}, "heat-0"),
        ({"error": 9.0, "limit": 1.0, "state": "unjudged"}, "heat-0"),
    ],
)
def test_a_colour_is_that_of_the_error_in_limits(changes, heat):
    assert heat_of(row(**changes)) == heat


def test_a_comparison_gets_a_link_to_the_located_fault_and_loses_it_when_it_is_judged_again(
    tmp_path, found
):
    made = compare(make_run(decaying(80), seed=1), make_run(decaying(80, seed=1), seed=1))
    save_report(made, tmp_path, command="harness compare b.log c.log")
    bare = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert LOCATED_PAGE not in Page(bare).links
    save_located(found, tmp_path)
    assert Page((tmp_path / PAGE).read_text(encoding="utf-8")).links.count(LOCATED_PAGE) == 1
    assert PAGE in Page((tmp_path / LOCATED_PAGE).read_text(encoding="utf-8")).links
    save_located(found, tmp_path)
    twice = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert Page(twice).links.count(LOCATED_PAGE) == 1
    save_report(made, tmp_path, command="harness compare b.log c.log")
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == bare
    assert not (tmp_path / LOCATED_PAGE).exists()
    assert not (tmp_path / LOCATED).exists()


def test_a_located_fault_alone_has_no_way_back(tmp_path, found):
    save_located(found, tmp_path / "new")
    page = Page((tmp_path / "new" / LOCATED_PAGE).read_text(encoding="utf-8"))
    assert PAGE not in page.links
    assert json.loads((tmp_path / "new" / LOCATED).read_text())["outcome"] == "fail"


def test_a_foreign_page_of_the_same_name_is_left_alone(tmp_path, found):
    (tmp_path / PAGE).write_text("<html>mine</html>")
    save_located(found, tmp_path)
    assert (tmp_path / PAGE).read_text() == "<html>mine</html>"
    assert PAGE not in Page((tmp_path / LOCATED_PAGE).read_text(encoding="utf-8")).links


def test_a_link_escapes_its_target():
    assert link.linked(link.MARK, 'a"b').startswith('<li><a href="a&quot;b"')
