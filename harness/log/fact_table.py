"""The one table of facts: what a log may state of its run, and what each source calls it.

A new fact, or another name for one, changes this file alone; `model/environment.py` writes the
facts of the model under the names of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

DEVICE_KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "cuda": ("nccl",),
        "rocm": ("rccl",),
        "sdaa": ("tccl",),
        "npu": ("hccl",),
        "mlu": ("cncl",),
        "musa": ("mccl",),
        "xpu": ("ccl", "xccl"),
        "mps": (),
        "cpu": (),
    }
)
"""Device kinds, each with the collective libraries that only it uses; gloo and mpi serve any."""

DEVICES_PER_CARD: Mapping[str, int] = MappingProxyType({"sdaa": 4})
"""Devices that a program sees on one card, for kinds whose cards hold several."""

Value = Literal["count", "number", "word", "flag", "fingerprint"]
"""A count is a whole number from 1; a word is text; a flag is true or false; a fingerprint is a
text of numbers that agree to `fingerprint.ALIKE` if the arrays behind them do."""
Names = str | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A fact of a run.

    Two runs that differ in a fact that `must_match` are two experiments. `aliases` are its names by
    source; the sources are the formats and blocks in `harness/parse` that read them.
    """

    name: str
    must_match: bool
    meaning: str
    value: Value = "number"
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def _must_match(name: str, meaning: str, value: Value = "number", **aliases: Names) -> Fact:
    return _fact(name, meaning, value, must_match=True, aliases=aliases)


def _may_differ(name: str, meaning: str, value: Value = "word", **aliases: Names) -> Fact:
    return _fact(name, meaning, value, must_match=False, aliases=aliases)


def _fact(
    name: str, meaning: str, value: Value, *, must_match: bool, aliases: Mapping[str, Names]
) -> Fact:
    names = {of: (given,) if isinstance(given, str) else given for of, given in aliases.items()}
    return Fact(name=name, must_match=must_match, meaning=meaning, value=value, aliases=names)


_OPTIMIZER = "optim_wrapper.optimizer."

TABLE: tuple[Fact, ...] = (
    _must_match(
        "world_size",
        "number of processes that train together",
        "count",
        mmengine_environment="GPU number",
        megatron_arguments="world_size",
    ),
    _must_match(
        "batch_per_device",
        "samples of one process in one forward pass",
        "count",
        mmengine="train_dataloader.batch_size",
        mmcv="data.samples_per_gpu",
        arguments=("batch_size", "per_device_train_batch_size", "micro_batch_size"),
        hf_state="train_batch_size",
        megatron_arguments="micro_batch_size",
        trainer="Instantaneous batch size per device",
    ),
    _must_match(
        "grad_accumulation",
        "forward passes per optimizer step",
        "count",
        mmengine="optim_wrapper.accumulative_counts",
        arguments=("gradient_accumulation_steps", "grad_accumulation_steps"),
        mllog="gradient_accumulation_steps",
        trainer="Gradient Accumulation steps",
    ),
    _must_match(
        "effective_batch",
        "samples per optimizer step, over all processes",
        "count",
        megatron="global batch size",
        arguments="global_batch_size",
        mllog="global_batch_size",
        megatron_arguments="global_batch_size",
        trainer="Total train batch size",
    ),
    _must_match("precision", "float32, amp-float16, amp-bfloat16", "word"),
    _must_match(
        "optimizer",
        "type of the optimizer",
        "word",
        mmengine=f"{_OPTIMIZER}type",
        mmcv="optimizer.type",
        arguments=("optim", "optimizer"),
        mllog="opt_name",
        mlflow=("optimizer_name", "opt_name"),
        megatron_arguments="optimizer",
    ),
    _must_match(
        "learning_rate",
        "initial learning rate",
        mmengine=f"{_OPTIMIZER}lr",
        mmcv="optimizer.lr",
        arguments=("lr", "learning_rate"),
        mllog="opt_base_learning_rate",
        mlflow="opt_learning_rate",
        megatron_arguments="lr",
    ),
    _must_match(
        "momentum",
        "momentum of the optimizer",
        mmengine=f"{_OPTIMIZER}momentum",
        mmcv="optimizer.momentum",
        arguments="momentum",
        mlflow="opt_momentum",
    ),
    _must_match(
        "weight_decay",
        "weight decay of the optimizer",
        mmengine=f"{_OPTIMIZER}weight_decay",
        mmcv="optimizer.weight_decay",
        arguments="weight_decay",
        mllog=("opt_adamw_weight_decay", "opt_weight_decay"),
        mlflow="opt_weight_decay",
        megatron_arguments="weight_decay",
    ),
    _must_match(
        "schedule",
        "learning-rate schedule with its settings",
        "word",
        arguments="lr_scheduler_type",
        megatron_arguments="lr_decay_style",
    ),
    _must_match(
        "planned_steps",
        "optimizer steps that the run was meant to take",
        "count",
        mmengine="train_cfg.max_iters",
        mmcv="runner.max_iters",
        arguments=("max_steps", "max_iters", "max_train_steps", "train_iters"),
        hf_state="max_steps",
        json_lines="total_steps",
        megatron_arguments="train_iters",
        trainer="Total optimization steps",
    ),
    _must_match(
        "crop_size",
        "height and width of a training sample",
        "word",
        mmengine="crop_size",
        mmcv="crop_size",
    ),
    _must_match("model", "network, backbone and heads", "word"),
    _must_match(
        "dataset",
        "type of the training data set",
        "word",
        mmengine="train_dataloader.dataset.type",
        mmcv="data.train.type",
    ),
    _must_match(
        "train_split", "parts of the data set that are trained on: train, aug+train", "word"
    ),
    _must_match("eval_split", "part of the data set that the metric is computed on", "word"),
    _must_match("test_mode", "how images are tested: single-scale, ms+flip", "word"),
    _must_match("recurrence", "rounds of criss-cross attention with shared weights"),
    _may_differ("device_kind", ", ".join(DEVICE_KINDS)),
    _may_differ("device_name", "name of the device", mllog="submission_platform"),
    _may_differ("device_count", "devices that the process could see", "count"),
    _may_differ("driver", "version of the device driver", sdaa_banner="SDAA Driver"),
    _may_differ(
        "runtime",
        "version of the device runtime",
        mmengine_environment="NVCC",
        sdaa_banner="SDAA Runtime",
    ),
    _may_differ("backend", "collective library"),
    _may_differ("collectives", "version of the collective library", sdaa_banner="TCCL"),
    _may_differ("dnn", "version of the library of network operators", sdaa_banner="TecoDNN"),
    _may_differ("blas", "version of the library of matrix products", sdaa_banner="TecoBLAS"),
    _may_differ("cpu_operators", "operators that fell back to the CPU"),
    _may_differ(
        "launcher", "what started the processes", mmengine_environment="Distributed launcher"
    ),
    _may_differ(
        "seed",
        "seed of the random number generators",
        "number",
        mmengine_environment="seed",
        arguments="seed",
        mllog="seed",
        megatron_arguments="seed",
        mmcv_json="seed",
    ),
    _may_differ("deterministic", "deterministic kernels were asked for", "flag"),
    _may_differ("memory_format", "how images lie in memory: channels_last, contiguous"),
    _may_differ("compiled", "backend of torch.compile that compiled the step"),
    _may_differ("num_threads", "CPU threads of one process", "count"),
    _may_differ(
        "data_root",
        "folder of the training data",
        mmengine="train_dataloader.dataset.data_root",
    ),
    _may_differ("python", "version of Python", mmengine_environment="Python"),
    _may_differ(
        "torch", "version of PyTorch", mmengine_environment="PyTorch", sdaa_banner="PyTorch"
    ),
    _may_differ("mmengine", "version of mmengine", mmengine_environment="MMEngine"),
    _may_differ("model_code", "version of the code that trained"),
    _may_differ("autocast", "number format of mixed precision in force; none"),
    _may_differ("tf32_matmul", "TF32 in matrix products", "flag"),
    _may_differ("tf32_convolution", "TF32 in convolutions", "flag"),
    _may_differ("matmul_precision", "precision of float32 matrix products: highest, high, medium"),
    _may_differ("deterministic_kernels", "deterministic kernels were in force", "flag"),
    _may_differ("same_start", "the host drew everything random, alike for any device", "flag"),
    _may_differ("perturbed", "the benign roundings of a repetition of the same start"),
    _must_match("start_weights", "initial weights and buffers", "fingerprint"),
    _must_match("start_images", "first images, and how they are normalised", "fingerprint"),
    _must_match("start_labels", "first labels", "fingerprint"),
    _must_match("start_random", "order of the samples or dropout masks", "fingerprint"),
)
"""Every fact: those that must match, those that may differ, and fingerprints of a start."""

BY_NAME: Mapping[str, Fact] = MappingProxyType({fact.name: fact for fact in TABLE})


def aliases(source: str) -> dict[str, str]:
    """Returns the facts that a source states, by the source's own names.

    Raises:
        KeyError: no fact has a name in this source.
    """
    names = {alias: fact.name for fact in TABLE for alias in fact.aliases.get(source, ())}
    if not names:
        raise KeyError(source)
    return names
