"""What a job takes when nothing was named: the built-in sample, and names made from what was."""

from dataclasses import dataclass
from pathlib import Path

from pipeline import InputError

RUNS = Path("runs")
SAMPLE_DATA = Path("data/sample")
SAMPLE_RUN = "sample"
REPORT = "report.html"  # the page of a run, in its folder
DEFAULT_BACKBONE = "vgg16"
DEFAULT_RECIPE = "head"
SAMPLE_NOTICE = (
    "No data named: using the built-in sample of drawn cats and dogs. For the real photos: "
    "make data SOURCE=kaggle DATA=data/dogs-vs-cats, then make submit DATA=data/dogs-vs-cats."
)
UNLABELLED_FOLDERS = ("test1", "test")


@dataclass(frozen=True)
class Choice:
    """What to work on: the data folder (None when only pictures were named), the run's name, the recipe."""

    data: Path | None
    run: str
    recipe: str
    backbone: str
    is_sample: bool


def choose(data: Path | None, run: str | None, recipe: str | None = None, backbone: str | None = None) -> Choice:
    """With neither data nor run: the sample, trained from scratch. A run's name is made from what trains it."""
    is_sample = (data is None and run in (None, SAMPLE_RUN)) or data == SAMPLE_DATA
    recipe = recipe or ("scratch" if is_sample else DEFAULT_RECIPE)
    backbone = backbone or DEFAULT_BACKBONE
    if data is None and is_sample:
        data = SAMPLE_DATA
    if run is None and data is not None:
        network = "" if recipe == "scratch" else f"-{backbone}"
        plain = is_sample and recipe == "scratch"
        run = SAMPLE_RUN if plain else f"{data.resolve().name}{network}-{recipe}"
    return Choice(data, run or "", recipe, backbone, is_sample)


def run_folder(name: str) -> Path:
    """The folder of the run `name`; a name with a slash is a path. Raises InputError for an empty name."""
    if not name.strip() or name in (".", ".."):
        raise InputError("no run named; give --run NAME.")
    return Path(name) if "/" in name else RUNS / name


def nearby(path: Path) -> Path:
    """A path as people would write it: relative to where they are, when it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def unlabelled_folder(data: Path) -> Path:
    """The folder with the unlabelled pictures of a data folder. Raises InputError when there is none."""
    for name in UNLABELLED_FOLDERS:
        if (data / name).is_dir():
            return data / name
    raise InputError(f"no pictures to score in {data}: neither test1 nor test is there; name a folder with --images.")
