"""make describe: what is in a picture, by ImageNet's 1000 classes."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.defaults import DEFAULT_BACKBONE
from jobs.entry import VERBOSE, start_tensorflow
from jobs.entry import run as start
from models.backbones import BACKBONES, find_backbone
from pipeline import InputError

HELP = {
    "backbone": f"one of {', '.join(BACKBONES)}",
    "weights": "imagenet (Keras' download) or a file with the 1000-class top",
    "class_index": "Keras' imagenet_class_index.json (default: the one beside the weights, or Keras' download)",
}


def main(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE...", help="the pictures", show_default=False)
    ] = None,
    backbone: Annotated[str, typer.Option(help=HELP["backbone"])] = DEFAULT_BACKBONE,
    weights: Annotated[str, typer.Option(help=HELP["weights"])] = "imagenet",
    class_index: Annotated[Path | None, typer.Option(help=HELP["class_index"])] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="how many classes of each picture")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Name what is in pictures: the most probable ImageNet classes of each, and whether it is a cat or a dog."""
    row = find_backbone(backbone)
    pictures = check_pictures(files or [])
    check_weights(weights, class_index)

    # Only now, with every option checked: TensorFlow takes seconds to import.
    start_tensorflow(verbose)
    from jobs.description import describe, print_json, print_table

    described = describe(pictures, row, weights, class_index, top)
    (print_json if as_json else print_table)(described)
    bad = [picture for picture in described if picture.error]
    if bad:
        raise InputError(f"{len(bad)} of {len(pictures)} pictures can't be read: {bad[0].name} ({bad[0].error}).")


def check_pictures(files: list[Path]) -> list[Path]:
    """The pictures that were named. Raises InputError when there is none, or one that can't be a picture."""
    if not files:
        raise InputError("no picture named; give the paths of some, or IMAGE=FILE to make describe.")
    for file in files:
        if not file.exists():
            raise InputError(f"no such picture: {file}; check the path.")
        if file.is_dir():
            raise InputError(f"{file} is a folder; name pictures, for example {file}/*.jpg.")
    return files


def check_weights(weights: str, class_index: Path | None) -> None:
    """Raise InputError for weights that describe nothing, and for files that are not there."""
    if weights == "none":
        raise InputError("random weights describe nothing; name a weights file, or imagenet for Keras' download.")
    if weights != "imagenet" and not Path(weights).is_file():
        raise InputError(f"no such weights file: {weights}; name a file, or imagenet for Keras' download.")
    if class_index is not None and not class_index.is_file():
        raise InputError(f"no such class index: {class_index}; name Keras' imagenet_class_index.json.")


if __name__ == "__main__":
    start(main)
