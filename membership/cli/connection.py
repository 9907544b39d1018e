"""What every command that talks to a running agent has in common."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import click
from rich.console import RenderableType

from membership.cli.exit_codes import Failure, Unauthorised, Unreachable
from membership.cli.output import print_json, stdout_console, write
from membership.cli.plain_text import printable
from membership.cli.program import export_token, pasteable
from membership.client import ApiError, ClientError, ConnectionFailed, MembershipClient
from membership.domain.errors import InvalidId
from membership.domain.values import parse_ulid

DEFAULT_URL = "http://127.0.0.1:8080"
_UNAUTHORIZED = 401
_FORBIDDEN = 403

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Connection:
    """Which agent to ask, with which token, and how to show what it answers."""

    client: MembershipClient
    scope: str
    has_token: bool = field(repr=False)
    as_json: bool

    def ask(self, question: Callable[[MembershipClient], Awaitable[R]]) -> R:
        """Return what the agent answers; raises `Failure`."""
        if not self.has_token:
            message = f"this needs a token; {_how_to_get(self.scope)}"
            raise Unauthorised(message)
        return asyncio.run(self._ask(question))

    async def _ask(self, question: Callable[[MembershipClient], Awaitable[R]]) -> R:
        async with self.client as client:
            try:
                return await question(client)
            except ApiError as error:
                raise _refused(error, self.scope) from None
            except ConnectionFailed as error:
                message = f"{error}\nIs the agent running? Start it: {pasteable('serve')}"
                hint = "Or name another one with --url or MEMBERSHIP_URL."
                message = f"{message}\n{hint}"
                raise Unreachable(message) from None
            except ClientError as error:
                message = f"{error}; check --url"
                raise Failure(message) from None

    def show(self, answer: object, render: Callable[[Any], RenderableType]) -> None:
        """Write an answer to stdout: as JSON if that was asked for, else as *render* makes it."""
        if self.as_json:
            print_json(answer)
        else:
            write(stdout_console(), render(answer))


def _refused(error: ApiError, scope: str) -> Failure:
    name = error.code
    if "reason" in error.details:
        name += f": {error.details['reason']}"
    if error.request_id:
        name += f", request {error.request_id}"
    message = f"{printable(error.message)} ({printable(name)})"
    if error.status == _UNAUTHORIZED:
        return Unauthorised(f"{message}\n{_how_to_get(scope)}")
    if error.status == _FORBIDDEN:
        missing = str(error.details.get("scope", scope))
        return Unauthorised(f"{message}\n{_how_to_get(missing)}")
    return Failure(message)


def _how_to_get(scope: str) -> str:
    return f"on the agent's own machine get one with:\n  {export_token(printable(scope))}"


def talks_to_agent(scope: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """
    Give a command `--url`, `--token` and `--json`, as one argument `connection`.

    Args:
        scope: What the token has to allow; named when there is none.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @click.option(
            "--url",
            envvar="MEMBERSHIP_URL",
            default=DEFAULT_URL,
            show_default=True,
            help="Where the agent listens. Also MEMBERSHIP_URL.",
        )
        @click.option(
            "--token",
            envvar="MEMBERSHIP_TOKEN",
            default="",
            help="A bearer token. Also MEMBERSHIP_TOKEN, which other users cannot see.",
        )
        @click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
        @functools.wraps(command)
        def wrapped(*, url: str, token: str, as_json: bool, **arguments: object) -> None:
            try:
                client = MembershipClient(url, token.strip())
            except ValueError as error:
                message = str(error)
                raise click.UsageError(message) from None
            connection = Connection(client, scope, bool(token.strip()), as_json)
            command(connection, **arguments)

        return wrapped

    return decorate


class UlidParameter(click.ParamType[str]):
    """An id; refused before anything is sent when it is none."""

    name = "id"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the canonical id."""
        try:
            return parse_ulid(value)
        except InvalidId as error:
            self.fail(f"{value!r}: {error}", param, ctx)


ULID = UlidParameter()
