"""The table at the end of a job."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_summary(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and values as a table; values are text, never markup, and long ones fold."""
    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(value))
    Console().print(table)
