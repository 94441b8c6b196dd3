"""Runs of Weights & Biases, from transaction logs whose numbers are known."""

import math

import numpy as np
import pytest
import wandblogs as logs

from harness import HarnessError, Policy, compare, read_run
from harness.storage.logs import read_runs


def curve(run, name="loss"):
    (series,) = run.find(name, 0)
    return dict(zip(series.steps.tolist(), series.values.tolist(), strict=True))


def read(path):
    return read_run(f"wandb:{path}")


def test_the_history_gives_series_and_the_config_gives_facts(tmp_path):
    rows = [logs.history(i, {"train/loss": 1 / (i + 1), ("opt", "lr"): 0.5}) for i in range(4)]
    settings = {"lr": 0.5, "batch_size": 8, "seed": 3, "nothing": None, "_wandb": {"x": 1}}
    path = logs.write(tmp_path, "ab", [logs.run("ab", settings), *rows, logs.ended()])
    run = read(path)
    assert curve(run) == {i: 1 / (i + 1) for i in range(4)}
    assert curve(run, "opt.lr") == dict.fromkeys(range(4), 0.5)
    assert (run.facts["learning_rate"], run.facts["batch_per_device"], run.facts["seed"]) == (
        0.5,
        8,
        3,
    )
    assert not any("wandb" in name or "nothing" in name for name in run.facts)
    assert run.unfinished == ""
    assert run.size_bytes == path.stat().st_size


def test_a_config_of_mmengine_gives_the_facts_of_a_printed_one(tmp_path):
    settings = {"optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.5}}}
    later = logs.config(train_cfg={"max_iters": 40})
    records = [logs.run("ab", settings), later, logs.history(0, {"loss": 1.0})]
    facts = read(logs.write(tmp_path, "ab", records)).facts
    assert (facts["optimizer"], facts["planned_steps"], facts["precision"]) == (
        "SGD",
        40,
        "float32",
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 5e-324, 0.1, 2**70, 0])
def test_a_number_is_read_to_the_last_bit(tmp_path, value):
    rows = [logs.history(0, {"loss": value}), logs.history(1, {"loss": 1.0})]
    found = curve(read(logs.write(tmp_path, "ab", rows)))[0]
    assert np.float64(found).tobytes() == np.float64(value).tobytes()


@pytest.mark.parametrize(
    ("value", "expected"), [("NaN", math.nan), ("Infinity", math.inf), ("-Infinity", -math.inf)]
)
def test_a_word_for_what_is_not_finite_is_read(tmp_path, value, expected):
    rows = [logs.history(0, {"loss": value}), logs.history(1, {"loss": 1.0})]
    assert curve(read(logs.write(tmp_path, "ab", rows)))[0] == pytest.approx(expected, nan_ok=True)


def test_a_run_without_a_number_is_left_out_beside_others_and_named(tmp_path):
    logs.write(tmp_path, "ab", [logs.run("ab"), logs.history(0, {"host": "a"}), logs.ended(1)])
    logs.write(tmp_path, "cd", [logs.run("cd"), logs.history(0, {"loss": 2.0}), logs.ended()])
    (run,) = read_runs(f"wandb:{tmp_path}")
    (note,) = [note for note in run.notes if note.startswith("left out")]
    assert "[run ab] (W&B says that the run failed with exit status 1)" in note
    with pytest.raises(HarnessError, match="the run has no metric of a training"):
        read(f"{tmp_path}!ab")


def test_a_number_that_was_logged_as_text_among_numbers_is_read_and_noted(tmp_path):
    losses = [2.0, "1.5", 1.25, "nan"]
    rows = [logs.history(i, {"loss": loss, "tag": "3"}) for i, loss in enumerate(losses)]
    run = read(logs.write(tmp_path, "ab", rows))
    assert [curve(run)[i] for i in range(3)] == [2.0, 1.5, 1.25]
    assert math.isnan(curve(run)[3])
    assert "loss has 1 value logged as text, read as numbers" in run.notes
    assert [s.name for s in run.series] == ["loss"]


def test_a_loss_that_was_logged_as_null_is_nan(tmp_path):
    rows = [logs.history(0, {"loss": 1.0, "path": None}), logs.history(1, {"loss": None})]
    run = read(logs.write(tmp_path, "ab", rows))
    assert math.isnan(curve(run)[1])
    assert [s.name for s in run.series] == ["loss"]
    assert "loss has 1 value without a number, read as NaN" in run.notes


def test_what_is_no_number_is_no_series(tmp_path):
    histogram = {"_type": "histogram", "values": [1, 2], "min": 3}
    row = {"loss": 1.0, "note": "x", "flag": True, "list": [1, 2], "_runtime": 3.5, "h": histogram}
    nested = {("g", "_type"): "histogram", ("g", "min"): 4, ("g", "values"): [1]}
    run = read(logs.write(tmp_path, "ab", [logs.history(0, {**row, **nested})]))
    assert [s.name for s in run.series] == ["loss"]


def test_items_with_a_plain_key_and_with_typed_values_are_read(tmp_path):
    step = logs.field(2, logs.field(1, 7))
    typed = logs.field(1, logs.field(1, "acc") + logs.field(5, 2 * 4 - 1))  # -4, zigzag
    plain = logs.item("loss", 0.5, nested=False)
    run = read(logs.write(tmp_path, "ab", [logs.field(2, plain + typed + step)]))
    assert (curve(run), curve(run, "acc")) == ({7: 0.5}, {7: -4.0})


def test_a_step_metric_places_the_points_that_it_was_defined_for(tmp_path):
    records = [logs.metric("val/*", "val/at"), logs.metric("*", "global"), logs.metric("own", "")]
    for i in range(5):
        records.append(logs.history(2 * i, {"loss": 1.0 + i, "global": 10 * i, "own": i}))
        records.append(logs.history(2 * i + 1, {"val/acc": 0.1 * i, "val/at": 100 * i}))
    run = read(logs.write(tmp_path, "ab", records))
    assert list(curve(run)) == [0, 10, 20, 30, 40]
    assert list(curve(run, "val.acc")) == [0, 100, 200, 300, 400]
    assert {s.name for s in run.series} == {"loss", "val.acc", "own"}
    assert any("placed by the step metric 'global'" in note for note in run.notes)


def test_a_step_metric_that_is_an_epoch_does_not_fold_the_curve(tmp_path):
    rows = [logs.history(i, {"loss": float(i), "epoch": i // 4}) for i in range(12)]
    run = read(logs.write(tmp_path, "ab", [logs.metric("*", "epoch"), *rows]))
    assert curve(run) == {i: float(i) for i in range(12)}
    assert any("loss: 'epoch' does not count steps there" in note for note in run.notes)


def test_a_counter_that_the_program_logs_counts_the_steps(tmp_path):
    rows = []
    for i in range(4):
        rows.append(logs.history(2 * i, {"loss": 1.0, "trainer/global_step": 50 * i}))
        rows.append(logs.history(2 * i + 1, {"val_loss": 2.0}))
    run = read(logs.write(tmp_path, "ab", rows))
    assert list(curve(run)) == list(curve(run, "val.loss")) == [0, 50, 100, 150]


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ([logs.ended()], ""),
        ([], "still running, or it was killed"),
        ([logs.ended(1)], "failed with exit status 1"),
        ([logs.field(23, b""), logs.ended(1)], "preempted"),
    ],
)
def test_how_a_run_ended_is_known_and_only_a_whole_one_may_pass(tmp_path, end, words):
    rows = [logs.history(i, {"loss": 2 + 1 / (i + 1)}) for i in range(80)]
    whole = read(logs.write(tmp_path, "base", [*rows, logs.ended()]))
    run = read(logs.write(tmp_path, "cand", [*rows[:-1], logs.history(79, {"loss": 2.0126}), *end]))
    assert words in run.unfinished
    assert bool(words) == bool(run.unfinished)
    verdict = compare(whole, run, Policy(rules=("modelzoo",))).verdict
    assert verdict == ("inconclusive" if words else "pass")


def test_files_of_one_run_that_was_resumed_are_one_run(tmp_path):
    first = [logs.history(i, {"loss": 1.0 + i}) for i in range(6)]
    second = [logs.history(i, {"loss": 20.0 + i}) for i in range(4, 9)]
    logs.write(tmp_path, "ab", [*first, logs.ended(1)], begun="20260102_030405")
    logs.write(tmp_path, "ab", [*second, logs.ended()], begun="20260102_040000")
    run = read(tmp_path)
    assert curve(run) == {0: 1, 1: 2, 2: 3, 3: 4, 4: 24, 5: 25, 6: 26, 7: 27, 8: 28}
    assert run.unfinished == ""
    assert any("logged twice" in note for note in run.notes)


def three_runs(tmp_path):
    for number, run_id in enumerate(["zz", "aa", "mm"]):
        records = [
            logs.run(run_id, name=f"name {run_id}"),
            logs.history(0, {"loss": float(number)}),
        ]
        logs.write(tmp_path / "wandb", run_id, records, begun=f"2026010{number + 1}_000000")
    (tmp_path / "wandb" / "latest-run").symlink_to("offline-run-20260103_000000-mm")
    return tmp_path / "wandb"


def test_a_folder_gives_its_runs_in_the_order_in_which_they_were_begun(tmp_path):
    place = three_runs(tmp_path)
    runs = read_runs(f"wandb:{place}")
    assert [run.source for run in runs] == [f"wandb:{place} [run {i}]" for i in ("zz", "aa", "mm")]
    assert [curve(run)[0] for run in runs] == [0, 1, 2]
    assert len({run.sha256 for run in runs}) == 3
    assert [curve(run) for run in read_runs(f"wandb:{tmp_path}")] == [curve(run) for run in runs]


@pytest.mark.parametrize("rest", ["/latest-run", "!mm", "!name mm"])
def test_a_run_is_named_by_its_folder_its_identifier_or_its_name(tmp_path, rest):
    assert curve(read(f"{three_runs(tmp_path)}{rest}")) == {0: 2.0}


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("absent", "no such file or folder"),
        ("empty", "a folder without logs of W&B"),
        ("text.wandb", "does not begin as a transaction log"),
        ("wandb!xx", r"no run 'xx'; the folder has zz \(name zz\)"),
    ],
)
def test_a_wrong_place_is_an_error_of_one_line(tmp_path, place, message):
    three_runs(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.wandb").write_text("loss: 1\n")
    with pytest.raises(HarnessError, match=message) as caught:
        read(tmp_path / place)
    assert "\n" not in str(caught.value)


def test_a_record_longer_than_a_block_and_ends_of_blocks_of_any_size_are_read(tmp_path):
    rng = np.random.default_rng(5)
    records, truth = [], {}
    for i in range(60):
        size = int(rng.integers(0, 9000)) if i % 20 else 70_000
        truth[i] = float(rng.random())
        records.append(logs.history(i, {"loss": truth[i], "text": "x" * size}))
        taken = len(logs.framed(records)) % logs.BLOCK
        if i % 3 == 0:  # the next record begins 0 to 9 bytes before the end of the block
            gap = (logs.BLOCK - taken - 7 - int(rng.integers(0, 10)) - 4) % logs.BLOCK
            records.append(logs.field(13, b"x" * max(0, gap)))
    assert curve(read(logs.write(tmp_path, "ab", records))) == truth


def small_log(tmp_path):
    truth = {i * 100: 1 / 3**i for i in range(8)}
    rows = [logs.history(step, {"loss": value}) for step, value in truth.items()]
    return logs.write(tmp_path, "ab", [logs.run("ab"), *rows, logs.ended()]), truth


def outcome(path):
    """The curve that is read, and what says that something may lack; an error has no curve."""
    try:
        run = read(path)
    except HarnessError as error:
        return {}, str(error)
    doubts = [run.unfinished, *(note for note in run.notes if "damaged" in note)]
    return curve(run), " ".join(doubts).strip()


def test_a_log_cut_at_any_byte_gives_the_rows_before_and_counts_as_unfinished(tmp_path):
    path, truth = small_log(tmp_path)
    data, whole = path.read_bytes(), 0
    for length in range(len(data)):
        path.write_bytes(data[:length])
        found, doubt = outcome(path)
        assert list(found.items()) == list(truth.items())[: len(found)]
        assert whole <= len(found) <= whole + 1
        assert doubt
        whole = len(found)
    assert whole == len(truth)


def test_a_changed_byte_never_changes_a_number_and_never_goes_unsaid(tmp_path):
    path, truth = small_log(tmp_path)
    data = path.read_bytes()
    for at in range(len(data)):
        for bit in (0x01, 0x80):
            path.write_bytes(data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :])
            found, doubt = outcome(path)
            assert found.items() <= truth.items()
            assert doubt, at


def test_damage_costs_the_rest_of_its_block_and_no_more(tmp_path):
    rows = [logs.history(i, {"loss": float(i), "text": "x" * 1000}) for i in range(100)]
    path = logs.write(tmp_path, "ab", rows)
    data = bytearray(path.read_bytes())
    data[logs.BLOCK + 5000] ^= 1
    path.write_bytes(data)
    run = read(path)
    found = curve(run)
    assert 60 < len(found) < 80
    assert all(value == step for step, value in found.items())
    assert any("damaged record" in note for note in run.notes)


@pytest.mark.parametrize("seed", range(30))
def test_records_of_any_bytes_cost_themselves_alone(tmp_path, seed):
    rng = np.random.default_rng(seed)
    odd = [
        logs.field(int(rng.integers(1, 30)), rng.bytes(int(rng.integers(0, 60)))) for _ in range(9)
    ]
    path = logs.write(tmp_path, "ab", [*odd, logs.history(3, {"loss": 1.5}), rng.bytes(40)])
    found, _ = outcome(path)
    assert found.get(3) == 1.5
