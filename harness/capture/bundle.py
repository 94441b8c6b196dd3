"""A bundle: one wrong operator with its inputs, as a folder that a vendor can run.

bundles/0-aten-_softmax/repro.py            needs torch only
                        tensors.safetensors inputs, the device's result, the exact result
                        versions.json       versions, device, module, line of the program
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from harness.capture.operators import written
from harness.capture.runs import Call
from harness.capture.trees import tensors
from harness.locate.result import Row
from harness.system.whole import write_bytes

LARGEST_BYTES = 256 << 20
"""Most bytes of the tensors of a bundle."""
SCRIPT = '''\
"""{title}; needs torch alone. Usage: python repro.py [DEVICE]"""
import contextlib, json, pathlib, sys, torch
device = sys.argv[1] if len(sys.argv) > 1 else "{device}"
with contextlib.suppress(ImportError): __import__("torch_" + device.split(":")[0])
data = pathlib.Path(__file__).with_name("tensors.safetensors").read_bytes()
begin, dtypes = 8 + int.from_bytes(data[:8], "little"), {dtypes}
def read(dtype, shape, data_offsets):
    bits = bytearray(data[begin + data_offsets[0]:begin + data_offsets[1]])
    return torch.frombuffer(bits, dtype=getattr(torch, dtypes[dtype])).reshape(shape)
held = {{name: read(**stated) for name, stated in json.loads(data[8:begin]).items() if name != "__metadata__"}}
i, strides = [held[f"in{{n}}"] for n in range({count})], {strides}
i = [torch.empty_strided(x.shape, strides.get(n, x.stride()), dtype=x.dtype, device=device).copy_(x) for n, x in enumerate(i)]
returned = torch.ops.{call}({arguments})
results = [r for r in torch.utils._pytree.tree_leaves(returned) if isinstance(r, torch.Tensor)]
results += [w for w in [{changed}] if all(w is not r for r in results)]
exact, seen, again = (x.double() for x in (held["exact"], held["seen"], results[{output}].cpu()))
print("largest error:", (again - exact).abs().max().item(), "now,", (seen - exact).abs().max().item(), "in training")
'''
DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64",
    "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
"""Formats by safetensors' names; a result of another format, such as complex64, has no bundle."""


class Bundles:
    """Writes a bundle for the most wrong result of each operator, up to a number of operators."""

    def __init__(self, folder: Path, *, most: int, facts: dict[str, str]) -> None:
        self.folder = folder / "bundles"
        self.facts = facts
        self.device = facts.get("device", "cpu")
        self.most = most
        self._written: dict[str, tuple[str, float]] = {}

    def keep(self, call: Call, row: Row, exact: Tensor) -> Row:
        """Returns the row with the name of its bundle, if one was written.

        It replaces the bundle of a less wrong result of the same operator.
        """
        name, ratio = self._written.get(row.operator, ("", 0.0))
        if row.ratio <= ratio or (not name and len(self._written) >= self.most):
            return row
        given = tensors(call.arguments)
        held = {f"in{n}": t for n, t in enumerate(given)}
        held |= {"seen": call.seen[row.output], "exact": exact}
        if sum(t.numel() * t.element_size() for t in held.values()) > LARGEST_BYTES:
            return replace(row, note=f"{row.note}; its tensors are too large for a bundle")
        names = set(DTYPES.values())
        if any(not t.numel() or str(t.dtype)[6:] not in names for t in held.values()):
            return row
        name = name or f"{len(self._written)}-{re.sub(r'[^A-Za-z0-9_.]+', '-', row.operator)}"
        self._written[row.operator] = name, row.ratio
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "tensors.safetensors", save(_own_memory(held)))
        write_bytes(folder / "repro.py", _script(call, row, given, self.device).encode())
        write_bytes(folder / "versions.json", _versions(row, self.facts).encode())
        return replace(row, bundle=f"bundles/{name}")


def _own_memory(held: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns contiguous copies: safetensors writes no strides, and no memory twice."""
    return {name: t.clone(memory_format=torch.contiguous_format) for name, t in held.items()}


def _script(call: Call, row: Row, given: list[Tensor], device: str) -> str:
    args, kwargs = call.arguments
    inputs = {id(t): f"i[{n}]" for n, t in enumerate(given)}
    shown = [_literal(a, inputs) for a in args]
    shown += [f"{name}={_literal(value, inputs)}" for name, value in kwargs.items()]
    where = f" in {row.module}" if row.module else ""
    return SCRIPT.format(
        title=f"{row.operator}{where} ({row.phase})",
        device=device,
        dtypes=DTYPES,
        count=len(given),
        strides={n: tuple(t.stride()) for n, t in enumerate(given) if not t.is_contiguous()},
        call=f"{call.op._schema.name.replace('::', '.')}.{call.op._overloadname or 'default'}",
        arguments=", ".join(shown),
        changed=", ".join(inputs[id(t)] for t in written(call.op, args, kwargs)),
        output=row.output,
    )


def _literal(value: Any, inputs: dict[int, str]) -> str:
    """Returns an argument as Python source."""
    if isinstance(value, Tensor):
        return inputs[id(value)]
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_literal(item, inputs) for item in value)}]"
    if isinstance(value, torch.device):
        return "device"
    if isinstance(value, float):
        return f'float("{value!r}")' if value - value != 0 else repr(value)
    return repr(value)  # numbers, None, and torch's formats, whose repr is their name


def _versions(row: Row, facts: dict[str, str]) -> str:
    stated = {
        **facts,
        "operator": row.operator,
        "module": row.module,
        "phase": row.phase,
        "source": row.source,
        "error": row.error,
        "limit": row.limit,
        "note": row.note,
    }
    return json.dumps({k: str(v) for k, v in stated.items()}, indent=2) + "\n"
