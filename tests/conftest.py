"""What several tests share."""

import os
from pathlib import Path

import pytest

# As the jobs do: TensorFlow reads it when it is imported, and a reject is no warning.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test material, where there is one: `SHARED`, by default beside the checkout."""
    folder = Path(os.environ.get("SHARED", "../shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared test material at {folder} (set SHARED)")
    return folder
