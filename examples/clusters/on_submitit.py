"""Judges ports.toml in 8 jobs by submitit, and merges: `python on_submitit.py [slurm|local]`.

Copy this file beside ports.toml. Its folder must have the same path on every node. A job that
ended without results, for example because it was killed, is submitted again and judges no port
twice. submitit asks `sacct` whether a job ended, so Slurm needs its accounting.
"""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import submitit

SHARDS = 8
AGAIN = 2  # how often a job without results is submitted again
HARNESS = (sys.executable, "-m", "harness")


def judge(index: int, run: str) -> str:
    """Judges a shard, and returns the file with its results."""
    words = ("check", "ports.toml", "--shard", f"{index}/{SHARDS}", "--resume", "--quiet")
    environ = {**os.environ, "HARNESS_RUN": run}  # merge joins the shards of one run only
    subprocess.run([*HARNESS, *words], env=environ, check=False)  # a port that fails is a result
    results = Path("shards", f"{index}-of-{SHARDS}.jsonl")
    if not results.exists():
        message = f"shard {index}/{SHARDS} has no results"
        raise RuntimeError(message)
    return str(results)


def results(executor: submitit.Executor, job: submitit.Job[str], index: int, run: str) -> str:
    """Returns the file with the results of a job, which is submitted again if it has none."""
    for _ in range(AGAIN):
        try:
            return job.result()
        except submitit.core.utils.UncompletedJobError:  # killed, or its command was
            print(f"job {job.job_id} has no results; it is submitted again", file=sys.stderr)
            job = executor.submit(judge, index, run)
    return job.result()


def main() -> int:
    """Returns the exit status of the merge."""
    cluster = sys.argv[1] if len(sys.argv) > 1 else "slurm"
    executor = submitit.AutoExecutor(folder="submitit", cluster=cluster)
    executor.update_parameters(timeout_min=60)
    run, shards = uuid.uuid4().hex, range(1, SHARDS + 1)
    jobs = executor.map_array(judge, shards, [run] * SHARDS)
    files = [results(executor, job, index, run) for index, job in zip(shards, jobs, strict=True)]
    return subprocess.run([*HARNESS, "merge", *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
