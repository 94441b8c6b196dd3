"""The options of the training command, and the config that they make of the one named."""

import argparse
from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import mmengine.config.config as mmengine_config
from mmengine.config import Config, ConfigDict, DictAction
from mmengine.runner import Runner
from yapf.yapflib.yapf_api import FormatCode

from model.build import load_config, named_configs
from model.config_errors import check_parts
from model.devices import HELP, Device
from model.errors import ConfigError
from model.rendezvous import TIMEOUT_S
from model.same_start.plan import STEPS, use_same_start

LAUNCHERS = ("none", "pytorch", "slurm", "mpi")
CLOSE = 0.85
"""Similarity (difflib's) from which on a new key counts as a slip of the finger."""
NO_SLIPS = frozenset({"dtype"})
"""Keys that a config may leave out and that look like one it has (`type`)."""
READ = frozenset({"compile", "find_unused_parameters"})
"""Keys that training reads beside those of mmengine's runner; no config has to have them."""
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def parser() -> argparse.ArgumentParser:
    """Returns the parser of `python -m model.train`."""
    p = argparse.ArgumentParser(
        prog="python -m model.train",
        description="Train a config; the records of every step go to standard output and port.log.",
    )
    add = p.add_argument
    text = "config file, or the name of one in model/configs"
    add("positional", nargs="?", metavar="CONFIG", help=f"{text}; or give --config")
    add("--config", help=text)
    add_cfg_options(p, example="optim_wrapper.optimizer.lr=0.2")
    add("--work-dir", type=Path, help="where logs and checkpoints go; default logs/<config>_<time>")
    add("--resume", nargs="?", const="auto", metavar="auto|PATH", help="go on from a checkpoint")
    add("--amp", action="store_true", help="mixed precision, in the device's dtype")
    add("--no-validate", action="store_true", help="train alone, without validation")
    add(
        "--auto-scale-lr",
        action="store_true",
        help="scale the rate by the whole batch over the config's auto_scale_lr.base_batch_size",
    )
    add("--no-pin-memory", action="store_true", help="load batches into ordinary memory")
    add(
        "--no-persistent-workers",
        action="store_true",
        help="start the loaders' workers anew for each validation",
    )
    add("--device", metavar="KIND", help=HELP)
    add("--seed", type=_seed, help="default the config's, else drawn and logged")
    add(
        "--fault",
        action="append",
        default=[],
        metavar="NAME[=SEVERITY]",
        help="inject a fault of a real port; may be repeated; `python -m model.faults` lists them",
    )
    add(
        "--same-start",
        action="store_true",
        help="a short run whose start is the same on any device: the host draws everything random",
    )
    add("--steps", type=positive, metavar="N", help=f"steps of a same start; default {STEPS}")
    add(
        "--perturb",
        type=positive,
        metavar="K",
        help="repeat a same start K times with benign roundings, into <work-dir>/perturbed_<k>",
    )
    add("--launcher", choices=LAUNCHERS, default="none", help="what starts the ranks of the run")
    add("--nnodes", type=positive, help="machines of the run; default 1")
    add("--nproc-per-node", type=positive, help="processes to start here, with --launcher pytorch")
    add("--master-addr", help="address of the first machine; default this one")
    add("--master-port", type=_port, help="default a free one; required with several nodes")
    add("--node-rank", type=int, help="number of this machine, from 0; default 0")
    add(
        "--rendezvous-timeout",
        type=positive,
        default=TIMEOUT_S,
        metavar="SECONDS",
        help=f"how long to wait for the other ranks at the start; default {TIMEOUT_S}",
    )
    add("--local_rank", "--local-rank", type=int, default=0, help="set by older launchers")
    return p


def check_config(args: argparse.Namespace) -> None:
    """Takes a positional config as `--config`; raises ConfigError for two configs, and for none."""
    given = [name for name in (args.config, args.positional) if name is not None]
    if len(given) == 2:
        raise ConfigError(
            f"found two configs, --config {args.config} and {args.positional}; expected one of them"
        )
    if not given:
        known = ", ".join(named_configs())
        raise ConfigError(
            f"no config; expected python -m model.train CONFIG with a file or one of: {known}"
        )
    args.config = given[0]


class _CfgOptions(DictAction):
    """KEY=VALUE as mmengine reads it; what it cannot read is bad usage.

    The blanks of a single word stay: mmengine's would read another folder than a user named.
    """

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """Returns the value of a text: a list or tuple, a number, a word with its blanks."""
        read = DictAction._parse_iterable(val)
        return val.strip().strip("'\"") if isinstance(read, str) else read

    def __call__(self, parser: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
        """Reads the pairs."""
        try:
            super().__call__(parser, *args, **kwargs)
        except (RecursionError, ValueError, AssertionError, IndexError) as error:
            parser.error(
                f"--cfg-options: {type(error).__name__} in {args[1]}; expected KEY=VALUE with a "
                "number, a word or a list; set the keys of a dict one by one, as in KEY.type=NAME"
            )


def add_cfg_options(command: argparse.ArgumentParser, *, example: str) -> None:
    """Adds `--cfg-options`, whose help shows an example of KEY=VALUE."""
    command.add_argument(
        "--cfg-options",
        nargs="+",
        action=_CfgOptions,
        default={},
        metavar="KEY=VALUE",
        help=f"change values of the config, as in {example}",
    )


def positive(text: str) -> int:
    """Returns a whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number from 1 on")
    return int(text)


def _port(text: str) -> int:
    """Returns a port that can be listened on."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a port from 1 to 65535")
    return int(text)


def _seed(text: str) -> int:
    """Returns a whole number that every generator takes, on every rank."""
    if not text.isascii() or not text.isdigit() or int(text) >= 2**31:
        raise argparse.ArgumentTypeError(f"found {text!r}; expected a whole number below 2^31")
    return int(text)


def configured(args: argparse.Namespace, device: Device) -> Config:
    """Returns the config named, with the options worked in; nothing is built yet."""
    cfg = load_checked(args.config, args.cfg_options)
    check_parts(cfg)
    if args.amp:
        _use_amp(cfg)
    if args.no_validate:
        cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    if args.auto_scale_lr:
        _scale_lr(cfg)
    for name in LOADERS:
        if cfg.get(name) is not None:
            _set_loader(cfg[name], args, device)
    _check_accumulation(cfg)
    if args.same_start:
        use_same_start(cfg, args.steps)
    cfg.launcher = args.launcher
    return cfg


@lru_cache(maxsize=8)
def _formatted(text: str, style: tuple[tuple[str, Any], ...]) -> tuple[str, bool]:
    formatted: tuple[str, bool] = FormatCode(text, style_config=dict(style))
    return formatted


def format_once(text: str, style_config: dict[str, Any], **_: Any) -> tuple[str, bool]:
    """Yapf's result, kept: mmengine formats the config for each log, dump and checkpoint anew.

    Eight times in a run with three checkpoints, at 0.3 s each: half of what a short run takes.
    """
    return _formatted(text, tuple(sorted(style_config.items())))


mmengine_config.FormatCode = format_once


def load_checked(name: str, cfg_options: dict[str, Any]) -> Config:
    """Returns the config with `cfg_options` (dotted key -> value) merged in."""
    try:
        cfg = load_config(name)
    except FileNotFoundError as error:
        raise ConfigError(str(error)) from error
    except Exception as error:  # a config is a program; whatever it raises is told by its name
        raise ConfigError(f"{name} cannot be read: {type(error).__name__}: {error}") from error
    known = set(cfg) | set(Runner.__init__.__code__.co_varnames) | READ
    for key in cfg_options:
        if key.partition(".")[0] not in known:
            raise ConfigError(
                f"--cfg-options {key}: the config has no '{key.partition('.')[0]}'; expected one "
                f"of {', '.join(sorted(cfg))}"
            )
        _check_spelling(cfg, key)
    try:
        cfg.merge_from_dict(cfg_options)
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise ConfigError(f"--cfg-options {cfg_options}: {error}") from error
    seed = (cfg.get("randomness") or {}).get("seed")
    if seed is not None and not isinstance(seed, int):
        raise ConfigError(f"randomness.seed is {seed!r}; expected a whole number or None")
    return cfg


def _check_spelling(cfg: Config, key: str) -> None:
    """Raises ConfigError for a new key that looks like one that the config has there.

    Other new keys are taken: a config need not write out what has a default.
    """
    node: Any = dict(cfg.items())
    names = key.split(".")
    for i, name in enumerate(names):
        if not isinstance(node, Mapping):
            return  # the entry of a list, or a value that mmengine refuses to go into
        if name not in node:
            near = get_close_matches(name, node, n=1, cutoff=CLOSE)
            if near and name not in NO_SLIPS:
                meant = ".".join([*names[:i], near[0], *names[i + 1 :]])
                raise ConfigError(f"--cfg-options {key}: no such key; did you mean {meant}?")
            return
        node = node[name]


def _use_amp(cfg: Config) -> None:
    kind = cfg.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", "AmpOptimWrapper"):
        raise ConfigError(f"--amp: optim_wrapper is {kind}; expected OptimWrapper")
    cfg.optim_wrapper.type = "AmpOptimWrapper"
    cfg.optim_wrapper.setdefault("loss_scale", "dynamic")


def _scale_lr(cfg: Config) -> None:
    """Turns scaling on, for the batch of all ranks for which the config says its rate is."""
    base = (cfg.get("auto_scale_lr") or {}).get("base_batch_size")
    if base is None:
        raise ConfigError(
            "--auto-scale-lr: the config does not say for which batch its rate is; give it, "
            "as in --cfg-options auto_scale_lr.base_batch_size=8"
        )
    if not isinstance(base, int) or base < 1:
        raise ConfigError(
            f"--auto-scale-lr: auto_scale_lr.base_batch_size is {base!r}; expected the whole "
            "number of samples, over all devices, for which the config's rate is"
        )
    cfg.auto_scale_lr = {"enable": True, "base_batch_size": base}


def _check_accumulation(cfg: Config) -> None:
    """Refuses checkpoints between two halves of a step: half-summed gradients are not saved."""
    summed = cfg.optim_wrapper.get("accumulative_counts", 1)
    interval = (cfg.get("default_hooks") or {}).get("checkpoint", {}).get("interval", summed)
    if interval > 0 and interval % summed:
        raise ConfigError(
            f"checkpoints every {interval} iterations with gradients summed over {summed}: a run "
            "resumed in between would lose them; make default_hooks.checkpoint.interval a multiple"
        )


def _set_loader(loader: ConfigDict, args: argparse.Namespace, device: Device) -> None:
    """Workers kept between epochs and pinned memory, where they make sense and are not refused."""
    has_workers = loader.get("num_workers", 0) > 0
    wanted = loader.get("persistent_workers", True) and not args.no_persistent_workers
    loader.persistent_workers = bool(has_workers and wanted)
    pinned = loader.get("pin_memory", True) and not args.no_pin_memory
    loader.pin_memory = bool(device.pin_memory and pinned)
