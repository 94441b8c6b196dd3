"""Starting the processes of a run, and joining them."""

import gc
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import get_args_parser
from torch.distributed.run import run as run_elastic

from model.accelerator import bound_device
from model.command import USER_ERROR
from model.devices import Device, backend_of, backend_spec, use_device
from model.errors import ConfigError
from model.threads import cpus

# launcher: the variables that hold rank, size and rank on this machine
_VARIABLES = {
    "pytorch": ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    "slurm": ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    "mpi": ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
}


def must_spawn(args: Namespace) -> bool:
    """Returns whether this process starts the ranks and is not a rank."""
    if args.launcher != "pytorch":
        if args.nproc_per_node is not None:
            raise ConfigError(
                f"--nproc-per-node {args.nproc_per_node} with --launcher {args.launcher}; "
                "expected --launcher pytorch"
            )
        return False
    return "RANK" not in os.environ


def spawn(args: Namespace, argv: Sequence[str]) -> int:
    """Starts the ranks of this machine by torchrun's API, waits, and returns the exit status."""
    count = args.nproc_per_node or 1
    if args.nnodes > 1 and args.master_port is None:
        raise ConfigError(f"--nnodes {args.nnodes} without --master-port; the nodes cannot meet")
    threads = str(max(1, cpus() // count))
    for library in ("OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", threads)
    where = (
        ["--standalone"]
        if args.master_port is None
        else [f"--master-addr={args.master_addr}", f"--master-port={args.master_port}"]
    )
    nodes = [
        f"--nnodes={args.nnodes}",
        f"--nproc-per-node={count}",
        f"--node-rank={args.node_rank}",
    ]
    try:
        run_elastic(get_args_parser().parse_args([*nodes, *where, "-m", "model.train", *argv]))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        print(
            f"error: rank {rank} of {count * args.nnodes} ended with status {failure.exitcode}; "
            "its message is above",
            file=sys.stderr,
        )
        return USER_ERROR if failure.exitcode == USER_ERROR else 1
    return 0


def join(launcher: str, device: Device, *, timeout_s: int | None = None) -> tuple[int, int]:
    """Joins the run as a rank with its own device; returns (rank, world size).

    mmengine would set a CUDA device whatever the device is; it leaves a group that is there alone.
    """
    if launcher == "none":
        use_device(device)
        return 0, 1
    rank, world_size, local_rank = (_variable(launcher, name) for name in _VARIABLES[launcher])
    use_device(device, local_rank=local_rank)
    os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
    os.environ.setdefault("MASTER_PORT", "29500")
    os.environ["LOCAL_RANK"] = str(local_rank)  # mmengine reads it
    # torch 2.13 renames an option that older ones need under the old name
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
    distributed.init_process_group(
        backend_spec(device),
        device_id=bound_device(device.torch_type, local_rank),
        rank=rank,
        world_size=world_size,
        timeout=None if timeout_s is None else timedelta(seconds=timeout_s),
    )
    _set_default_backend(device)
    return rank, world_size


def _set_default_backend(device: Device) -> None:
    """Makes the backend of a plugin the default of the group.

    torch 2.13 leaves the group without a default (it compares "TCCL" with "tccl"), and each rank
    warns of that at its end. torch 2.14 lists its own backends among the plugins, too.
    """
    group = distributed.group.WORLD
    kind = distributed.Backend.backend_type_map.get(backend_of(device))
    if group is not None and kind == distributed.ProcessGroup.BackendType.CUSTOM:
        group._set_default_backend(kind)


def _variable(launcher: str, name: str) -> int:
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"--launcher {launcher}: found no {name} in the environment")
    if not value.isascii() or not value.isdigit():
        raise ConfigError(f"--launcher {launcher}: {name} is {value!r}; expected a whole number")
    return int(value)


def agree(value: Any, *, world_size: int) -> Any:
    """Rank 0's value, on every rank."""
    if world_size == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def meet() -> None:
    """Waits for the other ranks, if any, before the process group is destroyed."""
    if distributed.is_initialized():
        distributed.barrier()


def quit_rank(status: int) -> None:
    """Ends this process with a status; a rank of several skips the shutdown of the interpreter.

    With gloo a rank sometimes aborted at that point ("terminate called without an active
    exception", 2 of 6 runs on a busy machine), after all its work was done and on disk.
    """
    if "RANK" not in os.environ:
        sys.exit(status)
    gc.collect()  # ends the workers of the data loaders
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def leave() -> None:
    """Leaves the group, if there is one."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
