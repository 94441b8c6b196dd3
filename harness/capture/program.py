"""Runs a training program unchanged, and watches the first steps of its network.

The network is the first module that is called to train. A program with several networks needs the
context managers in its own source.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode

from harness.capture.modules import NOT_THE_PROGRAM
from harness.capture.watcher import Watcher
from harness.errors import HarnessError

W = TypeVar("W", bound=Watcher)


class Enough(BaseException):
    """Ends the program after the last step that was asked for."""


class Late(TorchDispatchMode, Generic[W]):
    """Hands the operators to a watcher, from the first call of the network on.

    `make` makes the watcher from the network. `steps` ends the program after that many steps of the
    optimizer; None lets it run.
    """

    def __init__(self, make: Callable[[nn.Module], W], *, steps: int | None) -> None:
        super().__init__()
        self.watcher: W | None = None
        self._make = make
        self._steps = steps
        self._done = 0
        self._process = os.getpid()
        self._call = nn.Module.__call__

    def __enter__(self) -> Late:
        nn.Module.__call__ = self._watched_call()  # type: ignore[method-assign]
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        nn.Module.__call__ = self._call  # type: ignore[method-assign]
        if self.watcher is not None:
            self.watcher.end()

    def __torch_dispatch__(
        self, op: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if self.watcher is None:
            return op(*args, **(kwargs or {}))
        return self.watcher.__torch_dispatch__(op, types, args, kwargs)

    def _watched_call(self) -> Callable[..., Any]:
        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if self.watcher is None and _trains(module) and os.getpid() == self._process:
                self._watch(module)
            return self._call(module, *args, **kwargs)

        return call

    def _watch(self, module: nn.Module) -> None:
        nn.Module.__call__ = self._call  # type: ignore[method-assign]
        try:
            watcher = self._make(module)
        except ValueError as error:  # about the options or the network, not the program's
            raise HarnessError(str(error)) from error
        watcher.begin()
        watcher.modules.on_optimizer.append(self._count)
        self.watcher = watcher

    def _count(self, begins: bool, _: torch.optim.Optimizer) -> None:
        self._done += not begins
        if self._steps is not None and self._done >= self._steps and not begins:
            raise Enough


def _trains(module: nn.Module) -> bool:
    """Returns True if a call of a module trains it; a wrapper of it does not count."""
    if isinstance(module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
        return False
    has_weights = any(p.requires_grad for p in module.parameters())
    return module.training and torch.is_grad_enabled() and has_weights


def run_program(words: Sequence[str], mode: Late[W]) -> W:
    """Runs `train.py ARGS` or `-m package.module ARGS` under a mode, in this process.

    Returns the watcher. The program's own exit ends it; an exit status other than 0 is an error.

    Raises:
        HarnessError: there is no such program, it ended with an error, or trained no network.
    """
    if not words:
        raise HarnessError("expected a program behind `--`, such as `-- train.py --device sdaa`")
    argv, path, process = sys.argv, list(sys.path), os.getpid()
    try:
        with mode:
            try:
                _run(list(words))
            except Enough:
                pass
            except HarnessError:
                raise
            except SystemExit as ended:
                if ended.code not in {None, 0}:
                    raise HarnessError(
                        f"{' '.join(words[:3])} ended with status {ended.code}; run it alone first"
                    ) from ended
            except Exception as error:
                traceback.print_exception(error.with_traceback(_of_the_program(error)))
                raise HarnessError(
                    f"{' '.join(words[:3])} ended with {type(error).__name__}; see above, and run "
                    "it alone first"
                ) from error
    finally:
        sys.argv, sys.path[:] = argv, path
        if os.getpid() != process:
            _end_fork()
    if mode.watcher is None:
        raise HarnessError(
            f"{' '.join(words[:3])} called no network to train it: expected a torch module in "
            "training mode with weights that need gradients, in this process"
        )
    return mode.watcher


def _end_fork() -> None:
    """Ends a process that the program forked: only the first process writes a result."""
    failed = sys.exc_info()[0] is not None
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(failed))


def _of_the_program(error: Exception) -> TracebackType | None:
    """Returns the traceback from the program's first frame on."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename.startswith(NOT_THE_PROGRAM):
        found = found.tb_next
    return found


def _exists(module: str) -> bool:
    """Returns True if there is a module of a name; it imports the packages around it."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            return False
        raise


def _is_python(words: list[str]) -> bool:
    """Returns whether a command begins with the name of the interpreter, as in a shell."""
    return len(words) > 1 and re.fullmatch(r"python(3(\.\d+)?)?", Path(words[0]).name) is not None


def _run(words: list[str]) -> None:
    words = words[1:] if _is_python(words) else words
    if words[0] == "-m":
        if len(words) < 2:
            raise HarnessError("expected the name of a module behind -m")
        sys.path.insert(0, str(Path.cwd()))
        sys.argv = [words[1], *words[2:]]
        if not _exists(words[1]):
            raise HarnessError(f"no module named {words[1]}; run it from its folder")
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return
    script = Path(words[0])
    if not script.is_file():
        raise HarnessError(f"{words[0]} is not a file; expected a Python program behind `--`")
    sys.path.insert(0, str(script.parent.absolute()))
    sys.argv = words
    runpy.run_path(str(script.absolute()), run_name="__main__")
