"""How fast the HTML report of a large comparison is written and opened.

    python -m benchmarks.report [--runs 10] [--steps 40000] [--repeat 5]

Writes the report of RUNS + RUNS made-up runs of STEPS steps, opens it in Chromium (CHROMIUM, by
default /usr/bin/chromium, driven by playwright) from a file, as a new process each time, and zooms.
Medians; the report stays under `reports/benchmark/`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

import numpy as np
from playwright.sync_api import sync_playwright

from harness import Policy, Run, Series, compare
from harness.comparison.pipeline import Comparison
from harness.report.comparison import html, plot
from harness.report.comparison.chart_data import payload

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
FOLDER = Path(__file__).resolve().parents[1] / "reports" / "benchmark"
ZOOM = """async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const button = document.querySelector("[data-action=in]");
  const times = [];
  for (let k = 0; k < 8; k++) {
    document.querySelector("[data-action=reset]").click();
    await frame();
    await frame();
    button.click();
    const start = performance.now();  // the view is drawn in the next frame's callbacks
    await frame();
    times.push(performance.now() - start);
    await frame();
  }
  return times;
}"""


def made_up(runs: int, steps: int) -> Comparison:
    """A comparison of `runs` runs a side that fall alike with 2 % of noise."""
    rng = np.random.default_rng(0)
    level = 1 + 3 * np.exp(-np.arange(steps) / (steps / 10))

    def run(name: str) -> Run:
        values = level * (1 + 0.02 * rng.standard_normal(steps))
        series = Series(name="loss", rank=0, steps=np.arange(steps), values=values)
        return Run(source=name, series=(series,))

    sides = [[run(f"{side}/seed_{i}.log") for i in range(runs)] for side in ("gpu", "port")]
    return compare(sides[0], sides[1], Policy())


def write_s(comparison: Comparison, path: Path) -> float:
    """Seconds that rendering and writing the report take."""
    start = time.perf_counter()
    path.write_text(html.render(comparison, command="harness compare gpu port"), encoding="utf-8")
    return time.perf_counter() - start


def open_ms(path: Path, browser: str) -> tuple[float, float, list[float]]:
    """Milliseconds from navigation to the first and to the interactive picture, and per zoom."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=FLAGS)
        page = opened.new_page(viewport={"width": 1280, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        ready = page.evaluate("performance.getEntriesByName('interactive')[0].startTime")
        paint = page.evaluate(
            "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        )
        zooms = page.evaluate(ZOOM)
        opened.close()
    return paint or float("nan"), ready, zooms


def main() -> None:
    """Prints one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=40_000)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / "report.html"
    comparison = made_up(asked.runs, asked.steps)
    written = [write_s(comparison, path) for _ in range(asked.repeat)]
    start = time.perf_counter()
    plot.save(comparison, FOLDER)
    pictures = time.perf_counter() - start
    data = len(json.dumps(payload(comparison)))
    size = path.stat().st_size
    print(f"{asked.runs} + {asked.runs} runs x {asked.steps} steps, medians of {asked.repeat}")
    print(f"{statistics.median(written):8.2f} s   to write the report (first: {written[0]:.2f} s)")
    print(f"{pictures:8.2f} s   to draw the PNG and SVG beside it, once, imports included")
    print(f"{size / 1e6:8.2f} MB  the file, of which {(size - data) / 1e6:.2f} MB are not data")
    browser = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    seen = [open_ms(path, browser) for _ in range(asked.repeat)]
    print(f"{statistics.median(s[0] for s in seen):8.0f} ms  from navigation to the first paint")
    print(f"{statistics.median(s[1] for s in seen):8.0f} ms  from navigation to interactive")
    zooms = [zoom for s in seen for zoom in s[2]]
    print(f"{statistics.median(zooms):8.0f} ms  to draw a zoom (slowest: {max(zooms):.0f} ms)")


if __name__ == "__main__":
    main()
