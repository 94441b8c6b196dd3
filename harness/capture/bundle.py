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

from harness.capture.judging import Call
from harness.capture.operators import tensors, written
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
begin = 8 + int.from_bytes(data[:8], "little")
def read(name, dtype):
    stated = json.loads(data[8:begin])[name]
    first, last = stated["data_offsets"]
    return torch.frombuffer(bytearray(data[begin + first:begin + last]), dtype=dtype).reshape(stated["shape"])
{inputs}
returned = torch.ops.{call}({arguments})
results = [r for r in torch.utils._pytree.tree_leaves(returned) if isinstance(r, torch.Tensor)]
results += [w for w in [{changed}] if all(w is not r for r in results)]
exact, seen, again = (x.double() for x in (read("exact", {exact}), read("seen", {seen}), results[{output}].cpu()))
print("largest error:", (again - exact).abs().max().item(), "now,", (seen - exact).abs().max().item(), "in training")
'''


class Bundles:
    """Writes a bundle for the first wrong result of each operator, up to a number."""

    def __init__(self, folder: Path, *, most: int, facts: dict[str, str]) -> None:
        self.folder = folder / "bundles"
        self.facts = facts
        self.device = facts.get("device", "cpu")
        self.most = most
        self._written: set[str] = set()

    def keep(self, call: Call, row: Row, exact: Tensor) -> Row:
        """Returns the row with the name of its bundle, if one was written."""
        if row.operator in self._written or len(self._written) >= self.most:
            return row
        inputs = {id(t): f"in{n}" for n, t in enumerate(tensors(call.arguments))}
        held = {name: t.contiguous() for t in tensors(call.arguments) if (name := inputs[id(t)])}
        held |= {"seen": call.seen[row.output].contiguous(), "exact": exact.contiguous()}
        if sum(t.numel() * t.element_size() for t in held.values()) > LARGEST_BYTES:
            return replace(row, note=f"{row.note}; its tensors are too large for a bundle")
        if any(not t.numel() for t in held.values()):
            return row
        name = f"{len(self._written)}-{re.sub(r'[^A-Za-z0-9_.]+', '-', row.operator)}"
        self._written.add(row.operator)
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / "tensors.safetensors", save(_own_memory(held)))
        write_bytes(folder / "repro.py", _script(call, row, inputs, held, self.device).encode())
        write_bytes(folder / "versions.json", _versions(row, self.facts).encode())
        return replace(row, bundle=f"bundles/{name}")


def _own_memory(held: dict[str, Tensor]) -> dict[str, Tensor]:
    """Returns copies, since safetensors writes no tensors that share memory."""
    return {name: tensor.clone() for name, tensor in held.items()}


def _script(
    call: Call, row: Row, inputs: dict[int, str], held: dict[str, Tensor], device: str
) -> str:
    args, kwargs = call.arguments
    lines = [
        f'{inputs[id(t)]} = read("{inputs[id(t)]}", {t.dtype}).to(device){_layout(t)}'
        for t in tensors(call.arguments)
    ]
    shown = [_literal(a, inputs) for a in args]
    shown += [f"{name}={_literal(value, inputs)}" for name, value in kwargs.items()]
    changed = [inputs[id(t)] for t in written(call.op, args, kwargs)]
    where = f" in {row.module}" if row.module else ""
    return SCRIPT.format(
        title=f"{row.operator}{where} ({row.phase})",
        device=device,
        inputs="\n".join(lines),
        call=f"{call.op._schema.name.replace('::', '.')}.{call.op._overloadname}",
        arguments=", ".join(shown),
        changed=", ".join(changed),
        exact=held["exact"].dtype,
        seen=held["seen"].dtype,
        output=row.output,
    )


def _layout(tensor: Tensor) -> str:
    """Returns the call that restores the memory format of images that lie channels last."""
    last = tensor.dim() == 4 and not tensor.is_contiguous()
    if last and tensor.is_contiguous(memory_format=torch.channels_last):
        return ".contiguous(memory_format=torch.channels_last)"
    return ""


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
