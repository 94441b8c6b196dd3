"""Faults of the model on the operator level, located by two captures of `python -m model.train`.

Most of them are healthy operators that were asked for something else, which a replay cannot see.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn

from harness.capture.program import Late, run_program
from harness.capture.record import Recorder
from harness.locate.compare import compare_captures
from harness.locate.format import from_bytes, to_bytes
from harness.locate.names import canonical
from harness.locate.result import Row
from model import train

CONFIGS = ("ccnet_r18-d8_demo", "ccnet_r18-d4_cues")
TWINS = 2
ATTENTION = r"\w+ \w+ decode_head\.cca\S* .*|backward gradient - decode_head\.cca\..*"
FIRST_CONVOLUTION = r"forward \w+ backbone\.stem\.0 .*"
RESIZED = r"forward \w+ (-|decode_head|auxiliary_head) .*"
BATCH_NORM = (
    r"forward operator (\S+ batch_norm|backbone\.stem\.1 .*)|\w+ buffer_update - .*running_\w+"
)
GRADIENT = r"backward (gradient|operator) .*"
LABELS = r"\w+ input - .*|forward \w+ \S*loss_decode\S* .*"
TRUTH = {
    "batch_norm_eps": BATCH_NORM,
    "batch_norm_momentum": BATCH_NORM,
    "batch_norm_biased": BATCH_NORM,
    "batch_norm_frozen": BATCH_NORM,
    "dropout_absent": r"forward \w+ \S*dropout\S* .*",
    "dropout_unscaled": r"forward \w+ \S*dropout\S* .*",
    "relu_leaks": r"forward \w+ backbone\.stem\.2 .*",
    "pooling_shifted": r"forward \w+ backbone\.maxpool .*",
    "strided_conv_shifted": FIRST_CONVOLUTION,
    "dilation_ignored": r"forward \w+ backbone\.layer[34]\.\d\.conv\d .*",
    "upsampling_align_corners": RESIZED,
    "upsampling_nearest": RESIZED,
    "upsampling_wraps": RESIZED,
    "conv_inputs_rounded": FIRST_CONVOLUTION,
    "conv_outputs_rounded": FIRST_CONVOLUTION,
    "conv_weight_gradient_rounded": rf"{GRADIENT}|{FIRST_CONVOLUTION}",
    "conv_accumulation_rounded": FIRST_CONVOLUTION,
    "flush_to_zero": rf"{FIRST_CONVOLUTION}|{GRADIENT}",
    "gradients_rounded": GRADIENT,
    "gradients_noisy": GRADIENT,
    "gradients_lost": GRADIENT,
    "gradient_dropped=1": r"\w+ (gradient|update) - decode_head\.convs\.0\.conv\.weight",
    "scores_rounded": r"forward \w+ (-|decode_head|auxiliary_head|\S*loss_decode\S*) .*",
    "hidden_autocast": FIRST_CONVOLUTION,
    "attention_branches_swapped": ATTENTION,
    "attention_centre_twice": ATTENTION,
    "attention_once": ATTENTION,
    "attention_scaled": ATTENTION,
    "attention_two_softmaxes": ATTENTION,
    "attention_weights_detached": rf"{ATTENTION}|backward \w+ decode_head\.cca\S* .*",
    "softmax_half": ATTENTION,
    "softmax_without_max": ATTENTION,
    "gamma_stuck": r"backward operator \S*gamma .*|backward gradient - .*gamma.*",
    "labels_wrap": LABELS,
    "pixel_index_wraps": LABELS,
}
"""Each fault with the place of its first effect: pass, kind, module (- for the whole network), and
operator or name, as a regular expression. It follows from what the fault changes."""


@dataclass(frozen=True)
class Job:
    """One training step: a config, a precision and a seed, with a fault or as a twin."""

    config: str
    precision: str
    seed: int
    folder: str
    fault: str = ""
    twin: int = 0

    @property
    def path(self) -> Path:
        """Where the capture lies."""
        name = self.fault or f"twin{self.twin}"
        return Path(self.folder) / f"{self.config}-{self.precision}-{self.seed}-{name}.capture"


@dataclass(frozen=True)
class Located:
    """What the comparison of two captures says of a fault. Rank 0 is not named at all.

    `same` says that the capture equals the healthy one, so that the fault did nothing.
    """

    network: str
    precision: str
    seed: int
    fault: str
    outcome: str
    same: bool
    twin: int
    first: str


def measure(seeds: Sequence[int], precisions: Sequence[str], jobs: int) -> Iterator[Located]:
    """Yields what is located of every fault."""
    with tempfile.TemporaryDirectory() as folder:
        cases = [(c, p, s, folder) for c in CONFIGS for p in precisions for s in seeds]
        healthy = [Job(*case, twin=k) for case in cases for k in range(TWINS + 1)]
        faults = [Job(*case, fault=name) for case in cases for name in TRUTH]
        # each run forks from this process, which has imported the training and never trained
        with get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
            for _ in pool.imap_unordered(_record, healthy, chunksize=1):
                pass
            yield from pool.imap_unordered(_compare, faults, chunksize=1)


def _record(job: Job) -> None:
    """Trains one step and writes its capture."""

    def make(network: nn.Module) -> Recorder:
        return Recorder(network, twin=job.twin, unhide=True)

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch, (Path(scratch) / "out.txt").open("w") as out:
        words = ["-m", train.__name__, "--config", job.config, "--same-start", "--steps", "2"]
        words += ["--seed", str(job.seed), "--device", "cpu", "--work-dir", f"{scratch}/run"]
        words += ["--amp"] if job.precision == "bfloat16" else []
        words += ["--fault", job.fault] if job.fault else []
        words += ["--cfg-options", "train_dataloader.num_workers=0"]
        words += ["train_dataloader.persistent_workers=False"]
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            recorder = run_program(words, Late(make, steps=1))
    job.path.write_bytes(to_bytes(recorder.capture()))


def _compare(job: Job) -> Located:
    """Trains one step with a fault, and compares its capture with the healthy one."""
    _record(job)
    read = [
        from_bytes(path.read_bytes(), source=path.name)
        for path in (job.path, *(_healthy(job, k).path for k in range(TWINS + 1)))
    ]
    job.path.unlink()
    candidate, baseline, *twins = read
    located = compare_captures(baseline, candidate, baseline_twins=twins)
    truth = re.compile(TRUTH[job.fault])
    ranks = (n for n, row in enumerate(located.culprits, 1) if truth.fullmatch(place(row)))
    same = baseline.records == candidate.records and bool(
        (baseline.sketches == candidate.sketches).all()
    )
    return Located(
        network=job.config, precision=job.precision, seed=job.seed, fault=job.fault,
        outcome=located.outcome, same=same, twin=next(ranks, 0),
        first=place(located.culprits[0]) if located.culprits else "",
    )  # fmt: skip


def _healthy(job: Job, twin: int) -> Job:
    return Job(job.config, job.precision, job.seed, job.folder, twin=twin)


def place(row: Row) -> str:
    """Returns pass, kind, module and name of a row, which `TRUTH` matches."""
    name = canonical(row.operator) if row.kind == "operator" else row.operator
    return f"{row.phase} {row.kind} {row.module or '-'} {name}"
