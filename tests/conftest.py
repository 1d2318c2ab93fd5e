"""What several tests share."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import Server, environment, run_server

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


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An S3 server on this machine, started once."""
    with run_server(tmp_path_factory.mktemp("s3") / "log") as server:
        yield server


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, named to this process and its children by their environment; empty but for the bucket "photos"."""
    s3_server.reset()
    s3_server.request("PUT", "photos")
    for name, value in environment(s3_server.url).items():
        monkeypatch.setenv(name, value)
    return s3_server
