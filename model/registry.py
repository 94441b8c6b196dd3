"""The registries of the model, children of mmengine's under the scope `model`.

mmsegmentation's configs say `default_scope = 'mmseg'` and name their types without a prefix. Here
that scope is read as this one, so such a config runs unchanged, and mmsegmentation itself can be
imported in the same process, before or after: its scope is left to it. Modules are loaded from the
locations declared here, when a type is first looked up, not by the side effect of an import.
"""

from __future__ import annotations

from typing import Any

from mmengine.registry import DATA_SAMPLERS as _DATA_SAMPLERS
from mmengine.registry import DATASETS as _DATASETS
from mmengine.registry import HOOKS as _HOOKS
from mmengine.registry import LOOPS as _LOOPS
from mmengine.registry import METRICS as _METRICS
from mmengine.registry import MODELS as _MODELS
from mmengine.registry import OPTIM_WRAPPERS as _OPTIM_WRAPPERS
from mmengine.registry import TASK_UTILS as _TASK_UTILS
from mmengine.registry import TRANSFORMS as _TRANSFORMS
from mmengine.registry import VISUALIZERS as _VISUALIZERS
from mmengine.registry import Registry as _Registry
from mmengine.registry import root

SCOPE = "model"  # this package: mmengine imports `<scope>.registry` at each look-up
PUBLISHED_SCOPE = "mmseg"


def scope_of(default_scope: str) -> str:
    """Returns the scope in which the types of a config with this `default_scope` are looked up."""
    return SCOPE if default_scope in (PUBLISHED_SCOPE, "mmengine") else default_scope


class Registry(_Registry):
    """mmengine's registry, which knows its types by the published prefix too (`mmseg.FCNHead`)."""

    def get(self, key: str) -> Any:
        """Returns the type of a name, or None; of a prefixed name, the type here comes first."""
        here = super().get(key.removeprefix(f"{PUBLISHED_SCOPE}."))
        return super().get(key) if here is None else here


MODELS = Registry(
    "model",
    parent=_MODELS,
    scope=SCOPE,
    locations=[
        "model.backbones",
        "model.clip_segmentor",
        "model.heads",
        "model.inference",
        "model.instance",
        "model.losses",
        "model.preprocess",
        "model.segmentor",
    ],
)
DATASETS = Registry(
    "dataset", parent=_DATASETS, scope=SCOPE, locations=["model.data", "model.instance"]
)
DATA_SAMPLERS = Registry(
    "data sampler", parent=_DATA_SAMPLERS, scope=SCOPE, locations=["model.data"]
)
LOOPS = Registry("loop", parent=_LOOPS, scope=SCOPE, locations=["model.loop"])
TRANSFORMS = Registry(
    "transform", parent=_TRANSFORMS, scope=SCOPE, locations=["model.data", "model.instance"]
)
TASK_UTILS = Registry("task util", parent=_TASK_UTILS, scope=SCOPE, locations=["model.losses"])
METRICS = Registry(
    "metric", parent=_METRICS, scope=SCOPE, locations=["model.metrics", "model.instance"]
)
HOOKS = Registry(
    "hook", parent=_HOOKS, scope=SCOPE, locations=["model.hooks", "model.same_start.log"]
)
OPTIM_WRAPPERS = Registry(
    "optim_wrapper", parent=_OPTIM_WRAPPERS, scope=SCOPE, locations=["model.amp"]
)
VISUALIZERS = Registry(
    "visualizer",
    parent=_VISUALIZERS,
    scope=SCOPE,
    locations=["model.visualization", "model.instance"],
)

# mmengine warns at each look-up in a registry that has no child of the scope, as `vis_backend`.
for _parent in tuple(vars(root).values()):
    if isinstance(_parent, _Registry) and SCOPE not in _parent.children:
        Registry(_parent.name, parent=_parent, scope=SCOPE)
