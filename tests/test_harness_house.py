"""The shape of the house: imports run one way, and the core needs no framework."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    {"shown", "wording", "version", "filenames", "toml_text"},
    {"facts"},
    {"errors"},
    {"whole", "running", "workers"},
    {"curve", "lag", "places", "bounded"},
    {"local", "remote", "unpack"},
    {"parse", "align"},
    {"companions"},
    {"completeness", "copies", "records", "schedules"},
    {"ranks"},
    {"measure", "comparable"},
    {"stats"},
    {"runset", "noise", "credible"},
    {"rules"},
    {"holm"},
    {"judge", "hints"},
    {"comparison", "calibrate"},
    {"results", "events", "recording"},
    {"listing"},
    {"trend"},
    {"report", "store", "baselines", "golden", "history"},
    {"files"},
    {"resolve", "publish", "verifying"},
    {"manifest_words"},
    {"manifest"},
    {"evidence"},
    {"checking"},
    {"progress"},
    {"cli_options"},
    {"cli_baseline", "cli_calibrate", "cli_check", "cli_history", "pytest_plugin"},
    {"cli_explain"},
    {"cli"},
    {"__main__"},
]
SHELLS = {"store", "baselines", "resolve", "manifest", "cli", "pytest_plugin"} | {
    "cli_baseline",
    "cli_calibrate",
    "cli_check",
    "cli_explain",
    "cli_history",
    "cli_options",
    "bounded",
    "events",
    "files",
    "listing",
    "local",
    "remote",
    "unpack",
    "checking",
    "progress",
    "history",
    "publish",
    "evidence",
    "running",
    "toml_text",
    "verifying",
    "whole",
    "workers",
    "__main__",
}
"""They may touch files, clocks and the screen; `golden` is the pytest plugin's."""


def layer(module: str) -> int:
    return next(i for i, names in enumerate(LAYERS) if module in names)


def imports(path: Path, package: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == package}


def backward(files) -> list[str]:
    """Imports that run from an earlier stage to a later one, or into a shell from the core."""
    wrong = []
    for path in files:
        parts = path.relative_to(ROOT / "harness").with_suffix("").parts
        if parts[0] == "__init__":
            continue
        for name in imports(path, "harness"):
            target = name.split(".")[1] if "." in name else ""
            if not any(target in names for names in LAYERS) or target == parts[0]:
                continue
            if layer(target) >= layer(parts[0]) and not (
                parts[0] == "cli" and target == "cli_baseline"
            ):
                wrong.append(f"{'.'.join(parts)} imports {name}")
    return wrong


def test_every_module_has_its_layer():
    modules = {p.stem for p in (ROOT / "harness").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert modules - {"__init__", "__pycache__"} == set().union(*LAYERS)


def test_no_import_runs_backward():
    assert backward(sorted((ROOT / "harness").rglob("*.py"))) == []


def test_what_is_compiled_is_compiled_again_when_any_file_of_it_changes():
    from harness.parse.fast.compiling import SOURCES

    files = (ROOT / "harness").rglob("*.py")
    users = {p.name for p in files if "harness.parse.fast.compiling" in imports(p, "harness")}
    assert users | {"compiling.py"} == set(SOURCES)


def test_the_check_sees_an_arrow_that_runs_back(tmp_path, monkeypatch):
    (tmp_path / "harness").mkdir()
    wrong = tmp_path / "harness" / "curve.py"
    wrong.write_text("from harness.storage.logs import read_run\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert sorted(backward([wrong])) == [
        "curve imports harness.storage.logs",
        "curve imports harness.storage.logs.read_run",
    ]


@pytest.mark.parametrize("package", ["torch", "mmengine", "model"])
def test_the_harness_names_no_training_package(package):
    for path in (ROOT / "harness").rglob("*.py"):
        assert not imports(path, package), path


def test_the_model_names_no_harness():
    for path in (ROOT / "model").rglob("*.py"):
        assert not imports(path, "harness"), path


def test_the_harness_works_where_torch_cannot_be_imported():
    probe = (
        "import sys\n"
        "class Absent:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in {'torch', 'mmengine', 'model'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "import harness\n"
        "for name in harness.__all__: getattr(harness, name)\n"
        "from harness.parse import parse_log\n"
        "text = ''.join(f'TCAPPDLL 2025-07-26 08:17:23.7 - Epoch: 0 Iteration: {i}  rank : 0  '\n"
        "               f'train.loss : {1 / (i + 1)} \\n' for i in range(60))\n"
        "run = parse_log(text.splitlines(True), source='x')\n"
        "assert harness.compare(run, run).verdict == 'pass'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr


def test_public_names_are_the_objects_and_not_the_modules():
    import harness

    assert callable(harness.compare)
    assert callable(harness.read_run)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = harness.nonsense


def test_the_core_touches_no_file_clock_or_screen():
    forbidden = {"open", "print", "input"}
    for path in (ROOT / "harness").rglob("*.py"):
        top = path.relative_to(ROOT / "harness").with_suffix("").parts[0]
        if top in SHELLS | {"golden", "report"}:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        called = {
            n.func.id
            for n in ast.walk(tree)
            if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
        }
        assert not called & forbidden, path
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        assert not names & {"time", "datetime", "random", "os", "pathlib"}, path
