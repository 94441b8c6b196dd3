"""What will go wrong after the last training, known before the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.sweep.ensembles import Ensemble
from harness.sweep.manifest import Sweep
from harness.sweep.state import Store


def foreseen(
    ensembles: Sequence[Ensemble], sweep: Sweep, root: Path, store: Store
) -> Iterator[str]:
    """Yields why ensembles that are still to be trained cannot be recorded or judged, as it looks.

    These are no errors: a baseline may be recorded, or moved away, while the sweep trains.
    """
    from harness.storage.baselines import is_recording  # noqa: PLC0415  (loads numpy)
    from harness.storage.inputs import load  # noqa: PLC0415

    own = {one.record for one in ensembles}
    seen: set[str] = set()
    for one in ensembles:
        if _trained(one, store):
            continue
        if one.record and sweep.record is not None and not sweep.record.replace:
            folder = root / sweep.record.baselines / one.record
            if is_recording(folder):
                yield (
                    f"{folder} is recorded already, and these runs will be others: set another "
                    "[record] name, or replace = true"
                )
        if one.port is not None and one.port.baseline not in own | seen:
            seen.add(one.port.baseline)
            try:
                load(one.port.baseline, root=root, pattern=one.port.pattern or sweep.pattern)
            except HarnessError as error:
                yield f"[compare] baseline cannot be read, and is needed after the runs: {error}"


def _trained(ensemble: Ensemble, store: Store) -> bool:
    """Returns whether each command of an ensemble has ended well."""
    records = [store.read(run.name) for run in ensemble.runs]
    return all(
        record is not None and record.status == 0 and record.command == run.command
        for record, run in zip(records, ensemble.runs, strict=True)
    )
