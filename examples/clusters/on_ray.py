"""Judges ports on a Ray cluster: `harness check --executor on_ray:make_executor`.

Copy this file beside ports.toml. RAY_ADDRESS names the cluster; without it, Ray starts on this
machine. The harness must be installed on every node, and the logs must have the same paths there.
"""

from concurrent.futures import Executor, Future
from typing import Any

import ray


class RayExecutor(Executor):
    """An executor whose tasks run on Ray, which repeats a task three times if its worker dies."""

    def __init__(self) -> None:
        self._begun = not ray.is_initialized()
        if self._begun:
            ray.init(log_to_driver=False, include_dashboard=False)
        self._run = ray.remote(lambda work, *given: work(*given))

    def submit(self, work: Any, /, *given: Any) -> "Future[Any]":
        """Returns the future of `work(*given)`."""
        return self._run.remote(work, *given).future()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Disconnects from a cluster that this executor connected to, which ends its tasks."""
        if self._begun:
            ray.shutdown()


def make_executor() -> RayExecutor:
    """Returns an executor on the cluster that RAY_ADDRESS names, or on this machine."""
    return RayExecutor()
