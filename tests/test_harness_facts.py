"""One table holds the facts, their names in every source, and the device kinds."""

import ast
from pathlib import Path

import pytest

from harness.log.fact_table import BY_NAME, DEVICE_KINDS, TABLE, aliases
from harness.log.facts import FACTS, MAY_DIFFER, MUST_MATCH, must_match

ROOT = Path(__file__).parents[1]
SOURCES = sorted({source for fact in TABLE for source in fact.aliases})


def test_every_list_of_facts_is_the_table():
    assert sorted(FACTS) == sorted(fact.name for fact in TABLE) == sorted(BY_NAME)
    assert [*MUST_MATCH, *MAY_DIFFER] == list(FACTS)
    assert [name for name in FACTS if must_match(name)] == list(MUST_MATCH)


@pytest.mark.parametrize("source", SOURCES)
def test_a_name_in_a_source_is_one_fact(source):
    names = [name for fact in TABLE for name in fact.aliases.get(source, ())]
    assert len(names) == len(set(names)) == len(aliases(source))


def sources_read(text: str) -> set[str]:
    """The sources whose aliases a module asks for."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "aliases"
    }


def test_every_source_of_the_table_is_read():
    files = [p for room in ("parse", "trackers") for p in (ROOT / "harness" / room).rglob("*.py")]
    assert sorted(set().union(*(sources_read(p.read_text("utf-8")) for p in files))) == SOURCES


def test_a_source_that_states_nothing_is_an_error():
    with pytest.raises(KeyError):
        aliases("mmengin")


def maps_to_facts(text: str) -> list[str]:
    """The facts to which a dict that is written out in a module maps another name."""
    return [
        part.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        for part in (value.elts if isinstance(value, ast.Tuple) else [value])
        if isinstance(part, ast.Constant) and part.value in FACTS and part is not key
    ]


@pytest.mark.parametrize(
    "text", ['A = {"lr": "learning_rate"}', 'A = {"Python": ("python", str)}', 'f({"x": "seed"})']
)
def test_the_check_below_sees_a_map(text):
    assert maps_to_facts(text)


def test_no_format_and_no_block_keeps_a_map_of_its_own():
    for path in (ROOT / "harness" / "parse").rglob("*.py"):
        assert maps_to_facts(path.read_text("utf-8")) == [], path


def devices_of_the_model() -> dict[str, list[str]]:
    """The backends of each device kind, read from the source of `model.devices` without torch."""
    tree = ast.parse((ROOT / "model" / "devices.py").read_text("utf-8"))
    (table,) = [n for n in tree.body if getattr(getattr(n, "target", None), "id", "") == "TABLE"]
    rows = [
        {word.arg: word.value for word in node.keywords}
        for node in ast.walk(table)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Device"
    ]
    return {ast.literal_eval(row["kind"]): ast.literal_eval(row["backends"]) for row in rows}


def test_the_table_knows_every_device_kind_that_the_model_writes():
    assert set(devices_of_the_model()) == set(DEVICE_KINDS)


def test_the_table_knows_the_libraries_of_the_models_devices():
    general = {"gloo", "nccl"}  # nccl is what torch calls rccl on rocm, too
    for kind, backends in devices_of_the_model().items():
        assert set(backends) - general <= set(DEVICE_KINDS[kind]), kind


def test_the_model_writes_facts_of_the_table_alone():
    tree = ast.parse((ROOT / "model" / "environment.py").read_text("utf-8"))
    function = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "gather_facts"
    )
    written = next(node for node in ast.walk(function) if isinstance(node, ast.Dict))
    names = {ast.literal_eval(key) for key in written.keys}
    assert len(names) > 10
    assert names <= set(FACTS)
