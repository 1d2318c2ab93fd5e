"""A picture that kills the process: after two deaths a child process finds it out, it is named, the rest is scored."""

import csv
import os
import signal
from pathlib import Path

import pytest
from tiny_runs import HOUSE, draw_pictures, save_tiny_run, submit, submit_here

from jobs import isolation
from jobs.isolation import find_culprits
from pipeline.rejection import LIMITS

HOOKS = f"{HOUSE / 'tests' / 'hooks'}{os.pathsep}{HOUSE}"


def side_files(run: Path) -> list[str]:
    return [path.name for path in run.iterdir() if "in-flight" in path.name]


def test_a_picture_that_kills_the_process_is_named_at_the_third_start_and_the_others_are_scored(tmp_path, capfd):
    run, images, out = tmp_path / "run", tmp_path / "images", tmp_path / "s.csv"
    save_tiny_run(run)
    draw_pictures(images, 70)
    environment = {"PYTHONPATH": HOOKS, "PICTURE_FAULTS": "50.jpg=abort"}
    for _ in range(2):
        died = submit(run, images, out, "--fill", 0.5, **environment)
        assert died.returncode == -signal.SIGABRT
        assert len(side_files(run)) == 1
    done = submit(run, images, out, "--fill", 0.5, **environment)
    assert done.returncode == 0, done.stderr
    assert side_files(run) == []
    with (tmp_path / "s.rejects.csv").open() as file:
        (reject,) = csv.DictReader(file)
    assert reject["path"] == "50.jpg"
    assert reject["reason"] == "kills the process that decodes it (SIGABRT)"
    assert reject["status"] == "rejected"

    (images / "50.jpg").unlink()
    assert submit_here(capfd, run, images, tmp_path / "without.csv").code == 0
    others = [line for line in out.read_text().splitlines() if not line.startswith("50,")]
    assert others == (tmp_path / "without.csv").read_text().splitlines()


def test_files_that_only_happened_to_be_in_hand_are_scored_as_any_other(tmp_path, capfd):
    run, images, out = tmp_path / "run", tmp_path / "images", tmp_path / "s.csv"
    save_tiny_run(run)
    draw_pictures(images, 5)
    for name in ("1.jpg", "2.jpg"):
        assert submit(run, images, out, PYTHONPATH=HOOKS, PICTURE_FAULTS=f"{name}=abort").returncode != 0
    done = submit_here(capfd, run, images, out)
    assert "5 rows, 0 rejects" in done.output, done.errors
    assert side_files(run) == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    draw_pictures(tmp_path, 4)
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    monkeypatch.setenv("PYTHONPATH", HOOKS)
    return tmp_path


def culprits(folder: Path, *names: bytes) -> dict[bytes, str]:
    return dict(find_culprits(os.fsencode(folder), names, LIMITS))


def test_each_death_of_the_child_is_told_and_the_next_file_gets_a_new_child(folder, monkeypatch):
    monkeypatch.setenv("PICTURE_FAULTS", "1.jpg=abort 3.jpg=segfault 4.jpg=hungry")
    found = culprits(folder, b"1.jpg", b"2.jpg", b"broken.jpg", b"gone.jpg", b"3.jpg", b"4.jpg", b"2.jpg")
    assert found == {
        b"1.jpg": "kills the process that decodes it (SIGABRT)",
        b"2.jpg": "",
        b"broken.jpg": "",  # the stream names it
        b"gone.jpg": "",
        b"3.jpg": "kills the process that decodes it (SIGSEGV)",
        b"4.jpg": "needs more than 4 GiB of memory to decode",
    }


@pytest.mark.faults
def test_a_decoder_that_hangs_outside_of_python_is_ended_after_30_seconds(folder, monkeypatch):
    monkeypatch.setenv("PICTURE_FAULTS", "1.jpg=hang")
    assert culprits(folder, b"1.jpg", b"2.jpg") == {b"1.jpg": "takes more than 30 s to decode", b"2.jpg": ""}


def test_a_child_that_cannot_start_is_a_fault_of_ours(folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr("sys.executable", "/bin/false")
    with pytest.raises(RuntimeError, match="did not start"):
        culprits(folder, b"1.jpg")
    ask = isolation._ask
    monkeypatch.setattr(isolation, "_ask", lambda child, question: (child.wait(), ask(child, question))[1])
    with pytest.raises(RuntimeError, match="did not start"):  # dead before it was asked
        culprits(folder, b"1.jpg")
