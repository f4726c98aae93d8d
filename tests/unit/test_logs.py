"""Every process writes its log in one form, and no module makes a form of its own."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from collateral.logs import JsonLines

ROOT = Path(__file__).resolve().parents[2]


def written(level: int, message: str, *args: object, **more: Any) -> dict[str, Any]:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines())
    log = logging.Logger("ingest.writer")
    log.addHandler(handler)
    log.log(level, message, *args, **more)
    assert out.getvalue().count("\n") == 1, "one line"
    line: dict[str, Any] = json.loads(out.getvalue())
    return line


def test_a_line_has_time_level_event_message_and_the_fields() -> None:
    line = written(logging.INFO, "batch of %d stored", 480, extra={"event": "batch_stored", "readings": 480, "weight": Decimal("24.10")})
    at = datetime.fromisoformat(line.pop("at"))
    assert at.utcoffset() is not None
    assert line == {
        "level": "INFO",
        "event": "batch_stored",
        "message": "batch of 480 stored",
        "logger": "ingest.writer",
        "readings": 480,
        "weight": "24.10",
    }


def test_a_line_without_an_event_says_log_and_line_breaks_and_chinese_stay_one_line() -> None:
    line = written(logging.WARNING, "first\nsecond 铜")
    assert (line["event"], line["message"]) == ("log", "first\nsecond 铜")


def test_a_field_never_hides_what_the_line_itself_says() -> None:
    line = written(logging.INFO, "x", extra={"level": "none", "at": "never", "logger": "nobody"})
    assert (line["level"], line["logger"]) == ("INFO", "ingest.writer")
    assert line["at"] != "never"


def test_an_exception_is_kept_beside_a_field_named_error() -> None:
    try:
        raise ValueError("no such lot")
    except ValueError:
        line = written(logging.ERROR, "failed", extra={"error": "short"}, exc_info=True)
    assert line["error"] == "short"
    assert line["exception"].endswith("ValueError: no such lot")


def test_libraries_are_quiet_about_each_request_and_each_retry() -> None:
    body = (
        "import logging; from collateral.logs import log_to_stderr; log_to_stderr('WARNING'); log_to_stderr('INFO')\n"
        "logging.getLogger('httpx').info('GET /'); logging.getLogger('psycopg.pool').warning('again'); logging.getLogger('risk').info('x')"
    )
    done = subprocess.run([sys.executable, "-c", body], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [json.loads(line)["logger"] for line in done.stderr.splitlines()] == ["risk"]


def test_there_is_one_form_of_log_lines() -> None:
    makers = [
        path.relative_to(ROOT).as_posix()
        for package in ("api", "collateral", "db", "ingest", "risk", "simulators")
        for path in (ROOT / package).rglob("*.py")
        if "logging.Formatter" in path.read_text(encoding="utf-8")
    ]
    assert makers == ["collateral/logs.py"]
