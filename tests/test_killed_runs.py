"""Runs over 500 real photos that are killed at random moments: nothing committed is scored again, and the CSV that the
resumed run publishes is that of an undisturbed one, byte for byte."""

import os
import random
import shutil
import signal
import sqlite3
import time
import zipfile
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from job_server import JobServer, job_server
from tiny_runs import save_tiny_run

from models.machine import cpu_bfloat16

KILLS = 10
PHOTOS = 500
# Of these only the second reads its choice from the run's card. No other machine is needed for the third: without
# bfloat16 instructions TensorFlow emulates them, slowly, with the same roundings.
MODES = {
    "TensorFlow in float32": ("tensorflow", None),
    "OpenVINO in float32": ("openvino", None),
    "TensorFlow in bfloat16": ("tensorflow", ("tensorflow", "bfloat16")),
    "OpenVINO in bfloat16": ("openvino", ("openvino", "bfloat16")),
}


@pytest.fixture(scope="module")
def photos(shared, tmp_path_factory) -> Path:
    archive = shared / "dogs-vs-cats" / "test1.zip"
    if not archive.is_file():
        pytest.skip(f"no real photos at {archive}")
    folder = tmp_path_factory.mktemp("photos")
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder / "test1"


@pytest.fixture(scope="module")
def server():
    with job_server() as server:
        yield server


def committed(run: Path) -> dict[bytes, str]:
    try:
        with closing(sqlite3.connect(f"file:{run / 'scores.sqlite'}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("SELECT path, scored_at FROM scores"))
    except sqlite3.OperationalError:  # not there yet
        return {}


class Place:
    """One run, copied afresh, and an output in whose place an older submission stands."""

    def __init__(self, folder: Path, photos: Path, server: JobServer, choice: tuple[str, str] | None) -> None:
        self.folder, self.photos, self.server, self.choice = folder, photos, server, choice
        self.run, self.out, self.log = folder / "run", folder / "s.csv", folder / "log"

    def start(self) -> int:
        options = ("--run", self.run, "--images", self.photos, "--out", self.out, "--format", "probability")
        return self.server.start(self.log, *options, "--overwrite", choice=self.choice)

    def finish(self) -> None:
        self.start()
        assert self.server.wait() == 0, self.log.read_text()

    def kill_after(self, pictures: int, seconds: float) -> bool:
        """Start, and kill some time after that many pictures were scored; False when the run was quicker."""
        pid = self.start()
        while len(committed(self.run)) < pictures and Path(f"/proc/{pid}").exists():
            time.sleep(0.005)
        time.sleep(seconds)
        with_luck = Path(f"/proc/{pid}").exists()
        if with_luck:
            os.kill(pid, signal.SIGKILL)
        ended = self.server.wait()
        assert ended in (0, -signal.SIGKILL), self.log.read_text()
        return ended == -signal.SIGKILL


@pytest.mark.faults
@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs /proc to see processes")
@pytest.mark.parametrize("mode", MODES)
def test_after_kills_at_random_moments_the_csv_is_that_of_an_undisturbed_run(photos, server, tmp_path, mode):
    engine, choice = MODES[mode]
    if choice == ("openvino", "bfloat16") and not cpu_bfloat16():
        pytest.skip("this CPU has no bfloat16, and OpenVINO does not emulate it")
    agreement = {"engine": "openvino", "precision": "float32", "holds": True, "version": version("openvino")}
    save_tiny_run(tmp_path / "fresh" / "run", engine, agreement=agreement)
    undisturbed = Place(tmp_path / "fresh", photos, server, choice)
    shutil.copytree(tmp_path / "fresh" / "run", tmp_path / "run")
    undisturbed.finish()
    assert f"engine {mode.replace('TensorFlow', 'tensorflow').replace('OpenVINO', 'openvino')}" in (
        undisturbed.log.read_text()
    )
    new = (tmp_path / "fresh" / "s.csv").read_bytes()
    assert len(new.splitlines()) == PHOTOS + 1

    chance, kills, number = random.Random(), 0, 0
    while kills < KILLS:
        number += 1
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "run", folder / "run")
        place = Place(folder, photos, server, choice)
        place.out.write_text("id,label\nold,0\n")
        old = place.out.read_bytes()
        kept: dict[bytes, str] = {}
        for _ in range(min(5, KILLS - kills)):
            kills += place.kill_after(chance.randint(len(kept) + 1, PHOTOS), chance.uniform(0, 0.1))
            assert place.out.read_bytes() in (old, new)
            assert committed(place.run).items() >= kept.items(), "a picture was scored twice"
            kept = committed(place.run)
            assert kept
            if len(kept) == PHOTOS:
                break
        place.finish()
        assert place.out.read_bytes() == new
        assert committed(place.run).items() >= kept.items(), "a picture was scored twice"
        assert f"{PHOTOS - len(kept)} of {PHOTOS}" in place.log.read_text()
    assert number < 30
