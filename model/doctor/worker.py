"""The child process of the doctor: runs checks one after another, and reports each on a pipe.

    python -m model.doctor.worker '{"asked": {...}, "checks": ["versions", ...]}'

It writes one JSON object a line: `{"begin": NAME}`, then `{"end": NAME, "result": {...}}`. After a
problem the parent ends it and starts another one: after an error a device may answer no more.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from model.command import NO_KERNEL, one_line, told
from model.doctor.check import BY_NAME, Asked, Result, problem

LACKING = "update the plugin, or run this operator on the CPU if the plugin has an option for it"


def main(argv: list[str]) -> int:
    """Runs the checks that the first argument names; returns the exit status."""
    order = json.loads(argv[0])
    asked = Asked(**order["asked"])
    say = _private_output()
    for name in order["checks"]:
        say({"begin": name})
        say({"end": name, "result": run(name, asked).packed()})
    sys.stderr.flush()
    os._exit(0)  # a plugin may crash at the end of the interpreter, after all checks are done


def _private_output() -> Callable[[dict[str, Any]], None]:
    """Returns a function that writes to the parent; what libraries print goes to standard error."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    return say


def run(name: str, asked: Asked) -> Result:
    """Returns the result of a check; an error that it raises is a problem."""
    try:
        check = getattr(import_module(f"model.doctor.{BY_NAME[name].module}"), name)
        result: Result = check(asked)
    except Exception as error:  # whatever a plugin raises is what the user must know
        return failed(error)
    return result


def failed(error: Exception) -> Result:
    """Returns the problem that an error of a check is."""
    text = one_line(error) or type(error).__name__
    if isinstance(error, NotImplementedError) and (operator := NO_KERNEL.search(text)):
        found = f"the device has no {operator[1]} ({text})"
        return Result(status="problem", found=found, do=LACKING, missing=operator[1])
    known = told(error)
    if known is None:
        known = f"{type(error).__name__}: {text}"
    found, _, do = known.partition("; ")
    return problem(found, do or "read the message; if the device is healthy, report this")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
