"""The whole life of a warehouse receipt on a real store: what each step needs, what it leaves, what refuses it."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from collateral_actions import OTHER, approved, offered, receipt, rival
from collateral_world import BORROWER, KEEPER, LENDER, NOW, TENANT, World, build_world

from collateral import ledger_service, receipt_service
from collateral import valuation_service as valuations
from collateral.errors import ChuantouError, EntryConflict, NotFound, RejectedInput, SamePersonRefused, WrongState
from collateral.receipts import ReceiptElements, ReceiptOrderKind
from db.pool import Pool

D = Decimal
K = ReceiptOrderKind
LATER = NOW + timedelta(hours=1)


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def elements(units: int, **other: Any) -> ReceiptElements:
    said = ReceiptElements(
        depositor_name=BORROWER,
        depositor_address="88 Mudanjiang Road, Shanghai",
        goods_name="hot-rolled coil",
        quantity=D(20 * units),
        unit="t",
        quality="Q235B",
        packing="strapped",
        pieces=units,
        marks="BAOSTEEL H7",
        shrinkage_standard="0.1 % of weight",
        storage_place="WH-SH-01, bay 1",
        storage_from=date(2020, 3, 6),
        storage_to=date(2020, 9, 6),
        storage_fee=D("1200.00"),
        insurer="PICC",
        insurance_from=date(2020, 1, 1),
        issuer_name=KEEPER,
        issue_place="Shanghai",
        keeper_signatory="Wang Min",
    )
    return replace(said, **other)


def issued(world: World, receipt_no: str, goods_ids: list[str], **other: Any) -> str:
    receipt(world, receipt_no, goods_ids)
    receipt_service.record_elements(world.pool, TENANT, receipt_no, elements(len(goods_ids), **other), "keeper", NOW)
    return receipt_no


def done(world: World, kind: K, numbers: list[str], at: Any = LATER, **request: Any) -> receipt_service.ReceiptOrder:
    asked = receipt_service.propose(world.pool, TENANT, kind, numbers, request, "asked", "officer", at)
    return receipt_service.decide(world.pool, TENANT, asked.order_id, "approver", at, approve=True)


def endorse(world: World, number: str, what: str, to: str | None = None) -> receipt_service.ReceiptOrder:
    return done(world, K.ENDORSE, [number], endorsement=what, endorsee_party_id=to, keeper_signatory="Wang Min")


def state(world: World, number: str) -> str:
    return str(world.scalar("SELECT state FROM warehouse_receipt WHERE receipt_no = %s", number))


def kinds(world: World, number: str) -> str:
    return str(world.scalar("SELECT string_agg(kind, ' ' ORDER BY event_no) FROM receipt_event WHERE receipt_no = %s", number))


def part(number: str, goods_ids: list[str], insured: str, fee: str = "600.00", pieces: int | None = None) -> dict[str, Any]:
    return {"receipt_no": number, "goods_ids": goods_ids, "insured_amount": insured, "storage_fee": fee, "pieces": pieces or len(goods_ids)}


def lies_under(world: World, goods_id: str) -> list[str]:
    with world.pool.connection() as conn:
        return [r[0] for r in conn.execute("SELECT receipt_no FROM receipt_item WHERE goods_id = %s AND ended_at IS NULL", (goods_id,))]


def test_every_fault_of_the_elements_is_named_with_what_would_be_right(world: World) -> None:
    receipt(world, "WR-1", world.coils(1, 2))
    wrong = elements(
        2, depositor_name="Somebody", quantity=D(41), pieces=1, marks=" ", storage_from=date(2020, 3, 10), insurance_from=date(2020, 4, 1)
    )
    with pytest.raises(RejectedInput) as refused:
        receipt_service.record_elements(world.pool, TENANT, "WR-1", wrong, "keeper", NOW)
    assert len(refused.value.details["faults"]) == 6
    for words in (
        "marks is blank",
        "is not the depositor's: P-TRADER",
        "1 t off the units under it, 40",
        "1 fewer than the units",
        "not cover the day of issue",
    ):
        assert words in str(refused.value)
    with pytest.raises(WrongState, match="no mandatory elements on record"):
        endorse(world, "WR-1", "PLEDGE", LENDER)
    receipt_service.record_elements(world.pool, TENANT, "WR-1", elements(2), "keeper", NOW)
    receipt_service.record_elements(world.pool, TENANT, "WR-1", elements(2), "keeper", LATER)
    assert kinds(world, "WR-1") == "ISSUED", "the same again changes nothing"
    with pytest.raises(WrongState, match="has its elements"):
        receipt_service.record_elements(world.pool, TENANT, "WR-1", elements(2, packing="loose"), "keeper", NOW)
    rival(world)
    with pytest.raises(NotFound):
        receipt_service.record_elements(world.pool, OTHER, "WR-1", elements(2), "x", NOW)


def test_the_store_itself_refuses_blank_elements_a_wrong_quantity_and_a_second_live_link(world: World) -> None:
    ids = world.coils(1, 2)
    receipt(world, "WR-1", ids[:1])
    issued(world, "WR-2", ids[1:])
    columns = "depositor_name, depositor_address, goods_name, quantity, unit, quality, packing, pieces, marks, shrinkage_standard, storage_place, storage_from, " \
        "storage_to, storage_fee, insurer, insurance_from, issuer_name, issue_place, keeper_signatory, electronic, recorded_at"  # fmt: skip
    copy = f"INSERT INTO receipt_elements (receipt_no, {columns}) SELECT 'WR-1', {columns} FROM receipt_elements"
    for statement, words in (
        (copy.replace("SELECT 'WR-1', depositor_name", "SELECT 'WR-1', ' '"), "depositor_name"),
        (copy.replace("SELECT 'WR-1', depositor_name, depositor_address, goods_name, quantity", "SELECT 'WR-1', depositor_name, depositor_address, goods_name, 19"), "its units are 20"),
        (copy.replace("marks, shrinkage_standard, storage_place, storage_from, storage_to, storage_fee, insurer, insurance_from, issuer_name, issue_place, "
                      "keeper_signatory, electronic, recorded_at FROM", "NULL, shrinkage_standard, storage_place, storage_from, storage_to, storage_fee, insurer, "
                      "insurance_from, issuer_name, issue_place, keeper_signatory, electronic, recorded_at FROM"), "marks"),
        ("INSERT INTO receipt_item (receipt_no, goods_id) VALUES ('WR-2', 'HRC-00001')", "one_live_receipt_per_goods"),
        ("UPDATE receipt_event SET actor = 'x'", "append-only"),
        ("UPDATE receipt_elements SET marks = 'x'", "append-only"),
        ("DELETE FROM receipt_item", "stays on record"),
        ("UPDATE receipt_order SET status = 'APPROVED', decided_by = proposed_by", "receipt_order_by_two"),
    ):  # fmt: skip
        if "receipt_order" in statement:
            receipt_service.propose(world.pool, TENANT, K.CANCEL, ["WR-2"], {}, "x", "officer", NOW)
        with pytest.raises(psycopg.errors.IntegrityError, match=words), world.pool.connection() as conn:
            conn.execute(statement.encode())


def test_a_receipt_is_endorsed_in_pledge_returned_transferred_and_cancelled_by_two_people(world: World) -> None:
    issued(world, "WR-1", world.coils(1, 2))
    asked = receipt_service.propose(
        world.pool, TENANT, K.ENDORSE, ["WR-1"], {"endorsement": "PLEDGE", "endorsee_party_id": LENDER, "keeper_signatory": "Wang"}, "loan", "officer", NOW
    )  # fmt: skip
    with pytest.raises(SamePersonRefused):
        receipt_service.decide(world.pool, TENANT, asked.order_id, "officer", NOW, approve=True)
    assert receipt_service.decide(world.pool, TENANT, asked.order_id, "approver", NOW, approve=False).status == "REJECTED"
    assert state(world, "WR-1") == "ISSUED", "a rejected order does nothing"
    with pytest.raises(WrongState, match="is REJECTED"):
        receipt_service.decide(world.pool, TENANT, asked.order_id, "approver", NOW, approve=True)
    for request, words in (
        ({"endorsement": "GIVE", "keeper_signatory": "W"}, "one of PLEDGE"),
        ({"endorsement": "PLEDGE", "endorsee_party_id": LENDER}, "keeper's signature"),
        ({"endorsement": "PLEDGE", "endorsee_party_id": KEEPER, "keeper_signatory": "W"}, "is no lender"),
        ({"endorsement": "TRANSFER", "endorsee_party_id": BORROWER, "keeper_signatory": "W"}, "holds receipt WR-1 already"),
        ({"endorsement": "PLEDGE", "endorsee_party_id": "P-404", "keeper_signatory": "W"}, "unknown parties"),
    ):
        with pytest.raises(RejectedInput, match=words):
            receipt_service.propose(world.pool, TENANT, K.ENDORSE, ["WR-1"], request, "x", "officer", NOW)
    endorse(world, "WR-1", "PLEDGE", LENDER)
    pledge = approved(world, offered(world, ["HRC-00001", "HRC-00002"], receipt_no="WR-1"))
    with pytest.raises(WrongState, match=f"secures pledge {pledge.pledge_id}"):
        endorse(world, "WR-1", "RETURN")
    with world.pool.connection() as conn:
        conn.execute("UPDATE pledge_item SET released_at = %s", (LATER,))
        conn.execute("UPDATE pledge SET status = 'DISCHARGED', discharged_at = %s", (LATER,))
    endorse(world, "WR-1", "RETURN")
    endorse(world, "WR-1", "TRANSFER", KEEPER)
    assert world.scalar("SELECT holder_party_id FROM warehouse_receipt") == KEEPER
    assert done(world, K.CANCEL, ["WR-1"]).status == "APPROVED"
    assert kinds(world, "WR-1") == "ISSUED PLEDGE_ENDORSED RETURNED TRANSFERRED CANCELLED"
    assert lies_under(world, "HRC-00001") == []
    with pytest.raises(WrongState, match="CANCELLED already"):
        done(world, K.CANCEL, ["WR-1"])
    issued(world, "WR-2", ["HRC-00001"])
    assert lies_under(world, "HRC-00001") == ["WR-2"], "what lay under a cancelled receipt can lie under a new one"


def test_a_frozen_receipt_is_worth_nothing_until_two_people_lift_it(world: World) -> None:
    ids = world.coils(1, 2)
    issued(world, "WR-1", ids)
    endorse(world, "WR-1", "PLEDGE", LENDER)
    approved(world, offered(world, ids, receipt_no="WR-1"))
    before = valuations.position(world.pool, "F-1", LATER).collateral_value
    assert before > 0
    receipt_service.freeze(world.pool, TENANT, "WR-1", "a court order", "officer", LATER)
    assert valuations.position(world.pool, "F-1", LATER).collateral_value == 0
    with pytest.raises(WrongState, match="is FROZEN"):
        receipt_service.freeze(world.pool, TENANT, "WR-1", "again", "officer", LATER)
    for kind in (K.CANCEL, K.SPLIT):
        with pytest.raises(WrongState, match="is FROZEN, not ISSUED: unfreeze it"):
            done(world, kind, ["WR-1"])
    done(world, K.UNFREEZE, ["WR-1"])
    assert state(world, "WR-1") == "ENDORSED", "it stands where it stood before"
    assert valuations.position(world.pool, "F-1", LATER).collateral_value == before


def test_a_split_and_a_merge_conserve_units_sums_and_pieces_and_say_what_is_off(world: World) -> None:
    ids = world.coils(1, 4)
    issued(world, "WR-1", ids)
    with pytest.raises(RejectedInput) as refused:
        done(
            world,
            K.SPLIT,
            ["WR-1"],
            parts=[part("WR-2", ids[:2], "4000000", pieces=3), part("WR-2", [*ids[1:2], "HRC-9"], "5000000", "700")],
        )
    said = str(refused.value)
    for words in ("number of its own", "2 units are left out: HRC-00003, HRC-00004", "1 units are not under it: HRC-9", "1 units are named twice: HRC-00002",
                  "9000000, 1000000 less than the receipt's 10000000", "1300, 100 more", "pieces of the parts is 5, 1 more"):  # fmt: skip
        assert words in said
    done(world, K.SPLIT, ["WR-1"], parts=[part("WR-2", ids[:1], "2500000", "300"), part("WR-3", ids[1:], "7500000", "900")])
    assert (state(world, "WR-1"), kinds(world, "WR-1")) == ("CANCELLED", "ISSUED SPLIT")
    assert [lies_under(world, g) for g in ids] == [["WR-2"], ["WR-3"], ["WR-3"], ["WR-3"]]
    assert world.scalar("SELECT quantity FROM receipt_elements WHERE receipt_no = 'WR-3'") == D(60)
    issued(world, "WR-8", world.coils(5, 1), packing="loose", quality="Q345B")
    with pytest.raises(RejectedInput, match="quality differs: WR-2 Q235B, WR-8 Q345B; packing differs"):
        done(world, K.MERGE, ["WR-2", "WR-8"], receipt_no="WR-9")
    with pytest.raises(EntryConflict):
        done(world, K.MERGE, ["WR-2", "WR-3"], receipt_no="WR-1")
    assert lies_under(world, ids[0]) == ["WR-2"], "a merge that fails at the last step leaves nothing behind"
    done(world, K.MERGE, ["WR-2", "WR-3"], receipt_no="WR-4")
    assert [lies_under(world, g) for g in ids] == [["WR-4"]] * 4
    with world.pool.connection() as conn:
        row = conn.execute(
            "SELECT e.quantity, e.pieces, e.storage_fee, r.insured_amount FROM receipt_elements e JOIN warehouse_receipt r USING (receipt_no) WHERE receipt_no = 'WR-4'"
        ).fetchone()
    assert row == (D(80), 4, D(1200), D(10_000_000))
    with pytest.raises(psycopg.errors.CheckViolation, match="does not lie under both"), world.pool.connection() as conn:
        conn.execute("INSERT INTO receipt_succession VALUES ('WR-4', 'WR-8', now())")
    approved(world, offered(world, ids, receipt_no="WR-4"))
    with pytest.raises(WrongState, match="discharge or release that first"):
        done(world, K.SPLIT, ["WR-4"], parts=[part("WR-5", ids[:1], "5000000"), part("WR-6", ids[1:], "5000000")])
    assert ledger_service.audit_receipts(world.pool) == (5, [])


def test_of_two_splits_decided_at_once_one_is_done(world: World) -> None:
    ids = world.coils(1, 2)
    issued(world, "WR-1", ids)
    orders = [
        receipt_service.propose(
            world.pool, TENANT, K.SPLIT, ["WR-1"], {"parts": [part(f"{n}-1", ids[:1], "5000000"), part(f"{n}-2", ids[1:], "5000000")]}, "x", "officer", NOW
        )
        for n in ("A", "B", "C", "D")
    ]  # fmt: skip
    ended: list[str] = []

    def decide(order_id: str) -> None:
        try:
            ended.append(receipt_service.decide(world.pool, TENANT, order_id, "approver", LATER, approve=True).status)
        except ChuantouError as exc:
            ended.append(exc.code)

    threads = [threading.Thread(target=decide, args=(o.order_id,)) for o in orders]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(ended) == ["APPROVED", "wrong_state", "wrong_state", "wrong_state"]
    assert [len(lies_under(world, g)) for g in ids] == [1, 1]


def test_the_audit_names_each_event_and_state_that_somebody_changed(world: World) -> None:
    issued(world, "WR-1", world.coils(1, 2))
    receipt_service.freeze(world.pool, TENANT, "WR-1", "x", "officer", LATER)
    done(world, K.UNFREEZE, ["WR-1"])
    for statement, table, row, words in (
        ("UPDATE warehouse_receipt SET state = 'ENDORSED'", "warehouse_receipt", "WR-1", "is ENDORSED, its last event left it ISSUED"),
        (
            "UPDATE receipt_event SET actor = 'x' WHERE event_no = 2",
            "receipt_event",
            "WR-1/2",
            "actor is x, its sealed content says officer",
        ),
        ("DELETE FROM receipt_event WHERE event_no = 2", "receipt_event", "WR-1/2", "is missing"),
    ):
        with world.pool.connection() as conn:
            conn.execute("CREATE TABLE IF NOT EXISTS sound AS TABLE receipt_event")
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute(statement.encode())
        assert any((f.table, f.row) == (table, row) and words in f.what for f in ledger_service.audit_receipts(world.pool)[1]), statement
        with world.pool.connection() as conn:
            conn.execute("SET LOCAL session_replication_role = replica")
            conn.execute("DELETE FROM receipt_event")
            conn.execute("INSERT INTO receipt_event SELECT * FROM sound")
            conn.execute("UPDATE warehouse_receipt SET state = 'ISSUED'")
    assert ledger_service.audit_receipts(world.pool) == (1, [])
