"""Migrations on TimescaleDB: the telemetry tables become hypertables, and the edition is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from conftest import database_at, drop_database

from db.edition import EditionName
from db.migrate import load_migrations, migrate

pytestmark = pytest.mark.timescale


@pytest.fixture
def url(timescale_url: str) -> Iterator[str]:
    with psycopg.connect(timescale_url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE on_timescale TEMPLATE template0")
    yield database_at(timescale_url, "on_timescale")
    drop_database(timescale_url, "on_timescale")


def test_telemetry_tables_become_hypertables_and_the_edition_is_recorded(url: str) -> None:
    report = migrate(url)
    assert report.edition.name in (EditionName.TIMESCALE_APACHE, EditionName.TIMESCALE_COMMUNITY)
    with psycopg.connect(url) as conn:
        tables = {row[0] for row in conn.execute("SELECT hypertable_name FROM timescaledb_information.hypertables")}
        recorded = conn.execute("SELECT edition, timescale_version FROM installation").fetchone()
    assert tables == {"observation", "position"}
    assert recorded == (report.edition.name.value, report.edition.timescale_version)


def test_migrating_again_changes_nothing(url: str) -> None:
    assert len(migrate(url).applied) == len(load_migrations())
    assert migrate(url).applied == ()


def test_rows_of_several_days_fall_into_chunks_and_a_repeated_reading_is_refused_by_the_key(url: str) -> None:
    migrate(url)
    row = (
        "INSERT INTO observation (observed_at, received_at, device_id, tag_epc, antenna, event_key, content_hash)"
        " VALUES (%s, %s, 'R1', 'E280AA', 1, '7', '\\x00') ON CONFLICT DO NOTHING"
    )
    start = datetime(2020, 3, 9, 6, tzinfo=UTC)
    with psycopg.connect(url) as conn:
        inserted = [conn.execute(row, (at, at)).rowcount for at in (start, start + timedelta(days=3), start)]
        chunks = conn.execute("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = 'observation'").fetchone()
    assert inserted == [1, 1, 0]
    assert chunks == (2,)
