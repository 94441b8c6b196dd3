"""Debian's Slurm on the two machines of `machines`: munged, slurmctld, and a slurmd on each."""

import os
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from machines import ADDRESSES, Machines, give_up, need

CONFIG = """\
ClusterName=test
SlurmctldHost=a({a})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort=16817
SlurmdPort=16818
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=2
NodeName=a NodeAddr={a} CPUs=4 State=UNKNOWN
NodeName=b NodeAddr={b} CPUs=4 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
"""
READY_S = 30


@dataclass(frozen=True)
class Slurm:
    machines: Machines
    variables: dict[str, str]

    def on_a(self, *argv: str) -> list[str]:
        return self.machines.on("a", *argv)

    def ask(self, *argv: str) -> str:
        """Returns the output of a command of Slurm."""
        done = subprocess.run(
            self.on_a(*argv), env={**os.environ, **self.variables}, capture_output=True, text=True,
            check=False, timeout=30,
        )  # fmt: skip
        return done.stdout.strip()


@contextmanager
def cluster(machines: Machines, folder: Path) -> Iterator[Slurm]:
    """Yields a Slurm whose machines are idle; skips where it cannot be started."""
    need("munged", "slurmctld", "slurmd", "srun")
    for name in ("state", "spool-a", "spool-b"):
        (folder / name).mkdir()
    config, key = folder / "slurm.conf", folder / "munge.key"
    config.write_text(CONFIG.format(folder=folder, **ADDRESSES))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o400)
    munge = [f"--{what}={folder}/munge.{what}" for what in ("socket", "seed-file", "pid-file")]
    commands = {
        "munged": ["munged", "--foreground", "--force", f"--key-file={key}", *munge],
        "slurmctld": machines.on("a", "slurmctld", "-D", "-f", str(config)),
        "slurmd-a": machines.on("a", "slurmd", "-D", "-f", str(config), "-N", "a"),
        "slurmd-b": machines.on("b", "slurmd", "-D", "-f", str(config), "-N", "b"),
    }
    slurm = Slurm(machines, {"SLURM_CONF": str(config)})
    daemons = []
    try:
        for name, command in commands.items():
            daemons.append(_daemon(command, folder / f"{name}.out"))
            if name == "munged":
                _until(lambda: (folder / "munge.socket").exists(), folder)
        _until(lambda: slurm.ask("sinfo", "-h", "-o", "%T %D") == "idle 2", folder)
        yield slurm
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
        for daemon in daemons:
            daemon.wait(30)


def _daemon(command: list[str], output: Path) -> subprocess.Popen[bytes]:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    with output.open("wb") as out:
        return subprocess.Popen(
            command, env={**os.environ, "PATH": path}, stdin=subprocess.DEVNULL, stdout=out,
            stderr=subprocess.STDOUT,
        )  # fmt: skip


def _until(ready, folder: Path) -> None:
    deadline = time.monotonic() + READY_S
    while not ready():
        if time.monotonic() > deadline:
            outputs = {path.name: path.read_text()[-500:] for path in folder.glob("*.out")}
            give_up(f"Slurm does not start: {outputs}")
        time.sleep(0.2)
