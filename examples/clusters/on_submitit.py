"""Judges ports.toml in 8 jobs by submitit, and merges: `python on_submitit.py [slurm|local]`.

Copy this file beside ports.toml. Its folder must have the same path on every node.
"""

import subprocess
import sys
from pathlib import Path

import submitit

SHARDS = 8
HARNESS = (sys.executable, "-m", "harness")


def judge(index: int) -> str:
    """Judges a shard, and returns the file with its results."""
    words = ("check", "ports.toml", "--shard", f"{index}/{SHARDS}", "--resume", "--quiet")
    subprocess.run([*HARNESS, *words], check=False)  # a port that fails is a result
    results = Path("shards", f"{index}-of-{SHARDS}.jsonl")
    if not results.exists():
        message = f"shard {index}/{SHARDS} has no results"
        raise RuntimeError(message)
    return str(results)


def main() -> int:
    """Returns the exit status of the merge."""
    cluster = sys.argv[1] if len(sys.argv) > 1 else "slurm"
    executor = submitit.AutoExecutor(folder="submitit", cluster=cluster)
    executor.update_parameters(timeout_min=60)
    jobs = executor.map_array(judge, range(1, SHARDS + 1))
    files = [job.result() for job in jobs]
    return subprocess.run([*HARNESS, "merge", *files], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
