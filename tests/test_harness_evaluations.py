"""Evaluations beside training: each form of line with the series that it states, by hand."""

import pytest

from harness.parse import parse_log


def series(text):
    """Each series by its name, with the value of each step."""
    run = parse_log([text], source="x.log")
    return {
        s.name: dict(zip(s.steps.tolist(), s.values.tolist(), strict=True)) for s in run.series
    }


ABBREVIATED = {
    "a dot behind `Val`, indented": (
        "Epoch: 01 | Epoch Time: 0m 9s\n\tTrain Loss: 3.5 | Train PPL: 33.1\n"
        "\t Val. Loss: 3.25 |  Val. PPL: 25.8\n"
        "Epoch: 02 | Epoch Time: 0m 9s\n\tTrain Loss: 3.0 | Train PPL: 20.1\n"
        "\t Val. Loss: 2.75 |  Val. PPL: 15.6\n",
        {
            "loss": {1: 3.5, 2: 3.0},
            "train_PPL": {1: 33.1, 2: 20.1},
            "val.loss": {1: 3.25, 2: 2.75},
            "val.PPL": {1: 25.8, 2: 15.6},
        },
    ),
    "a dot behind `Val`, a step in brackets": (
        "step 1: loss 3.5\nstep 2: loss 3.25\n[step 2] Val. Loss: 4.5\n",
        {"loss": {1: 3.5, 2: 3.25}, "val.loss": {2: 4.5}},
    ),
    "a dot behind `valid`": (
        "step 1: loss 3.5, valid. loss 4.5\n",
        {"loss": {1: 3.5}, "val.loss": {1: 4.5}},
    ),
    "a sentence ends before the loss": (
        "step 1: Done. Loss: 3.5\nstep 2: Done. Loss: 3.25\n",
        {"loss": {1: 3.5, 2: 3.25}},
    ),
}

FORMS = ABBREVIATED


@pytest.mark.parametrize("form", FORMS)
def test_results_of_evaluations_are_apart_from_the_training(form):
    text, expected = FORMS[form]
    assert series(text) == expected
