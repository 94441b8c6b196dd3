"""Equality with mmsegmentation: shared reference numbers, and whole-model numbers in tests/data.

The whole-model file was made with mmsegmentation 1.2.2, mmcv 2.1.0, mmengine 0.10.7 and torch
2.13.0 on a CPU, in float64 and float32, from the recipe in reference_recipe.py.
"""

import json
from pathlib import Path

import pytest
import reference_recipe as recipe
import torch
import whole_model_cases as whole

from model.heads import CrissCrossAttention
from model.registry import MODELS

WHOLE = json.loads((Path(__file__).parent / "data" / "ccnet_whole_model.json").read_text())
CCA = [f"cca_2x64x13x17_R{r}" for r in (1, 2, 3)] + ["cca_1x64x1x9_R1", "cca_1x64x9x1_R1"]
HEADS = [f"cchead_small_R{r}" for r in (0, 1, 2)] + ["cchead_2048_512_R2", "fcnhead_aux_small"]
DTYPES = [torch.float64, torch.float32]


@pytest.fixture(scope="session")
def reference(shared_data):
    return json.loads((shared_data / "reference" / "ccnet_reference.json").read_text())


def limit(dtype, case):
    return 1e-8 if dtype == torch.float64 else max(1e-5, 10 * case["float32_max_dev"])


def attention_results(case, dtype):
    """Run one attention case as the recipe says."""
    module = recipe.fill(CrissCrossAttention(case["shape"][1]).to(dtype))
    x = recipe.tensor("cca_in", tuple(case["shape"])).to(dtype).requires_grad_()
    y = module(x, case["recurrence"])
    grad = torch.from_numpy(recipe.sequence("grad_out", y.numel())).view_as(y).to(dtype)
    (y * grad).sum().backward()
    params = {
        name: {
            "l2": p.grad.double().norm().item(),
            "sum": p.grad.double().sum().item(),
            "first4": p.grad.double().flatten()[:4].tolist(),
        }
        for name, p in module.named_parameters()
    }
    return {
        "input": recipe.summary(x),
        "output": recipe.summary(y),
        "grad_input": recipe.summary(x.grad),
        "grad_params": params,
    }


def without_key_bias(results):
    """Drop the gradient that is 0 but for rounding."""
    params = {k: v for k, v in results["grad_params"].items() if k != "key_conv.bias"}
    return {**results, "grad_params": params}


@pytest.mark.shared
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", CCA)
def test_attention_equals_the_reference(reference, name, dtype):
    case = reference["cases"][name]
    found = attention_results(case, dtype)
    assert found["grad_params"]["key_conv.bias"]["l2"] < (1e-8 if dtype == torch.float64 else 1e-2)
    away, where = recipe.worst(without_key_bias(found), without_key_bias(case["float64"]))
    assert away <= limit(dtype, case), where


@pytest.mark.shared
def test_a_changed_number_would_be_seen(reference):
    case = reference["cases"][CCA[0]]
    expected = without_key_bias(case["float64"])
    found = without_key_bias(attention_results(case, torch.float64))
    found["output"]["first16"][5] += 1e-7
    assert recipe.worst(found, expected)[0] > limit(torch.float64, case)
    del found["output"]["first16"][5]
    assert recipe.worst(found, expected)[0] == float("inf")


@pytest.mark.shared
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", HEADS)
def test_head_equals_the_reference(reference, name, dtype):
    case = reference["cases"][name]
    head = recipe.fill(MODELS.build(case["config"]).to(dtype)).eval()
    assert {k: list(v.shape) for k, v in head.state_dict().items()} == case["state_dict"]
    x = recipe.tensor("head_in", tuple(case["input_shape"])).to(dtype)
    with torch.no_grad():
        found = {"input": recipe.summary(x), "logits": recipe.summary(head([x]))}
    away, where = recipe.worst(found, case["float64"])
    assert away <= limit(dtype, case), where


@pytest.mark.shared
def test_the_recipe_makes_the_published_sequence(reference):
    for key, expected in reference["fill_check"].items():
        assert recipe.sequence(key, 4).tolist() == expected


@pytest.mark.shared
def test_keys_and_shapes_equal_the_published_list_in_order(shared_data):
    listed = json.loads(
        (shared_data / "reference" / "ccnet_r50d8_state_dict_keys.json").read_text()
    )
    state = whole.build(whole.R50).state_dict()
    expected = [(e["key"], e["shape"], e["dtype"]) for e in listed["keys"]]
    found = [(k, list(v.shape), str(v.dtype).removeprefix("torch.")) for k, v in state.items()]
    assert found == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(whole.PREDICTIONS))
def test_whole_model_predicts_what_mmsegmentation_does(name, dtype):
    case = WHOLE[name]
    away, where = recipe.worst(whole.PREDICTIONS[name](dtype), case["float64"])
    assert away <= limit(dtype, case), where


@pytest.mark.parametrize("name", sorted(whole.TRAININGS))
def test_whole_model_trains_as_mmsegmentation_does(name):
    found, expected = whole.TRAININGS[name](torch.float64), WHOLE[name]["float64"]
    assert len(found["steps"]) == len(expected["steps"])
    # Batch normalisation at random weights amplifies rounding about 1e5 a step.
    for step, allowed in enumerate([1e-8, 1e-6, 5e-3][: len(expected["steps"])]):
        away, where = recipe.worst(found["steps"][step], expected["steps"][step])
        assert away <= allowed, f"step {step}: {where}"


@pytest.mark.parametrize("name", sorted(whole.TRAININGS))
def test_first_float32_step_equals_mmsegmentation(name):
    found = whole.TRAININGS[name](torch.float32, steps=1)["steps"][0]
    expected = WHOLE[name]["float64"]["steps"][0]
    for key, value in expected["losses"].items():
        tolerance = 1e-5 if "loss" in key else 0.1  # one pixel of 16384 may change sides
        assert found["losses"][key] == pytest.approx(value, rel=tolerance, abs=tolerance)
    for part, value in expected["grad_norms"].items():
        assert found["grad_norms"][part] == pytest.approx(value, rel=1e-2)
