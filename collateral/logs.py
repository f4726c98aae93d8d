"""One JSON object per line on stderr: a stable `event`, fields, and a sentence for people. The same in every process."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

# Libraries that report what we report ourselves, or that is not worth a line: each request, a skipped beat, a retried connection.
_QUIET = {
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "apscheduler": logging.ERROR,
    "psycopg.pool": logging.ERROR,
}


class JsonLines(logging.Formatter):
    """A record as one line of JSON. Fields passed as `extra` become members; none of them hides `at`, `level`, `logger` or `message`."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": getattr(record, "event", "log"),
            "message": record.getMessage(),
            "logger": record.name,
        }
        line.update({k: v for k, v in vars(record).items() if k not in _STANDARD and k not in line})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


def log_to_stderr(level: str | int) -> None:
    """Send the whole process's log, from level on, to stderr as JSON lines. Calling it again replaces the earlier set-up."""
    _log_to(logging.StreamHandler(sys.stderr), level)


def log_to_file(path: Path, level: str | int = logging.INFO) -> None:
    """The same into a file, for a process whose terminal is for people. Makes the folder. Raises OSError."""
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _log_to(logging.FileHandler(path, encoding="utf-8"), level)


def _log_to(handler: logging.Handler, level: str | int) -> None:
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
