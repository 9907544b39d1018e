"""
Data on stdout: tables that fit the terminal, or exactly JSON.

Tables are coloured on a terminal only, and as wide as they need to be anywhere else, so that a
pipe gets whole lines. Texts of others are shown as texts: no markup, no control characters.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from membership.cli.plain_text import printable

PIPE_WIDTH = 10_000
_SECONDS = len("2026-01-31T12:00:00")

Row = Sequence[str | Text]


def print_json(value: object) -> None:
    """Write *value*, which may be made of dataclasses, as indented JSON and nothing else."""
    click.echo(json.dumps(_plain(value), indent=2, ensure_ascii=False))


def print_json_line(value: object) -> None:
    """Write *value* as JSON in one line, at once."""
    click.echo(json.dumps(_plain(value), separators=(",", ":"), ensure_ascii=False))


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def stdout_console() -> Console:
    """Return a console on what stdout is at the moment."""
    width = None if sys.stdout.isatty() else PIPE_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


def write(console: Console, rendered: RenderableType) -> None:
    """Write to *console*, without the spaces that fill lines up where nobody sees columns."""
    if console.is_terminal:
        console.print(rendered)
        return
    with console.capture() as capture:
        console.print(rendered)
    console.file.write("\n".join(line.rstrip() for line in capture.get().split("\n")))
    console.file.flush()


def table(headings: Sequence[str], rows: Sequence[Row], whole: Sequence[str] = ()) -> Table:
    """
    Return a table; columns in *whole* are never broken, all others fold.

    A text may have several lines.
    """
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        made.add_column(heading, no_wrap=heading in whole, overflow="fold")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else shown(cell) for cell in row))
    return made


def details(fields: Mapping[str, str | Text]) -> Table:
    """Return one thing as lines of a name and a value."""
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, show_header=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in fields.items():
        made.add_row(name, value if isinstance(value, Text) else shown(value))
    return made


def shown(text: str) -> Text:
    """Return a text of others as it may be shown; its line breaks are ours."""
    return Text("\n".join(printable(line) for line in text.split("\n")))


def to_the_second(instant: str) -> str:
    """Return an RFC 3339 instant in UTC as people read it: `2026-01-31 12:00:00`."""
    return instant[:_SECONDS].replace("T", " ")
