"""The command line of what needs torch: record, replay, ablate."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from torch import nn

from harness.capture.on_cpu import OnCpu, check_moved
from harness.capture.program import Late, run_program
from harness.capture.record import Recorder, twin_path
from harness.capture.replay import Replay
from harness.capture.reporting import write
from harness.errors import HarnessError
from harness.locate.format import to_bytes
from harness.report.verdicts import row
from harness.system.whole import write_bytes

INTERRUPTED = 130
"""The exit status of a program that ctrl-C ends."""
PROGRAM = """
The program runs unchanged, from the start of its training: put it behind `--`.
  harness locate {command} -- train.py --device sdaa
  harness locate {command} -- -m package.train --device sdaa
For this project's own models, name a config instead:
  harness locate {command} --config ccnet_r18-d8_demo --device sdaa
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors take one line."""

    def error(self, message: str) -> NoReturn:
        """Prints the error, and ends with status 2."""
        if message.startswith("unrecognized arguments"):
            message += "; expected a program behind `--`, such as `-- train.py`"
        self.exit(2, f"error: {message} (see {self.prog} --help)\n")


def positive(text: str) -> int:
    """Returns a whole number from 1."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return int(text)


def natural(text: str) -> int:
    """Returns a whole number from 0."""
    return 0 if text == "0" else positive(text)


def seconds(text: str) -> float:
    """Returns a positive number of seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number of seconds")
    return number


def parser() -> Parser:
    """Returns the parser of `harness locate record|replay|ablate`."""
    p = Parser(prog="harness locate", description=__doc__)
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, title: str, options: str) -> Parser:
        found = commands.add_parser(
            name, help=title, description=title + ".",
            epilog=PROGRAM.format(command=f"{name} {options}"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        add = found.add_argument
        add("--config", help="a config of model/configs, instead of a program")
        add("--device", help="device of the config's training")
        add("--amp", action="store_true", help="mixed precision, with --config")
        add("--checkpoint", help="weights to begin with, with --config")
        add("--seed", type=natural, default=0, help="seed of the start, with --config; default 0")
        add("--cfg-options", nargs="+", default=[], metavar="KEY=VALUE", help="with --config")
        return found

    again = command("replay", "repeat every operator of a step on the CPU", "--report DIR")
    again.add_argument("--report", type=Path, help="folder for page, JSON and bundles")
    again.add_argument("--budget", type=seconds, metavar="SECONDS", help="for repeated operators")
    again.add_argument(
        "--repeat", type=positive, default=1, metavar="N",
        help="calls of each operator, to find those whose results vary; default 1",
    )  # fmt: skip
    record = command("record", "record a step for a comparison of two machines", "gpu.capture")
    record.add_argument("capture", type=Path, help="file to write, such as gpu.capture")
    record.add_argument(
        "--twins",
        type=natural,
        default=2,
        metavar="N",
        help="repetitions with benign roundings; default 2",
    )
    record.add_argument("--twin", type=natural, default=0, help=argparse.SUPPRESS)
    for p_ in (again, record):
        p_.add_argument(
            "--steps", type=positive, default=1, metavar="N", help="steps to watch; default 1"
        )
        p_.add_argument(
            "--unhide", action="store_true",
            help="give weights that are all zero other values first: they hide faults",
        )  # fmt: skip
    ablate = command(
        "ablate", "train with an operator or a module on the CPU, and judge again",
        "BASELINE.log --on-cpu aten::_softmax --log LOG",
    )  # fmt: skip
    ablate.add_argument("baseline", help="log or recorded baseline to judge against")
    ablate.add_argument("--on-cpu", required=True, metavar="MODULE|OPERATOR")
    ablate.add_argument("--candidate", help="the log that failed, to say whether the verdict turns")
    ablate.add_argument("--log", type=Path, help="log that the program writes")
    ablate.add_argument(
        "--steps", type=positive, metavar="N", help="of the training, with --config; default 20"
    )
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status of `harness locate`."""
    words = list(sys.argv[1:] if argv is None else argv)
    cut = words.index("--") if "--" in words else len(words)
    args = parser().parse_args(words[:cut])
    program = words[cut + 1 :]
    # single operators of a compiled network do not run: torch.compile returns what it is given
    os.environ |= {"TORCH_COMPILE_DISABLE": "1", "TORCHDYNAMO_DISABLE": "1"}
    try:
        _check(args, program)
        with tempfile.TemporaryDirectory() as scratch:
            if args.config:
                program = _training(args, Path(scratch))
            _fix_paths(args)
            if args.command == "replay":
                return _replay(args, program)
            if args.command == "ablate":
                return _ablate(args, program)
            return _record(args, program, words)
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED


def _check(args: argparse.Namespace, program: Sequence[str]) -> None:
    if bool(args.config) == bool(program):
        raise HarnessError(
            "expected either --config or a program behind `--`, such as `-- train.py`; "
            + ("both are given" if program else "neither is given")
        )
    only = {"--device": args.device, "--amp": args.amp, "--checkpoint": args.checkpoint}
    for name, value in only.items():
        if value and not args.config:
            raise HarnessError(f"{name} needs --config; a program has its options behind `--`")
    if args.command == "ablate" and program and (args.steps or args.log is None):
        raise HarnessError(
            "--steps needs --config; a program has its options behind `--`" if args.steps
            else "expected --log LOG: the log that the program writes"
        )  # fmt: skip


def _fix_paths(args: argparse.Namespace) -> None:
    """Makes paths absolute, since a program may change its folder."""
    for name in ("report", "capture", "log", "baseline", "candidate"):
        value = getattr(args, name, None)
        if value is not None and (name not in {"baseline", "candidate"} or Path(value).exists()):
            setattr(args, name, Path(value).absolute())


def _training(args: argparse.Namespace, scratch: Path) -> list[str]:
    """Returns the words that train a config of this project from the same start."""
    steps = args.steps or 20
    words = ["-m", "model.train", "--config", args.config, "--same-start", "--steps", str(steps)]
    words += ["--seed", str(args.seed), "--work-dir", str(scratch / "run")]
    words += ["--device", args.device] if args.device else []
    words += ["--amp"] if args.amp else []
    options = [*args.cfg_options]
    options += [f"load_from={args.checkpoint}"] if args.checkpoint else []
    if args.command == "ablate" and args.log is None:
        args.log = scratch / "run" / "port.log"
    return [*words, *(["--cfg-options", *options] if options else [])]


def _replay(args: argparse.Namespace, program: list[str]) -> int:
    def make(network: nn.Module) -> Replay:
        return Replay(
            network, report=args.report, budget_s=args.budget, repeat=args.repeat,
            unhide=args.unhide,
        )  # fmt: skip

    late = Late(make, steps=args.steps)
    watcher = run_program(program, late)
    located = watcher.located
    if _is_first_rank():
        write(located, args.report, quiet=False)
    return row(located.outcome).exit_status


def _record(args: argparse.Namespace, program: list[str], words: Sequence[str]) -> int:
    def make(network: nn.Module) -> Recorder:
        return Recorder(network, steps=args.steps, twin=args.twin, unhide=args.unhide)

    folder = Path.cwd()  # the program may change it, and a repetition begins where the first did
    watcher = run_program(program, Late(make, steps=args.steps))
    capture = watcher.capture()
    if not capture.records:
        raise HarnessError("the program trained no step, so nothing was recorded")
    if _is_first_rank():
        path = twin_path(args.capture, args.twin)
        data = to_bytes(capture)
        write_bytes(path, data)
        print(f"wrote {path} ({len(data) / 1e3:,.0f} kB)", flush=True)
    for k in range(1, 1 if args.twin else args.twins + 1):
        again = [sys.executable, "-m", "harness.capture", "record", "--twin", str(k), *words[1:]]
        done = subprocess.run(again, check=False, cwd=folder)
        if done.returncode:
            raise HarnessError(f"repetition {k} ended with status {done.returncode}; see above")
    return 0


def _ablate(args: argparse.Namespace, program: list[str]) -> int:
    late = Late(lambda network: OnCpu(network, args.on_cpu), steps=None)
    watcher = run_program(program, late)
    check_moved(watcher)
    moved = ", ".join(f"{name} ({n} calls)" for name, n in watcher.moved.most_common(5))
    print(f"on the CPU: {moved}", flush=True)
    before = _judge(args.baseline, args.candidate) if args.candidate else None
    after = _judge(args.baseline, args.log)
    if before is not None:
        print(_turns(args.on_cpu, before, after))
    return after


def _judge(baseline: str | Path, log: str | Path) -> int:
    """Prints the verdict on a log in a line, and returns its exit status."""
    print(f"{log}: ", end="", flush=True)
    words = [sys.executable, "-m", "harness", "compare", str(baseline), str(log), "--quiet"]
    return subprocess.run(words, check=False).returncode


def _turns(what: str, before: int, after: int) -> str:
    """Returns whether the verdict turned with `what` on the CPU, from two exit statuses."""
    good, bad = row("pass").exit_status, row("fail").exit_status
    if (before, after) == (bad, good):
        return f"the verdict turns: with {what} on the CPU the candidate passes"
    if before == after:
        return f"the verdict does not turn: {what} is not the cause, or not the only one"
    return f"the status changes from {before} to {after}, which decides nothing"


def _is_first_rank() -> bool:
    return os.environ.get("RANK", "0") == "0"
