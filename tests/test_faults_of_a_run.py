"""A whole submit that is killed, or finds the disk full, at any of its steps: the old or the new CSV is whole, and the
same command goes on from there."""

import contextlib
import io
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from bare_runs import committed, draw, in_child, published, put_old, scored, submit_bare
from faults import done_then_failed, done_then_killed, fault_at, full, half_then_killed, killed

PICTURES = 5


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("place") / "images"
    draw(folder, PICTURES)
    return folder


@pytest.fixture(scope="module")
def new(images) -> dict[str, bytes]:
    """What an undisturbed run publishes."""
    place = images.parent / "undisturbed"
    place.mkdir()
    assert in_child(lambda: submit_bare(place, images), place / "log") == 0, (place / "log").read_text()
    assert len(scored(place)) == PICTURES
    return published(place)


def is_new(found: dict[str, bytes], new: dict[str, bytes]) -> bool:
    """Whether the tables are those of an undisturbed run; manifests differ in their times."""
    return all(found.get(name) == new[name] for name in ("s.csv", "s.rejects.csv"))


def check_goes_on(place: Path, images: Path, new: dict[str, bytes]) -> None:
    """After the fault: the CSV is whole; the next run publishes the same as ever, and scores nothing that was kept."""
    before, kept = published(place), committed(place)
    assert before.get("s.csv") in (None, b"id,label\n1,0\n", new["s.csv"])
    known = len(scored(place))
    code = in_child(lambda: submit_bare(place, images), place / "log")
    assert code == 0, (place / "log").read_text()
    assert is_new(published(place), new)
    assert not set(scored(place)[known:]) & kept.keys(), "scored twice"
    assert committed(place).items() >= kept.items()
    assert not [name for name in os.listdir(place) if name.startswith(".s.")], "leftovers"


def prepare(folder: Path, number: object, old: bool) -> Path:
    place = folder / str(number)
    place.mkdir()
    if old:
        put_old(place)
    return place


@pytest.mark.faults
@pytest.mark.parametrize(("act", "old"), [(killed, False), (done_then_killed, True), (half_then_killed, True)])
def test_a_kill_at_any_step_of_a_run_loses_and_mixes_nothing(tmp_path, images, new, old, act):
    number, place = 0, tmp_path
    while number == 0 or has_step(place, number):
        number += 1
        place = prepare(tmp_path, number, old)
        status = in_child(partial(submit_with_fault, place, images, number, act), place / "log")
        # A step that fails by itself, as when there is nothing to unlink, does not get to the kill.
        assert status in (0, 9), (place / "log").read_text()
        check_goes_on(place, images, new)
    assert number > 50


def submit_with_fault(place: Path, images: Path, number: int, act: Callable) -> int:
    with fault_at(number, act) as count:
        code = submit_bare(place, images)
    (place / "count").write_text(str(count[0]))
    return code


def has_step(place: Path, number: int) -> bool:
    """Whether a run that was to meet a fault at its `number`th step had that many."""
    return not (place / "count").exists() or int((place / "count").read_text()) >= number


@pytest.mark.faults
def test_a_kill_before_any_statement_of_the_ledger_loses_nothing(tmp_path, images, new):
    status, number = -1, 0
    while status != 0:
        number += 1
        place, count = prepare(tmp_path, number, True), [0]

        def die(count: list[int] = count, number: int = number) -> None:
            count[0] += 1
            if count[0] == number:
                os._exit(9)

        def work(place: Path = place, die: Callable[[], None] = die) -> int:
            return submit_bare(place, images, die)

        status = in_child(work, place / "log")
        assert status in (0, 9), (place / "log").read_text()
        check_goes_on(place, images, new)
    assert number > 50


@pytest.mark.faults
@pytest.mark.parametrize("act", [full, done_then_failed])
def test_an_error_at_any_step_of_a_run_is_no_success_unless_all_is_there(tmp_path, images, new, act):
    number, place = 0, tmp_path
    while number == 0 or has_step(place, number):
        number += 1
        place = prepare(tmp_path, number, True)
        status = in_child(partial(submit_with_fault, place, images, number, act), place / "log")
        check_ended(place, status, new)
        check_goes_on(place, images, new)
    assert number > 50


def check_ended(place: Path, status: int, new: dict[str, bytes]) -> None:
    said, found = (place / "log").read_text(), published(place)["s.csv"]
    if status == 0:
        # Where the fault met the reading of the file that is no picture, its reject has other words.
        assert found == new["s.csv"], said
    else:
        assert status == 2, said
        assert said.count("Error: ") == 1 and "Traceback" not in said
        assert found in (b"id,label\n1,0\n", new["s.csv"])


@pytest.mark.faults
def test_a_file_size_limit_anywhere_in_a_run_leaves_the_old_files_and_the_run_goes_on(tmp_path, images, new):
    """SQLite's own writes are met by this one, in the middle of a file."""
    limits = sorted({*range(0, 2000, 97), *range(2000, 90_000, 2063), 4096, 8192, 32768, 65536})
    codes = []
    for limit in limits:
        place = prepare(tmp_path, limit, True)

        def work(limit: int = limit, place: Path = place) -> int:
            sys.stdout = sys.stderr = io.StringIO()  # the log would have no room either
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            return submit_bare(place, images)

        codes.append(in_child(work, place / "log"))
        assert codes[-1] == 0 or published(place)["s.csv"] == b"id,label\n1,0\n"
        check_goes_on(place, images, new)
    assert set(codes) == {0, 2}
    assert codes == sorted(codes, reverse=True)


@contextlib.contextmanager
def small_disk(folder: Path, size: int):
    """A tmpfs of `size` bytes, where the user may mount one."""
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"no tmpfs can be mounted here ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.faults
@pytest.mark.skipif(os.geteuid() != 0, reason="a small tmpfs is mounted by root")
def test_a_full_disk_of_any_size_leaves_the_old_files_and_the_run_goes_on(tmp_path, images, new):
    codes = []
    for pages in range(4, 60, 2):
        with small_disk(tmp_path / str(pages), pages * 4096) as disk:
            put_old(disk)
            codes.append(in_child(partial(submit_bare, disk, images), tmp_path / "log"))
            assert codes[-1] in (0, 2), (tmp_path / "log").read_text()
            assert codes[-1] == 0 or published(disk)["s.csv"] == b"id,label\n1,0\n"
            subprocess.run(["mount", "-o", "remount,size=1m", disk], check=True)
            check_goes_on(disk, images, new)
    assert set(codes) == {0, 2}
    assert codes == sorted(codes, reverse=True)
