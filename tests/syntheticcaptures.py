"""Captures of a small network in numpy, with honest rounding and a fault that is known.

The network is a chain of residual blocks (linear, batch norm, ReLU, addition), a linear head and a
squared error, with its backward pass and momentum SGD written out. A device is an order of
summation: two healthy devices differ by rounding alone, which grows as it does in a training. A
fault changes the output of one operator. So the right answer of a comparison is known.
"""

from __future__ import annotations

import numpy as np

from harness.locate.capture import BUCKETS, Capture, Record

BATCH, WIDTH, CLASSES, DEPTH = 64, 48, 10, 5
RATE, MOMENTUM = 0.05, 0.9
F = np.float32


def sketch(array):
    """Sums of random signs, the same for equal sizes."""
    flat = np.where(np.isfinite(array), array, 0).astype(np.float64).ravel()
    signs = np.random.default_rng(flat.size).integers(0, 2, flat.size) * 2 - 1
    return np.bincount(np.arange(flat.size) % BUCKETS, signs * flat, BUCKETS).astype(F)


def counts(array):
    if array.dtype.kind != "f":
        return (0, 0, 0)
    minus = np.isneginf(array).sum()
    return (np.isnan(array).sum(), np.isinf(array).sum() - minus, minus)


def capture_of(entries, **fields):
    """A capture of records with their arrays."""
    arrays = [np.asarray(array) for _, array in entries]
    finite = [np.where(np.isfinite(a), a, 0).astype(np.float64) for a in arrays]
    return Capture(
        records=tuple(record for record, _ in entries),
        sketches=np.array([sketch(a) for a in arrays], dtype=F).reshape(-1, BUCKETS),
        norms=np.array([np.linalg.norm(a) for a in finite]),
        nonfinite=np.array([counts(a) for a in arrays], dtype=np.int64).reshape(-1, 3),
        facts={"device": "cpu", "precision": "float32", **fields.pop("facts", {})},
        **fields,
    )


class Device:
    """One side: an order of summation, names for its operators, a format, and perhaps a fault.

    `fault` is (operator's canonical place, function of the output): the place is `(phase, module,
    name)`. `fused` adds the bias inside the convolution, `split` computes batch norm in three
    operators. `moved` moves weights and inputs by one unit in the last place.
    """

    def __init__(
        self, order=0, *, fault=None, fused=False, split=False, twin=0, moved=False, coarse=False,
        vendor="cudnn", zero_gamma=False, rate=RATE, rename=str, wrapped="", dtype="float32",
    ):  # fmt: skip
        self.order = np.random.default_rng(1000 + order)
        self.fault, self.fused, self.split, self.coarse = fault, fused, split, coarse
        self.twin, self.moved, self.vendor, self.rate = twin, moved, vendor, rate
        self.zero_gamma, self.rename, self.wrapped, self.dtype = zero_gamma, rename, wrapped, dtype
        self.entries, self.counter, self.step = [], 0, 0

    def stored(self, array):
        """An array in the device's format; a coarse one keeps 8 bits of the fraction."""
        array = np.asarray(array, dtype=F)
        if not self.coarse:
            return array
        bits = array.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(F)

    def dot(self, a, b):
        """A product in this device's order of summation."""
        order = self.order.permutation(a.shape[1])
        return sum(
            (a[:, part] @ b[part] for part in np.array_split(order, 3)),
            np.zeros((a.shape[0], b.shape[1]), F),
        )

    def total(self, a):
        """The sum over the batch, in this device's order."""
        return sum((a[part].sum(0) for part in np.array_split(self.order.permutation(len(a)), 3)),
                   np.zeros(a.shape[1], F))  # fmt: skip

    def keep(self, kind, name, array, made_from=(), *, module="", phase="forward", output=0):
        """The number of a new record."""
        if kind == "operator":
            array = self.stored(array)
            if self.fault and self.fault[0] == (phase, module, name):
                array = self.fault[1](array)
        path = f"{self.wrapped}{module}" if module else module
        record = Record(
            kind=kind,
            name=self.rename(f"aten::{name}") if kind == "operator" else f"{self.wrapped}{name}",
            module=path,
            phase=phase,
            order=self.counter if kind == "operator" else -1,
            output=output,
            step=self.step,
            shape=np.shape(array),
            dtype=self.dtype if kind == "operator" else "float32",
            source=f"net.py:{10 + len(module)}" if kind == "operator" else "",
            made_from=tuple(made_from),
        )
        self.counter += kind == "operator"
        self.entries.append((record, array))
        return len(self.entries) - 1, array

    def run(self, steps=1):
        """The capture of some steps."""
        draw = np.random.default_rng(7)
        weights = start(draw, zero_gamma=self.zero_gamma)
        self.nudge = np.random.default_rng(99 + self.twin)
        if self.moved:
            weights = {name: self.ulp(w) for name, w in weights.items()}
        momentum = {name: np.zeros_like(w) for name, w in weights.items()}
        numbers = {n: self.keep("weight", n, w)[0] for n, w in weights.items()}
        zeros = tuple(n for n, w in weights.items() if not w.any())
        for self.step in range(steps):
            self.counter = 0
            x = draw.normal(size=(BATCH, WIDTH)).astype(F)
            y = draw.normal(size=(BATCH, CLASSES)).astype(F)
            x = self.ulp(x) if self.moved else x
            self.one_step(weights, momentum, numbers, x, y)
        return capture_of(
            self.entries, zeros=zeros, twin=self.twin, moved=self.moved,
            facts={"precision": self.dtype},
        )  # fmt: skip

    def ulp(self, array):
        """An array moved by one unit in the last place of the device's format."""
        up = np.where(self.nudge.random(array.shape) < 0.5, 1, -1)
        if self.coarse:
            return (array * (1 + up * F(2**-8))).astype(F)
        return np.where(array == 0, array, np.nextafter(array, up * F(np.inf))).astype(F)

    def one_step(self, weights, momentum, numbers, x, y):
        """Forward, backward, update; each with its records."""
        saved, (at, x) = [], self.keep("input", "images", x)
        target, y = self.keep("input", "targets", y)
        for k in range(DEPTH):
            at, x, memory = self.block(f"block{k}", at, x, weights, numbers)
            saved.append(memory)
        head_in, head_at = x, at
        at, out = self.linear("head", at, x, weights, numbers)
        square = self.keep("operator", "mse_loss", F(((out - y) ** 2).mean()), (at, target))
        self.keep("loss", "loss", square[1], (square[0],))
        way = self.keep("operator", "mse_loss_backward", 2 * (out - y) / F(out.size), (at, target),
                        phase="backward")  # fmt: skip
        grads, (at, grad) = {}, way
        at, grad = self.linear_back("head", at, grad, head_at, head_in, weights, numbers, grads)
        for k in reversed(range(DEPTH)):
            at, grad = self.block_back(f"block{k}", at, grad, saved[k], weights, numbers, grads)
        for name, (number, gradient) in grads.items():
            self.keep("gradient", name, gradient, (number,), phase="backward")
            momentum[name] = F(MOMENTUM) * momentum[name] + gradient
            before = weights[name]
            weights[name] = before - F(self.rate) * momentum[name]
            self.keep("update", name, weights[name] - before)

    def linear(self, module, at, x, weights, numbers):
        w, b = weights[f"{module}.weight"], weights[f"{module}.bias"]
        n_w, n_b = numbers[f"{module}.weight"], numbers[f"{module}.bias"]
        if self.fused:
            at, h = self.keep(
                "operator", "addmm", self.dot(x, w) + b, (at, n_w, n_b), module=module
            )
        else:
            at, h = self.keep("operator", "mm", self.dot(x, w), (at, n_w), module=module)
            at, h = self.keep("operator", "add", h + b, (at, n_b), module=module)
        return self.keep("module", "", h, (at,), module=module)

    def linear_back(self, module, at, grad, x_at, x, weights, numbers, grads):
        back = {"module": module, "phase": "backward"}
        w = weights[f"{module}.weight"]
        grads[f"{module}.weight"] = self.keep(
            "operator", "mm", self.dot(x.T, grad), (at, x_at), **back
        )
        grads[f"{module}.bias"] = self.keep("operator", "sum", self.total(grad), (at,), **back)
        return self.keep(
            "operator", "mm", self.dot(grad, w.T), (at, numbers[f"{module}.weight"]), **back
        )

    def norm(self, module, at, h, weights, numbers):
        gamma, beta = weights[f"{module}.weight"], weights[f"{module}.bias"]
        from_weights = (numbers[f"{module}.weight"], numbers[f"{module}.bias"])
        mean = self.total(h) / F(BATCH)
        scale = 1 / np.sqrt(self.total((h - mean) ** 2) / F(BATCH) + F(1e-5))
        unit = (h - mean) * scale
        if self.split:
            m = self.keep("operator", "mean", mean, (at,), module=module)[0]
            at, _ = self.keep("operator", "mul", unit, (at, m), module=module)
            at, n = self.keep(
                "operator", "add", unit * gamma + beta, (at, *from_weights), module=module
            )
        else:
            made = self.keep("operator", f"{self.vendor}_batch_norm", unit * gamma + beta,
                             (at, *from_weights), module=module)  # fmt: skip
            at, n = made
        at, n = self.keep("module", "", n, (at,), module=module)
        return at, n, unit, scale

    def block(self, module, at, x, weights, numbers):
        into, h = self.linear(f"{module}.fc", at, x, weights, numbers)
        n_at, n, unit, scale = self.norm(f"{module}.norm", into, h, weights, numbers)
        r_at, r = self.keep("operator", "relu", np.maximum(n, 0), (n_at,), module=f"{module}.act")
        out = self.keep("operator", "add", x + r, (at, r_at), module=module)
        return (*out, (at, x, into, unit, scale, r_at, r))

    def block_back(self, module, at, grad, memory, weights, numbers, grads):
        x_at, x, h_at, unit, scale, r_at, r = memory
        at_r, g = self.keep("operator", "threshold_backward", grad * (r > 0), (at, r_at),
                            module=f"{module}.act", phase="backward")  # fmt: skip
        norm = f"{module}.norm"
        gamma = weights[f"{norm}.weight"]
        back = {"module": norm, "phase": "backward"}
        name = f"{self.vendor}_batch_norm_backward"
        sums = self.total(g), self.total(g * unit)
        d = gamma * scale * (g - sums[0] / F(BATCH) - unit * sums[1] / F(BATCH))
        source = (at_r, h_at, numbers[f"{norm}.weight"])
        at_d, d = self.keep("operator", name, d, source, **back)
        grads[f"{norm}.weight"] = self.keep("operator", name, sums[1], source, output=1, **back)
        grads[f"{norm}.bias"] = self.keep("operator", name, sums[0], source, output=2, **back)
        at_x, d = self.linear_back(f"{module}.fc", at_d, d, x_at, x, weights, numbers, grads)
        return self.keep("operator", "add", grad + d, (at, at_x), module=module, phase="backward")


def start(draw, *, zero_gamma=False):
    """The weights before the first step."""
    weights = {}
    for k in range(DEPTH):
        weights[f"block{k}.fc.weight"] = draw.normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)
        weights[f"block{k}.fc.bias"] = 0.1 * draw.normal(size=WIDTH)
        weights[f"block{k}.norm.weight"] = np.full(WIDTH, 0.0 if zero_gamma else 0.6)
        weights[f"block{k}.norm.bias"] = 0.1 * draw.normal(size=WIDTH)
    weights["head.weight"] = draw.normal(size=(WIDTH, CLASSES)) / np.sqrt(WIDTH)
    weights["head.bias"] = np.zeros(CLASSES)
    return {name: w.astype(F) for name, w in weights.items()}


def baseline(steps=1, *, twins=2, **options):
    """The capture of the baseline, and its twins."""
    moved = [Device(0, twin=k, moved=True, **options).run(steps) for k in range(1, twins + 1)]
    return Device(0, **options).run(steps), moved
