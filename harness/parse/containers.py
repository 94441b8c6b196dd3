"""Numbers of containers and pods as ranks."""

from __future__ import annotations

from collections.abc import Mapping

from harness.parse.sources import Key
from harness.parse.track import Track

MASTER = 1 << 20
"""Added to the number of a master while a log is read: workers count from 0 beside it."""


def ranked(tracks: Mapping[Key, Track]) -> dict[Key, Track]:
    """Returns tracks by the ranks that the numbers of their containers mean.

    The only container of a log is rank 0, whatever its number: Docker Compose counts from 1. The
    workers of a PyTorchJob come behind its masters: `master-0` is rank 0, `worker-0` rank 1.
    """
    numbers = {key[2] for key in tracks}
    masters = {number - MASTER for number in numbers if number >= MASTER}
    workers = {number for number in numbers if number < MASTER}
    shift = 1 + max(masters) if masters and workers else 0
    ranks = {number + MASTER: number for number in masters}
    ranks |= {number: number + shift for number in workers}
    if len(ranks) == 1:
        ranks = dict.fromkeys(ranks, 0)
    return {(*key[:2], ranks[key[2]], key[3]): track for key, track in tracks.items()}
