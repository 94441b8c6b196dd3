"""Two machines `a` and `b` on this one, and the trainings that a test starts on them.

A machine is a network namespace with a name, /etc/hosts and /sys/fs/cgroup of its own; a pair of
virtual interfaces connects both. That takes root and Debian's iproute2. Tests are skipped where
something is missing, unless CI sets CI_LAUNCH=required.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny_run import environment, losses, options, train

ADDRESSES = {"a": "10.77.0.1", "b": "10.77.0.2"}
MARK = "LAUNCH_TEST"
"""Variable that all processes of a training inherit: what has it afterwards was left over."""
PATIENCE_S = 90
ON = """#!/bin/sh
# on MACHINE COMMAND...
machine=$1; shift
exec nsenter --net=/run/netns/{prefix}-$machine unshare --mount --uts sh -c '
    mount --bind {folder}/hosts-$0 /etc/hosts
    mount -t tmpfs none /sys/fs/cgroup  # slurmd looks for it, and uses none of it here
    hostname $0
    exec "$@"' $machine "$@"
"""


def need(*programs: str) -> None:
    """Skips the test where a program is missing."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [name for name in programs if shutil.which(name, path=path) is None]
    if missing:
        give_up(f"no {', '.join(missing)} here")


def give_up(reason: str) -> None:
    if os.environ.get("CI_LAUNCH") == "required":
        pytest.fail(f"CI_LAUNCH=required, but {reason}")
    pytest.skip(reason)


@dataclass(frozen=True)
class Machines:
    folder: Path
    prefix: str

    def on(self, machine: str, *argv: str) -> list[str]:
        """Returns the command that runs `argv` on a machine, as the same process."""
        return [str(self.folder / "on"), machine, *argv]

    def name(self, machine: str, **addresses: str) -> None:
        """Writes a machine's /etc/hosts: where that machine finds `a` and `b`."""
        known = {**ADDRESSES, **addresses}
        lines = ["127.0.0.1 localhost", *(f"{known[name]} {name}" for name in known if known[name])]
        (self.folder / f"hosts-{machine}").write_text("\n".join(lines) + "\n")

    def wire(self, state: str) -> None:
        """Plugs the network cable of `b` in ("up") or out ("down")."""
        ip("-n", f"{self.prefix}-b", "link", "set", "wire", state)


def ip(*argv: str) -> None:
    subprocess.run(["ip", *argv], check=True, capture_output=True, text=True)


@contextmanager
def two_machines(folder: Path) -> Iterator[Machines]:
    """Yields the machines; skips where they cannot be made."""
    need("ip", "nsenter", "unshare")
    machines = Machines(folder, f"launch{os.getpid()}")
    try:
        _make(machines)
        for machine in ADDRESSES:
            machines.name(machine)
            tried = machines.on(machine, "true")
            subprocess.run(tried, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        _remove(machines)
        give_up(f"no network namespaces here: {error.stderr.strip()}")
    try:
        yield machines
    finally:
        _remove(machines)


def _make(machines: Machines) -> None:
    on = machines.folder / "on"
    on.write_text(ON.format(prefix=machines.prefix, folder=machines.folder))
    on.chmod(0o755)
    a, b = (f"{machines.prefix}-{name}" for name in ADDRESSES)
    for namespace in (a, b):
        ip("netns", "add", namespace)
    ip("-n", a, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", b)
    for namespace, address in zip((a, b), ADDRESSES.values(), strict=True):
        ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "wire")
        for name in ("lo", "wire"):
            ip("-n", namespace, "link", "set", name, "up")


def _remove(machines: Machines) -> None:
    for name in ADDRESSES:
        subprocess.run(
            ["ip", "netns", "del", f"{machines.prefix}-{name}"], check=False, capture_output=True
        )


class Started:
    """A command of a training, its output in a file; `mark` is shared by all of its processes."""

    def __init__(self, argv: list[str], folder: Path, mark: str, **variables: str) -> None:
        self.output = folder / f"output-{uuid.uuid4().hex[:8]}"
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                argv, cwd=folder, env=environment(**{MARK: mark}, **variables),
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def end(self, *, within_s: float = PATIENCE_S) -> tuple[int, str]:
        """Returns exit status and output; fails if the command does not end in time."""
        try:
            status = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            pytest.fail(f"still running after {within_s} s: {self.output.read_text()[-3000:]}")
        return status, self.output.read_text()


@contextmanager
def taken_port(machines: Machines, port: int, folder: Path) -> Iterator[None]:
    """A program on machine `a` that listens on a port and never answers."""
    listen = f"import socket, time; s = socket.create_server(('', {port})); print('listening')"
    program = machines.on("a", sys.executable, "-uc", f"{listen}; time.sleep(300)")
    other = Started(program, folder, new_mark())
    try:
        wait_for_text(other.output, "listening", other)
        yield
    finally:
        other.process.kill()
        other.process.wait()


def new_mark() -> str:
    return uuid.uuid4().hex


def processes(mark: str, *, having: str = MARK) -> dict[int, dict[str, str]]:
    """Returns the environments of the living processes with a mark and another variable."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            entries = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        texts = (entry.decode(errors="replace") for entry in entries if b"=" in entry)
        variables = dict(text.split("=", 1) for text in texts)
        if variables.get(MARK) == mark and having in variables:
            found[int(folder.name)] = variables
    return found


def nothing_is_left(mark: str, *, having: str = MARK, within_s: float = 15) -> bool:
    """Waits until no process with a mark is left; after the time allowed, it ends those."""
    deadline = time.monotonic() + within_s
    while left := processes(mark, having=having):
        if time.monotonic() > deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.1)
    return True


def wait_for_text(file: Path, text: str, running: Started | None = None) -> None:
    """Waits until a file has a text; fails if the command that is to write it ends before."""
    deadline = time.monotonic() + PATIENCE_S
    while not (file.exists() and text in file.read_text()):
        said = "" if running is None else running.output.read_text()[-3000:]
        assert running is None or running.process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.1)


def wait_for_step(folder: Path, step: int, running: Started) -> None:
    """Waits until rank 0 has logged a step."""
    wait_for_text(folder / "port.log", f"Iteration: {step}  rank : 0 ", running)


def errors(output: str) -> list[str]:
    """Returns the error lines of an output that has no traceback."""
    assert "Traceback" not in output, output[-3000:]
    assert "frame #" not in output, output[-3000:]
    return [line for line in output.splitlines() if line.startswith(("error: ", "ended by "))]


def small(scenes: Path, *, steps: int = 3, timeout_s: int | None = None) -> list[str]:
    """Returns --cfg-options of a run of a few steps, or of one to be stopped."""
    collective = [] if timeout_s is None else [f"env_cfg.dist_cfg.timeout={timeout_s}"]
    saved = f"default_hooks.checkpoint.interval={steps}"
    return [*options(scenes, steps=steps), saved, "randomness.seed=1", *collective]


def known_losses(scenes: Path, folder: Path) -> dict[tuple[int, int], float]:
    """Returns the losses of two ranks that the command starts itself, on this machine."""
    train(folder / "known", small(scenes), "--launcher", "pytorch", "--nproc-per-node", "2")
    return losses(folder / "known")


LONG = 100_000
"""Steps of a run that is stopped."""
