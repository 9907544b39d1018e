"""How the demo tells its story: a heading, a sentence, what was found to be so, a table."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from membership.cli.output import write
from membership.client import ClientError

DEADLINE_S = 45.0
POLL_S = 0.1
_INDENT = (0, 0, 0, 3)

R = TypeVar("R")


class Unexpected(Exception):
    """The agents did not do what was announced; the message says what was expected."""


class Stage:
    """
    Writes to one console and remembers how much has been checked.

    Args:
        deadline_s: How long an expectation may take to come true, in seconds.
    """

    def __init__(self, console: Console, deadline_s: float = DEADLINE_S) -> None:
        self._console = console
        self._deadline_s = deadline_s
        self._checked = 0

    def begin(self, number: int, title: str, sentence: str) -> None:
        """Announce what happens next."""
        self._console.print()
        write(self._console, Text.assemble((f"{number}  ", "cyan"), (title, "bold")))
        self._show(Text(sentence))

    async def expect(
        self,
        what: str,
        look: Callable[[], Awaitable[R]],
        is_so: Callable[[R], bool],
    ) -> R:
        """
        Look again and again until it is so, and return what was seen.

        Raises:
            Unexpected: It was not so before the deadline.
        """
        began_s = asyncio.get_running_loop().time()
        with self._console.status(Text(f"waiting: {what}")):
            found = await self._wait(what, look, is_so)
        self.held(what, asyncio.get_running_loop().time() - began_s)
        return found

    async def _wait(
        self, what: str, look: Callable[[], Awaitable[R]], is_so: Callable[[R], bool]
    ) -> R:
        seen: object = "nothing yet"
        try:
            async with asyncio.timeout(self._deadline_s):
                while True:
                    try:
                        seen = found = await look()
                    except ClientError as error:
                        seen = error
                    else:
                        if is_so(found):
                            return found
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            message = f"expected within {self._deadline_s:.0f} s: {what}\nfound: {seen}"
            raise Unexpected(message) from None

    def held(self, what: str, after_s: float = 0.0) -> None:
        """Tell that something was found to be so."""
        self._checked += 1
        line = Text.assemble(("✓ ", "green"), what)
        if after_s >= 1:
            line.append(f"  after {after_s:.1f} s", "dim")
        self._show(line)

    def table(self, command: str, rendered: RenderableType) -> None:
        """Show what *command* shows."""
        self._console.print()
        self._show(Text(f"$ {command}", "dim"))
        self._show(rendered)

    def end(self) -> None:
        """Close."""
        self._console.print()
        told = f"Done: {self._checked} expectations held, everything is cleaned up."
        self._console.print(Text(told, "bold green"))

    def _show(self, rendered: RenderableType) -> None:
        write(self._console, Padding(rendered, _INDENT, expand=False))
