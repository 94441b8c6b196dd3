"""The facts of published results are those that a log of the project's config states."""

from pathlib import Path

import pytest

from harness.comparison.final import final
from harness.log.facts import RunFacts
from harness.log.run import Run
from harness.parse.blocks.config_block import config_facts, read_config
from harness.storage.published import entries, runs_of
from model import load_config
from model.build import CONFIGS

SHELF = Path(__file__).parents[1] / "baselines"
ENTRIES = entries(SHELF)
HERE = {path.stem for path in CONFIGS.rglob("*.py")}
CONFIGURED = [name for name, entry in ENTRIES.items() if entry.result.config == name in HERE]
OF_A_LAUNCH = {"world_size", "effective_batch"}


def stated(name):
    """The facts that a training by a config states, as the comparison sees them."""
    base = runs_of(name, SHELF)
    text = load_config(ENTRIES[name].result.config).pretty_text
    run = Run(
        source="run.log",
        series=base[0].series,
        facts=RunFacts(values_by_name=config_facts(read_config(text))),
    )
    ends = final(base, (run,), metric="val.mIoU", evaluated="val.mIoU")
    return ends.candidate[0].facts


def test_the_cityscapes_configs_are_among_them():
    assert sum("cityscapes" in name for name in CONFIGURED) == 8


@pytest.mark.parametrize("name", CONFIGURED)
def test_a_published_result_has_the_facts_of_its_config(name):
    facts = stated(name)
    published = runs_of(name, SHELF)[0].facts
    assert set(published) - OF_A_LAUNCH <= set(facts)
    assert {key: facts[key] for key in published if key not in OF_A_LAUNCH} == {
        key: value for key, value in published.items() if key not in OF_A_LAUNCH
    }
    devices = int(name.partition("-d8_")[2].partition("xb")[0])
    assert published["world_size"] == devices
    assert published["effective_batch"] == devices * facts["batch_per_device"]
