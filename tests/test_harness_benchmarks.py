"""The benchmarks: each runs as `python -m benchmarks.NAME`, and the timed pairs are judged."""

import ast
import re
from pathlib import Path

import pytest

from benchmarks import cli, install

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    path
    for path in (ROOT / "benchmarks").glob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_a_benchmark_says_how_it_is_run(path):
    described = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert f"python -m benchmarks.{path.stem}" in described


def test_every_benchmark_imports_through_the_package():
    siblings = {path.stem for path in (ROOT / "benchmarks").iterdir()}
    for path in (ROOT / "benchmarks").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"sys\.path\b", text), path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                assert node.module not in siblings, (path, node.module)


@pytest.mark.parametrize("timed", cli.TABLE, ids=lambda timed: timed.name)
def test_every_timed_command_ends_as_its_row_expects(timed):
    wall_s, cpu_s = cli.once(timed)
    assert cpu_s > 0
    assert wall_s > 0


def test_a_pair_that_is_not_judged_is_not_timed():
    (pair,) = [timed for timed in cli.TABLE if timed.statuses == cli.INCOMPARABLE]
    with pytest.raises(SystemExit, match=r"status 4, expected 0 or 1 or 3"):
        cli.once(cli.Timed(name="pair", command=pair.command))


def test_the_size_of_a_distribution_is_that_of_its_files(tmp_path):
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in (("Small_One", 3_000), ("large", 2_000_000), ("pip", 9_000)):
        about = packages / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (packages / f"{name}.py").write_bytes(b"#" * size)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (about / "RECORD").write_text(f"{name}.py,,\nabsent.py,,\n")
    assert install.sizes(tmp_path) == {"large": 2.0, "small-one": 0.003}
