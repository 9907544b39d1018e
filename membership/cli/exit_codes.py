"""How the command ends when something goes wrong."""

from enum import IntEnum

import click


class ExitCode(IntEnum):
    """What a script can tell apart."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    CONNECTION = 4
    AUTHENTICATION = 5
    PARTLY_DONE = 6


class Failure(click.ClickException):
    """An end in plain words on stderr."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.exit_code = code

    def show(self, file: object = None) -> None:
        """Write the message."""
        del file
        click.echo(f"{click.style('error:', fg='red')} {self.message}", err=True)
