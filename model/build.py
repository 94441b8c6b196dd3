"""Networks and configs by name."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope

from model.registry import MODELS, SCOPE
from model.segmentor import EncoderDecoder

CONFIGS = Path(__file__).parent / "configs"


def load_config(config: str | PathLike[str] | Config) -> Config:
    """Returns the config of a name ('ccnet_r18-d8_demo'), a path, or the object itself.

    A path that exists comes first; a name is looked up in every family of `model/configs`.
    """
    if isinstance(config, Config):
        return config
    path = Path(config)
    if not path.is_file():
        named = named_configs().get(path.name.removesuffix(".py"))
        if path.parent != Path() or named is None:
            known = ", ".join(named_configs())
            raise FileNotFoundError(
                f"no config {str(config)!r}; expected a file or one of: {known}"
            )
        path = named
    return Config.fromfile(path)


def named_configs() -> dict[str, Path]:
    """Returns the configs of every family, `configs/<family>/<name>.py`, by their names."""
    files = (path for path in CONFIGS.glob("*/*.py") if path.parent.name != "_base_")
    return {path.stem: path for path in sorted(files, key=lambda path: path.stem)}


def build_model(
    config: str | PathLike[str] | Config | dict[str, Any], *, pretrained: str | None = None
) -> EncoderDecoder:
    """Returns the network of a config's name, path or object, with fresh weights.

    The object may be a whole config or its `model` part. The config's own `pretrained` is not
    loaded here (training does that, in `init_weights`); `pretrained` names a file for the backbone.
    Draw from a fixed seed (`torch.manual_seed`) for the same weights again.
    """
    network = build_network(config, pretrained=pretrained)
    if not isinstance(network, EncoderDecoder):
        raise TypeError(f"config gives a {type(network).__name__}; expected an EncoderDecoder")
    if pretrained is not None:
        network.init_weights()
    return network


def build_network(
    config: str | PathLike[str] | Config | dict[str, Any], *, pretrained: str | None = None
) -> BaseModel:
    """Returns the network of any type that a config names, as it is built; see `build_model`."""
    settings = config if isinstance(config, dict) else load_config(config)
    part = dict(settings.get("model", settings))
    if pretrained is not None or "pretrained" in part:
        part["pretrained"] = pretrained
    with DefaultScope.overwrite_default_scope(SCOPE):
        return MODELS.build(part)
