"""
The log on stderr: lines for people, or one JSON object a line.

All modules log through the standard library; what they say is formatted here. A traceback is
told as its error and the places that it went through: no source lines, no values, one line.
"""

import logging
import sys
import traceback
from types import TracebackType

import orjson
import structlog
from structlog.typing import EventDict, Processor

from membership.cli.plain_text import printable


def set_up_logging(log_format: str, log_level: str) -> None:
    """Send every log record of *log_level* or above to stderr, as `console` or `json`."""
    before: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_controls,
        _error_in_one_line,
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _renderer(log_format),
        ],
        use_get_message=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(log_level.upper())


def _renderer(log_format: str) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)


def _json(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()


def _without_controls(_: object, __: str, event: EventDict) -> EventDict:
    event["event"] = printable(str(event["event"]))
    return event


def _error_in_one_line(_: object, __: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    record = event.get("_record")
    if isinstance(record, logging.LogRecord):
        error, record.exc_info, record.exc_text = error or record.exc_info, None, None
    if isinstance(error, tuple) and error[1] is not None:
        _, instance, trace = error
        event["error"] = printable(f"{type(instance).__name__}: {instance}")
        event["at"] = _places(trace)
    return event


def _places(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return " < ".join(
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
        for frame in reversed(frames)
    )
