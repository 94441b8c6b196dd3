"""Every JSON document that the command writes, and `ports.toml`, against their schemas."""

import copy
import json
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import jsonschema
import pytest
import typer.main
from commandline import harness
from jsonschema.validators import validator_for
from loglines import decaying, header, records
from syntheticcaptures import Device, baseline

from harness.cli.main import app
from harness.errors import PolicyError
from harness.locate.format import to_bytes
from harness.ports.manifest import read_manifest
from harness.sweep.manifest import parse

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SAMPLES = ROOT / "logs" / "samples"
DOCUMENTS = {
    "compare": (
        f"compare {SAMPLES}/ccnet_r18-d8_demo_seed_0.log"
        f" {SAMPLES}/ccnet_r18-d8_demo_doubled_lr_seed_101.log",
        "compare gpu.log broken.log --rule two-sided --rule equivalence",
        "compare seeds gpu.log",
    ),
    "parse": (
        f"parse {SAMPLES}/ccnet_r18-d8_demo_seed_0.log",
        "parse broken.log",
        "parse table.csv",
    ),
    "history": ("history", "history good"),
    "locate": ("locate gpu.capture port.capture",),
    "gate": ("gate seeds --rate 0.2", "gate seeds --rate 0.01"),
}
"""Commands with `--json`, and calls of each."""
MANIFEST = """
[[port]]
name = "good"
baseline = "gpu.log"
candidate = "same.log"
rules = ["two-sided"]

[[port]]
name = "gone"
baseline = "gpu.log"
candidate = "no.log"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    base = decaying(80)
    (folder / "gpu.log").write_text(header(seed=1) + records(base))
    (folder / "same.log").write_text(header(seed=1) + records(base * 1.001))
    text = records(base[:60]).replace(f"{base[7]:.4f}", "nan(ind)")
    (folder / "broken.log").write_text(header(seed=2) + text + text[-400:] + "epoch loss 12,,x\n")
    (folder / "table.csv").write_text(
        "run,step,loss\n" + "".join(f"{r},{s},{1 / (s + 1)}\n" for r in "ab" for s in range(60))
    )
    (folder / "seeds").mkdir()
    for seed in range(6):
        values = base * (1 + 0.001 * ((seed * 7) % 5))
        (folder / "seeds" / f"{seed}.log").write_text(header(seed=seed) + records(values))
    run, twins = baseline(2)
    (folder / "gpu.capture").write_bytes(to_bytes(run))
    for twin in twins:
        (folder / f"gpu.twin{twin.twin}.capture").write_bytes(to_bytes(twin))
    (folder / "port.capture").write_bytes(to_bytes(Device(3, vendor="native").run(2)))
    (folder / "ports.toml").write_text(MANIFEST)
    for _ in range(2):
        harness(folder, "check", "--history", "history.sqlite")
    return folder


def schema_of(name):
    return json.loads((DOCS / f"{name}.schema.json").read_text(encoding="utf-8"))


def schema_for(command):
    return schema_of("comparison" if command == "compare" else command)


def objects(node):
    """Every object of a schema that lists its keys."""
    if isinstance(node, dict):
        if "properties" in node and node.get("type") is not None:
            yield node
        for child in node.values():
            yield from objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from objects(child)


SCHEMAS = sorted(path.name.removesuffix(".schema.json") for path in DOCS.glob("*.schema.json"))


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_named_and_described(name):
    schema = schema_of(name)
    validator_for(schema).check_schema(schema)
    made = import_module_of("schemas")
    assert schema["$id"] == f"{made.ADDRESS}{name}.schema.json"
    assert schema["title"]
    assert schema["description"].endswith(".")


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_object_that_lists_its_keys_allows_no_other(name):
    loose = [list(one["properties"]) for one in objects(schema_of(name))]
    open_ones = [
        list(one["properties"])
        for one in objects(schema_of(name))
        if one.get("additionalProperties") is not False
    ]
    assert loose
    # A rule takes parameters, whose names are the rule's.
    assert all(keys == ["name"] and name in {"ports", "sweep"} for keys in open_ones)


def import_module_of(name):
    sys.path.insert(0, str(DOCS))
    try:
        return import_module(name)
    finally:
        sys.path.remove(str(DOCS))


def test_the_generated_schemas_are_those_of_the_code():
    schemas, generate = import_module_of("schemas"), import_module_of("generate")
    for made in generate.every_schema():
        path = DOCS / Path(made["$id"]).name
        assert path.read_text(encoding="utf-8") == schemas.text_of(made), "run docs/generate.py"


def commands(command, words=()):
    if not hasattr(command, "commands"):
        yield " ".join(words), command
        return
    for name, inner in command.commands.items():
        yield from commands(inner, (*words, name))


def test_every_command_that_writes_json_has_calls_here():
    found = {
        words
        for words, command in commands(typer.main.get_command(app))
        if any("--json" in parameter.opts for parameter in command.params)
    }
    assert found == set(DOCUMENTS)


def deeper(node, path=()):
    """The path of every object of a document."""
    if isinstance(node, dict):
        yield path
        for key, child in node.items():
            yield from deeper(child, (*path, key))
    elif isinstance(node, list):
        for place, child in enumerate(node):
            yield from deeper(child, (*path, place))


@pytest.mark.parametrize(
    "call", [call for calls in DOCUMENTS.values() for call in calls], ids=lambda c: c[-45:]
)
def test_a_document_fits_its_schema_and_an_unknown_key_does_not(project, call):
    command, *words = call.split()
    done = harness(project, command, *words, "--json", "-")
    assert done.returncode in {0, 1, 3, 4}, done.stderr
    document = json.loads(done.stdout, parse_constant=pytest.fail)
    schema = schema_for(command)
    validator = validator_for(schema)(schema)
    jsonschema.validate(document, schema)
    caught = set()
    for path in list(deeper(document))[:300]:
        changed = copy.deepcopy(document)
        inner = changed
        for key in path:
            inner = inner[key]
        inner["no such key"] = None
        if not validator.is_valid(changed):
            caught.add(tuple("*" if isinstance(key, int) else key for key in path))
    assert () in caught or isinstance(document, list)
    assert len(caught) > {"parse": 2, "history": 2}.get(command, 3)


def test_the_history_has_both_a_result_and_an_error(project):
    document = json.loads(harness(project, "history", "--json", "-").stdout)
    assert {run["verdict"] for port in document["ports"] for run in port["runs"]} == {
        "pass",
        "error",
    }


# ports.toml

ENTRY = {"name": "a", "baseline": "b", "candidate": "c"}
GOOD = [
    {},
    {"rules": ["default"]},
    {"rules": ["equivalence:margin=0.1", {"name": "tolerance", "rtol": 0.02}]},
    {"allow": [], "steps": [0, 9]},
    {"allow": ["world_size"], "reason": "four devices"},
    {"last": 3, "min_steps": 1, "max_missing": 0, "rank": 0, "metric": "a=b"},
]
BAD = [
    {"name": 1},
    {"color": "red"},
    {"rules": []},
    {"rules": "default"},
    {"rules": [{"rtol": 0.02}]},
    {"allow": ["world_size"]},
    {"allow": ["world_size"], "reason": " "},
    {"allow": "world_size"},
    {"rank": -1},
    {"rank": True},
    {"last": 0},
    {"min_steps": 1.5},
    {"max_missing": 1.1},
    {"steps": [1]},
    {"steps": [1, 2, 3]},
    {"metric": ""},
    {"pattern": ""},
]


def written(tmp_path, entry):
    import tomli_w

    path = tmp_path / "ports.toml"
    path.write_text(tomli_w.dumps({"port": [entry]}))
    return path


@pytest.mark.parametrize("more", GOOD, ids=str)
def test_what_the_manifest_takes_fits_the_schema(tmp_path, more):
    path = written(tmp_path, ENTRY | more)
    read_manifest(path)
    jsonschema.validate(tomllib.loads(path.read_text()), schema_of("ports"))


@pytest.mark.parametrize("more", BAD, ids=str)
def test_what_the_manifest_refuses_does_not_fit_the_schema(tmp_path, more):
    path = written(tmp_path, ENTRY | more)
    with pytest.raises(PolicyError):
        read_manifest(path)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(path.read_text()), schema_of("ports"))


@pytest.mark.parametrize(
    ("name", "schema"),
    [("ports.toml", "ports"), ("demo.toml", "ports"), ("demo_sweep.toml", "sweep")],
)
def test_our_manifests_name_the_schema_and_fit_it(name, schema):
    text = (ROOT / name).read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    assert (ROOT / first.removeprefix("#:schema ")).resolve() == DOCS / f"{schema}.schema.json"
    jsonschema.validate(tomllib.loads(text), schema_of(schema))


SWEEP = {"command": "train {seed}", "axes": {"seed": [1, 2]}}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"command": ["train", "{seed}"], "axes": {"seed": [1], "lr": [0.1, "auto"]}},
        {"devices": ["cuda:0"], "jobs": 2, "steps": 10, "resume": "--resume", "grace_s": 0},
        {"env": {"OMP_NUM_THREADS": 1}, "ensemble": ["seed"], "record": {"name": "gpu"}},
        {"compare": {"baseline": "gpu", "rules": ["two-sided"]}},
        {"compare": {"baseline": "gpu", "allow": ["world_size"], "reason": "a smaller device"}},
    ],
    ids=str,
)
def test_what_a_sweep_takes_fits_the_schema(more):
    parse(SWEEP | more)
    jsonschema.validate(SWEEP | more, schema_of("sweep"))


@pytest.mark.parametrize(
    "more",
    [
        {"comand": "x"},
        {"command": ""},
        {"command": []},
        {"axes": {}},
        {"axes": {"seed": []}},
        {"axes": {"seed": [[1]]}},
        {"jobs": 0},
        {"grace_s": -1},
        {"record": {}},
        {"record": {"name": "gpu", "colour": "red"}},
        {"compare": {"rules": ["two-sided"]}},
        {"compare": {"baseline": "gpu", "candidate": "x.log"}},
        {"compare": {"baseline": "gpu", "attempts": ["x.log"]}},
        {"compare": {"baseline": "gpu", "allow": ["world_size"]}},
    ],
    ids=str,
)
def test_what_a_sweep_refuses_does_not_fit_the_schema(more):
    with pytest.raises(PolicyError):
        parse(SWEEP | more)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(SWEEP | more, schema_of("sweep"))


def test_the_catalog_entry_leads_to_the_schema():
    entry = json.loads((DOCS / "schemastore.json").read_text(encoding="utf-8"))
    assert set(entry) == {"name", "description", "fileMatch", "url"}
    assert entry["url"] == schema_of("ports")["$id"]
    assert schema_of("ports")["$schema"] == "http://json-schema.org/draft-07/schema#"
