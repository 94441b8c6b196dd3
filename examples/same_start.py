"""The same start for any PyTorch training: copy this file beside your script."""

import os
import random
from pathlib import Path
from zlib import crc32

import numpy as np
import torch

ROUNDING = 2.0**-24  # of the products: float32 2**-24, float16 and TF32 2**-11, bfloat16 2**-8


def exact(seed):
    """Seeds the generators, asks for deterministic kernels, and turns TF32 off."""
    for seeded in (random.seed, np.random.seed, torch.manual_seed):
        seeded(seed)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def begin(model, path, draw=0):
    """Loads the initial weights; the first run saves them. Draw 1, 2, .. is a perturbed run."""
    if not Path(path).exists():
        torch.save({name: tensor.cpu() for name, tensor in model.state_dict().items()}, path)
    model.load_state_dict(torch.load(path, map_location="cpu"))
    for n, parameter in enumerate(model.parameters()):
        parameter.data.copy_(moved(parameter.data, draw, n))


def moved(x, draw, key):
    """Returns x with every element moved by a rounding up, down or not at all; zeros stay."""
    if not draw or not x.is_floating_point():
        return x
    generator = np.random.Generator(np.random.PCG64([draw, key]))
    way = torch.from_numpy(generator.integers(-1, 2, size=tuple(x.shape), dtype=np.int8))
    size = max(ROUNDING, torch.finfo(x.dtype).eps / 2)
    return (x.detach().cpu().double() * (1 + size * way.double())).to(x.device, x.dtype)


def fingerprint(arrays):
    """Returns eight random projections of named arrays as text."""
    sums = np.zeros(8)
    for name, values in arrays.items():
        x = torch.as_tensor(values).detach().cpu().double().numpy().ravel()
        norm = np.sqrt(x @ x)
        for j in range(8 if norm else 0):
            generator = np.random.Generator(np.random.PCG64([crc32(name.encode()), j]))
            bits = np.frombuffer(generator.bytes(x.size // 8 + 1), np.uint8)
            signs = np.unpackbits(bits, count=x.size + 1) * 2.0 - 1
            sums[j] += signs[:-1] @ x / norm + signs[-1] * np.sin((10 + j) * np.log(norm))
    return " ".join(f"{number:.7g}" for number in sums / np.sqrt(max(1, len(arrays))))


def norms(name, tensors):
    """Returns the norm of all elements, and the geometric mean of the norms of the tensors."""
    squares = np.array([float(torch.linalg.vector_norm(t.detach().float())) for t in tensors]) ** 2
    shares = np.array([t.numel() for t in tensors]) / sum(t.numel() for t in tensors)
    whole = squares.sum()
    middle = np.exp(np.log(squares + 1e-10 * whole * shares).mean() / 2) if whole else 0.0
    return {f"{name}_norm": float(whole**0.5), f"{name}_norm_geometric": float(middle)}


class Log:
    """A log that states the start, then has one line a step with all digits.

    `batches` are the first pairs (inputs, labels). Only one process may write.
    """

    def __init__(self, path, model, batches, *, precision="float32", draw=0):
        inputs, labels = zip(*batches, strict=True)
        self.path, self.model = Path(path), model
        self.before = [p.detach().clone() for p in model.parameters()]
        facts = {
            "same_start": True,
            "precision": precision,
            "start_weights": fingerprint(model.state_dict()),
            "start_images": fingerprint({f"inputs {n}": x for n, x in enumerate(inputs)}),
            "start_labels": fingerprint({f"labels {n}": x for n, x in enumerate(labels)}),
            **({"perturbed": f"draw {draw}"} if draw else {}),
        }
        lines = [f"    {name}: {value}" for name, value in facts.items()]
        self.path.write_text("\n".join(["Port environment:", *lines, "", ""]))

    def write(self, step, loss, **figures):
        """Writes a step: call it after `optimizer.step()` and before `zero_grad()`."""
        now = [p.detach().clone() for p in self.model.parameters()]
        found = {
            "loss": float(loss.detach()),
            **figures,
            **norms("grad", [p.grad for p in self.model.parameters() if p.grad is not None]),
            **norms("update", [new - old for new, old in zip(now, self.before, strict=True)]),
        }
        self.before = now
        with self.path.open("a") as file:
            line = ", ".join(f"{name}: {value!r}" for name, value in found.items())
            file.write(f"step: {step}, {line}\n")
