"""Takes the pictures of the pages: `python docs/pictures.py`, where playwright and Chromium are.

They show the report of the sample run with the doubled learning rate, in light colours.
`.tox/browser/bin/python` has what it takes once `tox -e browser` has run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
INTO = ROOT / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update"
CANDIDATE = "logs/samples/ccnet_r18-d8_demo_doubled_lr_seed_101.log"
WAIVED = ["--allow", "learning_rate", "--rule", "equivalence"]
COMPARE = ["compare", "ccnet_r18-d8_demo", CANDIDATE, *WAIVED]
WIDTH = 960
CUTS = {"report": ("header", 850), "report-rules": ("#rules", 296), "report-facts": ("#facts", 330)}
"""Name of a picture -> the element it begins with, and its height in pixels."""


def main() -> None:
    """Writes every picture into docs/images."""
    INTO.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        command = [sys.executable, "-m", "harness", *COMPARE, "--quiet", "--report", name]
        subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603  (our own command)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto((Path(name) / "report.html").as_uri())
        page.wait_for_timeout(1000)  # the charts are drawn
        for picture, (first, height) in CUTS.items():
            take(page, picture, first=first, height=height)
        browser.close()


def take(page: Page, name: str, *, first: str, height: int) -> None:
    """One picture of the whole width, from the top of an element on."""
    box = page.locator(first).first.bounding_box()
    top = max(0, (box["y"] if box else 0) - 12)
    clip = {"x": 0, "y": top, "width": WIDTH, "height": height}
    page.screenshot(path=INTO / f"{name}.png", full_page=True, clip=clip)


if __name__ == "__main__":
    main()
