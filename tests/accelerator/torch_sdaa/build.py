"""The C++ part of the simulated accelerator: built once for each torch, kept outside the checkout.

`TORCH_SDAA_BUILD` names another folder than `~/.cache/ccnet-port-harness/accelerator`.
"""

import fcntl
import hashlib
import importlib.util
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch

SOURCES = Path(__file__).parent / "csrc"
NAME = "_sdaa"
FLAGS = ["-O1", "-fvisibility=hidden"]
FOLDER = "TORCH_SDAA_BUILD"


def lacking() -> str | None:
    """Returns what the build needs and this machine does not have; None if it has everything."""
    if library().is_file():
        return None
    compiler = os.environ.get("CXX", "c++")  # as torch chooses it
    for program in (compiler, "ninja"):
        if shutil.which(program) is None:
            return f"no {program} on the PATH"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "no Python.h: the headers of this Python are not installed"
    return None


def library() -> Path:
    """Returns the file of the compiled library for these sources and this torch and Python."""
    content = hashlib.sha256(" ".join(FLAGS).encode())
    for path in sorted(SOURCES.iterdir()):
        content.update(path.name.encode() + path.read_bytes())
    tag = f"{torch.__version__}-{sys.implementation.cache_tag}-{content.hexdigest()[:16]}"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = os.environ.get(FOLDER) or cache / "ccnet-port-harness" / "accelerator"
    return Path(place) / tag / f"{NAME}.so"


def load() -> ModuleType:
    """Returns the compiled module; builds it first if no process has done so yet."""
    path = library()
    if not path.is_file():
        with _locked(path.parent):
            if not path.is_file():
                return _built(path)
    return _imported(path)


def _imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """A context that one process at a time enters; the lock of a killed process is free again.

    torch's own lock is a file that outlives a killed process: the next build would wait for ever.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _built(path: Path) -> ModuleType:
    """Compiles the sources, moves the result to `path`, and returns the module."""
    from torch.utils import cpp_extension

    temporary = Path(tempfile.mkdtemp(prefix="building-", dir=path.parent.parent))
    try:
        module = cpp_extension.load(
            NAME,
            [str(source) for source in sorted(SOURCES.glob("*.cpp"))],
            extra_cflags=FLAGS,
            build_directory=str(temporary),
        )
        path.parent.mkdir(exist_ok=True)
        (temporary / path.name).replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return module


if __name__ == "__main__":
    load()
    print(library())
