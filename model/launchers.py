"""What the launchers say in the environment: ranks, and where they meet.

`pytorch` is torchrun or `--launcher pytorch`, `slurm` is srun, `mpi` is OpenMPI's mpirun.
"""

import os
import re
import zlib
from dataclasses import dataclass

from model.errors import ConfigError
from model.interfaces import LOOPBACK
from model.rendezvous import Member, Place

PORTS = range(15000, 30000)
"""For jobs that name no port; Linux takes the ports of outgoing connections from 32768 on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """The variables of rank, size and rank on this machine, and those that identify the job.

    `start` says how to start the ranks, `per_machine` what sets their number on a machine.
    """

    rank: str
    size: str
    local_rank: str
    job: tuple[str, ...]
    start: str
    per_machine: str


LAUNCHERS = {
    "pytorch": Launcher(
        rank="RANK",
        size="WORLD_SIZE",
        local_rank="LOCAL_RANK",
        job=("TORCHELASTIC_RUN_ID",),
        start="leave RANK out, so that this command starts the ranks, or use torchrun",
        per_machine="--nproc-per-node",
    ),
    "slurm": Launcher(
        rank="SLURM_PROCID",
        size="SLURM_NTASKS",
        local_rank="SLURM_LOCALID",
        job=("SLURM_JOB_ID", "SLURM_STEP_ID"),
        start="start the training with srun",
        per_machine="--ntasks-per-node",
    ),
    "mpi": Launcher(
        rank="OMPI_COMM_WORLD_RANK",
        size="OMPI_COMM_WORLD_SIZE",
        local_rank="OMPI_COMM_WORLD_LOCAL_RANK",
        job=("PMIX_NAMESPACE",),
        start="start the training with OpenMPI's mpirun",
        per_machine="--npernode",
    ),
}


def rank_of(name: str) -> tuple[Member, int]:
    """Returns which rank this process is, and its number on this machine."""
    launcher = LAUNCHERS[name]
    rank, size, local_rank = (
        _number(name, variable) for variable in (launcher.rank, launcher.size, launcher.local_rank)
    )
    if name == "slurm" and size > 1 and "SLURM_STEP_ID" not in os.environ:
        raise ConfigError(
            f"--launcher slurm: found SLURM_NTASKS {size} and no SLURM_STEP_ID: this is the batch "
            "script, which runs once; start the training with srun"
        )
    member = Member(
        kind="rank",
        number=rank,
        count=size,
        number_from=launcher.rank,
        count_from=launcher.size,
    )
    return member, local_rank


def place_of(name: str) -> Place:
    """Returns where the ranks meet: the user's place, or one that follows from the job."""
    job = ".".join(os.environ.get(variable, "") for variable in LAUNCHERS[name].job)
    return Place(
        address=os.environ.get("MASTER_ADDR") or _first_machine(name),
        port=_port(name, job),
        address_from="MASTER_ADDR",
        port_from="MASTER_PORT",
        job=job,
    )


def first_node(nodes: str) -> str:
    """Returns the first machine of a list as Slurm writes it.

    >>> first_node("gpu[07-09,12],cpu3")
    'gpu07'
    """
    return re.sub(r"\[([^],-]+)[^]]*\]", r"\1", nodes).partition(",")[0]


def _number(name: str, variable: str) -> int:
    value = os.environ.get(variable)
    if value is None:
        raise ConfigError(
            f"--launcher {name}: found no {variable} in the environment; {LAUNCHERS[name].start}"
        )
    if not value.isascii() or not value.isdigit():
        raise ConfigError(f"--launcher {name}: {variable} is {value!r}; expected a whole number")
    return int(value)


def _first_machine(name: str) -> str:
    """Returns the machine of rank 0; the loopback address if every rank is on this machine."""
    if name == "slurm":
        nodes = os.environ.get("SLURM_STEP_NODELIST") or os.environ.get("SLURM_JOB_NODELIST", "")
        first = first_node(nodes)
        return LOOPBACK if first == nodes else first
    ranks, here = (os.environ.get(f"OMPI_COMM_WORLD_{of}") for of in ("SIZE", "LOCAL_SIZE"))
    if name == "mpi" and ranks != here:
        raise ConfigError(
            f"--launcher mpi: found no MASTER_ADDR, and {here} of {ranks} ranks on this machine; "
            "pass the address of the machine of rank 0: mpirun -x MASTER_ADDR=ADDRESS"
        )
    return LOOPBACK


def _port(name: str, job: str) -> int:
    """Returns MASTER_PORT, or a port that depends on the job: two jobs may share a machine."""
    text = os.environ.get("MASTER_PORT")
    if text is None:
        return 29500 if name == "pytorch" else PORTS[zlib.crc32(job.encode()) % len(PORTS)]
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**16:
        raise ConfigError(f"MASTER_PORT is {text!r}; expected a port from 1 to 65535")
    return int(text)
