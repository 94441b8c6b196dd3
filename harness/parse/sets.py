"""The words for evaluations, and the names of results on validation data and on a test set."""

from __future__ import annotations

from collections.abc import Iterable

VALIDATION = frozenset({"val", "vali", "valid", "validate", "validation", "validating", "dev"})
TEST = frozenset({"test", "testing"})
EITHER = frozenset({"eval", "evaluate", "evaluation", "evaluating"})
EVALUATIONS = VALIDATION | TEST | EITHER
"""Words, in small letters, for a phase that is not training.

Those of `EITHER` do not say on which data; they mean a validation unless the log says otherwise."""
RESULT = "val."
"""How the names of results begin."""
TESTED = f"{RESULT}test_"
"""How the names of results on a test set begin in a log that has a validation as well."""


def result(name: str, *, test: bool) -> str:
    """Returns the name of the series of a result.

    >>> result("loss", test=False), result("acc", test=True)
    ('val.loss', 'val.test_acc')
    """
    return f"{TESTED if test else RESULT}{name}"


def tests_apart(names: Iterable[str]) -> dict[str, str]:
    """Returns the final names of series, by the names under which their log was read.

    A test is another series where the log has a validation as well. Where it is the only
    evaluation, it is the validation, whatever the program calls it.

    >>> tests_apart(["val.test_loss", "val.acc"])
    {'val.test_loss': 'val.test_loss', 'val.acc': 'val.acc'}
    >>> tests_apart(["loss", "val.test_loss"])
    {'loss': 'loss', 'val.test_loss': 'val.loss'}
    """
    found = dict.fromkeys(names)
    if any(name.startswith(RESULT) and not name.startswith(TESTED) for name in found):
        return {name: name for name in found}
    return {name: name.replace(TESTED, RESULT, 1) for name in found}
