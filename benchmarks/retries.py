"""How often a faulty port passes if it is trained again until it passes.

    python -m benchmarks.retries [--ports 200] [--seed 0]

Simulated ports against a baseline of 10 seeds, judged by `seed-variation`. The levels of two seeds
differ by 2 % (one standard deviation), and a faulty port's loss is higher by a shift. Each attempt
has another seed. `until it passes` stops at the first pass; `worst decides` is what `attempts` and
the history do: a failure is never undone. It prints the rates of a port that passes an attempt with
probability p too, which are 1 - (1 - p)^k.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from harness import Policy, Run, compare
from harness.log.facts import RunFacts
from harness.log.run import Series

SPREAD, NOISE, STEPS, SEEDS = 0.02, 0.03, 200, 10
SHIFTS = (0.0, 0.08, 0.1, 0.12)
ATTEMPTS = (1, 2, 3, 5, 10)
POLICY = Policy(rules=("seed-variation",))


def trained(rng: np.random.Generator, shift: float, name: str) -> Run:
    """One training whose loss is higher by a fraction."""
    steps = np.arange(STEPS)
    level = (1 + shift) * np.exp(SPREAD * rng.standard_normal())
    curve = level * (0.3 + np.exp(-steps / 40)) * (1 + NOISE * rng.standard_normal(STEPS))
    series = Series(name="loss", rank=0, unit="", steps=steps, values=curve)
    facts = RunFacts(values_by_name={"seed": int(rng.integers(2**31))})
    return Run(source=name, series=(series,), facts=facts, formats=("simulated",))


def verdicts(rng: np.random.Generator, shift: float, count: int) -> list[str]:
    """The verdicts of a port's attempts."""
    base = [trained(rng, 0.0, f"gpu{i}") for i in range(SEEDS)]
    tries = (trained(rng, shift, f"try{i}") for i in range(count))
    return [str(compare(base, candidate, POLICY).verdict) for candidate in tries]


def rates(ports: Sequence[Sequence[str]], count: int) -> tuple[float, float, float]:
    """The shares that pass within `count` attempts, pass all of them, and fail one of them."""
    parts = [port[:count] for port in ports]
    return (
        float(np.mean(["pass" in part for part in parts])),
        float(np.mean([set(part) == {"pass"} for part in parts])),
        float(np.mean(["fail" in part for part in parts])),
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ports", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    print("% of ports that pass: until it passes / worst decides (of these fail in an attempt)")
    print("shift    " + "".join(f"{k:>4} attempts     " for k in ATTEMPTS))
    for shift in SHIFTS:
        ports = [verdicts(rng, shift, max(ATTEMPTS)) for _ in range(args.ports)]
        cells = [rates(ports, k) for k in ATTEMPTS]
        row = "".join(f"{100 * a:5.0f} /{100 * b:4.0f} ({100 * f:3.0f})  " for a, b, f in cells)
        print(f"{shift:5.0%}  {row}")
    print("by 1 - (1 - p)^k")
    for p in (0.01, 0.05, 0.1, 0.2):
        cells = "".join(f"{100 * (1 - (1 - p) ** k):5.0f}             " for k in ATTEMPTS)
        print(f"p {p:4.0%}  {cells}")


if __name__ == "__main__":
    main()
