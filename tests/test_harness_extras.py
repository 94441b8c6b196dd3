"""What works without any extra, and what is said of the rest."""

import csv
import io
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import distribution, packages_distributions
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from syntheticcaptures import baseline

from harness import extras
from harness.locate.format import to_bytes
from harness.log.run import Run, Series
from harness.report import run as run_report
from harness.storage.series_table import COLUMNS, read_blocks

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SAMPLES = ROOT / "logs" / "samples"
SEED, DOUBLED = (
    SAMPLES / f"ccnet_r18-d8_demo_{name}.log" for name in ("seed_0", "doubled_lr_seed_101")
)
NO_PICTURE = (
    "no picture was drawn, because that needs matplotlib; install it: "
    "pip install 'ccnet-port-harness[plots]'"
)


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def core() -> set[str]:
    """The distributions that an installation without extras brings."""
    found, left = set(), list(PROJECT["dependencies"])
    while left:
        wanted = Requirement(left.pop())
        name = plain(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        left += distribution(name).requires or []
    return found


def others() -> list[str]:
    """The packages here that an installation without extras lacks."""
    kept = core()
    return sorted(
        package
        for package, owners in packages_distributions().items()
        if package != "harness" and not kept & {plain(owner) for owner in owners}
    )


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """Runs the command where no package of an extra can be imported, also in child processes."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({others()!r}))\n"
    )
    paths = os.pathsep.join([str(folder), str(ROOT)])
    environ = {**os.environ, "PYTHONPATH": paths, "HARNESS_PICTURES": "https://example.org"}
    environ.pop("GITHUB_ACTIONS", None)

    def run(*words, code=None, cwd=folder):
        command = ["-c", code] if code else ["-m", "harness", *map(str, words)]
        return subprocess.run(
            [sys.executable, *command], env=environ, cwd=cwd, capture_output=True, text=True,
            check=False,
        )  # fmt: skip

    return run


@pytest.mark.parametrize("package", ["matplotlib", "pandas", "sqlalchemy", "backports.zstd"])
def test_the_extras_are_out_of_reach_in_these_tests(bare, package):
    done = bare(code=f"from harness.extras import is_installed; print(is_installed({package!r}))")
    assert done.stdout == "False\n", done.stderr


def test_a_report_without_matplotlib_has_its_page_and_says_what_it_lacks(bare, tmp_path):
    old = tmp_path / "first"
    old.mkdir()
    (old / "comparison.png").write_bytes(b"of an older report")
    done = bare("compare", SEED, DOUBLED, "--report", old, "--allow", "learning_rate")
    assert done.returncode in {0, 1, 3}, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {old / 'report.html'}; {NO_PICTURE}"
    assert {path.name for path in old.iterdir()} == {"report.html", "report.md", "comparison.json"}
    said = (old / "report.md").read_text(encoding="utf-8").replace("\\", "")
    assert f"N{NO_PICTURE[1:]}." in said
    assert "uPlot" in (old / "report.html").read_text(encoding="utf-8")


def test_a_verdict_in_one_line_says_it_on_the_error_output(bare, tmp_path):
    done = bare("compare", SEED, SEED, "--quiet", "--report", tmp_path / "r")
    assert (len(done.stdout.splitlines()), done.stderr) == (1, f"note: {NO_PICTURE}\n")


def test_a_check_without_matplotlib_links_no_picture(bare, tmp_path):
    entries = [
        f'[[port]]\nname = "p{i}"\nbaseline = "{SEED}"\ncandidate = "{SEED}"\n' for i in range(4)
    ]
    (tmp_path / "ports.toml").write_text("\n".join(entries))
    done = bare(
        "check", "ports.toml", "--report", "out", "--comment", "c.md", "--junit", "j.xml",
        "--gitlab", "g.json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode in {0, 1, 3}, done.stderr
    assert f"reports: {Path('out') / 'index.html'}; {NO_PICTURE}" in done.stdout
    comment = (tmp_path / "c.md").read_text(encoding="utf-8")
    assert "example.org" not in comment
    assert "```mermaid" in comment
    shard = bare("check", "ports.toml", "--shard", "1/1", "--report", "out", cwd=tmp_path)
    assert f"note: {NO_PICTURE}" in shard.stdout
    merged = bare("merge", "shards", "--report", "out", cwd=tmp_path)
    assert merged.returncode == done.returncode, merged.stderr


def test_the_published_rule_prints_its_lines_without_matplotlib(bare, tmp_path):
    (tmp_path / "loss.jpg").write_bytes(b"of another pair")
    done = bare("loss", "--sdaa-log", DOUBLED, "--cuda-log", SEED, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, f"note: {NO_PICTURE}\n")
    assert len(done.stdout.splitlines()) == 4
    assert not (tmp_path / "loss.jpg").exists()


def test_a_calibration_writes_its_table_without_matplotlib(bare, tmp_path):
    for system, name in (("a", "seed_0"), ("b", "doubled_lr_seed_101")):
        (tmp_path / "runs" / system).mkdir(parents=True)
        text = (SAMPLES / f"ccnet_r18-d8_demo_{name}.log").read_text(encoding="utf-8")
        for i in range(2):
            (tmp_path / "runs" / system / f"{i}.log").write_text(text + f"# {i}\n")
    words = ("--draws", 2, "--permutations", 20, "--report", "out")
    done = bare("calibrate", "runs", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["calibration.csv"]
    assert f"table: {Path('out') / 'calibration.csv'}; {NO_PICTURE}" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("parse", SEED),
        ("parse", SEED, "--pattern", r"train\.loss ?: ?(?P<loss>\S+)"),
        ("baseline", "list", "--baselines", ROOT / "baselines"),
        ("baseline", "show", "ccnet_r18-d8_demo", "--baselines", ROOT / "baselines"),
        ("baseline", "verify", "--baselines", ROOT / "baselines"),
        ("explain", "ccnet_r18-d8_demo", SEED, "--baselines", ROOT / "baselines"),
        ("gate", "ccnet_r18-d8_demo", "--baselines", ROOT / "baselines"),
        ("formats",),
        ("rules",),
    ],
    ids=lambda words: " ".join(str(word) for word in words[:2] if word != SEED),
)
def test_a_command_needs_no_extra(bare, words):
    done = bare(*words)
    assert done.returncode in {0, 3}, done.stderr
    assert "error" not in done.stderr


def test_a_baseline_is_recorded_and_used_without_extras(bare, tmp_path):
    added = bare("baseline", "add", "gpu", SEED, "--origin", "here", cwd=tmp_path)
    assert added.returncode == 0, added.stderr
    judged = bare("compare", "gpu", SEED, cwd=tmp_path)
    assert judged.returncode == 3, judged.stderr


def test_captures_are_compared_without_extras(bare, tmp_path):
    run, _ = baseline(2)
    for name in ("gpu", "port"):
        (tmp_path / f"{name}.capture").write_bytes(to_bytes(run))
    done = bare("locate", "gpu.capture", "port.capture", "--report", "out", cwd=tmp_path)
    assert done.returncode in {0, 3}, done.stderr
    assert (tmp_path / "out" / "locate.html").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("history", "p", "--history", "h.sqlite"),
            "error: the history needs sqlalchemy; install it: "
            "pip install 'ccnet-port-harness[history]'",
        ),
        (
            ("check", "ports.toml", "--history", "h.sqlite"),
            "error: the history needs sqlalchemy; install it: "
            "pip install 'ccnet-port-harness[history]'",
        ),
        (
            ("locate", "replay", "--", "train.py"),
            "torch, which is not installed in",
        ),
    ],
)  # fmt: skip
def test_a_missing_extra_is_one_line_that_names_it(bare, tmp_path, words, line):
    (tmp_path / "h.sqlite").touch()
    port = f'[[port]]\nname = "p"\nbaseline = "{SEED}"\ncandidate = "{DOUBLED}"\n'
    (tmp_path / "ports.toml").write_text(port)
    done = bare(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert line in done.stderr
    assert not done.stdout  # no port is judged before the error
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="the standard library reads .zst")
def test_a_log_in_zst_names_its_extra(bare, tmp_path):
    (tmp_path / "a.log.zst").write_bytes(b"\x28\xb5\x2f\xfd\0\0\0")
    done = bare("parse", "a.log.zst", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "error: a.log.zst: a log packed as .zst, which needs backports.zstd; install it: "
        "pip install 'ccnet-port-harness[zstd]'\n",
    )


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("harness.read_run(LOG).frame()", "a table of the records needs pandas"),
        (
            "from harness.report.comparison import plot; run = harness.read_run(LOG); "
            "plot.draw(harness.compare(run, run))",
            "a picture needs matplotlib",
        ),
    ],
)
def test_a_function_of_an_extra_names_it_in_python(bare, code, what):
    done = bare(code=f"import harness; LOG = {str(SEED)!r}; {code}")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"harness.extras.MissingExtraError: {what}; install it: pip install ")


def test_every_package_of_the_table_is_in_the_extra_that_it_names():
    optional = PROJECT["optional-dependencies"]
    assert PROJECT["name"] == extras.DISTRIBUTION
    for package, names in extras.EXTRAS.items():
        listed = [Requirement(r).name.lower() for n in names.split(",") for r in optional[n]]
        assert package in listed, package


INSTALLING = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "Containerfile", "action.yml", "docs/**/*.md", "templates/*.yml")
    for path in ROOT.glob(pattern)
    if path.name not in {"CHANGELOG.md", "changelog.md"}
)
NAMED = re.compile(
    r"(?:'\.{1,3}|ccnet-port-harness)\[([a-z0-9,-]+)\]|EXTRAS=([a-z0-9,-]+)"
    r"|such as ([a-z0-9-]+(?:,[a-z0-9-]+)+)|such as `([a-z0-9-]+)` or `([a-z0-9-]+)`\."
)
"""Extras in brackets, in a variable, and as the example of a list of them."""


@pytest.mark.parametrize("path", INSTALLING, ids=str)
def test_an_extra_that_a_page_names_exists(path):
    """pip installs the package without an extra that it does not know, and only warns."""
    found = NAMED.findall((ROOT / path).read_text(encoding="utf-8"))
    named = {name for groups in found for names in groups for name in names.split(",") if name}
    assert named <= set(PROJECT["optional-dependencies"])


def test_the_pages_that_list_the_extras_list_all():
    for page in ("README.md", "docs/index.md"):
        rows = re.findall(r"^\| (`pip install .*?) \|", (ROOT / page).read_text("utf-8"), re.M)
        lists = [names[0] for row in rows for names in NAMED.findall(row)]
        assert set(",".join(lists).split(",")) == set(PROJECT["optional-dependencies"]) - {"dev"}, (
            page
        )


def series(name: str, values: list[float]) -> Series:
    steps = np.arange(len(values), dtype=np.int64)
    return Series(name=name, rank=1, steps=steps, values=np.array(values))


def test_the_table_of_a_log_is_that_of_pandas():
    pandas = pytest.importorskip("pandas", reason="the oracle is in the extra [frames]")
    values = [0.1, -0.0, 1e300, 5e-324, 1 / 3, 1.0, np.nan, np.inf, -np.inf]
    run = Run(source="a", series=(series("loss", values), series('a,"b"', [2.0])))
    assert run_report.to_csv([run]) == run.frame().to_csv(index=False, na_rep="nan")
    both = [run.frame().assign(run=i) for i in range(2)]
    whole = pandas.concat(both)[["run", "rank", "step", "name", "value"]]
    assert run_report.to_csv([run, run]) == whole.to_csv(index=False, na_rep="nan")


def table(*rows: tuple[object, ...]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
    return out.getvalue().encode()


def test_a_series_that_is_spread_over_the_table_is_one_block():
    rows = [(0, 0, 0, "loss", "0.1"), (0, 0, 0, "lr", "nan"), (0, 0, 1, "loss", "-inf")]
    loss, rate = read_blocks(table(*rows))
    assert (loss.name, loss.steps.tolist(), loss.values.tolist()) == (
        "loss",
        [0, 1],
        [0.1, -np.inf],
    )
    assert (rate.name, np.isnan(rate.values).all()) == ("lr", True)


@pytest.mark.parametrize(
    "bad",
    [
        b"run,rank,step,name\n",
        table((0, 0, 0, "loss")),
        table((0, 0, 0, "loss", "1", "2")),
        table((0, 0, "1.5", "loss", "1")),
        table((0, 0, 2**63, "loss", "1")),
        table((0, 0, 0, "loss", "")),
        table((0, 0, 0, "loss", "1")) + b"\xff",
        b"",
    ],
)
def test_a_damaged_table_of_figures_is_refused(bad):
    with pytest.raises((ValueError, OverflowError, csv.Error)):
        read_blocks(bad)


def documented() -> dict[str, set[str]]:
    """The extras of each dependency in the table of the page on the architecture."""
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    section = page.split("## Dependencies", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| ([\w.-]+) \| (core|`[^|]+`) \| [^|]+ \| \S[^|]* \|$", section, re.M)
    return {name: set(re.findall(r"[\w-]+", where)) for name, where in rows}


def test_every_dependency_has_its_reason_in_the_documentation():
    optional = PROJECT["optional-dependencies"]
    stated: dict[str, set[str]] = {}
    for where, wanted in [("core", PROJECT["dependencies"]), *optional.items()]:
        if where not in {"all", "dev"}:
            for requirement in wanted:
                stated.setdefault(Requirement(requirement).name, set()).add(where)
    assert documented() == stated


SERVICES = {"azure", "gcs", "mlflow", "s3", "trackio", "wandb"}
"""Extras with the client of a store or a tracker, which take as much space as all others."""


def test_the_extra_all_names_every_extra_that_needs_neither_torch_nor_a_service():
    optional = PROJECT["optional-dependencies"]
    (whole,) = map(Requirement, optional["all"])
    with_torch = {name for name, wanted in optional.items() if any("torch" in r for r in wanted)}
    assert whole.extras == set(optional) - with_torch - SERVICES - {"all", "dev"}
