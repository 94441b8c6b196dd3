"""The store of torch through which the processes of a run find each other, opened in bounded time.

torch prints the stack of its C++ code for every attempt to connect, and waits for ever where
something listens and does not answer.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from model.errors import ConfigError
from model.interfaces import LOOPBACK

TIMEOUT_S = 10


def serve(port: int, *, port_from: str) -> TCPStore:
    """Opens a store on every address of this machine; `port_from` names what sets the port."""
    try:
        return _opened(LOOPBACK, port, serves=True)
    except RuntimeError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise ConfigError(
            f"port {port} is in use by another program on this machine; set {port_from} to a free "
            "port, the same for all"
        ) from error


def connect(address: str, port: int) -> TCPStore:
    """Returns the store that is served there; RuntimeError if what listens there is no store."""
    return _opened(address, port, serves=False)


def _opened(address: str, port: int, *, serves: bool) -> TCPStore:
    """Lets a thread wait for torch, and waits for the thread."""
    made: list[TCPStore] = []
    failed: list[RuntimeError] = []

    def make() -> None:
        try:
            store = TCPStore(
                address,
                port,
                is_master=serves,
                timeout=timedelta(seconds=TIMEOUT_S),
                wait_for_workers=False,
                multi_tenant=True,  # torchrun's agent opens the same port again
            )
        except RuntimeError as error:
            failed.append(error)
        else:
            made.append(store)

    thread = threading.Thread(target=make, daemon=True)
    with _without_standard_error():
        thread.start()
        thread.join(3 * TIMEOUT_S)  # torch takes up to 2.5 times what it is allowed
    if made:
        return made[0]
    raise failed[0] if failed else RuntimeError("no answer")


@contextmanager
def _without_standard_error() -> Iterator[None]:
    """Drops what is written to standard error: 30 lines for each attempt to connect."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
