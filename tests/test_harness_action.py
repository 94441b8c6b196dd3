"""The GitHub action, run step by step by bash on real ports, with stand-ins for the service."""

import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib import util
from pathlib import Path

import pytest
from ciservices import Runner, Service, filled, holds, read_yaml, remark, serving
from loglines import decaying, header, records

from harness.report.ports.comment import MARK, render
from harness.report.ports.oneline import counts

from portresults import HOSTILE, result  # isort: skip

ROOT = Path(__file__).parents[1]
ACTION = ROOT / "action.yml"
COMMENT = ROOT / ".github" / "actions" / "comment"
EXAMPLES = ROOT / "examples" / "ci"
FILES = [
    ACTION,
    COMMENT / "action.yml",
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted(EXAMPLES.glob("github*.yml")),
]
TRICK = """a b'c"d$(touch owned)`touch owned`;touch owned;&|é"""
GOOD = """
[[port]]
name = "good"
baseline = "gpu.log"
candidate = "same.log"
rules = ["two-sided"]
"""
BAD = GOOD.replace("good", "bad").replace("same.log", "worse.log")
PULL = {
    "pull_request": {"number": 7, "head": {"repo": {"full_name": "owner/zoo"}, "sha": "c" * 40}}
}
FORK = {"pull_request": {"number": 7, "head": {"repo": {"full_name": "stranger/zoo"}}}}
AFTER_FORK = {
    "workflow_run": {
        "event": "pull_request",
        "conclusion": "failure",
        "head_branch": "fix #1&x=y",
        "head_sha": "c" * 40,
        "head_repository": {"full_name": "stranger/zoo", "owner": {"login": "stranger"}},
        "pull_requests": [],
    }
}


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    base = decaying(80)
    (folder / "gpu.log").write_text(header(seed=1) + records(base))
    (folder / "same.log").write_text(header(seed=1) + records(base * 1.001))
    (folder / "worse.log").write_text(header(seed=1) + records(base * 1.2))
    (folder / "ports.toml").write_text(GOOD + BAD)
    (folder / "good.toml").write_text(GOOD)
    return folder


@pytest.fixture
def service():
    with serving(Service()) as started:
        yield started


@pytest.fixture
def runner(work, tmp_path, service):
    def make(event=PULL):
        return Runner(work=work, temp=tmp_path / "temp", event=event, api=service.address)

    return make


def steps(document):
    runs = [document["runs"]] if "runs" in document else document["jobs"].values()
    return [step for one in runs for step in one["steps"]]


# The files


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_steps_have_the_shape_that_github_asks_for(path):
    document = read_yaml(path)
    composite = "runs" in document
    known = {"name", "id", "uses", "run", "with", "env", "if", "continue-on-error", "shell"}
    for step in steps(document):
        assert set(step) <= known | {"working-directory"}
        assert ("uses" in step) != ("run" in step)
        if "run" in step:
            assert "${{" not in step["run"], "an expression in a script is run as code"
            assert not composite or step["shell"] == "bash"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_actions_of_others_are_those_of_github_and_pinned(path):
    text = path.read_text(encoding="utf-8")
    for used, rest in re.findall(r"uses: (\S+)(.*)", text):
        ours = used.startswith(("OWNER/REPOSITORY@v", "OWNER/REPOSITORY/.github/actions/", "./"))
        pinned = re.fullmatch(r"actions/[a-z/-]+@[0-9a-f]{40}", used)
        assert ours or (pinned and re.fullmatch(r" # v\d+\.\d+\.\d+", rest)), used


def test_one_action_has_one_version_everywhere():
    found = {}
    for path in FILES:
        for name, pin in re.findall(r"uses: (actions/[a-z-]+)@([0-9a-f]{40})", path.read_text()):
            found.setdefault(name, set()).add(pin)
    assert found
    assert all(len(pins) == 1 for pins in found.values())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_workflows_have_few_permissions_and_a_time_limit(path):
    document = read_yaml(path)
    if "jobs" not in document:
        pytest.skip("an action")
    assert all(value == "read" for value in document["permissions"].values()) or (
        path.name == "github-history.yml"
    )
    for job in document["jobs"].values():
        assert job["timeout-minutes"] <= 60


def test_every_input_and_output_is_described():
    action = read_yaml(ACTION)
    for one in (*action["inputs"].values(), *action["outputs"].values()):
        assert one["description"]
    used = set(re.findall(r"inputs\.([a-z-]+)", ACTION.read_text(encoding="utf-8")))
    assert used == set(action["inputs"])


def test_a_workflow_needs_five_lines_beside_its_head():
    step = read_yaml(EXAMPLES / "github.yml")["jobs"]["ports"]["steps"][-1]
    assert set(step["with"]) <= set(read_yaml(ACTION)["inputs"])


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_shellcheck_finds_nothing(path):
    for step in steps(read_yaml(path)):
        if "run" in step:
            done = subprocess.run(
                ["shellcheck", "--shell=bash", "-"],
                input=step["run"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing(tmp_path):
    zizmor = shutil.which("zizmor", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if zizmor is None:
        pytest.skip("zizmor is not installed; `tox -e package` has it")
    flows = tmp_path / ".github" / "workflows"
    flows.mkdir(parents=True)
    for path in FILES[2:]:
        # The placeholder is at a tag, and stays one in a user's workflow.
        text = re.sub(r"(OWNER/REPOSITORY\S*)@v\S+", rf"\1@{'0' * 40}", path.read_text())
        (flows / path.name).write_text(text)
    shutil.copy(ACTION, tmp_path / "action.yml")
    shutil.copytree(COMMENT, tmp_path / ".github" / "actions" / "comment")
    done = subprocess.run(
        [zizmor, "--offline", "--no-progress", "--min-severity=medium", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


# The check


def test_a_failing_port_fails_the_job_and_is_shown_everywhere(runner, work, service):
    job = runner()
    assert job.run(ACTION) == 1
    assert "::error file=ports.toml,line=" in job.printed
    assert "| bad | **fail** |" in (job.temp / "summary.md").read_text(encoding="utf-8")
    reports = work / "reports"
    assert job.uploaded == {"ports": reports, "ports-comment": reports / "comment.md"}
    assert (reports / "bad" / "report.html").exists()
    assert ET.parse(reports / "junit.xml").getroot().find("testsuite").get("failures") == "1"
    (made,) = service.comments[7]
    assert made["body"] == (reports / "comment.md").read_text(encoding="utf-8")
    assert "```mermaid" in made["body"]


def test_ports_that_pass_pass_the_job(runner, service):
    job = runner()
    assert job.run(ACTION, manifest="good.toml") == 0
    assert job.outputs["check"]["outputs"] == {"status": "0"}
    assert "### Ports: pass" in service.comments[7][0]["body"]


def test_a_second_run_updates_the_comment(runner, service):
    runner().run(ACTION)
    assert "### Ports: fail" in service.comments[7][0]["body"]
    runner().run(ACTION, manifest="good.toml")
    (only,) = service.comments[7]
    assert "### Ports: pass" in only["body"]


def test_a_comment_of_somebody_else_is_left_alone(runner, service):
    service.comments[7] = [remark(f"{MARK}\nmine", id=n, login="stranger") for n in range(150)]
    runner().run(ACTION)
    assert len(service.comments[7]) == 151
    runner().run(ACTION)
    assert len(service.comments[7]) == 151
    assert all(one["body"] == f"{MARK}\nmine" for one in service.comments[7][:150])


def test_a_pull_request_of_a_fork_is_judged_without_a_call(runner, service):
    job = runner(FORK)
    assert job.run(ACTION) == 1
    assert service.calls == []
    assert "::notice::no comment: the pull request comes from a fork" in job.printed
    assert set(job.uploaded) == {"ports", "ports-comment"}


def test_a_push_writes_no_comment(runner, service):
    job = runner({})
    assert job.run(ACTION) == 1
    assert service.calls == []
    assert set(job.uploaded) == {"ports"}


@pytest.mark.parametrize("manifest", ["good.toml", "ports.toml"])
def test_a_comment_that_cannot_be_written_changes_no_verdict(runner, service, manifest):
    service.readonly = True
    job = runner()
    assert job.run(ACTION, manifest=manifest) == (0 if manifest == "good.toml" else 1)
    assert "403; the job needs `pull-requests: write`" in job.printed


def test_comments_and_artifacts_can_be_switched_off(runner, service):
    job = runner()
    job.run(ACTION, comment="false", artifact="")
    assert service.calls == []
    assert job.uploaded == {}


def test_an_unreadable_manifest_is_an_error_of_the_job(runner, work, service):
    (work / "reports").mkdir()
    (work / "reports" / "comment.md").write_text(f"{MARK}\n### Ports: pass\n")
    (work / "reports" / "junit.xml").write_text("<testsuites/>")
    job = runner()
    assert job.run(ACTION, manifest="absent.toml") == 2
    assert "absent.toml: no such file" in job.printed
    assert not (work / "reports" / "junit.xml").exists()


def test_an_unreadable_manifest_replaces_the_comment_of_an_earlier_run(runner, service):
    runner().run(ACTION, manifest="good.toml")
    assert "### Ports: pass" in service.comments[7][0]["body"]
    runner().run(ACTION, manifest="absent.toml")
    (only,) = service.comments[7]
    assert only["body"].startswith(f"{MARK}\n")
    assert "**No port was judged**" in only["body"]
    assert "pass" not in only["body"]


def test_no_input_is_run_as_code(runner, work, service):
    shutil.copy(work / "good.toml", work / f"{TRICK}.toml")
    job = runner()
    assert job.run(ACTION, manifest=f"{TRICK}.toml", report=f"r {TRICK}", artifact=TRICK) == 0
    assert (work / f"r {TRICK}" / "comment.md").exists()
    assert len(service.comments[7]) == 1
    assert not list(work.parent.rglob("owned"))


@pytest.mark.parametrize("manifest", ["--help", "-q.toml"])
def test_a_manifest_is_no_option(runner, work, manifest):
    shutil.copy(work / "ports.toml", work / manifest)
    assert runner().run(ACTION, manifest=manifest) == 1


@pytest.mark.parametrize("name", ["extras", "version"])
@pytest.mark.parametrize(
    "value", [TRICK, "history]; x @ http://evil", "a b", "$(touch owned)", "fast\n-e."]
)
def test_what_is_installed_is_checked(runner, work, name, value):
    job = runner()
    assert job.run(ACTION, **{name: value}) == 2
    assert f"::error::the input {name}" in job.printed
    assert not (job.temp / "record").exists()
    assert not list(work.parent.rglob("owned"))


@pytest.mark.parametrize("value", [",", "fast,", ",fast", "fast,,history"])
def test_a_list_of_extras_has_no_empty_name(runner, value):
    job = runner()
    assert job.run(ACTION, extras=value) == 2
    assert "::error::the input extras" in job.printed


ASKED = [
    ({}, f"{ROOT}"),
    ({"extras": "history,parquet"}, f"{ROOT}[history,parquet]"),
    ({"version": "0.2.0rc1"}, "ccnet-port-harness==0.2.0rc1"),
    ({"version": "1!2.0", "extras": "fast"}, "ccnet-port-harness[fast]==1!2.0"),
]


@pytest.mark.parametrize("asked", [asked for _, asked in ASKED])
def test_pip_takes_what_is_installed_for_a_requirement(asked):
    """It refuses a folder with empty brackets behind it."""
    pytest.importorskip("pip")
    options = ["--dry-run", "--no-deps", "--no-index", "--no-build-isolation"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, asked],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Invalid requirement" not in done.stdout + done.stderr


def test_a_failed_installation_is_an_error_and_no_verdict(work, tmp_path, service):
    shim = tmp_path / "python"
    shim.write_text(
        "#!/bin/sh\n"
        'if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit; fi\n'
        'if [ "$2" = pip ]; then echo "ERROR: no such version" >&2; exit 1; fi\n'
        f'exec "{sys.executable}" "$@"\n'
    )
    shim.chmod(0o755)
    job = Runner(
        work=work, temp=tmp_path / "temp", event=PULL, api=service.address, python=str(shim)
    )
    assert job.run(ACTION) == 2
    assert "ERROR: no such version" in job.printed
    assert "::error::the harness was not installed" in job.printed
    value = read_yaml(ACTION)["outputs"]["status"]["value"]
    steps_of = {"check": {"outputs": {}}}
    assert filled(value, {"steps": steps_of}) == "2"
    assert filled(value, {"steps": {"check": {"outputs": {"status": "3"}}}}) == "3"


@pytest.mark.parametrize("report", ["", "gpu.log", "gpu.log/reports"])
def test_a_report_that_is_no_folder_is_an_error(runner, report):
    job = runner()
    assert job.run(ACTION, manifest="good.toml", report=report) == 2
    assert "::error::the input report" in job.printed


@pytest.mark.parametrize(("given", "asked"), ASKED)
def test_the_version_of_the_action_is_installed_by_default(runner, given, asked):
    job = runner()
    job.run(ACTION, manifest="good.toml", **given)
    assert (job.temp / "record").read_text().splitlines()[-1] == asked


# The second workflow, for forks


def after(runner, text, work):
    (work / "comment.md").write_text(text, encoding="utf-8")
    job = runner(AFTER_FORK)
    return job.run(COMMENT / "action.yml", file="comment.md"), job


@pytest.fixture
def pull(service):
    label = "stranger:fix #1&x=y"
    service.pulls = [
        {"number": 6, "head": {"label": label, "sha": "d" * 40}},
        {"number": 7, "head": {"label": label, "sha": "c" * 40}},
        {"number": 8, "head": {"label": "other:main", "sha": "c" * 40}},
    ]
    return service


def test_the_comment_of_a_fork_goes_to_the_pull_request_of_the_event(runner, work, pull):
    text = render([result("a", "fail"), result("b")])
    status, _ = after(runner, text + "number: 6\n", work)
    assert status == 0
    assert set(pull.comments) == {7}
    body = pull.comments[7][0]["body"]
    assert body.startswith(f"{MARK}\n_This text was written by a job")
    assert "xychart-beta" in body
    assert "| a | **fail** |" in body
    after(runner, text, work)
    assert len(pull.comments[7]) == 1


def test_newer_commits_get_no_old_comment(runner, work, pull):
    pull.pulls[1]["head"]["sha"] = "e" * 40
    status, job = after(runner, render([result("a")]), work)
    assert status == 1
    assert "no open pull request has the commit" in job.printed
    assert not pull.comments


def test_the_text_of_a_fork_is_made_harmless(runner, work, pull):
    hostile = (
        f"{MARK}\n![x](https://evil.example/p.png) [y](//evil.example) [z]: evil.example\n"
        "<img src=x> <a href='https://evil.example'>a</a> <br> @maintainer #12 o/r#3 GH-4 "
        "www.evil.example mailto:a@b.example ftp://evil.example \x1b[31m\u202e\n"
    )
    status, _ = after(runner, hostile, work)
    assert status == 0
    body = pull.comments[7][0]["body"].removeprefix(MARK)
    for part in ("](", "]:", "://", "<img", "<a", "</a", "@m", "@b", "#1", "#3", "GH-4"):
        assert part not in body, part
    assert not set(body) & set("\x1b\u202e")
    assert "www." not in body
    assert "mailto:" not in body
    assert "<br>" in body


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("large", "has more than 65000 bytes"),
        ("mark", "does not begin with"),
        ("bytes", "UnicodeDecodeError"),
        ("link", "OSError"),
        ("folder", "IsADirectoryError"),
        ("pipe", "is not a regular file"),
        ("absent", "FileNotFoundError"),
    ],
)
def test_only_a_small_regular_text_is_taken(runner, work, pull, kind, said):
    path = work / "comment.md"
    secret = work / "secret"
    secret.write_text(f"{MARK}\nsecret")
    {
        "large": lambda: path.write_text(f"{MARK}\n" + "x" * 70_000),
        "mark": lambda: path.write_text(f"hello\n{MARK}"),
        "bytes": lambda: path.write_bytes(MARK.encode() + b"\n\xff\xfe"),
        "link": lambda: path.symlink_to(secret),
        "folder": path.mkdir,
        "pipe": lambda: os.mkfifo(path),
        "absent": lambda: None,
    }[kind]()
    job = runner(AFTER_FORK)
    assert job.run(COMMENT / "action.yml", file="comment.md") == 1
    assert said in job.printed
    assert len(job.printed.splitlines()) == 1
    assert not pull.comments


def test_the_longest_comment_of_a_check_is_taken(runner, work, pull):
    ports = [result(HOSTILE * 9 + str(n), "fail", reasons=(HOSTILE * 90,)) for n in range(500)]
    status, job = after(runner, render(ports), work)
    assert status == 0, job.printed
    assert counts(ports) in pull.comments[7][0]["body"]


def test_the_mark_is_that_of_the_writer():
    spec = util.spec_from_file_location("comment", COMMENT / "comment.py")
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.MARK == MARK


def test_the_second_workflow_runs_for_forks_alone_and_checks_nothing_out():
    flow = read_yaml(EXAMPLES / "github-comment.yml")
    first = read_yaml(EXAMPLES / "github.yml")
    assert flow["on"]["workflow_run"]["workflows"] == [first["name"]]
    (job,) = flow["jobs"].values()
    assert not [step for step in job["steps"] if "run" in step or "checkout" in step["uses"]]
    for event, runs in (
        (AFTER_FORK, True),
        (_changed(head_repository={"full_name": "owner/zoo"}), False),
        (_changed(event="push"), False),
        (_changed(conclusion="cancelled"), False),
    ):
        contexts = {"github": {"event": event, "repository": "owner/zoo"}}
        assert holds(job["if"], contexts) is runs
    artifact = job["steps"][0]["with"]["name"]
    upload = [s for s in steps(read_yaml(ACTION)) if "upload-artifact" in s.get("uses", "")]
    names = [filled(s["with"]["name"], {"inputs": {"artifact": "ports"}}) for s in upload]
    assert artifact in names
    assert set(job["steps"][1]["with"]) <= set(read_yaml(COMMENT / "action.yml")["inputs"])


def _changed(**fields):
    return {"workflow_run": AFTER_FORK["workflow_run"] | fields}


def test_a_redirect_with_the_token_is_refused(runner, work, service):
    moved = Service()
    with serving(moved):
        service.answer = lambda *_: (302, {})
        status, job = after(runner, render([result("a")]), work)
    assert status == 1
    assert moved.calls == []
    assert json.dumps(AFTER_FORK) not in job.printed
