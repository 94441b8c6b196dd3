"""A pass rests on a whole candidate: what the baseline alone shows is missing evidence."""

from dataclasses import replace

import numpy as np
import pytest
from loglines import decaying, run

from harness import Policy, Verdict, compare
from harness.errors import PolicyError
from harness.log.facts import RunFacts
from harness.log.run import Series

N = 400
LOOSE = Policy(rules=("tolerance:rtol=0.5,outside=1",))
STATED = {"world_size": 1, "learning_rate": 0.1, "optimizer": "sgd"}


def series(name, values, *, steps=None, rank=0):
    values = np.asarray(values, dtype=float)
    steps = np.arange(values.size) if steps is None else np.asarray(steps)
    return Series(name=name, rank=rank, steps=steps, values=values)


def make(seed, *, source=None, keep=lambda s: True, facts=STATED, ranks=1, change=lambda s: s):
    """A run with loss, lr, a part of the loss, grad_norm and validation every 50 steps."""
    rng = np.random.default_rng(seed)
    at = np.arange(49, N, 50)
    found = [
        *(series("loss", decaying(N, seed=100 * r + seed), rank=r) for r in range(ranks)),
        series("lr", 0.1 * (1 - np.arange(N) / N)),
        series("decode.loss_ce", 0.7 * decaying(N, seed=seed + 50)),
        series("grad_norm", 1 + 0.1 * rng.random(N)),
        series("val.mIoU", 70 + rng.standard_normal(at.size), steps=at),
        series("time", rng.random(N)),
    ]
    found = [change(s) for s in found if keep(s)]
    return replace(
        run([1.0], source=source or f"{seed}.log"),
        series=tuple(found),
        facts=RunFacts(values_by_name={**facts, "seed": seed}),
    )


def baseline(b=5):
    return [make(seed) for seed in range(1, b + 1)]


def judged(cand, base=None, policy=LOOSE):
    made = compare(base or baseline(), cand, policy)
    return made.verdict, " | ".join((*made.judgement.failures, *made.judgement.doubts))


def cut(until, *, since=0):
    def change(s):
        keep = (s.steps < until) & (s.steps >= since)
        return replace(s, steps=s.steps[keep], values=s.values[keep])

    return change


def test_a_whole_candidate_passes():
    assert judged(make(20)) == (Verdict.PASS, "")


@pytest.mark.parametrize("until", [60, 240, 379])
def test_a_candidate_that_ends_early_never_passes_and_is_told_where(until):
    verdict, said = judged(make(20, change=cut(until)))
    assert verdict is Verdict.INCONCLUSIVE
    assert f"20.log ends at step {until - 1}, but the baseline goes to step 399" in said
    assert f"--until {until - 1}" in said


def test_the_last_twentieth_may_be_missing():
    assert judged(make(20, change=cut(381), keep=lambda s: s.name == "loss"), base=[
        make(i, keep=lambda s: s.name == "loss") for i in range(1, 6)
    ])[0] is Verdict.PASS  # fmt: skip


@pytest.mark.parametrize("since", [30, 100])
def test_a_candidate_that_starts_late_never_passes(since):
    verdict, said = judged(make(20, change=cut(N, since=since)))
    assert verdict is Verdict.INCONCLUSIVE
    assert f"20.log begins at step {since}, but the baseline goes from step 0" in said


@pytest.mark.parametrize("stride", [2, 10, 50])
def test_a_coarser_log_covers_the_steps_between_its_records(stride):
    def every(s):
        keep = s.steps % stride == stride - 1
        return replace(s, steps=s.steps[keep], values=s.values[keep])

    policy = replace(LOOSE, min_steps=5)
    assert judged(make(20, change=every), policy=policy) == (Verdict.PASS, "")


def test_a_part_is_judged_on_purpose_and_the_headline_carries_it():
    policy = replace(LOOSE, steps=(0, 239))
    made = compare(baseline(), make(20, change=cut(240)), policy)
    assert made.verdict is Verdict.PASS
    assert made.judgement.scope == "judged on steps 0 to 239 of 400 (60 %)"
    assert made.judgement.reasons[0].startswith(made.judgement.scope)
    assert judged(make(20, change=cut(200)), policy=policy)[0] is Verdict.INCONCLUSIVE


def test_a_run_of_which_both_sides_show_a_part_says_so():
    stated = {**STATED, "planned_steps": 40_000}
    base = [make(i, facts=stated) for i in range(1, 6)]
    made = compare(base, make(20, facts=stated), LOOSE)
    assert made.verdict is Verdict.PASS
    assert made.judgement.reasons[0].startswith("judged on steps 0 to 399 of 40000 (1 %): ")


@pytest.mark.parametrize("name", ["val.mIoU", "lr", "decode.loss_ce", "grad_norm"])
def test_a_series_that_the_candidate_lacks_never_passes_unless_waived(name):
    candidate = make(20, keep=lambda s: s.name != name)
    verdict, said = judged(candidate)
    assert verdict is Verdict.INCONCLUSIVE
    assert f"20.log logs no {name}, but the baseline does" in said
    for allowed in (f"series.{name}", "series"):
        policy = replace(LOOSE, allow=(allowed,), allow_reason="another logger")
        assert judged(candidate, policy=policy) == (Verdict.PASS, "")


def test_what_a_step_took_need_not_be_logged():
    assert judged(make(20, keep=lambda s: s.name != "time")) == (Verdict.PASS, "")


@pytest.mark.parametrize(
    ("name", "other"), [("val.mIoU", "val.miou"), ("val.mIoU", "mIoU"), ("lr", "lr/group0")]
)
def test_another_spelling_is_named(name, other):
    renamed = make(20, change=lambda s: replace(s, name=other) if s.name == name else s)
    verdict, said = judged(renamed)
    assert verdict is Verdict.INCONCLUSIVE
    assert f"logs no {name}, but the baseline does ({other!r} may be the same" in said


def only(name, keep):
    def change(s):
        if s.name != name:
            return s
        places = keep(s.steps)
        return replace(s, steps=s.steps[places], values=s.values[places])

    return change


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (lambda steps: steps % 100 == 99, "logs val.mIoU at 4 of the 8 steps"),
        (lambda steps: steps < 399, "logs val.mIoU at 7 of the 8 steps"),
        (lambda steps: steps != 149, "the first missing step is 149"),
    ],
)
def test_half_of_a_validation_never_passes(keep, words):
    verdict, said = judged(make(20, change=only("val.mIoU", keep)))
    assert verdict is Verdict.INCONCLUSIVE
    assert words in said


def test_a_validation_one_step_late_never_passes():
    late = make(20, change=lambda s: replace(s, steps=s.steps + 1) if s.name[:3] == "val" else s)
    verdict, said = judged(late)
    assert verdict is Verdict.INCONCLUSIVE
    assert "logs val.mIoU at other steps than the baseline, first at 50, but" in said


def test_half_of_a_learning_rate_never_passes():
    verdict, said = judged(make(20, change=only("lr", lambda steps: steps < 200)))
    assert verdict is Verdict.INCONCLUSIVE
    assert "logs lr at 200 of the 400 steps at which the baseline does" in said


def test_a_lost_rank_never_passes_though_no_world_size_is_stated():
    base = [make(i, ranks=4, facts={}) for i in range(1, 6)]
    whole, lost = make(20, ranks=4, facts={}), make(20, ranks=3, facts={})
    assert judged(whole, base)[0] is Verdict.PASS
    verdict, said = judged(lost, base)
    assert verdict is Verdict.INCONCLUSIVE
    assert "logs loss of 3 of the 4 ranks that the baseline logs, not of rank 3" in said
    policy = replace(LOOSE, allow=("ranks",), allow_reason="logged on rank 0 alone")
    assert judged(lost, base, policy)[0] is Verdict.PASS


@pytest.mark.parametrize("shown", [2, 3, 4, 7])
def test_ranks_missing_from_a_stated_world_never_pass_however_many(shown):
    stated = {**STATED, "world_size": 8}
    sides = [make(i, ranks=shown, facts=stated) for i in (1, 2)]
    verdict, said = judged(sides[1], sides[:1])
    assert verdict is Verdict.INCONCLUSIVE
    assert f"rank {shown}" in said


def test_a_rank_that_logs_every_fiftieth_step_never_passes():
    def change(s):
        return only("loss", lambda steps: steps % 50 == 49)(s) if s.rank == 1 else s

    base = [make(i, ranks=2) for i in range(1, 6)]
    verdict, said = judged(make(20, ranks=2, change=change), base)
    assert verdict is Verdict.INCONCLUSIVE
    assert "rank 1 logs loss at 8 of 400 judged steps" in said


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_a_run_that_does_not_state_what_its_siblings_do_carries_no_pass(side):
    base, cand = baseline(), [make(20), make(21)]
    silent = make(7, facts={})
    if side == "baseline":
        base[3] = silent
    else:
        cand[1] = silent
    verdict, said = judged(cand, base)
    assert verdict is Verdict.INCONCLUSIVE
    assert f"{side} 7.log does not state world_size, optimizer, learning_rate" in said


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_a_silent_run_does_not_hide_that_the_others_differ(side):
    base, cand = baseline(), [make(20, facts={**STATED, "learning_rate": 0.2}), make(21, facts={})]
    if side == "baseline":
        base[0] = make(1, facts={})
        cand.pop()
    assert judged(cand, base)[0] is Verdict.INCOMPARABLE


def test_a_run_that_logs_the_loss_alone_does_not_hide_a_validation_ten_points_lower():
    def lower(s):
        return replace(s, values=s.values - 10) if s.name == "val.mIoU" else s

    bad = [make(20, change=lower), make(21, change=lower)]
    alone = make(22, keep=lambda s: s.name == "loss")
    policy = Policy(rules=("seed-variation",))
    made = compare(baseline(10), [*bad, alone], policy)
    assert made.verdict is not Verdict.PASS
    assert "candidate 22.log logs no val.mIoU, but other runs do" in " ".join(made.judgement.doubts)
    assert "val.mIoU" in made.judgement.findings[0].reason


def test_a_baseline_run_that_died_is_named_and_does_not_shorten_what_is_asked():
    base = baseline()
    base[2] = make(3, change=cut(240))
    verdict, said = judged(make(20), base)
    assert verdict is Verdict.INCONCLUSIVE
    assert "baseline 3.log ends at step 239, the other runs at step 399" in said


def test_runs_that_end_where_they_reach_a_target_are_no_torn_ones():
    ends = [300, 340, 380, 360, 320]
    base = [make(i + 1, change=cut(end)) for i, end in enumerate(ends)]
    assert "the other runs at" not in judged(make(20, change=cut(330)), base)[1]


def test_a_waiver_of_nothing_known_is_refused():
    with pytest.raises(PolicyError, match=r"cannot allow rank: .* ranks, series\.<name>"):
        compare(baseline(), make(20), replace(LOOSE, allow=("rank",)))


@pytest.mark.parametrize("counts", [(100, 200), (200, 100), (100, 100)])
def test_records_counted_in_the_order_of_printing_must_be_as_many(counts):
    sides = [replace(run(decaying(n, seed=i)), by_order=("loss",)) for i, n in enumerate(counts, 1)]
    made = compare(*sides, LOOSE)
    assert (made.verdict is Verdict.PASS) == (counts[0] == counts[1])
    if counts[0] != counts[1]:
        assert made.verdict is Verdict.INCONCLUSIVE
        assert "counted in the order of printing" in made.judgement.reasons[0]
    assert made.judgement.reasons[0].startswith("positions are by order of printing: ")


def test_one_record_less_by_order_never_passes_and_excuses_no_failure():
    def judged(values, policy=LOOSE):
        sides = (run(decaying(100, seed=1)), run(values, source="b.log"))
        return compare(*(replace(side, by_order=("loss",)) for side in sides), policy)

    shorter = judged(decaying(99, seed=2))
    assert shorter.verdict is Verdict.INCONCLUSIVE
    assert any("100 of a.log, 99 of b.log" in doubt for doubt in shorter.judgement.doubts)
    worse = judged(5 * decaying(99, seed=2), Policy(rules=("two-sided:rtol=0.1",)))
    assert worse.verdict is Verdict.FAIL
    assert worse.judgement.reasons[0].startswith("positions are by order of printing: ")


@pytest.mark.parametrize(("interval", "verdict"), [(10, Verdict.PASS), (20, Verdict.INCONCLUSIVE)])
def test_intervals_that_the_settings_state_must_be_the_same(interval, verdict):
    sides = [
        replace(
            run(decaying(100, seed=i), source=f"{i}.log", **{"config.args.logging_steps": every}),
            by_order=("loss",),
        )
        for i, every in ((1, 10), (2, interval))
    ]
    made = compare(*sides, LOOSE)
    assert made.verdict is verdict
    said = "the settings state different intervals (logging_steps 10, logging_steps 20)"
    assert (said in made.judgement.reasons[0]) == (verdict is Verdict.INCONCLUSIVE)


def test_a_verdict_on_stated_steps_does_not_speak_of_the_order():
    made = compare(run(decaying(100)), run(decaying(100, seed=2), source="b"), LOOSE)
    assert "order of printing" not in " ".join(made.judgement.reasons)


def test_records_counted_in_order_beside_stated_steps_are_not_compared():
    made = compare(replace(run(decaying(100)), by_order=("loss",)), run(2 * decaying(100)), LOOSE)
    assert made.verdict is Verdict.INCONCLUSIVE
    assert made.judgement.findings == ()


def test_epochs_beside_them_tell_another_interval():
    def printed(every):
        values = decaying(100, seed=every)
        epochs = series("epoch", np.round(np.arange(1, 101) * every / 1000, 2))
        made = run(values)
        return replace(made, epochs=epochs, by_order=("loss",))

    assert compare(printed(10), printed(20), LOOSE).verdict is Verdict.INCONCLUSIVE
    assert compare(printed(10), replace(printed(10), source="b"), LOOSE).verdict is Verdict.PASS


OTHERS = ["acc", "train/acc", "top1", "decode.acc_seg", "kl", "rec", "ce", "reward", "mAP", "dice"]


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_series_that_the_candidate_lacks_never_passes(name):
    def named(s):
        return replace(s, name=name) if s.name == "decode.loss_ce" else s

    base = [make(i, change=named) for i in range(1, 6)]
    assert judged(make(20, change=named), base) == (Verdict.PASS, "")
    verdict, said = judged(make(20, keep=lambda s: s.name != "decode.loss_ce"), base)
    assert verdict is Verdict.INCONCLUSIVE
    assert f"20.log logs no {name}, but the baseline does" in said


@pytest.mark.parametrize(
    "name",
    [
        "time", "data_time", "val.time", "memory", "ips", "total_time", "val.runtime",
        "val.samples_per_second", "val.steps_per_second", "tokens_per_sec", "throughput",
        "elapsed time per iteration (ms)", "val.fps", "gpu_mem", "loss scale", "loss_scale",
        "epoch", "mfu", "tflops", "step_time_ms", "it/s", "samples/s",
    ],
)  # fmt: skip
def test_what_tells_of_the_device_is_neither_asked_for_nor_judged(name):
    def with_speed(seed, factor):
        made = make(seed)
        speed = series(name, factor * (1 + 0.001 * np.random.default_rng(seed).random(N)))
        return replace(made, series=(*made.series, speed))

    base = [with_speed(i, 1.0) for i in range(1, 11)]
    policy = Policy()
    made = compare(base, with_speed(20, 1.5), policy)
    assert made.verdict is Verdict.PASS, made.judgement.reasons
    assert compare(base, make(20), policy).verdict is Verdict.PASS


def test_a_judged_series_that_ends_before_the_other_figures_of_its_log_never_passes():
    verdict, said = judged(make(20, change=only("loss", lambda steps: steps < 390)))
    assert verdict is Verdict.INCONCLUSIVE
    assert "20.log: loss ends at step 389, but 10 later records of the same log have" in said


@pytest.mark.parametrize("lost", [399, 149])
def test_a_judged_validation_that_lacks_a_figure_never_passes(lost):
    policy = Policy(metric="val.mIoU")
    base = baseline(10)
    assert compare(base, make(20), policy).verdict is Verdict.PASS
    made = compare(base, make(20, change=only("val.mIoU", lambda steps: steps != lost)), policy)
    assert made.verdict is not Verdict.PASS


def test_a_judged_validation_that_is_low_once_never_passes():
    def low(s):
        if s.name != "val.mIoU":
            return s
        return replace(s, values=np.where(s.steps == 199, s.values - 30, s.values))

    made = compare(baseline(10), make(20, change=low), Policy(metric="val.mIoU"))
    assert made.verdict is not Verdict.PASS


def test_not_a_number_outside_the_part_is_said():
    def change(s):
        return replace(s, values=np.where(s.steps > 310, np.nan, s.values)) if s.rank == 0 else s

    candidate = make(20, change=change, keep=lambda s: s.name == "loss")
    base = [make(i, keep=lambda s: s.name == "loss") for i in range(1, 6)]
    made = compare(base, candidate, replace(LOOSE, steps=(0, 300)))
    assert any("outside the judged part the candidate is NaN" in note for note in made.notes)
