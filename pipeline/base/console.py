"""Tables for a terminal, or for a file to which output is redirected."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table


def wide_console() -> Console:
    """Return a console; without a terminal, it is wide enough not to fold a table."""
    console = Console()
    return console if console.is_terminal else Console(width=1000)


def plain_table(*columns: str) -> Table:
    """Return a table without rules, whose cells are folded rather than cut off."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
