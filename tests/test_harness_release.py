"""What a package index and an installer get: built here, checked, and installed as a user would.

`tox -e package` has the tools; without them these tests are skipped. Installing asks a package
index for the dependencies.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

pytest.importorskip("build", reason="`tox -e package` builds the distributions")
pytest.importorskip("hatch_fancy_pypi_readme", reason="`tox -e package` builds the distributions")

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "logs" / "samples"
HOME = "https://github.com/OWNER/REPOSITORY/blob/main/"
RAW = "https://raw.githubusercontent.com/OWNER/REPOSITORY/main/"
OFFLINE = ("--no-isolation",)


def run(*words, cwd, **environ):
    outer = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env=outer | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def tool(name):
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return found or pytest.skip(f"{name} is not installed; `tox -e package` has it")


def build(source, out):
    done = run(sys.executable, "-m", "build", *OFFLINE, "-o", out, source, cwd=out.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(out.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("built") / "dist")


@pytest.fixture(scope="module")
def wheel(built):
    return next(path for path in built if path.suffix == ".whl")


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(next(path for path in built if path.suffix == ".gz")) as archive:
        archive.extractall(folder, filter="data")
    (inner,) = folder.iterdir()
    return inner


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_index_would_take_both(built):
    done = run(tool("twine"), "check", "--strict", *built, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_wheel_holds_nothing_odd(wheel):
    done = run(tool("check-wheel-contents"), wheel, cwd=ROOT)
    assert done.returncode == 0, done.stdout


def test_the_metadata_are_complete(metadata):
    assert {label.partition(",")[0] for label in metadata.get_all("Project-URL")} == {
        *("Homepage", "Documentation", "Changelog", "Issues", "Source")
    }
    for name in ("Author", "Keywords", "License-Expression", "Summary"):
        assert metadata[name]
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert metadata["Description-Content-Type"] == "text/markdown"


def test_every_link_of_the_readme_works_on_an_index(metadata):
    targets = re.findall(r"\]\(([^)\s]+)\)", metadata.get_payload())
    assert len(targets) > 40
    for target in targets:
        assert target.startswith(("https://", "#")), target
        for base in (HOME, RAW):
            if target.startswith(base):
                assert (ROOT / target.removeprefix(base).partition("#")[0]).exists(), target
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", metadata.get_payload())
    assert pictures
    assert all(picture.startswith(RAW) for picture in pictures)


def test_the_wheel_is_typed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert "harness/py.typed" in archive.namelist()


def test_the_source_distribution_builds_the_same_wheel(wheel, unpacked, tmp_path):
    again = next(path for path in build(unpacked, tmp_path / "dist") if path.suffix == ".whl")
    assert again.read_bytes() == wheel.read_bytes()


def test_the_source_distribution_holds_every_file_of_the_clone(unpacked):
    listed = run("git", "ls-files", cwd=ROOT)
    if listed.returncode:
        pytest.skip("not a clone")
    here = {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}
    packed = {str(p.relative_to(unpacked)) for p in unpacked.rglob("*") if p.is_file()}
    assert here - packed == {".gitattributes"}


def test_the_tests_run_from_the_source_distribution(unpacked):
    names = ("component", "layers", "packaging")  # one each: files, code, build
    files = [f"tests/test_harness_{name}.py" for name in names]
    done = run(sys.executable, "-m", "pytest", "-q", *files, cwd=unpacked, PYTHONPATH=str(unpacked))
    assert done.returncode == 0, done.stdout


def installed(command, folder):
    """The installed command judges a pair of logs in a folder without the sources."""
    folder.mkdir(exist_ok=True)
    for name in ("seed_0", "doubled_lr_seed_101"):
        shutil.copy(SAMPLES / f"ccnet_r18-d8_demo_{name}.log", folder / f"{name}.log")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert run(command, "--version", cwd=folder).stdout == f"harness {version}\n"
    done = run(
        command, "compare", "seed_0.log", "doubled_lr_seed_101.log", "--report", "r", cwd=folder
    )
    assert done.returncode == 4, done.stderr
    assert (folder / "r" / "report.html").exists()


def test_pip_installs_it(wheel, tmp_path):
    assert run(sys.executable, "-m", "venv", tmp_path / "v", cwd=tmp_path).returncode == 0
    done = run(tmp_path / "v" / "bin" / "pip", "install", "-q", wheel, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    installed(tmp_path / "v" / "bin" / "harness", tmp_path / "work")


def test_uv_installs_it(wheel, tmp_path):
    places = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    done = run(tool("uv"), "tool", "install", "-p", sys.executable, wheel, cwd=tmp_path, **places)
    assert done.returncode == 0, done.stderr
    installed(tmp_path / "bin" / "harness", tmp_path / "work")


def test_pipx_installs_it(wheel, tmp_path):
    places = {"PIPX_HOME": str(tmp_path / "home"), "PIPX_BIN_DIR": str(tmp_path / "bin")}
    done = run(tool("pipx"), "install", wheel, cwd=tmp_path, **places)
    assert done.returncode == 0, done.stderr
    installed(tmp_path / "bin" / "harness", tmp_path / "work")


def test_the_action_installs_the_version_beside_it(tmp_path):
    """The real step, with pip and a package index; the other tests of the action replace them."""
    from ciservices import Runner
    from test_harness_action import ACTION, GOOD, PULL

    work = tmp_path / "work"
    work.mkdir()
    for name in ("gpu", "same"):
        shutil.copy(SAMPLES / "ccnet_r18-d8_demo_seed_0.log", work / f"{name}.log")
    (work / "ports.toml").write_text(GOOD)
    job = Runner(work=work, temp=tmp_path / "temp", event=PULL, python=sys.executable)
    status = job.run(ACTION, comment="false", extras="history")
    assert "bin" in job.outputs["install"]["outputs"], job.printed
    bin_folder = Path(job.outputs["install"]["outputs"]["bin"])
    assert run(bin_folder / "python", "-c", "import sqlalchemy", cwd=work).returncode == 0
    assert str(status) == job.outputs["check"]["outputs"]["status"]
    assert (work / "reports" / "index.html").exists()
