"""Rounds over a tree in an object store: the CSV of a folder, and nothing lost by a server that fails."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import BUSY, DROP, HANG, PASS, Plan, Server, run_proxy
from score_runs import HOUSE, Schedule, score_command
from tiny_runs import draw_pictures, save_tiny_run

from jobs import scoring
from pipeline import stores
from submissions.in_flight import open_in_flight

ADDRESS = "s3://photos/in"
COUNT = 24
IMPATIENT = stores.Patience(seconds=3, tries_again=1, first_pause=0.05, longest_pause=0.05)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, and 24 pictures in two folders with one that is cut off."""
    folder = tmp_path_factory.mktemp("fresh")
    save_tiny_run(folder / "run")
    draw_pictures(folder / "images" / "a", COUNT // 2)
    draw_pictures(folder / "images" / "b", COUNT // 2, size=90)
    (folder / "images" / "a" / "broken.jpg").write_bytes((folder / "images" / "a" / "1.jpg").read_bytes()[:300])
    return folder


@pytest.fixture
def schedule(fresh: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Schedule:
    for name in ("run", "images"):
        shutil.copytree(fresh / name, tmp_path / name)
    return Schedule(tmp_path, capfd)


@pytest.fixture
def bucket(s3: Server, fresh: Path) -> Server:
    s3.upload(fresh / "images", "photos/in")
    return s3


@contextlib.contextmanager
def behind(server: Server, plan: Plan, patience: stores.Patience | None = None) -> Iterator[None]:
    with run_proxy(server, plan) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        if patience is not None:
            patch.setattr(stores, "patience", lambda: patience)
        yield


def csv_of(schedule: Schedule, images: str) -> bytes:
    ended = schedule.round(images=images)
    assert ended.code == 0, ended.errors
    return schedule.out.read_bytes() + schedule.out.with_name("s.rejects.csv").read_bytes()


def test_a_tree_has_the_same_csv_from_a_folder_a_file_address_and_a_bucket(bucket: Server, schedule: Schedule):
    here = csv_of(schedule, str(schedule.images))
    assert here.count(b"\n") == COUNT + 3
    assert csv_of(schedule, f"file://{schedule.images}") == here
    assert schedule.last().new == 0  # one folder under two names
    assert csv_of(schedule, ADDRESS) == here
    assert schedule.last().new == COUNT + 1
    assert csv_of(schedule, f"{ADDRESS}/") == here
    assert schedule.last().new == 0


def test_only_what_changed_in_a_bucket_is_scored_again(bucket: Server, schedule: Schedule):
    csv_of(schedule, ADDRESS)
    before = schedule.rows()
    bucket.put("photos/in/a/1.jpg", (schedule.images / "b/2.jpg").read_bytes())
    bucket.delete("photos/in/a/2.jpg")
    csv_of(schedule, ADDRESS)
    after, last = schedule.rows(), schedule.last()
    assert (last.new, last.vanished) == (1, 1)
    assert after.pop("a/1.jpg") == before["b/2.jpg"]
    assert after == {name: value for name, value in before.items() if name not in ("a/1.jpg", "a/2.jpg")}


def test_the_csv_goes_into_a_bucket_and_is_replaced_there_and_never_scored(bucket: Server, schedule: Schedule):
    here = csv_of(schedule, str(schedule.images))
    out = f"{ADDRESS}/scores.csv"  # among the pictures
    for found in (COUNT + 1, COUNT):
        assert schedule.round(images=ADDRESS, out=out).code == 0
        assert schedule.last().found == found
        if found > COUNT:
            assert bucket.get("photos/in/scores.csv") + bucket.get("photos/in/scores.rejects.csv") == here
        bucket.delete("photos/in/b/1.jpg")
    assert b"b/1.jpg" not in bucket.get("photos/in/scores.csv")
    bucket.put("photos/in/scores.csv", b"mine")
    ended = schedule.round(images=ADDRESS, out=out)
    assert ended.code == 2
    assert ended.errors.startswith(f"Error: {out} is not an output of a schedule as its manifest describes it")


def test_a_server_that_fails_every_third_request_loses_nothing(bucket: Server, schedule: Schedule):
    here = csv_of(schedule, str(schedule.images))
    with behind(bucket, lambda number, *_: PASS if number % 3 else BUSY):
        assert csv_of(schedule, ADDRESS) == here


@pytest.mark.faults
@pytest.mark.parametrize("fault", [DROP, HANG, BUSY])
def test_a_server_that_vanishes_in_the_middle_ends_the_round_and_the_next_one_completes_it(
    bucket: Server, schedule: Schedule, monkeypatch: pytest.MonkeyPatch, fault: str
):
    here = csv_of(schedule, str(schedule.images))
    schedule.out.unlink()
    monkeypatch.setattr(scoring, "PAUSES", (0.0,))
    with behind(bucket, lambda number, *_: PASS if number < COUNT else fault, IMPATIENT):
        ended = schedule.round(images=ADDRESS)
    assert (ended.code, ended.errors.count("\n")) == (2, 1)
    assert f"{ADDRESS} went away; bring it back and run this again." in ended.errors
    assert not schedule.out.exists()
    assert csv_of(schedule, ADDRESS) == here
    assert 0 < schedule.last().new < COUNT


@pytest.mark.faults
def test_a_server_that_vanishes_while_it_lists_or_takes_the_csv_ends_the_round_and_the_next_one_completes_it(
    bucket: Server, schedule: Schedule
):
    out = "s3://photos/out/s.csv"
    with behind(bucket, lambda _, __, path: DROP if "list-type" in path else PASS, IMPATIENT):
        ended = schedule.round(images=ADDRESS, out=out)
    assert ended.code == 2
    assert f"{ADDRESS} cannot be listed (the connection to the server breaks off)" in ended.errors
    with behind(
        bucket, lambda _, method, path: DROP if (method, path) == ("PUT", "/photos/out/s.rejects.csv") else PASS
    ):
        ended = schedule.round(images=ADDRESS, out=out)
    assert (ended.code, ended.errors.count("\n")) == (2, 1)
    assert "could not be reached or written" in ended.errors
    ended = schedule.round(images=ADDRESS, out=out)
    assert ended.code == 0
    assert f"finished the publication of {out} that a killed run had begun" in ended.output
    assert schedule.last().new == 0


@pytest.mark.faults
def test_a_picture_that_stays_unreadable_is_a_reject_that_is_tried_again(
    bucket: Server, schedule: Schedule, monkeypatch: pytest.MonkeyPatch
):
    here = csv_of(schedule, str(schedule.images))
    monkeypatch.setattr(scoring, "PAUSES", (0.0,))
    with behind(bucket, lambda _, __, path: BUSY if path.endswith("/b/7.jpg") else PASS, IMPATIENT):
        assert schedule.round(images=ADDRESS, max_reject_share=0.1).code == 0
    assert schedule.rejects()["b/7.jpg"] == "can't be read: the server answers SlowDown"
    assert csv_of(schedule, ADDRESS) == here
    assert schedule.last().new == 1


@pytest.mark.faults
def test_a_picture_that_killed_two_processes_is_looked_at_apart_in_a_bucket_too(bucket: Server, schedule: Schedule):
    here = csv_of(schedule, str(schedule.images))
    for _ in range(2):
        if os.fork() == 0:
            with open_in_flight(schedule.ledger, ADDRESS.encode()) as flight:
                flight.started(b"a/3.jpg")
                os._exit(0)
        os.wait()
    assert csv_of(schedule, ADDRESS) == here


@pytest.mark.parametrize(
    ("option", "address", "words"),
    [
        ("images", "s3://not-there/in", "s3://not-there/in cannot be listed (the bucket does not exist)"),
        ("images", "nosuch://x", "nosuch://x can't be opened: Protocol not known: nosuch"),
        ("out", "s3://not-there/s.csv", "could not be reached or written (the bucket does not exist)"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_sentence_and_exit_code_2(
    bucket: Server, schedule: Schedule, option: str, address: str, words: str
):
    ended = schedule.round(**{option: address})
    assert (ended.code, ended.errors.count("\n")) == (2, 1)
    assert words in ended.errors


@pytest.mark.slow
def test_the_command_itself_scores_from_bucket_to_bucket_without_touching_the_disk_but_for_its_ledger(
    bucket: Server, schedule: Schedule
):
    here = csv_of(schedule, str(schedule.images))
    command = score_command(schedule.run, schedule.images, schedule.out, "--ledger", schedule.run.parent / "l.sqlite")
    command[command.index("--images") + 1] = ADDRESS
    command[command.index("--out") + 1] = "s3://photos/s.csv"
    done = subprocess.run(command, cwd=HOUSE, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bucket.get("photos/s.csv") + bucket.get("photos/s.rejects.csv") == here
    assert sorted(os.listdir(schedule.run.parent)) == sorted(
        ("images", "run", "l.sqlite", "l.sqlite.lock", "s.csv", "s.manifest.json", "s.rejects.csv")
    )
