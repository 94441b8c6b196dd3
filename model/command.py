"""What every `python -m model...` does before and after its own work, without torch.

Exit status: 1 for a rank that lost another one; 2 for what a user can put right, told in one line;
130 when interrupted; 141, as a shell has it, when the reader of the output went away.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import signal
import sys
from collections.abc import Callable

from model.errors import ModelError
from model.threads import wait_without_spinning

RANK_FAILED = 1
USER_ERROR = 2
NEEDED = ("torch", "mmengine")
SIGNALLED = 128
_DEVICE_FAILED = re.compile(r"[A-Z]{3,} error: ")
"""How torch's own devices and plugins begin a message: "CUDA error: ..."."""
_RANKS_PARTED = re.compile(r"/gloo/|Dist(Backend|Network|Store)Error")
"""In the name or the text of an error of a collective: another rank is gone, or out of reach."""
_GLOO_PLACE = re.compile(r"^\[\S*/gloo/\S*\] ")
NO_KERNEL = re.compile(r"(?:operator|run) '(aten::[\w.]+)'")


def prepare() -> None:
    """Settles what must be settled before torch is imported; ends without the extra [train]."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"error: {' and '.join(missing)} cannot be imported; expected the extra [train]. "
            "Install torch for your device, then: pip install '.[train]'",
            file=sys.stderr,
        )
        raise SystemExit(USER_ERROR)
    read_tensors_only()
    wait_without_spinning(os.environ)
    logging.raiseExceptions = False  # a log on a full disk: the step log ends the run in one line


def read_tensors_only() -> None:
    """Lets no `torch.load`, whoever calls it, run code from a file."""
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    os.environ.pop("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", None)


def ended(work: Callable[[], int]) -> int:
    """Returns the exit status of `work`; prints an error of the user's in one line."""
    try:
        status = work()
        sys.stdout.flush()
    except BrokenPipeError:
        status = SIGNALLED + signal.SIGPIPE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = SIGNALLED + signal.SIGINT
    except (ModelError, OSError, MemoryError, RuntimeError) as error:
        text = told(error)
        if text is None:
            raise
        tell(f"error: {text}")
        status = RANK_FAILED if _lost_a_rank(error) else USER_ERROR
    _give_up_output()
    return status


def tell(line: str) -> None:
    """Writes a line to standard error, in one go: `print` lets other ranks write before its end."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _give_up_output() -> None:
    """Drops what standard output does not take; Python would end with a traceback of it."""
    try:
        sys.stdout.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def told(error: BaseException) -> str | None:
    """Returns one line on an error that a user can put right; None for a defect of this project."""
    if isinstance(error, ModelError):
        return one_line(error)
    if isinstance(error, OSError):
        return system_reason(error)
    text = one_line(error)
    if _lost_a_rank(error):
        reason = _GLOO_PLACE.sub("", text).partition(". ")[0]  # advice without substance follows
        return (
            f"no connection to another rank ({reason}); if one ended, its message says why. "
            "Go on with --resume auto"
        )
    if _is_out_of_memory(error, text):
        return f"out of memory ({text or 'no reason given'}); lower the batch or the crop size"
    if text.startswith("DataLoader worker"):
        return f"{text}; give /dev/shm more room, or set train_dataloader.num_workers=0"
    return _told_of_compiler(error) or _told_of_device(error, text)


def _told_of_compiler(error: BaseException) -> str | None:
    """Returns one line on a compiler that failed; None for other errors."""
    if "TorchDynamoException" not in {kind.__name__ for kind in type(error).__mro__}:
        return None
    reason = str(error).strip().partition("\n")[0]
    return f"compile: {reason}; install a C++ compiler (for a GPU triton), or leave compile out"


def _lost_a_rank(error: BaseException) -> bool:
    """Returns whether a collective failed because of another rank, or of the network."""
    return _RANKS_PARTED.search(f"{type(error).__name__}: {error}") is not None


def _is_out_of_memory(error: BaseException, text: str) -> bool:
    """Returns whether the host or a device had no memory left."""
    named = type(error).__name__ == "OutOfMemoryError"
    return named or isinstance(error, MemoryError) or "DefaultCPUAllocator" in text


def _told_of_device(error: BaseException, text: str) -> str | None:
    """Returns one line on a device that failed or lacks an operator; None for other errors."""
    if isinstance(error, NotImplementedError) and (operator := NO_KERNEL.search(text)):
        return f"the device has no {operator[1]} ({text}); update its plugin, or change --device"
    if type(error).__name__ == "AcceleratorError" or _DEVICE_FAILED.match(text):
        return f"the device failed ({text}); if it works again, go on with --resume auto"
    return None


def system_reason(error: OSError) -> str:
    """Returns what the system refused, in one line: the file where it is known, and the reason."""
    where = f"{error.filename}: " if error.filename is not None else ""
    reason = error.strerror or str(error) or type(error).__name__
    return one_line(OSError(where + reason))


def one_line(error: BaseException) -> str:
    """Returns the message on one line; of a data worker's, the line after its traceback.

    Names of files and what stands in them are other people's: what cannot be printed is escaped.
    """
    text = str(error).strip()
    if text.startswith("Caught "):
        text = text.splitlines()[-1].partition(": ")[2]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
