"""Weights, inputs and labels that anyone can make again, and the form in which results are kept.

The recipe: u(key) is a hash-driven sequence in [-1, 1) of exact multiples of 2^-23, seeded by the
CRC-32 of the key; each entry of a state dict is filled from the sequence of its own name.
"""

import math
import zlib

import numpy as np
import torch


def sequence(key: str, n: int) -> np.ndarray:
    """Return n float64 values in [-1, 1), the same on every machine."""
    x = (np.arange(n, dtype=np.uint64) + zlib.crc32(key.encode())).astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return (x >> np.uint32(8)) / 2.0**23 - 1.0


def _entry(key: str, tensor: torch.Tensor) -> torch.Tensor:
    last, shape = key.rsplit(".", 1)[-1], tuple(tensor.shape)
    if last == "num_batches_tracked":
        return torch.zeros_like(tensor)
    u = sequence(key, tensor.numel()).reshape(shape)
    if last == "running_mean":
        value = 0.1 * u
    elif last == "running_var":
        value = 1 + 0.25 * (u + 1)
    elif tensor.ndim == 0:
        value = np.asarray(0.5)
    elif last == "bias":
        value = 0.1 * u
    elif tensor.ndim == 1:
        value = 1 + 0.25 * u
    else:
        value = math.sqrt(4.0 / math.prod(shape[1:])) * u
    return torch.from_numpy(np.asarray(value)).to(tensor.dtype)


def fill(module: torch.nn.Module) -> torch.nn.Module:
    """Fill every parameter and buffer by the recipe."""
    module.load_state_dict({k: _entry(k, v) for k, v in module.state_dict().items()})
    return module


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the float64 input [N, C, H, W] of that name."""
    n, c, h, w = np.ogrid[: shape[0], : shape[1], : shape[2], : shape[3]]
    smooth = np.sin(0.37 * h + 0.23 * w + 0.11 * c * (n + 1))
    return torch.from_numpy(smooth + 0.5 * sequence(name, math.prod(shape)).reshape(shape))


def labels(shape: tuple[int, int, int]) -> torch.Tensor:
    """Return class indices [N, H, W] of 19 classes, about one in eleven ignored."""
    n, h, w = np.ogrid[: shape[0], : shape[1], : shape[2]]
    value = (h // 8 + 2 * (w // 16) + 3 * n) % 19
    return torch.from_numpy(np.where((7 * h + 3 * w + n) % 11 == 0, 255, value))


def summary(x: torch.Tensor) -> dict:
    """Return what the files keep of a tensor."""
    flat = x.detach().double().flatten()
    return {
        "shape": list(x.shape),
        "mean": flat.mean().item(),
        "std": flat.std(correction=0).item(),
        "min": flat.min().item(),
        "max": flat.max().item(),
        "l2": flat.norm().item(),
        "first16": flat[:16].tolist(),
        "stride_probe": flat[:: max(1, flat.numel() // 16)][:16].tolist(),
    }


def worst(found, expected, path: str = "") -> tuple[float, str]:
    """Return the largest |found - expected| / max(1, |expected|) of two nested values, and where.

    A key or an entry that only one side has counts as infinitely far.
    """
    if isinstance(expected, dict):
        if found.keys() != expected.keys():
            return math.inf, f"{path}: {sorted(found.keys() ^ expected.keys())}"
        parts = [worst(found[k], expected[k], f"{path}.{k}") for k in expected]
        return max(parts, default=(0.0, path))
    if isinstance(expected, list):
        if len(found) != len(expected):
            return math.inf, f"{path}: length {len(found)} instead of {len(expected)}"
        parts = [
            worst(f, e, f"{path}[{i}]")
            for i, (f, e) in enumerate(zip(found, expected, strict=True))
        ]
        return max(parts, default=(0.0, path))
    if not math.isfinite(found):
        return math.inf, f"{path}: {found}"
    return abs(found - expected) / max(1.0, abs(expected)), f"{path}: {found} != {expected}"
