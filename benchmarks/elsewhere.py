"""Does `harness explain` name the true fault on a network that its signatures do not come from?

    python -m benchmarks.elsewhere [FAULT ...] [--out logs/elsewhere] [--seed 101]

Trains the demo once with every fault that has a signature (or those named), a run a core, and sets
each beside the demo's recorded seeds. The demo is another network than the corpus's (the backbone
has a stride of 8, the scenes are plain) and its log has the loss alone. Prints the verdict of
`seed-variation`, how like the true fault a run is, its place among the hints, and the first hint;
below, how often the truth came first and among three, of the runs that failed. Curves with NaN get
no hints. A run that is complete already is not repeated.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.cues import call
from harness import Policy, Verdict, compare, read_run
from harness.comparison.diagnosis import Diagnosis, SimilarFault, diagnose, from_json
from harness.storage.inputs import load

ROOT = Path(__file__).resolve().parents[1]
NAME = "ccnet_r18-d8_demo"
STEPS = 200


def train(fault: str, seed: int, out: Path) -> Path:
    """The log of a run with this fault, trained on one thread."""
    folder = out / fault.replace("=", "_")
    log = folder / "port.log"
    if not log.is_file() or log.read_text(encoding="utf-8").count("TCAPPDLL ") < STEPS:
        log.unlink(missing_ok=True)
        call(
            "-m", "model.train", "--config", NAME, "--device", "cpu",
            "--seed", str(seed), "--fault", fault, "--work-dir", str(folder),
        )  # fmt: skip
    return log


def kind(name: str) -> str:
    """A fault without its severity."""
    return name.partition("=")[0]


def main() -> None:
    """Trains, compares and prints."""
    known = ROOT / "harness" / "comparison" / "signatures.json"
    catalogue = from_json(json.loads(known.read_text("utf-8")))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("faults", nargs="*", default=[fault.name for fault in catalogue.faults])
    parser.add_argument("--out", type=Path, default=ROOT / "logs" / "elsewhere")
    parser.add_argument("--seed", type=int, default=101)
    args = parser.parse_args()
    known = {kind(fault.name) for fault in catalogue.faults}
    unknown = [fault for fault in args.faults if kind(fault) not in known]
    if unknown:
        parser.error(f"no signature of {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    call("-m", "model.data.synthetic", "data/synthetic")
    baseline = load(NAME, baselines=ROOT / "baselines")
    places = []
    print(f"{'injected':26s} {'verdict':13s} {'alike':>5s} {'place':>5s}  first hint")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        logs = pool.map(lambda fault: train(fault, args.seed, args.out), args.faults)
        for fault, log in zip(args.faults, logs, strict=True):
            found = compare(baseline, [read_run(log)], Policy(allow=("all",)))
            named = diagnose(found.aligned, catalogue, most=len(catalogue.faults))
            place = place_of(fault, named.similar)
            if found.verdict is Verdict.FAIL and place:
                places.append(place)
            print(line(fault, found.verdict, named, place), flush=True)
    first, three = (sum(place <= most for place in places) for most in (1, 3))
    print(
        f"of {len(places)} runs that failed and have hints: the truth came first in {first}, "
        f"among the first three in {three}"
    )


def place_of(fault: str, ranked: tuple[SimilarFault, ...]) -> int:
    """The place of the true kind of fault, from 1; 0 where there are no hints."""
    return next((i for i, one in enumerate(ranked, 1) if kind(one.fault.name) == kind(fault)), 0)


def line(fault: str, verdict: Verdict, named: Diagnosis, place: int) -> str:
    """A row of the table."""
    if not place:
        return f"{fault:26s} {verdict:13s}     -     -  none: {named.why_empty}"
    true, best = named.similar[place - 1], named.similar[0]
    found = f"{true.similarity:5.2f} {place:5d}  {best.fault.name} ({best.similarity:.2f})"
    return f"{fault:26s} {verdict:13s} {found}"


if __name__ == "__main__":
    main()
