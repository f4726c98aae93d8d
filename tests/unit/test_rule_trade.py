"""R05, R16 and R17: the same goods twice, papers without goods, goods sold while they secure a loan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from risk_facts import HOUR, NOW, UNIT, findings, snapshot, stream

from risk.facts import Invoice, Refusal, Sale, Twin
from risk.rule import Severity, SubjectKind
from risk.rules import double_pledge, sold_out_of_trust, trade_without_move

SECOND = timedelta(seconds=1)
REFUSAL = Refusal(
    refusal_id=7, tenant_id="demo", refused_at=NOW, user_id="approver", command="approve_pledge", code="already_pledged", facility_id="F-2",
    detail={"goods_id": "HRC-1"}, units=(UNIT,),
)  # fmt: skip


def test_a_refused_second_pledge_names_the_holding_pledge() -> None:
    found = findings(double_pledge.check(snapshot(refusals=(REFUSAL,))))
    assert [(f.subject.id, f.severity, f.pledge_id, f.event_key) for f in found] == [("HRC-1", "P1", "PL-1", "refusal:7")]


def test_other_refusals_are_no_double_pledge() -> None:
    assert double_pledge.check(snapshot(refusals=(replace(REFUSAL, code="shortfall"),))) == []


def test_a_receipt_offered_twice_is_found_without_any_unit() -> None:
    detail = {"pledge_id": "PL-2", "receipt_no": "WR-1", "other_pledge_id": "PL-1", "other_facility_id": "F-1"}
    found = findings(double_pledge.check(snapshot(refusals=(replace(REFUSAL, units=(), detail=detail),))))
    assert (found[0].subject.kind, found[0].subject.id, found[0].facility_id) == (SubjectKind.DOCUMENT, "WR-1", "F-1")


def test_one_command_over_many_units_gives_a_bounded_number_of_alerts() -> None:
    many = tuple(replace(UNIT, goods_id=f"HRC-{i}") for i in range(100))
    found = findings(double_pledge.check(snapshot(refusals=(replace(REFUSAL, units=many),))))
    assert len(found) == double_pledge.NAMED_MAX
    assert found[0].evidence["goods_named"] == 100


def test_twins_point_at_the_later_pledge() -> None:
    later = replace(UNIT, goods_id="HRC-0", pledge_id="PL-2", pledged_at=NOW)
    found = findings(double_pledge.check(snapshot(twins=(Twin(identity="BAOSTEEL|H7|1", units=(later, UNIT), count=2),))))
    assert [(f.subject.id, f.event_key) for f in found] == [("HRC-0", "twin:HRC-1:HRC-0")]


def test_every_later_twin_is_found_and_the_evidence_names_a_bounded_number() -> None:
    many = tuple(replace(UNIT, goods_id=f"HRC-{i:03}", pledged_at=NOW + i * HOUR) for i in range(40))
    found = findings(double_pledge.check(snapshot(twins=(Twin(identity="B|H7|1", units=many, count=40),))))
    assert [f.subject.id for f in found] == [u.goods_id for u in many[1:]]
    for f in found:
        assert f.subject.id in f.evidence["goods_ids"]
        assert len(f.evidence["goods_ids"]) == double_pledge.NAMED_MAX
        assert f.evidence["goods_named"] == 40


def test_a_twin_of_another_lender_is_told_without_a_name() -> None:
    found = findings(double_pledge.check(snapshot(twins=(Twin(identity="B|H7|1", units=(UNIT,), count=1, elsewhere=True),))))
    assert [(f.subject.id, f.event_key, f.evidence["held_by_another_tenant"]) for f in found] == [("HRC-1", "twin:HRC-1:elsewhere", True)]
    assert found[0].evidence["goods_ids"] == ["HRC-1"]


def test_of_a_refusal_only_what_is_understood_goes_into_the_evidence() -> None:
    refusal = replace(REFUSAL, detail={"goods_id": "HRC-1", "matched_by": "vin", "somebody_elses": "secret"})
    found = findings(double_pledge.check(snapshot(refusals=(refusal,))))
    assert found[0].evidence["detail"] == {"goods_id": "HRC-1", "matched_by": "vin"}


INVOICE = Invoice(
    document_id="D-1", tenant_id="demo", number="044", contract_no="C-1", seller_party_id="P-MILL", buyer_party_id="P-TRADER", amount=Decimal(80_000),
    currency="CNY", quantity=Decimal(20), issued_at=datetime(2020, 3, 2, 6, tzinfo=UTC), received_at=datetime(2020, 3, 2, 6, tzinfo=UTC), waybills=0,
    movements=0, transfer_notes=0, units=(),
)  # fmt: skip
DEADLINE = datetime(2020, 3, 9, 9, tzinfo=UTC)


def judged(invoice: Invoice, at: datetime = DEADLINE + SECOND) -> list[str]:
    return [f.severity.value for f in findings(trade_without_move.check(snapshot(as_of=at, stream=stream(at), invoices=(invoice,))))]


@pytest.mark.parametrize(("at", "found"), [(DEADLINE, 0), (DEADLINE + SECOND, 1)])
def test_five_business_days_end_at_five_in_the_afternoon(at: datetime, found: int) -> None:
    assert len(judged(INVOICE, at)) == found


def test_the_spring_festival_does_not_count() -> None:
    before_festival = replace(INVOICE, issued_at=datetime(2020, 1, 22, 6, tzinfo=UTC), received_at=datetime(2020, 1, 22, 6, tzinfo=UTC))
    assert judged(before_festival, datetime(2020, 2, 6, 9, tzinfo=UTC)) == []  # banks closed 01-24 to 02-02
    assert judged(before_festival, datetime(2020, 2, 10, 10, tzinfo=UTC)) == ["P2"]


@pytest.mark.parametrize(
    ("waybills", "movements", "notes", "found"), [(1, 1, 0, 0), (1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 0)],
    ids=["moved", "paper only", "no waybill", "transfer in store"],
)  # fmt: skip
def test_what_matches_an_invoice(waybills: int, movements: int, notes: int, found: int) -> None:
    assert len(judged(replace(INVOICE, waybills=waybills, movements=movements, transfer_notes=notes))) == found


def test_a_paper_just_received_waits_for_its_companions_by_the_stream() -> None:
    late = replace(INVOICE, received_at=DEADLINE)
    assert judged(late, DEADLINE + 4 * HOUR - SECOND) == []
    assert judged(late, DEADLINE + 4 * HOUR) == ["P2"]
    behind = snapshot(as_of=DEADLINE + 40 * HOUR, stream=stream(DEADLINE + HOUR), invoices=(late,))
    assert trade_without_move.check(behind) == []


def test_pledged_goods_make_it_a_p1() -> None:
    assert judged(replace(INVOICE, units=(UNIT,))) == ["P1"]


SALE = Sale(
    document_id="D-9",
    number="099",
    seller_party_id="P-TRADER",
    buyer_party_id="P-BUYER",
    issued_at=NOW,
    unit=UNIT,
    borrower_party_id="P-TRADER",
    release_id=None,
)


@pytest.mark.parametrize(
    ("sale", "found"),
    [
        (SALE, 1),
        (replace(SALE, release_id="R-1"), 0),
        (replace(SALE, seller_party_id="P-MILL"), 0),
        (replace(SALE, issued_at=UNIT.pledged_at - SECOND), 0),  # type: ignore[operator]
        (replace(SALE, issued_at=UNIT.pledged_at), 1),
        (replace(SALE, seller_party_id="P-AGENT", borrower_party_id="P-AGENT"), 1),
        (replace(SALE, unit=replace(UNIT, pledge_id=None)), 0),
    ],
    ids=["sold", "released", "bought", "before the pledge", "at the pledge", "by the borrower", "not pledged"],
)
def test_pledged_unit_sold(sale: Sale, found: int) -> None:
    verdicts = findings(sold_out_of_trust.check(snapshot(sales=(sale,))))
    assert len(verdicts) == found
    assert all(f.severity is Severity.P1 for f in verdicts)
