"""All hostile files in one run, with good photos among them: every file accounted for, whatever the batches are."""

import csv
import json
import sys
import zipfile
from pathlib import Path

import pytest
from job_server import JobServer, job_server
from tiny_runs import save_tiny_run

GOOD = 100
MOST_MEMORY = 1.5 * 2**30  # bytes above the model's own
UNIT = 1 if sys.platform == "darwin" else 1024
# What the batches of reading, of the pipeline and of the network hold, and how many threads decode.
OTHER_BATCHES = {
    "pipeline.datasets.READ_TOGETHER": 3,
    "pipeline.datasets.decoders": 3,
    "models.predict.IMAGES": 11,
    "models.engines.TENSORFLOW_BATCH": 5,
}


@pytest.fixture(scope="module")
def place(shared, tmp_path_factory) -> Path:
    """A run, a folder `good` with photos, and a folder `mixed` of them and all hostile files."""
    archive, bad = shared / "dogs-vs-cats" / "test1.zip", shared / "badinput"
    if not archive.is_file() or not bad.is_dir():
        pytest.skip(f"no photos at {archive} or no hostile files at {bad}")
    folder = tmp_path_factory.mktemp("place")
    with zipfile.ZipFile(archive) as file:
        photos = [name for name in file.namelist() if name.endswith(".jpg")][:GOOD]
        photos = [(Path(name).name, file.read(name)) for name in photos]
    for name in ("good", "mixed"):
        (folder / name).mkdir()
        for photo, data in photos:
            (folder / name / photo).write_bytes(data)
    for number, path in enumerate(sorted(path for path in bad.rglob("*") if path.is_file())):
        # One id each, and in the order of names between the photos, which begin with digits too.
        (folder / "mixed" / f"{number}-{path.name}").write_bytes(path.read_bytes())
    save_tiny_run(folder / "run")
    return folder


def score(server: JobServer, place: Path, images: str, **options: object) -> tuple[dict[str, float], list, dict, int]:
    """Scores, rejects, counts and the peak of memory in bytes of one run with a ledger of its own."""
    out, log = place / f"{images}-{len(options)}.csv", place / "log"
    for ledger in (place / "run").glob("scores*"):
        ledger.unlink()
    told = ("--run", place / "run", "--images", place / images, "--out", out, "--format", "probability", "--fill", 0.5)
    server.start(log, *told, **options)  # type: ignore[arg-type]
    assert server.wait() == 0, log.read_text()
    with out.open(newline="") as file:
        scores = {row["id"]: float(row["label"]) for row in csv.DictReader(file)}
    with out.with_suffix(".rejects.csv").open(newline="") as file:
        rejects = list(csv.reader(file))[1:]
    return scores, rejects, json.loads(out.with_suffix(".manifest.json").read_text())["counts"], server.peak * UNIT


@pytest.mark.faults
def test_hostile_files_among_photos_change_no_score_and_every_one_is_accounted_for(place):
    with job_server() as server:
        alone, nothing, _, own = score(server, place, "good")
        scores, rejects, counts, peak = score(server, place, "mixed")
        again, rejects_again, _, peak_again = score(server, place, "mixed", numbers=OTHER_BATCHES)
    files = sorted(path.name for path in (place / "mixed").iterdir())
    assert nothing == [] and len(alone) == GOOD
    assert counts["files"] == len(files) == counts["rows"] - counts["filled"] + counts["rejects"]
    assert len(scores) == len(files)
    assert all(reason and status == "rejected" for _, reason, status in rejects)
    assert len(rejects) > 150 and len(files) - GOOD - len(rejects) > 200
    assert rejects == rejects_again and scores.keys() == again.keys()
    assert max(abs(scores[name] - again[name]) for name in scores) <= 1e-6
    assert {name: scores[name] for name in alone} == alone
    print(f"memory: {own / 2**20:.0f} MiB for photos alone, {peak / 2**20:.0f} and {peak_again / 2**20:.0f} with all")
    assert max(peak, peak_again) - own <= MOST_MEMORY
