"""The GitLab component, run by a shell on real ports as GitLab fills it in."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from loglines import decaying, header, records

from harness.report.ports.comment import MARK

ROOT = Path(__file__).parents[1]
COMPONENT = ROOT / "templates" / "check.yml"
TRICK = """a b'c$(touch owned)`touch owned`;touch owned;&|é"""
API = "https://gitlab.example.org/api/v4"
MANIFEST = """
[[port]]
name = "bad"
baseline = "gpu.log"
candidate = "worse.log"
rules = ["two-sided"]
"""
RECORDER = '#!/bin/sh\nprintf "%s\\n" "{name}" "$@" >> "$RECORD"\n'
PYTHON = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then exit 0; fi
exec "{python}" "$@"
"""


def parts():
    return list(yaml.safe_load_all(COMPONENT.read_text(encoding="utf-8")))


def filled(**given):
    """The job with its inputs, which GitLab fills in as text before it reads the YAML."""
    inputs = parts()[0]["spec"]["inputs"]
    text = COMPONENT.read_text(encoding="utf-8").partition("\n---\n")[2]
    assert set(given) <= set(inputs)

    def value(match):
        default = inputs[match[1]]["default"]
        chosen = given.get(match[1], default)
        return str(chosen).lower() if isinstance(default, bool) else str(chosen)

    (job,) = yaml.safe_load(re.sub(r"\$\[\[ inputs\.(\w+) \]\]", value, text)).values()
    return job


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    base = decaying(80)
    (folder / "gpu.log").write_text(header(seed=1) + records(base))
    (folder / "worse.log").write_text(header(seed=1) + records(base * 1.2))
    (folder / "ports.toml").write_text(MANIFEST)
    shims = tmp_path / "bin"
    shims.mkdir()
    harness = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m harness "$@"\n'
    service = RECORDER.format(name="curl") + 'case "$*" in *notes?*) printf "%s" "$NOTES";; esac\n'
    for name, text in {
        "harness": harness,
        "pip": RECORDER.format(name="pip"),
        "curl": service,
        "python": PYTHON.format(python=sys.executable),
    }.items():
        (shims / name).write_text(text)
        (shims / name).chmod(0o755)
    return folder


def shell(work, job, part, **more):
    """Runs a part of the job; the environment that it makes is that of the shims."""
    given = {
        name: one["value"] if isinstance(one, dict) else one
        for name, one in job["variables"].items()
    }
    script = "\n".join(job[part]).replace("/tmp/ccnet-port-harness/bin/", "")
    return subprocess.run(
        ["sh", "-ec", script],
        cwd=work,
        env={k: v for k, v in os.environ.items() if not k.startswith(("CI", "GITHUB", "HARNESS"))}
        | {
            "PATH": f"{work.parent / 'bin'}:{os.environ['PATH']}",
            "RECORD": str(work.parent / "record"),
            "CI_PROJECT_DIR": str(work),
        }
        | given
        | more,
        capture_output=True,
        text=True,
        check=False,
    )


def recorded(work):
    return (work.parent / "record").read_text().splitlines()


def test_inputs_are_described_and_all_used():
    head, body = parts()
    inputs = head["spec"]["inputs"]
    assert all(one["description"] and "default" in one for one in inputs.values())
    text = COMPONENT.read_text(encoding="utf-8").partition("\n---\n")[2]
    assert set(re.findall(r"inputs\.(\w+)", text)) == set(inputs)
    for job in body.values():
        for part in ("before_script", "script", "after_script"):
            assert all("[[ inputs" not in line for line in job[part]), "run as code"


def test_the_example_names_inputs_of_the_component():
    example = yaml.safe_load((ROOT / "examples" / "ci" / "gitlab-component.yml").read_text())
    (used,) = example["include"]
    assert re.fullmatch(r"\$CI_SERVER_FQDN/OWNER/REPOSITORY/check@\d+\.\d+\.\d+", used["component"])
    assert set(used["inputs"]) <= set(parts()[0]["spec"]["inputs"])


def test_the_job_judges_and_writes_what_gitlab_shows(work):
    job = filled()
    assert shell(work, job, "before_script").returncode == 0
    done = shell(work, job, "script")
    assert done.returncode == 1, done.stderr
    for place in (*job["artifacts"]["reports"].values(), *job["artifacts"]["paths"]):
        assert (work / place).exists()
    (issue,) = json.loads((work / "reports" / "quality.json").read_text())
    assert issue["location"]["path"] == "ports.toml"


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, "ccnet-port-harness"),
        ({"version": "0.1.0", "extras": "history"}, "ccnet-port-harness[history]==0.1.0"),
        ({"source": "git+https://h/o/r@v1"}, "ccnet-port-harness @ git+https://h/o/r@v1"),
    ],
)
def test_the_chosen_package_is_installed(work, given, asked):
    assert shell(work, filled(**given), "before_script").returncode == 0
    assert recorded(work)[-1] == asked


def test_no_input_is_run_as_code(work):
    (work / f"{TRICK}.toml").write_text(MANIFEST)
    job = filled(manifest=f"{TRICK}.toml", source=TRICK)
    assert job["variables"]["CHECK_MANIFEST"]["expand"] is False
    assert job["variables"]["CHECK_SOURCE"]["expand"] is False
    assert shell(work, job, "before_script").returncode == 0
    assert shell(work, job, "script").returncode == 1
    assert not list(work.parent.rglob("owned"))


@pytest.mark.parametrize("name", ["extras", "report", "version"])
def test_inputs_that_are_part_of_other_words_are_checked_by_gitlab(name):
    spec = parts()[0]["spec"]["inputs"][name]
    assert re.search(spec["regex"], spec["default"])
    assert spec["regex"].startswith("^")
    assert spec["regex"].endswith("$")
    for wrong in (TRICK, "a b", '"', "$X"):
        assert not re.search(spec["regex"], wrong)


def test_results_in_the_checkout_are_not_those_of_the_job(work):
    (work / "reports").mkdir()
    for name in ("comment.md", "junit.xml", "quality.json"):
        (work / "reports" / name).write_text(f"{MARK}\n### Ports: pass\n")
    job = filled(manifest="absent.toml")
    assert shell(work, job, "before_script").returncode == 0
    assert shell(work, job, "script").returncode == 2
    (only,) = (work / "reports").iterdir()
    text = only.read_text()
    assert text.startswith(f"{MARK}\n")
    assert "**No port was judged**" in text


@pytest.mark.parametrize("notes", [[], [{"id": 31, "body": f"{MARK}\nold"}]])
def test_the_comment_is_written_once(work, notes):
    job = filled()
    shell(work, job, "before_script")
    shell(work, job, "script")
    place = f"{API}/projects/9/merge_requests/7/notes"
    environ = {
        "CI_MERGE_REQUEST_IID": "7",
        "CI_PROJECT_ID": "9",
        "CI_API_V4_URL": API,
        "HARNESS_TOKEN": "secret",
        "NOTES": json.dumps(notes),
    }
    assert shell(work, job, "after_script", **environ).returncode == 0
    assert recorded(work)[-1] == (f"{place}/31" if notes else place)
    assert "body@reports/comment.md" in recorded(work)
    before = recorded(work)
    for more in ({"HARNESS_TOKEN": ""}, {"CI_MERGE_REQUEST_IID": ""}):
        assert shell(work, job, "after_script", **(environ | more)).returncode == 0
    assert shell(work, filled(comment=False), "after_script", **environ).returncode == 0
    assert recorded(work) == before
