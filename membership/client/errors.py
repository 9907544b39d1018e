"""What can go wrong between a client and an agent."""

from collections.abc import Mapping


class ClientError(Exception):
    """Never raised itself."""


class ApiError(ClientError):
    """
    The agent refused.

    Attributes:
        status: The HTTP status.
        code: A stable code such as `NOT_FOUND`; programs decide by it.
        message: A sentence for people.
        details: What a program needs to know beside the code.
        request_id: The agent's name of the request, in its log and its history.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, object] | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details: Mapping[str, object] = details or {}
        self.request_id = request_id


class ConnectionFailed(ClientError):
    """No answer came from *url*; a write may have been carried out all the same."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"cannot reach {url}: {reason}")
        self.url = url
        self.reason = reason


class UnexpectedReply(ClientError):
    """Whatever answers at *url*, it is no agent, or one of another version."""

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url} does not answer like a membership agent: {problem}")
        self.url = url
        self.problem = problem
