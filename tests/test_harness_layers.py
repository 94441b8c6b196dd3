"""The order of the stages: imports run one way, and the core needs no framework."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STAGES = [
    "extras",
    "log",
    "errors",
    "version",
    "parse",
    "align",
    "stats",
    "rules",
    "quality",
    "comparison",
    "gate",
    "locate",
    "report",
    "system",
    "golden",
    "trackers",
    "storage",
    "ports",
    "sweep",
    "cli",
    "pytest_plugin",
    "__main__",
    "capture",
]
"""What lies in `harness/`, in the order of the pipeline: each imports from those before it only."""
INSIDE = {
    "parse": [
        {"blocks", "formats", "fast", "grammar"},
        {"starter"},
        {"nearly", "dropped"},
        {"finish", "offering"},
        {"reading"},
    ],
    "report": [{"comparison", "gate", "locate", "ports"}],
}
"""The order inside a stage: the modules that are not named, then these, one set after another."""
SHELLS = set(STAGES[STAGES.index("system") :])
"""They may touch files, clocks and the screen; `golden` is the pytest plugin's."""


def layer(parts: tuple[str, ...]) -> tuple[int, int]:
    """The place of a module in the order: its stage, and its place inside the stage."""
    inside = INSIDE.get(parts[0], [])
    name = parts[1] if len(parts) > 1 else ""
    return STAGES.index(parts[0]), next((i for i, s in enumerate(inside, 1) if name in s), 0)


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
        if parts[-1] == "__init__":
            continue  # a facade: what it shows is its stage's
        for name in imports(path, "harness"):
            target = tuple(name.split(".")[1:])
            if not target or target[0] not in STAGES:
                continue
            same_room = target[0] == parts[0] and layer(target)[1] == layer(parts)[1]
            if not same_room and layer(target) >= layer(parts):
                wrong.append(f"{'.'.join(parts)} imports {name}")
    return wrong


def test_the_top_of_the_package_is_the_pipeline():
    found = {p.stem for p in (ROOT / "harness").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert found - {"__init__", "__pycache__"} == set(STAGES)


def test_no_import_runs_backward():
    assert backward(sorted((ROOT / "harness").rglob("*.py"))) == []


def test_what_is_compiled_is_compiled_again_when_any_file_of_it_changes():
    from harness.parse.fast.compiling import SOURCES

    files = (ROOT / "harness").rglob("*.py")
    users = {p.name for p in files if "harness.parse.fast.compiling" in imports(p, "harness")}
    assert users | {"compiling.py"} == set(SOURCES)


def test_the_check_sees_an_arrow_that_runs_back(tmp_path, monkeypatch):
    wrong = tmp_path / "harness" / "align" / "lag.py"
    wrong.parent.mkdir(parents=True)
    wrong.write_text("from harness.storage.logs import read_run\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert sorted(backward([wrong])) == [
        "align.lag imports harness.storage.logs",
        "align.lag imports harness.storage.logs.read_run",
    ]


def test_the_check_sees_an_arrow_that_runs_back_inside_a_stage(tmp_path, monkeypatch):
    (tmp_path / "harness" / "report").mkdir(parents=True)
    wrong = tmp_path / "harness" / "report" / "page.py"
    wrong.write_text("from harness.report.ports.site import render_index\n")
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert backward([wrong])


@pytest.mark.parametrize("package", ["torch", "mmengine", "model"])
def test_the_harness_names_no_training_package(package):
    for path in (ROOT / "harness").rglob("*.py"):
        if package == "torch" and path.is_relative_to(ROOT / "harness" / "capture"):
            continue  # it runs inside a training
        assert not imports(path, package), path


def test_nothing_imports_what_runs_inside_a_training():
    for path in (ROOT / "harness").rglob("*.py"):
        if not path.is_relative_to(ROOT / "harness" / "capture"):
            assert not any(n.startswith("harness.capture") for n in imports(path, "harness")), path


def test_the_model_names_no_harness():
    for path in (ROOT / "model").rglob("*.py"):
        assert not imports(path, "harness"), path


OF_INSTANCE = {"torchvision", "pycocotools"}
"""What the extra `instance` installs."""


def imported_where(path: Path) -> list[tuple[str, bool]]:
    """The packages of the extra `instance` that a file imports, and whether in a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    inside = {id(n) for function in functions for n in ast.walk(function)}
    found = []
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        wanted = {name.split(".")[0] for name in names} & OF_INSTANCE
        found += [(name, id(node) in inside) for name in wanted]
    return found


def test_one_room_of_the_model_imports_torchvision_and_pycocotools_and_only_when_it_is_used():
    room = ROOT / "model" / "instance"
    found = {path: imported_where(path) for path in (ROOT / "model").rglob("*.py")}
    assert {path.parent for path, names in found.items() if names} == {room}
    assert {name for names in found.values() for name, _ in names} == OF_INSTANCE
    assert all(late for names in found.values() for _, late in names)


def test_the_check_sees_an_import_at_the_top_of_a_file(tmp_path):
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import torchvision.ops\ndef f():\n    from pycocotools import mask\n")
    assert sorted(imported_where(wrong)) == [("pycocotools", True), ("torchvision", False)]


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
        if top in SHELLS | {"report"}:
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
