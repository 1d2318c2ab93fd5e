"""The command that fills a data folder, as a person starts it."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from zips import SAMPLE, SET, TEST, contents, make_zip, zip_bytes

from jobs import data, filling
from pipeline import InputError
from submissions import LockedError

ROOT = Path(__file__).parent.parent


def start(*options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "jobs.data", *map(str, options)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def outer_zip(path: Path) -> Path:
    litter = {".DS_Store": b"x", "__MACOSX/a": b"x"}
    return make_zip(path, SAMPLE | litter | {"train.zip": zip_bytes(SET), "test1.zip": zip_bytes(TEST)})


def more_dogs() -> dict[str, bytes]:
    return SET | {"train/dog.1.jpg": b"dog 1"}


def test_an_archive_fills_the_folder_says_what_came_and_repeats_at_once(tmp_path):
    archive = make_zip(tmp_path / "train.zip", more_dogs())
    folder = tmp_path / "my data"
    first = start("--to", folder, "--archive", archive)
    assert (first.returncode, first.stderr) == (0, "")
    assert "│ train │ 4 labelled pictures: 2 cat, 2 dog " in first.stdout and "│ from train.zip │" in first.stdout
    assert "no unlabelled pictures" in first.stdout
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    second = start("--to", folder, "--archive", archive)
    assert second.returncode == 0
    assert second.stdout.startswith("already there, nothing to do")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_the_outer_archive_gives_all_parts_and_counts_what_it_skips(tmp_path, capsys):
    data.main(to=tmp_path / "data", archive=[outer_zip(tmp_path / "dogs-vs-cats.zip")])
    said = capsys.readouterr().out
    assert "skipped 2 files that are no pictures (litter)" in said
    assert "2 unlabelled pictures" in said
    assert contents(tmp_path / "data") == SET | TEST | SAMPLE
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        ".pawscore.json",
        "sampleSubmission.csv",
        "test1",
        "train",
    ]


def test_a_folder_of_archives_is_taken_and_the_rest_of_it_named(tmp_path, capsys):
    source = tmp_path / "source"
    source.mkdir()
    make_zip(source / "train.zip", SET)
    make_zip(source / "test1.zip", TEST)
    (source / "sampleSubmission.csv").write_bytes(SAMPLE["sampleSubmission.csv"])
    (source / "README.md").touch()
    for expected in ("filled", "already there"):
        data.main(to=tmp_path / "data", archive=[source])
        said = capsys.readouterr().out
        assert "ignored, not of the set: 'README.md'" in said
        assert expected in said
    assert contents(tmp_path / "data") == SET | TEST | SAMPLE


def test_the_record_says_where_each_part_came_from(tmp_path):
    data.main(to=tmp_path, archive=[make_zip(tmp_path / "train.zip", SET)])
    parts = json.loads((tmp_path / ".pawscore.json").read_text())["parts"]
    assert parts["train"]["files"] == 3
    assert parts["train"]["origin"][1] == "train.zip"


@pytest.mark.parametrize("options", [(), ("--archive", "x.zip", "--source", "sample")])
def test_neither_and_both_ways_are_errors_that_name_the_choices(tmp_path, options):
    done = start("--to", tmp_path / "data", *options)
    assert done.returncode == 2
    for choice in ("--archive", "--source kaggle", "microsoft", "--source sample"):
        assert choice in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_refused_archive_is_exit_2_with_one_line_and_no_folder(tmp_path):
    done = start("--to", tmp_path / "data", "--archive", make_zip(tmp_path / "train.zip", SET | {"../x.jpg": b""}))
    assert done.returncode == 2
    assert "entry '../x.jpg' leads out of the folder" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_another_archive_into_a_filled_folder_is_exit_2_and_says_what_to_do(tmp_path):
    start("--to", tmp_path / "data", "--archive", make_zip(tmp_path / "train.zip", SET))
    done = start("--to", tmp_path / "data", "--archive", make_zip(tmp_path / "new.zip", more_dogs()))
    assert done.returncode == 2
    assert "came from train.zip, not from new.zip; choose another folder with --to" in done.stderr
    assert contents(tmp_path / "data") == SET


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "data").touch()
    with pytest.raises(InputError, match="is a file; name a folder"):
        data.main(to=tmp_path / "data", archive=[make_zip(tmp_path / "train.zip", SET)])


def test_two_runs_into_one_folder_do_not_meet(tmp_path):
    archive = make_zip(tmp_path / "train.zip", SET)
    (tmp_path / "data").mkdir()
    holder = os.open(tmp_path / "data", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(LockedError):
        data.main(to=tmp_path / "data", archive=[archive])
    assert start("--to", tmp_path / "data", "--archive", archive).returncode == 4
    os.close(holder)
    data.main(to=tmp_path / "data", archive=[archive])


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_unpack_is_never_mistaken_for_a_done_one(tmp_path, sent):
    many = {f"train/{kind}.{n}.jpg": bytes([n % 256]) for n in range(4000) for kind in ("cat", "dog")}
    archive, folder = make_zip(tmp_path / "train.zip", many), tmp_path / "data"
    command = [sys.executable, "-m", "jobs.data", "--to", str(folder), "--archive", str(archive)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not (folder / ".unpacking/train/cat.9.jpg").exists() and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(sent)
    assert process.returncode == (130 if sent == signal.SIGTERM else -9)
    assert not (folder / "train").exists()
    assert (folder / ".unpacking").exists() == (sent == signal.SIGKILL)
    small = make_zip(tmp_path / "small.zip", SET)
    data.main(to=folder, archive=[small])
    assert contents(folder) == SET
    assert not (folder / ".unpacking").exists()


@pytest.mark.parametrize(
    ("source", "competition", "folder"),
    [
        (filling.Source.sample, "dogs-vs-cats", "data/sample"),
        (filling.Source.microsoft, "dogs-vs-cats", "data/microsoft"),
        (
            filling.Source.kaggle,
            "dogs-vs-cats-redux-kernels-edition",
            "data/dogs-vs-cats-redux-kernels-edition",
        ),
        (None, "dogs-vs-cats", "data/dogs-vs-cats"),
    ],
)
def test_each_way_has_a_folder_of_its_own_when_none_is_named(source, competition, folder):
    assert data.default_folder(source, competition) == Path(folder)


def test_help_names_every_option_and_imports_no_tensorflow():
    heavy = "('tensorflow', 'tf_keras', 'PIL', 'numpy', 'pandas')"
    code = f"import sys, jobs.data; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    shown = start("--help").stdout
    for option in ("--to", "--archive", "--source", "--seed", "--competition"):
        assert option in shown


def test_the_real_photos_are_unpacked(tmp_path, shared, capsys):
    data.main(to=tmp_path, archive=[shared / "dogs-vs-cats/test1.zip"])
    assert "500 unlabelled pictures" in capsys.readouterr().out
    assert (tmp_path / "test1/500.jpg").read_bytes().startswith(b"\xff\xd8")
