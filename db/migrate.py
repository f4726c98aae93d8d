"""Forward-only migrations: numbered SQL files, applied once, in order, by one process at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import psycopg

from db.edition import Edition, apply_edition

MIGRATIONS_DIR = Path(__file__).with_name("migrations")
_LOCK_KEY = 0x43_48_55_41_4E  # "CHUAN"


class MigrationChanged(Exception):
    """A migration that was applied differs from its file: history is never edited, add a new file."""


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True)
class MigrationReport:
    """What one run of `migrate` did."""

    applied: tuple[str, ...]
    edition: Edition


def load_migrations(folder: Path = MIGRATIONS_DIR) -> list[Migration]:
    """All migrations by version. Raises ValueError on a hole or a repeated number."""
    found = [Migration(int(p.name[:4]), p.stem, p.read_text(encoding="utf-8")) for p in sorted(folder.glob("[0-9][0-9][0-9][0-9]_*.sql"))]
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered 1, 2, 3 ...; found {[m.name for m in found]}")
    return found


def pending(conn: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Names of migrations that the store has not seen yet."""
    if conn.execute("SELECT to_regclass('schema_migration')").fetchone() == (None,):
        return [m.name for m in load_migrations()]
    done = {row[0] for row in conn.execute("SELECT version FROM schema_migration")}
    return [m.name for m in load_migrations() if m.version not in done]


def migrate(database_url: str) -> MigrationReport:
    """Bring the store to the newest schema. Safe to run again and from several processes at once: the others wait and find nothing to do.

    Raises MigrationChanged, or psycopg.Error when the store cannot be reached or a statement fails; a failed migration leaves no trace.
    """
    applied: list[str] = []
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", (_LOCK_KEY,))
        try:
            conn.execute(
                "CREATE TABLE IF NOT EXISTS schema_migration (version integer PRIMARY KEY, name text NOT NULL,"
                " sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
            )
            done: dict[int, str] = dict(conn.execute("SELECT version, sha256 FROM schema_migration").fetchall())
            for migration in load_migrations():
                if migration.version in done:
                    if done[migration.version] != migration.sha256:
                        raise MigrationChanged(f"{migration.name} was changed after it had been applied; add a new migration instead")
                    continue
                with conn.transaction():
                    conn.execute(migration.sql.encode())
                    conn.execute(
                        "INSERT INTO schema_migration (version, name, sha256) VALUES (%s, %s, %s)",
                        (migration.version, migration.name, migration.sha256),
                    )
                applied.append(migration.name)
            edition = apply_edition(conn)
        finally:
            conn.execute("SELECT pg_advisory_unlock(%s)", (_LOCK_KEY,))
    return MigrationReport(tuple(applied), edition)
