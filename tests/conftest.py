"""What several tests share."""

import os
from pathlib import Path

import pytest

# As the jobs do: TensorFlow reads them when it is imported. A reject is no warning, and a score is the same to the last
# bit in a job's own process and in this one.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test material, where there is one: `SHARED`, by default beside the checkout."""
    folder = Path(os.environ.get("SHARED", "../shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared test material at {folder} (set SHARED)")
    return folder
