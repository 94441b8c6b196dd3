"""The registries of the model, under the scope name that published configs use.

mmsegmentation's configs say `default_scope = 'mmseg'` and name their types without a prefix; these
registries answer to that scope, so that such a config runs here unchanged. Modules are loaded from
the locations declared here, when a type is first looked up, not by the side effect of an import.
"""

from __future__ import annotations

import sys

from mmengine.registry import DATA_SAMPLERS as _DATA_SAMPLERS
from mmengine.registry import DATASETS as _DATASETS
from mmengine.registry import HOOKS as _HOOKS
from mmengine.registry import LOOPS as _LOOPS
from mmengine.registry import METRICS as _METRICS
from mmengine.registry import MODELS as _MODELS
from mmengine.registry import OPTIM_WRAPPERS as _OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as _TRANSFORMS
from mmengine.registry import VISUALIZERS as _VISUALIZERS
from mmengine.registry import Registry

SCOPE = "mmseg"

# mmengine imports `<scope>.registry` at each look-up and warns where there is none. This module is
# the scope's registry: the alias answers that import, and an installed mmseg stays out of the way.
sys.modules.setdefault(f"{SCOPE}.registry", sys.modules[__name__])

MODELS = Registry(
    "model",
    parent=_MODELS,
    scope=SCOPE,
    locations=[
        "model.backbones",
        "model.heads",
        "model.inference",
        "model.losses",
        "model.preprocess",
        "model.segmentor",
    ],
)
DATASETS = Registry("dataset", parent=_DATASETS, scope=SCOPE, locations=["model.data"])
DATA_SAMPLERS = Registry(
    "data sampler", parent=_DATA_SAMPLERS, scope=SCOPE, locations=["model.data"]
)
LOOPS = Registry("loop", parent=_LOOPS, scope=SCOPE, locations=["model.loop"])
TRANSFORMS = Registry("transform", parent=_TRANSFORMS, scope=SCOPE, locations=["model.data"])
METRICS = Registry("metric", parent=_METRICS, scope=SCOPE, locations=["model.metrics"])
HOOKS = Registry(
    "hook", parent=_HOOKS, scope=SCOPE, locations=["model.hooks", "model.same_start.log"]
)
OPTIM_WRAPPERS = Registry(
    "optim_wrapper", parent=_OPTIM_WRAPPERS, scope=SCOPE, locations=["model.amp"]
)
VISUALIZERS = Registry(
    "visualizer", parent=_VISUALIZERS, scope=SCOPE, locations=["model.visualization"]
)
