"""Drift: new pictures that are unlike those of the validation part are reported, others are not."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance
from score_runs import Schedule
from tiny_runs import draw_pictures, save_tiny_run

from jobs.scorer import load_scorer
from jobs.scoring import score_entries
from pipeline.sources import open_source
from submissions.schedule import read_rounds

PICTURES = 150


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """A run with the scores of its validation part, which lies in `labelled`; and pictures of the same kind."""
    folder = tmp_path_factory.mktemp("fresh")
    draw_pictures(folder / "all", 2 * PICTURES)
    for name, numbers in (("labelled", range(1, PICTURES + 1)), ("images", range(PICTURES + 1, 2 * PICTURES + 1))):
        (folder / name).mkdir()
        for number in numbers:
            (folder / "all" / f"{number}.jpg").rename(folder / name / f"{number}.jpg")
    save_tiny_run(folder / "run", labelled_folder=str(folder / "labelled"))
    source = open_source(str(folder / "labelled"))
    scored = score_entries(load_scorer(folder / "run", "none"), source, list(source.entries()))
    with (folder / "run" / "holdout.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "part", "probability"))
        for batch in scored:
            table.writerows((one.id + ".jpg", 0, "validation", one.probability) for one in batch)
    return folder


@pytest.fixture
def schedule(fresh, tmp_path, capfd) -> Schedule:
    shutil.copytree(fresh / "run", tmp_path / "run")
    shutil.copytree(fresh / "images", tmp_path / "images")
    return Schedule(tmp_path, capfd)


def darken(folder: Path) -> None:
    for path in folder.iterdir():
        ImageEnhance.Brightness(Image.open(path)).enhance(0.5).save(path)


def verdicts(schedule: Schedule) -> dict[str, str]:
    ((_, drift),) = read_rounds(schedule.ledger, 1)
    return {one.measure: one.verdict for one in drift}


def test_pictures_of_the_same_kind_have_not_drifted(schedule):
    ended = schedule.round(fail_on_drift=True)
    assert ended.code == 0 and ended.errors == ""
    assert verdicts(schedule) == dict.fromkeys(("scores", "sizes", "brightness"), "alike")
    assert f"drift of {PICTURES} new pictures: scores 0." in ended.output
    assert len((schedule.run / "looks.csv").read_text().splitlines()) == PICTURES + 1
    assert schedule.round().code == 0
    assert verdicts(schedule) == {}, "without new pictures there is nothing to compare"


def test_a_folder_of_half_the_brightness_is_reported_and_still_published(schedule):
    darken(schedule.images)
    ended = schedule.round()
    assert ended.code == 0 and "have drifted" in ended.errors and "brightness" in ended.errors
    assert verdicts(schedule)["brightness"] == "drifted" and verdicts(schedule)["sizes"] == "alike"
    shutil.rmtree(schedule.images)
    draw_pictures(schedule.images, PICTURES, size=40)
    darken(schedule.images)
    ended = schedule.round(fail_on_drift=True)
    assert ended.code == 5 and schedule.last().exit_code == 5
    assert len(schedule.rows()) == PICTURES and schedule.last().vanished == PICTURES, "it is published"
    assert verdicts(schedule)["sizes"] == "drifted"


def test_a_round_that_goes_on_knows_what_an_earlier_one_has_seen(schedule):
    darken(schedule.images)
    assert schedule.round(limit=100, min_files=PICTURES).code == 0
    assert not schedule.out.exists(), "too few for --min-files until all have a score"
    ended = schedule.round(min_files=PICTURES, log="json", metrics=schedule.out.with_name("m.prom"))
    assert ended.code == 0
    events = [json.loads(line) for line in ended.output.splitlines()]
    (drift,) = [event for event in events if event["event"] == "drift"]
    assert drift["pictures"] == PICTURES and drift["brightness"]["verdict"] == "drifted"
    assert {"started", "listed", "warning", "ended"} <= {event["event"] for event in events}
    assert ',measure="brightness"} ' in schedule.out.with_name("m.prom").read_text()


def test_a_run_without_its_labelled_pictures_compares_scores_alone_and_says_so(schedule):
    card = json.loads((schedule.run / "model.json").read_text())
    card["labelled_folder"] = "/no/such"
    del card["card_sha256"]
    (schedule.run / "model.json").write_text(json.dumps(card))
    ended = schedule.round()
    assert "by scores only" in ended.output
    assert list(verdicts(schedule)) == ["scores"]
