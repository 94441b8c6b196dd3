"""Benign variations, injected as faults are: from outside, while one run trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from mmengine.runner import Runner

import model.heads.criss_cross
import model.segmentor
from model.ops.formulations import criss_cross_einsum

Inject = Callable[[], Any]


@contextmanager
def none() -> Iterator[None]:
    """Nothing changes."""
    yield


@contextmanager
def threads_2() -> Iterator[None]:
    """Two threads: sums in another order."""
    torch.set_num_threads(2)
    yield


@contextmanager
def channels_first() -> Iterator[None]:
    """Images as they come, where a narrow network on a CPU would take channels-last ones."""
    with patch.object(model.segmentor, "_CHANNELS_LAST_PARAMETERS_PER_PIXEL", 0):
        yield


@contextmanager
def attention_einsum() -> Iterator[None]:
    """Mmcv's formulation of the attention, by einsum."""
    with patch.object(model.heads.criss_cross, "criss_cross_attention", criss_cross_einsum):
        yield


@contextmanager
def plain_kernels() -> Iterator[None]:
    """Torch's own convolutions instead of oneDNN's."""
    with torch.backends.mkldnn.flags(enabled=False):
        yield


@contextmanager
def flush_denormals() -> Iterator[None]:
    """Numbers below 1e-38 are 0, as on most accelerators."""
    torch.set_flush_denormal(True)
    yield


@contextmanager
def tf32() -> Iterator[None]:
    """Products of 10-bit mantissas with float32 sums, where the card has them."""
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    yield


def _before_training(change: Callable[[Runner], None]) -> Inject:
    """A variation that changes the built runner."""

    @contextmanager
    def inject() -> Iterator[None]:
        train = Runner.train

        def varied(runner: Runner) -> Any:
            change(runner)
            return train(runner)

        with patch.object(Runner, "train", varied):
            yield

    return inject


def _float64(runner: Runner) -> None:
    """Weights, images and everything between them in double precision."""
    runner.model.double()

    def doubled(_: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0].double(), *args[1:])

    runner.model.backbone.register_forward_pre_hook(doubled)


def _compiled(runner: Runner) -> None:
    """The backbone as one compiled graph: fused kernels, other roundings."""
    runner.model.backbone.compile(dynamic=False)


def _foreach_sgd(runner: Runner) -> None:
    """One update for all weights together."""
    loops = runner.build_optim_wrapper(runner.optim_wrapper)
    for group in loops.optimizer.param_groups:
        group["foreach"] = True
    runner.optim_wrapper = loops


VARIATIONS: dict[str, Inject] = {
    "": none,
    "threads-2": threads_2,
    "channels-first": channels_first,
    "attention-einsum": attention_einsum,
    "plain-kernels": plain_kernels,
    "flush-denormals": flush_denormals,
    "foreach-sgd": _before_training(_foreach_sgd),
    "compiled": _before_training(_compiled),
    "float64": _before_training(_float64),
    "tf32": tf32,
}
