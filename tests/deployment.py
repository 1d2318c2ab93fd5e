"""What deploy/ starts, read from its files: the commands that schedulers run and the steps of the image."""

import json
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HOUSE = Path(__file__).parent.parent
DEPLOY = HOUSE / "deploy"


def unit_settings(name: str) -> list[tuple[str, str]]:
    """The settings of a systemd unit in their order; a line that ends with a backslash goes on in the next."""
    text = re.sub(r"\\\n\s*", "", (DEPLOY / name).read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith(("#", "["))]
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def unit_setting(name: str, key: str) -> str:
    """The one value of `key`; fails when it stands there twice or not at all."""
    (value,) = [value for found, value in unit_settings(name) if found == key]
    return value


class CronLine(NamedTuple):
    """A line of a crontab: when, and the shell's command line."""

    when: str
    command: str


def crontab() -> tuple[dict[str, str], list[CronLine]]:
    """The environment and the lines of the crontab, split as cron does: five fields, then the command as it is."""
    environment, lines = {}, []
    for line in (DEPLOY / "pawscore.crontab").read_text().splitlines():
        if setting := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            environment[setting[1]] = setting[2]
        elif line.strip() and not line.startswith("#"):
            *when, command = line.split(maxsplit=5)
            lines.append(CronLine(" ".join(when), command))
    return environment, lines


def cron_job() -> list[dict[str, Any]]:
    """The documents of the Kubernetes file, the CronJob first."""
    return list(yaml.safe_load_all((DEPLOY / "cronjob.yaml").read_text()))


def pod() -> dict[str, Any]:
    """The pod's specification in the CronJob."""
    return cron_job()[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]


class Step(NamedTuple):
    """An instruction of the Dockerfile and what stands after it."""

    instruction: str
    text: str


def image_steps() -> list[Step]:
    """The instructions of the Dockerfile, comments left out, continued lines joined."""
    lines = (line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [Step(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def entry_point() -> list[str]:
    """The image's ENTRYPOINT, which is written as a list."""
    (text,) = [step.text for step in image_steps() if step.instruction == "ENTRYPOINT"]
    return json.loads(text)


def in_context(path: Path) -> bool:
    """Whether docker would see this file of the house: the last line of .dockerignore that fits decides."""
    relative = path.relative_to(HOUSE)
    names = [relative, *relative.parents][:-1]
    seen = True
    for line in (HOUSE / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        anywhere = "**/" in line
        if line and not line.startswith("#") and any(fnmatch(n.name if anywhere else str(n), pattern) for n in names):
            seen = line.startswith("!")
    return seen


def commands() -> dict[str, list[str]]:
    """Where from -> the arguments of jobs.score that it starts."""
    (line,) = crontab()[1]
    words = re.search(r"\S+ -m jobs\.score [^;|>&]*", line.command)[0]
    found = {
        "pawscore.crontab": shlex.split(words),
        "pawscore.service": shlex.split(unit_setting("pawscore.service", "ExecStart")),
        "cronjob.yaml": [*entry_point(), *pod()["containers"][0]["args"]],
    }
    return {name: command[command.index("jobs.score") + 1 :] for name, command in found.items()}
