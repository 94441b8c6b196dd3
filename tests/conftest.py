"""Fixtures that several test files share."""

import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

REPOSITORY = Path(__file__).resolve().parents[1]
# `model` and `benchmarks` are in no wheel. Last, so that an installed `harness` is the one tested.
sys.path.append(str(REPOSITORY))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skips a test that needs an extra which is not installed: `@pytest.mark.extra("plots")`."""
    from harness.extras import EXTRAS, is_installed

    names = {name for mark in item.iter_markers("extra") for name in mark.args}
    packages = [p for p, where in EXTRAS.items() if where.split(",")[-1] in names]
    absent = [package for package in packages if not is_installed(package)]
    if absent:
        pytest.skip(f"needs {', '.join(absent)}, of the extra {', '.join(sorted(names))}")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real logs and reference numbers beside the checkout; skips where they are absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the shared data are not beside this checkout (../shared/data)")
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training and two validation scenes of 32x64 pixels."""
    from model.data.synthetic import generate

    folder = tmp_path_factory.mktemp("data") / "scenes"
    generate(folder, train=8, val=2, size=(32, 64))
    return folder
