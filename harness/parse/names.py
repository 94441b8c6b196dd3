"""Names that programs give to the same quantity, and to the counter of steps."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import chain, count

from harness.parse.sets import EVALUATIONS, TEST, result

STEPS = (
    "step",
    "global_step",
    "global step",
    "trainer/global_step",
    "train/global_step",
    "_step",
    "current_steps",
    "global_step/max_steps",
    "iteration",
    "iter",
    "itr",
    "it",
    "batch_idx",
    "batch",
)
"""Columns and keys that count steps, the likeliest first."""
EPOCHS = ("epoch", "Epoch", "EPOCH")
PHASES = ("split", "mode", "phase", "stage", "subset", "event")
"""Columns and keys, in small letters, that name the phase of their row."""
NO_SERIES = frozenset(
    {
        "epoch",
        "train/epoch",
        "train/global_step",
        "trainer/global_step",
        "rank",
        "_step",
        "eta_seconds",
        "eta",
        "time",
        "timestamp",
        "_timestamp",
        "_runtime",
    }
    | {"wall time", "wall_time", "total_steps", "percentage", "elapsed_time", "remaining_time"}
    | {"total_tokens", "total_flos", "n_parameters", "bad_epochs"}
    | {"memory(gib)", "train_speed(iter/s)", "train_speed(s/it)"}
)
"""Columns and keys, in small letters, that hold no quantity of the training."""
SUMMARY = "train_runtime"
"""A key of the record in which Hugging Face's Trainer sums up the training."""

_VALIDATION = re.compile(
    r"(?P<set>eval|val|vali|valid|validation|dev|test)[_/. ](?P<rest>.+)", re.ASCII | re.IGNORECASE
)
_OTHER_SET = re.compile(r"(?:eval|val|vali|valid|validation|dev|test)(?:[_/. ]|$)", re.IGNORECASE)


def alternation(words: Iterable[str]) -> str:
    """Returns a regular expression of any of these words, the longest first.

    >>> alternation({"val", "validation"})
    'validation|val'
    """
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


_EVALUATION = re.compile(rf"\s*(?P<set>{alternation(EVALUATIONS)})(?![a-z])", re.IGNORECASE)
_LR = re.compile(
    r"(?:train[_/])?(?:learning[_ ]rate|lr(?:[-/][\w/-]+)?)|optim0_lr0", re.ASCII | re.IGNORECASE
)
_GRADIENT_NORM = re.compile(r"(?:train/)?grad_norm", re.ASCII | re.IGNORECASE)
_LOSS = re.compile(r"(?:train_)?loss", re.ASCII | re.IGNORECASE)
_SPEED = re.compile(r"\w{1,60}(?:_runtime|_per_second)", re.ASCII)


def canonical(name: str) -> str:
    """One name for what programs call `eval_loss`, `val/loss`, `learning_rate` or `lr-SGD`.

    >>> canonical("eval_loss"), canonical("test_loss"), canonical("lr-AdamW")
    ('val.loss', 'val.test_loss', 'lr')
    """
    name = name.strip()
    validation = _VALIDATION.fullmatch(name)
    if validation is not None:
        rest = validation["rest"]
        rest = rest.lower() if _LOSS.fullmatch(rest) else rest
        return result(rest, test=validation["set"].lower() in TEST)
    if name.isupper() and _LOSS.fullmatch(name):
        return name.lower()
    if _GRADIENT_NORM.fullmatch(name):
        return "grad_norm"
    return "lr" if _LR.fullmatch(name) else name


def holds_figures(name: str) -> bool:
    """Returns whether a column or key may hold a quantity of the training.

    >>> holds_figures("loss"), holds_figures("Epoch"), holds_figures("eval_samples_per_second")
    (True, False, False)
    """
    return name.lower() not in NO_SERIES and _SPEED.fullmatch(name) is None


def is_validation(name: str) -> bool:
    """Whether a column holds figures of a validation or a test."""
    return _OTHER_SET.match(name) is not None


def is_loss(name: str) -> bool:
    """Whether a column is called a loss."""
    return "loss" in name.lower()


def evaluation_of(row: Mapping[str, object]) -> str:
    """Returns the word by which a row says that its figures are of an evaluation, else "".

    >>> evaluation_of({"split": "Valid", "loss": 2.5}), evaluation_of({"event": "train_step"})
    ('valid', '')
    """
    for name, value in row.items():
        if isinstance(value, str) and name.strip().lower() in PHASES:
            match = _EVALUATION.match(value)
            if match is not None:
                return match["set"].lower()
    return ""


def of_evaluation(name: str, word: str) -> str:
    """Returns the name of a column in a row of an evaluation, which the row calls by this word.

    >>> of_evaluation("loss", "test"), of_evaluation("eval_loss", "valid")
    ('val.test_loss', 'eval_loss')
    """
    return name if is_validation(name) else result(name, test=word in TEST)


class Names:
    """Names of series by the names of columns; no two columns share one.

    The first column that `canonical` calls `lr` is `lr`, others keep what they are called.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken: set[str] = set()

    def learn(self, columns: Collection[str]) -> None:
        """Names columns that stand side by side: those with a plain name already come first."""
        if not all(column in self._names for column in columns):
            for column in sorted(columns, key=lambda column: canonical(column) != column):
                self.of(column)

    def of(self, column: str) -> str:
        """The name of the series of a column.

        >>> names = Names()
        >>> [names.of(column) for column in ("lr-SGD/pg1", "lr-SGD/pg2", "lr-SGD/pg1", "loss")]
        ['lr', 'lr-SGD/pg2', 'lr', 'loss']
        """
        found = self._names.get(column)
        if found is None:
            own = column.strip()
            more = (f"{own} ({n})" for n in count(2))
            choices = chain((canonical(column), own), more)
            found = next(name for name in choices if name not in self._taken)
            self._names[column] = found
            self._taken.add(found)
        return found


def step_key(names: list[str]) -> str | None:
    """Which of these names counts the steps; None if none does."""
    lowered = {name.strip().lower(): name for name in reversed(names)}
    return next((lowered[step] for step in STEPS if step in lowered), None)
