"""The formulations that benchmarks measure compute the attention of the reference."""

import pytest
import torch

from model.heads import CrissCrossAttention
from model.ops import criss_cross_attention_reference
from model.ops.formulations import criss_cross_bmm, criss_cross_einsum


@pytest.mark.parametrize("formulation", [criss_cross_bmm, criss_cross_einsum])
@pytest.mark.parametrize("size", [(5, 7), (7, 5), (1, 4)])
def test_a_formulation_has_outputs_and_gradients_of_the_reference(formulation, size):
    torch.manual_seed(0)
    module = CrissCrossAttention(16).double()
    torch.nn.init.constant_(module.gamma.scale, 0.5)
    pairs = [(c.weight, c.bias) for c in (module.query_conv, module.key_conv, module.value_conv)]
    found = []
    for compute in (criss_cross_attention_reference, formulation):
        x = torch.randn(
            2, 16, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
        )
        x.requires_grad_()
        module.zero_grad()
        y = compute(x, *pairs, module.gamma.scale, recurrence=2)
        y.square().sum().backward()
        found.append([y, x.grad, *(p.grad.clone() for p in module.parameters())])
    for mine, want in zip(*found, strict=True):
        torch.testing.assert_close(mine, want, rtol=1e-10, atol=1e-10)
