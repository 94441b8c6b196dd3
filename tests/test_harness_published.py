"""A final metric judged against a published result: facts, units, ends of logs, and the files."""

import json
import re
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from finallogs import LEARNING, ended, evaluation, training
from typer.testing import CliRunner

from harness import Policy, Run, Series, Verdict, compare
from harness.cli.main import app
from harness.errors import AlignmentError, BaselineError, PolicyError
from harness.ports.evidence import content, judged_on, recorded
from harness.ports.manifest import compare_port, read_manifest
from harness.report.comparison import json as writer
from harness.report.comparison.plot import draw
from harness.rules import parse_rule
from harness.storage.inputs import load, load_sides
from harness.storage.published import entries, files, runs_of

ROOT = Path(__file__).parents[1]
SHELF = ROOT / "baselines"
NAME = "ccnet_r50-d8_4xb2-40k_cityscapes-512x1024"
RESULT = f"published/{NAME}"
TESTED = "val.mIoU=test.mIoU"


def judged(*logs, result=RESULT, metric="val.mIoU", rules=("final-metric",), **policy):
    sides = load_sides(result, ",".join(map(str, logs)), baselines=SHELF)
    return compare(*sides, Policy(metric=metric, rules=rules, **policy))


def command(*words):
    outcome = CliRunner().invoke(app, [*map(str, words), "--baselines", str(SHELF)])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    return outcome


# The verdicts


@pytest.mark.parametrize(
    ("last", "verdict", "status"),
    [(77.42, "pass", 0), (75.9, "inconclusive", 3), (74.4, "fail", 1), (81.4, "fail", 1)],
)
def test_a_run_is_judged_by_its_last_validation(tmp_path, last, verdict, status):
    log = ended(tmp_path / "run.log", last)
    made = judged(log)
    assert made.verdict == verdict, made.judgement.reasons
    assert f"val.mIoU is {last:.2f}%" in made.judgement.reasons[0]
    assert made.judgement.findings[0].observed["figure"] == pytest.approx(last / 100)
    outcome = command("compare", RESULT, log, "--metric", "val.mIoU", "--quiet")
    assert outcome.exit_code == status
    assert outcome.output.startswith(verdict)


def test_the_rule_needs_no_name(tmp_path):
    made = judged(ended(tmp_path / "run.log", 74.4), rules=("default",))
    assert [f.rule for f in made.judgement.findings] == ["final-metric"]
    assert made.verdict is Verdict.FAIL


def test_the_published_fraction_is_compared_with_the_percent_of_the_log(tmp_path):
    made = judged(ended(tmp_path / "run.log", 77.76))
    finding = made.judgement.findings[0]
    assert finding.observed["difference"] == pytest.approx(0, abs=1e-12)
    assert any("in percent; it is judged as a fraction" in note for note in made.notes)


def fraction_log(values, name="a.csv", **fields):
    series = Series(name="val.mIoU", rank=0, steps=np.arange(len(values)), values=np.array(values))
    return Run(source=name, series=(series,), **fields)


def test_a_log_in_fractions_stays_as_it_is():
    base = runs_of(NAME, SHELF)
    made = compare(base, fraction_log([0.5, 0.7742]), Policy(metric="val.mIoU"))
    assert made.judgement.findings[0].observed["figure"] == 0.7742
    assert not any("percent" in note for note in made.notes)


def test_a_collapsed_run_of_mmengine_is_not_taken_for_a_fraction(tmp_path):
    log = training(tmp_path / "run.log", [0.5, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7776])
    log.write_text(log.read_text().replace("95.5000", "0.9").replace("84.2000", "0.8"))
    finding = judged(log).judgement.findings[0]
    assert finding.verdict is Verdict.FAIL
    assert finding.observed["figure"] == pytest.approx(0.007776)


def test_an_average_precision_of_mmengine_is_a_fraction(tmp_path):
    log = training(tmp_path / "run.log", [0.1, 0.393])
    text = log.read_text().replace("mIoU", "coco/bbox_mAP").replace("aAcc: 95.5000  ", "")
    log.write_text(text.replace("mAcc: 84.2000", "coco/segm_mAP: 0.361"))
    result, metric = "published/ccnet-paper_coco-r50", "val.coco/bbox_mAP"
    made = judged(log, result=result, metric=metric)
    assert made.aligned.candidate[0, -1] == 0.393
    assert not any("percent" in note for note in made.notes)


def test_several_runs_pass_a_margin_that_one_does_not(tmp_path):
    logs = [
        ended(tmp_path / f"{i}.log", last, seed=i)
        for i, last in enumerate((75.9, 77.4, 77.2, 76.5, 77.0), 1)
    ]
    assert judged(logs[0]).verdict is Verdict.INCONCLUSIVE
    made = judged(*logs)
    assert made.verdict is Verdict.PASS, made.judgement.reasons
    assert made.judgement.findings[0].observed["candidate_runs"] == 5


def test_an_open_verdict_says_how_many_runs_or_which_margin_would_do(tmp_path):
    log = ended(tmp_path / "run.log", 76.5)
    text = judged(log).judgement.reasons[0]
    assert "passes with 80% probability from 3 candidate runs on" in text
    text = judged(log, rules=("final-metric:margin=3%",)).judgement.reasons[0]
    assert "margin 3.00 points" in text
    text = judged(log, rules=("final-metric:margin=1%",)).judgement.reasons[0]
    assert "against 1 published run no number of candidate runs passes that margin" in text
    assert "3 candidate runs pass one of 2.40 points (margin=0.024)" in text


def test_a_better_run_fails_and_the_reason_says_what_looks_the_same(tmp_path):
    made = judged(ended(tmp_path / "run.log", 81.4))
    sentence = made.judgement.reasons[-1]
    assert "better than the baseline by 4.68%" in sentence
    assert "90% interval" in sentence
    assert "validation images among the training data" in sentence
    assert "harness accept" not in sentence


# What is another experiment


@pytest.mark.parametrize(
    ("options", "fact"),
    [
        ({"steps": 80000}, "planned_steps"),
        ({"steps": 80000}, "schedule"),
        ({"world": 1}, "world_size"),
        ({"world": 1}, "effective_batch"),
        ({"split": "test"}, "eval_split"),
        ({"split": "train"}, "eval_split"),
        ({"trained": "trainval"}, "train_split"),
        ({"tta": True}, "test_mode"),
        ({"indices": "indices=50, "}, "eval_split"),
        ({"recurrence": 1}, "recurrence"),
        ({"recurrence": 0}, "recurrence"),
    ],
)
def test_another_experiment_is_incomparable_until_it_is_waived(tmp_path, options, fact):
    log = ended(tmp_path / "run.log", 77.5, **options)
    made = judged(log)
    assert made.verdict is Verdict.INCOMPARABLE
    differing = {r.fact for r in made.comparability if r.kind == "differs"}
    assert fact in differing
    assert judged(log, allow=tuple(differing)).verdict is Verdict.PASS
    assert judged(log, allow=tuple(differing - {fact})).verdict is Verdict.INCOMPARABLE


def test_the_same_experiment_states_no_difference(tmp_path):
    made = judged(ended(tmp_path / "run.log", 77.5))
    kinds = {r.fact: r.kind for r in made.comparability}
    named = ("train_split", "eval_split", "test_mode", "model", "recurrence")
    assert {kinds[name] for name in named} == {"same"}
    assert not [name for name, kind in kinds.items() if kind == "differs"]


def test_an_evaluation_is_judged_by_its_own_loader(tmp_path):
    log = evaluation(tmp_path / "eval.log", 77.5)
    assert judged(log, metric=TESTED).verdict is Verdict.PASS
    several = evaluation(tmp_path / "tta.log", 78.9, tta=True)
    assert judged(several, metric=TESTED).verdict is Verdict.INCOMPARABLE
    made = judged(several, metric=TESTED, result=f"{RESULT}@ms+flip")
    assert made.verdict is Verdict.PASS
    assert {r.kind for r in made.comparability if r.fact in {"model", "test_mode"}} == {"same"}
    other = evaluation(tmp_path / "other.log", 77.5, split="test")
    assert judged(other, metric=TESTED).verdict is Verdict.INCOMPARABLE


def test_the_recurrence_of_an_evaluation_is_compared_with_the_published_one(tmp_path):
    for tta, result in ((False, RESULT), (True, f"{RESULT}@ms+flip")):
        log = evaluation(tmp_path / "eval.log", 78.5, tta=tta, recurrence=1)
        made = judged(log, metric=TESTED, result=result)
        assert made.verdict is Verdict.INCOMPARABLE
        assert "recurrence is 2 in the baseline and 1 in" in made.judgement.reasons[0]


def test_published_results_state_the_recurrence_that_they_describe():
    stated = {
        name: entry.facts(next(iter(entry.result.values))).get("recurrence")
        for name, entry in entries(SHELF).items()
    }
    known = {name: value for name, value in stated.items() if "-authors" in name or "-val_" in name}
    assert known == {
        "ccnet-authors_r1": 1,
        "ccnet-authors_r2": 2,
        "ccnet-authors_r2-ohem": 2,
        "ccnet-paper_cityscapes-val_r0": 0,
        "ccnet-paper_cityscapes-val_r1": 1,
        "ccnet-paper_cityscapes-val_r2": 2,
        "ccnet-paper_cityscapes-val_r2-ccl": 2,
        "ccnet-paper_cityscapes-val_r3": 3,
        "ccnet-paper_cityscapes-val_r50-r2": 2,
    }
    assert {stated[name] for name in stated if "4xb" in name} == {2}


# Hostile logs


@pytest.mark.parametrize("first", [60.0, 77.3, float("nan")])
def test_two_figures_at_the_last_step_do_not_pass(tmp_path, first):
    log = ended(tmp_path / "run.log", first)
    last = log.read_text().splitlines(keepends=True)[-1]
    log.write_text(log.read_text() + last.replace(f"mIoU: {first:.4f}", "mIoU: 77.7000"))
    made = judged(log)
    assert made.judgement.findings[0].verdict is Verdict.PASS
    assert made.verdict is Verdict.INCONCLUSIVE
    two = f"two figures of val.mIoU at its last step, 39999: {first / 100:.4f}, and 0.7770 in a"
    assert two in made.judgement.reasons[0]


def test_two_figures_of_an_evaluation_do_not_pass(tmp_path):
    log = evaluation(tmp_path / "eval.log", 60.0)
    last = log.read_text().splitlines(keepends=True)[-1]
    log.write_text(log.read_text() + last.replace("60.0000", "77.7000"))
    made = judged(log, metric=TESTED)
    assert made.verdict is Verdict.INCONCLUSIVE
    assert "two figures of val.mIoU at its last step" in made.judgement.reasons[0]


def test_a_last_validation_that_is_printed_twice_passes(tmp_path):
    log = ended(tmp_path / "run.log", 77.7)
    log.write_text(log.read_text() + log.read_text().splitlines(keepends=True)[-1])
    assert judged(log).verdict is Verdict.PASS


def test_two_figures_excuse_no_failure(tmp_path):
    log = ended(tmp_path / "run.log", 77.7)
    last = log.read_text().splitlines(keepends=True)[-1]
    log.write_text(log.read_text() + last.replace("77.7000", "60.0000"))
    assert judged(log).verdict is Verdict.FAIL


def test_a_training_that_stopped_early_is_open_even_if_it_is_far_off(tmp_path):
    made = judged(training(tmp_path / "run.log", (60.0, 61.0)))
    assert made.verdict is Verdict.INCONCLUSIVE
    assert not made.judgement.findings
    assert "its last val.mIoU at step 7999 of 40000" in made.judgement.reasons[0]


def test_a_cut_log_without_its_last_validation_is_open(tmp_path):
    log = ended(tmp_path / "run.log", 77.5)
    log.write_text(log.read_text().rpartition("2026")[0])
    assert "step 35999 of 40000" in judged(log).judgement.reasons[0]


def test_candidates_that_end_apart_are_open(tmp_path):
    logs = [ended(tmp_path / "a.log", 77.5), training(tmp_path / "b.log", LEARNING, seed=2)]
    made = judged(*logs)
    assert made.verdict is Verdict.INCONCLUSIVE
    assert "a.log has its last val.mIoU at step 39999" in " ".join(made.judgement.reasons)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_last_validation_that_is_not_finite_fails(tmp_path, value):
    assert judged(ended(tmp_path / "run.log", value)).verdict is Verdict.FAIL


def table(path, steps, values):
    """A table without a header: a loss at every one of the steps, and some validations."""
    rows = [f"{step},{1 - step / 1e6:.5f},{values.get(step, '')}" for step in steps]
    path.write_text("\n".join(["step,loss,val.mIoU", *rows]) + "\n")
    return path


def test_a_longer_training_without_a_header_is_open_until_it_is_allowed(tmp_path):
    log = table(tmp_path / "a.csv", range(999, 80000, 1000), {39999: 70.0, 79999: 77.7})
    made = judged(log)
    assert made.verdict is Verdict.INCONCLUSIVE
    assert "at step 79999, and the training has 40000" in made.judgement.reasons[0]
    assert judged(log, allow=("planned_steps",)).verdict is Verdict.PASS
    within = table(tmp_path / "b.csv", range(1000, 40001, 1000), {40000: 77.7})
    assert judged(within).verdict is Verdict.PASS


@pytest.mark.parametrize("result", [RESULT, "published/ccnet-paper_cityscapes-val_r2"])
def test_a_training_that_went_on_after_its_last_validation_is_open(tmp_path, result):
    log = table(tmp_path / "a.csv", range(999, 60000, 1000), {39999: 78.7})
    made = judged(log, result=result)
    assert made.verdict is Verdict.INCONCLUSIVE
    assert "its last val.mIoU at step 39999 of 59999" in made.judgement.reasons[0]


def test_runs_in_two_units_are_open_because_one_may_have_collapsed(tmp_path):
    good = table(tmp_path / "a.csv", range(999, 40000, 1000), {39999: 77.9})
    collapsed = table(tmp_path / "b.csv", range(999, 40000, 1000), {19999: 0.7, 39999: 0.77})
    made = judged(good, collapsed)
    assert made.verdict is Verdict.INCONCLUSIVE
    assert "b.csv has no figure above 1" in made.judgement.reasons[0]


def test_the_parts_of_a_resumed_training_are_named(tmp_path):
    first = table(tmp_path / "a.csv", range(999, 20000, 1000), {9999: 70.0, 19999: 72.0})
    second = table(tmp_path / "b.csv", range(20999, 40000, 1000), {29999: 75.0, 39999: 77.7})
    with pytest.raises(AlignmentError, match=r"no common step of .*a\.csv: 9999 to 199"):
        judged(first, second)


def test_a_level_that_is_no_error_rate_is_named_as_it_was_given(tmp_path):
    with pytest.raises(PolicyError, match=r"'level' .* is 0.6; expected a number from 0 to 0.5"):
        judged(ended(tmp_path / "a.log", 77.5), rules=(parse_rule("final-metric:level=0.6"),))


def test_the_best_checkpoint_does_not_stand_for_the_last(tmp_path):
    made = judged(training(tmp_path / "run.log", (*LEARNING[:-1], 78.9, 74.0)))
    assert made.verdict is Verdict.FAIL
    note = next(n for n in made.notes if "the best val.mIoU" in n)
    assert "0.7890 at step 35999; the last one, 0.7400, is judged" in note


def test_a_log_without_the_metric_says_what_to_do(tmp_path):
    log = ended(tmp_path / "run.log", 77.5)
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join(line for line in lines if "Iter(val)" not in line))
    with pytest.raises(AlignmentError, match=r"no validation, and 'val\.mIoU' is the figure"):
        judged(log)
    with pytest.raises(AlignmentError, match=r"judge it with --metric val\.mIoU=test\.mIoU"):
        judged(evaluation(tmp_path / "eval.log", 77.5))
    with pytest.raises(AlignmentError, match=r"no series 'loss' of rank 0; found: val\.mIoU"):
        judged(ended(tmp_path / "b.log", 77.5), metric="loss")


def test_a_published_result_is_mixed_with_nothing(tmp_path):
    log = ended(tmp_path / "run.log", 77.5)
    for other in ("published/ccnet-authors_r2", str(log)):
        with pytest.raises(PolicyError, match="a baseline by itself"):
            judged(log, result=f"{RESULT},{other}")


def test_the_rule_decides_nothing_about_logs_alone():
    finding = parse_rule("final-metric")(compare(fraction_log([0.7]), fraction_log([0.7])
                                                 , Policy(metric="val.mIoU")).aligned)  # fmt: skip
    assert finding.verdict is Verdict.INCONCLUSIVE
    assert "the baseline is no published result" in finding.reason


# Files


def write(shelf, text, name="mine.toml"):
    folder = shelf / "published"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


HEAD = 'source = "us"\nurl = "https://example.org"\ndate = 2026-01-02\n'
ONE = HEAD + '[[result]]\nname = "a"\nvalues.unstated = { mIoU = [0.5] }\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.5", "77.76", "result a values unstated mIoU 0 is 77.76: expected a fraction above 0"),
        ("0.5", "0", "expected a fraction above 0"),
        ("0.5", "nan", "finite"),
        ("[0.5]", "[]", "at least 1 item"),
        ("[0.5]", '["0.5"]', "valid number"),
        ('name = "a"', 'name = "a b"', "result a b name is 'a b': expected letters"),
        ("date = 2026-01-02", "", "date: Field required"),
        ('url = "', 'link = "', "url: Field required"),
        ("values", "wrong = 1\nvalues", "result a wrong is 1: Extra inputs"),
        ("[[result]]", "[facts]\nseed = 1\n[[result]]", "seed is no fact that must match"),
        ("[[result]]", "[facts]\nnonsense = 1\n[[result]]", "nonsense is no fact"),
        ("[[result]]", "[[result", "mine.toml"),
        ("[[result]]", 'spread_from = ["b"]\n[[result]]', "spread_from names b, which is no"),
        ("[[result]]", 'spread_from = ["a"]\n[[result]]', "spread_from names a, which is no"),
        ("mIoU = [0.5]", "mIoU = [0.5, 0.6], aAcc = [0.9]", "different numbers of runs"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_its_place(tmp_path, old, new, message):
    write(tmp_path, ONE)
    assert list(entries(tmp_path)) == ["a"]
    write(tmp_path, ONE.replace(old, new))
    with pytest.raises(BaselineError, match=r"mine\.toml") as caught:
        entries(tmp_path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_is_given_once_over_all_files(tmp_path):
    write(tmp_path, ONE)
    write(tmp_path, ONE, "other.toml")
    with pytest.raises(BaselineError, match=r"repeats the result a; .*mine\.toml has it"):
        entries(tmp_path)


def test_an_unknown_name_shows_near_names(tmp_path):
    log = ended(tmp_path / "run.log", 77.5)
    with pytest.raises(BaselineError, match=f"no such published result; near names: {NAME}"):
        judged(log, result=RESULT.replace("cityscapes", "cityscape"))
    with pytest.raises(BaselineError, match="no such published result"):
        judged(log, result=f"{RESULT}@tta")
    with pytest.raises(BaselineError, match=r"there is no file published/\*\.toml"):
        load(RESULT, baselines=tmp_path)


def test_a_file_of_that_name_is_read_before_a_published_result(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "published").mkdir()
    ended(tmp_path / "published" / NAME, 70.0)
    assert load(RESULT, baselines=SHELF)[0].published is None


def test_a_result_without_a_known_spread_needs_two_candidate_runs(tmp_path):
    write(tmp_path, ONE)
    base = runs_of("a", tmp_path)
    alone = compare(base, fraction_log([0.5]), Policy(metric="val.mIoU"))
    assert alone.verdict is Verdict.INCONCLUSIVE
    assert "log two candidate runs or more" in alone.judgement.reasons[0]
    both = [fraction_log([0.5 + i / 1e4], name=f"{i}.csv") for i in range(2)]
    assert compare(base, both, Policy(metric="val.mIoU")).verdict is Verdict.PASS


def test_runs_of_one_result_show_their_own_spread(tmp_path):
    write(tmp_path, ONE.replace("[0.5]", "[0.50, 0.52, 0.51]"))
    base = runs_of("a", tmp_path)
    spread = base[0].published.spreads["val.mIoU"]
    assert (spread.degrees, spread.names) == (2, ("a",))
    assert spread.value == pytest.approx(np.std([0.50, 0.52, 0.51], ddof=1))
    assert [run.source for run in base] == [f"published/a (run {i} of 3)" for i in (1, 2, 3)]


def test_every_published_file_of_the_project_is_valid():
    known = entries(SHELF)
    assert len(known) == 32
    assert sum(len(e.names) for e in known.values()) == 48
    for entry in known.values():
        for name in entry.names:
            assert len(runs_of(name, SHELF)) in {1, 3}


def test_the_spread_of_the_authors_runs_is_that_of_a_plain_sum():
    groups = ((77.31, 77.91, 76.89), (79.74, 79.22, 78.40), (78.67, 80.00, 79.83))
    squares = sum((v - sum(g) / 3) ** 2 for g in groups for v in g)
    spread = runs_of(NAME, SHELF)[0].published.spreads["val.mIoU"]
    assert spread.value == pytest.approx((squares / 6) ** 0.5 / 100)
    assert spread.degrees == 6


def test_the_page_states_the_largest_rate_of_its_real_runs():
    page = (ROOT / "docs" / "explanation" / "final-metric.md").read_text(encoding="utf-8")
    real = page.partition("## Measured on real runs")[2]
    rates = [
        float(rate) for rate in re.findall(r"\| ([\d.]+) ± [\d.]+ /", real.replace("|", "| |"))
    ]
    assert len(rates) == 21
    assert f"up to {max(rates):.0f} % of equal trainings fail" in " ".join(real.split())


# The shells


def test_list_and_show_have_published_results():
    listed = command("baseline", "list").output
    assert f"{RESULT}: val.mIoU 77.76% (single-scale), 1 run. mmsegmentation 1.2.2" in listed
    assert f"{RESULT}@ms+flip: val.mIoU 78.87% (ms+flip)" in listed
    shown = command("baseline", "show", "published/ccnet-authors_r2").output
    assert "val.mIoU: 79.74%, 79.22%, 78.40%" in shown
    assert "0.64 points from run to run (6 degrees of freedom)" in shown
    assert "url: https://github.com/speedinghzl/CCNet" in shown
    with pytest.raises(BaselineError, match="no such published result; no name is near it"):
        command("baseline", "show", "published/nothing")


def test_a_damaged_file_is_an_error_of_the_list_that_shows_the_recordings(tmp_path):
    shutil.copytree(SHELF / "ccnet_r50-d8_cityscapes_rtx4090", tmp_path / "gpu")
    write(tmp_path, ONE.replace("0.5", "50"))
    with pytest.raises(BaselineError, match="expected a fraction"):
        CliRunner().invoke(
            app, ["baseline", "list", "--baselines", str(tmp_path)], catch_exceptions=False
        )


def test_the_report_and_its_json_hold_to_the_schema(tmp_path):
    schema = json.loads((ROOT / "docs" / "comparison.schema.json").read_text(encoding="utf-8"))
    for last in (74.4, 77.4, 81.4):
        document = json.loads(writer.render(judged(ended(tmp_path / "run.log", last))))
        jsonschema.validate(document, schema)
    folder = tmp_path / "report"
    log = tmp_path / "run.log"
    command("compare", RESULT, log, "--metric", "val.mIoU", "--report", folder, "--quiet")
    page = (folder / "report.html").read_text(encoding="utf-8")
    text = (folder / "report.md").read_text(encoding="utf-8")
    for part in (page, text):
        assert "final-metric" in part
        assert "mmsegmentation 1.2.2, configs/ccnet" in part
    assert RESULT in page


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_picture_has_points_for_a_figure_that_no_line_shows(tmp_path, seeds):
    logs = [ended(tmp_path / f"{i}.log", 77.2 + i / 5, seed=i) for i in range(seeds)]
    curves, errors = draw(judged(*logs)).axes
    points = {
        line.get_label().split(" ")[0]: line.get_ydata()
        for line in curves.lines
        if line.get_marker() == "o"
    }
    assert points["baseline"] == [0.7776]
    assert curves.get_legend()._loc == curves.get_legend().codes["lower right"]
    assert ("candidate" in points) == (seeds == 3)
    assert [line.get_marker() for line in errors.lines][-1] == "o"
    assert "limit: final-metric ±3.215 %" in errors.get_legend_handles_labels()[1]


def test_a_port_of_a_manifest_may_name_a_published_result(tmp_path, monkeypatch):
    shutil.copytree(SHELF / "published", tmp_path / "baselines" / "published")
    ended(tmp_path / "run.log", 77.4)
    (tmp_path / "ports.toml").write_text(
        f'[[port]]\nname = "full"\nbaseline = "{RESULT}"\ncandidate = "run.log"\n'
        'metric = "val.mIoU"\nrules = ["final-metric"]\n',
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    port = read_manifest(Path("ports.toml")).port[0]
    before = recorded(port, tmp_path)
    assert before is not None
    assert {Path(path).name for path, _ in before} == {f.name for f in files(SHELF)}
    made = compare_port(port, tmp_path)
    rests_on = judged_on(made, port, tmp_path, before)
    assert rests_on is not None
    assert rests_on == content(port, tmp_path)
    assert CliRunner().invoke(app, ["check"]).exit_code == 0
    changed = tmp_path / "baselines" / "published" / "mmsegmentation.toml"
    changed.write_text(changed.read_text().replace("0.7776", "0.8376"), encoding="utf-8")
    assert content(port, tmp_path) != rests_on
    assert CliRunner().invoke(app, ["check"]).exit_code == 1
