"""Migrations: repeatable, safe side by side, never edited."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.migrate import MigrationChanged, load_migrations, migrate


def _fresh(postgres: EmbeddedPostgres, name: str) -> str:
    with psycopg.connect(postgres.admin_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    return postgres.url.rsplit("/", 1)[0] + f"/{name}"


def test_second_run_applies_nothing(postgres: EmbeddedPostgres) -> None:
    url = _fresh(postgres, "migrate_twice")
    assert len(migrate(url).applied) == len(load_migrations())
    assert migrate(url).applied == ()


def test_two_processes_at_once_apply_each_migration_once(postgres: EmbeddedPostgres) -> None:
    url = _fresh(postgres, "migrate_at_once")
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(migrate, [url] * 4))
    assert sorted(name for report in reports for name in report.applied) == [m.name for m in load_migrations()]


def test_an_edited_migration_is_refused(postgres: EmbeddedPostgres) -> None:
    url = _fresh(postgres, "migrate_edited")
    migrate(url)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE schema_migration SET sha256 = 'another' WHERE version = 1")
    with pytest.raises(MigrationChanged, match="0001_foundation"):
        migrate(url)
