"""The hyperparameters that Lightning writes beside the `metrics.csv` of a run, as facts.

lightning_logs/version_0/metrics.csv
lightning_logs/version_0/hparams.yaml       batch_size: 4
                                            lr: 0.1
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.log.facts import RunFacts
from harness.log.run import Run
from harness.parse.collect import Collector
from harness.parse.derive import derive
from harness.parse.plain_yaml import MAX_TEXT, read_yaml
from harness.trackers.gathering import state_settings
from harness.trackers.settings import flat

METRICS, SETTINGS = "metrics.csv", "hparams.yaml"


def with_settings(run: Run, log: Path) -> Run:
    """Returns the run of a `metrics.csv` with the facts of the file of settings beside it.

    What the log itself states holds. A file that cannot be read is noted; another log is returned
    as it is.
    """
    file = log.with_name(SETTINGS)
    if log.name != METRICS or not file.is_file():
        return run
    into = Collector()
    try:
        if file.stat().st_size > MAX_TEXT:
            return replace(run, notes=(*run.notes, f"{SETTINGS} is too large to be read"))
        state_settings(flat(read_yaml(file.read_text(encoding="utf-8"))), into)
    except (OSError, ValueError) as error:
        return replace(run, notes=(*run.notes, f"{SETTINGS} cannot be read: {error}"))
    stated = RunFacts(values_by_name={**into.facts(), **run.facts}, lines=run.facts.lines)
    derived, remarks = derive(stated, run.series)
    facts = RunFacts(values_by_name={**derived, **stated}, lines=run.facts.lines)
    return replace(run, facts=facts, notes=(*run.notes, *remarks))
