"""Migrations: repeatable, safe side by side, never edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from conftest import STORE, database_at, drop_database

from db.edition import EditionName
from db.migrate import MigrationChanged, load_migrations, migrate, pending
from db.schema import SCHEMA_FILE, replayed_schema

if TYPE_CHECKING:
    from db.embedded import EmbeddedPostgres


@pytest.fixture
def fresh(postgres: EmbeddedPostgres) -> Iterator[Callable[[str], str]]:
    """Makes empty databases by name."""
    made: list[str] = []

    def make(name: str) -> str:
        made.append(name)
        with psycopg.connect(postgres.admin_url, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        return database_at(postgres.admin_url, name)

    yield make
    for name in made:
        drop_database(postgres.admin_url, name)


def test_second_run_applies_nothing(fresh: Callable[[str], str]) -> None:
    url = fresh("migrate_twice")
    assert len(migrate(url).applied) == len(load_migrations())
    assert migrate(url).applied == ()


def test_two_processes_at_once_apply_each_migration_once(fresh: Callable[[str], str]) -> None:
    url = fresh("migrate_at_once")
    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(migrate, [url] * 4))
    assert sorted(name for report in reports for name in report.applied) == [m.name for m in load_migrations()]


def test_an_edited_migration_is_refused(fresh: Callable[[str], str]) -> None:
    url = fresh("migrate_edited")
    migrate(url)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE schema_migration SET sha256 = 'another' WHERE version = 1")
    with pytest.raises(MigrationChanged, match="0001_foundation"):
        migrate(url)


def test_pending_names_what_is_to_come(fresh: Callable[[str], str]) -> None:
    url = fresh("migrate_pending")
    with psycopg.connect(url) as conn:
        assert pending(conn) == [m.name for m in load_migrations()]
    migrate(url)
    with psycopg.connect(url) as conn:
        assert pending(conn) == []


def test_the_edition_of_the_store_is_recorded(fresh: Callable[[str], str]) -> None:
    report = migrate(fresh("migrate_edition"))
    assert (report.edition.name is EditionName.PLAIN) == (STORE == "plain")
    assert (report.edition.timescale_version is None) == (STORE == "plain")


def test_schema_sql_equals_the_replay_of_all_migrations(server_dir: Path) -> None:
    folder = server_dir / "schema"
    folder.mkdir()
    assert SCHEMA_FILE.read_text(encoding="utf-8") == replayed_schema(folder), "run: python -m db.schema"
