"""make describe: what is in a picture, by ImageNet's 1000 classes."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.defaults import DEFAULT_BACKBONE
from jobs.entry import VERBOSE, start_tensorflow
from jobs.entry import run as start
from models.backbones import find_backbone
from pipeline import InputError

HELP = {
    "backbone": "any of docs/design.md: each has weights with 1000 classes",
    "weights": "imagenet (Keras' download) or a file with the 1000-class top",
    "class_index": "Keras' imagenet_class_index.json (default: the one beside the weights, or Keras' download)",
}


def main(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="the pictures", show_default=False)],
    backbone: Annotated[str, typer.Option(help=HELP["backbone"])] = DEFAULT_BACKBONE,
    weights: Annotated[str, typer.Option(help=HELP["weights"])] = "imagenet",
    class_index: Annotated[Path | None, typer.Option(help=HELP["class_index"])] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="how many classes of each picture")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of a table")] = False,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Name what is in pictures: the most probable ImageNet classes of each, and whether it is a cat or a dog."""
    row = find_backbone(backbone)
    for file in files:
        if not file.exists():
            raise InputError(f"no such picture: {file}; check the path.")
        if file.is_dir():
            raise InputError(f"{file} is a folder; name pictures, for example {file}/*.jpg.")
    if weights not in ("imagenet", "none") and not Path(weights).is_file():
        raise InputError(f"no such weights file: {weights}; name a file, or imagenet for Keras' download.")
    if weights == "none":
        raise InputError("random weights describe nothing; name a weights file, or imagenet for Keras' download.")

    # Only now, with every option checked: TensorFlow takes seconds to import.
    start_tensorflow(verbose)
    from jobs.description import describe, print_json, print_table

    described = describe(files, row, weights, class_index, top)
    (print_json if as_json else print_table)(described)
    bad = [picture for picture in described if picture.error]
    if bad:
        raise InputError(f"{len(bad)} of {len(files)} pictures can't be read: {bad[0].name} ({bad[0].error}).")


if __name__ == "__main__":
    start(main)
