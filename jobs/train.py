"""make train: labelled pictures in, a run folder out."""

import time
from pathlib import Path
from typing import Annotated

import typer

from jobs.data import main as fill_data
from jobs.defaults import DEFAULT_BACKBONE, REPORT, SAMPLE_NOTICE, Choice, choose, nearby, run_folder
from jobs.entry import VERBOSE, start_tensorflow
from jobs.entry import run as start
from jobs.exclusion import read_exclusions
from jobs.filling import Source
from jobs.summary import show_summary
from models import ModelError
from models.backbones import BACKBONES, check_int8, check_mark, find_backbone
from models.card import CARD, read_card
from models.precision import check_engine, check_precision
from models.recipes import RECIPES, check_options, check_recipe
from pipeline.feature_space import parse_size
from pipeline.files import resolve_folder
from pipeline.split import parse_split

HELP = {
    "data": "folder with train/ (cat.1.jpg, dog.1.jpg, ... or two class folders)",
    "backbone": f"one of {', '.join(BACKBONES)} (default: {DEFAULT_BACKBONE})",
    "weights": "imagenet, none or a file",
    "recipe": f"one of {', '.join(RECIPES)}",
    "split": "train/validation/test: shares of 100 or counts",
    "exclude": "CSV with a column path: pictures to leave out of the training part, like a run's suspects.csv",
    "engine": "auto, openvino or tensorflow: what computes features and scores",
    "precision": "auto, float32, bfloat16 or int8: what they are computed in",
    "fresh_head": "finetune a new head and the layers above the mark together, in the blog's order",
    "all_data": "once epochs are chosen, train once more on all pictures; figures and calibration stay",
    "features_limit": "disk that all kept features may take, like 20GB (default: half of what is free)",
}


def main(
    data: Annotated[Path | None, typer.Option(help=HELP["data"])] = None,
    run: Annotated[str | None, typer.Option(help="name of the run, a folder in runs/")] = None,
    backbone: Annotated[str | None, typer.Option(help=HELP["backbone"])] = None,
    weights: Annotated[str, typer.Option(help=HELP["weights"])] = "imagenet",
    recipe: Annotated[str | None, typer.Option(help=HELP["recipe"])] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="epochs of each stage at most")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="epochs without improvement that end it")] = None,
    split: Annotated[str, typer.Option(help=HELP["split"])] = "64/18/18",
    seed: Annotated[int, typer.Option(min=0, help="of the split, the weights and the order")] = 0,
    engine: Annotated[str, typer.Option(help=HELP["engine"])] = "auto",
    precision: Annotated[str, typer.Option(help=HELP["precision"])] = "auto",
    cache: Annotated[Path, typer.Option(help="where features are kept")] = Path("cache"),
    features_limit: Annotated[str | None, typer.Option(help=HELP["features_limit"])] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="write TensorBoard logs there")] = None,
    if_missing: Annotated[bool, typer.Option("--if-missing", help="do nothing when the run exists")] = False,
    exclude: Annotated[Path | None, typer.Option(help=HELP["exclude"])] = None,
    fresh_head: Annotated[bool, typer.Option("--fresh-head", help=HELP["fresh_head"])] = False,
    all_data: Annotated[bool, typer.Option("--all-data", help=HELP["all_data"])] = False,
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Train a classifier on labelled pictures and save it as a run."""
    choice = choose(data, run, recipe, backbone)
    check_recipe(choice.recipe)
    if choice.recipe != "scratch":
        check_mark(find_backbone(choice.backbone), choice.recipe)
    check_options(choice.recipe, fresh_head, all_data)
    check_engine(engine)
    check_precision(precision)
    if precision == "int8":
        check_int8(choice.backbone, choice.recipe, engine)
    limit = None if features_limit is None else parse_size(features_limit)
    shares = parse_split(split)
    excluded = read_exclusions(exclude)
    folder = run_folder(choice.run)
    if (folder / CARD).exists():
        if if_missing:
            return
        raise ModelError(f"run {folder} exists already; choose another --run, or delete that folder.")
    folder_of_data = _find_data(choice, seed)

    # Only now, with every option checked: TensorFlow takes seconds to import.
    start_tensorflow(verbose)
    from jobs.run_card import Options
    from jobs.training import train

    options = Options(
        data=folder_of_data,
        backbone=choice.backbone,
        weights=weights,
        recipe=choice.recipe,
        split=shares,
        seed=seed,
        epochs=epochs,
        patience=patience,
        engine=engine,
        precision=precision,
        cache=cache,
        features_limit=limit,
        tensorboard=tensorboard,
        exclude=frozenset(excluded),
        fresh_head=fresh_head,
        all_data=all_data,
    )
    started = time.monotonic()
    train(folder, options)
    _summarise(folder, time.monotonic() - started)


def _summarise(folder: Path, seconds: float) -> None:
    card = read_card(folder)
    measured = card["metrics"]["none"]
    low, high = (100 * edge for edge in measured["interval"])
    rows = [
        ("run", f"{nearby(folder.absolute())}: {card['backbone']}, {card['recipe']}, engine {card['engine']}"),
        ("pictures", ", ".join(f"{count:,} {part}" for part, count in card["parts"].items() if count)),
        ("accuracy", f"{100 * measured['accuracy']:.2f} % (95 % interval {low:.2f} to {high:.2f} %), test part"),
        ("log loss", f"{measured['log_loss']:.4f}"),
    ]
    if (folder / REPORT).exists():
        rows.append(("page", str(nearby((folder / REPORT).absolute()))))
    show_summary([*rows, ("time", f"{seconds:,.0f} s")])
    print(f"run {folder} trained in {seconds:.0f} s", flush=True)


def _find_data(choice: Choice, seed: int) -> Path:
    """The data folder; the built-in sample is drawn first when it was chosen and is not there."""
    if choice.data is None:
        raise ModelError(f"no data named for run {choice.run}; give --data FOLDER with labelled pictures.")
    if choice.is_sample:
        print(SAMPLE_NOTICE, flush=True)
        if not (choice.data / "train").is_dir():
            fill_data(to=choice.data, source=Source.sample)
    return resolve_folder(choice.data)


if __name__ == "__main__":
    start(main)
