"""make report: the page of a run."""

from pathlib import Path
from typing import Annotated

import typer

from jobs.defaults import choose, nearby, run_folder
from jobs.entry import VERBOSE, start_tensorflow
from jobs.entry import run as start
from jobs.summary import show_summary
from models.card import read_card


def main(
    run: Annotated[str | None, typer.Option(help="name of the run (default: the sample's)")] = None,
    cache: Annotated[Path, typer.Option(help="where the features of its training are kept")] = Path("cache"),
    verbose: Annotated[bool, VERBOSE] = False,
) -> None:
    """Write the page of a finished run: how good it is, how it was trained, its mistakes, where it looks."""
    folder = run_folder(choose(None, run).run)
    read_card(folder)
    start_tensorflow(verbose)
    from jobs.run_page import write_run_page
    from jobs.suspects import SUSPECTS

    page = write_run_page(folder, cache)
    suspects = len((folder / SUSPECTS).read_text(encoding="utf-8").splitlines()) - 1
    show_summary([("run", folder.name), ("page", str(nearby(page.absolute()))), ("suspects", f"{suspects:,}")])


if __name__ == "__main__":
    start(main)
