"""The readable whole: `python -m db.schema` writes db/schema.sql from a replay of all migrations on a plain PostgreSQL."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from db.embedded import EmbeddedPostgres
from db.migrate import migrate

SCHEMA_FILE = Path(__file__).with_name("schema.sql")
_HEADER = "-- Written by `python -m db.schema` from the migrations, on plain PostgreSQL; do not edit.\n"
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*|CREATE EXTENSION .*|COMMENT ON EXTENSION .*)$")


def dump_schema(database_url: str, pg_dump: Path, env: dict[str, str]) -> str:
    """The schema of a migrated database: statements only, nothing that names a server version or an owner."""
    done = subprocess.run(
        [str(pg_dump), "--schema-only", "--no-owner", "--no-privileges", "--no-tablespaces", database_url],
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    kept = [line for line in done.stdout.splitlines() if not _NOISE.match(line)]
    return _HEADER + "\n" + re.sub(r"\n{2,}", "\n\n", "\n".join(kept)).strip() + "\n"


def replayed_schema(folder: Path) -> str:
    """The schema after all migrations, on a server of its own in folder (which other accounts must be able to enter)."""
    with EmbeddedPostgres(folder / "pg", fsync=False) as server:
        migrate(server.url)
        return dump_schema(server.url, *server.tool("pg_dump"))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="chuantou-schema-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        SCHEMA_FILE.write_text(replayed_schema(Path(name)), encoding="utf-8")


if __name__ == "__main__":
    main()
