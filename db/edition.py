"""Which store this is, and the most it allows: TimescaleDB Community, TimescaleDB Apache edition, or plain PostgreSQL.

`migrate` calls apply_edition once; it records the edition in `installation`, and nothing else in the code asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import psycopg

SERVER_VERSION_MIN = 150000


class EditionName(StrEnum):
    """Mirrored by the CHECK on installation.edition."""

    TIMESCALE_COMMUNITY = "timescale-community"
    TIMESCALE_APACHE = "timescale-apache"
    PLAIN = "plain"


@dataclass(frozen=True)
class Edition:
    """What the store is."""

    name: EditionName
    server_version: str
    timescale_version: str | None


class StoreTooOld(Exception):
    """The server is older than PostgreSQL 15."""


def detect_installed(conn: psycopg.Connection[Any]) -> Edition:
    """The edition of the connected store as it is; changes nothing."""
    server = conn.info.parameter_status("server_version") or "unknown"
    row = conn.execute(
        "SELECT extversion, current_setting('timescaledb.license', true) FROM pg_extension WHERE extname = 'timescaledb'"
    ).fetchone()
    if row is None:
        return Edition(EditionName.PLAIN, server, None)
    name = EditionName.TIMESCALE_COMMUNITY if row[1] == "timescale" else EditionName.TIMESCALE_APACHE
    return Edition(name, server, row[0])


def detect_edition(conn: psycopg.Connection[Any]) -> Edition:
    """The edition of the connected store. Creates the TimescaleDB extension where the server offers it and we may."""
    server = conn.info.parameter_status("server_version") or "unknown"
    if conn.info.server_version < SERVER_VERSION_MIN:
        raise StoreTooOld(f"PostgreSQL {server} is too old; version 15 or newer is needed")
    offered = conn.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'").fetchone() is not None
    preloaded = conn.execute("SELECT current_setting('shared_preload_libraries') LIKE '%timescaledb%'").fetchone() == (True,)
    if not (offered and preloaded):
        return Edition(EditionName.PLAIN, server, None)
    conn.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    return detect_installed(conn)


def apply_edition(conn: psycopg.Connection[Any]) -> Edition:
    """Make the telemetry tables hypertables where TimescaleDB is there, compress old chunks where the licence allows it, and record the edition.

    Idempotent. conn must be in autocommit mode and at the newest schema.
    """
    edition = detect_edition(conn)
    with conn.transaction():
        if edition.name is not EditionName.PLAIN:
            for table in ("observation", "position"):
                conn.execute(
                    "SELECT create_hypertable(%s::regclass, 'observed_at', chunk_time_interval => interval '1 day',"
                    " create_default_indexes => false, if_not_exists => true, migrate_data => true)",
                    (table,),
                )
        if edition.name is EditionName.TIMESCALE_COMMUNITY:
            conn.execute(
                "ALTER TABLE observation SET (timescaledb.compress, timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'observed_at, tag_epc, antenna, event_key')"
            )
            conn.execute("SELECT add_compression_policy('observation', interval '30 days', if_not_exists => true)")
        conn.execute(
            "INSERT INTO installation (edition, server_version, timescale_version, recorded_at) VALUES (%s, %s, %s, clock_timestamp())"
            " ON CONFLICT (only_row) DO UPDATE SET edition = excluded.edition, server_version = excluded.server_version,"
            " timescale_version = excluded.timescale_version, recorded_at = excluded.recorded_at",
            (edition.name.value, edition.server_version, edition.timescale_version),
        )
    return edition
