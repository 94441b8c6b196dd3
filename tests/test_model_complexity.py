"""Counted FLOPs equal the formulas and the paper; what is printed was measured."""

import pytest
import torch

from model import complexity, measure

OURS, PEER, WIDE = (
    "criss-cross R=2 (ours)",
    "criss-cross R=2 (mmcv's)",
    "non-local block",
)


def formula(pixels, seen, *, channels=512, recurrence=1):
    """2 N C (2d + C) for the projections, 2 N S (d + C) for energies and means, in 10^9."""
    d = channels // 8
    once = 2 * pixels * channels * (2 * d + channels) + 2 * pixels * seen * (d + channels)
    return recurrence * once / 1e9


@pytest.mark.parametrize(("height", "width"), [(97, 97), (9, 17)])
@pytest.mark.parametrize("name", [OURS, PEER])
def test_counted_flops_equal_the_formula(name, height, width):
    counted = complexity.gflop(complexity.VARIANTS[name], height, width)
    assert counted == pytest.approx(formula(height * width, height + width, recurrence=2))


def test_counted_flops_of_the_non_local_block_equal_the_formula():
    counted = complexity.gflop(complexity.VARIANTS[WIDE], 24, 24)
    assert counted == pytest.approx(formula(24 * 24, 24 * 24))


def test_the_papers_flops_come_out():
    ours = complexity.gflop(complexity.VARIANTS[OURS], 97, 97)
    assert ours == pytest.approx(16.54, abs=0.005)
    wide = formula(97 * 97, 97 * 97)
    assert wide == pytest.approx(108.15, abs=0.005)
    assert 1 - ours / wide == pytest.approx(0.847, abs=0.0005)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_a_run_prints_every_variant_with_its_measurements(capsys):
    complexity.main(["--sizes", "12x14", "--rounds", "1", "--threads", "1"])
    out, err = capsys.readouterr()
    for name in complexity.VARIANTS:
        assert name in out
    assert "1x512x12x14" in out
    assert "round 1 of 1" in err
    rows = [line for line in out.splitlines() if line.startswith("criss-cross")]
    assert all(float(row.split("ms")[0].split()[-1]) >= 0 for row in rows)


def test_bad_sizes_are_refused(capsys):
    with pytest.raises(SystemExit):
        complexity.main(["--sizes", "97"])
    assert "expected HxW" in capsys.readouterr().err


def test_a_busy_machine_is_named_beside_the_times(monkeypatch):
    monkeypatch.setattr(measure.os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (0.2, 0.0, 0.0))
    assert measure.busy_note(2) == ""
    monkeypatch.setattr(measure.os, "getloadavg", lambda: (1.2, 0.0, 0.0))
    assert "load 1.2 on 2 CPUs" in measure.busy_note(2)
    assert measure.busy_note(1) == ""
