"""What differs first between two captures: right on planted faults, silent on healthy devices.

The oracle is a small network in numpy (`syntheticcaptures`): its rounding is honest, and the fault
is known.
"""

from dataclasses import replace

import numpy as np
import pytest
from syntheticcaptures import CLASSES, DEPTH, Device, F, baseline, capture_of

from harness.errors import AlignmentError
from harness.locate.capture import Record
from harness.locate.compare import compare_captures
from harness.locate.distance import FACTOR, FLOOR

BATCH_NORM = "native_batch_norm"
PLACES = [
    ("forward", "block0.fc", "mm"),
    ("forward", "block2.fc", "add"),
    ("forward", "block1.norm", BATCH_NORM),
    ("forward", "block4.act", "relu"),
    ("forward", "block2", "add"),
    ("forward", "", "mse_loss"),
    ("backward", "", "mse_loss_backward"),
    ("backward", "block1.act", "threshold_backward"),
    ("backward", "block3.norm", f"{BATCH_NORM}_backward"),
    ("backward", "block2.fc", "mm"),
    ("backward", "block2", "add"),
    ("backward", "head", "sum"),
]


@pytest.fixture(scope="module")
def gpu():
    return baseline(3)


@pytest.fixture(scope="module")
def gpu16():
    return baseline(2, coarse=True, dtype="bfloat16")


def located(gpu, candidate, **more):
    run, twins = gpu
    return compare_captures(run, candidate, baseline_twins=twins, **more)


def port(order=5, *, steps=1, **options):
    return Device(order, vendor="native", **options).run(steps)


def scaled(size):
    return lambda a: (a * F(1 + size)).astype(F)


def named(row):
    return (row.phase, row.module, row.operator.removeprefix("aten::"))


@pytest.mark.parametrize("order", range(1, 7))
def test_healthy_devices_pass_with_other_kernels_names_and_fusions(gpu, order):
    found = located(gpu, port(order, steps=3, fused=order % 2 == 0, split=order % 3 == 0))
    assert (found.outcome, found.culprits) == ("pass", ())
    assert {row.state for row in found.rows} == {"healthy"}
    assert max(row.ratio for row in found.rows) < 0.5


@pytest.mark.parametrize("order", range(1, 5))
def test_healthy_devices_pass_in_a_format_of_16_bits(gpu16, order):
    found = located(gpu16, port(order, steps=2, coarse=True, dtype="bfloat16"))
    assert found.outcome == "pass", found.headline
    assert any("Record both sides in float32" in note for note in found.notes)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("size", [1e-1, 1e-4])
def test_a_planted_fault_is_named_first(gpu, place, size):
    found = located(gpu, port(fault=(place, scaled(size))))
    assert found.outcome == "fail"
    assert named(found.culprits[0]) == place
    assert place[2] in found.headline
    assert found.culprits[0].source == f"net.py:{10 + len(place[1])}"


@pytest.mark.parametrize("place", PLACES[:5])
def test_a_planted_fault_in_a_module_with_fused_operators_is_named_by_its_module(gpu, place):
    fused = {"fused": True, "split": True}
    name = {"mm": "addmm", "add": "addmm", BATCH_NORM: "add"}.get(place[2], place[2])
    where = (place[0], place[1], "add" if place[1] == "block2" else name)
    found = located(gpu, port(fault=(where, scaled(1e-3)), **fused))
    assert found.outcome == "fail"
    assert found.culprits[0].module == place[1]


def test_faults_that_change_sign_place_or_a_part_alone_are_named(gpu):
    place = ("forward", "block1.norm", BATCH_NORM)
    changes = {
        "sign": lambda a: -a,
        "rolled": lambda a: np.roll(a, 1, axis=0),
        "transposed": lambda a: np.ascontiguousarray(a[::-1]),
        "last column": lambda a: np.where(np.arange(a.shape[1]) == a.shape[1] - 1, 0, a).astype(F),
    }
    for change in changes.values():
        assert named(located(gpu, port(fault=(place, change))).culprits[0]) == place


def test_the_first_of_several_faults_comes_first_and_the_rest_inherit(gpu):
    found = located(gpu, port(fault=(("forward", "block1.fc", "mm"), scaled(0.01))))
    behind = [row for row in found.rows if row.state == "inherited"]
    assert len(found.culprits) == 1
    assert {row.kind for row in behind} >= {"operator", "gradient", "update", "module"}
    before = [r for r in found.rows if r.kind == "operator" and r.order < found.culprits[0].order]
    assert before
    assert all(row.state == "healthy" for row in before)


def test_a_weak_difference_does_not_come_before_a_strong_one(gpu):
    found = located(gpu, port(fault=(("backward", "block2.fc", "mm"), scaled(0.01))))
    weak = replace(found.culprits[0], step=0, error=1.5 * found.culprits[0].limit, operator="weak")
    from harness.locate.conclude import culprits_of

    ranked = culprits_of((weak, *found.rows))
    assert ranked[0].operator == "aten::mm"
    assert ranked[-1].operator == "weak"


def test_another_learning_rate_is_the_optimizer_and_no_operator(gpu):
    found = located(gpu, port(steps=2, rate=0.0505))
    assert found.culprits[0].kind == "update"
    assert {row.kind for row in found.culprits} == {"update"}
    assert {row.step for row in found.culprits} == {0}
    assert "forward pass, loss and gradients agree" in found.headline
    assert any("optimizer" in note and "not at an operator" in note for note in found.notes)
    states = {(s.step, s.name): s.state for s in found.stages}
    assert states[0, "gradients"] == "healthy"
    assert states[1, "loss"] == "inherited"


def test_other_weights_or_another_batch_are_no_fault(gpu):
    other = port()
    for kind, word in (("weight", "weights"), ("input", "batches")):
        at = next(i for i, r in enumerate(other.records) if r.kind == kind)
        sketches = np.array(other.sketches)
        sketches[at] *= 1.001
        found = located(gpu, replace(other, sketches=sketches))
        assert found.outcome == "incomparable"
        name = f"{'input ' if kind == 'input' else ''}{other.records[at].name}"
        assert f"the sides begin with other {word}: {name} differs" in found.headline
        assert found.headline.endswith(" differs)")
        assert any("Mend the start" in note for note in found.notes)


def test_weights_that_a_side_lacks_are_no_fault(gpu):
    other = port()
    records = list(other.records)
    records[0] = records[0]._replace(name="another.weight")
    batch = next(i for i, r in enumerate(records) if r.kind == "input")
    sketches = np.array(other.sketches)
    sketches[batch] *= 1.1  # two networks need not share a batch, and theirs is named first
    found = located(gpu, replace(other, records=tuple(records), sketches=sketches))
    assert found.outcome == "incomparable"
    assert "1 weight of the baseline missing on the candidate" in found.headline


def test_a_gradient_that_is_zero_but_for_rounding_differs_freely_and_yet_shows_a_fault(gpu):
    """The bias before batch norm: its gradient is a sum that is zero analytically."""
    healthy = located(gpu, port())
    bias = next(r for r in healthy.rows if r.kind == "gradient" and r.operator == "block2.fc.bias")
    assert bias.error > 0.1
    assert bias.state == "healthy"
    weight = next(
        r for r in healthy.rows if r.operator == "block2.fc.weight" and r.kind == "update"
    )
    assert weight.limit < 1e-2, "it must not widen the limits of others"
    place = ("backward", "block2.fc", "sum")
    fault = located(gpu, port(fault=(place, lambda a: a + F(1e-4))))
    assert named(fault.culprits[0]) == place


def test_without_a_twin_rounding_passes_gross_faults_fail_and_the_rest_is_inconclusive(gpu):
    run, _ = gpu
    assert compare_captures(run, port(steps=3)).outcome == "pass"
    place = ("forward", "block2.fc", "mm")
    small = compare_captures(run, port(steps=3, fault=(place, scaled(1e-4))))
    assert small.outcome == "inconclusive"
    assert "no twin shows how far rounding goes" in small.headline
    assert any("No twin was recorded" in note for note in small.notes)
    gross = compare_captures(run, port(steps=3, fault=(place, scaled(0.1))))
    assert (gross.outcome, named(gross.culprits[0])) == ("fail", place)


def test_twins_of_the_candidate_count_too(gpu):
    run, _ = gpu
    twins = [Device(5, vendor="native", twin=1, moved=True).run(3)]
    found = compare_captures(run, port(steps=3), candidate_twins=twins)
    assert found.outcome == "pass"
    assert not any("No twin" in note for note in found.notes)


def with_another(capture, at, factor):
    """Returns a capture with an operator behind record `at` that scales its result in place."""
    records = list(capture.records)
    moved = [
        r._replace(made_from=tuple(at + 1 if n == at else n + (n > at) for n in r.made_from))
        if k > at
        else r
        for k, r in enumerate(records)
    ]
    extra = records[at]._replace(
        kind="operator", name="aten::mul_", made_from=(at,), source="train.py:7"
    )
    arrays = {}
    for name in ("sketches", "norms"):
        values = getattr(capture, name)
        arrays[name] = np.insert(values, at + 1, values[at] * F(factor), axis=0)
    kept = np.insert(capture.nonfinite, at + 1, capture.nonfinite[at], axis=0)
    more = [*moved[: at + 1], extra, *moved[at + 1 :]]
    return replace(capture, records=tuple(more), nonfinite=kept, **arrays)


@pytest.mark.parametrize(("factor", "first"), [(1.01, "aten::mul_"), (1.0, "aten::relu")])
def test_an_operator_of_the_candidate_alone_is_named_only_if_it_changed_what_it_got(
    gpu, factor, first
):
    fault = (("forward", "block4.act", "relu"), scaled(0.01))
    candidate = port(fault=fault)
    relu = next(
        k
        for k, r in enumerate(candidate.records)
        if named_record(r) == ("forward", "block4.act", "relu")
    )
    found = located(gpu, with_another(candidate, candidate.records[relu].made_from[0], factor))
    assert found.outcome == "fail"
    assert found.culprits[0].operator == first
    assert (found.culprits[0].source == "train.py:7") == (factor != 1)


def test_an_operator_of_the_candidate_alone_that_makes_the_first_nan_is_named(gpu):
    place = ("forward", "block4.act", "relu")
    candidate = port(fault=(place, lambda a: (a * F(np.nan)).astype(F)))
    relu = next(k for k, r in enumerate(candidate.records) if named_record(r) == place)
    at = candidate.records[relu].made_from[0]
    candidate = with_another(candidate, at, 1.0)
    nonfinite = np.array(candidate.nonfinite)
    nonfinite[at + 1] = nonfinite[relu + 1]
    found = located(gpu, replace(candidate, nonfinite=nonfinite))
    assert found.culprits[0].operator == "aten::mul_"
    assert "aten::mul_ in block4.norm is not finite" in found.headline


def named_record(record):
    return (record.phase, record.module, record.name.removeprefix("aten::"))


def test_zero_parameters_are_said_to_hide_what_lies_behind_them():
    gpu = baseline(1, zero_gamma=True)
    found = located(gpu, port(zero_gamma=True))
    assert found.outcome == "pass"
    hidden = {r.module for r in found.rows if r.state == "hidden" and r.kind == "operator"}
    assert {f"block{k}.norm" for k in range(DEPTH)} <= hidden
    note = next(note for note in found.notes if "zero on both sides" in note)
    assert "block0.norm.weight" in note
    assert "`unhide=True`" in note
    place = ("backward", "block2.fc", "mm")
    behind = located(gpu, port(zero_gamma=True, fault=(place, scaled(0.5))))
    assert behind.outcome == "pass", "nothing can show it; the note says so"


def test_who_makes_the_first_nan_is_named_in_both_passes(gpu):
    for place in (("forward", "block2.norm", BATCH_NORM), ("backward", "block2", "add")):
        nan = lambda a: np.where(a == a.max(), np.nan, a).astype(F)  # noqa: E731
        found = located(gpu, port(fault=(place, nan)))
        assert found.outcome == "fail"
        assert named(found.culprits[0]) == place
        assert found.culprits[0].ratio == np.inf
        (note,) = [note for note in found.notes if "not finite is made by" in note]
        assert f"candidate's {place[0]} pass" in note
        assert f"aten::{place[2]} in {place[1]}" in note
        assert "(1 NaN)" in note


def test_infinity_that_both_sides_hold_in_equal_places_is_no_fault(gpu):
    """Such as a mask of attention."""
    masked = lambda a: np.where(np.arange(a.shape[1]) == 0, -np.inf, a).astype(F)  # noqa: E731
    entry = Record(kind="operator", name="aten::masked_fill", module="mask", order=1, shape=(40,))

    def with_mask(capture):
        mask = capture_of([(entry, masked(np.ones((1, 40), F)))])
        return replace(
            capture,
            records=(*capture.records, entry),
            sketches=np.concatenate([capture.sketches, mask.sketches]),
            norms=np.concatenate([capture.norms, mask.norms]),
            nonfinite=np.concatenate([capture.nonfinite, mask.nonfinite]),
        )

    run, twins = gpu
    alone = located((with_mask(run), [with_mask(t) for t in twins]), port(steps=3))
    assert not any("not finite" in note for note in alone.notes)
    found = located((with_mask(run), [with_mask(t) for t in twins]), with_mask(port(steps=3)))
    assert found.outcome == "pass"
    assert not any("not finite" in note for note in found.notes)


def test_one_step_that_agrees_names_what_later_steps_show():
    notes = {n: " ".join(located(baseline(n), port(steps=n)).notes) for n in (1, 2)}
    assert "`--steps 3`" in notes[1]
    assert "`--steps 3`" not in notes[2]


def test_a_loss_that_is_nan_on_both_sides_decides_nothing():
    place = ("forward", "", "mse_loss")
    nan = lambda a: F(np.nan) * a  # noqa: E731
    gpu = baseline(1, fault=(place, nan))
    found = located(gpu, port(fault=(place, nan)))
    assert found.outcome == "inconclusive"
    assert "not finite on either side" in found.headline
    assert sum("is made by aten::mse_loss" in note for note in found.notes) == 2


def test_an_operator_that_does_not_repeat_is_named_and_widens_its_limit(gpu):
    run, twins = gpu
    place = ("forward", "block2.fc", "mm")
    again = Device(0, fault=(place, scaled(1e-3))).run(3)
    found = compare_captures(
        run, port(steps=3, fault=(place, scaled(2e-3))), baseline_twins=[*twins, again]
    )
    assert found.outcome == "pass"
    note = next(note for note in found.notes if "do not repeat" in note)
    assert "1 operator of the baseline" in note
    assert "aten::mm in block2.fc" in note


def test_other_random_numbers_are_no_fault(gpu):
    def with_dropout(capture, seed):
        x = np.random.default_rng(3).normal(size=200).astype(F)
        mask = np.random.default_rng(seed).random(200) < 0.5
        at = len(capture.records)
        entries = [
            (Record(kind="operator", name="aten::mul", module="d", order=0, shape=(200,)), x),
            (
                Record(kind="operator", name="aten::native_dropout", module="d", order=1,
                       shape=(200,), made_from=(at,)),
                x * mask,
            ),
        ]  # fmt: skip
        more = capture_of(entries)
        return replace(
            capture,
            records=(*capture.records, *more.records),
            sketches=np.concatenate([capture.sketches, more.sketches]),
            norms=np.concatenate([capture.norms, more.norms]),
            nonfinite=np.concatenate([capture.nonfinite, more.nonfinite]),
        )

    run, twins = gpu
    same = (with_dropout(run, 1), [with_dropout(t, 1) for t in twins])
    found = located(same, with_dropout(port(steps=3), 2))
    assert found.outcome == "incomparable"
    assert "the sides draw other random numbers" in found.headline
    assert located(same, with_dropout(port(steps=3), 1)).outcome == "pass"


def test_few_elements_that_a_tie_moves_are_no_fault_and_many_are(gpu):
    place = ("backward", "block2.act", "threshold_backward")

    def flipped(count):
        def change(a):
            changed = np.array(a)
            changed.flat[np.flatnonzero(a)[:count]] = 0
            return changed

        return change

    few = located(gpu, port(fault=(place, flipped(2))))
    assert few.culprits == ()
    tied = [row for row in few.rows if "few elements" in row.note]
    assert [named(row) for row in tied] == [place]
    many = located(gpu, port(fault=(place, flipped(300))))
    assert named(many.culprits[0]) == place


def test_a_side_without_losses_or_with_fewer_steps_never_passes(gpu):
    run, _ = gpu
    fewer = located(gpu, port(steps=2))
    assert fewer.outcome == "inconclusive"
    assert "missing on the candidate" in fewer.headline
    kept = [i for i, r in enumerate(run.records) if r.kind in {"weight", "input"}]
    bare = replace(
        run, records=tuple(run.records[i] for i in kept), sketches=run.sketches[kept],
        norms=run.norms[kept], nonfinite=run.nonfinite[kept],
    )  # fmt: skip
    assert compare_captures(bare, bare).outcome == "inconclusive"


def test_a_capture_agrees_with_itself_whatever_its_twins(gpu):
    run, twins = gpu
    assert compare_captures(run, run, baseline_twins=twins).outcome == "pass"
    assert compare_captures(run, run).outcome == "pass"


def test_a_wider_twin_never_turns_a_pass_into_a_fail(gpu):
    run, twins = gpu
    wide = Device(0, fault=(("forward", "block0.fc", "mm"), scaled(1e-3)), twin=3, moved=True).run(
        3
    )
    for candidate in (port(steps=3), port(steps=3, fault=(PLACES[1], scaled(1e-4)))):
        narrow = compare_captures(run, candidate, baseline_twins=twins)
        wider = compare_captures(run, candidate, baseline_twins=[*twins, wide])
        assert {r.state for r in wider.rows} - {"healthy"} <= {r.state for r in narrow.rows}
        assert all(
            a.limit <= b.limit
            for a, b in zip(narrow.rows, wider.rows, strict=True)
            if a.step == 0  # more twins lower the factor of later steps
        )


def test_limits_and_errors_are_those_of_their_definition(gpu):
    run, _ = gpu
    found = compare_captures(run, port(steps=3))
    first = next(row for row in found.rows if row.kind == "operator")
    i = next(i for i, r in enumerate(run.records) if r.kind == "operator")
    other = port(steps=3)
    apart = np.linalg.norm(run.sketches[i].astype(float) - other.sketches[i])
    assert first.error == pytest.approx(apart / max(run.norms[i], other.norms[i]))
    assert first.limit == pytest.approx(FACTOR * FLOOR["float32"])


def test_the_generator_is_a_training_that_descends():
    run = Device(0).run(3)
    losses = [run.norms[i] for i, r in enumerate(run.records) if r.kind == "loss"]
    assert len(losses) == 3
    assert losses[2] < losses[0]
    gradient = next(i for i, r in enumerate(run.records) if r.kind == "gradient")
    assert run.records[gradient].name == "head.weight"
    assert run.records[gradient].shape == (48, CLASSES)


def chain(second=1.0, third=1.0, *, stated=True):
    """A capture of three operators in a row, the second and third scaled."""
    x = np.random.default_rng(0).normal(size=500).astype(F)
    entries = []
    for order, scale in enumerate((1.0, second, third)):
        record = Record(
            kind="operator", name=f"aten::op{order}", module="m", order=order, shape=(500,),
            dtype="float32", made_from=(order - 1,) if order and stated else (),
        )  # fmt: skip
        entries.append((record, x * F(scale)))
    return capture_of(entries)


def chained(second, third, **options):
    twin = replace(chain(1 + 1e-7, 1 - 1e-7, **options), twin=1, moved=True)
    found = compare_captures(
        chain(**options), chain(second, third, **options), baseline_twins=[twin]
    )
    return [row.state for row in found.rows]


def test_what_comes_behind_a_difference_inherits_it_however_it_grows():
    assert chained(1 + 1e-5, 1 + 1e-1) == ["healthy", "wrong", "inherited"]
    assert chained(1 + 1e-7, 1 + 1e-1) == ["healthy", "healthy", "wrong"]


def test_an_operator_that_states_no_inputs_inherits_what_differs_before_it():
    assert chained(1 + 1e-5, 1 + 1e-1, stated=False) == ["healthy", "wrong", "inherited"]


def test_a_twin_that_an_older_recording_left_is_refused(gpu):
    run, _ = gpu
    fewer = Device(0, twin=1, moved=True).run(1)
    with pytest.raises(AlignmentError, match="it has 152 of the 412 records; remove it"):
        compare_captures(run, run, baseline_twins=[fewer])
    other = Device(0, twin=1, moved=True, zero_gamma=True).run(3)
    with pytest.raises(AlignmentError, match="5 of its weights and inputs differ"):
        compare_captures(run, run, candidate_twins=[other])


@pytest.mark.parametrize("step", [0, 1])
@pytest.mark.parametrize("kind", ["gradient", "update"])
def test_a_gradient_or_an_update_that_is_lost_differs_in_16_bits_too(gpu16, kind, step):
    run, _ = gpu16
    other = port(2, steps=2, coarse=True, dtype="bfloat16")
    at = next(
        i for i, r in enumerate(other.records)
        if r.kind == kind and r.step == step and r.name == "block0.fc.weight"
    )  # fmt: skip
    sketches, norms = np.array(other.sketches), np.array(other.norms)
    sketches[at], norms[at] = 0, 0
    found = located(gpu16, replace(other, sketches=sketches, norms=norms))
    assert run.norms[at] > 0
    assert [(row.kind, row.operator) for row in found.culprits] == [(kind, "block0.fc.weight")]


def summed(total, *, moved=1.0):
    """A backward operator that sums a tensor of norm 1 to one of norm `total`, in bfloat16."""
    x = np.random.default_rng(0).normal(size=500)
    x = (x / np.linalg.norm(x)).astype(F)
    made = Record(
        kind="operator", name="aten::mul", module="m", phase="backward", order=0, shape=(500,),
        dtype="bfloat16",
    )  # fmt: skip
    sum_ = made._replace(name="aten::sum", order=1, made_from=(0,))
    return capture_of([(made, x * F(moved)), (sum_, x * F(total * moved))])


def test_rounding_beside_an_exact_zero_is_healthy_and_a_value_beside_it_is_not():
    def state(baseline_total, candidate_total):
        twin = replace(summed(baseline_total, moved=1.001), twin=1, moved=True)
        ours, theirs = summed(baseline_total), summed(candidate_total)
        return compare_captures(ours, theirs, baseline_twins=[twin]).rows[1].state

    assert state(0.0, 1e-3) == "healthy"
    assert state(0.0, 1e-2) == "wrong"
    assert state(1e-2, 0.0) == "wrong"


def test_ties_are_distinguished_from_a_fault_beside_rounding_that_has_grown():
    """The rest of the tensor may differ by its limit, which is above the floor of its format."""
    x = np.random.default_rng(0).normal(size=(50, 40)).astype(F)

    def side(noise, flips, *, scale=1.0):
        rng = np.random.default_rng(int(1e9 * noise))
        grown = x * F(1 + noise) + F(noise) * rng.normal(size=x.shape).astype(F)
        jumped = grown * F(scale)
        jumped.flat[:flips] = 0
        fields = {"kind": "operator", "module": "m", "shape": x.shape, "dtype": "float32"}
        first = Record(name="aten::mul", order=0, **fields)
        behind = first._replace(
            name="aten::threshold_backward", phase="backward", order=1, made_from=(0,)
        )
        last = behind._replace(name="aten::mm", order=2, made_from=(1,))
        return capture_of([(first, grown), (behind, jumped), (last, jumped * 2)])

    def states(candidate):
        twin = replace(side(1e-5, 0), twin=1, moved=True)
        rows = compare_captures(side(0, 0), candidate, baseline_twins=[twin]).rows
        return [row.state for row in rows]

    assert states(side(2e-5, 3)) == ["healthy"] * 3
    assert states(side(2e-5, 0, scale=1.001)) == ["healthy", "wrong", "inherited"]
    assert states(side(2e-5, 300)) == ["healthy", "wrong", "inherited"]
