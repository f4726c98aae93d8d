"""A set of states is written twice, as a StrEnum and as a CHECK in SQL; both must say the same."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from enum import StrEnum
from pathlib import Path

import pytest

import api
import collateral
import db
import ingest
import risk

MIGRATIONS = Path(__file__).resolve().parents[2] / "db" / "migrations"
_LIST = re.compile(r"(\w+)\s+(?:IN\s*\(|<@\s*ARRAY\[)((?:\s*'[^']+'\s*,?)+)[)\]]")

# A StrEnum that is meant to name only some values of a column, what it has of its own, and why.
PARTS: dict[str, tuple[set[str], str]] = {
    "CashKind": (set(), "ledger_entry.kind also has the kinds that move goods, and CORRECTION"),
    "Outcome": (set(), "what an idempotent write came to; a capture's event can also be refused"),
    "ChangeKind": ({"TOUCHED"}, "what reconcile decides; the other kinds of alert_event are people's, and TOUCHED leaves no event"),
}


def check_lists() -> dict[str, set[str]]:
    """`table.column` -> the values its CHECK allows, read from the migrations (partial conditions of indexes left out)."""
    found: dict[str, set[str]] = {}
    for path in sorted(MIGRATIONS.glob("*.sql")):
        table = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if opened := re.match(r"CREATE TABLE (\w+)", line):
                table = opened[1]
            column = re.match(r"\s+(\w+)\s+(?:text|text\[\])\b.*CHECK\s*\((.*)", line)
            if column and (values := _LIST.search(column[2])) and values[1] == column[1]:
                found[f"{table}.{column[1]}"] = set(re.findall(r"'([^']+)'", values[2]))
    return found


def state_sets() -> dict[str, type[StrEnum]]:
    """`module.Class` -> every StrEnum that our packages define."""
    found: dict[str, type[StrEnum]] = {}
    for package in (api, collateral, db, ingest, risk):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if info.name.endswith("__main__"):
                continue
            module = importlib.import_module(info.name)
            for name, cls in inspect.getmembers(module, inspect.isclass):
                if issubclass(cls, StrEnum) and cls is not StrEnum and cls.__module__ == info.name:
                    found[f"{info.name}.{name}"] = cls
    return found


CHECKS = check_lists()
STATES = state_sets()


def test_migrations_were_read() -> None:
    assert {"alert.status", "margin_call.status", "release_order.status", "pledge.status", "app_user.roles"} <= set(CHECKS)
    assert CHECKS["alert.severity"] == {"P1", "P2", "P3", "P4"}


@pytest.mark.parametrize("name", sorted(STATES))
def test_state_set_equals_its_check(name: str) -> None:
    values = {member.value for member in STATES[name]}
    near = {column: allowed for column, allowed in CHECKS.items() if len(values & allowed) >= 2}
    if not near:
        return  # not a state that the database keeps
    if name.rsplit(".", 1)[1] in PARTS:
        own, _ = PARTS[name.rsplit(".", 1)[1]]
        assert any(values - own < allowed for allowed in near.values())
        return
    assert any(values == allowed for allowed in near.values()), "\n".join(
        f"{column}: only in SQL {sorted(allowed - values)}, only in Python {sorted(values - allowed)}" for column, allowed in near.items()
    )


# Columns whose states the code has to know by name; each needs a StrEnum somewhere.
@pytest.mark.parametrize("column", ["app_user.roles", "valuation.line_state", "price_quote.status"])
def test_column_has_its_state_set(column: str) -> None:
    assert any({member.value for member in cls} == CHECKS[column] for cls in STATES.values())
