"""make evaluate: how good a run is, on its own test part or on any labelled folder."""

import json
from pathlib import Path
from typing import Annotated

import typer

from jobs.defaults import choose, run_folder
from jobs.entry import VERBOSE, start_tensorflow
from jobs.entry import run as start
from models.card import read_card


def main(
    run: Annotated[str | None, typer.Option(help="name of the run (default: the sample's)")] = None,
    images: Annotated[Path | None, typer.Option(help="a labelled folder; without it, the run's own test part")] = None,
    tta: Annotated[str, typer.Option(help="views averaged: none, flip or crops")] = "none",
    json_file: Annotated[Path | None, typer.Option("--json", help="write the figures there too")] = None,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Measure a run: accuracy, log loss, AUC, confusion matrix and the worst pictures."""
    folder = run_folder(choose(None, run).run)
    read_card(folder)
    start_tensorflow(verbose)
    from jobs.evaluation import evaluate, show

    result = evaluate(folder, images, tta)
    show(result)
    if json_file is not None:
        json_file.write_text(json.dumps(result.as_dict(), indent=1) + "\n")


if __name__ == "__main__":
    start(main)
