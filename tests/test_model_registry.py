"""The registries: their scope beside mmsegmentation's in one process, and no warnings."""

import subprocess
import sys

import pytest
from mmengine.registry import MODELS as ROOT
from mmengine.registry import DefaultScope, root
from mmengine.registry import Registry as TheirRegistry
from tiny_run import environment, options, train

from model import build_model, load_config
from model.registry import MODELS, SCOPE, scope_of

# As mmsegmentation declares its registries: one child for each of mmengine's, named like these.
STUB = """
from mmengine.registry import Registry, root
for name, parent in list(vars(root).items()):
    if isinstance(parent, Registry):
        globals()[name] = Registry(parent.name, parent=parent, scope="mmseg")

@MODELS.register_module()
class CCHead:
    pass

@MODELS.register_module()
class PSPHead:
    pass
"""
USE = """
from model import build_model
from model.registry import MODELS
from mmseg.registry import MODELS as THEIRS
from mmengine.registry import DefaultScope, MODELS as ROOT, root
network = build_model("ccnet_r18-d8_demo")
print(type(network.decode_head).__module__, THEIRS.get("CCHead").__module__)
print(MODELS.get("mmseg.CCHead").__module__, MODELS.get("mmseg.PSPHead").__module__)
with DefaultScope.overwrite_default_scope("mmseg"):
    print(type(ROOT.build(dict(type="CCHead"))).__module__)
print(all({"mmseg", "model"} <= set(r.children) for r in vars(root).values()
          if type(r).__name__ == "Registry"))
"""


@pytest.mark.parametrize("first", ["model", "mmseg"])
def test_mmsegmentation_may_be_imported_before_or_after(first, tmp_path):
    (tmp_path / "mmseg").mkdir()
    (tmp_path / "mmseg" / "__init__.py").write_text("")
    (tmp_path / "mmseg" / "registry.py").write_text(STUB)
    modules = ["model.registry", "mmseg.registry"]
    order = modules if first == "model" else modules[::-1]
    imports = "".join(f"import {name}\n" for name in order)
    path = f"{tmp_path}:{environment()['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, "-c", imports + USE], env=environment(PYTHONPATH=path),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-4:] == [  # mmengine says that the stub is not installed
        "model.heads.criss_cross mmseg.registry",
        "model.heads.criss_cross mmseg.registry",
        "mmseg.registry",
        "True",
    ]


def test_the_scope_is_this_package_and_that_of_published_configs_is_read_as_it():
    assert scope_of("mmseg") == scope_of("mmengine") == scope_of(SCOPE) == SCOPE == "model"
    assert scope_of("mmdet") == "mmdet"
    assert load_config("ccnet_r18-d8_demo").default_scope == "mmseg"
    with DefaultScope.overwrite_default_scope(SCOPE):
        assert ROOT.get("model.CCHead") is MODELS.get("CCHead") is MODELS.get("mmseg.CCHead")
    assert MODELS.get("Identity") is None
    assert MODELS.get("mmseg.Identity") is None


def test_a_type_may_have_the_published_prefix():
    part = load_config("ccnet_r18-d8_demo").model
    part.type, part.decode_head.type = "mmseg.EncoderDecoder", "mmseg.CCHead"
    part.auxiliary_head.loss_decode.type = "mmseg.CrossEntropyLoss"
    assert type(build_model(part).decode_head).__name__ == "CCHead"


def test_every_registry_of_mmengine_has_a_child_of_the_scope():
    parents = [r for r in vars(root).values() if isinstance(r, TheirRegistry)]
    assert len(parents) > 20
    assert all(SCOPE in parent.children for parent in parents)


def test_a_training_warns_of_no_registry(scenes, tmp_path):
    done = train(tmp_path / "w", options(scenes, steps=2))
    assert "registry" not in done.stdout + done.stderr
    assert "WARNING" in done.stdout + done.stderr  # others of mmengine, so that they are seen here
