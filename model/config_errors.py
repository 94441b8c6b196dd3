"""What is wrong with a config, told before anything is trained or written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.config import Config
from mmengine.registry import OPTIMIZERS, DefaultScope, Registry, root

from model.build import build_model, build_network
from model.errors import ConfigError
from model.registry import MODELS, PUBLISHED_SCOPE, SCOPE

TRAINED = ("model", "train_dataloader", "train_cfg", "optim_wrapper")
"""The parts that a config must have to train."""
NETWORKS = ("EncoderDecoder", f"{PUBLISHED_SCOPE}.EncoderDecoder", "ClipEncoderDecoder")
FLIPS = ("RandomFlip", f"{PUBLISHED_SCOPE}.RandomFlip")
SIDE = 64
"""Height and width of the image with which the parts of a network are tried on each other."""
SHOWN = 24
_UNKNOWN = re.compile(r"(\S+) is not in the [\w.]+::([\w ]+?) registry")


def check_parts(cfg: Config) -> None:
    """Raises ConfigError for a config without a part that training needs."""
    for name in TRAINED:
        if not isinstance(cfg.get(name), Mapping):
            raise ConfigError(
                f"the config's {name} is {cfg.get(name)!r}; expected a dict: a training needs "
                f"{', '.join(TRAINED)}"
            )
    optimizer = cfg.optim_wrapper.get("optimizer") or {}
    kind = optimizer.get("type")
    with DefaultScope.overwrite_default_scope(SCOPE):
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            raise ConfigError(
                f"optim_wrapper.optimizer.type is {kind!r}, which is unknown; expected one of "
                f"{_known('optimizer')}"
            )


def check_network(cfg: Config) -> None:
    """Raises ConfigError if the backbone and heads of a config do not fit each other.

    An image or clip without numbers (torch's meta device) passes through them.
    """
    kind = cfg.model.get("type")
    if kind not in NETWORKS and (network_type := MODELS.get(kind)) is not None:
        if network_type.__module__.partition(".")[0] == SCOPE:
            with torch.device("meta"):
                build_network(cfg)
        return  # of a user's network nothing is known
    with torch.device("meta"):
        network = build_model(cfg)
        image = network.empty_input(SIDE)
    network.eval()
    shapes: list[tuple[int, ...]] = []
    try:
        features = network.extract_feat(image)
        shapes = [tuple(feature.shape) for feature in features]
        network.decode_head(features)
        for head in network._auxiliary_heads().values():
            head(network.auxiliary_features(features))
    except (RuntimeError, IndexError) as error:
        channels = ", ".join(str(shape[-3]) for shape in shapes) or "nothing"
        raise ConfigError(
            f"model: its parts do not fit each other ({' '.join(str(error).split())}); the "
            f"backbone gives {channels} channels: compare them with in_channels and in_index"
        ) from error


def check_classes(cfg: Config, part: str, classes: int) -> None:
    """Raises ConfigError if a network or a head has fewer classes than a part's data set."""
    heads = [("", cfg.model), ("decode_head.", cfg.model.get("decode_head"))]
    more = cfg.model.get("auxiliary_head")
    heads += [("auxiliary_head.", head) for head in (more if isinstance(more, list) else [more])]
    for name, head in heads:
        given = head.get("num_classes") if isinstance(head, Mapping) else None
        if isinstance(given, int) and given < classes:
            raise ConfigError(
                f"model.{name}num_classes is {given}, and {part}.dataset has {classes} classes; "
                f"expected at least {classes}"
            )


def check_flips(part: Any, place: str, metainfo: Mapping[str, Any]) -> None:
    """Raises ConfigError for a horizontal flip in `part` that leaves left and right as they are.

    `metainfo` is the data set's: `left_right_pairs` are the labels that a mirror swaps, if it has
    some. `swap_seg_labels=[]` in the config is the word of somebody who wants it so.
    """
    wanted = {frozenset(pair) for pair in metainfo.get("left_right_pairs") or ()}
    classes = len(metainfo.get("classes") or ())
    for path, flip in _nodes(part, FLIPS, f"{place}."):
        given = flip.get("swap_seg_labels")
        turns = flip.get("direction", "horizontal") == "horizontal" and flip.get("prob", 0.5) != 0
        if turns and given is None and wanted:
            raise ConfigError(
                f"{path}swap_seg_labels is missing: a mirrored left arm is a right arm, and this "
                f"data set labels the sides; expected {_shown(wanted)}, or [] to train with the "
                "sides mixed up"
            )
        if given and wanted and {frozenset(pair) for pair in given} != wanted:
            raise ConfigError(
                f"{path}swap_seg_labels is {[tuple(pair) for pair in given]}; expected the pairs "
                f"of this data set, {_shown(wanted)}"
            )
        pairs = [pair for pair in given or () if isinstance(pair, list | tuple)]
        beyond = sorted({i for pair in pairs for i in pair if isinstance(i, int) and i >= classes})
        if beyond and classes:
            raise ConfigError(
                f"{path}swap_seg_labels has {', '.join(map(str, beyond))}; expected classes of "
                f"this data set, 0 to {classes - 1}"
            )


def _shown(pairs: Iterable[frozenset[int]]) -> list[tuple[int, ...]]:
    return sorted(tuple(sorted(pair)) for pair in pairs)


def unknown_type(error: BaseException, cfg: Any) -> str | None:
    """Returns where a config names a type that mmengine did not find, and the known ones."""
    match = _UNKNOWN.search(str(error.args[0] if error.args else error))
    if match is None:
        return None
    kind, registry = match[1], match[2]
    path = next((f"{path}type" for path, _ in _nodes(cfg, (kind,))), "a type")
    return f"{path} is {kind!r}, which is unknown; expected one of {_known(registry)}"


def _nodes(
    node: Any, kinds: Sequence[str], path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields the entries of a config whose `type` is one of `kinds`, each after its path."""
    items: Any = ()
    if isinstance(node, Config | Mapping):
        items = node.items()
        if node.get("type") in kinds:
            yield path, node
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    for key, value in items:
        yield from _nodes(value, kinds, f"{path}{key}.")


def _known(registry: str) -> str:
    """Returns the names of the types of a registry: this project's, then mmengine's."""
    parents = [each for each in vars(root).values() if isinstance(each, Registry)]
    parent = next(each for each in parents if each.name == registry)
    child = parent.children[SCOPE]
    child.import_from_location()
    names = [*sorted(child.module_dict), *sorted(set(parent.module_dict) - set(child.module_dict))]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
