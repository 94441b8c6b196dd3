"""Starting the processes of a run, and joining them."""

import ctypes
import gc
import logging
import os
import signal
import sys
import warnings
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import torch
from torch import distributed
from torch.distributed.distributed_c10d import Store
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.run import get_args_parser
from torch.distributed.run import run as run_elastic

from model.accelerator import bound_device
from model.command import RANK_FAILED, SIGNALLED, USER_ERROR, tell
from model.devices import Device, backend_of, backend_spec, device_count, use_device
from model.errors import ConfigError
from model.interfaces import LOOPBACK
from model.launchers import LAUNCHERS, place_of, rank_of
from model.rendezvous import TIMEOUT_S, Member, Place, assemble
from model.threads import cpus

OF_TORCHRUN = ("nnodes", "nproc_per_node", "node_rank", "master_addr", "master_port")
"""Options that `--launcher pytorch` alone takes; the other launchers set these themselves."""
_PR_SET_PDEATHSIG = 1
_GROUP_TIMEOUT_S = 1800
"""Of a collective, as torch has it."""


def must_spawn(args: Namespace) -> bool:
    """Returns whether this process starts the ranks and is not a rank."""
    if args.launcher != "pytorch":
        for name in OF_TORCHRUN:
            if getattr(args, name) is not None:
                raise ConfigError(
                    f"--{name.replace('_', '-')} {getattr(args, name)} with --launcher "
                    f"{args.launcher}; expected --launcher pytorch"
                )
        return False
    return "RANK" not in os.environ


def spawn(args: Namespace, argv: Sequence[str]) -> int:
    """Starts the ranks of this machine by torchrun's API, waits, and returns the exit status."""
    count = args.nproc_per_node or 1
    threads = str(max(1, cpus() // count))
    for library in ("OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", threads)
    nodes, store = _meet_machines(args)  # the store must outlive the run: it is machine 0's
    command = [*nodes, f"--nproc-per-node={count}", "-m", "model.train", *argv]
    for name in ("agent.server.api", "multiprocessing.api"):  # what they log is told below
        logging.getLogger(f"torch.distributed.elastic.{name}").setLevel(logging.CRITICAL)
    try:
        run_elastic(get_args_parser().parse_args(command))
    except ChildFailedError as error:
        # one that lost another rank ends with RANK_FAILED, within the same second
        rank, failure = min(
            error.failures.items(), key=lambda f: (f[1].exitcode == RANK_FAILED, f[1].timestamp)
        )
        tell(f"error: rank {rank} {_ended(failure)}")
        return USER_ERROR if failure.exitcode == USER_ERROR else RANK_FAILED
    except SignalException as error:
        tell(f"ended by {error.sigval.name}, with all ranks of this machine")
        return SIGNALLED + error.sigval
    finally:
        del store
    return 0


def _meet_machines(args: Namespace) -> tuple[list[str], Store | None]:
    """Waits for the other machines; returns torchrun's options for them, and what they share."""
    count, number = args.nnodes or 1, args.node_rank or 0
    machine = Member(
        kind="machine",
        number=number,
        count=count,
        number_from="--node-rank",
        count_from="--nnodes",
    )
    if args.master_port is None:
        if count > 1:
            raise ConfigError(f"--nnodes {count} without --master-port; the nodes cannot meet")
        # torch takes the machine's name otherwise, which need not resolve
        return ["--standalone", f"--local-addr={LOOPBACK}"], None
    place = Place(
        address=args.master_addr or LOOPBACK,
        port=args.master_port,
        address_from="--master-addr",
        port_from="--master-port",
    )
    store = assemble(place, machine, timeout_s=args.rendezvous_timeout)
    where = [f"--master-addr={place.address}", f"--master-port={place.port}"]
    return [f"--nnodes={count}", f"--node-rank={number}", *where], store


def _ended(failure: ProcessFailure) -> str:
    """Returns how a rank ended, and what to do."""
    if failure.exitcode >= 0:
        return f"ended with status {failure.exitcode}; its message is above"
    cause = " (is there enough memory?)" if failure.exitcode == -signal.SIGKILL else ""
    return f"was ended by {failure.signal_name()}{cause}; go on with --resume auto"


def join(
    launcher: str,
    device: Device,
    *,
    timeout_s: int | None = None,
    rendezvous_timeout_s: float = TIMEOUT_S,
) -> tuple[int, int]:
    """Joins the run as a rank with its own device; returns (rank, world size).

    `timeout_s` is for each collective, `rendezvous_timeout_s` for all ranks to come. mmengine would
    set a CUDA device whatever the device is; it leaves a group that is there alone.
    """
    if launcher == "none":
        use_device(device)
        return 0, 1
    _end_with_parent()
    rank, local_rank = rank_of(launcher)
    index = _device_index(launcher, device, local_rank)
    use_device(device, local_rank=index, per_machine=LAUNCHERS[launcher].per_machine)
    place = place_of(launcher)
    own = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = assemble(
        place,
        rank,
        timeout_s=rendezvous_timeout_s,
        serves=own and rank.number == 0,
    )
    _set_environment(place, rank, local_rank)
    # torch 2.13 renames an option that older ones need under the old name
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
    timeout = timedelta(seconds=timeout_s or _GROUP_TIMEOUT_S)
    store.set_timeout(timeout)
    distributed.init_process_group(
        backend_spec(device),
        device_id=bound_device(device.torch_type, index),
        store=store,
        rank=rank.number,
        world_size=rank.count,
        timeout=None if timeout_s is None else timeout,
    )
    _set_default_backend(device)
    return rank.number, rank.count


def _end_with_parent() -> None:
    """Asks Linux to kill this rank when what started it ends: no rank is left over."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _device_index(launcher: str, device: Device, local_rank: int) -> int:
    """Returns the number of the rank's device among those that it sees.

    Slurm (`--gpus-per-task`) and scripts of mpirun often show each rank its own device alone.
    """
    alone = launcher != "pytorch" and device_count(device) == 1
    return 0 if alone else local_rank


def _set_environment(place: Place, rank: Member, local_rank: int) -> None:
    """Sets torchrun's variables under every launcher: mmengine and plugins read them."""
    os.environ.update(
        MASTER_ADDR=place.address,
        MASTER_PORT=str(place.port),
        RANK=str(rank.number),
        WORLD_SIZE=str(rank.count),
        LOCAL_RANK=str(local_rank),
    )
    for library in ("OMP", "MKL"):  # mmengine warns, and says 1, where there is no number
        os.environ.setdefault(f"{library}_NUM_THREADS", str(torch.get_num_threads()))


def _set_default_backend(device: Device) -> None:
    """Makes the backend of a plugin the default of the group.

    torch 2.13 leaves the group without a default (it compares "TCCL" with "tccl"), and each rank
    warns of that at its end. torch 2.14 lists its own backends among the plugins, too.
    """
    group = distributed.group.WORLD
    kind = distributed.Backend.backend_type_map.get(backend_of(device))
    if group is not None and kind == distributed.ProcessGroup.BackendType.CUSTOM:
        group._set_default_backend(kind)


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
