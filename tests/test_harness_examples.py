"""The CI files that a user copies: valid YAML of the right shape, and their commands work here.

What only the service can do is replaced, each with its reason: installing from a repository that a
test cannot reach (the package is on the path), `gh` and `curl` (they are recorded), and actions.
"""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import yaml
from loglines import decaying, header, records

from harness.report.ports.comment import MARK

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "ci"
MANIFEST = """
[[port]]
name = "good"
baseline = "gpu.log"
candidate = "same.log"
rules = ["two-sided"]

[[port]]
name = "bad"
baseline = "gpu.log"
candidate = "worse.log"
rules = ["two-sided"]
"""
SHIM = '#!/bin/sh\nexec "{python}" -m harness "$@"\n'
RECORDER = '#!/bin/sh\nprintf "%s\\n" "{name}" "$@" >> "$RECORD"\n'
SERVICE = RECORDER + 'case "$*" in *notes?*) printf "%s" "$NOTES";; esac\n'


def read(name):
    """The example as data; YAML 1.1 takes the key `on` for a truth value."""
    document = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    return {("on" if key is True else key): value for key, value in document.items()}


@pytest.fixture
def project(tmp_path):
    """A project with one port that passes and one that fails; `shell` runs commands in it."""
    base = decaying(80)
    (tmp_path / "bin").mkdir()
    for name, text in {
        "harness": SHIM.format(python=sys.executable),
        "gh": RECORDER.format(name="gh"),
        "curl": SERVICE.format(name="curl"),
        "python": f'#!/bin/sh\nexec "{sys.executable}" "$@"\n',
        "pip": RECORDER.format(name="pip"),
    }.items():
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    (work / "gpu.log").write_text(header(seed=1) + records(base))
    (work / "same.log").write_text(header(seed=1) + records(base * 1.001))
    (work / "worse.log").write_text(header(seed=1) + records(base * 1.2))
    (work / "ports.toml").write_text(MANIFEST)
    return tmp_path


def shell(project, script, **environ):
    """Runs a script as the services do: bash that stops at the first error."""
    outer = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI", "HARNESS"))}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=project / "work",
        capture_output=True,
        text=True,
        check=False,
        env=outer
        | {
            "PATH": f"{project / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "RECORD": str(project / "record"),
        }
        | environ,
    )


def test_the_github_workflow_has_the_shape_that_github_asks_for():
    flow = read("github-history.yml")
    assert set(flow) == {"name", "on", "permissions", "env", "jobs"}
    assert set(flow["on"]) == {"push", "pull_request"}
    assert flow["permissions"] == {"contents": "read", "pull-requests": "write"}
    (job,) = flow["jobs"].values()
    assert set(job) == {"runs-on", "timeout-minutes", "steps"}
    known = {"name", "uses", "run", "with", "env", "if", "continue-on-error"}
    for step in job["steps"]:
        assert set(step) <= known
        assert ("uses" in step) != ("run" in step)
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", step["uses"])
        else:
            assert "${{" not in step["run"]  # an expression in a script is a way in for others
    order = [step.get("name", step.get("uses")) for step in job["steps"]]
    late = order[order.index("Check") + 1 :]
    assert all("if" in step for step in job["steps"] if step.get("name", step.get("uses")) in late)


@pytest.mark.extra("history", "plots")
def test_the_commands_of_the_github_workflow_work(project):
    flow = read("github-history.yml")
    (job,) = flow["jobs"].values()
    steps = {step["name"]: step for step in job["steps"] if "run" in step}
    environ = flow["env"] | {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(project / "work"),
        "GITHUB_STEP_SUMMARY": str(project / "summary.md"),
        "GITHUB_SHA": "c" * 40,
        "PULL_REQUEST": "7",
    }
    done = {name: shell(project, step["run"], **environ) for name, step in steps.items()}
    status = {name: one.returncode for name, one in done.items()}
    assert status == {"Install": 0, "Check": 1, "Show the history": 0, "Comment": 0}, done
    assert "::error file=ports.toml,line=" in done["Check"].stdout
    assert "| bad | **fail** |" in (project / "summary.md").read_text(encoding="utf-8")
    reports = project / "work" / "reports"
    assert (reports / "bad" / "comparison.png").exists()
    assert ET.parse(reports / "junit.xml").getroot().find("testsuite").get("failures") == "1"
    assert "good" in (reports / "history.txt").read_text(encoding="utf-8")
    assert (project / "work" / "history.sqlite").exists()
    record = (project / "record").read_text().splitlines()
    assert record[:3] == ["pip", "install", flow["env"]["HARNESS"]]
    assert record[3:] == [
        *("gh", "pr", "comment", "7", "--body-file", "reports/comment.md"),
        *("--edit-last", "--create-if-none"),
    ]


def test_the_gitlab_job_has_the_shape_that_gitlab_asks_for():
    document = read("gitlab-ci.yml")
    (job,) = document.values()
    scripts = {"before_script", "script", "after_script"}
    assert set(job) == scripts | {"image", "variables", "rules", "cache", "artifacts"}
    for part in scripts:
        assert all(isinstance(line, str) for line in job[part])
    reports = job["artifacts"]["reports"]
    assert set(reports) == {"junit", "codequality"}
    command = " ".join(job["script"])
    assert f"--junit {reports['junit']}" in command
    assert f"--gitlab {reports['codequality']}" in command
    assert job["artifacts"]["when"] == job["cache"]["when"] == "always"


@pytest.mark.extra("history", "plots")
def test_the_commands_of_the_gitlab_job_work(project):
    (job,) = read("gitlab-ci.yml").values()
    place = "https://gitlab.example.org/group/project/-/jobs/5"
    environ = {k: v.replace("$CI_JOB_URL", place) for k, v in job["variables"].items()} | {
        "CI_PROJECT_DIR": str(project / "work"),
        "CI_COMMIT_SHA": "c" * 40,
        "CI_MERGE_REQUEST_IID": "7",
        "CI_PROJECT_ID": "9",
        "CI_API_V4_URL": "https://gitlab.example.org/api/v4",
        "HARNESS_TOKEN": "secret",
        "NOTES": "[]",
    }
    main = shell(project, "\n".join(job["before_script"] + job["script"]), **environ)
    after = shell(project, "\n".join(job["after_script"]), **environ)
    assert main.returncode == 1, main.stderr
    assert after.returncode == 0, after.stderr
    assert "::error" not in main.stdout
    reports = project / "work" / "reports"
    (issue,) = json.loads((reports / "quality.json").read_text())
    assert issue["location"]["path"] == "ports.toml"
    page = (reports / "comment.md").read_text(encoding="utf-8")
    assert f"({place}/artifacts/raw/reports/bad/comparison.png)" in page
    assert (project / "work" / "history" / "ports.sqlite").exists()
    record = (project / "record").read_text().splitlines()
    assert "body@reports/comment.md" in record
    assert record[-1] == "https://gitlab.example.org/api/v4/projects/9/merge_requests/7/notes"
    without = shell(project, "\n".join(job["after_script"]), **(environ | {"HARNESS_TOKEN": ""}))
    assert without.returncode == 0
    assert (project / "record").read_text().splitlines() == record


MINE = {"id": 31, "body": f"{MARK}\n### Ports: pass"}
OTHERS = {"id": 30, "body": f"What is {MARK}?"}


@pytest.mark.parametrize(
    ("notes", "sent"),
    [
        ([OTHERS], ["--data-urlencode", "body@reports/comment.md", "{notes}"]),
        (
            [OTHERS, MINE, {**MINE, "id": 32}],
            ["--request", "PUT", "--data-urlencode", "body@reports/comment.md", "{notes}/31"],
        ),
    ],
)
def test_the_gitlab_job_writes_its_comment_once(project, notes, sent):
    (job,) = read("gitlab-ci.yml").values()
    api = "https://gitlab.example.org/api/v4"
    environ = {
        "CI_MERGE_REQUEST_IID": "7",
        "CI_PROJECT_ID": "9",
        "CI_API_V4_URL": api,
        "HARNESS_TOKEN": "secret",
        "NOTES": json.dumps(notes),
    }
    done = shell(project, "\n".join(job["after_script"]), **environ)
    assert done.returncode == 0, done.stderr
    place = f"{api}/projects/9/merge_requests/7/notes"
    options = ["--fail", "--silent", "--show-error", "--header", "PRIVATE-TOKEN:secret"]
    assert (project / "record").read_text().splitlines() == [
        *("curl", *options, f"{place}?per_page=100&sort=asc"),
        *("curl", *options, *(word.format(notes=place) for word in sent)),
    ]
