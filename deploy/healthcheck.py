"""Container health. With HEALTH_URL: it must answer 200. Without: the store that this role works on must answer.

Exit code 0 = healthy. An unhealthy worker is not restarted for it (it retries by itself); it is shown as such.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from pathlib import Path


def check() -> str | None:
    """What is wrong, or None."""
    url = os.environ.get("HEALTH_URL")
    if url:
        try:
            with urllib.request.urlopen(url, timeout=4) as answer:  # noqa: S310 - our own address
                return None if answer.status == 200 else f"{url} answers {answer.status}"
        except OSError as exc:
            return f"{url}: {exc}"
    import psycopg

    database = os.environ.get("CHUANTOU_DATABASE_URL")
    file = os.environ.get("CHUANTOU_DATABASE_URL_FILE")
    try:
        if not database and file:
            database = Path(file).read_text(encoding="utf-8").strip()
        with psycopg.connect(database or "", connect_timeout=4) as conn:
            conn.execute("SELECT 1")
    except (psycopg.Error, OSError) as exc:
        return f"store: {exc}"
    return None


if __name__ == "__main__":
    fault = check()
    if fault:
        sys.stderr.write(fault + "\n")
    sys.exit(1 if fault else 0)
