"""Which records of two captures meet: by name, by place in a module, across devices."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from syntheticcaptures import Device, capture_of

from harness.locate.capture import Record
from harness.locate.match import match, sentences
from harness.locate.names import canonical, is_random, is_tied, path
from harness.locate.sequence import MOST_CELLS, aligned


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "aten::convolution aten::_convolution aten::convolution_overrideable npu::npu_conv2d "
            "aten::cudnn_convolution aten::mkldnn_convolution aten::miopen_convolution "
            "aten::conv3d aten::_slow_conv2d_forward aten::thnn_conv2d aten::conv_transpose2d",
            "convolution",
        ),
        (
            "aten::native_batch_norm aten::cudnn_batch_norm aten::_native_batch_norm_legit "
            "aten::_native_batch_norm_legit_functional aten::_batch_norm_with_update "
            "aten::_native_batch_norm_legit.no_stats aten::miopen_batch_norm sdaa::sdaa_batch_norm",
            "batch_norm",
        ),
        (
            "aten::native_batch_norm_backward aten::cudnn_batch_norm_backward "
            "aten::batch_norm_backward aten::miopen_batch_norm_backward",
            "batch_norm_backward",
        ),
        (
            "aten::_scaled_dot_product_flash_attention aten::_scaled_dot_product_cudnn_attention "
            "aten::_scaled_dot_product_efficient_attention aten::scaled_dot_product_attention "
            "aten::_scaled_dot_product_flash_attention_for_cpu npu::npu_fusion_attention "
            "aten::_scaled_dot_product_attention_math aten::_flash_attention_forward "
            "aten::_scaled_dot_product_fused_attention_overrideable",
            "scaled_dot_product_attention",
        ),
        ("aten::convolution_backward aten::convolution_backward_overrideable "
         "aten::mkldnn_convolution_backward", "convolution_backward"),
        ("aten::add aten::add_ aten::add.Tensor aten::add.out add", "add"),
        ("aten::_softmax aten::softmax aten::_safe_softmax npu::npu_softmax", "softmax"),
        ("aten::max_pool2d_with_indices aten::max_pool2d", "max_pool2d"),
        ("aten::native_layer_norm aten::layer_norm", "layer_norm"),
    ],
)  # fmt: skip
def test_an_operator_has_one_name_on_every_device(names, expected):
    assert {name: canonical(name) for name in names.split()} == dict.fromkeys(
        names.split(), expected
    )


def test_different_operators_keep_different_names():
    names = ["mm", "addmm", "bmm", "add", "mul", "relu", "gelu", "softmax", "log_softmax", "mean"]
    names += ["sum", "batch_norm", "layer_norm", "group_norm", "convolution", "max_pool2d", "cat"]
    names += ["avg_pool2d", "embedding", "npu", "forward", "copy", "out", "v2"]
    assert len({canonical(f"aten::{name}") for name in names}) == len(names)
    assert canonical("aten::mm") != canonical("aten::addmm")  # the bias makes another tensor


@given(st.text(max_size=40))
def test_any_text_has_a_canonical_name_and_a_path(text):
    once = canonical(text)
    assert once == canonical(once + ".out")
    assert isinstance(path(text), str)


def test_random_and_tied_operators_are_known_on_every_device():
    assert is_random("aten::native_dropout")
    assert is_random("aten::bernoulli_")
    assert not is_random("aten::native_dropout_backward")
    assert is_tied("aten::threshold_backward")
    assert is_tied("aten::max_pool2d_with_indices_backward")
    assert not is_tied("aten::mm")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("module.head.weight", "head.weight"),
        ("_orig_mod.head.weight", "head.weight"),
        ("module._orig_mod.head.weight", "head.weight"),
        ("layers.0._fsdp_wrapped_module.fc.weight", "layers.0.fc.weight"),
        ("head._checkpoint_wrapped_module", "head"),
        ("head.module.weight", "head.module.weight"),
        ("module", ""),
        ("", ""),
    ],
)
def test_wrappers_of_a_training_do_not_name_a_module(name, expected):
    assert path(name) == expected


def slow_longest(ours, theirs):
    """The length of the longest common subsequence, by its definition."""
    if not ours or not theirs:
        return 0
    if ours[0] == theirs[0]:
        return 1 + slow_longest(ours[1:], theirs[1:])
    return max(slow_longest(ours[1:], theirs), slow_longest(ours, theirs[1:]))


WORDS = st.lists(st.sampled_from("abc"), max_size=7)


@given(WORDS, WORDS)
def test_an_alignment_rises_on_both_sides_and_is_longest_where_all_tensors_are_close(ours, theirs):
    pairs = aligned(ours, theirs, lambda i, j: 0.0, trusted=False)
    assert all(ours[i] == theirs[j] for i, j in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))
    assert len(pairs) == slow_longest(ours, theirs)


def test_equal_counts_meet_whatever_the_tensors_hold_and_others_only_if_close():
    far = lambda i, j: 1.0  # noqa: E731
    assert aligned("ab", "ab", far) == [(0, 0), (1, 1)]
    assert aligned("abc", "axc", far) == [(0, 0), (2, 2)]
    assert aligned("aab", "ab", far) == [(2, 1)]
    assert aligned("aab", "ab", lambda i, j: 0.0 if i == 1 else 1.0) == [(1, 0), (2, 1)]
    assert aligned("aa", "a", lambda i, j: 0.2) == []  # a sum over a part of the batch
    assert aligned("aa", "a", lambda i, j: 0.02 if i else 0.04) == [(1, 0)]


def test_long_sequences_meet_by_count():
    n = int(MOST_CELLS**0.5) + 10
    ours, theirs = ["x", *range(n), "y", "y"], ["z", *range(n), "y"]
    assert aligned(ours, theirs, lambda i, j: 0.0) == [(i, i) for i in range(1, n + 1)]


def test_two_runs_of_a_device_meet_record_by_record():
    a, b = Device(0).run(2), Device(1).run(2)
    matched = match(a, b)
    assert np.array_equal(matched.pairs[:, 0], matched.pairs[:, 1])
    assert matched.ours_only == matched.theirs_only == ()
    assert sentences(a, b, matched) == ()


def test_other_names_and_wrapped_modules_do_not_part_two_sides():
    a = Device(0).run()
    b = Device(1, vendor="native", wrapped="module.", rename=lambda n: f"{n}_overrideable").run()
    assert match(a, b).ours_only == ()


def test_fused_and_split_operators_leave_the_others_matched_and_are_named_once():
    a, b = Device(0).run(2), Device(1, vendor="native", fused=True, split=True).run(2)
    matched = match(a, b)
    lost = [a.records[i] for i in matched.ours_only]
    assert {(r.kind, canonical(r.name)) for r in lost} == {
        ("operator", "mm"),
        ("operator", "add"),
        ("operator", "batch_norm"),
    }
    assert all(r.phase == "forward" and ".fc" in r.module + ".fc" for r in lost)
    said = sentences(a, b, matched)
    assert len(said) == 2
    assert said[0] == (
        "operators of the forward pass: the baseline alone has aten::add, aten::mm; the candidate "
        "alone has aten::addmm (in block0.fc, block1.fc, block2.fc and 3 more modules; steps 0 to "
        "1)"
    )


def test_an_operator_that_the_other_side_counts_to_another_module_is_found_by_its_tensor():
    def side(module, offset):
        x = np.arange(1, 41, dtype=np.float32)
        inner = Record(kind="operator", name="aten::relu", module=module, order=0, shape=(40,))
        other = Record(kind="operator", name="aten::mul", module=module, order=1, shape=(40,))
        return capture_of([(inner, x + offset), (other, 2 * x)])

    assert match(side("act", 0), side("", 1e-4)).ours_only == ()
    assert match(side("act", 0), side("", 1e3)).ours_only == (0,)


def test_an_operator_with_a_bias_is_not_the_same_as_one_without():
    """A device may leave the bias of a convolution to a later addition."""

    def side(*weights):
        x = np.arange(1, 41, dtype=np.float32)
        entries = [(Record(kind="weight", name=name, shape=(40,)), x) for name in ("w", "b")]
        made = Record(kind="operator", name="aten::convolution", module="c", shape=(40,), order=0)
        return capture_of([*entries, (made._replace(made_from=weights), x)])

    assert match(side(0, 1), side(0, 1)).ours_only == ()
    assert match(side(0, 1), side(0)).ours_only == (2,)
