"""The command line as a user runs it: words, exit status, files."""

import json
import subprocess
import sys
from pathlib import Path

import commandline
import numpy as np
import pytest
from loglines import decaying, header, records

from harness.__main__ import main

LOSS_LINES = """\
MeanRelativeError: -0.2982997567927939
MeanAbsoluteError: -0.7589329922199249
Rule,mean_absolute_error -0.7589329922199249
pass mean_relative_error=np.float64(-0.2982997567927939) <= 0.05 or \
mean_absolute_error=np.float64(-0.7589329922199249) <= 0.0002
"""


@pytest.fixture
def harness(tmp_path):
    return lambda *words, cwd=tmp_path: commandline.harness(cwd, *words)


@pytest.fixture
def logs(tmp_path):
    base = decaying(80)
    texts = {
        "gpu.log": header(seed=1) + records(base),
        "same.log": header(seed=1, backend="tccl") + records(base * 1.0005),
        "worse.log": header(seed=1, backend="tccl") + records(np.r_[base[:6], base[6:] * 1.2]),
        "short.log": header(seed=1) + records(base[:20]),
        "wide.log": header(seed=1, world=4) + records(base * 1.0005),
        "empty.log": "",
        "words.log": "no record here\n",
        "later.log": records(base).replace("Iteration: ", "Iteration: 9"),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "binary.log").write_bytes(bytes(range(256)))
    return tmp_path


@pytest.mark.extra("plots")
@pytest.mark.shared
def test_loss_prints_the_published_lines_byte_for_byte(harness, shared_data, tmp_path):
    pair = shared_data / "ccnet"
    done = harness("loss", "--sdaa-log", pair / "sdaa.log", "--cuda-log", pair / "cuda.log")
    assert done.stdout == LOSS_LINES
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "loss.jpg").read_bytes()[:3] == b"\xff\xd8\xff"


@pytest.mark.shared
def test_compare_names_what_makes_the_published_pair_two_experiments(harness, shared_data):
    pair = shared_data / "ccnet"
    done = harness("compare", pair / "cuda.log", pair / "sdaa.log", "--json", "-")
    assert done.returncode == 4
    document = json.loads(done.stdout)
    assert document["verdict"] == "incomparable"
    differing = {
        row["fact"]: (row["baseline"], row["candidate"])
        for row in document["comparability"]
        if row["class"] == "differs"
    }
    assert differing == {"world_size": (1, 4), "effective_batch": (2, 8)}
    waived = ("--allow", "world_size,effective_batch", "--rule", "two-sided")
    done = harness("compare", pair / "cuda.log", pair / "sdaa.log", *waived)
    assert done.returncode == 1
    assert "fail: the candidate does not reproduce the baseline" in done.stdout


@pytest.mark.parametrize(
    ("candidate", "options", "status", "words"),
    [
        ("same.log", (), 0, "pass: the candidate reproduces the baseline within the policy"),
        ("worse.log", (), 1, "fail: the candidate does not reproduce the baseline"),
        ("short.log", (), 3, "20 common records, the policy requires 50"),
        ("wide.log", (), 4, "world_size is 1 in the baseline and 4 in the candidate"),
        ("wide.log", ("--allow", "all"), 0, "differs, waived"),
        ("worse.log", ("--rule", "two-sided:rtol=0.3"), 0, "rtol = 0.3"),
        ("worse.log", ("--rule", "modelzoo", "--rule", "exact"), 1, "exact: step 6"),
        ("same.log", ("--last", "30"), 3, "judged: 30 of them, 50 to 79"),
        ("same.log", ("--metric", "ips"), 0, "ips of rank 0"),
    ],
)
def test_a_verdict_is_an_exit_status_with_its_reason(
    harness, logs, candidate, options, status, words
):
    done = harness("compare", "gpu.log", candidate, *options)
    assert done.returncode == status, done.stderr
    assert words in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("compare", "gpu.log", "no.log"), "error: no.log: no such file"),
        (("compare", "gpu.log", "empty.log"), "error: empty.log: the file is empty"),
        (("compare", "gpu.log", "binary.log"), "error: binary.log:1: a NUL byte"),
        (("compare", "gpu.log", "words.log"), "error: words.log: no training record in 1 lines"),
        (("compare", "gpu.log", "later.log"), "error: no common step of 'loss': gpu.log: steps 0"),
        (("compare", "gpu.log", "same.log", "--rank", "3"), "no series 'loss' of rank 3"),
        (("compare", "gpu.log", "same.log", "--rule", "best"), "error: no rule 'best'"),
        (("compare", "gpu.log", "same.log", "--allow", "sed"), "error: cannot allow sed"),
        (("compare", "gpu.log", "same.log", "--json", "gpu.log/x.json"), "x.json: cannot be"),
        (("compare", "gpu.log", "same.log", "--report", "gpu.log"), "gpu.log: cannot be written"),
        (("parse", "empty.log"), "error: empty.log: the file is empty"),
        (("loss", "--sdaa-log", "words.log", "--cuda-log", "gpu.log"), "error: words.log: no trai"),
        (("check",), "error: ports.toml: no such file"),
        (("baseline", "show", "x"), "error: baselines/x: no such baseline; recorded here: none"),
        (("baseline", "add", "../x", "gpu.log", "--origin", "o"), "'../x' cannot name a folder"),
    ],
)
def test_a_user_error_is_one_line_and_status_2(harness, logs, args, message):
    done = harness(*args)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr + done.stdout


def test_bad_usage_is_status_2_with_the_usage(harness, logs):
    for args in (
        ("compare",),
        ("compare", "gpu.log"),
        ("compare", "a", "b", "--last", "0"),
        ("nonsense",),
    ):
        done = harness(*args)
        assert done.returncode == 2
        assert "Usage" in done.stderr


def test_loss_exits_1_where_the_published_rule_fails(harness, logs):
    done = harness("loss", "--sdaa-log", "worse.log", "--cuda-log", "gpu.log")
    assert done.returncode == 1
    assert done.stdout.splitlines()[3].startswith("fail mean_relative_error=np.float64(0.19999")


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "gpu.log", "worse.log"),
        ("loss", "--sdaa-log", "same.log", "--cuda-log", "gpu.log"),
        ("history",),
        ("locate", "gpu.log"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_in_another_process_prints_and_ends_as_in_this_one(logs, words):
    assert commandline.started(logs, *words) == commandline.harness(logs, *words)


@pytest.mark.extra("plots")
def test_a_report_folder_holds_page_data_and_pictures(harness, logs):
    done = harness("compare", "gpu.log", "worse.log", "--report", "out/first")
    assert done.returncode == 1
    names = sorted(p.name for p in (logs / "out" / "first").iterdir())
    assert names == [
        "comparison.json",
        "comparison.png",
        "comparison.svg",
        "report.html",
        "report.md",
    ]
    page = (logs / "out" / "first" / "report.md").read_text()
    assert "(comparison.png)" in page
    assert "# Port verdict: fail" in page


def test_json_to_a_file_leaves_the_report_on_the_screen(harness, logs):
    done = harness("compare", "gpu.log", "same.log", "--json", "x.json")
    assert "pass:" in done.stdout
    document = json.loads((logs / "x.json").read_text())
    assert document["baseline"]["runs"][0]["path"] == "gpu.log"
    assert len(document["baseline"]["runs"][0]["sha256"]) == 64


def test_parse_shows_facts_and_writes_the_records(harness, logs):
    done = harness("parse", "wide.log", "--csv", "all.csv")
    assert done.returncode == 0
    for words in ("world_size", "0 to 79", "read as tcappdll"):
        assert words in done.stdout
    rows = (logs / "all.csv").read_text().splitlines()
    assert rows[0] == "rank,step,name,value"
    assert len(rows) == 1 + 3 * 80
    document = json.loads(harness("parse", "wide.log", "--json", "-").stdout)
    assert document["facts"]["world_size"] == 4


def test_the_life_of_a_baseline(harness, logs):
    added = harness("baseline", "add", "gpu", "gpu.log", "--origin", "a test")
    assert "recorded 1 run, 240 values in baselines/gpu" in added.stdout
    again = harness("baseline", "add", "gpu", "gpu.log", "--origin", "a test")
    assert (again.returncode, "already recorded" in again.stderr) == (2, True)
    assert "gpu: 1 run" in harness("baseline", "list").stdout
    assert "origin: a test" in harness("baseline", "show", "gpu").stdout
    assert "figures are as recorded" in harness("baseline", "verify").stdout
    assert harness("compare", "gpu", "same.log").returncode == 0


MANIFEST = """
[[port]]
name = "good"
baseline = "gpu.log"
candidate = "same.log"
rules = ["two-sided", {name = "tolerance", rtol = 0.01}]

[[port]]
name = "bad"
baseline = "gpu.log"
candidate = "worse.log"

[[port]]
name = "gone"
baseline = "gpu.log"
candidate = "no.log"
"""


def test_check_judges_every_port_and_a_broken_one_stops_no_other(harness, logs):
    (logs / "ports.toml").write_text(MANIFEST)
    done = harness("check", "--report", "out")
    assert done.returncode == 2
    assert "gone: no.log: no such file" in done.stdout.replace(str(logs) + "/", "")
    assert "3 ports: 1 pass, 1 fail, 1 error" in done.stdout
    assert (logs / "out" / "bad" / "report.md").exists()
    (logs / "ports.toml").write_text(MANIFEST[: MANIFEST.index('[[port]]\nname = "gone"')])
    assert harness("check").returncode == 1
    (logs / "ports.toml").write_text(MANIFEST[: MANIFEST.index('[[port]]\nname = "bad"')])
    assert harness("check").returncode == 0


def test_check_finds_the_logs_beside_the_manifest_from_anywhere(harness, logs, tmp_path_factory):
    (logs / "ports.toml").write_text(MANIFEST[: MANIFEST.index('[[port]]\nname = "bad"')])
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert harness("check", logs / "ports.toml", cwd=elsewhere).returncode == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ports.toml: holds no entry; write [[port]]"),
        ("[[port]]\nname = 'x'\nbaseline = 'a'", "ports.toml:1: port x: lacks candidate"),
        (
            "[[port]]\nname = 'x'\nbaseline = 'a'\ncandidate = 'b'\nrtol = 1",
            "ports.toml:1: port x: unknown key 'rtol'; known keys: name, ",
        ),
        ("[[port]", "ports.toml: is not TOML: "),
        (
            "[[port]]\nname = 'x'\nbaseline = 'a'\ncandidate = 'b'\nallow = ['world_size']",
            "port x: allows world_size without a reason; add reason",
        ),
        (
            "[[port]]\nname = 'x'\nbaseline = 'a'\ncandidate = 'b'\nrules = ['good']",
            "port x: no rule 'good'; expected one of",
        ),
        (
            "[[port]]\nname = 'x'\nbaseline = 'a'\ncandidate = 'b'\n" * 2,
            "two ports are named x",
        ),
        (
            "[[port]]\nname = 'x'\nbaseline = 'a'\ncandidate = 'b'\nrules = [{rtol = 1}]",
            "port x: a rule without a name",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_names_entry_and_key(harness, tmp_path, text, message):
    (tmp_path / "ports.toml").write_text(text)
    done = harness("check")
    assert done.returncode == 2
    assert message in done.stderr


def test_help_teaches_the_verdicts_and_loads_no_numerics(harness):
    assert "4 incomparable" in " ".join(harness("--help").stdout.split())
    probe = (
        "import sys; sys.argv = ['harness', '--help']\n"
        "from harness.__main__ import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'scipy', 'pandas', 'matplotlib', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_repository_checks_its_own_ports(harness):
    done = harness("check", cwd=Path(__file__).parents[1])
    assert done.returncode == 4
    assert "ccnet-sdaa: world_size is 1 in the baseline and 4 in the candidate" in done.stdout


def test_the_sample_with_a_doubled_learning_rate_is_named(harness):
    root = Path(__file__).parents[1]
    sample = root / "logs" / "samples" / "ccnet_r18-d8_demo_doubled_lr_seed_101.log"
    done = harness("compare", "ccnet_r18-d8_demo", sample, cwd=root)
    assert done.returncode == 4
    assert "learning_rate is 0.1 in the baseline and 0.2 in the candidate" in done.stdout


def test_what_the_system_refuses_is_one_line(monkeypatch, capsys):
    def refuse(**_):
        raise PermissionError(13, "Permission denied", "shelf/baseline.toml")

    monkeypatch.setattr("harness.cli.main.app", refuse)
    with pytest.raises(SystemExit) as info:
        main()
    assert info.value.code == 2
    expected = "error: shelf/baseline.toml: Permission denied. Check the path and its permissions."
    assert capsys.readouterr().err == f"{expected}\n"


def test_a_table_of_several_runs_is_shown_recorded_and_compared_as_runs(harness, tmp_path):
    rows = [
        (seed, step, value)
        for seed in range(6)
        for step, value in enumerate(decaying(80, seed=seed))
    ]
    text = "run,step,loss\n" + "".join(f"{r},{s},{float(v)!r}\n" for r, s, v in rows)
    (tmp_path / "seeds.csv").write_text(text)
    shown = json.loads(harness("parse", "seeds.csv", "--json", "-", "--csv", "out.csv").stdout)
    assert [run["series"][0]["records"] for run in shown] == [80] * 6
    assert (tmp_path / "out.csv").read_text().startswith("run,rank,step,name,value\n0,0,0,loss,")
    added = harness("baseline", "add", "six", "seeds.csv", "--origin", "a table")
    assert "recorded 6 runs, 480 values" in added.stdout
    (tmp_path / "port.csv").write_text(
        "step,loss\n" + "".join(f"{s},{float(v)!r}\n" for s, v in enumerate(decaying(80, seed=9)))
    )
    done = harness("compare", "six", "port.csv", "--quiet")
    assert "1 candidate run against 6 seeds of the baseline" in done.stdout


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ("step,loss,lr\n", "the logged learning rate of b.csv is 2.00 times a.csv's at every step"),
        ("same", "a.csv and b.csv are the same log"),
    ],
)
def test_a_baseline_of_several_experiments_is_not_recorded(harness, tmp_path, other, reason):
    head, steps = "step,loss,lr\n", range(60)
    (tmp_path / "a.csv").write_text(head + "".join(f"{s},{3 - s / 50},0.1\n" for s in steps))
    text = head + "".join(f"{s},{3.01 - s / 50},0.2\n" for s in steps)
    (tmp_path / "b.csv").write_text((tmp_path / "a.csv").read_text() if other == "same" else text)
    done = harness("baseline", "add", "x", "a.csv", "b.csv", "--origin", "o")
    assert done.returncode == 2
    assert reason in done.stderr
    assert not (tmp_path / "baselines").exists()


def test_a_waived_schedule_is_said(harness, tmp_path):
    steps = range(60)
    for name, rate in (("a", 0.1), ("b", 0.2)):
        (tmp_path / f"{name}.csv").write_text(
            "step,loss,lr\n" + "".join(f"{s},{3 - s / 50 + rate / 1e4},{rate}\n" for s in steps)
        )
    done = harness("compare", "a.csv", "b.csv", "--allow", "learning_rate", "--rule", "tolerance")
    assert "2.00 times the baseline's at every step" in " ".join(done.stdout.split())
    done = harness(
        "compare", "a.csv", "b.csv", "--allow", "learning_rate", "--rule", "tolerance", "-q"
    )
    assert "1 logged schedule waived" in done.stdout


def test_a_pattern_that_matches_nothing_is_an_error(harness, tmp_path):
    (tmp_path / "gpu.log").write_text("".join(f"step {s} loss {3 - s / 50}\n" for s in range(60)))
    done = harness("parse", "gpu.log", "--pattern", r"xx(?P<loss>\d+)")
    assert done.returncode == 2
    assert "no line matches the pattern" in done.stderr


def test_a_metric_may_have_a_name_on_each_side(harness, tmp_path):
    steps = range(60)
    (tmp_path / "a.csv").write_text(
        "step,cuda run - train/loss\n" + "".join(f"{s},{3 - s / 50}\n" for s in steps)
    )
    (tmp_path / "b.csv").write_text(
        "step,port run - train/loss\n" + "".join(f"{s},{3.001 - s / 50}\n" for s in steps)
    )
    names = "cuda run - train/loss=port run - train/loss"
    done = harness("compare", "a.csv", "b.csv", "--metric", names, "--rule", "tolerance", "-q")
    assert (done.returncode, done.stderr) == (0, "")
    done = harness("compare", "a.csv", "b.csv", "--metric", "cuda run - train/loss=x", "-q")
    assert done.returncode == 2
    assert "no series 'x' of rank 0; found: port run - train/loss" in done.stderr
