"""make bench: scoring side by side with others on the same files and weights; writes a page and a plot."""

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs.bench_photos import choose_photos
from jobs.entry import VERBOSE, run, start_tensorflow
from pipeline import InputError
from pipeline.files import resolve_folder, scan


def main(
    photos: Annotated[Path, typer.Option(help="folder of photos")] = Path("data/train"),
    pictures: Annotated[int, typer.Option(min=100, help="photos in each measurement (MobileNetV2: 4 times)")] = 1000,
    rounds: Annotated[int, typer.Option(min=1, help="measurements of each, in alternating order")] = 3,
    backbone: Annotated[list[str] | None, typer.Option(help="repeatable; default vgg16 and mobilenetv2")] = None,
    memory: Annotated[str, typer.Option(help="numbers of files for time and memory")] = "1000,10000,100000",
    training: Annotated[int, typer.Option(min=0, help="photos to train VGG16 on; 0 leaves training out")] = 16_000,
    out: Annotated[Path, typer.Option(help="page to write; the plot lies beside it")] = Path("docs/performance.md"),
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Measure scoring and training against others, memory, and time by number of files."""
    sizes = _sizes(memory)
    names = sorted(os.fsdecode(entry.path) for entry in scan(resolve_folder(photos)))
    if len(names) < pictures:
        raise InputError(f"{photos} has {len(names)} files, {pictures} are wanted; name another with --photos.")
    chosen = choose_photos(photos, names, training) if training else {}
    start_tensorflow(verbose)
    from jobs.bench_report import Conditions, write_report
    from jobs.bench_rounds import measure_growth, measure_scoring
    from jobs.bench_training import measure_training

    def write(*measured: Any) -> None:
        # After each part: the last one takes the longest.
        write_report(out, Conditions(pictures, rounds), *measured)
        print(f"written: {out}", flush=True)

    with tempfile.TemporaryDirectory(prefix="pawscore-bench-") as place:
        results = measure_scoring(Path(place), photos, names, pictures, backbone or ["vgg16", "mobilenetv2"], rounds)
        write(results, [], None)
        growth = measure_growth(Path(place), photos, names, sizes)
        write(results, growth, None)
        if training:
            write(results, growth, measure_training(Path(place), photos, chosen, training, rounds))


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(word) for word in text.split(",") if word]
    except ValueError:
        sizes = [0]
    if any(size < 1 for size in sizes):
        raise InputError(f"'{text}' is no list of numbers of files for --memory; write it like 1000,10000.")
    return sizes


if __name__ == "__main__":
    run(main)
