"""The check before a training: healthy devices, and each planted fault as the one problem."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from simulated import plugged
from tiny_run import environment

from model.doctor import machine
from model.doctor.check import BY_NAME, CHECKS, Asked, with_needs
from model.doctor.report import line

SEVERAL_PROCESSES = "collective"
QUICK = [check.name for check in CHECKS if check.name != SEVERAL_PROCESSES]


def hear_interrupts():
    """A shell's job in the background ignores SIGINT, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(folder, *args, variables):
    return subprocess.Popen(
        [sys.executable, "-m", "model.doctor", *args], cwd=folder, env=environment(**variables),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=hear_interrupts,  # noqa: PLW1509 - no thread runs here
    )  # fmt: skip


def doctor(folder, *args, variables=None):
    """Returns the exit status and the output of the command."""
    process = start(folder, *args, variables=variables or {})
    out, err = process.communicate(timeout=240)
    assert "Traceback" not in err, err[-3000:]
    return process.returncode, out, err


def checked(folder, *args, **kwargs):
    """Returns the exit status and the checks of the report by name."""
    status, out, err = doctor(folder, *args, "--json", "-", **kwargs)
    report = json.loads(out or err)
    lines = {each["check"]: each for each in report["checks"]}
    assert status == (1 if report["problems"] else 0)
    return status, lines, report


def on_sdaa(folder, scenes, *, only=QUICK, variables=None, **controls):
    given = {**plugged(**controls), **(variables or {})}
    options = ["--device", "sdaa", "--data-root", str(scenes), "--only", ",".join(only)]
    return checked(folder, *options, variables=given)[1]


def with_status(lines, status):
    return {name for name, each in lines.items() if each["status"] == status}


def blocked(lines):
    """The checks that were not run, because one that they need is a problem."""
    return {name for name, each in lines.items() if "blocked_by" in each.get("details", {})}


def plugin_in(folder, code, name="torch_sdaa"):
    """Writes a plugin that torch loads by its entry point; returns variables that show it."""
    (folder / f"{name}.py").write_text(code)
    information = folder / f"{name}-9.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9\n")
    (information / "entry_points.txt").write_text(f"[torch.backends]\n{name} = {name}:_autoload\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), environment()["PYTHONPATH"]])}


def flawed(folder, code):
    """Variables for a process with the accelerator, after whose import `code` is run."""
    folder.mkdir()
    shown = plugin_in(
        folder, f"import torch\nimport torch_sdaa\n{code}\ndef _autoload(): ...\n", "flaw"
    )
    return {"PYTHONPATH": os.pathsep.join([shown["PYTHONPATH"], plugged()["PYTHONPATH"]])}


# --- healthy


def test_all_is_well_on_the_cpu_within_15_s_and_the_facts_of_a_log_follow(scenes, tmp_path):
    began = os.times()
    options = ("--device", "cpu", "--config", "ccnet_r18-d8_demo", "--data-root", str(scenes))
    status, out, _ = doctor(tmp_path, *options, "--json", "report.json")
    assert status == 0, out
    assert os.times().children_user - began.children_user < 15
    report = json.loads((tmp_path / "report.json").read_text())
    assert [each["check"] for each in report["checks"]] == [check.name for check in CHECKS]
    assert {each["status"] for each in report["checks"]} == {"ok"}, out
    assert out.endswith("\n21 checks: 0 problems, 0 warnings\n")
    assert report["facts"]["device_kind"] == "cpu"
    assert all(f"    {key}: {value}\n" in out for key, value in report["facts"].items())
    assert (report["schema_version"], report["problems"], report["warnings"]) == (1, 0, 0)


def test_all_is_well_on_an_accelerator_and_its_operators_are_listed(scenes, tmp_path):
    lines = on_sdaa(tmp_path, scenes, only=[check.name for check in CHECKS])
    assert with_status(lines, "ok") == set(BY_NAME), lines
    assert lines["collective"]["found"] == "tccl: 2 ranks summed a tensor and broadcast another"
    assert lines["device"]["details"]["count"] == 4
    native = set(lines["operators"]["details"]["native"])
    assert {"aten::convolution", "aten::native_batch_norm", "aten::_softmax"} <= native


# --- planted faults of the device


@pytest.mark.parametrize(
    ("name", "says", "controls"),
    [
        ("operators", "the device has no aten::_softmax.out", {"missing": "aten::_softmax:raise"}),
        ("convolution", "differs from", {"faults": "aten::convolution_overrideable:scale:1.001"}),
        ("batch_norm", "differs from", {"faults": "aten::native_batch_norm:bf16"}),
        ("attention", "differs from", {"faults": "aten::bmm:lastcol"}),
        ("step", "a gradient on sdaa differs", {"faults": "aten::threshold_backward:sign"}),
        ("deterministic", "gave other bits", {"faults": "aten::convolution_overrideable:noise"}),
        ("device", "device 0 is lost", {"lost_after": "0"}),
        ("operators", "device 0 is lost", {"lost_after": "800"}),
        ("memory", "SDAA out of memory", {"memory": str(32 * 2**20)}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value.values())),
)  # fmt: skip
def test_each_fault_of_the_device_is_one_problem(name, says, controls, scenes, tmp_path):
    lines = on_sdaa(tmp_path, scenes, **controls)
    assert with_status(lines, "problem") == {name}, lines
    assert says in lines[name]["found"]
    assert lines[name]["do"]
    assert with_status(lines, "warning") == blocked(lines), lines


@pytest.mark.parametrize(
    ("says", "controls"),
    [
        ("sdaa differs from the CPU", {"faults": "aten::mul:scale"}),
        ("an illegal memory access", {"failures": "aten::mul:nth=1"}),
    ],
)
def test_a_fault_of_an_operator_that_others_use_too_is_seen_in_the_optimizer(
    says, controls, scenes, tmp_path
):
    lines = on_sdaa(tmp_path, scenes, only=["optimizer"], **controls)
    assert with_status(lines, "problem") == {"optimizer"}
    assert says in lines["optimizer"]["found"]


@pytest.mark.parametrize("mode", ["warn", "silent"])
def test_an_operator_that_falls_back_is_named(mode, tmp_path, scenes):
    lines = on_sdaa(tmp_path, scenes, only=["operators"], missing=f"aten::_softmax:{mode}")
    assert with_status(lines, "warning") == {"operators"}
    (fallback,) = lines["operators"]["details"]["fallback"]
    assert fallback.startswith("aten::_softmax")
    assert fallback in lines["operators"]["found"]


@pytest.mark.parametrize(
    ("name", "says", "code"),
    [
        ("random_state", "set_rng_state", "torch.sdaa.set_rng_state = lambda *a: None"),
        ("random_state", "manual_seed", "torch.sdaa.manual_seed_all = lambda s: None"),
        ("autocast", "gives torch.float32",
         "torch.sdaa.get_amp_supported_dtype = lambda: [torch.bfloat16]"),
        ("collective", "no collective backend for sdaa",
         "torch.distributed.Backend.backend_list.remove('tccl')"),
        ("device", "came back wrong", "torch.Tensor.cpu = lambda x: x.to('cpu') + 0.5"),
    ],
)  # fmt: skip
def test_each_flaw_of_the_plugin_is_one_problem(name, says, code, scenes, tmp_path):
    lines = on_sdaa(
        tmp_path, scenes, only=[name, "clock"], variables=flawed(tmp_path / "flaw", code)
    )
    assert with_status(lines, "problem") == {name}, lines
    assert says in lines[name]["found"]


def test_one_device_is_a_warning_of_the_collectives(scenes, tmp_path):
    lines = on_sdaa(tmp_path, scenes, only=["collective"], devices="1")
    assert with_status(lines, "warning") == {"collective"}
    assert "one rank alone" in lines["collective"]["found"]


# --- plugins that do not load


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import missing_driver\n", "No module named 'missing_driver'"),
        ("import os\nos.abort()\n", "the process ended by signal 6"),
    ],
)
def test_a_plugin_that_breaks_is_one_problem_and_the_machine_is_checked(code, says, tmp_path):
    folder = tmp_path / "plugin"
    folder.mkdir()
    options = ("--device", "sdaa", "--only", "plugin,step,disk,shared_memory")
    _, lines, _ = checked(tmp_path, *options, variables=plugin_in(folder, code))
    assert with_status(lines, "problem") == {"plugin"}
    assert says in lines["plugin"]["found"]
    assert {lines[name]["status"] for name in ("disk", "shared_memory")} == {"ok"}
    assert blocked(lines) == set(with_needs(["step"])) - {"plugin"}


def test_an_absent_device_is_a_problem_that_says_what_there_is(tmp_path):
    _, lines, _ = checked(tmp_path, "--device", "mlu", "--only", "plugin")
    assert "device 'mlu' is not present: found cpu" in lines["plugin"]["found"]


def test_a_plugin_that_hangs_costs_the_time_of_one_check(tmp_path):
    variables = plugin_in(tmp_path, "import time\ntime.sleep(600)\n")
    began = time.monotonic()
    _, lines, _ = checked(tmp_path, "--only", "plugin", "--timeout", "3", variables=variables)
    assert lines["plugin"]["found"] == "no result after 3 s"
    assert time.monotonic() - began < 60


def test_an_interruption_leaves_no_process(tmp_path):
    mark = tmp_path / "pid"
    code = f"import os, pathlib, time\npathlib.Path({str(mark)!r}).write_text(str(os.getpid()))\n"
    process = start(tmp_path, variables=plugin_in(tmp_path, f"{code}time.sleep(600)\n"))
    while not (mark.is_file() and mark.read_text()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


def test_migration_and_a_switched_off_autoload_are_warnings(monkeypatch):
    from model.doctor.software import autoload

    for name in os.environ:
        if name.startswith("TORCH_"):
            monkeypatch.delenv(name)
    assert autoload(Asked()).status == "ok"
    monkeypatch.setenv("TORCH_SDAA_AUTOLOAD", "cuda_migrate")
    result = autoload(Asked())
    assert result.status == "warning"
    assert "unset TORCH_SDAA_AUTOLOAD" in result.do


# --- data and machine


def test_a_data_set_that_lacks_a_file_is_a_problem(tmp_path, scenes):
    import shutil

    copy = tmp_path / "scenes"
    shutil.copytree(scenes, copy)
    asked = Asked(config="ccnet_r18-d8_demo", data_root=str(copy))
    assert "8 pairs in train, 2 pairs in val" in machine.data(asked).found
    removed = next((copy / "gtFine" / "val").rglob("*.png"))
    removed.unlink()
    result = machine.data(asked)
    assert result.status == "problem"
    assert "1 file is missing of 2 pairs" in result.found
    absent = machine.data(Asked(config="ccnet_r18-d8_demo", data_root=str(tmp_path / "none")))
    assert absent.status == "problem"


def test_a_data_set_that_nobody_named_is_not_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = machine.data(Asked())
    assert (result.status, result.do) == (
        "warning", "name the folder of the data set: --data-root DIR",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("free", "status"), [(2**28, "problem"), (2**31, "warning"), (2**33, "ok")]
)
def test_the_disk_must_hold_the_checkpoints(free, status, tmp_path):
    result = machine.disk(Asked(), folder=tmp_path, free=free)
    assert (result.status, bool(result.do)) == (status, status != "ok")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path):
    result = machine.disk(Asked(), folder=tmp_path / "absent")
    assert result.status == "problem"
    assert "cannot be written (No such file or directory)" in result.found


def test_shared_memory_must_hold_what_the_workers_prepare(tmp_path):
    need = 2 * 2 * 2 * 512 * 1024 * 11
    for free, status in ((need - 1, "problem"), (need, "ok")):
        assert machine.shared_memory(Asked(), folder=tmp_path, free=free).status == status
    assert machine.shared_memory(Asked(), folder=tmp_path / "absent").status == "ok"


def test_a_clock_that_is_behind_or_goes_back_is_a_problem():
    assert machine.clock(Asked()).status == "ok"
    behind = machine.clock(Asked(), now=lambda: time.time() - 10 * 365 * 86400)
    assert behind.status == "problem"
    assert "s behind the file" in behind.found
    times = iter([1.0, 2.0, 1.5])
    back = machine.clock(Asked(), monotonic=lambda: next(times))
    assert back.found == "the monotonic clock went back by 0.5 s"


# --- usage


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--only", "disc"], "no check 'disc'; expected versions, plugin"),
        (["--timeout", "0"], "expected seconds above 0"),
        (["--config", "no_such"], "no config 'no_such'"),
        (["--device", "nonsense"], "error: unknown device 'nonsense'; expected one of sdaa, npu"),
        (["--device", "nonsense", "--only", "disk", "--json", "-"], "unknown device 'nonsense'"),
        (["--json", "absent/report.json", "--only", "disk"], "absent/report.json: No such file"),
    ],
)
def test_bad_usage_has_status_2(args, says, tmp_path):
    status, _, err = doctor(tmp_path, *args)
    assert status == 2
    assert says in err


def test_a_check_brings_those_that_it_needs():
    assert with_needs(["memory"]) == ["plugin", "device", "memory"]
    order = [check.name for check in CHECKS]
    assert all(order.index(need) < order.index(c.name) for c in CHECKS for need in c.needs)


def test_a_line_says_what_to_do_unless_all_is_well():
    result = machine.disk(Asked(), folder=Path("/nowhere/at/all"))
    first, second = line("disk", result).splitlines()
    assert first.startswith("problem  disk ")
    assert second.strip().startswith("-> run from a folder")
