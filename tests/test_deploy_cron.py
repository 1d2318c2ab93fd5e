"""deploy/ for cron: the crontab, checked by parsers, and its line as cron runs it."""

import re
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cronsim import CronSim
from deployment import DEPLOY, crontab
from places import checkout_at, machine_in, moved, needs, rows_of, run_shell


def test_cron_reads_the_line_as_once_a_night():
    (line,) = crontab()[1]
    rounds = CronSim(line.when, datetime(2026, 1, 1, 12, tzinfo=UTC))
    first = next(rounds)
    assert (first.hour, first.minute) == (2, 30)
    assert next(rounds) - first == timedelta(days=1)
    # cron ends a command at the first % that has no backslash.
    assert not re.search(r"(?<!\\)%", line.command)


def test_debians_crontab_accepts_the_file(tmp_path):
    program = needs("crontab", "cron")
    told = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)
    if "dry run" not in told.stdout + told.stderr:
        pytest.skip("this crontab cannot check a file without installing it")
    for text, good in (((DEPLOY / "pawscore.crontab").read_text(), True), ("61 * * * * true\n", False)):
        (tmp_path / "table").write_text(text)
        done = subprocess.run([program, "-n", tmp_path / "table"], capture_output=True, text=True, check=False)
        assert (done.returncode == 0) == good, done.stderr


def test_a_round_that_fails_under_cron_mails_its_sentence_and_its_exit_code(tmp_path):
    checkout_at(tmp_path)
    (tmp_path / "var/log/pawscore").mkdir(parents=True)
    (line,) = crontab()[1]
    done = run_shell(moved(line.command, tmp_path), tmp_path)
    # What cron would mail: there is no run, no folder of pictures.
    assert done.stdout == ""
    assert "Error: " in done.stderr
    assert "exit code 2" in done.stderr
    assert done.stderr.count("\n") == 2
    assert (tmp_path / "var/log/pawscore/score.log").exists()


@pytest.mark.slow
def test_the_line_of_the_crontab_scores_and_mails_nothing(tmp_path):
    machine = machine_in(tmp_path)
    (line,) = crontab()[1]
    command = moved(line.command, machine).replace("--settle 60", "--settle 0")
    done = run_shell(command, machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(rows_of(machine / "srv/scores/pictures.csv")) == 4
    assert "4 rows, 0 rejects" in (machine / "var/log/pawscore/score.log").read_text()
    assert (machine / "var/lib/pawscore/metrics/nightly.prom").read_text()
    # The run stays as it was: it may be shared and read-only.
    assert {path.name for path in (machine / "opt/pawscore/runs/nightly").iterdir()} == {
        "model.json",
        "model.weights.h5",
    }
