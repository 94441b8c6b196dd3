"""Evaluate a checkpoint: `python -m model.evaluate CONFIG CHECKPOINT [--out DIR]`.

Prints the metrics of the config's test data, and writes pictures of some images with their labels
and predictions in class colours, and `metrics.json`. Exit status: 0 done, 2 an error of the user's.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from model.build import build_network
from model.checkpoint import fault_of_shapes, read_checkpoint, tensors_of
from model.command import ended
from model.config_errors import check_flips, check_network
from model.data.concat import without_pipeline
from model.devices import HELP, find_device, use_device
from model.errors import CheckpointError, ConfigError
from model.foreign import tell
from model.options import add_cfg_options, load_checked
from model.registry import DATASETS, SCOPE
from model.runner import PortRunner, built_from
from model.threads import settle
from model.train import LOGS

SHOWN = 3


def parser() -> argparse.ArgumentParser:
    """Returns the parser of `python -m model.evaluate`."""
    p = argparse.ArgumentParser(prog="python -m model.evaluate", description=__doc__)
    add = p.add_argument
    add("config", help="config file, or the name of one in model/configs")
    add("checkpoint", type=Path, help="a checkpoint of a training run, or a file of weights")
    add(
        "--out",
        type=Path,
        help="for pictures and metrics; default logs/<config>_eval_<time>",
    )
    add("--pictures", type=int, default=20, metavar="N", help="at most, evenly spread; default 20")
    add("--tta", action="store_true", help="average over the config's scales and flips")
    add("--device", metavar="KIND", help=HELP)
    add_cfg_options(p, example="test_dataloader.dataset.data_root=DIR")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    return ended(lambda: command(parser().parse_args(argv)))


def command(args: argparse.Namespace) -> int:
    """Evaluates and prints the metrics; returns the exit status."""
    out = args.out or LOGS / f"{Path(args.config).stem}_eval_{time.strftime('%Y%m%d_%H%M%S')}"
    settle()
    use_device(find_device(args.device))
    cfg = load_checked(args.config, args.cfg_options)
    checkpoint = read_checkpoint(args.checkpoint)
    weights = tensors_of(checkpoint, args.checkpoint)
    tell(checkpoint, args.checkpoint)
    with built_from("model", cfg):
        check_network(cfg)
    metrics = evaluate(cfg, weights, out=out, pictures=args.pictures, tta=args.tta)
    for name, value in metrics.items():
        print(f"{name}: {value}")
    print(f"pictures and metrics in {out}")
    return 0


def evaluate(
    cfg: Config, state_dict: dict[str, Any], *, out: Path, pictures: int = 20, tta: bool = False
) -> dict[str, float]:
    """Returns the metrics of the weights on the config's test data; pictures go to `out`."""
    if cfg.get("test_dataloader") is None:
        raise ConfigError("the config has no test_dataloader")
    with built_from("model", cfg):
        network = build_network(cfg)
    load_weights(network, state_dict)  # refuses before anything is written
    if tta:
        _use_tta(cfg)
    scope = DefaultScope.overwrite_default_scope(SCOPE)
    with scope, built_from("test_dataloader.dataset", cfg):
        data = DATASETS.build(without_pipeline(cfg.test_dataloader.dataset))
    if tta:
        check_flips(cfg.tta_pipeline, "tta_pipeline", data.metainfo)
    else:
        check_flips(cfg.test_dataloader.dataset, "test_dataloader.dataset", data.metainfo)
    cfg.update(train_dataloader=None, train_cfg=None, optim_wrapper=None, param_scheduler=None)
    cfg.update(val_dataloader=None, val_cfg=None, val_evaluator=None, resume=False, load_from=None)
    cfg.test_dataloader.persistent_workers = False
    cfg.work_dir, cfg.launcher = str(out), "none"
    cfg.default_hooks.visualization = {
        "type": "SegVisualizationHook",
        "draw": pictures > 0,
        "interval": max(1, -(-len(data) // max(1, pictures))),
        "out_dir": str(out / "pictures"),
    }
    with built_from("config", cfg):
        runner = PortRunner.from_cfg(cfg)
    load_weights(runner.model.module if tta else runner.model, state_dict)
    metrics: dict[str, float] = runner.test()
    (out / "metrics.json").write_text(json.dumps(metrics) + "\n", encoding="utf-8")
    return metrics


def _use_tta(cfg: Config) -> None:
    """Tests on several scales and flips of each image, as the config's `tta_*` say."""
    if cfg.get("tta_pipeline") is None or cfg.get("tta_model") is None:
        raise ConfigError("--tta: the config has no tta_pipeline and tta_model")
    cfg.test_dataloader.dataset.pipeline = cfg.tta_pipeline
    cfg.model = {**cfg.tta_model, "module": cfg.model}


def load_weights(network: nn.Module, state_dict: dict[str, Any]) -> None:
    """Loads the weights; raises CheckpointError for any that is missing or left over."""
    try:
        result = network.load_state_dict(state_dict, strict=False)
    except RuntimeError as error:
        raise CheckpointError(
            f"the checkpoint has other shapes than this network: {fault_of_shapes(error)}"
        ) from error
    wrong = [*result.missing_keys, *result.unexpected_keys]
    if wrong:
        raise CheckpointError(
            f"the checkpoint is of another network: {len(result.missing_keys)} entries are missing "
            f"and {len(result.unexpected_keys)} unknown, as {', '.join(wrong[:SHOWN])}"
        )


if __name__ == "__main__":
    sys.exit(main())
