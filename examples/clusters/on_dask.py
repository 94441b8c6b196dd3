"""Judges ports on a Dask cluster: `harness check --executor on_dask:make_executor`.

Copy this file beside ports.toml. DASK_SCHEDULER_ADDRESS names the scheduler; without it, Dask
starts workers on this machine. The harness must be installed on every worker, and the logs must
have the same paths there. Dask gives a task to another worker if its worker dies.
"""

from concurrent.futures import Executor

import dask
from distributed import Client


def make_executor() -> Executor:
    """Returns an executor on the cluster of DASK_SCHEDULER_ADDRESS, or on this machine."""
    # Judging is Python code, which runs in one thread of a process at a time.
    given = dask.config.get("scheduler-address", None)
    workers = {} if given else {"threads_per_worker": 1, "dashboard_address": ":0"}
    return Client(set_as_default=False, **workers).get_executor(pure=False)
