"""Each migration opens by saying why, what it needs, what it locks and how to undo it, and the numbers have no hole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

MIGRATIONS = sorted((Path(__file__).resolve().parents[2] / "db" / "migrations").glob("*.sql"))


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda p: p.name)
def test_migration_opens_with_why_needs_lock_undo(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    opening = [line for line in lines[:12] if line.startswith("--")]
    said = [m[1] for line in opening if (m := re.match(r"-- (Why|Needs|Lock|Undo):\s+\S", line))]
    assert said == ["Why", "Needs", "Lock", "Undo"]


def test_migration_numbers_have_no_hole() -> None:
    numbers = [int(path.name[:4]) for path in MIGRATIONS]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", path.name) for path in MIGRATIONS)
