"""Scheduled scoring: only new work is done, and the CSV shows what is there now."""

import json
import os
import shutil
from pathlib import Path

import pytest
from score_runs import Schedule, table
from tiny_runs import draw_pictures, save_tiny_run

from jobs import scoring
from submissions.ledger import open_ledger
from submissions.verification import verify


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    save_tiny_run(folder / "run")
    draw_pictures(folder / "images", 4)
    draw_pictures(folder / "images" / "deep" / "er", 8)
    for number in range(1, 5):
        (folder / "images" / "deep" / "er" / f"{number}.jpg").unlink()
    return folder


@pytest.fixture
def schedule(fresh, tmp_path, capfd) -> Schedule:
    """A run, four pictures, and four others in a folder of a folder."""
    for name in ("run", "images"):
        shutil.copytree(fresh / name, tmp_path / name)
    return Schedule(tmp_path, capfd)


def test_each_change_of_the_tree_has_its_outcome_in_the_next_round(schedule):
    assert schedule.round().code == 0
    first = schedule.rows()
    assert list(first) == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", *(f"deep/er/{n}.jpg" for n in (5, 6, 7, 8))]
    images = schedule.images
    shutil.copyfile(images / "2.jpg", images / "1.jpg")  # replaced in place
    (images / "3.jpg").rename(images / "renamed.jpg")
    (images / "4.jpg").unlink()
    shutil.copyfile(images / "2.jpg", images / "deep" / "added.jpg")
    ended = schedule.round()
    assert ended.output.strip().splitlines()[-1].startswith("8 rows, 0 rejects, ")
    second = schedule.rows()
    assert second == {name: value for name, value in first.items() if name.startswith("deep/er/")} | {
        "1.jpg": first["2.jpg"],
        "2.jpg": first["2.jpg"],
        "deep/added.jpg": first["2.jpg"],
        "renamed.jpg": first["3.jpg"],
    }
    last = schedule.last()
    assert (last.found, last.new, last.scored, last.reused, last.rejected, last.vanished) == (8, 3, 3, 5, 0, 2)
    assert verify(schedule.out) == []
    assert schedule.round().code == 0 and schedule.last().new == 0


def test_a_file_added_during_the_round_waits_and_one_that_goes_is_a_reject_until_then(schedule, monkeypatch):
    real = scoring._stream

    def stream(*given):
        (schedule.images / "1.jpg").rename(schedule.images / "9.jpg")
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(scoring, "_stream", stream)
        assert schedule.round(max_reject_share=1.0).code == 0
    assert schedule.rejects() == {"1.jpg": "gone since the folder was listed"}
    assert "9.jpg" not in schedule.rows() and len(schedule.rows()) == 7
    assert schedule.round().code == 0
    assert schedule.rejects() == {} and "9.jpg" in schedule.rows() and len(schedule.rows()) == 8


def test_young_files_and_those_beyond_the_limit_wait_and_are_counted(schedule):
    ended = schedule.round(settle=3600.0)
    assert ended.code == 0 and "nothing yet" in ended.output and not schedule.out.exists()
    last = schedule.last()
    assert (last.found, last.new, last.waiting, last.exit_code) == (8, 0, 8, 0)
    assert schedule.round(limit=3).code == 0
    assert list(schedule.rows()) == ["1.jpg", "2.jpg", "3.jpg"]
    last = schedule.last()
    assert (last.found, last.scored, last.reused, last.waiting) == (8, 3, 0, 5)
    assert schedule.round(settle=3600.0).code == 0
    assert len(schedule.rows()) == 3, "what is known already has settled"
    assert schedule.round().code == 0
    assert len(schedule.rows()) == 8
    assert (schedule.last().scored, schedule.last().reused, schedule.last().vanished) == (5, 3, 0)


def test_a_dry_run_says_what_would_be_scored_and_does_nothing(schedule):
    ended = schedule.round(dry_run=True, exclude=["deep/*"])
    assert ended.code == 0
    assert ended.output.splitlines()[2:] == [
        *("1.jpg", "2.jpg", "3.jpg", "4.jpg"),
        "dry run: 4 would be scored, 0 would wait",
    ]
    assert not schedule.out.exists()
    with open_ledger(schedule.ledger) as ledger:
        assert ledger.last_rounds(9) == []
        assert list(ledger.select("SELECT * FROM scores", ())) == []


def test_patterns_choose_and_the_schedules_own_files_are_no_pictures(schedule):
    schedule.out = schedule.images / "deep" / "s.csv"
    own = {"ledger": schedule.images / "ledger.sqlite", "metrics": schedule.images / "m.prom"}
    schedule.ledger = own["ledger"]
    for found in (8, 8):
        assert schedule.round(**own).code == 0
        assert schedule.last().found == found
    assert schedule.round(**own, include=["*.jpg"], exclude=["deep/er/[5-7].jpg", "4*"]).code == 0
    assert list(schedule.rows()) == ["1.jpg", "2.jpg", "3.jpg", "deep/er/8.jpg"]


def test_columns_tell_class_probability_model_and_moment(schedule):
    assert schedule.round(columns=True, form="label").code == 0
    with open_ledger(schedule.ledger) as ledger:
        ((model, moment),) = set(ledger.select("SELECT DISTINCT model, scored_at FROM scores", ()))
    line = schedule.out.read_text().splitlines()[1].split(",")
    assert line[:2] == ["1.jpg", str(int(float(line[3]) >= 0.5))]
    assert line[2] == ["cat", "dog"][int(line[1])]
    assert line[4:] == [model, moment]


def test_names_of_any_bytes_are_one_line_each(schedule):
    strange = os.path.join(os.fsencode(schedule.images), b"a\n\xff\\.jpg")
    shutil.copyfile(schedule.images / "1.jpg", strange)
    assert schedule.round().code == 0
    assert schedule.rows()["a\\x0a\\xff\\\\.jpg"] == schedule.rows()["1.jpg"]
    assert len(schedule.out.read_text().splitlines()) == 10


@pytest.mark.parametrize("theirs", ["by hand", "a submission", "changed"])
def test_an_output_of_anybody_else_is_not_replaced(schedule, theirs):
    if theirs == "by hand":
        schedule.out.write_text("id,label\n")
    else:
        assert schedule.round().code == 0
        manifest = schedule.out.with_name("s.manifest.json")
        card = json.loads(manifest.read_text())
        del card["options"]["job"]
        if theirs == "a submission":
            manifest.write_text(json.dumps(card))
        else:
            schedule.out.write_text("id,label\n1.jpg,1\n")
    before = schedule.out.read_bytes()
    ended = schedule.round()
    assert ended.code == 2 and "not an output of a schedule" in ended.errors
    assert schedule.out.read_bytes() == before
    assert schedule.last().exit_code == 2


def test_a_second_round_at_the_same_time_ends_with_4_and_names_the_first(schedule):
    with open_ledger(schedule.ledger):
        ended = schedule.round()
    assert ended.code == 4
    assert f"pid {os.getpid()}" in ended.errors and "started 20" in ended.errors


def test_faults_are_one_sentence_and_are_recorded(schedule):
    cases = [
        ({"images": "/no/such"}, "no such folder"),
        ({"form": "words"}, "unknown format"),
        ({"tta": "ten"}, "unknown views"),
        ({"metrics": Path("/no/such/m.prom")}, "does not exist"),
    ]
    for options, words in cases:
        ended = schedule.round(**options)
        assert ended.code == 2 and words in ended.errors, ended
        assert len(ended.errors.strip().splitlines()) == 1
        assert schedule.last().exit_code == 2
    with open_ledger(schedule.ledger) as ledger:
        assert len(ledger.last_rounds(99)) == len(cases)
    assert not schedule.out.exists()
    assert schedule.round(log="xml").code == 2


def test_an_emptied_folder_leaves_the_old_csv(schedule):
    assert schedule.round().code == 0
    before = schedule.out.read_bytes()
    shutil.rmtree(schedule.images)
    schedule.images.mkdir()
    ended = schedule.round()
    assert ended.code == 3 and "--min-files 1" in ended.errors
    assert schedule.out.read_bytes() == before
    assert schedule.round(min_files=0).code == 0
    assert schedule.rows() == {} and schedule.last().vanished == 8


def test_the_rounds_of_a_submission_and_a_schedule_share_scores(schedule, capfd):
    from tiny_runs import submit_here

    flat = schedule.images / "deep" / "er"
    assert submit_here(capfd, schedule.run, flat, schedule.out.with_name("sub.csv")).code == 0
    assert schedule.round(images=str(flat)).code == 0
    assert (schedule.last().new, schedule.last().reused) == (0, 4)
    submitted = table(schedule.out.with_name("sub.csv"), "id", "label")
    assert schedule.rows() == {f"{name}.jpg": value for name, value in submitted.items()}
