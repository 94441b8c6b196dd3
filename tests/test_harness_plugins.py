"""Another installed package adds a log format by the entry point group `harness.formats`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import read_run
from harness.errors import ParseError
from harness.system.plugins import installed_formats
from harness.version import extensions

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "read-your-own-format.md").read_text(encoding="utf-8")
READER = PAGE.split('```python title="rowlog.py"\n')[1].split("```")[0]
LOG = "".join(f"| rank 0 | step {i} | cost {4.5 - i} |\nloss = {i} at step {i}\n" for i in range(3))


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a package `rowlog` with this source and entry point; returns its folder."""

    def of(source=READER, point="rowlog:Rows", package="rowlog"):
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[harness.formats]\nrows = {point}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        installed_formats.cache_clear()
        extensions.cache_clear()
        return tmp_path

    yield of
    for name in ("rowlog", "others"):
        sys.modules.pop(name, None)
    installed_formats.cache_clear()
    extensions.cache_clear()


def log_of(folder, text=LOG):
    path = folder / "run.log"
    path.write_text(text)
    return path


def test_a_log_in_the_format_of_a_package_is_read_before_the_fallback_formats(install):
    run = read_run(log_of(install()))
    assert run.formats == ("rows",)
    (loss,) = run.series
    assert (loss.name, loss.steps.tolist(), loss.values.tolist()) == (
        "loss",
        [0, 1, 2],
        [4.5, 3.5, 2.5],
    )


def test_a_format_of_a_package_takes_no_line_of_a_format_of_ours(install):
    folder = install(READER.replace("if row is None:", "if False:"))
    own = "".join(f'{{"step": {i}, "loss": {i}.5}}\n' for i in range(3))
    assert read_run(log_of(folder, own)).formats == ("json lines",)


def test_the_command_line_reads_and_lists_it(install):
    folder = install()
    path = log_of(folder)
    env = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}

    def run(*words):
        command = [sys.executable, "-m", "harness", *words]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout

    assert "read as rows" in run("parse", str(path))
    listed = run("formats").splitlines()
    at = listed.index("rows (package rowlog 1.0): Rows of a table of our own, behind a bar.")
    assert listed[at + 1].strip() == "| rank 0 | step 3 | cost 4.5 |"
    assert [line.split(":")[0] for line in listed if not line.startswith(" ")].index("columns") > 0
    assert at < next(i for i, line in enumerate(listed) if line.startswith("columns:"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("import re\n", "import nothing_of_that_name\n", "ModuleNotFoundError: No module named"),
        ("class Rows", "class Others", "AttributeError: module 'rowlog' has no attribute 'Rows'"),
        ("long_lines = False", "pass", "its long_lines is not bool"),
        ("def feed", "def read", "it has no method feed"),
        ('name = "rows"', 'name = "csv"', "'csv' is also that of a format of harness"),
        ('name = "rows"', 'name = " "', "its name is empty"),
        (
            "    fallback",
            "    def __init__(self, path): pass\n    fallback",
            "TypeError: Rows.__init",
        ),
        ('float(row["cost"])', 'row["price"]', "IndexError: no such group"),
        ('float(row["cost"])', '"four"', "ValueError: could not convert string to float"),
        ('int(row["step"])', 'row["step"]', "TypeError: 'str' object cannot be interpreted"),
        ('at the end of the log."""', '"""\n        1 / 0', "ZeroDivisionError: division by zero"),
    ],
)
def test_a_broken_package_is_an_error_that_names_it_and_what_to_do(install, old, new, why):
    assert old in READER
    path = log_of(install(READER.replace(old, new)))
    with pytest.raises(ParseError) as caught:
        read_run(path)
    message = str(caught.value)
    assert "package rowlog 1.0: its log format 'rows' does not work" in message
    assert why in message
    assert message.endswith("Fix the package, or uninstall it.")


def test_what_is_no_class_is_no_format(install):
    path = log_of(install(READER + "\nrows = Rows()\n", "rowlog:rows"))
    with pytest.raises(ParseError, match="it is not a class but Rows"):
        read_run(path)


def test_two_packages_may_not_add_one_name(install):
    install(READER, "others:Rows", "others")
    path = log_of(install())
    with pytest.raises(
        ParseError, match=r"package rowlog 1.0: .* is also that of a format of others"
    ):
        read_run(path)


def test_help_looks_for_no_package():
    code = (
        "import sys, harness.cli.main\n"
        "assert 'harness.system.plugins' not in sys.modules\n"
        "assert 'harness.parse' not in sys.modules"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
