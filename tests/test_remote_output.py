"""Publication into a store of objects: whole or not at all, as in a folder."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from outputs import BAD, COLUMNS, FACTS, ROWS
from outputs import put as here
from s3_server import BUSY, PASS, Server, run_proxy

from jobs.remote_output import open_remote_output
from pipeline import InputError, stores
from submissions import SubmissionError
from submissions.remote import RemoteOutput
from submissions.verification import verify
from submissions.writer import Reject

ADDRESS = "s3://photos/out/scores.csv"
NEW = [("1", "1"), ("2", "1")]


class Killed(BaseException):
    """The process ends here."""


class Memory:
    """Objects in a dict, of whose changes the one numbered `last` is the process's last."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.last = -1
        self.steps: list[str] = []

    def fetch(self, name: str) -> bytes | None:
        return self.objects.get(name)

    def put(self, name: str, data: bytes) -> None:
        self._step(f"put {name}", lambda: self.objects.update({name: data}))

    def delete(self, name: str) -> None:
        self._step(f"delete {name}", lambda: self.objects.pop(name, None))

    def _step(self, name: str, act: Callable[[], object]) -> None:
        act()
        self.steps.append(name)
        if len(self.steps) == self.last:
            raise Killed


def put(output, rows=ROWS, rejects=BAD, **options) -> str:
    options = {"files": len(rows) + len(rejects), "started": datetime.now(UTC), "replace_own": True} | options
    return output.publish(COLUMNS, rows, rejects, FACTS, **options)


def in_memory(objects: Memory) -> RemoteOutput:
    return RemoteOutput("memory://out", "scores.csv", objects)


def test_the_three_files_lie_in_the_bucket_as_they_would_in_a_folder(s3: Server, tmp_path: Path):
    output = open_remote_output(ADDRESS)
    assert (put(output), here(tmp_path / "scores.csv", replace_own=True)) == ("written", "written")
    for name in ("scores.csv", "scores.rejects.csv"):
        assert s3.get(f"photos/out/{name}") == (tmp_path / name).read_bytes()
    assert output.inspect(verify) == []
    assert s3.names("photos") == ["out/scores.csv", "out/scores.manifest.json", "out/scores.rejects.csv"]


def test_what_is_there_already_is_unchanged_and_what_is_its_own_is_replaced(s3: Server):
    output = open_remote_output(ADDRESS)
    put(output)
    with run_proxy(s3, lambda *_: PASS) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.url)
        assert put(open_remote_output(ADDRESS)) == "unchanged"
        assert {method for method, _ in proxy.seen} == {"GET"}
    assert put(output, NEW) == "written"
    assert s3.get("photos/out/scores.csv") == b"id,label\n1,1\n2,1\n"
    assert output.inspect(verify) == []


def test_someone_elses_file_is_not_replaced_and_named_by_its_address(s3: Server):
    s3.put("photos/out/scores.csv", b"mine")
    with pytest.raises(SubmissionError, match=f"^{ADDRESS} is not as its manifest says, so it may be someone else's"):
        put(open_remote_output(ADDRESS))
    assert s3.names("photos") == ["out/scores.csv"]
    assert s3.get("photos/out/scores.csv") == b"mine"


@pytest.mark.parametrize("before", [None, ROWS], ids=["first", "replacing"])
def test_killed_after_any_step_of_the_copy_it_is_whole_or_known_not_to_be_and_the_next_run_mends_it(before):
    number = steps = 0
    while number <= steps:
        number += 1
        objects = Memory()
        if before:
            put(in_memory(objects), before)
        old, objects.steps, objects.last = dict(objects.objects), [], number
        bad = [Reject(b"9.jpg", "new", "rejected")]
        try:
            put(in_memory(objects), NEW, bad)
        except Killed:
            steps = number
        now = {name: data for name, data in objects.objects.items() if not name.startswith(".")}
        whole = in_memory(objects).inspect(verify) == []
        all_new = b"1,1" in now.get("scores.csv", b"") and b"9.jpg" in now.get("scores.rejects.csv", b"")
        assert whole <= (all_new or now == old)
        assert (now == old and bool(old)) <= whole
        in_memory(objects).clean_leftovers()
        assert set(objects.objects) <= {"scores.csv", "scores.rejects.csv", "scores.manifest.json"}
        assert objects.objects == old or in_memory(objects).inspect(verify) == []
        put(in_memory(objects), NEW, bad)
        assert objects.objects["scores.csv"] == b"id,label\n1,1\n2,1\n"
        assert in_memory(objects).inspect(verify) == []
    assert steps >= 7


def test_an_interrupted_copy_is_finished_in_one_line_that_names_the_address():
    objects = Memory()
    put(in_memory(objects))
    objects.steps, objects.last = [], 3  # the CSV has been replaced, the rest not
    with pytest.raises(Killed):
        put(in_memory(objects), NEW)
    assert objects.steps[-1] == "put scores.csv"
    assert any("a run was killed while it published" in line for line in in_memory(objects).inspect(verify))
    said = in_memory(objects).clean_leftovers()
    assert said == "finished the publication of memory://out/scores.csv that a killed run had begun"
    assert in_memory(objects).inspect(verify) == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (
            "s3://not-there/out/scores.csv",
            r"s3://not-there/out/scores.csv could not be .* \(the bucket does not exist\)",
        ),
        ("s3://photos", "names no file in a bucket"),
        ("s3://photos/", "names no file in a bucket"),
    ],
)
def test_an_output_that_leads_nowhere_is_one_sentence_before_the_work(s3: Server, address: str, words: str):
    with pytest.raises((InputError, SubmissionError), match=words):
        open_remote_output(address).clean_leftovers()


@pytest.mark.faults
def test_a_server_that_fails_while_it_is_published_is_one_sentence_and_the_old_output_stands(
    s3: Server, monkeypatch: pytest.MonkeyPatch
):
    put(open_remote_output(ADDRESS))
    monkeypatch.setattr(stores, "patience", lambda: stores.Patience(3, tries_again=1, first_pause=0.05))
    with run_proxy(s3, lambda _, method, path: BUSY if method == "PUT" else PASS) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(SubmissionError, match=r"\(the server answers SlowDown\), and no file is half-written"):
            put(open_remote_output(ADDRESS), NEW)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.url)
    assert open_remote_output(ADDRESS).inspect(verify) == []
    assert s3.get("photos/out/scores.csv") == b"id,label\n1,0\n2,1\n"


def test_the_command_verifies_an_address(s3: Server):
    put(open_remote_output(ADDRESS))
    command = [sys.executable, "-m", "jobs.verify", ADDRESS]
    house = Path(__file__).parent.parent
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert done.stdout == f"{ADDRESS}: complete and unchanged: 2 rows, 1 rejects, model aaaaaaaaaaaa\n", done.stderr
    s3.put("photos/out/scores.csv", b"id,label\n")
    done = subprocess.run(command, cwd=house, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(" has")[0]) == (2, f"{ADDRESS}: scores.csv")
