"""The record of rounds: a table for people, a file for Prometheus, lines for programs, pruning."""

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import typer
from score_runs import Schedule
from tiny_runs import draw_pictures, save_tiny_run

from jobs.entry import _guarded
from jobs.rounds import main
from submissions.ledger import open_ledger


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fresh")
    save_tiny_run(folder / "run")
    draw_pictures(folder / "images", 3)
    return folder


@pytest.fixture
def schedule(fresh, tmp_path, capfd) -> Schedule:
    for name in ("run", "images"):
        shutil.copytree(fresh / name, tmp_path / name)
    return Schedule(tmp_path, capfd)


def metrics(path: Path) -> dict[str, float]:
    found = re.findall(r"^(\w+)\{run=\"run\",out=\".*\"\} (\S+)$", path.read_text(), re.MULTILINE)
    return {name.removeprefix("pawscore_"): float(value) for name, value in found}


def test_the_last_rounds_are_a_table_also_while_another_run_writes(schedule, capfd):
    assert schedule.round().code == 0
    assert schedule.round(images="/no/such").code == 2
    with open_ledger(schedule.ledger):
        capfd.readouterr()
        main(run=str(schedule.run), last=20)
    head, first, second = capfd.readouterr().out.splitlines()
    expected = "start (UTC) seconds model found new scored reused rejected vanished waiting rate drift exit"
    assert " ".join(head.split()) == expected
    assert first.split()[4:11] == ["3", "3", "3", "0", "0", "0", "0"] and first.split()[-1] == "0"
    assert second.split()[-1] == "2"
    main(run=None, ledger=schedule.ledger, last=1)
    assert len(capfd.readouterr().out.splitlines()) == 2


@pytest.mark.parametrize("options", [{"run": "no/such/run"}, {"ledger": Path("/no/such")}, {}])
def test_rounds_of_no_ledger_are_one_sentence(options, capfd):
    with pytest.raises(typer.Exit) as end:
        _guarded(main)(**options)
    assert end.value.exit_code == 2
    assert len(capfd.readouterr().err.strip().splitlines()) == 1


def test_pruning_goes_by_days_and_leaves_what_is_there(schedule, capfd):
    assert schedule.round().code == 0
    (schedule.images / "1.jpg").unlink()
    assert schedule.round().code == 0
    with closing(sqlite3.connect(schedule.ledger)) as connection, connection:
        connection.execute("UPDATE scores SET scored_at = '2020-01-01T00:00:00Z'")
    capfd.readouterr()
    main(run=str(schedule.run), prune=30)
    assert capfd.readouterr().out.startswith("1 rows deleted")
    assert schedule.round().code == 0
    assert (schedule.last().new, len(schedule.rows())) == (0, 2)


def test_metrics_tell_the_last_round_and_keep_the_last_success(schedule):
    path = schedule.out.with_name("pawscore.prom")
    (schedule.images / "bad.jpg").write_bytes(b"no picture")
    assert schedule.round(metrics=path, max_reject_share=0.5).code == 0
    first = metrics(path)
    assert (first["files"], first["rows"], first["rejects"], first["new"], first["exit_code"]) == (4, 3, 1, 4, 0)
    assert first["last_success_timestamp_seconds"] > 1_700_000_000
    assert schedule.round(metrics=path).code == 3
    second = metrics(path)
    assert (second["exit_code"], second["files"], second["rejects"]) == (3, 4, 1)
    assert second["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    assert schedule.round(metrics=path, images="/no/such").code == 2
    third = metrics(path)
    assert third["last_success_timestamp_seconds"] == first["last_success_timestamp_seconds"]
    assert (third["rows"], third["files"], third["rejects"], third["exit_code"]) == (3, 4, 1, 2)
    odd = {"metrics": path, "out": str(schedule.out.with_name('with, a "comma".csv'))}
    assert schedule.round(**odd, max_reject_share=0.5).code == 0
    assert schedule.round(**odd, images="/no/such").code == 2
    assert (metrics(path)["rows"], metrics(path)["exit_code"]) == (3, 2)
    assert [file.name for file in path.parent.glob(".*")] == []
