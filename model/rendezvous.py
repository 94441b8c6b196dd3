"""How the processes of a run meet: in bounded time, with an error that names who is missing.

torch alone waits half an hour for a rank, even at a name that does not resolve.
"""

import os
import secrets
import socket
import time
from dataclasses import dataclass

from torch.distributed.distributed_c10d import PrefixStore, Store

from model.command import tell
from model.errors import ConfigError
from model.interfaces import check_addresses, use_interface
from model.store import connect, serve

TIMEOUT_S = 600
PATIENCE_S = 10
"""Seconds of waiting after which a line says for whom; of those that met, number 0 says it."""
POLL_S = 0.5
SHOWN = 8
"""Missing members that a message numbers one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run meets. `address_from` and `port_from` name what sets the address and the port.

    `job` is the same for all members and differs from that of other runs, where there is a name.
    """

    address: str
    port: int
    address_from: str
    port_from: str
    job: str = ""

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of those that meet: a `kind` ("rank", "machine") and its number, from 0, of `count`.

    `number_from` and `count_from` name what sets the number and the count.
    """

    kind: str
    number: int
    count: int
    number_from: str
    count_from: str

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ConfigError(
                f"{self.number_from} is {self.number} with {self.count_from} {self.count}; "
                f"expected a number from 0 to {self.count - 1}"
            )


def assemble(
    place: Place, member: Member, *, timeout_s: float = TIMEOUT_S, serves: bool | None = None
) -> Store:
    """Returns the store that all members share, once each is there; ConfigError if one is not.

    Number 0 serves the store unless `serves` says otherwise. On the way it becomes known which
    network interface leads to the others, and gloo is told.
    """
    deadline = time.monotonic() + timeout_s
    serves = member.number == 0 if serves is None else serves
    store = serve(place.port, port_from=place.port_from) if serves else None
    address = _reach(place, member, deadline)
    try:
        if store is None:
            store = connect(place.address, place.port)
        # a restart by torchrun keeps the store, and counts anew
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        shared = PrefixStore(f"{member.kind}s/{attempt}", store)
        _sign_in(shared, place, member, address)
        _wait_for_all(shared, member, deadline=deadline, timeout_s=timeout_s)
        check_addresses(_value(shared, key) for key in _keys(member))
    except ConfigError:
        if member.number == 0:
            time.sleep(2 * POLL_S)  # the others learn the reason from this process
        raise
    except RuntimeError as error:  # of the store; a wrong answer, or none
        raise ConfigError(
            f"what answered at {place} is not {member.kind} 0 of this run, or has ended; look at "
            f"the message of {member.kind} 0, or set {place.port_from} to another port, the same "
            "for all"
        ) from error
    use_interface(address)
    return shared


def _reach(place: Place, member: Member, deadline: float) -> str:
    """Returns this machine's address towards the place, once something listens there."""
    start = time.monotonic()
    told = False
    while True:
        left = deadline - time.monotonic()
        try:
            target = (place.address, place.port)
            with socket.create_connection(target, timeout=min(5, max(0.1, left))) as connection:
                return str(connection.getsockname()[0])
        except OSError as error:
            reason = error.strerror or str(error)
        if left <= 0:
            raise ConfigError(_unreached(place, member, reason, deadline - start))
        if not told and time.monotonic() - start > PATIENCE_S:
            told = _tell(f"{member.kind} 0 at {place} ({reason})", left)
        time.sleep(min(POLL_S, max(0.05, left)))


def _unreached(place: Place, member: Member, reason: str, waited_s: float) -> str:
    if member.number == 0:
        return (
            f"{member.kind} 0 does not reach itself at {place} ({reason}); set "
            f"{place.address_from} to an address of this machine, the same for all"
        )
    return (
        f"{member.kind} {member.number} waited {waited_s:.0f} s for {member.kind} 0 at {place} "
        f"({reason}); start it there, or set {place.address_from} and {place.port_from} to where "
        "it is, the same for all"
    )


def _sign_in(store: Store, place: Place, member: Member, address: str) -> None:
    """Enters this member; what contradicts an earlier entry is left there for all to read."""
    host = socket.gethostname()
    if _entered(store, "job", f"{place.job} ") != f"{place.job} ":
        raise RuntimeError("the store is another run's")
    first = _entered(store, "count", f"{member.count} {host}").split()
    if int(first[0]) != member.count:
        _complain(
            store,
            f"{member.count_from} is {first[0]} on {first[1]} and {member.count} on {host}; "
            "expected the same number everywhere",
        )
    mine = f"{host} {address} {secrets.token_hex(8)}"
    other = _entered(store, _keys(member)[member.number], mine)
    if other != mine:
        _complain(
            store,
            f"{member.number_from} is {member.number} twice, on {other.split()[0]} and on {host}; "
            f"expected each number from 0 to {member.count - 1} once",
        )


def _keys(member: Member) -> list[str]:
    """Returns the keys of all members."""
    return [f"{member.kind} {number}" for number in range(member.count)]


def _entered(store: Store, key: str, value: str) -> str:
    """Enters a value unless there is one; returns the one that is there."""
    return str(store.compare_set(key, "", value).decode())


def _value(store: Store, key: str) -> str:
    return str(store.get(key).decode())


def _complain(store: Store, message: str) -> None:
    _entered(store, "complaint", message)


def _wait_for_all(store: Store, member: Member, *, deadline: float, timeout_s: float) -> None:
    """Waits until every member has signed in; ConfigError where one does not, or contradicts."""
    keys = _keys(member)
    start, pause = time.monotonic(), 0.02
    told = False
    while True:
        if store.check(["complaint"]):
            raise ConfigError(_value(store, "complaint"))
        if store.check(keys):
            return
        left = deadline - time.monotonic()
        if left <= 0:
            raise ConfigError(
                f"{_missing(store, member)} did not come within {timeout_s:g} s (expected "
                f"{member.count}, from 0); look at its output, start it, or wait longer with "
                "--rendezvous-timeout SECONDS"
            )
        if not told and member.number == 0 and time.monotonic() - start > PATIENCE_S:
            told = _tell(_missing(store, member), left)
        time.sleep(min(pause, max(0.01, left)))
        pause = min(POLL_S, 1.5 * pause)


def _missing(store: Store, member: Member) -> str:
    """Returns "rank 1", or "ranks 1, 2, ... and 5 more"."""
    numbers = [n for n, key in enumerate(_keys(member)) if not store.check([key])]
    shown = ", ".join(map(str, numbers[:SHOWN]))
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return f"{member.kind}{'s' if len(numbers) > 1 else ''} {shown}{more}"


def _tell(whom: str, left: float) -> bool:
    """Says for whom this process waits, and returns that it did."""
    tell(f"waiting for {whom}, at most {left:.0f} s longer")
    return True
