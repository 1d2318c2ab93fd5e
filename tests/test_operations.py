"""docs/operations.md says what is true: commands, options, exit codes and names of metrics."""

import re
import subprocess
import sys

import yaml
from deployment import HOUSE

from jobs.metrics_file import HELP
from submissions import DriftError, LockedError, TooFewFilesError, TooManyRejectsError

TEXT = (HOUSE / "docs" / "operations.md").read_text()


def options_of(job: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-m", f"jobs.{job}", "--help"], cwd=HOUSE, capture_output=True, text=True, check=True
    ).stdout
    return set(re.findall(r"--[a-z][a-z-]+", told))


def test_every_option_in_a_documented_command_exists():
    for job in sorted(set(re.findall(r"-m jobs\.(\w+)", TEXT))):
        wanted = set()
        for command in re.findall(rf"-m jobs\.{job} ([^`\n]*)", TEXT):
            wanted |= set(re.findall(r"--[a-z][a-z-]+", command))
        assert wanted <= options_of(job), job


def test_every_exit_code_is_in_the_table():
    table = TEXT[TEXT.index("## What an exit code asks of you") : TEXT.index("## Recovery")]
    codes = {int(code) for code in re.findall(r"^\| (\d+)", table, re.MULTILINE)}
    own = {error.exit_code for error in (DriftError, LockedError, TooFewFilesError, TooManyRejectsError)}
    assert own | {0, 1, 2, 130} <= codes


def test_the_alert_rules_ask_for_metrics_that_are_written():
    (block,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    rules = [rule for group in yaml.safe_load(block)["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"pawscore_\w+", rule["expr"])}
    assert asked and asked <= set(HELP)


def test_every_file_of_deploy_is_documented():
    for path in (HOUSE / "deploy").iterdir():
        assert f"deploy/{path.name}" in TEXT, path.name
