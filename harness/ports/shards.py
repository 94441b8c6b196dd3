"""Deals the ports of a manifest to shards, so that each machine can judge a part of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.errors import PolicyError

MOST = 100_000
"""Largest number of shards."""
EXPECTED = "expected I/N with I from 1 to N, such as 2/8"


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """Part `index` of `count`; `index` counts from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @property
    def file_name(self) -> str:
        """The name of the file with the results of this shard."""
        return f"{self.index}-of-{self.count}.jsonl"


def parse_shard(text: str) -> Shard:
    """Returns the shard that `I/N` names.

    >>> parse_shard("2/8")
    Shard(index=2, count=8)

    Raises:
        PolicyError: the text is not `I/N`, or I is not between 1 and N.
    """
    match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
    if match is None:
        msg = f"--shard {text}: not a shard; {EXPECTED}"
        raise PolicyError(msg)
    shard = Shard(*map(int, match.groups()))
    if shard.index == 0:
        msg = f"--shard {text}: shards count from 1; add 1 to an index that counts from 0"
        raise PolicyError(msg)
    if shard.index > shard.count:
        msg = f"--shard {text}: there is no shard {shard.index} of {shard.count}; {EXPECTED}"
        raise PolicyError(msg)
    if shard.count > MOST:
        msg = f"--shard {text}: more than {MOST:,} shards; use fewer"
        raise PolicyError(msg)
    return shard


def deal(names: Sequence[str], shard: Shard) -> tuple[int, ...]:
    """Returns the places in `names` of the ports of a shard, in ascending order.

    The names are sorted by their SHA-256 and dealt in turn, as cards are. The sizes of two shards
    differ by at most one. The shard of a port depends on the set of names, and not on their order.
    Neighbours in a manifest often have logs of one size, and sizes often repeat (every eighth port
    is the large network). Dealing in the order of the manifest could give all large logs to one
    shard; the order of hashes has no such pattern.
    """
    order = sorted(range(len(names)), key=lambda place: _hash(names[place]))
    return tuple(sorted(order[shard.index - 1 :: shard.count]))


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
