"""deploy/ for Docker: the steps of the image, done in a clean folder, and a real round there as its user."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from deployment import commands, image_steps, pod
from image_build import NOBODY, build_image, run_image
from places import rows_of


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder that any user may enter, unlike pytest's, in which the Dockerfile's steps were done."""
    folder = Path(tempfile.mkdtemp(prefix="pawscore-image-"))
    folder.chmod(0o755)
    try:
        build_image(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_image_runs_as_the_user_that_the_pod_demands():
    (user,) = [step.text for step in image_steps() if step.instruction == "USER"]
    assert user == f"{NOBODY}:{NOBODY}"
    assert pod()["securityContext"]["runAsUser"] == NOBODY
    (place,) = [step.text for step in image_steps() if step.instruction == "WORKDIR"]
    (runs,) = [mount["mountPath"] for mount in pod()["containers"][0]["volumeMounts"] if mount["name"] == "runs"]
    assert runs == f"{place}/runs"


@pytest.mark.slow
def test_the_image_holds_the_code_and_what_names_its_dependencies(image):
    named = {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    code = {"jobs", "models", "pipeline", "submissions"}
    assert {path.name for path in (image / "opt/pawscore").iterdir()} == named | code
    accounts = image / "opt/accounts/etc/passwd"
    assert not accounts.exists() or f":{NOBODY}:" in accounts.read_text()


@pytest.mark.slow
def test_what_the_image_holds_suffices_for_a_round_of_its_user(image):
    from tiny_runs import draw_pictures, save_tiny_run

    told = run_image(image, ["--help"])
    assert told.returncode == 0 and "--max-reject-share" in told.stdout, told.stderr
    save_tiny_run(image / "opt/pawscore/runs/nightly")
    draw_pictures(image / "pictures", 4)
    owner = NOBODY if os.geteuid() == 0 else os.geteuid()
    for name in ("scores", "state", "tmp"):
        (image / name).mkdir()
        os.chown(image / name, owner, -1)
    mounts = "|".join(re.escape(mount["mountPath"]) for mount in pod()["containers"][0]["volumeMounts"])
    arguments = [re.sub(rf"=({mounts})(?=/|$)", rf"={image}\1", word) for word in commands()["cronjob.yaml"]]
    done = run_image(image, [word.replace("--settle=60", "--settle=0") for word in arguments])
    assert done.returncode == 0, done.stderr
    assert len(rows_of(image / "scores/pictures.csv")) == 4
    assert (image / "scores/pictures.csv").stat().st_uid == owner
    assert (image / "state/nightly.prom").read_text()
