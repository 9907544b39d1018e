"""
How the command ends when something goes wrong, so that a script can tell what.

    0 done   1 failed   2 usage   3 configuration   4 connection   5 authentication   6 partly done

0 and 2 are click's own.
"""

from typing import IO, Any

import click

FAILED = 1


class Failure(click.ClickException):
    """An end in plain words on stderr, without a traceback."""

    exit_code = FAILED

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the message to stderr, or to *file*."""
        label = click.style("error:", fg="red")
        click.echo(f"{label} {self.message}", file=file, err=file is None)


class Misconfigured(Failure):
    """A file, a variable or a flag sets something that cannot be."""

    exit_code = 3


class Unreachable(Failure):
    """No agent answers."""

    exit_code = 4


class Unauthorised(Failure):
    """There is no token, or it does not allow this."""

    exit_code = 5


class PartlyDone(Failure):
    """Some of it was done, and the output says what was not."""

    exit_code = 6
