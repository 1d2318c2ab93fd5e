"""The labelled pictures of a data folder: checked, split, written down."""

import csv
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from jobs.extraction import Picture
from pipeline.files import digest_file, find_labelled, resolve_folder
from pipeline.reading import Rejected, read_picture
from pipeline.split import PARTS, Split, split_parts
from submissions.names import escape


@dataclass
class TrainingSet:
    """The pictures of each part; those that no part took ('unused') and the rejects with their reasons."""

    root: bytes
    classes: tuple[str, str]
    parts: dict[str, list[Picture]]
    rejects: list[tuple[Picture, str]]

    def held_out(self) -> list[Picture]:
        """Validation and test, in this order."""
        return self.parts["validation"] + self.parts["test"]

    def all(self) -> list[Picture]:
        """Every picture of the three parts."""
        return self.parts["train"] + self.held_out()

    def on_everything(self) -> "TrainingSet":
        """The same pictures, all of them in the training part; the others are as they were."""
        return replace(self, parts={**self.parts, "train": self.all()})

    def reject(self, missing: set[bytes], reason: str) -> None:
        """Move the pictures with these digests out of their parts."""
        for part in self.parts.values():
            self.rejects += [(picture, reason) for picture in part if picture.digest in missing]
            part[:] = [picture for picture in part if picture.digest not in missing]


def labelled_folder(data: Path) -> Path:
    """`data/train` where there is one, else `data` itself."""
    root = resolve_folder(data)
    return root / "train" if (root / "train").is_dir() else root


def load_training_set(data: Path, split: Split, seed: int) -> TrainingSet:
    """Scan, check and split the labelled pictures. Raises InputError (no folder, no labels, too few)."""
    folder = labelled_folder(data)
    root = os.fsencode(folder)
    classes, labelled = find_labelled(folder)
    pictures, rejects = [], []
    for item in tqdm(labelled, desc="checking", unit="picture", leave=False, disable=None):
        try:
            read_picture(root, item.entry.path)
            digest = digest_file(os.path.join(root, item.entry.path))
            pictures.append(Picture(item.entry.path, digest, item.label))
        except (Rejected, OSError) as error:
            rejects.append((Picture(item.entry.path, b"", item.label), str(error)))
    names = split_parts([p.digest for p in pictures], [p.label for p in pictures], split, seed)
    parts: dict[str, list[Picture]] = {name: [] for name in (*PARTS, "unused")}
    for picture, name in zip(pictures, names, strict=True):
        parts[name or "unused"].append(picture)
    return TrainingSet(root, classes, parts, rejects)


def describe(training_set: TrainingSet) -> list[str]:
    """A line for each part with its class balance, and one for each of the first rejects."""
    lines = []
    for name, part in training_set.parts.items():
        if part or name in PARTS:
            lines.append(f"{name:<10} {len(part):>7,}  {_balance(part, training_set.classes)}")
    twins = len(training_set.all()) - len({picture.digest for picture in training_set.all()})
    if twins:
        lines.append(f"{twins:,} pictures are byte-identical to another; such are kept in one part")
    if training_set.rejects:
        lines.append(f"{'rejects':<10} {len(training_set.rejects):>7,}  listed in rejects.csv")
        lines += [f"  {escape(picture.path)}: {reason}" for picture, reason in training_set.rejects[:5]]
    return lines


def _balance(pictures: Sequence[Picture], classes: tuple[str, str]) -> str:
    counts = Counter(picture.label for picture in pictures)
    total = max(1, len(pictures))
    return ", ".join(
        f"{counts[label]:,} {name} ({100 * counts[label] / total:.1f} %)" for label, name in enumerate(classes)
    )


def write_split(training_set: TrainingSet, folder: Path) -> None:
    """Write split.csv (path,label,part: every labelled picture) and rejects.csv (path,reason) into `folder`."""
    rows = [
        (escape(picture.path), picture.label, name) for name, part in training_set.parts.items() for picture in part
    ]
    rows += [(escape(picture.path), picture.label, "reject") for picture, _ in training_set.rejects]
    write_rows(folder / "split.csv", ("path", "label", "part"), sorted(rows))
    reasons = [(escape(picture.path), reason) for picture, reason in training_set.rejects]
    write_rows(folder / "rejects.csv", ("path", "reason"), sorted(reasons))


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV with a header, at once."""
    aside = path.with_name(f".{path.name}")
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    aside.replace(path)
