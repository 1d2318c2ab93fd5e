"""Check a published CSV and its companions against its manifest."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.entry import run
from jobs.remote_output import local_output, open_remote_output
from submissions.manifests import Manifest, find_trio, load_manifest
from submissions.names import escape_text
from submissions.verification import verify


def main(
    file: Annotated[
        str, typer.Argument(metavar="FILE.csv", help="The published CSV, a path or an address.", show_default=False)
    ],
) -> None:
    """Compare a published CSV, its rejects and its manifest: one line when whole, else each difference.

    Exit code 0 when complete and unchanged, 2 when not.
    """
    name = escape_text(file)
    out = local_output(file)
    differences, card = open_remote_output(file).inspect(_look) if out is None else _look(out)
    if card is None:
        for difference in differences:
            print(f"{name}: {difference}")
        raise typer.Exit(2)
    counts = card["counts"]
    print(
        f"{name}: complete and unchanged: {counts['rows']} rows, {counts['rejects']} rejects, "
        f"model {card['model'][:12]}"
    )


def _look(out: Path) -> tuple[list[str], Manifest | None]:
    """Each difference; the manifest when there is none."""
    differences = verify(out)
    return differences, None if differences else load_manifest(find_trio(out).manifest)


if __name__ == "__main__":
    run(main)
