"""The collective backend: two ranks, each a process with a device, sum a tensor.

python -m model.doctor.collective KIND        one rank; RANK and the like are in the environment
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from model.doctor.check import Asked, Result, ok, problem, warning

RANKS = 2


def collective(asked: Asked) -> Result:
    """Starts the ranks and waits for their sum; one rank where there is one device only."""
    from model.devices import backend_of, device_count  # noqa: PLC0415 - a rank needs them alone
    from model.doctor.hardware import chosen  # noqa: PLC0415

    device = chosen(asked)
    backend = backend_of(device)
    ranks = RANKS if device.kind == "cpu" else min(RANKS, device_count(device))
    for code, said in _outcomes(device.kind, ranks):
        if code != 0:
            return problem(
                f"{backend}: a rank ended with status {code} ({said})",
                "look at the plugin's collective library, its variables and the network interface",
            )
    if ranks < RANKS:
        return warning(
            f"{backend}: one device, so one rank alone was tried", "check again with two devices"
        )
    return ok(f"{backend}: {ranks} ranks summed a tensor and broadcast another", backend=backend)


def _outcomes(kind: str, ranks: int) -> list[tuple[int, str]]:
    """Returns the exit status and the last line of each rank; they end with this process's group.

    The first rank that fails ends the others, which would wait for it.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    fixed = {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "model.doctor.collective", kind],
            env={**os.environ, **fixed, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    outcomes = []
    for process in processes:
        _, errors = process.communicate()
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        outcomes.append((process.returncode, lines[-1][:200] if lines else "it said nothing"))
    return outcomes


def rank(kind: str) -> None:
    """Joins the other ranks, sums over them and broadcasts from rank 0, then leaves."""
    import torch  # noqa: PLC0415
    from torch import distributed  # noqa: PLC0415

    from model.devices import find_device  # noqa: PLC0415
    from model.launch import join, leave, quit_rank  # noqa: PLC0415

    device = find_device(kind)
    number, size = join("pytorch", device, timeout_s=30, rendezvous_timeout_s=30)
    parts = torch.full((1024,), float(number + 1), device=device.torch_type)
    distributed.all_reduce(parts)
    whole = torch.arange(1024.0) if number == 0 else torch.zeros(1024)
    whole = whole.to(device.torch_type)
    distributed.broadcast(whole, src=0)
    expected = size * (size + 1) / 2
    if not bool((parts.cpu() == expected).all()) or not torch.equal(
        whole.cpu(), torch.arange(1024.0)
    ):
        raise RuntimeError(f"the sum of {size} ranks is {float(parts[0])}; expected {expected}")
    distributed.barrier()
    leave()
    quit_rank(0)


if __name__ == "__main__":
    rank(sys.argv[1])
