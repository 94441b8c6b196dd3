"""The packages that this room needs beyond the rest of `model`."""

from __future__ import annotations

from importlib.util import find_spec

from model.errors import ConfigError

PACKAGES = ("torchvision", "pycocotools")


def check_installed() -> None:
    """Raises ConfigError unless the packages of the extra `instance` can be imported."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"instance segmentation: {' and '.join(missing)} cannot be imported; expected the "
            "extra [instance]. Install the torchvision that belongs to your torch, then: "
            "pip install '.[train,instance]'"
        )
