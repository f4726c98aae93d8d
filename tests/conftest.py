"""Servers for the tests: one embedded PostgreSQL per run, a template database, a clone per test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.pool import Pool, open_pool

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The run's PostgreSQL with a migrated database `template_chuantou`."""
    folder = Path("/tmp") / f"chuantou-test-{tmp_path_factory.getbasetemp().name}-{id(tmp_path_factory):x}"
    folder.mkdir(mode=0o755)
    server = EmbeddedPostgres(folder / "pg", fsync=False)
    try:
        with server:
            with psycopg.connect(server.admin_url, autocommit=True) as conn:
                conn.execute("CREATE DATABASE template_chuantou")
            migrate(server.url.rsplit("/", 1)[0] + "/template_chuantou")
            yield server
    finally:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A freshly migrated database of the test's own."""
    name = f"t{next(_numbers)}"
    with psycopg.connect(postgres.admin_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template_chuantou".encode())
    yield postgres.url.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(postgres.admin_url, autocommit=True) as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """A pool on the test's database."""
    opened = open_pool(database_url, name="test", size_max=16)
    yield opened
    opened.close()
