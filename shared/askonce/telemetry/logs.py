"""Log lines as JSON, one event a line, without a prompt, a key or a secret: callers pass words and numbers only."""

import logging
import sys
import warnings
from datetime import UTC, datetime
from typing import Any

import orjson

ROOT = "askonce"


class _JsonLines(logging.Formatter):
    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "process": self._process,
            "event": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class Log:
    """`log.info("store_down", store="redis")`: an event's name, and its fields as keywords."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")

    def debug(self, event: str, **fields: object) -> None:
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: object) -> None:
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: object) -> None:
        self._logger.error(event, extra={"fields": fields})

    def exception(self, event: str, **fields: object) -> None:
        """With the traceback of the exception that is being handled: for bugs, never for outages."""
        self._logger.exception(event, extra={"fields": fields})


def set_up(process: str, level: str) -> None:
    """Sends this process's log lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # libraries speak up only when something is wrong
    logging.getLogger(ROOT).setLevel(level.upper())
    logging.getLogger("aiohttp.server").addFilter(_without_traceback)
    warnings.filterwarnings("ignore", category=RuntimeWarning, module="aiohttp")  # they quote what a client sent


def _without_traceback(record: logging.LogRecord) -> bool:
    """The tracebacks of aiohttp quote what a client sent, which may be a key: only the kind of error is told."""
    if record.exc_info:
        kind = record.exc_info[0]
        record.fields = {"error": None if kind is None else kind.__name__}
        record.exc_info = record.exc_text = None
    return True
