"""Tables beside `device_state`: intervals of missed reads and earlier runs of signs of life."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from collateral.heard import Run, joined
from db.sql import load_queries
from ingest.gaps import Missed

_Q = load_queries(__file__, "device_facts.sql")
Conn = psycopg.Connection[Any]


def put_missed(conn: Conn, opened: Sequence[tuple[str, Missed, datetime]], filled: Sequence[tuple[str, Missed, datetime]]) -> None:
    """Write (device, interval, when we learnt it): first what was filled, then what opened."""
    for query, found in (("fill_missed", filled), ("put_missed", opened)):
        rows = {}
        for device_id, m, at in found:
            row = {"device_id": device_id, "kind": m.kind, "from_at": m.from_at, "until_at": m.until_at, "seq_from": m.seq_from}
            row |= {"seq_to": m.seq_to, "missed": m.missed, "recorded_at": at}
            rows[device_id, m.kind, m.from_at, m.seq_from, m.seq_to] = row
        if rows:
            conn.execute(_Q[query], {"rows": msgspec.json.encode(list(rows.values())).decode()})


def merge_heard(conn: Conn, device_id: str, runs: Sequence[Run], apart_max: timedelta) -> Run:
    """Join runs with those in the table. Returns the newest, which `device_state` keeps; the caller holds that row's lock."""
    since = min(r.from_at for r in runs) - apart_max
    known = [Run(*row) for row in conn.execute(_Q["heard_before"], {"device_id": device_id, "since": since})]
    *earlier, newest = joined([*known, *runs], apart_max)
    if earlier:
        rows = [{"device_id": device_id, "from_at": r.from_at, "until_at": r.until_at} for r in earlier]
        conn.execute(_Q["put_heard"], {"rows": msgspec.json.encode(rows).decode()})
    return newest
