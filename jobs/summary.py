"""The table at the end of a job."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE = 200  # columns where no terminal says how many it has: a line of a log is better long than folded


def show_summary(rows: Sequence[Sequence[str]]) -> None:
    """Print names and what is said of each as a table; values are text, never markup, and long ones fold."""
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    for _ in rows[0][1:]:
        table.add_column(overflow="fold")
    for name, *values in rows:
        table.add_row(name, *map(Text, values))
    Console(width=None if sys.stdout.isatty() else WIDE).print(table)
