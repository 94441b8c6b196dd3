"""Fixtures that several test files share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real logs and reference numbers beside the checkout."""
    folder = Path(__file__).parent.parent.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}")
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training and two validation scenes of 32x64 pixels."""
    from model.data.synthetic import generate

    folder = tmp_path_factory.mktemp("data") / "scenes"
    generate(folder, train=8, val=2, size=(32, 64))
    return folder
