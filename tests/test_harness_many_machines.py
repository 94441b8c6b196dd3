"""The scripts for many machines that a user copies: their commands judge and merge here.

What only the service can do is replaced: it numbers the jobs by a variable, and it carries files
from one job to the next.
"""

import ast
import re
from pathlib import Path

import pytest
import yaml
from test_harness_examples import project, read, shell  # noqa: F401  (project is a fixture)

ROOT = Path(__file__).parents[1]
CLUSTERS = ROOT / "examples" / "clusters"


@pytest.fixture
def work(project):  # noqa: F811
    """The project, with a third port, so that no shard of two is empty."""
    folder = project / "work"
    (folder / "third.log").write_bytes((folder / "same.log").read_bytes())
    entry = '\n[[port]]\nname = "third"\nbaseline = "gpu.log"\ncandidate = "third.log"\n'
    with (folder / "ports.toml").open("a") as manifest:
        manifest.write(entry + 'rules = ["two-sided"]\n')
    return project


def table(work):
    """What one machine prints."""
    return shell(work, "harness check ports.toml").stdout


def test_the_jobs_of_the_sharded_github_workflow_work(work):
    flow = read("github-shards.yml")
    assert set(flow) == {"name", "on", "permissions", "env", "jobs"}
    shard, merge = flow["jobs"]["shard"], flow["jobs"]["merge"]
    assert merge["needs"] == "shard"
    assert merge["if"] == "${{ !cancelled() }}"
    assert shard["strategy"]["fail-fast"] is False
    numbers = shard["strategy"]["matrix"]["shard"]
    assert shard["env"]["SHARD"] == f"${{{{ matrix.shard }}}}/{len(numbers)}"
    for step in (*shard["steps"], *merge["steps"]):
        assert ("uses" in step) != ("run" in step)
        assert "${{" not in step.get("run", "")
    assert not any("checkout" in step.get("uses", "") for step in merge["steps"])
    (check,) = (s["run"] for s in shard["steps"] if s.get("name") == "Check")
    (join,) = (s["run"] for s in merge["steps"] if s.get("name") == "Merge")
    environ = {"GITHUB_RUN_ID": "7", "GITHUB_SHA": "c" * 40}
    done = [shell(work, check, SHARD=f"{i}/{len(numbers)}", **environ) for i in numbers]
    assert sorted(one.returncode for one in done) == [0, 0, 0, 1]
    (work / "work" / "ports.toml").unlink()  # the last job has no checkout
    merged = shell(work, join, **environ)
    assert merged.returncode == 1
    assert "3 ports: 2 pass, 1 fail" in (work / "work" / "reports" / "comment.md").read_text()
    assert (work / "work" / "reports" / "junit.xml").exists()
    kept = next(s["with"]["path"] for s in shard["steps"] if "upload" in s.get("uses", ""))
    assert kept.split() == ["shards/", "reports/"]


def test_the_slurm_array_works_and_a_port_that_fails_fails_no_task(work):
    script = (CLUSTERS / "slurm.sh").read_text()
    (last,) = re.findall(r"#SBATCH --array=1-(\d+)", script)
    assert f"count={last}\n" in script
    for index in range(1, int(last) + 1):
        done = shell(work, script, SLURM_ARRAY_TASK_ID=str(index), SLURM_ARRAY_JOB_ID="42")
        assert done.returncode == 0, done.stderr
    (join,) = re.findall(r'--wrap "(harness merge .*)"', script)
    merged = shell(work, join)
    assert merged.returncode == 1
    assert merged.stdout.removesuffix("reports: reports/index.html\n") == table(work)
    assert (work / "work" / "reports" / "bad" / "report.html").exists()


def test_a_slurm_task_without_results_fails(work):
    (work / "work" / "ports.toml").write_text("no TOML")
    done = shell(work, (CLUSTERS / "slurm.sh").read_text(), SLURM_ARRAY_TASK_ID="1")
    assert done.returncode == 1


def test_the_pods_of_the_kubernetes_job_work(work):
    job = yaml.safe_load((CLUSTERS / "kubernetes.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    (pod,) = spec["template"]["spec"]["containers"]
    assert pod["command"][:2] == ["bash", "-c"]
    assert f'"$index/{spec["completions"]}"' in pod["command"][2]
    names = {mount["name"] for mount in pod["volumeMounts"]}
    assert names == {volume["name"] for volume in spec["template"]["spec"]["volumes"]}
    for index in range(spec["completions"]):
        environ = {"JOB_COMPLETION_INDEX": str(index), "HARNESS_RUN": "uid"}
        done = shell(work, pod["command"][2], **environ)
        assert done.returncode == 0, done.stderr
    assert shell(work, "harness merge --report reports").returncode == 1


def test_the_executors_of_the_examples_have_the_names_that_the_page_uses():
    page = (ROOT / "docs" / "how-to" / "many-machines.md").read_text()
    for module, function in re.findall(r"--executor (on_\w+):(\w+)", page):
        tree = ast.parse((CLUSTERS / f"{module}.py").read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
