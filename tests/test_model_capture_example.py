"""The example that shows both modes in a plain loop runs, and its parts do what it says."""

import os
import subprocess
import sys
from pathlib import Path

from harness.locate.format import from_bytes

EXAMPLE = Path(__file__).parents[1] / "examples" / "locate_loop.py"


def run(folder, *words):
    done = subprocess.run(
        [sys.executable, EXAMPLE, *words], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(EXAMPLE.parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_replays_and_records(tmp_path):
    assert "results that were compared agree" in run(tmp_path, "replay", "cpu")
    run(tmp_path, "record", "cpu")
    run(tmp_path, "record", "cpu", "1")
    first, twin = (
        from_bytes((tmp_path / name).read_bytes(), source=name)
        for name in ("cpu.capture", "cpu.twin1.capture")
    )
    assert (first.twin, twin.twin, twin.moved) == (0, 1, True)
    assert {r.kind for r in first.records} >= {"weight", "input", "loss", "gradient", "update"}
