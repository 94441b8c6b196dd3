"""The HTML pages in a real browser: what a reader sees, does, and is safe from.

Skipped where playwright, axe-core or Chromium is absent, unless CI sets CI_BROWSER=required,
and then nothing is skipped. CHROMIUM names the browser, /usr/bin/chromium by default. Pictures of
the pages stay in `reports/browser/`.
"""

import importlib.util
import os
import re
from pathlib import Path

import numpy as np
import pytest
from loglines import decaying
from loglines import run as make_run
from syntheticcaptures import Device, baseline

from harness import Policy, compare
from harness.align.measure import relative_error, smooth
from harness.comparison.result import PortResult, judged
from harness.locate.compare import compare_captures
from harness.report.comparison import html
from harness.report.locate import html as located_html
from harness.report.ports import site
from harness.rules import parse_rule

pytestmark = pytest.mark.browser

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = [  # as root, without a GPU, and without the browser's own traffic
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PATIENCE_MS = 120_000
"""A busy machine of two cores once took 30 s for a picture."""
PICTURES = Path(__file__).parents[1] / "reports" / "browser"
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>" + "x" * 300


def missing() -> str:
    absent = [n for n in ("playwright", "axe_playwright_python") if not importlib.util.find_spec(n)]
    absent += [] if Path(CHROMIUM).exists() else [CHROMIUM]
    return ", ".join(absent)


@pytest.fixture(scope="session")
def browser():
    if missing() and os.environ.get("CI_BROWSER") != "required":
        pytest.skip(f"no {missing()} here: install chromium, then `tox -e browser`")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, tmp_path, request):
    """Opens a page from a file; afterwards nothing may have gone out or gone wrong."""
    contexts, requests, wrong = [], [], []

    def open_page(text, *, width=1280, scheme="light", picture=False, **options):
        path = tmp_path / f"page{len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, **options
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("request", lambda r: requests.append(r.url) if r.url != path.as_uri() else None)
        page.on("console", lambda m: wrong.append(m.text) if is_complaint(m) else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda d: (wrong.append(f"dialog {d.message}"), d.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        if picture:
            keep_picture(page, f"{request.node.name}-{len(contexts)}")
        return page

    open_page.requests, open_page.wrong = requests, wrong
    yield open_page
    for context in contexts:
        context.close()
    assert [url for url in requests if not url.startswith("data:")] == []
    assert wrong == []


def keep_picture(page, name):
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{re.sub(r'[^a-z0-9]+', '-', name)}.png", full_page=True)


def is_complaint(message) -> bool:
    """An error or a warning; `painted` reads the canvas back, and the browser remarks on that."""
    return message.type in {"error", "warning"} and "readback" not in message.text


def report(made=None) -> str:
    return html.render(made or comparison(), command="harness compare b.log c.log")


def comparison(base=None, cand=None, policy=None, **facts):
    base = decaying(400) if base is None else base
    cand = decaying(400, seed=1) if cand is None else cand
    facts = {"seed": 1, "world_size": 1, **facts}
    return compare(
        make_run(base, source="b.log", **facts),
        make_run(cand, source="c.log", **facts),
        policy or Policy(),
    )


def ensembles(*, n=300, runs=4, **changes):
    def side(first):
        return [
            make_run(decaying(n, seed=first + s), source=f"{first}/seed_{s}.log", seed=first + s)
            for s in range(runs)
        ]

    return compare(side(0), side(50), Policy(**changes))


def index() -> str:
    def port(name, scale, started):
        begun = np.arange(400) < 6  # alike, so that no seed explains a difference
        made = comparison(cand=np.where(begun, decaying(400), decaying(400, seed=1) * scale))
        return judged(name, made, started=started)

    return site.render_index(
        [
            port("alpha", 1.0, "2026-11-25T10:00:00Z"),
            port("beta", 0.8, "2026-11-23T10:00:00Z"),
            port("gamma", 1.1, "2026-11-24T10:00:00Z"),
            PortResult(port="delta", verdict="error", reasons=("no.log: no such file",)),
        ]
    )


def located_page(**options) -> str:
    run, twins = baseline(2)
    fault = (("forward", "block2.fc", "mm"), lambda a: a * np.float32(1.001))
    candidate = Device(3, vendor="native", fault=fault, split=True, **options).run(2)
    return located_html.render(
        compare_captures(run, candidate, baseline_twins=twins), report="report.html"
    )


def view_of(page):
    return page.inner_text("#view")


def picture(page, chart):
    return page.evaluate(f"document.querySelector('#{chart} canvas').toDataURL()")


def painted(page, chart, colour):
    """Pixels of a chart whose colour is near `colour`."""
    return page.evaluate(
        """([chart, r, g, b]) => {
          const canvas = document.querySelector(`#${chart} canvas`);
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let count = 0;
          for (let i = 0; i < data.length; i += 4) {
            const off = [r, g, b].map((one, k) => Math.abs(data[i + k] - one));
            count += data[i + 3] > 200 && off[0] + off[1] + off[2] < 24;
          }
          return count;
        }""",
        [chart, *colour],
    )


BASELINE, CANDIDATE, LIMIT = (0, 114, 178), (213, 94, 0), (0, 122, 90)


def settle(page):
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_a_report_draws_both_sides_the_error_and_the_limits(visit):
    page = visit(report())
    assert painted(page, "curves", BASELINE) > 300
    assert painted(page, "curves", CANDIDATE) > 200
    assert painted(page, "error", LIMIT) > 300
    assert view_of(page) == "Steps 0 to 399"


def test_buttons_keys_mouse_and_wheel_move_the_view(visit):
    page = visit(report())

    def after(act):
        act()
        settle(page)
        return view_of(page)

    button = lambda name: lambda: page.click(f"button[data-action={name}]")  # noqa: E731
    assert after(button("in")) == "Steps 100 to 299"
    assert after(button("right")) == "Steps 150 to 349"
    assert after(button("left")) == "Steps 100 to 299"
    assert after(button("out")) == "Steps 0 to 399"
    page.focus("#curves")
    assert after(lambda: page.keyboard.press("+")) == "Steps 100 to 299"
    assert after(lambda: page.keyboard.press("Shift+ArrowRight")) == "Steps 150 to 349"
    assert after(lambda: page.keyboard.press("0")) == "Steps 0 to 399"
    box = page.locator("#curves .u-over").bounding_box()
    x = lambda part: box["x"] + part * box["width"]  # noqa: E731
    y = box["y"] + 100

    def drag():
        page.mouse.move(x(0.25), y)
        page.mouse.down()
        page.mouse.move(x(0.4), y, steps=4)
        page.mouse.move(x(0.5), y, steps=4)
        page.mouse.up()

    first, last = map(int, re.findall(r"\d+", after(drag)))
    assert abs(first - 100) <= 2
    assert abs(last - 200) <= 2
    assert after(lambda: page.mouse.dblclick(x(0.5), y)) == "Steps 0 to 399"

    def wheel():
        page.keyboard.down("Control")
        page.mouse.wheel(0, -100)
        page.keyboard.up("Control")

    assert after(wheel) != "Steps 0 to 399"


def test_a_series_can_be_switched_off_and_on(visit):
    page = visit(report())
    before = picture(page, "curves")
    for name in ("baseline:line", "baseline:run:0"):
        page.uncheck(f'[data-series="{name}"]')
    settle(page)
    assert painted(page, "curves", BASELINE) == 0
    assert painted(page, "curves", CANDIDATE) > 200
    for name in ("baseline:line", "baseline:run:0"):
        page.check(f'[data-series="{name}"]')
    settle(page)
    assert picture(page, "curves") == before


def test_runs_of_an_ensemble_are_a_band_and_can_be_shown_one_by_one(visit):
    page = visit(report(ensembles()))
    band = picture(page, "curves")
    page.uncheck('[data-series="baseline:range"]')
    settle(page)
    without = picture(page, "curves")
    assert without != band
    page.click("summary:has-text('Single runs of the baseline')")
    page.check('[data-series="baseline:run:2"]')
    settle(page)
    one = picture(page, "curves")
    assert one != without
    page.check("[data-all=baseline]")
    settle(page)
    assert page.is_checked('[data-series="baseline:run:3"]')
    assert picture(page, "curves") != one


@pytest.mark.parametrize("n", [300, 9000])
def test_the_band_reaches_from_the_lowest_run_to_the_highest(visit, n):
    made = ensembles(n=n)
    page = visit(report(made))
    steps, high, low = page.evaluate("uPlot.sync('steps').plots[0].data.slice(0, 3)")
    runs = made.whole.baseline
    if n == 300:  # few steps are drawn as they are
        assert steps == list(range(n))
        assert np.allclose(high, runs.max(axis=0), rtol=1e-6)
        assert np.allclose(low, runs.min(axis=0), rtol=1e-6)
    else:
        columns = (
            (np.arange(n) * (len(steps) / 2 / (n - 1))).astype(int).clip(max=len(steps) // 2 - 1)
        )
        for column in (0, 7, columns[-1]):
            inside = runs[:, columns == column]
            assert high[2 * column] == pytest.approx(inside.max(), rel=1e-6)
            assert low[2 * column + 1] == pytest.approx(inside.min(), rel=1e-6)


def test_a_log_scale_and_another_smoothing_change_the_picture(visit):
    page = visit(report())
    linear = picture(page, "curves")
    page.check("[name=log]")
    settle(page)
    assert picture(page, "curves") != linear
    page.uncheck("[name=log]")
    settle(page)
    assert picture(page, "curves") == linear
    page.select_option("[name=smoothing]", "25")
    settle(page)
    assert picture(page, "curves") != linear


def test_a_log_scale_has_round_ticks_however_far_it_reaches(visit):
    page = visit(report())
    for low, high in ((0.95, 1.06), (1.0, 4.2), (0.3, 2900.0), (1e-9, 3e4)):
        ticks = page.evaluate("([a, b]) => logTicks(a, b)", [low, high])
        assert 3 <= len(ticks) <= 16, ticks
        assert all(low <= tick <= high for tick in ticks)
        assert all(float(f"{tick:.3g}") == pytest.approx(tick) for tick in ticks)


def test_the_cursor_reads_the_true_values(visit):
    made = comparison()
    page = visit(report(made))
    box = page.locator("#curves .u-over").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 120 / 399, box["y"] + 50)
    settle(page)
    base, cand = made.whole.baseline_mean, made.whole.candidate_mean
    read = lambda name: page.inner_text(f'#readout [data-value="{name}"]')  # noqa: E731
    assert read("step") == "120"
    assert float(read("baseline")) == pytest.approx(base[120], rel=1e-5)
    assert float(read("candidate")) == pytest.approx(cand[120], rel=1e-5)
    error = 100 * relative_error(base, cand)[120]
    assert float(read("error").replace("−", "-").removesuffix(" %")) == pytest.approx(
        error, abs=6e-4
    )
    page.focus("#error")
    page.keyboard.press("ArrowRight")
    assert read("step") == "121"
    page.click("button[data-action=in]")
    settle(page)
    left = page.evaluate("uPlot.sync('steps').plots.map((u) => u.posToVal(u.cursor.left, 'x'))")
    assert left == pytest.approx([121, 121], abs=0.5), "the cursor stays at its step"
    assert float(read("baseline smoothed")) == pytest.approx(smooth(base)[121], rel=1e-5)


def test_every_control_is_reached_by_the_keyboard(visit):
    page = visit(report(ensembles()))
    wanted = page.evaluate(
        "document.querySelectorAll('#controls :is(button, input, select, summary), .chart').length"
        " - document.querySelectorAll('details:not([open]) input').length"
    )
    reached = set()
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "[...document.querySelectorAll('#controls :is(button, input, select, summary),"
                " .chart')].indexOf(document.activeElement)"
            )
        )
    assert len(reached - {-1}) == wanted


def test_a_finger_moves_the_view(visit):
    page = visit(report(), width=360, has_touch=True, is_mobile=True)
    page.click("button[data-action=in]")
    settle(page)
    page.evaluate(
        """() => {
          const over = document.querySelector("#curves .u-over");
          over.setPointerCapture = () => {};
          const { left, width } = over.getBoundingClientRect();
          const send = (type, part) => over.dispatchEvent(new PointerEvent(type,
            { pointerId: 7, pointerType: "touch", clientX: left + part * width, bubbles: true }));
          send("pointerdown", 0.5); send("pointermove", 0.25); send("pointerup", 0.25);
        }"""
    )
    settle(page)
    assert view_of(page) == "Steps 150 to 349"


def oracle_thin(steps, values, first, last, columns):
    """Lowest and highest of every column in their order, one column at a time."""
    found = []
    for column in range(columns):
        inside = [
            i
            for i, step in enumerate(steps)
            if first <= step <= last
            and min(columns - 1, int((step - first) * (columns / (last - first)))) == column
        ]
        finite = [i for i in inside if np.isfinite(values[i])]
        if not inside:
            found += ["undefined", "undefined"]
        elif not finite:
            found += [None, None]
        else:
            low = min(finite, key=lambda i: values[i])
            high = max(finite, key=lambda i: values[i])
            pair = [values[low]] if low == high else [values[i] for i in sorted((low, high))]
            found += [*pair, "undefined"][:2]
    return found


def test_thinning_keeps_the_lowest_and_highest_of_every_column(visit):
    page = visit(report())
    for seed in range(12):
        rng = np.random.default_rng(seed)
        steps = np.cumsum(rng.integers(1, 9, 500)).tolist()
        values = rng.standard_normal(500)
        values[rng.integers(0, 500, 40)] = np.nan
        values[100:130] = np.nan
        first, last, columns = steps[20 * seed], steps[-1 - 15 * seed], int(rng.integers(7, 60))
        got = page.evaluate(
            """([steps, values, from, to, columns]) => {
              const numbers = Float64Array.from(values, (v) => v ?? NaN);
              return thin(Float64Array.from(steps), numbers, { from, to, columns })
                .map((v) => (v === undefined ? "undefined" : v));
            }""",
            [steps, [None if np.isnan(v) else v for v in values.tolist()], first, last, columns],
        )
        assert got == oracle_thin(steps, values.tolist(), first, last, columns), seed


def test_the_page_smooths_as_the_harness_does(visit):
    page = visit(report())
    for window in (5, 25, 101):
        for count in (3, 5, 6, 101, 640):
            values = decaying(count)
            got = page.evaluate(
                "([v, w]) => [...smooth(Float64Array.from(v), w)]", [values.tolist(), window]
            )
            assert np.allclose(got, smooth(values, window=window), rtol=1e-12), (window, count)


def test_one_explosion_does_not_spoil_what_follows_it(visit):
    page = visit(report())
    values = decaying(600)
    values[200] = 1e30
    got = page.evaluate("(v) => [...smooth(Float64Array.from(v), 25)]", values.tolist())
    assert np.allclose(got[213:], smooth(values[188:], window=25)[25:], rtol=1e-12)


def test_gaps_are_shown_and_counted(visit):
    bad = decaying(400)
    bad[100:200] = np.nan
    bad[300] = np.inf
    page = visit(report(comparison(cand=bad)))
    assert "as logged (101 not finite)" in page.inner_text("#controls")
    logged = page.evaluate("uPlot.sync('steps').plots[0].data[2]")
    assert [step for step, value in enumerate(logged) if value is None] == [*range(100, 200), 300]
    assert painted(page, "curves", CANDIDATE) > 1000, "triangles mark the steps"


def test_a_million_points_are_thinned_to_the_pixels(visit):
    page = visit(report(comparison(decaying(500_000), decaying(500_000, seed=1))))
    settle(page)
    drawn = page.evaluate("uPlot.sync('steps').plots.map((u) => [u.data[0].length, u.width])")
    assert len(drawn) == 2
    assert all(points <= 2 * width for points, width in drawn)


def test_a_comparison_of_one_step_is_shown(visit):
    visit(report(comparison([2.0], [2.1])))


@pytest.mark.parametrize("width", [360, 1280])
def test_a_hostile_log_injects_nothing_and_breaks_no_layout(visit, width):
    made = compare(
        make_run(decaying(80), source=HOSTILE, device_name=HOSTILE, world_size=1),
        [make_run(decaying(80, seed=s), source=HOSTILE, world_size=4) for s in (1, 2)],
    )
    page = visit(html.render(made, command=HOSTILE), width=width, picture=True)
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert HOSTILE in page.inner_text("#facts")
    assert fits(page)
    found = visit(
        site.render_index(
            [judged(HOSTILE, made), PortResult(port="x", verdict="error", reasons=(HOSTILE,))]
        ),
        width=width,
    )
    assert found.locator("img").count() == 0
    assert found.inner_text("#ports").count(HOSTILE) == 2
    assert fits(found)


def test_the_policy_of_the_page_stops_what_is_slipped_in(visit):
    page = visit(report())
    page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.ran = 1'>");
          const script = document.createElement("script");
          script.textContent = "window.ran = 2";
          document.body.append(script);
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in visit.wrong)
    visit.wrong.clear()
    visit.requests.clear()  # refused by the policy before anything left


def fits(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


POLICY = Policy(
    rules=tuple(parse_rule(r) for r in ("equivalence", "two-sided", "modelzoo")), last=200
)
PAGES = {
    "report": lambda: report(comparison(policy=POLICY)),
    "ensembles": lambda: report(ensembles()),
    "incomparable": lambda: report(
        compare(make_run(decaying(80), world_size=1), make_run(decaying(99), world_size=4))
    ),
    "index": index,
    "located": located_page,
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_and_axe_finds_nothing(visit, name, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = visit(PAGES[name](), width=width, scheme=scheme, picture=True)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert fits(page)
    with_script = page.context.browser.new_context(
        viewport=page.viewport_size, color_scheme=scheme, bypass_csp=True
    )  # axe is a script of ours; the page's own policy would refuse it
    try:
        with_script.set_default_timeout(PATIENCE_MS)
        judged_page = with_script.new_page()
        judged_page.goto(page.url)
        judged_page.wait_for_selector("html[data-ready]")
        judged_page.evaluate(
            "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
        )
        results = Axe().run(judged_page)
        assert results.violations_count == 0, results.generate_report()
    finally:
        with_script.close()


def names(page):
    return page.evaluate(
        "[...document.querySelectorAll('#ports tbody tr:not([hidden]) th')]"
        ".map((th) => th.dataset.value)"
    )


def test_the_index_is_sorted_by_click_and_by_key(visit):
    page = visit(index())
    assert names(page) == ["delta", "beta", "gamma", "alpha"]
    page.click("button[data-sort=difference]")
    assert names(page) == ["alpha", "gamma", "beta", "delta"]
    assert page.get_attribute("th:has([data-sort=difference])", "aria-sort") == "ascending"
    page.focus("button[data-sort=difference]")
    page.keyboard.press("Enter")
    assert names(page) == ["beta", "gamma", "alpha", "delta"], "what is not known stays last"
    assert page.get_attribute("th:has([data-sort=difference])", "aria-sort") == "descending"
    assert page.get_attribute("th:has([data-sort=verdict])", "aria-sort") == "none"
    page.click("button[data-sort=when]")
    assert names(page) == ["beta", "gamma", "alpha", "delta"]
    page.click("button[data-sort=port]")
    assert names(page) == ["alpha", "beta", "delta", "gamma"]


def test_the_index_is_filtered_by_text_and_verdict(visit):
    page = visit(index())
    assert page.inner_text("#shown") == "4 of 4 shown"
    page.fill("#filter [name=text]", "NO SUCH")
    assert names(page) == ["delta"]
    page.fill("#filter [name=text]", "zzz")
    assert names(page) == []
    assert page.is_visible("#nothing")
    page.fill("#filter [name=text]", "")
    page.uncheck("#filter [value=fail]")
    assert names(page) == ["delta", "alpha"]
    assert page.inner_text("#shown") == "2 of 4 shown"


def test_the_index_is_whole_without_scripts(browser, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(index(), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.locator("#ports tbody tr").count() == 4
    assert not page.is_visible("#filter")
    context.close()


def test_the_tensors_of_a_located_fault_are_filtered_by_name_and_result(visit):
    page = visit(located_page())
    every = page.locator("#rows tbody tr").count()
    assert page.inner_text("#shown") == f"{every} of {every} shown"
    page.fill("#filter input[type=search]", "block2.fc")
    some = page.locator("#rows tbody tr:visible").count()
    assert 0 < some < every
    assert page.inner_text("#shown") == f"{some} of {every} shown"
    page.fill("#filter input[type=search]", "")
    page.uncheck("#filter input[value=healthy]")
    shown = page.locator("#rows tbody tr:visible")
    assert 0 < shown.count() < every
    assert set(shown.evaluate_all("rows => rows.map((row) => row.dataset.state)")) <= {
        "wrong",
        "inherited",
    }
    page.fill("#filter input[type=search]", "nothing has this name")
    assert page.is_visible("#nothing")


def test_the_modules_of_a_located_fault_open_by_keyboard(visit):
    page = visit(located_page())
    page.evaluate("document.querySelector('.tree details:not([open])').id = 'closed'")
    inner = page.locator("#closed li").first
    assert not inner.is_visible()
    page.focus("#closed > summary")
    page.keyboard.press("Enter")
    assert inner.is_visible()


def test_a_located_fault_needs_no_script(browser, tmp_path):
    path = tmp_path / "locate.html"
    path.write_text(located_page(), encoding="utf-8")
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(path.as_uri())
        assert page.locator("#rows tbody tr:visible").count() > 100
        assert not page.is_visible("#filter")
    finally:
        context.close()
