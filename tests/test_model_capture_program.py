"""`python -m harness.capture`: it watches unchanged programs, and whatever happens has a status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.capture import command
from harness.locate.format import from_bytes

CALL = nn.Module.__call__
TRAIN = """
import sys
from pathlib import Path
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
import neighbour

torch.manual_seed(0)
network = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(neighbour.STEPS):
    loss = network(torch.randn(4, 4)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    Path("steps").write_text(f"{step + 1} {' '.join(sys.argv)} {__name__}")
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program in a separate folder, from which it runs."""
    for name in ("TORCH_COMPILE_DISABLE", "TORCHDYNAMO_DISABLE"):
        monkeypatch.setenv(name, "0")
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(TRAIN)
    Path("neighbour.py").write_text("STEPS = 5\n")
    yield Path("train.py")
    assert nn.Module.__call__ is CALL
    sys.modules.pop("neighbour", None)


def run(*words):
    argv, path = list(sys.argv), list(sys.path)
    try:
        return command.main([str(word) for word in words])
    except SystemExit as ended:
        return ended.code
    finally:
        assert (sys.argv, sys.path) == (argv, path)


def test_a_script_is_watched_for_the_steps_that_were_asked_for(program, capsys):
    assert run("replay", "--steps", "2", "--", "train.py", "--lr", "3") == 0
    # the update of the second step ends the program
    assert Path("steps").read_text() == f"1 {program.absolute()} --lr 3 __main__"
    assert "results that were compared agree" in capsys.readouterr().out


def test_a_module_is_watched(program, capsys):
    folder = Path("package")
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "train.py").write_text(TRAIN.replace("import neighbour", "from . import neighbour"))
    (folder / "neighbour.py").write_text("STEPS = 1\n")
    assert run("replay", "--steps", "9", "--", "-m", "package.train", "x") == 0
    assert Path("steps").read_text() == f"1 {Path.cwd() / 'package' / 'train.py'} x __main__"


def test_a_fault_has_status_1_and_its_module_is_printed(program, capsys):
    program.write_text("from capturefaults import Damage, scaled\n" + TRAIN)
    # the program's own mode would lie inside the replay, so it is entered around the command
    from capturefaults import Damage, scaled

    program.write_text(TRAIN)
    with Damage("gelu_backward", scaled(1.01)):
        assert run("replay", "--", "train.py") == 1
    assert "aten::gelu_backward in 1 (backward) is wrong" in capsys.readouterr().out


def test_a_capture_and_its_twins_are_recorded(program, capsys):
    status = run("record", "./runs/gpu.capture", "--twins", "1", "--steps", "2", "--", "train.py")
    assert status == 0
    files = sorted(path.name for path in Path("runs").iterdir())
    assert files == ["gpu.capture", "gpu.twin1.capture"]
    first, twin = (from_bytes((Path("runs") / name).read_bytes(), source=name) for name in files)
    assert (first.twin, twin.twin, twin.moved) == (0, 1, True)
    assert {r.step for r in first.records} == {0, 1}
    keys = [[(r.kind, r.name, r.module) for r in capture.records] for capture in (first, twin)]
    assert keys[0] == keys[1]
    assert {"update", "gradient", "loss", "input", "weight"} <= {kind for kind, *_ in keys[0]}


def test_a_program_may_change_its_folder(program):
    program.write_text(
        "import os\nos.makedirs('inner', exist_ok=True)\nos.chdir('inner')\n" + TRAIN
    )
    assert run("record", "gpu.capture", "--twins", "1", "--", "train.py") == 0
    assert Path("../gpu.capture").is_file()
    assert Path("../gpu.twin1.capture").is_file()  # it begins in the first folder, too


def test_of_a_program_that_forks_only_the_first_process_is_recorded(program):
    program.write_text(
        "import os\nchild = os.fork()\nif child:\n    os.waitpid(child, 0)\n"
        + TRAIN
        + "print('the child trained', step + 1)\n"
    )
    words = ["record", "gpu.capture", "--twins", "0", "--", "train.py"]
    # a new process: a fork hangs where torch's threads have run before
    done = subprocess.run(
        [sys.executable, "-m", "harness.capture", *words],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.count("wrote") == 1
    assert done.stdout.count("the child trained 5") == 1  # nothing ends it early


def test_an_interrupt_is_one_line(program, capsys):
    program.write_text("raise KeyboardInterrupt\n")
    assert run("record", "gpu.capture", "--", "train.py") == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_data_loader_with_workers_is_left_alone(program, capsys):
    loader = "DataLoader(TensorDataset(torch.randn(8, 4)), batch_size=4, num_workers=2)"
    program.write_text(
        TRAIN.replace("step in range(neighbour.STEPS):", f"step, (x,) in enumerate({loader}):")
        .replace("torch.randn(4, 4))", "x)")
    )  # fmt: skip
    assert run("replay", "--steps", "2", "--", "train.py") == 0


def test_a_network_that_the_program_compiles_runs_operator_by_operator(program):
    program.write_text(
        TRAIN.replace("optimizer =", "network = torch.compile(network)\noptimizer =")
    )
    done = subprocess.run(
        [sys.executable, "-m", "harness.capture", "replay", "--", "train.py"],
        capture_output=True, text=True, check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("TORCH")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "results that were compared agree" in done.stdout


@pytest.mark.parametrize(("line", "error"), [
    ("raise OSError('no disk')", "train.py ended with OSError; see above, and run it alone first"),
    ("sys.exit(3)", "train.py ended with status 3; run it alone first"),
    ("sys.exit('no data')", "train.py ended with status no data; run it alone first"),
    ("import absent_module", "train.py ended with ModuleNotFoundError; see above"),
])  # fmt: skip
def test_a_program_that_fails_has_status_2(program, capsys, line, error):
    program.write_text(TRAIN.replace("optimizer =", f"{line}\noptimizer ="))
    assert run("replay", "--", "train.py") == 2
    shown = capsys.readouterr().err
    last = shown.splitlines()[-1]
    assert last.startswith(f"error: {error}")
    if "see above" in error:
        assert "Traceback" in shown
        assert line.split("(")[0] in shown


def test_a_program_that_ends_well_before_the_last_step_is_judged(program):
    program.write_text(TRAIN + "sys.exit(0)\n")
    assert run("replay", "--steps", "50", "--", "train.py") == 0


def test_a_program_without_a_network_is_an_error(program, capsys):
    program.write_text("import torch\nwith torch.no_grad(): torch.nn.Linear(2, 2)(torch.ones(2))\n")
    assert run("replay", "--", "train.py") == 2
    assert "called no network to train it" in capsys.readouterr().err


def test_of_two_networks_the_first_that_is_trained_is_watched(program):
    program.write_text(
        "import torch\nfrom torch import nn\nteacher, a, b = nn.Linear(2, 2), nn.Linear(2, 2), "
        "nn.Linear(2, 3)\nfor net in (a, b):\n"
        "    for p in net.parameters(): p.grad = None\n"
        "    with torch.no_grad(): teacher(torch.ones(2))\n"
        "    net(torch.ones(2)).sum().backward()\n"
    )
    assert run("record", "x.capture", "--twins", "0", "--", "train.py") == 0
    capture = from_bytes(Path("x.capture").read_bytes(), source="x")
    assert [r.shape for r in capture.records if r.kind == "weight"] == [(2, 2), (2,)]


@pytest.mark.parametrize("interpreter", ["python", "python3.11", "/usr/bin/python3"])
def test_a_program_may_be_named_as_a_shell_names_it(program, interpreter):
    program.write_text(
        "import torch\nnet = torch.nn.Linear(2, 3)\nnet(torch.ones(2)).sum().backward()\n"
    )
    assert run("record", "x.capture", "--twins", "0", "--", interpreter, "train.py") == 0


USAGE = [
    (["replay"], "expected either --config or a program behind `--`, such as `-- train.py`; "),
    (["replay", "--config", "x", "--", "train.py"], "expected either --config or a program"),
    (["replay", "train.py"], "unrecognized arguments: train.py; expected a program behind `--`"),
    (["replay", "--", "absent.py"], "absent.py is not a file; expected a Python program behind"),
    (["replay", "--", "-m"], "expected the name of a module behind -m"),
    (["replay", "--", "-m", "absent_package.x"], "no module named absent_package.x; run it"),
    (["replay", "--device", "sdaa", "--", "train.py"], "--device needs --config; a program has"),
    (["replay", "--repeat", "0", "--", "train.py"], "argument --repeat: '0' is not a whole"),
    (["replay", "--steps", "two", "--", "train.py"], "argument --steps: 'two' is not a whole"),
    (["replay", "--budget", "nan", "--", "train.py"], "argument --budget: 'nan' is not"),
    (["record", "--", "train.py"], "the following arguments are required: capture"),
    (["record", "x", "--twins", "-1", "--", "train.py"], "argument --twins: "),
    (["ablate", "gpu.log", "--on-cpu", "gelu", "--", "train.py"], "expected --log LOG: the log"),
    (["ablate", "gpu.log", "--log", "x", "--", "train.py"], "the following arguments are"),
    (["ablate", "gpu.log", "--on-cpu", "gelu", "--log", "x", "--", "train.py"],
     "'gelu' is neither a module of the network nor an operator that ran on a device"),
    (["repair"], "argument COMMAND: invalid choice: 'repair'"),
    ([], "the following arguments are required: COMMAND"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "error"), USAGE)
def test_bad_usage_is_one_line_and_status_2(program, capsys, words, error):
    assert run(*words) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {error}")
    assert shown.count("\n") == 1


@pytest.mark.parametrize("name", ["replay", "record", "ablate"])
def test_help_shows_a_whole_command(program, capsys, name):
    assert run(name, "--help") == 0
    shown = capsys.readouterr().out
    assert f"harness locate {name}" in shown
    assert "-- train.py --device sdaa" in shown


def test_a_capture_that_cannot_be_written_is_one_line(program, capsys):
    Path("file").touch()
    assert run("record", "file/gpu.capture", "--twins", "0", "--", "train.py") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_an_ablation_prints_what_ran_on_the_cpu_and_judges_the_log(program, monkeypatch, capsys):
    monkeypatch.setattr("harness.capture.on_cpu.CPU", torch.device("meta"))
    lines = [json.dumps({"step": step, "loss": 1 / (step + 1)}) for step in range(60)]
    Path("gpu.log").write_text("\n".join(lines))
    program.write_text(
        TRAIN + f"\nPath('port.log').write_text({lines!r}.__str__() and chr(10).join({lines!r}))\n"
    )
    words = ["ablate", "gpu.log", "--on-cpu", "aten::gelu", "--log", "port.log", "--", "train.py"]
    status = run(*words)
    assert capsys.readouterr().out.startswith("on the CPU: gelu (5 calls)\n")
    assert status in {0, 3, 4}
