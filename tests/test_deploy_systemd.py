"""deploy/ for systemd: the service and its timer, checked by systemd itself, and a real round."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest
from deployment import DEPLOY, commands, unit_setting, unit_settings
from places import checkout_at, machine_in, moved, needs, rows_of

UNITS = ("pawscore.service", "pawscore.timer")


@pytest.fixture
def moved_units(tmp_path):
    """The units with their paths below a folder where these exist, since systemd looks for what it would start."""
    checkout_at(tmp_path)
    units = tmp_path / "units"
    units.mkdir()
    for name in UNITS:
        (units / name).write_text(moved((DEPLOY / name).read_text(), tmp_path))
    return units


def test_systemd_finds_no_fault_in_the_units(moved_units):
    verify = [needs("systemd-analyze", "systemd"), "verify", *(str(moved_units / name) for name in UNITS)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_systemd_finds_a_fault_that_is_put_into_the_unit(moved_units):
    unit = moved_units / "pawscore.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=strict", "ProtectSystem=strictly"))
    verify = [needs("systemd-analyze", "systemd"), "verify", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert "Failed to parse protect system value" in done.stderr


def test_systemd_counts_the_service_among_the_least_exposed(moved_units):
    analyze = needs("systemd-analyze", "systemd")
    if "--offline" not in subprocess.run([analyze, "--help"], capture_output=True, text=True, check=True).stdout:
        pytest.skip("this systemd-analyze has no --offline (systemd 250 or later)")
    # 10 is a plain service of root, 2 and less is what systemd calls OK.
    security = [analyze, "security", "--offline=true", "--threshold=15", str(moved_units / "pawscore.service")]
    done = subprocess.run(security, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_timer_reads_as_one_night_after_the_other():
    calendar = [needs("systemd-analyze", "systemd"), "calendar", unit_setting("pawscore.timer", "OnCalendar")]
    done = subprocess.run(calendar, capture_output=True, text=True, check=True)
    assert "02:30:00" in done.stdout
    assert unit_setting("pawscore.timer", "Persistent") == "true"


def test_the_service_writes_only_where_its_command_writes():
    arguments = commands()["pawscore.service"]
    written = [arguments[arguments.index(option) + 1] for option in ("--out", "--ledger", "--metrics")]
    allowed = [unit_setting("pawscore.service", "ReadWritePaths")]
    allowed += [f"/var/lib/{name}" for name in unit_setting("pawscore.service", "StateDirectory").split()]
    assert {str(Path(path).parent) for path in written} == set(allowed)
    assert ("ProtectSystem", "strict") in unit_settings("pawscore.service")


def test_tries_that_time_out_are_counted_before_the_count_starts_anew():
    hours = {
        name: int(unit_setting("pawscore.service", name).removesuffix("h"))
        for name in ("StartLimitIntervalSec", "TimeoutStartSec")
    }
    tries = int(unit_setting("pawscore.service", "StartLimitBurst"))
    assert tries * (hours["TimeoutStartSec"] + 1) < hours["StartLimitIntervalSec"]


def test_an_interruption_is_no_failure_of_the_service():
    assert unit_setting("pawscore.service", "SuccessExitStatus").split() == ["130", "SIGTERM"]


@pytest.mark.slow
def test_the_command_of_the_service_scores_a_tree(tmp_path):
    machine = machine_in(tmp_path)
    command = moved(unit_setting("pawscore.service", "ExecStart"), machine).replace("--settle 60", "--settle 0")
    done = subprocess.run(
        shlex.split(command), cwd=machine / "opt/pawscore", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(rows_of(machine / "srv/scores/pictures.csv")) == 4
    events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert (events[0], events[-1], done.stderr) == ("started", "ended", "")
