"""What the sides ran: settings are exact, and an operator that one side alone ran may be harmless.

The captures are those of a small network in numpy (`syntheticcaptures`), changed by hand.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from syntheticcaptures import Device, F, baseline

from harness.locate.capture import Capture, Record
from harness.locate.compare import compare_captures
from harness.locate.settings import unlike
from harness.report.locate.tables import culprits_table


@pytest.fixture(scope="module")
def gpu16():
    return asked(baseline(1, coarse=True, dtype="bfloat16"))


@pytest.fixture(scope="module")
def gpu():
    return asked(baseline(1))


def with_settings(capture: Capture, change=lambda record: {}) -> Capture:
    """The capture with an epsilon for every batch norm; `change` adds to it or replaces it."""
    return replace(capture, records=tuple(
        record._replace(settings=json.dumps({"eps": 1e-5, "training": True, **change(record)}))
        if "batch_norm" in record.name else record for record in capture.records
    ))  # fmt: skip


def asked(found):
    run, twins = found
    return with_settings(run), [with_settings(twin) for twin in twins]


def located(sides, candidate):
    run, twins = sides
    return compare_captures(run, candidate, baseline_twins=twins)


def port(order=5, **options):
    return Device(order, vendor="native", **options).run(1)


def port16(order=5, **options):
    return port(order, coarse=True, dtype="bfloat16", **options)


def named(row):
    return row.phase, row.module, row.operator.removeprefix("aten::"), row.evidence


def in_block2(record):
    return {"eps": 1e-3} if record.module == "block2.norm" and record.phase == "forward" else {}


@pytest.mark.parametrize("make", ["gpu", "gpu16"])
def test_another_setting_is_named_first_though_its_effect_is_below_rounding(make, request):
    side = port16() if make == "gpu16" else port()
    found = located(request.getfixturevalue(make), with_settings(side, in_block2))
    assert found.outcome == "fail"
    assert named(found.culprits[0]) == ("forward", "block2.norm", "native_batch_norm", "settings")
    words = "eps is 0.001 on the candidate and 1e-05 on the baseline"
    assert found.culprits[0].note == words
    assert words in found.headline
    assert "block2.norm" in found.headline


@pytest.mark.parametrize(("phase", "first"), [("forward", "block0"), ("backward", "block4")])
def test_the_same_setting_in_many_calls_is_one_row_with_their_number(gpu16, phase, first):
    changed = with_settings(port16(), lambda r: {"eps": 1e-3} if r.phase == phase else {})
    found = located(gpu16, changed)  # each call of the backward pass has three outputs
    assert [row.module for row in found.culprits] == [f"{first}.norm"]
    assert found.culprits[0].note.endswith("(and in 4 more calls)")


def test_a_fault_before_another_setting_is_named_before_it(gpu16):
    place = ("forward", "block0.fc", "mm")
    wrong = port16(fault=(place, lambda a: (a * F(1.5)).astype(F)))
    found = located(gpu16, with_settings(wrong, in_block2))
    assert [named(row) for row in found.culprits] == [
        (*place, "figures"),
        ("forward", "block2.norm", "native_batch_norm", "settings"),
    ]


def test_settings_that_a_twin_does_not_repeat_are_computed_and_not_asked_for(gpu16):
    run, twins = gpu16
    moved = [with_settings(twin, in_block2) for twin in twins]
    found = located((run, moved), with_settings(port16(), in_block2))
    assert (found.outcome, found.culprits) == ("pass", ())


def test_a_capture_that_states_no_settings_is_compared_by_its_figures(gpu16):
    found = located(gpu16, port16())
    assert (found.outcome, found.culprits) == ("pass", ())


def test_other_operators_that_figures_clear_are_harmless(gpu):
    found = located(gpu, with_settings(port(split=True, fused=True)))
    assert (found.outcome, found.culprits) == ("pass", ())


def test_other_operators_that_rounding_may_hide_leave_it_open_and_are_named(gpu16):
    found = located(gpu16, with_settings(port16(split=True)))
    assert found.outcome == "inconclusive"
    first = found.culprits[0]
    assert (first.module, first.evidence, first.state) == ("block0.norm", "operators", "unjudged")
    assert "the baseline alone ran aten::cudnn_batch_norm" in first.note
    assert first.module in found.headline
    assert culprits_table(found).rows[0][3:6] == ("-", "-", "-")  # no figure was compared
    assert any("float32" in note for note in found.notes)


@pytest.mark.parametrize("size", [4.0, 0.0])
def test_a_clear_fault_comes_before_operators_that_one_side_alone_ran(gpu16, size):
    place = ("forward", "block3.fc", "mm")
    wrong = port16(split=True, fault=(place, lambda a: (a * F(size)).astype(F)))
    found = located(gpu16, with_settings(wrong))
    assert found.outcome == "fail"
    assert named(found.culprits[0]) == (*place, "figures")


@pytest.mark.parametrize("name", ["aten::_to_copy", "aten::clone", "aten::zeros_like"])
def test_copies_that_one_side_alone_made_are_no_difference(gpu16, name):
    found = located(gpu16, with_settings(inserted(port16(), name)))
    assert (found.outcome, found.culprits) == ("pass", ())


def test_an_operator_that_only_the_candidate_ran_is_named_at_its_place(gpu16):
    found = located(gpu16, with_settings(inserted(port16(), "aten::bitwise_and")))
    assert named(found.culprits[0]) == ("forward", "block1.fc", "bitwise_and", "operators")
    assert "the baseline ran no such operator here" in found.culprits[0].note


def test_an_operator_that_only_the_baseline_ran_is_named(gpu16):
    run, twins = gpu16
    more = [inserted(side, "aten::masked_fill") for side in (run, *twins)]
    found = located((more[0], more[1:]), with_settings(port16()))
    assert named(found.culprits[0]) == ("forward", "block1.fc", "masked_fill", "operators")
    assert "the candidate ran no such operator here" in found.culprits[0].note


def inserted(capture: Capture, name: str) -> Capture:
    """The capture with an operator between `mm` and `add` of block1.fc that changes nothing."""
    at = next(
        n for n, r in enumerate(capture.records)
        if (r.module, r.name, r.phase) == ("block1.fc", "aten::mm", "forward")
    )  # fmt: skip

    def later(record: Record) -> Record:
        numbers = tuple(n + 1 if n >= at else n for n in record.made_from)
        return record._replace(made_from=numbers)

    records = capture.records
    new = records[at]._replace(name=name, made_from=(at,))
    behind = [later(record) for record in records[at + 1 :]]
    return replace(
        capture,
        records=(*records[: at + 1], new, *behind),
        sketches=np.insert(capture.sketches, at + 1, capture.sketches[at], axis=0),
        norms=np.insert(capture.norms, at + 1, capture.norms[at]),
        nonfinite=np.insert(capture.nonfinite, at + 1, capture.nonfinite[at], axis=0),
    )


def test_a_gradient_that_is_lost_before_the_update_is_compared_with_the_unchanged_one(gpu16):
    side = with_settings(port16())
    at = next(n for n, r in enumerate(side.records) if r.kind == "gradient")
    lost = side.records[at]._replace(output=1, made_from=())
    changed = replace(
        side,
        records=(*side.records, lost),
        sketches=np.vstack([side.sketches, np.zeros_like(side.sketches[:1])]),
        norms=np.append(side.norms, 0.0),
        nonfinite=np.vstack([side.nonfinite, np.zeros_like(side.nonfinite[:1])]),
    )
    found = located(gpu16, changed)
    assert found.outcome == "fail"
    assert (found.culprits[0].kind, found.culprits[0].operator) == ("gradient", lost.name)


# --- which settings are alike ---------------------------------------------------------------------


def capture_with(settings):
    record = Record(kind="operator", name="aten::x", settings=settings)
    return Capture(
        records=(record,), sketches=np.zeros((1, 128), np.float32), norms=np.zeros(1),
        nonfinite=np.zeros((1, 3), np.int64), facts={},
    )  # fmt: skip


def words(ours, theirs):
    sides = [s if isinstance(s, str) else json.dumps(s) for s in (ours, theirs)]
    return unlike(*map(capture_with, sides), np.array([[0, 0]])).get(0, "")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"eps": 1e-5}, {"eps": 1.0000001e-5}),
        ({"eps": 1e-5, "momentum": 0.1}, {"epsilon": 1e-5, "exponential_average_factor": 0.1}),
        ({"dim": -1}, {"dim": 3}),
        ({"stride": [2, 2]}, {"stride": 2}),
        ({"benchmark": True, "eps": 1}, {"benchmark": False, "eps": 1}),
        ({"output_mask": [True, True, False]}, {"output_mask": [True, False, False]}),
        ({"scale": 0.125}, {"dropout_p": 0.0}),
        ({"value": float("nan")}, {"value": float("nan")}),
        ({"value": float("-inf")}, {"value": float("-inf")}),
        ({}, {"eps": 1e-5}),
        ("", {"eps": 1e-5}),
        ("[1, 2]", {"eps": 1e-5}),
        ("no JSON", {"eps": 1e-5}),
        ("[" * 100_000, {"eps": 1e-5}),
        ({"eps": {"a": 1}}, {"eps": 1e-5}),
        ({"eps": [[1]]}, {"eps": [1, 2]}),
    ],
)  # fmt: skip
def test_settings_are_alike_if_the_result_does_not_depend_on_what_differs(ours, theirs):
    assert words(ours, theirs) == ""
    assert words(theirs, ours) == ""


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({"eps": 1e-5}, {"epsilon": 1e-3}, "eps is 0.001 on the candidate and 1e-05"),
        ({"dim": -1}, {"dim": -2}, "dim is -2"),
        ({"dilation": [2, 2]}, {"dilation": [1, 1]}, "dilation is [1, 1]"),
        ({"stride": [2, 1]}, {"stride": 2}, "stride is 2"),
        ({"align_corners": True}, {"align_corners": False}, "align_corners is false"),
        ({"training": True}, {"train": False}, "training is false"),
        ({"ignore_index": 255}, {"ignore_index": 254}, "ignore_index is 254"),
        ({"approximate": "none"}, {"approximate": "tanh"}, 'approximate is "tanh"'),
        ({"p": 0.1}, {"p": 0.0}, "p is 0.0"),
        ({"value": 1.0}, {"value": float("inf")}, "value is Infinity"),
        ({"eps": 1, "p": 1}, {"eps": 2, "p": 2}, "baseline; p is 2"),
    ],
)
def test_settings_that_differ_are_named_with_both_values(ours, theirs, said):
    assert said in words(ours, theirs)
