"""What deploy/ starts: jobs.score, with options that it knows."""

import re

import pytest
import typer
from deployment import DEPLOY, commands

from jobs.score import main


@pytest.mark.parametrize("name", ["pawscore.crontab", "pawscore.service", "cronjob.yaml"])
def test_every_schedule_starts_jobs_score_with_options_that_it_knows(name):
    app = typer.Typer(add_completion=False)
    app.command()(main)
    arguments = commands()[name]
    options = typer.main.get_command(app).make_context("score", list(arguments)).params
    assert options["run"] == "nightly"
    for needed in ("images", "out", "ledger", "metrics"):
        assert str(options[needed]).startswith("/"), needed


def test_nothing_in_deploy_calls_make():
    for path in DEPLOY.iterdir():
        lines = [line for line in path.read_text().splitlines() if not line.lstrip().startswith("#")]
        assert not re.search(r"\bmake\b", "\n".join(lines)), path
