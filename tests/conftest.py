"""What all tests share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real logs and reference numbers beside the checkout; skips where they are absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: real logs and reference numbers are not shipped")
    return folder


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight training and two validation scenes of 32x64 pixels."""
    from model.data.synthetic import generate

    folder = tmp_path_factory.mktemp("data") / "scenes"
    generate(folder, train=8, val=2, size=(32, 64))
    return folder
