"""The ways to fill a data folder: from archives, by a download, or by drawing; and what it holds then."""

import enum
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.summary import show_summary
from pipeline import InputError
from pipeline.archives import fingerprint_file
from pipeline.data_folder import Origin, count_files, fill, is_filled, missing_parts, read_record
from pipeline.downloads import MICROSOFT, MICROSOFT_SIZE, download
from pipeline.files import find_labelled
from pipeline.kaggle_download import download_kaggle
from pipeline.unpacking import unpack_archives

LABELLED, UNLABELLED = 1200, 200  # pictures of the drawn sample
ARCHIVES = "archives"  # the folder in the data folder where downloads are kept


class Source(enum.StrEnum):
    """Where pictures can be got when no archive is at hand."""

    kaggle = enum.auto()
    microsoft = enum.auto()
    sample = enum.auto()


class Competition(enum.StrEnum):
    """Kaggle's two contests with these photos."""

    first = "dogs-vs-cats"
    redux = "dogs-vs-cats-redux-kernels-edition"


@contextmanager
def show_progress(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, one plain line elsewhere; gives the function to call with the number just done."""
    if not sys.stderr.isatty():
        count = "" if total is None else f" ({total:,} {unit})"
        print(f"{title}{count} ...", flush=True)
        yield lambda _done: None
        return
    from tqdm import tqdm

    is_bytes = unit == "bytes"
    with tqdm(desc=title, total=total, unit="B" if is_bytes else f" {unit}", unit_scale=is_bytes) as bar:

        def advance(done: int) -> None:
            bar.update(done)

        yield advance


def unpack(to: Path, paths: list[Path], origin: Origin | None = None) -> None:
    """Unpack archives into `to` and say what was passed over."""

    def make(staging: Path) -> dict[str, Origin]:
        origins, skipped = unpack_archives(to, paths, staging, show_progress, origin)
        for kind, count in sorted(skipped.items()):
            print(f"skipped {count} {'file' if count == 1 else 'files'} that are no pictures ({kind})")
        return origins

    fill(to, make)


def fill_from_archives(to: Path, paths: list[Path]) -> bool:
    """Unpack what `to` lacks of the archives; whether there was anything to do."""
    if is_filled(to, {fingerprint_file(path) for path in paths}):
        return False
    unpack(to, paths)
    return True


def fill_from_sample(to: Path, seed: int) -> bool:
    """Draw the sample set, unless it is there; whether there was anything to do."""
    from pipeline.drawings import draw_sample

    origin = Origin(f"sample {LABELLED}+{UNLABELLED} seed {seed}", f"the sample set with --seed {seed}")
    origins = dict.fromkeys(("train", "test1", "sampleSubmission.csv"), origin)
    missing = missing_parts(to, origins)
    if not missing:
        return False

    def make(staging: Path) -> dict[str, Origin]:
        with show_progress("drawing the sample set", LABELLED + UNLABELLED, "pictures") as advance:
            draw_sample(staging, LABELLED, UNLABELLED, seed, progress=advance)
        return dict.fromkeys(missing, origin)

    fill(to, make)
    return True


def fill_from_download(to: Path, source: Source, competition: str) -> bool:
    """Download the set and unpack it, unless it is there; whether there was anything to do."""
    name = f"kaggle {competition}" if source is Source.kaggle else "microsoft"
    origin = Origin(name, f"--source {name}")
    if is_filled(to, {origin.key}):
        return False
    # What stands in the way is told before hundreds of megabytes are fetched.
    unlabelled = {Competition.first.value: "test1", Competition.redux.value: "test"}
    parts = ["train", unlabelled[competition]] if source is Source.kaggle else ["train"]
    missing_parts(to, dict.fromkeys(parts, origin))
    archive = _fetch(to / ARCHIVES, source, competition)
    try:
        unpack(to, [archive], origin)
    except InputError as error:
        kept = f"the download is kept: remove {str(archive)!r} to fetch it anew"
        raise InputError(f"{error} ({kept})") from None
    print(f"the archive stays in {archive}; it may be deleted")
    return True


def _fetch(folder: Path, source: Source, competition: str) -> Path:
    try:
        if source is Source.kaggle:
            return download_kaggle(competition, folder, show_progress)
        archive = folder / MICROSOFT.rsplit("/", 1)[-1]
        download(MICROSOFT, archive, MICROSOFT_SIZE, show_progress)
        return archive
    finally:
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def report(to: Path, is_new: bool) -> None:
    """Say what lies where: pictures of each class, unlabelled ones, the sample submission."""
    record = {name: part for name, part in read_record(to).items() if (to / name).exists()}
    print(f"filled {to}:" if is_new else f"already there, nothing to do: {to}")
    rows = [(name, describe(to, name), f"from {part.origin.name}") for name, part in record.items()]
    if not {"test1", "test"} & set(record):
        rows.append(("test1", "no unlabelled pictures: name a folder of them when you submit", ""))
    show_summary(rows)


def describe(to: Path, name: str) -> str:
    """A part of a data folder in a few words."""
    if name != "train":
        return f"{count_files(to / name):,} unlabelled pictures" if (to / name).is_dir() else "sample submission"
    try:
        classes, labelled = find_labelled(to / name)
    except InputError as error:
        return str(error)
    counts = [sum(item.label == label for item in labelled) for label in (0, 1)]
    shown = f"{len(labelled):,} labelled pictures: {counts[0]:,} {classes[0]}, {counts[1]:,} {classes[1]}"
    empty = sum(item.entry.size == 0 for item in labelled)
    return shown + (f" ({empty} of them empty: training will reject them by name)" if empty else "")
