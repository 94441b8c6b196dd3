"""The files that a repository shows to strangers: citation, security, release, container."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from ciservices import read_yaml

ROOT = Path(__file__).parents[1]
RELEASE = ROOT / ".github" / "workflows" / "release.yml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_citation_is_that_of_this_version():
    """Required keys and types of the Citation File Format 1.2.0; cffconvert accepts the file."""
    made = yaml.safe_load(text_of("CITATION.cff"))
    assert made["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= set(made)
    assert (made["version"], made["license"]) == (VERSION, PROJECT["license"])
    assert made["repository-code"] == PROJECT["urls"]["Source"]
    assert all(set(one) <= {"name", "family-names", "given-names"} for one in made["authors"])
    for reference in made["references"]:
        assert {"type", "title", "authors"} <= set(reference)


def test_every_placeholder_is_the_same_repository():
    """One replacement mends them all, and the release refuses what is left."""
    found = set()
    for path in (ROOT / "pyproject.toml", ROOT / "CITATION.cff", *(ROOT / "docs").glob("*.json")):
        found |= set(re.findall(r"https://[\w.]+/([\w-]+/[\w-]+)", path.read_text("utf-8")))
    assert {name for name in found if not name.startswith("draft")} == {"OWNER/REPOSITORY"}


# The release


@pytest.fixture
def project(tmp_path):
    (tmp_path / "docs").mkdir()
    for name in ("pyproject.toml", "CHANGELOG.md", "CITATION.cff", "docs/schemastore.json"):
        text = text_of(name).replace("OWNER/REPOSITORY", "lab/harness")
        text = text.replace(f"## {VERSION} (unreleased)", f"## {VERSION} ({date(2030, 1, 2)})")
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def compare(project, tag):
    """Runs the step of the release that compares the tag with the files."""
    (step,) = (
        s
        for s in read_yaml(RELEASE)["jobs"]["build"]["steps"]
        if s.get("name", "")[:7] == "Compare"
    )
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=project,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "TAG": tag},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_release_needs_a_tag_a_date_and_no_placeholder(project):
    assert compare(project, f"v{VERSION}").returncode == 0
    for tag in (VERSION, "v9.9", f"v{VERSION}; exit 0", "$(exit 0)"):
        done = compare(project, tag)
        assert (done.returncode, "the tag is" in done.stdout) == (1, True)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("CHANGELOG.md", "(2030-01-02)", "(unreleased)", "give the release its date"),
        ("CITATION.cff", f"version: {VERSION}", "version: 0.0.9", "another version"),
        ("pyproject.toml", "lab/harness", "OWNER/REPOSITORY", "is a placeholder"),
        ("docs/schemastore.json", "lab/harness", "OWNER/REPOSITORY", "is a placeholder"),
    ],
)
def test_a_release_refuses_what_was_forgotten(project, name, old, new, said):
    path = project / name
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    done = compare(project, f"v{VERSION}")
    assert done.returncode == 1
    assert said in done.stdout


def test_only_the_job_of_an_environment_may_publish():
    flow = read_yaml(RELEASE)
    assert flow["permissions"] == {}
    assert set(flow["on"]) == {"push"}
    assert set(flow["on"]["push"]) == {"tags"}
    build, publish = flow["jobs"]["build"], flow["jobs"]["publish"]
    assert build["permissions"] == {"contents": "read"}
    assert "event.repository.fork" in build["if"]
    assert publish["needs"] == "build"
    assert publish["environment"] == "release"
    assert publish["permissions"] == {"id-token": "write", "attestations": "write"}
    uses = [step.get("uses", "").partition("@")[0] for step in publish["steps"]]
    assert uses.index("actions/attest-build-provenance") < len(uses) - 1
    assert "secrets." not in RELEASE.read_text(encoding="utf-8")


# The container


def instructions():
    """The instructions of the container file: (word, rest), continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text_of("Containerfile"), flags=re.M))
    return [tuple(line.split(" ", 1)) for line in lines.splitlines() if line.strip()]


def test_the_container_runs_debian_slim_without_rights_or_secrets():
    words = [word for word, _ in instructions()]
    rests = dict(instructions())
    assert set(words) <= {
        *("FROM", "RUN", "WORKDIR", "COPY", "ARG", "ENV", "USER", "ENTRYPOINT", "CMD")
    }
    for word, rest in instructions():
        if word == "FROM":
            assert re.fullmatch(r"debian:[a-z]+-slim( AS \w+)?", rest)
    assert rests["USER"] not in {"root", "0"}
    assert words.index("ENTRYPOINT") > words.index("USER")
    assert rests["ENTRYPOINT"] == f'["{next(iter(PROJECT["scripts"]))}"]'
    assert not re.search(r"(?i)token|password|secret", text_of("Containerfile"))


def test_what_the_container_copies_exists_and_enters_the_build():
    kept = {line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")}
    copied = set()
    for word, rest in instructions():
        if word == "COPY" and not rest.startswith("--from"):
            copied |= set(rest.split()[:-1])
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_the_copied_files_suffice_to_build_the_wheel(tmp_path):
    """The licences and the description that the metadata name are among them."""
    pytest.importorskip("build", reason="`tox -e package` builds the distributions")
    pytest.importorskip("hatch_fancy_pypi_readme", reason="`tox -e package` has it")
    for line in text_of(".dockerignore").splitlines():
        if line.startswith("!"):
            source = ROOT / line[1:]
            (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / line[1:])
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_shell_lines_of_the_container_parse_and_leave_no_lists():
    for word, rest in instructions():
        if word == "RUN":
            assert shlex.split(rest)
            assert subprocess.run(["sh", "-n", "-c", rest], check=False).returncode == 0
            if "apt-get install" in rest:
                assert "--no-install-recommends" in rest
                assert "rm -rf /var/lib/apt/lists/*" in rest
            if "pip install" in rest:
                assert "--no-cache-dir" in rest


def test_the_extra_of_the_container_exists():
    (extra,) = (rest.partition("=")[2] for word, rest in instructions() if word == "ARG")
    assert extra in PROJECT["optional-dependencies"]
