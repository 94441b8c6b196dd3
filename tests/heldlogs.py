"""A log that holds the process that reads it, until the test kills the process or lets it go."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

WAIT_S = 240
BEAT_S = 5
"""Time between two line ends for the reader, who gives up a pipe that is silent for 30 s."""


def until(condition):
    """Waits for a value that is not None, and returns it."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if (found := condition()) is not None:
            return found
        time.sleep(0.05)
    pytest.fail("timed out")


class Held:
    """A log that holds the worker that reads it, until it is put back."""

    def __init__(self, log):
        self.log = log
        self.whole = log.with_suffix(".whole")
        log.rename(self.whole)
        os.mkfifo(log)

    def reader(self):
        """Returns the process that reads the log. It waits for data from then on."""
        self.end = until(self._opened)
        self._free = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()
        return until(self._reader)

    def put_back(self):
        """Puts the log back for later readers; who reads now waits until `let_go`."""
        self.whole.replace(self.log)

    def let_go(self):
        """Ends the log of the process that reads it."""
        self._free.set()
        self._beats.join()
        os.close(self.end)

    def _beat(self):
        with suppress(BrokenPipeError):  # the reader was killed
            while not self._free.wait(BEAT_S):
                os.write(self.end, b"\n")

    def _opened(self):
        try:
            return os.open(self.log, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads
            return None

    def _reader(self):
        for link in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if link.readlink() == self.log and link.parts[2] != str(os.getpid()):
                    return int(link.parts[2])
            except OSError:
                continue
        return None


def hold(folder):
    """Gives the last port of the fleet in `folder` that passes a log that no other port has.

    Returns:
        The log, held.
    """
    manifest, log = folder / "ports.toml", folder / "held.log"
    head, _, tail = manifest.read_text().rpartition('"pass.log"')
    manifest.write_text(f'{head}"held.log"{tail}')
    log.write_bytes((folder / "pass.log").read_bytes())
    return Held(log)
