"""What is done to runs and must never pass, and what honest runs may show and must not fail.

A `Case` changes the runs of a comparison in a way that is known, says of which formats it can be
written, and which verdicts are right. `CASES` are the tamperings, `CONTROLS` their honest
counterparts. `damaged` draws a tampering at random, of a strength that no honest run shows.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from truthlogs import (
    FORMS,
    LOSS,
    LR,
    MIOU,
    NORM,
    PARTS,
    STEPS,
    Form,
    Truth,
    Value,
    honest,
)

from harness import HarnessError, Policy, Run, compare
from harness.rules import parse_rule

LOSSES = (LOSS, *PARTS)
MEASURED = (*LOSSES, NORM)
BASELINE_SEEDS = range(1, 11)
CANDIDATE_SEEDS = range(77, 87)
COPIED = 2
"""Place of the baseline run that copies are made of."""
ERROR = "error"
"""Stands for a `HarnessError` among the verdicts: the log is refused, which is no pass."""
NEVER = frozenset({"fail", "inconclusive", "incomparable", ERROR})
OPEN = frozenset({"inconclusive"})
OTHER = frozenset({"incomparable"})
SHOWN = frozenset({"fail", "incomparable"})
UNLIKE = frozenset({"fail", "inconclusive"})
PASS = frozenset({"pass"})
NO_FAIL = frozenset({"pass", "inconclusive"})

TOKENS = (
    *("null", "None", "NULL", "nil", "undefined", "NA", "N/A", "<NA>", "#N/A", "-", "--", "?"),
    *("nan", "NaN", "NAN", "-nan", '"NaN"', '"nan"', "'nan'", "[nan]", "nan(ind)", "-nan(ind)"),
    *("1.#QNAN", "-1.#IND", "1.#INF", "inf", "-inf", "Infinity", '"Infinity"', "1e999"),
    *("tensor(nan)", "tensor(nan, device='cuda:0')", "array(nan, dtype=float32)"),
    *(
        "******",
        "",
        '""',
        "true",
        "True",
        "{}",
        '{"value": NaN}',
        "[]",
        "0x1p",
        "1.2.3",
        "diverged",
    ),
)
"""What programs print where a loss is no number."""
SOME_TOKENS = ("null", '"NaN"', "nan", "-nan(ind)", "******", "", "tensor(nan)")

Change = Callable[["Setting"], "Setting"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """A comparison before it is written: the runs of both sides.

    `edit` changes the candidates' text, `written` is their format where it is another one.
    """

    form: Form
    baseline: tuple[Truth, ...]
    candidate: tuple[Truth, ...]
    edit: Callable[[str], str] | None = None
    written: Form | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A change of a comparison of `runs` baseline and candidate runs, and the verdicts allowed.

    `needs` is what a format must hold, `forms` are those tried where not all are. `shifts` says
    that records are lost, which moves every later one where lines name no step. A `lean` case is
    about runs that log the loss and the schedule of one rank alone, which is read sooner. One that
    is not `whole` leaves out or spoils what the baseline shows, so that no rule at all passes it;
    a `whole` one shows everything, other figures among them.
    """

    kind: str
    name: str
    change: Change
    allowed: frozenset[str] = NEVER
    needs: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()
    runs: tuple[int, int] = (10, 1)
    shifts: bool = False
    lean: bool = False
    whole: bool = True

    def applies(self, form: Form) -> bool:
        """Whether the format can be written so."""
        return all(map(form.can, self.needs)) and (not self.forms or form.name in self.forms)

    def setting(self, form: Form) -> Setting:
        """The comparison in this format, changed."""
        found = setting(form, self.runs)
        if self.lean:
            found = replace(
                found,
                baseline=tuple(map(_lean, found.baseline)),
                candidate=tuple(map(_lean, found.candidate)),
            )
        return self.change(found)

    def right(self, form: Form) -> frozenset[str]:
        """The verdicts that are right of this format."""
        return self.allowed | NEVER if self.shifts and not form.numbered else self.allowed


def setting(form: Form, runs: tuple[int, int] = (10, 1)) -> Setting:
    """Honest runs: the candidate has other seeds and another device."""
    return Setting(
        form=form,
        baseline=tuple(honest(form, seed) for seed in BASELINE_SEEDS[: runs[0]]),
        candidate=tuple(honest(form, seed, "sdaa") for seed in CANDIDATE_SEEDS[: runs[1]]),
    )


@lru_cache(maxsize=512)
def _lean(truth: Truth) -> Truth:
    """The loss and the schedule of rank 0 alone."""
    curves = {key: curve for key, curve in truth.curves.items() if key in {(LOSS, 0), (LR, 0)}}
    stated = {name: value for name, value in truth.facts.items() if name != "world_size"}
    return replace(truth, curves=curves, facts=stated)


@lru_cache(maxsize=512)
def _read(form: Form, truth: Truth, source: str) -> Run:
    return form.run(truth, source=source)


def sides(found: Setting) -> tuple[list[Run], list[Run]]:
    """The runs of both sides, written and read; those of the baseline once."""
    base = [_read(found.form, truth, f"seed_{i:02}.log") for i, truth in enumerate(found.baseline)]
    form = found.written or found.form
    cand = []
    for i, truth in enumerate(found.candidate):
        source = f"candidate_{i}.log"
        if found.edit is None:
            cand.append(form.run(truth, source=source))
        else:
            cand.append(form.read(found.edit(form.text(truth)), source=source))
    return base, cand


def verdict(found: Setting, *rules: str) -> str:
    """The verdict of the default policy, or of these rules; `error` where the logs are refused."""
    policy = Policy(rules=tuple(map(parse_rule, rules))) if rules else Policy()
    try:
        return str(compare(*sides(found), policy).verdict)
    except HarnessError:
        return ERROR


# What is done to a run


def mapped(
    truth: Truth,
    names: Sequence[str],
    new: Callable[[int, float], Value | None],
    *,
    ranks: Sequence[int] = (0, 1),
) -> Truth:
    """The run with other values, `new(step, value)`, of some series; None drops the record."""
    curves = {}
    for (name, rank), curve in truth.curves.items():
        if name in names and rank in ranks:
            after = {step: new(step, value) for step, value in curve.items()}  # type: ignore[arg-type]
            kept = {step: value for step, value in after.items() if value is not None}
            if kept:
                curves[name, rank] = kept
        else:
            curves[name, rank] = curve
    return replace(truth, curves=curves)


def each(new: Callable[[Truth], Truth]) -> Change:
    """A change of every candidate run."""
    return lambda found: replace(found, candidate=tuple(map(new, found.candidate)))


def values(names: Sequence[str], new: Callable[[int, float], Value | None], **where) -> Change:
    """A change of values of every candidate run."""
    return each(lambda truth: mapped(truth, names, new, **where))


def everything(new: Callable[[int], bool]) -> Change:
    """Of every candidate run the records at steps that `new` keeps."""
    return each(lambda truth: kept(truth, new))


def kept(truth: Truth, keep: Callable[[int], bool]) -> Truth:
    """The records of a run at some steps."""
    names = [name for name, _ in truth.curves]
    return mapped(truth, names, lambda step, value: value if keep(step) else None)


def at_one(names: Sequence[str], new: Callable[[float], Value], step: int, **where) -> Change:
    """A change of the first record from a step on, of each series."""

    def changed(truth: Truth) -> Truth:
        logged = [s for s in truth.curves[LOSS, 0] if s >= step]
        return mapped(truth, names, lambda s, v: new(v) if s == logged[0] else v, **where)

    return each(changed)


def from_early_on(value: Value | None, *, rank: int = 0) -> Change:
    """Another loss from step 120 of 400 on; from 240 on where a record comes every few steps.

    What comes before would be enough to be judged.
    """

    def changed(found: Setting) -> Setting:
        start = 120 if found.form.interval == 1 else 240
        return values([LOSS], lambda s, v: value if s >= start else v, ranks=(rank,))(found)

    return changed


def first_alone(change: Change) -> Change:
    """The change, of the first candidate run only."""
    return lambda found: replace(
        found, candidate=(change(found).candidate[0], *found.candidate[1:])
    )


def facts(**stated: object) -> Change:
    """Another statement, where the format has a place for it; None states nothing."""

    def changed(truth: Truth) -> Truth:
        found = {**truth.facts, **{k: v for k, v in stated.items() if k in truth.facts}}
        return replace(truth, facts={k: v for k, v in found.items() if v is not None})

    return each(changed)


def after(*changes: Change) -> Change:
    """One change after the other."""

    def changed(found: Setting) -> Setting:
        for change in changes:
            found = change(found)
        return found

    return changed


def text(edit: Callable[[str], str]) -> Change:
    """A change of the candidates' text."""
    return lambda found: replace(found, edit=edit)


def torn(log: str) -> str:
    """The last 40 % of the lines, each without its end."""
    lines = log.split("\n")
    whole = int(0.6 * len(lines))
    return "\n".join([*lines[:whole], *(line[: int(0.55 * len(line))] for line in lines[whole:])])


def silent(which: str, at: int, *, loss_alone: bool) -> Change:
    """One run of a side says less: no facts, or the loss alone."""

    def quiet(truth: Truth) -> Truth:
        if not loss_alone:
            steps = {k: v for k, v in truth.facts.items() if k == "effective_batch"}  # of mllog
            return replace(truth, facts=steps)
        curves = {key: curve for key, curve in truth.curves.items() if key[0] == LOSS}
        return replace(truth, curves=curves)

    def changed(found: Setting) -> Setting:
        runs = list(getattr(found, which))
        runs[at] = quiet(runs[at])
        return replace(found, **{which: tuple(runs)})

    return changed


# The tamperings, kind by kind


def _numbers() -> Iterator[Case]:
    for token in TOKENS:
        yield Case(
            kind="numbers",
            whole=False,
            name=f"{token!r} from early on",
            change=from_early_on(token),
            needs=("text",),
            lean=True,
        )
    for token in SOME_TOKENS:
        one = {"needs": ("text",), "kind": "numbers", "whole": False, "lean": True}
        yield Case(
            name=f"{token!r} at one step", change=at_one([LOSS], lambda v, t=token: t, 200), **one
        )
        yield Case(
            name=f"{token!r} at the last step",
            change=at_one([LOSS], lambda v, t=token: t, STEPS - 1),
            **one,
        )
        yield Case(
            kind="numbers",
            whole=False,
            name=f"{token!r} of rank 1 from early on",
            change=from_early_on(token, rank=1),
            needs=("text", "ranks"),
        )
    nan = {"kind": "numbers", "whole": False, "allowed": frozenset({"fail"})}
    for number in (float("nan"), float("inf")):
        yield Case(
            name=f"the float {number} from early on",
            change=from_early_on(number),
            **nan,
        )
        yield Case(
            name=f"the float {number} at one step",
            change=at_one([LOSS], lambda v, number=number: number, 200),
            **nan,
        )
    yield Case(
        kind="numbers",
        whole=False,
        name="left out from early on",
        change=from_early_on(None),
        shifts=True,
    )


def _ends() -> Iterator[Case]:
    of = {"kind": "ends", "whole": False}
    open_ = {**of, "allowed": OPEN, "shifts": True}
    yield Case(name="killed at 60 %", change=everything(lambda s: s < 240), **open_)
    yield Case(name="killed at 93 %", change=everything(lambda s: s < 372), **open_)
    yield Case(name="60 of 400 steps", change=everything(lambda s: s < 60), **open_)
    yield Case(name="starts at step 100", change=everything(lambda s: s >= 100), **open_)
    yield Case(
        name="the middle 20 % missing", change=everything(lambda s: not 160 <= s < 240), **open_
    )
    yield Case(
        name="all but the loss ends at 60 %",
        **of,
        needs=(LR,),
        change=values([LR, NORM, *PARTS, MIOU], lambda s, v: v if s < 240 else None),
    )
    yield Case(
        **of,
        name="NaN, then nothing",
        change=after(at_one([LOSS], lambda v: float("nan"), 240), everything(lambda s: s < 245)),
    )
    yield Case(
        **of,
        name="NaN at step 390, then nothing",
        change=after(at_one([LOSS], lambda v: float("nan"), 390), everything(lambda s: s < 395)),
    )
    yield Case(
        **of,
        name="null, then nothing",
        change=after(at_one([LOSS], lambda v: "null", 240), everything(lambda s: s < 245)),
        needs=("text",),
    )
    yield Case(
        **of,
        name="the last 40 % torn",
        change=text(torn),
        needs=("text",),
        forms=tuple(name for name in FORMS if name != "columns"),  # a shorter number is a number
    )


def _late(truth: Truth) -> Truth:
    logged = sorted(truth.curves[LOSS, 0])
    stride = logged[1] - logged[0]
    late = {step + stride: value for step, value in truth.curves[MIOU, 0].items()}
    late = {step: value for step, value in late.items() if step <= logged[-1]}
    return replace(truth, curves={**truth.curves, (MIOU, 0): late})


def _lower(step: int, value: float) -> float:
    return value - 10


def _validation() -> Iterator[Case]:
    of = {"kind": "validation", "needs": (MIOU,), "whole": False}
    whole = {**of, "whole": True}
    nothing = values([MIOU], lambda s, v: None)
    yield Case(name="missing", change=nothing, allowed=OPEN, **of)
    yield Case(name="missing in three", change=nothing, allowed=OPEN, runs=(10, 3), **of)
    half = values([MIOU], lambda s, v: v if s < 200 else None)
    yield Case(name="the first half alone", change=half, allowed=OPEN, **of)
    one = values([MIOU], lambda s, v: v if s > 390 else None)
    yield Case(name="the last alone", change=one, allowed=OPEN, **of)
    yield Case(name="one record late", change=each(_late), allowed=OPEN, **of)
    yield Case(
        name="one record late and 10 lower", change=after(values([MIOU], _lower), each(_late)), **of
    )
    yield Case(
        name="misspelt",
        change=each(lambda truth: replace(truth, spelt={MIOU: "val.miou"})),
        allowed=OPEN,
        **of,
    )
    yield Case(
        name="misspelt and 10 lower",
        change=after(
            values([MIOU], _lower), each(lambda truth: replace(truth, spelt={MIOU: "val.miou"}))
        ),
        **of,
    )
    for token in ("null", '"NaN"', "--", ""):
        yield Case(
            name=f"{token!r} throughout",
            change=values([MIOU], lambda s, v, t=token: t),
            **{**of, "needs": (MIOU, "text")},
        )
    yield Case(
        name="all but the last lower by 10",
        change=values([MIOU], lambda s, v: v if s > 390 else v - 10),
        **whole,
    )
    yield Case(
        name="30 lower once", change=values([MIOU], lambda s, v: v - 30 if s == 239 else v), **whole
    )
    for count in (1, 3, 10):
        many = {**of, "runs": (10, count)}
        if count == 10:
            many["forms"] = LIGHT
        yield Case(
            name=f"10 lower in {count}", change=values([MIOU], _lower), **{**many, "whole": True}
        )
        yield Case(name=f"NaN in {count}", change=values([MIOU], lambda s, v: float("nan")), **many)


FACTUAL = ("tcappdll", "mmengine", "mmcv", "hf-trainer", "mllog", "json lines", "csv", "plain")
SEVERAL = ("tcappdll", "mmengine", "mmcv", "hf-trainer state", "megatron", "mllog", "columns")
"""Formats of every kind, for what has little to do with how a log is written."""
LIGHT = ("mmengine", "scalars.json", "hf-trainer state", "mllog")
"""Formats quick to read, for comparisons of twenty runs."""


def _schedule() -> Iterator[Case]:
    of = {"kind": "schedule", "needs": (LR,), "whole": False}
    yield Case(name="missing", change=values([LR], lambda s, v: None), **of)
    yield Case(name="half of it", change=values([LR], lambda s, v: v if s < 200 else None), **of)
    yield Case(name="constant", change=values([LR], lambda s, v: 0.01), allowed=SHOWN, **of)
    yield Case(name="twice", change=values([LR], lambda s, v: 2 * v), allowed=SHOWN, **of)
    yield Case(name="half", change=values([LR], lambda s, v: v / 2), allowed=SHOWN, **of)
    yield Case(name="5 % higher", change=values([LR], lambda s, v: 1.05 * v), allowed=SHOWN, **of)
    yield Case(name="NaN", change=values([LR], lambda s, v: float("nan")), **of)
    for token in ("null", '"constant"', "--"):
        yield Case(
            name=f"{token!r} throughout",
            change=values([LR], lambda s, v, t=token: t),
            **{**of, "needs": (LR, "text")},
        )
    yield Case(
        kind="schedule",
        name="renamed, and twice",
        change=after(
            values([LR], lambda s, v: 2 * v),
            each(lambda truth: replace(truth, spelt={LR: "lr/group0"})),
        ),
        needs=(LR, "free"),
    )
    yield Case(
        kind="schedule",
        name="stated twice as high",
        change=facts(learning_rate=0.02),
        allowed=OTHER,
        needs=("learning_rate",),
    )
    yield Case(
        kind="schedule",
        name="stated twice as high in three",
        change=facts(learning_rate=0.02),
        allowed=OTHER,
        needs=("learning_rate",),
        runs=(10, 3),
    )
    for batch, value in (("batch_per_device", 8), ("effective_batch", 16)):
        yield Case(
            kind="schedule",
            name=f"{batch} twice as large",
            change=facts(**{batch: value}),
            allowed=OTHER,
            needs=(batch,),
            forms=tuple(name for name in FORMS if name != "mllog"),  # its steps follow from it
        )


def _signals() -> Iterator[Case]:
    of = {"kind": "signals", "needs": (NORM,), "whole": False}
    yield Case(name="norm missing", change=values([NORM], lambda s, v: None), **of)
    yield Case(
        name="norm NaN from half on",
        change=values([NORM], lambda s, v: v if s < 200 else float("nan")),
        **of,
    )
    yield Case(name="norm x10", change=values([NORM], lambda s, v: 10 * v), **{**of, "whole": True})
    yield Case(
        name="norm ends at half", change=values([NORM], lambda s, v: v if s < 200 else None), **of
    )
    yield Case(
        name="norm null from half on",
        change=values([NORM], lambda s, v: v if s < 200 else "null"),
        **{**of, "needs": (NORM, "text")},
    )
    parts = {**of, "needs": PARTS}
    yield Case(name="a part missing", change=values(PARTS[:1], lambda s, v: None), **parts)
    yield Case(
        name="parts swapped", change=each(_swapped), allowed=UNLIKE, **{**parts, "whole": True}
    )
    yield Case(
        name="a part NaN from half on",
        change=values(PARTS[1:], lambda s, v: v if s < 200 else float("nan")),
        **parts,
    )


def _swapped(truth: Truth) -> Truth:
    other = dict(zip(PARTS, reversed(PARTS), strict=True))
    return replace(truth, curves={(other.get(n, n), r): c for (n, r), c in truth.curves.items()})


def _ranks() -> Iterator[Case]:
    of = {"kind": "ranks", "needs": ("ranks",), "whole": False}
    lost = frozenset({"inconclusive", "incomparable"})
    every = (LR, *MEASURED)
    gone = values(every, lambda s, v: None, ranks=(1,))
    yield Case(name="rank 1 missing", change=gone, allowed=lost, **of)
    yield Case(name="rank 1 missing in three", change=gone, allowed=lost, runs=(10, 3), **of)
    rare = values(every, lambda s, v: v if s % 50 == 0 else None, ranks=(1,))
    yield Case(name="rank 1 every 50th step", change=rare, allowed=OPEN, **of)
    ends = values(every, lambda s, v: v if s < 200 else None, ranks=(1,))
    yield Case(name="rank 1 ends at half", change=ends, allowed=OPEN, **of)
    sick = values([LOSS], lambda s, v: v if s < 200 else float("nan"), ranks=(1,))
    yield Case(name="rank 1 NaN from half on", change=sick, allowed=UNLIKE, **of)
    far = values(LOSSES, lambda s, v: 1.5 * v, ranks=(1,))
    yield Case(name="rank 1 x1.5", change=far, **{**of, "whole": True})
    same = each(lambda t: replace(t, curves={(n, r): t.curves[n, 0] for n, r in t.curves}))
    yield Case(name="rank 1 repeats rank 0", change=same, **{**of, "whole": True})


def _zeros(truth: Truth) -> Truth:
    logged = sorted(truth.curves[LOSS, 0])
    middle = set(logged[len(logged) // 2 :][:10])
    return mapped(truth, [LOSS], lambda s, v: 0.0 if s in middle else v)


def _spikes() -> Iterator[Case]:
    for name, new in (
        ("x1000", lambda v: 1000 * v),
        ("1e6", lambda v: 1e6),
        ("0", lambda v: 0.0),
        ("x-1", lambda v: -v),
        ("x30", lambda v: 30 * v),
    ):
        for place, step in (("", 200), (" at the last step", STEPS - 1), (" at the first step", 0)):
            yield Case(
                kind="spikes", forms=SEVERAL, name=name + place, change=at_one([LOSS], new, step)
            )
    yield Case(
        kind="spikes",
        forms=SEVERAL,
        name="ten zeros in the middle",
        change=each(_zeros),
    )
    yield Case(
        kind="spikes",
        forms=SEVERAL,
        name="x1000 once in one of three",
        change=first_alone(at_one([LOSS], lambda v: 1000 * v, 200)),
        runs=(10, 3),
    )
    yield Case(
        kind="spikes",
        forms=SEVERAL,
        name="x1000 once of rank 1",
        change=at_one([LOSS], lambda v: 1000 * v, 200, ranks=(1,)),
        needs=("ranks",),
    )


def _silent() -> Iterator[Case]:
    doubled, lower = facts(learning_rate=0.02), values([MIOU], _lower)
    for which, at, runs in (("baseline", 3, (10, 1)), ("candidate", 2, (10, 3))):
        of = {"kind": "silent", "runs": runs, "forms": FACTUAL}
        yield Case(
            name=f"{which} without facts, learning rate doubled",
            change=after(doubled, silent(which, at, loss_alone=False)),
            allowed=OTHER,
            needs=("learning_rate",),
            **of,
        )
        yield Case(
            name=f"{which} of the loss alone, validation 10 lower",
            change=after(lower, silent(which, at, loss_alone=True)),
            needs=(MIOU,),
            **of,
        )
        yield Case(
            name=f"{which} of the loss alone, schedule doubled",
            change=after(values([LR], lambda s, v: 2 * v), silent(which, at, loss_alone=True)),
            needs=(LR,),
            **of,
        )
    yield Case(
        kind="silent",
        name="candidate of the loss alone",
        change=silent("candidate", 2, loss_alone=True),
        needs=(MIOU,),
        runs=(10, 3),
    )


def copied(
    new: Callable[[Truth, Truth, Truth], Truth], *, stated: Mapping[str, object] | None = None
) -> Change:
    """A candidate made of a baseline run: `new(copied, another, own)`, with some facts changed."""

    def changed(found: Setting) -> Setting:
        source, other = found.baseline[COPIED], found.baseline[COPIED + 4]
        truth = new(source, other, found.candidate[0])
        own = found.candidate[0].facts if stated is None else {**source.facts, **stated}
        told = {k: v for k, v in own.items() if v is not None and k in source.facts}
        return replace(found, candidate=(replace(truth, facts=told),))

    return changed


def noisy(truth: Truth, noise: float, *, seed: int = 5, names: Sequence[str] = MEASURED) -> Truth:
    """The run with relative noise on what is measured."""
    rng = random.Random(seed)
    return mapped(truth, (*names, MIOU), lambda s, v: v * (1 + noise * rng.gauss(0, 1)))


def _mixed(a: Truth, b: Truth, new: Callable[[int, int, float, float], float]) -> Truth:
    """One run made of two: `new(place, step, value of a, value of b)`, schedules as they are."""
    curves = {
        key: {
            step: new(i, step, curve[step], b.curves[key][step])  # type: ignore[arg-type]
            for i, step in enumerate(curve)
        }
        for key, curve in a.curves.items()
    }
    return replace(a, curves=curves)


def _shifted(truth: Truth) -> Truth:
    curves = dict(truth.curves)
    for key, curve in truth.curves.items():
        if key[0] in MEASURED:
            moved = [next(iter(curve.values())), *list(curve.values())[:-1]]
            curves[key] = dict(zip(curve, moved, strict=True))
    return replace(truth, curves=curves)


def _copies() -> Iterator[Case]:
    hidden = {"device_kind": None, "device_name": None, "seed": None}
    of = {"kind": "copies", "allowed": OPEN, "forms": (*SEVERAL, "json lines")}
    yield Case(
        name="a comment added",
        change=after(copied(lambda a, b, own: a, stated={}), text(lambda log: f"{log}# copied\n")),
        needs=("text",),
        **{**of, "forms": tuple(f for f in SEVERAL if f != "hf-trainer state")},
    )
    yield Case(
        name="device and seed removed",
        change=copied(lambda a, b, own: a, stated=hidden),
        needs=("seed",),
        **of,
    )
    yield Case(name="with other facts", change=copied(lambda a, b, own: a), **of)
    for digits in (3, 2):
        yield Case(
            name=f"rounded to {digits} decimals",
            change=copied(
                lambda a, b, own, d=digits: mapped(a, (*MEASURED, MIOU), lambda s, v: round(v, d))
            ),
            **of,
        )
    for noise in (1e-12, 1e-6, 1e-3):
        yield Case(
            name=f"with noise of {noise:g}",
            change=copied(lambda a, b, own, noise=noise: noisy(a, noise)),
            **of,
        )
    yield Case(
        name="x(1 + 1e-12)",
        change=copied(lambda a, b, own: mapped(a, MEASURED, lambda s, v: v * (1 + 1e-12))),
        **of,
    )
    yield Case(
        name="but for one step, by 1e-9",
        change=after(copied(lambda a, b, own: a), at_one([LOSS], lambda v: v + 1e-9, 200)),
        **of,
    )
    unlike = {**of, "allowed": UNLIKE}
    yield Case(
        name="a x + b",
        change=copied(lambda a, b, own: mapped(a, MEASURED, lambda s, v: 1.002 * v + 0.001)),
        **unlike,
    )
    yield Case(name="one record late", change=copied(lambda a, b, own: _shifted(a)), **unlike)
    yield Case(
        name="the first half",
        change=copied(
            lambda a, b, own: _mixed(a, own, lambda i, s, x, y: x if s < STEPS // 2 else y)
        ),
        **unlike,
    )
    yield Case(
        name="even records of one, odd of another",
        change=copied(lambda a, b, own: _mixed(a, b, lambda i, s, x, y: y if i % 2 else x)),
        **unlike,
    )
    yield Case(
        name="the mean of two",
        change=copied(lambda a, b, own: _mixed(a, b, lambda i, s, x, y: (x + y) / 2)),
        **unlike,
    )
    yield Case(
        name="loss copied, the rest own",
        change=copied(
            lambda a, b, own: replace(own, curves={**own.curves, (LOSS, 0): a.curves[LOSS, 0]})
        ),
        **unlike,
    )
    for source, target in REWRITTEN:
        yield Case(
            name=f"rewritten as {target}",
            change=after(
                copied(lambda a, b, own: a),
                lambda found, target=target: replace(found, written=FORMS[target]),
            ),
            **{**of, "forms": (source,)},
        )


REWRITTEN = (
    ("tcappdll", "json lines"),
    ("tcappdll json", "tcappdll"),
    ("json lines", "csv, tidy"),
    ("mmengine", "scalars.json"),
    ("mmcv", "mmcv .log.json"),
    ("columns", "pattern"),
)
"""Formats that hold the same, beside the one that a copy of them is written in."""


def _again(bad: Callable[[int, float], float], *, first: int, last: int, back: int) -> Change:
    """An attempt up to step `last`, bad from `first` on; then again from step `back` on."""

    def changed(truth: Truth) -> Truth:
        attempt = mapped(truth, LOSSES, lambda s, v: bad(s, v) if s >= first else v)
        return replace(
            kept(truth, lambda s: s >= back), earlier=(kept(attempt, lambda s: s <= last),)
        )

    return each(changed)


def _repaired() -> Iterator[Case]:
    of = {"kind": "repaired", "needs": ("numbered",), "allowed": UNLIKE}
    for name, bad in (
        ("NaN", lambda s, v: float("nan")),
        ("inf", lambda s, v: float("inf")),
        ("x3", lambda s, v: 3 * v),
        ("x0.3", lambda s, v: 0.3 * v),
    ):
        for far, first, last, back in (("", 150, 189, 150), (" far behind", 150, 389, 150)):
            yield Case(
                name=f"{name}, then logged again{far}",
                change=_again(bad, first=first, last=last, back=back),
                **of,
            )


def _levels() -> Iterator[Case]:
    of = {"kind": "levels", "allowed": UNLIKE, "forms": SEVERAL}
    for factor in (1.2, 0.8, 1.1, 0.9):
        shift = values(LOSSES, lambda s, v, f=factor: f * v)
        for runs in ((5, 1), (10, 1), (10, 3)):
            yield Case(name=f"x{factor} at {runs}", change=shift, runs=runs, **of)
    late = values(LOSSES, lambda s, v: 1.2 * v if s >= 300 else v)
    for runs in ((5, 1), (10, 1)):
        yield Case(name=f"x1.2 from step 300 on at {runs}", change=late, runs=runs, **of)

    def opposite(found: Setting) -> Setting:
        one, two, *rest = found.candidate
        return replace(
            found,
            candidate=(
                mapped(one, LOSSES, lambda s, v: 1.22 * v),
                mapped(two, LOSSES, lambda s, v: 0.82 * v),
                *rest,
            ),
        )

    for runs in ((10, 2), (10, 3), (5, 2)):
        yield Case(name=f"two of opposite sign at {runs}", change=opposite, runs=runs, **of)
    yield Case(
        name="x1.2 of a negative metric",
        change=after(
            lambda found: _both(found, lambda v: -v), values([LOSS], lambda s, v: 1.2 * v)
        ),
        **of,
    )
    yield Case(
        name="x1.2 of a metric that crosses zero",
        change=after(
            values([LOSS], lambda s, v: 1.2 * v), lambda found: _both(found, lambda v: v - 1)
        ),
        **of,
    )
    for runs in ((10, 1), (10, 10)):
        for how, new in (("rounded", round), ("cut", math.floor)):
            yield Case(
                name=f"x1.2, {how} to whole numbers, at {runs}",
                change=after(
                    values(LOSSES, lambda s, v: 1.2 * v),
                    lambda found, new=new: _both(found, new),
                ),
                runs=runs,
                **{**of, "forms": ("mmengine", "csv", "columns")},
            )
    yield Case(
        name="zero throughout, rounded to whole numbers",
        change=after(lambda found: _both(found, round), values([LOSS], lambda s, v: 0.0)),
        kind="levels",
        forms=("mmengine", "csv", "columns"),
    )


@lru_cache(maxsize=256)
def _remade(truth: Truth, new: Callable[[float], float]) -> Truth:
    return mapped(truth, [LOSS], lambda s, v: float(new(v)))


def _both(found: Setting, new: Callable[[float], float]) -> Setting:
    """The same change of the loss of every run of both sides."""
    return replace(
        found,
        baseline=tuple(_remade(truth, new) for truth in found.baseline),
        candidate=tuple(_remade(truth, new) for truth in found.candidate),
    )


def _many() -> Iterator[Case]:
    """The same fault in ten candidate runs, or in three of three."""
    faults = (
        ("schedule constant", (LR,), values([LR], lambda s, v: 0.01)),
        ("norm x10", (NORM,), values([NORM], lambda s, v: 10 * v)),
        ("norm NaN", (NORM,), values([NORM], lambda s, v: float("nan"))),
        ("parts swapped", PARTS, each(_swapped)),
        ("loss x1.2", (), values(LOSSES, lambda s, v: 1.2 * v)),
        ("x1000 once", (), at_one([LOSS], lambda v: 1000 * v, 200)),
        ("killed at 60 %", (), everything(lambda s: s < 240)),
        ("norm missing", (NORM,), values([NORM], lambda s, v: None)),
        ("schedule missing", (LR,), values([LR], lambda s, v: None)),
        ("validation missing", (MIOU,), values([MIOU], lambda s, v: None)),
    )
    for name, needs, change in faults:
        for runs in ((10, 3), (10, 10), (5, 5)):
            yield Case(
                kind="many",
                name=f"{name} at {runs}",
                change=change,
                needs=needs,
                runs=runs,
                forms=LIGHT,
            )
    yield Case(
        kind="many",
        name="rank 1 NaN from half on at (10, 10)",
        change=values([LOSS], lambda s, v: v if s < 200 else float("nan"), ranks=(1,)),
        needs=("ranks",),
        runs=(10, 10),
        forms=("json lines",),
    )


CASES = tuple(
    case
    for kind in (
        *(_numbers, _ends, _validation, _schedule, _signals, _ranks, _spikes, _silent, _copies),
        *(_repaired, _levels, _many),
    )
    for case in kind()
)


# The honest counterparts


def _resumed(truth: Truth) -> Truth:
    return replace(kept(truth, lambda s: s >= 200), earlier=(kept(truth, lambda s: s < 210),))


def _restarted(truth: Truth) -> Truth:
    attempt = mapped(truth, LOSSES, lambda s, v: float("nan") if s >= 60 else v)
    return replace(truth, earlier=(kept(attempt, lambda s: s < 90),))


def _overflows(found: Setting) -> Setting:
    """An overflow of a loss scaler in some runs of either side."""
    base = list(found.baseline)
    for at, step in ((1, 23), (4, 123), (7, 223), (8, 55)):
        base[at] = _overflow(base[at], step)
    changed = tuple(_overflow(truth, 175) for truth in found.candidate)
    return replace(found, baseline=tuple(base), candidate=changed)


@lru_cache(maxsize=64)
def _overflow(truth: Truth, step: int) -> Truth:
    return mapped(truth, [NORM], lambda s, v: float("inf") if s == step else v)


def _controls() -> Iterator[Case]:
    of = {"kind": "honest"}
    same = each(lambda truth: truth)
    for runs in ((10, 1), (10, 3)):
        yield Case(name=f"{runs[0]} v {runs[1]}", change=same, runs=runs, allowed=PASS, **of)
    for runs in ((5, 1), (5, 3)):
        yield Case(name=f"{runs[0]} v {runs[1]}", change=same, runs=runs, allowed=NO_FAIL, **of)
    for runs in ((5, 5), (10, 10)):
        yield Case(
            name=f"{runs[0]} v {runs[1]}",
            change=same,
            runs=runs,
            allowed=NO_FAIL,
            forms=(*LIGHT, "json lines"),
            **of,
        )
    coarse = {"needs": ("every step", "text"), **of}
    yield Case(
        name="every 2nd step",
        change=each(lambda truth: _thinned(truth, 2)),
        allowed=PASS,
        **coarse,
    )
    yield Case(
        name="every 10th step",
        change=each(lambda truth: _thinned(truth, 10)),
        allowed=NO_FAIL,
        **coarse,
    )
    yield Case(
        name="one line lost",
        change=everything(lambda s: s != 203),
        allowed=NO_FAIL,
        needs=("numbered",),
        **of,
    )
    yield Case(
        name="an overflow of a loss scaler",
        change=_overflows,
        allowed=PASS,
        needs=(NORM,),
        forms=tuple(name for name in FORMS if name != "tensorboard"),
        **of,
    )
    yield Case(
        name="resumed, with equal records",
        change=each(_resumed),
        allowed=PASS,
        needs=("numbered",),
        **of,
    )
    yield Case(
        name="failed, then started again",
        change=each(_restarted),
        allowed=NO_FAIL,
        needs=("numbered",),
        **of,
    )
    yield Case(
        name="CRLF",
        change=text(lambda log: log.replace("\n", "\r\n")),
        allowed=PASS,
        needs=("text",),
        **of,
    )
    yield Case(
        name="with a comment",
        change=text(lambda log: f"{log}# done\n"),
        allowed=PASS,
        needs=("text",),
        forms=tuple(f for f in FORMS if f != "hf-trainer state"),
        **of,
    )
    yield Case(
        name="a schedule that is text",
        change=values([LR], lambda s, v: f'"{v}"'),
        allowed=NO_FAIL,
        forms=("json lines", "scalars.json", "hf-trainer state"),
        **of,
    )
    yield Case(
        name="a negative metric",
        change=lambda found: _both(found, lambda v: -v),
        allowed=NO_FAIL,
        forms=SEVERAL,
        **of,
    )
    for runs in ((10, 1), (5, 5)):
        for how, new in (("rounded", round), ("cut", math.floor)):
            yield Case(
                name=f"losses {how} to whole numbers at {runs}",
                change=lambda found, new=new: _both(found, new),
                runs=runs,
                allowed=NO_FAIL,
                forms=("mmengine", "columns"),
                **of,
            )
    for source, target in REWRITTEN:
        yield Case(
            name=f"written as {target}",
            change=lambda found, target=target: replace(found, written=FORMS[target]),
            forms=(source,),
            allowed=NO_FAIL,
            **of,
        )


def _thinned(truth: Truth, stride: int) -> Truth:
    """Every `stride`-th record, among them those before a validation, whose line names no step."""
    last = stride - 1
    return mapped(truth, (LR, *MEASURED), lambda s, v: v if s % stride == last else None)


CONTROLS = tuple(_controls())


# Rules, each where an honest candidate passes


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A rule with the runs that it needs; `same_start` compares a run with its own repetition.

    A rule that is asked `by_default` looks at every figure, one that a user names at its own.
    """

    rule: str
    runs: tuple[int, int] = (1, 1)
    same_start: bool = True
    noise: float = 2e-4
    by_default: bool = False

    def setting(self, form: Form) -> Setting:
        """Honest runs that this rule passes."""
        if not self.same_start:
            return setting(form, self.runs)
        base = honest(form, 3)
        device = {} if self.noise == 0 else {"device_kind": "sdaa", "device_name": "SDAA T100"}
        stated = {k: device.get(k, v) for k, v in base.facts.items()}
        twin = replace(noisy(base, self.noise) if self.noise else base, facts=stated, clock=8)
        return Setting(form=form, baseline=(base,), candidate=(twin,))


QUESTIONS = (
    Question(rule="exact", noise=0.0),
    Question(rule="tolerance"),
    Question(rule="two-sided"),
    Question(rule="modelzoo"),
    Question(rule="equivalence"),
    Question(rule="ensemble:detect=0.1", runs=(10, 10), same_start=False),
    Question(rule="seed-variation", runs=(10, 1), same_start=False, by_default=True),
    Question(rule="default", by_default=True),
)
INCOMPLETE = ("ends", "validation", "schedule", "signals", "ranks")
"""Kinds that leave out, or spoil, something that the baseline shows."""


def asked(question: Question) -> Iterator[Case]:
    """The cases that no rule passes; of a rule that is asked by default those of any figure too."""
    for case in CASES:
        last = case.kind == "numbers" and "the last step" in case.name
        of_kind = case.kind in INCOMPLETE and "stated" not in case.name
        if case.runs == (10, 1) and (last or of_kind) and (question.by_default or not case.whole):
            yield case


# Tamperings at random


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """A tampering drawn at random, in words, with the comparison that it was done to."""

    what: str
    setting: Setting = field(repr=False)

    def __str__(self) -> str:
        return self.what


QUICK = tuple(form for form in FORMS.values() if not form.binary)


def damaged(rng: random.Random, *, kinds: Sequence[str] = ()) -> Damage:
    """An honest candidate, damaged beyond what honest runs show, of a random format."""
    kind = rng.choice(list(kinds or DAMAGES))
    form = rng.choice([form for form in QUICK if all(map(form.can, DAMAGES[kind][0]))])
    words, change = DAMAGES[kind][1](rng, form)
    return Damage(what=f"{form.name}: {kind}: {words}", setting=change(setting(form)))


Drawn = tuple[str, Change]


def _draw_token(rng: random.Random, form: Form) -> Drawn:
    token = rng.choice(TOKENS)
    if rng.random() < 0.3:
        token = rng.choice([token.upper(), token.lower(), f"({token})", f"<{token}>", f"+{token}"])
    start = rng.randrange(STEPS)
    last = rng.choice([start, rng.randrange(start, STEPS), STEPS])
    last = max(last, start + form.interval - 1)
    change = values([LOSS], lambda s, v: token if start <= s <= last else v)
    return f"{token!r} from {start} to {last}", change


def _draw_nan(rng: random.Random, form: Form) -> Drawn:
    value, step = rng.choice([float("nan"), float("inf"), float("-inf")]), rng.randrange(STEPS - 4)
    return f"{value} at {step}", at_one([LOSS], lambda v: value, step)


def _draw_gap(rng: random.Random, form: Form) -> Drawn:
    size = rng.randint(int(0.07 * STEPS), int(0.9 * STEPS))
    start = rng.choice([0, STEPS - size, rng.randrange(STEPS - size)])
    return f"no {start} to {start + size}", everything(lambda s: not start <= s < start + size)


def _draw_lost(rng: random.Random, form: Form) -> Drawn:
    """A series without a fifth of its records or more, or without any."""
    name = rng.choice([n for n in form.holds if n != LOSS])
    share = rng.choice([1.0, rng.uniform(0.2, 0.95)])
    if rng.random() < 0.5:
        start = STEPS * (1 - share)
        new = values([name], lambda s, v: v if s < start else None)
    else:
        seed = rng.randrange(1 << 30)
        cut = 0.2 if name == MIOU else 0.0  # one of eight validations at least

        def new(found: Setting) -> Setting:
            luck = random.Random(seed)
            drop = {s for s in range(STEPS) if luck.random() < max(share, cut)} | {199}
            return values([name], lambda s, v: None if s in drop else v)(found)

    return f"{name} without {share:.0%}", new


def _draw_level(rng: random.Random, form: Form) -> Drawn:
    factor = rng.choice([rng.uniform(1.2, 3), rng.uniform(0.3, 0.8)])
    start = rng.choice([0, rng.randrange(int(0.75 * STEPS))])
    change = values(LOSSES, lambda s, v: factor * v if s >= start else v)
    return f"x{factor:.3f} from {start}", change


def _draw_spike(rng: random.Random, form: Form) -> Drawn:
    factor = rng.choice([-1, 1]) * 10 ** rng.uniform(1.7, 6)
    step = rng.choice([0, STEPS - 1, rng.randrange(STEPS - 4)])
    return f"x{factor:.3g} at {step}", at_one([LOSS], lambda v: factor * v, step)


def _draw_zero(rng: random.Random, form: Form) -> Drawn:
    step, count = rng.randrange(STEPS - 4), rng.choice([1, 1, 10, 30])
    last = step + count * form.interval - 1
    return f"0 from {step} to {last}", values([LOSS], lambda s, v: 0.0 if step <= s <= last else v)


def _draw_schedule(rng: random.Random, form: Form) -> Drawn:
    factor = rng.choice([rng.uniform(1.1, 10), rng.uniform(0.1, 0.9)])
    return f"x{factor:.3f}", values([LR], lambda s, v: factor * v)


def _draw_validation(rng: random.Random, form: Form) -> Drawn:
    by = rng.choice([-1, 1]) * rng.uniform(6, 40)
    return f"{by:+.1f}", values([MIOU], lambda s, v: v + by)


def _draw_signal(rng: random.Random, form: Form) -> Drawn:
    name = rng.choice([n for n in form.holds if n in {NORM, *PARTS}])
    factor = rng.choice([rng.uniform(2, 100), rng.uniform(0.01, 0.5), float("nan")])
    return f"{name} x{factor:.3g}", values([name], lambda s, v: factor * v)


def _draw_rank(rng: random.Random, form: Form) -> Drawn:
    every, start = (LR, *MEASURED), rng.choice([0, rng.randrange(int(0.9 * STEPS))])
    how = rng.choice(["missing", "NaN", "far"])
    if how == "missing":
        return f"missing from {start}", values(
            every, lambda s, v: v if s < start else None, ranks=(1,)
        )
    factor = float("nan") if how == "NaN" else rng.uniform(1.5, 10)
    return f"x{factor:.3g} from {start}", values(
        LOSSES, lambda s, v: factor * v if s >= min(start, 300) else v, ranks=(1,)
    )


def _draw_copy(rng: random.Random, form: Form) -> Drawn:
    noise, scale = 10 ** rng.uniform(-14, -3), 1 + rng.uniform(-1e-3, 1e-3)
    digits, place = rng.choice([3, 4, 5, 16]), rng.randrange(len(BASELINE_SEEDS))
    own = rng.choice([0, rng.randrange(int(0.5 * STEPS))])

    def changed(found: Setting) -> Setting:
        truth = noisy(found.baseline[place], noise)
        truth = mapped(truth, MEASURED, lambda s, v: round(scale * v, digits))
        mine = found.candidate[0]
        mixed = _mixed(truth, mine, lambda i, s, x, y: x if s >= own else y)
        return replace(found, candidate=(replace(mixed, facts=mine.facts),))

    return f"of {place} from {own}, noise {noise:.1g}, {digits} digits", changed


def _draw_repair(rng: random.Random, form: Form) -> Drawn:
    factor = rng.choice([float("nan"), float("inf"), rng.uniform(2, 50), rng.uniform(0.05, 0.5)])
    first = rng.randrange(40, STEPS - 60)
    last = rng.randrange(first + 20, STEPS)
    back = rng.randrange(max(10, first - 30), first + 1)
    change = _again(lambda s, v: factor * v, first=first, last=last, back=back)
    return f"x{factor:.3g} from {first} to {last}, again from {back}", change


def _draw_stated(rng: random.Random, form: Form) -> Drawn:
    rate = 0.01 * rng.choice([rng.uniform(1.1, 10), rng.uniform(0.1, 0.9)])
    hide = rng.random() < 0.5
    quiet = silent("baseline", rng.randrange(10), loss_alone=rng.random() < 0.5)
    change = facts(learning_rate=rate)
    return f"{rate:.4g}{', one silent' * hide}", after(change, quiet) if hide else change


def _draw_torn(rng: random.Random, form: Form) -> Drawn:
    """A stretch of lines without their ends, 7 % of the log or more.

    Their ends hold the loss, or the schedule: where a line is a number, a shorter one is one too.
    """
    size, part = rng.uniform(0.07, 0.6), rng.uniform(0.2, 0.6)
    start = rng.uniform(0.15, 1 - size)

    def edit(log: str) -> str:
        lines = log.split("\n")
        a, b = int(start * len(lines)), int((start + size) * len(lines))
        return "\n".join(
            [*lines[:a], *(line[: int(part * len(line))] for line in lines[a:b]), *lines[b:]]
        )

    return f"{start:.0%} to {start + size:.0%} cut to {part:.0%}", text(edit)


DAMAGES: Mapping[str, tuple[tuple[str, ...], Callable[[random.Random, Form], Drawn]]] = {
    "token": (("text",), _draw_token),
    "not finite": ((), _draw_nan),
    "gap": ((), _draw_gap),
    "lost": ((LR,), _draw_lost),
    "level": ((), _draw_level),
    "spike": ((), _draw_spike),
    "zero": ((), _draw_zero),
    "schedule": ((LR,), _draw_schedule),
    "validation": ((MIOU,), _draw_validation),
    "signal": ((NORM,), _draw_signal),
    "rank": (("ranks",), _draw_rank),
    "copy": ((), _draw_copy),
    "repair": (("numbered",), _draw_repair),
    "stated": (("learning_rate",), _draw_stated),
    "torn": ((LR,), _draw_torn),
}
"""Kinds of damage: what a format must hold, and what draws it."""
