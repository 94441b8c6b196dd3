"""mmengine's runner, whose checkpoints appear whole, and whose errors name what the user gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from model.checkpoint import TEMPORARY, fault_of_shapes, publish, read_checkpoint, tensors_of
from model.compiled import compile_step
from model.config_errors import unknown_type
from model.errors import CheckpointError, ConfigError, ModelError, WriteError
from model.foreign import reading_inertly
from model.registry import SCOPE, scope_of
from model.same_start.weights import initialise_on_host

if TYPE_CHECKING:
    from model.same_start.start import SameStart

BUILDERS = {
    "build_model": "model",
    "build_optim_wrapper": "optim_wrapper",
    "build_param_scheduler": "param_scheduler",
    "build_evaluator": "evaluator",
    "build_train_loop": "train_cfg",
    "build_val_loop": "val_cfg",
    "build_test_loop": "test_cfg",
    "register_default_hooks": "default_hooks",
    "register_custom_hooks": "custom_hooks",
}
"""Methods that make an object of a part of the config, and that part."""


class PortRunner(Runner):
    """mmengine's runner. What it loads runs no code, and what it cannot build or load is told.

    `same_start` is set before a training of which the config says `same_start = True`.
    """

    same_start: SameStart | None = None

    def __init__(self, *args: Any, default_scope: str = SCOPE, **kwargs: Any) -> None:
        """Takes mmengine's arguments; the scope of published configs is read as this package's."""
        super().__init__(*args, default_scope=scope_of(default_scope), **kwargs)

    def _init_model_weights(self) -> None:
        """Starts the weights afresh; those of a same start on the host."""
        if self.same_start is None:
            super()._init_model_weights()
        else:
            model = self.model
            network = model.module if is_model_wrapper(model) else model
            initialise_on_host(network, self.seed)

    def _maybe_compile(self, target: str) -> None:  # noqa: ARG002 - mmengine's `train_step`
        """Compiles the step, if the config says so."""
        model = self.model
        network = model.module if is_model_wrapper(model) else model
        compile_step(network, self.cfg.get("compile"))

    def save_checkpoint(self, out_dir: str, filename: str, *args: Any, **kwargs: Any) -> None:
        """Writes `filename` in `out_dir`; whoever is killed meanwhile leaves the old one."""
        path = Path(out_dir) / filename
        temporary = path.with_name(filename + TEMPORARY)
        try:
            super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)
            if is_main_process():
                publish(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise WriteError(
                f"{path}: the checkpoint cannot be written ({error.strerror or error}); those "
                "before are whole. Make room, then go on with --resume auto"
            ) from error

    def load_checkpoint(self, filename: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Loads the weights; a run that is resumed must have every one of them."""
        try:
            if Path(filename).is_file():
                tensors_of(read_checkpoint(Path(filename)), filename)
            kwargs["strict"] = kwargs.get("strict", False) or self._resume
            with reading_inertly():
                checkpoint: dict[str, Any] = super().load_checkpoint(filename, *args, **kwargs)
            # mmengine would run the text of this entry as a config
            checkpoint.get("meta", {}).pop("config", None)
        except ModelError:
            raise
        except RuntimeError as error:
            raise CheckpointError(
                f"{filename}: is of another network: {fault_of_shapes(error)}"
            ) from error
        except Exception as error:  # each of mmengine's backends raises its own
            raise CheckpointError(
                f"{filename}: cannot be loaded ({type(error).__name__}: {error})"
            ) from error
        return checkpoint

    def resume(self, filename: str, *args: Any, **kwargs: Any) -> None:
        """Goes on where a checkpoint ends."""
        try:
            super().resume(filename, *args, **kwargs)
        except ModelError:
            raise
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"{filename}: no run can go on from it ({type(error).__name__}: {error}); expected "
                "a checkpoint of a run with this config"
            ) from error


@contextmanager
def built_from(part: str, cfg: Any = None) -> Iterator[None]:
    """Within this block a complaint about an argument or a name becomes one about the config.

    A type that is unknown is left to an outer block that has the config, which knows the place.
    """
    try:
        yield
    except (TypeError, KeyError, ValueError, AssertionError, AttributeError, IndexError) as error:
        if (text := unknown_type(error, cfg)) is not None:
            if cfg is None:
                raise
            raise ConfigError(text) from error
        reason = str(error.args[0] if error.args else error).partition(" registry.")[0]
        raise ConfigError(
            f"{part}: cannot be built from the config ({type(error).__name__}: {reason}); look for "
            "a misspelt or missing key"
        ) from error


def _builder(part: str, method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a method of the runner whose complaints are about the runner's config."""

    @wraps(method)
    def build(self: Runner, *args: Any, **kwargs: Any) -> Any:
        with built_from(part, self.cfg):
            return method(self, *args, **kwargs)

    return build


for _name, _part in BUILDERS.items():
    setattr(PortRunner, _name, _builder(_part, getattr(Runner, _name)))
PortRunner.build_dataloader = staticmethod(built_from("dataloader")(Runner.build_dataloader))
