"""The options of a same start, worked into the config."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from mmengine.config import Config

from model.errors import ConfigError
from model.hooks.port_log import FILE_NAME
from model.registry import MODELS

STEPS = 20
LOG_HOOK = "SameStartLogHook"


def check_alone(args: Namespace) -> None:
    """Raises ConfigError for options that make sense together alone, or not together."""
    for name in ("steps", "perturb"):
        value = getattr(args, name)
        if value is not None and not args.same_start:
            raise ConfigError(
                f"--{name} {value} without --same-start; expected both. For a shorter training: "
                "--cfg-options train_cfg.max_iters=N"
            )
    if args.same_start and args.resume is not None:
        raise ConfigError(
            "--same-start with --resume: a same start begins at step 0; to begin with the weights "
            "of a checkpoint: --cfg-options load_from=FILE"
        )


def use_same_start(cfg: Config, steps: int | None) -> None:
    """Cuts the plan to `steps` optimizer steps without validation or checkpoints.

    The schedule stays that of the whole plan.
    """
    if cfg.get("compile"):
        raise ConfigError(
            "compile with --same-start: the host draws the dropout masks of a same start, and a "
            "compiled step would not take them; expected compile=False"
        )
    kind = cfg.model.get("type")
    if not getattr(MODELS.get(kind), "host_draws", True):
        raise ConfigError(
            f"--same-start: {kind} draws random numbers on the device, so that no two devices "
            "start alike; expected a network that draws none but dropout masks. Judge this one by "
            "several seeds"
        )
    planned = cfg.train_cfg.max_iters
    if steps is not None and steps > planned:
        raise ConfigError(
            f"--steps {steps}: the config plans {planned} steps; expected at most as many, or a "
            f"longer plan (--cfg-options train_cfg.max_iters={steps})"
        )
    for schedule in _schedules(cfg):
        if not schedule.get("by_epoch", True):
            schedule.setdefault("end", planned)
    cfg.train_cfg.max_iters = min(steps or STEPS, planned)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    # mmengine's own log rounds to four digits, and the harness would believe it first.
    unwanted = {"checkpoint": None, "logger": None}
    cfg.default_hooks = {**(cfg.get("default_hooks") or {}), **unwanted}
    cfg.env_cfg = {**(cfg.get("env_cfg") or {}), "cudnn_benchmark": False}
    cfg.same_start = True


def _schedules(cfg: Config) -> list[dict[str, object]]:
    found = cfg.get("param_scheduler") or []
    return list(found) if isinstance(found, list | tuple) else [found]


def check_folders(folder: Path, perturbed: int) -> None:
    """Raises ConfigError if a folder has a step log already: that of a same start has one run."""
    for where in (folder, *(folder / f"perturbed_{k}" for k in range(1, perturbed + 1))):
        if (where / FILE_NAME).exists():
            raise ConfigError(
                f"--same-start: {where / FILE_NAME} is there already; expected a folder without a "
                "step log. Name another one by --work-dir, or remove the log"
            )
