"""The steps of deploy/Dockerfile, done in a folder instead of an image."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from deployment import HOUSE, entry_point, image_steps, in_context

NOBODY = 10001  # the image's user


def as_nobody() -> dict[str, object]:
    """Options of subprocess.run: another user where this one is root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def reachable_python() -> str:
    """A Python of this version that the image's user may start; the test is skipped where there is none."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = sysconfig.get_path("purelib")
    for python in (sys._base_executable, f"/usr/bin/python{version}"):
        code = f"import site; site.addsitedir({packages!r}); import tensorflow"
        try:
            done = subprocess.run([python, "-c", code], capture_output=True, check=False, cwd="/", **as_nobody())
        except OSError:
            continue
        if done.returncode == 0:
            return python
    pytest.skip(f"no Python {version} and packages that a user without rights may read")


def environment_of(folder: Path) -> Path:
    """An environment in `folder` that sees the packages of this one, for a user who may read nothing else."""
    subprocess.run([reachable_python(), "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "here.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin"


def copy_step(text: str, workdir: Path) -> None:
    """COPY: the files that .dockerignore lets through; a folder's content goes into the destination."""
    *sources, destination = text.split()
    for source in sources:
        path = HOUSE / source
        for file in [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]:
            assert path.is_dir() or in_context(file), f"{source} is hidden by .dockerignore"
            if in_context(file):
                target = workdir / destination / (file.relative_to(path) if path.is_dir() else file.name)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


def run_step(text: str, workdir: Path, binaries: Path) -> None:
    """RUN, with the environment's programs first.

    pip resolves, builds and downloads what is missing but installs nothing (`--dry-run`): the packages are those that
    run the tests. Accounts are made in a folder of their own, by root alone.
    """
    text = text.replace("pip install ", f"{sys.executable} -m pip install --dry-run ", 1)
    if text.startswith("useradd "):
        if os.geteuid() != 0 or shutil.which("useradd") is None:
            return
        accounts = workdir.parent / "accounts"
        (accounts / "etc").mkdir(parents=True)
        for name in ("passwd", "group", "shadow", "gshadow"):
            (accounts / "etc" / name).touch()
        text = text.replace("useradd ", f"useradd --prefix {accounts} ", 1)
    env = {**os.environ, "PATH": f"{binaries}:/usr/sbin:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", "-c", text], cwd=workdir, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{text}: {done.stdout}{done.stderr}"


def build_image(folder: Path) -> Path:
    """Do what the Dockerfile says below `folder`; give the folder that stands for the image's /opt/pawscore."""
    workdir, binaries = folder / "opt" / "pawscore", environment_of(folder / "python")
    workdir.mkdir(parents=True)
    for step in image_steps():
        if step.instruction == "COPY":
            copy_step(step.text, workdir)
        elif step.instruction == "RUN":
            run_step(step.text, workdir, binaries)
    return workdir


def run_image(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess:
    """Run the ENTRYPOINT of the image built below `folder`, as its user."""
    command = [str(folder / "python" / "bin" / "python"), *entry_point()[1:], *arguments]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(folder / "tmp")}
    return subprocess.run(
        command, cwd=folder / "opt/pawscore", env=env, capture_output=True, text=True, check=False, **as_nobody()
    )
