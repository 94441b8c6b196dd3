"""Tracks -> series: which format has a series where two write it, and which series is the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.log.run import Series
from harness.log.wording import counted
from harness.parse.sets import tests_apart
from harness.parse.track import Kept, Track

Key = tuple[str, str, int, int]
"""Format, name, rank, window."""

SHIM = "tcappdll"
"""Records that a porting kit adds beside a framework's own, which is believed where both speak."""

LINES = "plain"
"""Records of lines of text, in which words before `loss` belong to the name."""
_OTHER = frozenset({"val", "best", "lowest", "min", "smoothed", "running", "ema"})
"""Words in the name of a loss that is not the loss of the step."""
OBJECTIVES = frozenset(
    {"l1", "l2", "mae", "mse", "rmse", "objective", "crossentropy", "cross_entropy"}
    | {"xentropy"}
    | {"smoothl1", "smooth_l1"}
)
"""Figures, in small letters, that a training minimizes, or maximizes, where it names no loss."""

LOSSES = (
    "loss",
    "train/loss_step",
    "train_loss_step",
    "train/loss",
    "train_loss",
    "training_loss",
    "train.loss",
    "lm_loss",
    "reduced_train_loss",
    "Loss",
    "Loss/train",
    "loss/train",
    "Train/loss",
    "Train/Loss",
    "total_loss",
    "loss_total",
    "loss_avg",
    "train/total_loss",
    "losses/train",
    "train_loss_epoch",
    "train/loss_epoch",
    "loss_train",
    "loss_training",
    "loss/train/total",
    "Train loss/train/total",
)
"""Names under which programs log the training loss, the likeliest first.

A program that logs `train_loss_step` may log the mean of each epoch beside it, as `train_loss`.
"""


class Settled(NamedTuple):
    """The series that count and the replaced records, both in order of rank, name and window.

    `by_order` are the names of those whose steps number the records, since the log states none.
    """

    series: tuple[Series, ...]
    replaced: tuple[Series, ...]
    by_order: tuple[str, ...]


def settle(tracks: Mapping[Key, Track], note: Callable[..., None]) -> Settled:
    """The series of a log, and what is to be said of them."""
    names = _names(tracks, note)
    current: list[Series] = []
    old: list[Series] = []
    for key in sorted(tracks, key=lambda key: (key[2], *key[1::2], names[key])):
        _, _, rank, window = key
        track = tracks[key]
        kept = track.keep()
        for text in _remarks(kept):
            note(f": {text}", about=f"{names[key]} of rank {rank}")
        for into, steps, values in (
            (current, kept.steps, kept.values),
            (old, kept.old_steps, kept.old_values),
        ):
            if steps.size:
                into.append(
                    Series(
                        name=names[key],
                        rank=rank,
                        window=window,
                        unit=track.unit,
                        steps=steps,
                        values=values,
                    )
                )
    by_order = {names[key] for key, track in tracks.items() if track.by_order}
    return Settled(tuple(current), tuple(old), tuple(sorted(by_order)))


def _names(tracks: Mapping[Key, Track], note: Callable[..., None]) -> dict[Key, str]:
    """The name of every track: its own, `loss` for the training loss, or one with its format."""
    final = tests_apart(key[1] for key in tracks)
    names = {key: final[key[1]] for key in tracks}
    if tracks and "loss" not in names.values():
        found = _training_loss(tracks)
        if found is not None:
            names = {key: "loss" if name == found else name for key, name in names.items()}
            note(f"the training loss is logged as {found!r}")
    places: dict[tuple[str, int, int], list[Key]] = {}
    for key, name in names.items():
        places.setdefault((name, *key[2:]), []).append(key)
    for (name, rank, _), keys in sorted(places.items()):  # in bulk, tracks begin in another order
        if len(keys) > 1:
            first, *others = sorted(keys, key=lambda key: key[0] == SHIM)
            for key in others:
                names[key] = f"{key[0]}.{name}"
                note(
                    f" is written by {first[0]} and by {key[0]}, "
                    f"{_agreement(tracks[first], tracks[key])}: {first[0]}'s is used, the other "
                    f"is {names[key]!r}",
                    about=f"{name} of rank {rank}",
                )
    return names


def _training_loss(tracks: Mapping[Key, Track]) -> str | None:
    """The name of the series that is the training loss; None where several are as good.

    A line of text may show the key of a tracker, `train/loss`, which is what its users ask for.
    """
    names = {name for source, name, *_ in tracks if source != LINES or "/" not in name}
    spelled = {name.lower().replace(" ", "_"): name for name in sorted(names)}
    likely = next((name for name in LOSSES if name in names), None)
    likely = likely or next((spelled[name] for name in LOSSES if name in spelled), None)
    return likely or (_only_loss(names) if _all_lines(tracks) else None)


def _only_loss(names: set[str]) -> str | None:
    """The only loss of lines of text; where there is none, the only figure that is minimized."""
    of_steps = [name for name in names if _OTHER.isdisjoint(_words(name))]
    values = [name for name in of_steps if name.lower().endswith("loss")]
    if not values:
        values = [name for name in of_steps if name.lower().removeprefix("train_") in OBJECTIVES]
    return values[0] if len(values) == 1 else None


def _all_lines(tracks: Mapping[Key, Track]) -> bool:
    return all(source == LINES for source, *_ in tracks)


def _words(name: str) -> list[str]:
    return name.lower().replace(".", "_").split("_")


def _agreement(first: Track, other: Track) -> str:
    left, right = (t.values.numbers() for t in (first, other))
    if left.tobytes() == right.tobytes():
        return "with the same values"
    n = min(left.size, right.size)
    if n > 2 and np.array_equal(left[: n - 1], right[1:n]):
        return "one record late in the latter"
    return "with different values"


def _remarks(kept: Kept) -> list[str]:
    remarks = [kept.restarted] if kept.restarted else []
    if kept.disordered:
        remarks.append("steps are out of order; sorted")
    if kept.repeated:
        are = "is" if kept.repeated == 1 else "are"
        remarks.append(f"{counted(kept.repeated, 'step')} {are} logged twice{_overlap(kept)}")
    return remarks


def _overlap(kept: Kept) -> str:
    """How far repeated records and the later ones that count lie apart: the resume check."""
    common, mine, theirs = np.intersect1d(
        kept.steps, kept.old_steps, assume_unique=True, return_indices=True
    )
    if not common.size or kept.restarted:
        return "; the later record is used"
    new, old = kept.values[mine], kept.old_values[theirs]
    where = f"{common[0]} to {common[-1]}" if common.size > 1 else f"{common[0]}"
    span = f" ({where}); the later record is used"
    if np.array_equal(new, old, equal_nan=True):
        return f"{span}, and equals the earlier one to the last bit"
    return f"{span}; {_apart(common, old, new)}"


def _apart(steps: NDArray[np.int64], old: NDArray[np.float64], new: NDArray[np.float64]) -> str:
    """How far later records lie from earlier ones, all (n,), and which of those are not finite."""
    remarks = []
    finite = np.isfinite(old)
    if finite.any():
        with np.errstate(all="ignore"):
            apart = float(np.max(np.abs(new - old)[finite] / np.abs(old[finite])))
        remarks.append(f"it differs from the earlier one by up to {apart:.2%}")
    if not finite.all():
        bad = steps[~finite]
        where = f"{bad.size} steps ({bad[0]} to {bad[-1]})" if bad.size > 1 else f"step {bad[0]}"
        remarks.append(f"the earlier record was not finite on {where}")
    return ", and ".join(remarks)
