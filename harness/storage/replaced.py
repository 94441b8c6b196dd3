"""The chain of baselines: what a recording replaces, by whom, when and why.

`harness accept` writes the table `replaces` into a new `baseline.toml`. It names the old recording
with its seal, so that a change of the old one shows. The seal of the new one covers the table.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.errors import BaselineError
from harness.storage.baselines import checked_figures, is_recording, open_recording
from harness.storage.recording import RESTORE, SEAL, Recording
from harness.storage.shelf import TOML

LONGEST = 1000
"""Most links of a chain that are followed."""


def told(recording: Recording) -> Iterator[str]:
    """Yields what a recording replaces, in words, and so on back to the first.

    A recording that is damaged, or that is not the one that was replaced, ends the chain with the
    reason.
    """
    try:
        for link in chain(recording):
            yield from link_lines(link)
    except BaselineError as error:
        yield f"  the chain ends here: {error}"


def link_lines(recording: Recording) -> tuple[str, ...]:
    """Returns what a recording replaces, in words; empty if it replaces nothing."""
    link = recording.meta.get("replaces")
    if link is None:
        return ()
    old = f"{link['baseline']} ({_identity(link)})"
    return (
        f"replaces {old} since {link['on']}, accepted by {link['by']}: {link['reason']}",
        f"  then: {link['verdict']}, mean {link['metric']} {link['old_mean']:.6g} became "
        f"{link['new_mean']:.6g} ({_change(link)}), {link['old_runs']} and {link['new_runs']} runs",
    )


def chain(recording: Recording) -> Iterator[Recording]:
    """Yields a recording and, in turn, those that it replaces, as far as they are beside it.

    Raises:
        BaselineError: a replaced recording is not the one that was replaced.
    """
    current: Recording | None = recording
    for _ in range(LONGEST):
        if current is None:
            return
        yield current
        current = _replaced(current)


def chain_lines(recording: Recording) -> Iterator[str]:
    """Yields a line for each link of the chain that was checked, or that cannot be checked.

    Raises:
        BaselineError: a replaced recording is not the one that was replaced, or its figures are
            missing or damaged.
    """
    for link in chain(recording):
        if link is not recording:  # the first one is the caller's
            checked_figures(link)
        terms = link.meta.get("replaces")
        if terms is None:
            continue
        old = _place(link, terms)
        if old is None:
            what = f"{terms['baseline']} is not a recording beside it; its seal was not checked"
        else:
            what = f"{terms['baseline']} is the recording that was replaced"
        yield f"{link.name}: {what}"


def _replaced(recording: Recording) -> Recording | None:
    """Returns the recording that another replaces; None if it is not beside it."""
    link = recording.meta.get("replaces")
    folder = None if link is None else _place(recording, link)
    if link is None or folder is None:
        return None
    old = open_recording(folder)
    if old.meta[SEAL] != link["seal"]:
        msg = (
            f"its seal is {str(old.meta[SEAL])[:16]}..., and {recording.name} replaced the "
            f"recording with seal {link['seal'][:16]}...: it was recorded again since. {RESTORE}"
        )
        raise BaselineError(msg, source=str(folder / TOML))
    return old


def _place(recording: Recording, link: Mapping[str, Any]) -> Path | None:
    """Returns the folder of the replaced recording; None if it was not one, or is not there."""
    name = str(link["baseline"])
    if not link.get("seal") or Path(name).name != name:
        return None
    folder = recording.folder.with_name(name)
    return folder if is_recording(folder) and name != recording.name else None


def _identity(link: Mapping[str, Any]) -> str:
    if link.get("seal"):
        return f"seal {link['seal'][:16]}"
    hashes = link.get("sha256", [])
    more = f" and {len(hashes) - 1} more" if len(hashes) > 1 else ""
    return f"SHA-256 {hashes[0][:16]}{more}" if hashes else "no hash"


def _change(link: Mapping[str, Any]) -> str:
    old, new = float(link["old_mean"]), float(link["new_mean"])
    if not (math.isfinite(old) and math.isfinite(new) and old):
        return "no relative difference"
    return f"{(new - old) / abs(old):+.2%}"
