"""A PostgreSQL server of one's own for a test run: Debian's binaries, a folder of its own."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PASSWORD = "s3cr%t/pass word"  # a hard one: it must be quoted in a URL


def binaries() -> Path:
    """The folder of the newest server's programs; skips where there is none."""
    found = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        pytest.skip("no PostgreSQL server here (Debian: apt install postgresql)")
    return found[-1].parent if found else Path(on_path).parent


def _owner() -> dict:
    """Whom the server runs as: it refuses root."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is neither postgres nor nobody")


def _run(*command, cwd: Path) -> None:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
        env={"LC_ALL": "C", "PATH": os.environ["PATH"]},
        **_owner(),
    )
    if done.returncode:
        log = cwd / "log"
        pytest.fail(f"{command[0]}: {done.stdout}{log.read_text() if log.exists() else ''}")


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """Runs a server in an empty folder that its owner can reach; gives its port on 127.0.0.1."""
    bin_, owner = binaries(), _owner()
    if owner:
        os.chown(folder, owner["user"], owner["group"])
    (folder / "password").write_text(PASSWORD)
    data = folder / "data"
    _run(
        bin_ / "initdb",
        *("-D", data, "-U", "harness", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync"),
        f"--pwfile={folder / 'password'}",
        cwd=folder,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-h 127.0.0.1 -p {port} -k {folder} -F"
    control = (bin_ / "pg_ctl", "-D", data, "-w")
    # its output goes to a file: a server that holds our pipe would keep us waiting for its end
    _run(*control, "-l", folder / "log", "-o", options, "start", cwd=folder)
    try:
        yield port
    finally:
        _run(*control, "-m", "immediate", "stop", cwd=folder)
