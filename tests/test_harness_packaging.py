"""What the wheel and the source distribution hold."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def top_level(builder):
    """The first folder of every file that a build of hatchling takes from the clone."""
    files = builder.recurse_included_files()
    return {Path(file.distribution_path).parts[0] for file in files}


@pytest.fixture(scope="module")
def wheel():
    hatchling = pytest.importorskip("hatchling.builders.wheel", reason="hatchling builds the wheel")
    return hatchling.WheelBuilder(str(ROOT))


def test_the_wheel_holds_no_top_level_package_but_the_harness(wheel):
    assert top_level(wheel) == {"harness"}


def test_the_wheel_holds_every_file_of_the_harness(wheel):
    """Pictures, pages and tables too: Python files alone would leave reports without a style."""
    taken = {Path(file.distribution_path) for file in wheel.recurse_included_files()}
    kept = {p.relative_to(ROOT) for p in (ROOT / "harness").rglob("*") if p.is_file()}
    assert {p for p in kept if "__pycache__" not in p.parts} - taken == set()


def test_the_source_distribution_keeps_the_training_and_the_benchmarks():
    hatchling = pytest.importorskip("hatchling.builders.sdist", reason="hatchling builds the sdist")
    packed = top_level(hatchling.SdistBuilder(str(ROOT)))
    assert {"harness", "model", "benchmarks", "tests"} <= packed
