"""`chuantou doctor --ledger` names each row that somebody changed behind the ledger's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from collateral_actions import cash, issued
from collateral_world import NOW, TENANT, World, build_world
from typer.testing import CliRunner

from chuantou import app
from collateral import facility_service as facilities
from collateral import facility_store, ledger_service, money_service
from collateral.commands import CashKind
from collateral.errors import NotFound
from collateral.ledger import entry_hash
from collateral.ledger_audit import Fault
from db.pool import Pool

TABLES = ("ledger_entry", "ledger_posting", "interest_accrual", "facility_balance", "pledge_item")


@pytest.fixture
def world(pool: Pool) -> World:
    """A book with each kind of entry: pledge 1, drawdown 2, fee 3, interest 4, repayment 5, correction 6, release 7."""
    world = build_world(pool, with_facility=True)
    world.pledged(world.coils(1, 10))
    cash(world, CashKind.DRAWDOWN, "300000", happened_at=NOW - timedelta(days=1), already_paid=True)
    cash(world, CashKind.FEE, "120")
    money_service.set_rate(pool, TENANT, "F-1", date(2020, 3, 1), Decimal("0.05"), "ACT/360", "loader", NOW)
    money_service.accrue_interest(pool, TENANT, "F-1", date(2020, 3, 9), "loader", NOW)
    cash(world, CashKind.REPAYMENT, "50")
    asked = money_service.propose_correction(pool, TENANT, "F-1", 5, "wrong payer", "officer", NOW)
    money_service.decide_correction(pool, TENANT, asked.correction_id, "approver", NOW, approve=True)
    order = issued(world, ["HRC-00001"])
    assert order.status == "ISSUED"
    facilities.record_gate_out(pool, "HRC-00001", NOW + timedelta(hours=1), NOW + timedelta(hours=1))
    return world


def found(world: World) -> list[Fault]:
    return ledger_service.audit(world.pool)[1]


def entry_id(world: World, entry_no: int) -> int:
    made: int = world.scalar("SELECT entry_id FROM ledger_entry WHERE facility_id = 'F-1' AND entry_no = %s", entry_no)
    return made


def tamper(world: World, statement: str) -> None:
    """As the owner of the database could: with every trigger and foreign key off."""
    with world.pool.connection() as conn:
        conn.execute("SET LOCAL session_replication_role = replica")
        conn.execute(statement.encode())


def keep(world: World) -> None:
    for name in TABLES:
        tamper(world, f"CREATE TABLE sound_{name} AS TABLE {name}")


def restore(world: World) -> None:
    for name in TABLES:
        tamper(world, f"DELETE FROM {name}")
        tamper(world, f"INSERT INTO {name} OVERRIDING SYSTEM VALUE SELECT * FROM sound_{name}")
    tamper(world, "UPDATE goods_unit SET quantity = 20")


def line(entry_no: int, line_no: int = 1) -> str:
    return f"line_no = {line_no} AND entry_id = (SELECT entry_id FROM ledger_entry WHERE facility_id = 'F-1' AND entry_no = {entry_no})"


def test_a_sound_book_has_no_fault_and_an_unknown_one_is_refused(world: World) -> None:
    assert ledger_service.audit(world.pool) == (1, [])
    assert ledger_service.audit(world.pool, "F-1") == (1, [])
    with pytest.raises(NotFound, match="F-9"):
        ledger_service.audit(world.pool, "F-9")


# (what is done, table and row that are named, words that say what is wrong)
TAMPERED: list[tuple[str, Callable[[World], tuple[str, str]], str]] = [
    (f"UPDATE ledger_posting SET amount = 100 WHERE {line(3)}", lambda w: ("ledger_posting", f"{entry_id(w, 3)}/1 (entry 3)"), "amount was 120, it is 100 now"),
    (
        f"UPDATE ledger_posting SET account = 'income' WHERE {line(2, 2)}",
        lambda w: ("ledger_posting", f"{entry_id(w, 2)}/2 (entry 2)"), "account was bank, it is income now",
    ),
    (
        f"UPDATE ledger_posting SET goods_id = 'HRC-00002' WHERE {line(1, 5)}",
        lambda w: ("ledger_posting", f"{entry_id(w, 1)}/5 (entry 1)"), "goods_id was HRC-00003, it is HRC-00002 now",
    ),
    (
        f"DELETE FROM ledger_posting WHERE {line(2, 2)}",
        lambda w: ("ledger_posting", f"{entry_id(w, 2)}/2 (entry 2)"), "is missing: bank -300000 CNY",
    ),
    (
        "INSERT INTO ledger_posting SELECT entry_id, 3, 'fees', 7, 'CNY' FROM ledger_entry WHERE entry_no = 3",
        lambda w: ("ledger_posting", f"{entry_id(w, 3)}/3 (entry 3)"), "was put in",
    ),
    (
        "UPDATE ledger_posting SET amount = amount / 2 WHERE entry_id = (SELECT entry_id FROM ledger_entry WHERE entry_no = 2)",
        lambda w: ("ledger_entry", f"{entry_id(w, 2)} (entry 2)"), "this row or several of its lines",
    ),
    ("UPDATE ledger_entry SET reason = 'x' WHERE entry_no = 2", lambda w: ("ledger_entry", f"{entry_id(w, 2)} (entry 2)"), "its content does not give its hash"),
    ("UPDATE ledger_entry SET hash = repeat('0', 64) WHERE entry_no = 7", lambda w: ("ledger_entry", f"{entry_id(w, 7)} (entry 7)"), "hash was"),
    ("UPDATE ledger_entry SET hash = repeat('0', 64) WHERE entry_no = 3", lambda w: ("ledger_entry", f"{entry_id(w, 3)} (entry 3)"), "hash was"),
    ("UPDATE ledger_entry SET prev_hash = 'x' WHERE entry_no = 4", lambda w: ("ledger_entry", f"{entry_id(w, 4)} (entry 4)"), "prev_hash was"),
    ("DELETE FROM ledger_entry WHERE entry_no = 3", lambda w: ("ledger_entry", "no 3"), "is missing"),
    ("DELETE FROM ledger_entry WHERE entry_no = 7", lambda w: ("facility_balance", "F-1"), "last_entry_no is 7, the journal gives 6"),
    ("UPDATE facility_balance SET principal = principal - 1", lambda w: ("facility_balance", "F-1"), "principal is 299999.00, the journal gives 300000.000000"),
    ("DELETE FROM facility_balance", lambda w: ("facility_balance", "F-1"), "is missing"),
    ("UPDATE pledge_item SET quantity = 19 WHERE goods_id = 'HRC-00004'", lambda w: ("pledge_item", "HRC-00004"), "holds 19 t, the journal has 20 t"),
    ("UPDATE goods_unit SET quantity = 25 WHERE goods_id = 'HRC-00004'", lambda w: ("goods_unit", "HRC-00004"), "is 25 t, pledged were 20 t"),
    ("UPDATE pledge_item SET released_at = now() WHERE goods_id = 'HRC-00004'", lambda w: ("pledge_item", "?/HRC-00004"), "no live pledge has the unit"),
    ("UPDATE pledge_item SET released_at = NULL WHERE goods_id = 'HRC-00001'", lambda w: ("pledge_item", "HRC-00001"), "the journal has nothing"),
    ("UPDATE interest_accrual SET posted = posted + 1", lambda w: ("interest_accrual", str(entry_id(w, 4))), "entry 4 posts"),
]  # fmt: skip


def test_each_tampered_row_is_named_and_the_rest_of_the_book_is_not_blamed(world: World) -> None:
    keep(world)
    for statement, row_of, words in TAMPERED:
        table, row = row_of(world)
        tamper(world, statement)
        faults = found(world)
        assert any(f.table == table and f.row.endswith(row) and words in f.what for f in faults), f"{statement}\n" + "\n".join(
            map(str, faults)
        )
        named = {f.row.split("/")[0] for f in faults if f.table in ("ledger_entry", "ledger_posting")}
        assert len({n.split(" ")[0] for n in named}) <= 2, f"{statement} blames {named}"
        restore(world)
        assert found(world) == [], f"after {statement} was undone"


def test_an_entry_sealed_anew_after_a_change_is_named_by_what_follows_it(world: World) -> None:
    with world.pool.connection() as conn:
        entries, _ = facility_store.book(conn, "F-1")
    forged = replace(entries[1], reason="another reason")
    tamper(world, f"UPDATE ledger_entry SET reason = 'another reason', hash = '{entry_hash(forged)}' WHERE entry_no = 2")
    faults = found(world)
    assert (faults[0].table, faults[0].row) == ("ledger_entry", f"{entry_id(world, 2)} (entry 2)")
    assert "was sealed anew" in faults[0].what


def test_doctor_prints_each_row_and_ends_with_code_1(world: World, database_url: str) -> None:
    run = CliRunner()
    env = {"CHUANTOU_DATABASE_URL": database_url}
    sound = run.invoke(app, ["doctor", "--ledger"], env=env)
    assert (sound.exit_code, sound.stdout) == (0, "1 books: hash chains, balances, money and goods agree\n")
    tamper(world, f"UPDATE ledger_posting SET amount = 100 WHERE {line(3)}")
    ill = run.invoke(app, ["doctor", "--ledger", "--facility", "F-1"], env=env)
    assert ill.exit_code == 1
    assert f"F-1: ledger_posting {entry_id(world, 3)}/1 (entry 3): amount was 120, it is 100 now" in ill.stdout
    assert run.invoke(app, ["doctor", "--ledger", "--facility", "F-9"], env=env).exit_code == 1
