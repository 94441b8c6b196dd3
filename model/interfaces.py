"""Which network interface leads to the other machines: gloo does not look for it.

gloo takes the address that the machine's name has. Debian writes 127.0.1.1 for it into /etc/hosts,
which no other machine can reach.
"""

import fcntl
import ipaddress
import os
import socket
import struct
from collections.abc import Iterable

from model.errors import ConfigError

LOOPBACK = "127.0.0.1"
VARIABLE = "GLOO_SOCKET_IFNAME"
_ADDRESS_OF_INTERFACE = 0x8915  # SIOCGIFADDR of Linux


def use_interface(address: str) -> None:
    """Makes gloo use the interface of this address of the machine, unless the user chose one."""
    if not ipaddress.ip_address(address).is_loopback and (name := _interface(address)):
        os.environ.setdefault(VARIABLE, name)


def check_addresses(members: Iterable[str]) -> None:
    """Raises ConfigError if several machines meet at an address that only one of them can reach.

    A member is "HOST ADDRESS ...", with its address towards the place where they meet.
    """
    addresses = {host: address for host, address, *_ in map(str.split, members)}
    if len(addresses) == 1 or VARIABLE in os.environ:
        return
    for host, address in addresses.items():
        if ipaddress.ip_address(address).is_loopback:
            raise ConfigError(
                f"on {host} the address of rank 0 is {address}, which the other machines cannot "
                "reach; give it as an IP address that all machines reach, or set "
                f"{VARIABLE} to the network interface on each"
            )


def _interface(address: str) -> str | None:
    """Returns the network interface with this IPv4 address; None if none has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(asked, _ADDRESS_OF_INTERFACE, request)
            except OSError:  # it has no address
                continue
            if socket.inet_ntoa(answer[20:24]) == address:
                return name
    return None
