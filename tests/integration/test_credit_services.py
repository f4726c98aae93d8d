"""Whose prices count, who vouches for them, interest, corrections, past instants and certificates, on a real store."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import openpyxl
import psycopg
import pytest
from collateral_actions import OTHER, cash, rival
from collateral_world import NOW, TENANT, World, build_world, facility

from collateral import certificate_papers, ledger_service, money_service, price_service
from collateral import differential_service as differentials
from collateral import facility_service as facilities
from collateral import valuation_service as valuations
from collateral.certificate_service import Certificate, certificate, issue_certificate
from collateral.commands import CashKind, CashMovement, FacilityCommodity, PriceReport
from collateral.errors import EntryConflict, LedgerRefusal, NotFound, RejectedInput, SamePersonRefused, Shortfall, WrongState
from collateral.model import PriceResult
from collateral.price_store import PriceDifferential
from db.pool import Pool

D = Decimal
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def world(pool: Pool) -> World:
    return build_world(pool, with_facility=True)


def report(world: World, price: str, at: Any, *, now: Any = None, tenant_id: str | None = TENANT, source: str = "SHFE") -> PriceResult:
    quote = PriceReport(
        commodity_code="HRC", source=source, quoted_at=at, price=D(price), currency="CNY", unit="t", tax_inclusive=False, synthetic=True
    )  # fmt: skip
    return price_service.record_prices(world.pool, [quote], now or at, tenant_id=tenant_id)[0]


def value(world: World, at: Any = NOW, facility_id: str = "F-1") -> Decimal:
    return valuations.position(world.pool, facility_id, at).collateral_value


def refuse_sql(world: World, statement: str, match: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityError, match=match), world.pool.connection() as conn:
        conn.execute(statement.encode())


def test_a_tenant_s_price_values_its_own_goods_only_and_the_newer_of_own_and_market_counts(world: World) -> None:
    rival(world)
    world.pledged(world.coils(1, 10))
    assert value(world) == D(800_000)
    assert report(world, "3900", NOW, tenant_id=OTHER).status == "ACCEPTED"
    assert value(world) == D(800_000), "another tenant's price moves nothing here"
    assert report(world, "3800", NOW - HOUR).status == "ACCEPTED"
    assert value(world) == D(760_000), "own and newer than the market's"
    report(world, "3950", NOW, tenant_id=None)
    assert value(world) == D(790_000), "the market's is newer now"
    assert report(world, "3700", NOW).outcome == "RECORDED", "a quote of the market does not stand in the way of an own one"
    assert value(world) == D(740_000), "of one instant, the own one"


def test_two_people_vouch_for_a_price_and_nobody_for_one_that_is_refused(world: World) -> None:
    own = [report(world, p, NOW - n * DAY) for p, n in (("4000", 3), ("3000", 0))]
    assert [r.status for r in own] == ["ACCEPTED", "QUARANTINED"]
    asked = price_service.propose_override(world.pool, TENANT, own[1].price_id, "seen", "officer", NOW)
    with pytest.raises(SamePersonRefused):
        price_service.decide_override(world.pool, TENANT, asked.override_id, "officer", NOW, approve=True, reason="me too")
    refuse_sql(
        world, "UPDATE price_override SET status = 'APPROVED', decided_by = proposed_by, used_price_id = price_id", "price_override_by_two"
    )
    with pytest.raises(NotFound):
        price_service.decide_override(world.pool, OTHER, asked.override_id, "x", NOW, approve=True, reason="x")
    done = price_service.decide_override(world.pool, TENANT, asked.override_id, "approver", NOW + HOUR, approve=True, reason="so have I")
    assert done.used_price_id == own[1].price_id, "an own quote leaves quarantine itself"
    assert world.scalar("SELECT accepted_at FROM price_quote WHERE price_id = %s", own[1].price_id) == NOW + HOUR
    with pytest.raises(WrongState):
        price_service.decide_override(world.pool, TENANT, asked.override_id, "other", NOW, approve=False, reason="no")
    refused = report(world, "-36.98", NOW + HOUR)
    with pytest.raises(WrongState, match="not_positive"):
        price_service.propose_override(world.pool, TENANT, refused.price_id, "it was printed", "officer", NOW)
    refuse_sql(world, "UPDATE price_quote SET price = price + 1", "only a quarantined price changes")


def differential(**other: Any) -> PriceDifferential:
    made = PriceDifferential(
        differential_id="d-1", tenant_id=TENANT, commodity_code="HRC", kind="GRADE", applies_to="Q345B", amount=D(100), currency="CNY",
        valid_from=date(2020, 3, 1), valid_to=date(2020, 3, 10), reason="contract", proposed_by="officer", proposed_at=NOW,
    )  # fmt: skip
    return replace(made, **other)


def agree(world: World, differential_id: str, actor: str = "approver") -> PriceDifferential:
    return differentials.decide_differential(world.pool, TENANT, differential_id, actor, NOW, approve=True)


def test_a_differential_holds_from_its_first_day_to_the_day_before_its_last_once_two_agree(world: World) -> None:
    world.pledged(world.coils(1, 10, grade="Q345B"))
    differentials.propose_differential(world.pool, differential())
    assert value(world) == D(800_000)
    with pytest.raises(SamePersonRefused):
        agree(world, "d-1", "officer")
    agree(world, "d-1")
    assert value(world) == D(820_000)
    world.see([f"HRC-{i:05d}" for i in range(1, 11)], NOW + DAY)
    world.price("4000", NOW + DAY)
    assert value(world, NOW + DAY) == D(800_000), "on the 10th it no longer holds"
    for other in (differential(differential_id="d-2", valid_from=date(2020, 3, 9)), differential(differential_id="d-3", valid_to=None)):
        with pytest.raises(EntryConflict, match="choose days outside"):
            differentials.propose_differential(world.pool, other)
    differentials.propose_differential(world.pool, differential(differential_id="d-4", valid_from=date(2020, 3, 10), valid_to=None))
    agree(world, "d-4")
    refuse_sql(
        world,
        "INSERT INTO price_differential SELECT 'd-5', tenant_id, facility_id, commodity_code, kind, applies_to, amount, currency, share, valid_from,"
        " valid_to, reason, status, proposed_by, proposed_at, decided_by, decided_at FROM price_differential WHERE differential_id = 'd-4'",
        "one_differential_at_a_time",
    )
    for wrong in ({"share": D("0.1")}, {"currency": "USD"}, {"amount": D(5000)}, {"valid_to": date(2020, 3, 1)}, {"facility_id": "F-404"}):
        with pytest.raises(RejectedInput):
            differentials.propose_differential(world.pool, differential(differential_id="d-9", **wrong))


def test_a_price_that_comes_late_values_the_affected_days_again_and_no_other(world: World) -> None:
    world.pledged(world.coils(1, 10), at=NOW - 6 * DAY)
    days = [NOW - n * DAY for n in (4, 3, 0)]  # Thursday, Friday, Monday
    for n, at in enumerate(days[:2]):
        world.see([f"HRC-{i:05d}" for i in range(1, 11)], at)
        report(world, f"40{n}0", at - HOUR)
        valuations.value_facility(world.pool, "F-1", at, "OVERNIGHT")
    assert valuations.restate_past_days(world.pool, NOW) == []
    report(world, "4100", days[1] - HOUR / 2, now=NOW)  # Friday's settlement, on Monday
    [again] = valuations.restate_past_days(world.pool, NOW)
    assert (again.as_of, again.collateral_value, again.recorded_at) == (days[1], D(820_000), NOW)
    assert world.scalar("SELECT collateral_value FROM valuation WHERE valuation_id = %s", again.restates) == D(802_000), (
        "the old mark stays"
    )
    assert valuations.restate_past_days(world.pool, NOW) == []


def pay(world: World, kind: CashKind, amount: str, at: Any, now: Any = NOW, **other: Any) -> Any:
    made = CashMovement(
        tenant_id=TENANT, facility_id="F-1", kind=kind, amount=D(amount), currency="CNY", reason="test", happened_at=at,
        idempotency_key=f"{kind}-{amount}-{at}",
    )  # fmt: skip
    return facilities.post_cash(world.pool, replace(made, **other), "loader", now)


def test_a_draw_dated_in_the_past_fits_the_availability_of_its_instant_or_was_already_paid(world: World) -> None:
    report(world, "3980", NOW - 4 * DAY)
    report(world, "3990", NOW - 3 * DAY)
    world.pledged(world.coils(1, 10, at=NOW - 9 * DAY), at=NOW - 3 * DAY)
    fit = D(10 * 20) * D(3990) * D("0.7")
    with pytest.raises(Shortfall, match=r"is 0\.01 more than is available at 2020-03-06") as refused:
        pay(world, CashKind.DRAWDOWN, str(fit + D("0.01")), NOW - 3 * DAY + HOUR)
    assert refused.value.details["short"] == D("0.01")
    pay(world, CashKind.DRAWDOWN, str(fit), NOW - 3 * DAY + HOUR)
    with pytest.raises(Shortfall, match="at 2020-03-05"):  # nothing was pledged then
        pay(world, CashKind.DRAWDOWN, "100", NOW - 4 * DAY + HOUR)
    with pytest.raises(RejectedInput, match="before today"):
        pay(world, CashKind.DRAWDOWN, "1", NOW, already_paid=True)
    assert pay(world, CashKind.DRAWDOWN, "100", NOW - 4 * DAY + HOUR, already_paid=True).balance.principal == fit + 100


def owed(world: World, as_of: Any, known_at: Any = NOW) -> Any:
    return money_service.exposure_at(world.pool, TENANT, "F-1", as_of, known_at)


def test_interest_accrues_to_the_fen_and_exposure_is_told_by_both_clocks(world: World) -> None:
    opened = NOW - 20 * DAY
    pay(world, CashKind.DRAWDOWN, "3600000", opened, already_paid=True)
    assert money_service.accrue_interest(world.pool, TENANT, "F-1", date(2020, 3, 9), "loader", NOW) is None, "no rate: no interest"
    money_service.set_rate(world.pool, TENANT, "F-1", date(2020, 2, 1), D("0.05"), "ACT/360", "loader", NOW)
    with pytest.raises(EntryConflict):
        money_service.set_rate(world.pool, TENANT, "F-1", date(2020, 2, 1), D("0.06"), "ACT/360", "loader", NOW)
    with pytest.raises(RejectedInput, match="has not begun"):
        money_service.accrue_interest(world.pool, TENANT, "F-1", date(2020, 3, 10), "loader", NOW)
    first = money_service.accrue_interest(world.pool, TENANT, "F-1", date(2020, 3, 9), "loader", NOW)
    assert first is not None
    assert first.balance.interest == D("9500.00") + D("500.00")  # 20 days from 18 February
    assert money_service.accrue_interest(world.pool, TENANT, "F-1", date(2020, 3, 9), "loader", NOW) is None
    then = NOW + 2 * DAY
    pay(world, CashKind.REPAYMENT, "1810000", NOW + HOUR, now=NOW + HOUR)
    exposure = owed(world, then, then)
    assert (exposure.principal, exposure.interest, exposure.unposted_interest) == (D("1800000.00"), 0, D("500.00"))
    assert owed(world, NOW, then).exposure == D("3610000.00"), "before the repayment happened"
    assert owed(world, opened, NOW - DAY).exposure == 0, "and before we knew of the draw"
    assert money_service.accrue_all(world.pool, then) == {}
    assert world.scalar("SELECT interest FROM facility_balance WHERE facility_id = 'F-1'") == D("500.00")
    assert ledger_service.verify_chain(world.pool, "F-1") == []


def test_a_wrong_entry_is_reversed_by_two_people_once_and_interest_is_made_good(world: World) -> None:
    pay(world, CashKind.DRAWDOWN, "3600000", NOW - 10 * DAY, already_paid=True)
    wrong = pay(world, CashKind.DRAWDOWN, "360000", NOW - 10 * DAY, already_paid=True)
    money_service.set_rate(world.pool, TENANT, "F-1", date(2020, 2, 1), D("0.05"), "ACT/360", "loader", NOW)
    money_service.accrue_interest(world.pool, TENANT, "F-1", date(2020, 3, 9), "loader", NOW)
    asked = money_service.propose_correction(world.pool, TENANT, "F-1", wrong.entry_no, "paid by another line", "officer", NOW)
    with pytest.raises(EntryConflict):
        money_service.propose_correction(world.pool, TENANT, "F-1", wrong.entry_no, "again", "officer", NOW)
    with pytest.raises(SamePersonRefused):
        money_service.decide_correction(world.pool, TENANT, asked.correction_id, "officer", NOW, approve=True)
    done = money_service.decide_correction(world.pool, TENANT, asked.correction_id, "approver", NOW, approve=True)
    assert done.reversing_entry_no is not None
    with pytest.raises(WrongState):
        money_service.decide_correction(world.pool, TENANT, asked.correction_id, "approver", NOW, approve=True)
    for entry_no, why in ((wrong.entry_no, "is corrected by"), (done.reversing_entry_no, "is a correction itself")):
        with pytest.raises(WrongState, match=why):
            money_service.propose_correction(world.pool, TENANT, "F-1", entry_no, "again", "officer", NOW)
    with pytest.raises(NotFound):
        money_service.propose_correction(world.pool, TENANT, "F-1", 99, "x", "officer", NOW)
    again = money_service.accrue_interest(world.pool, TENANT, "F-1", date(2020, 3, 9), "loader", NOW)
    assert again is not None
    assert (again.balance.principal, again.balance.interest) == (D("3600000.00"), D("5000.00")), "as if it had never been drawn"
    assert owed(world, NOW - 9 * DAY).principal == D("3600000.00"), "by what is known now"
    assert ledger_service.verify_chain(world.pool, "F-1") == []
    pay(world, CashKind.MARGIN_DEPOSIT, "100", NOW)
    margin = pay(world, CashKind.MARGIN_RETURN, "100", NOW - DAY, already_paid=True)
    deposit = money_service.propose_correction
    with pytest.raises(Shortfall, match=r"cash_margin would stand 100\.00"):
        deposit(world.pool, TENANT, "F-1", margin.entry_no - 1, "x", "officer", NOW)


def test_a_facility_keeps_within_its_product_and_ranks_its_sources(world: World) -> None:
    high = FacilityCommodity(commodity_code="HRC", advance_rate=D("0.76"), primary_source="SHFE")
    with pytest.raises(RejectedInput, match=r"0\.01.* above 0\.75"):
        facilities.open_facility(world.pool, facility("F-2", advance_rate=D("0.76"), commodities=(high,)), "loader", NOW)
    twice = replace(high, advance_rate=D("0.70"), check_source="SMM", further_sources=("SHFE",))
    with pytest.raises(RejectedInput, match="ranked once"):
        facilities.open_facility(world.pool, facility("F-2", commodities=(twice,)), "loader", NOW)
    terms = replace(twice, further_sources=("MYSTEEL",), price_rule="LOWER_OF")
    made = facility("F-2", commodities=(terms,), caps={"WAREHOUSE": D("0.5")}, repayment_order=("principal", "interest", "fees"))
    facilities.open_facility(world.pool, made, "loader", NOW)
    world.pledged(world.coils(1, 10), "F-2")
    for source, price in (("SMM", "3990"), ("MYSTEEL", "3000")):
        report(world, price, NOW, source=source)
    assert value(world, facility_id="F-2") == D(399_000), "the lower of the first two in rank, half of it in one warehouse"
    cash(world, CashKind.DRAWDOWN, "1000", facility_id="F-2")
    cash(world, CashKind.FEE, "10", facility_id="F-2")
    cash(world, CashKind.REPAYMENT, "1000", facility_id="F-2")
    assert world.scalar("SELECT fees FROM facility_balance WHERE facility_id = 'F-2'") == 10, "principal first, by this contract"
    with pytest.raises(RejectedInput, match="names each"):
        facilities.open_facility(world.pool, facility("F-3", repayment_order=("fees",)), "loader", NOW)


def issued(world: World, as_of: Any = NOW, now: Any = NOW) -> Certificate:
    return issue_certificate(world.pool, TENANT, "F-1", as_of, "officer", now)


def test_a_certificate_adds_up_and_is_the_same_to_the_byte_for_ever(world: World) -> None:
    world.pledged(world.coils(1, 8) + world.coils(10, 1, seen_at=NOW - 3 * DAY))
    world.pledged(world.coils(9, 1, seen_at=None), at=NOW - HOUR)
    with world.pool.connection() as conn:
        conn.execute("UPDATE goods_unit SET state = 'MISSING' WHERE goods_id = 'HRC-00001'")
    cash(world, CashKind.DRAWDOWN, "300000")
    made = issued(world)
    content = made.values
    running = D(0)
    for line in content["waterfall"]:
        amount = D(line["amount"])
        running = amount if line["step"] == "gross_market_value" else running - amount if line["sign"] == "-" else running
        assert line["sign"] == "-" or running == amount, line
    assert content["value"]["physically_confirmed"] == "560000.00"
    assert content["value"]["book_value"] == "800000.00"
    assert {i["reason"]: i["units"] for i in content["ineligible"]} == {"state_missing": 1, "pending_sighting": 1, "not_sighted": 1}
    assert sum(D(i["value"]) for i in content["ineligible"]) == D(240_000)
    seen = {u["goods_id"]: (u["sighting"], u["confirmed_by"]) for u in content["units"]}
    assert seen["HRC-00002"] == ("CONFIRMED", "rd-1")
    assert seen["HRC-00009"] == ("PENDING", None)
    book, page = certificate_papers.xlsx(content), certificate_papers.pdf(content)
    world.price("3950", NOW + HOUR)
    cash(world, CashKind.REPAYMENT, "1000", NOW + HOUR)
    later = issued(world, NOW, NOW + 5 * DAY)
    assert later == made == certificate(world.pool, TENANT, made.certificate_id)
    assert (certificate_papers.xlsx(later.values), certificate_papers.pdf(later.values)) == (book, page)
    cells = openpyxl.load_workbook(io.BytesIO(book))
    assert cells.sheetnames == ["Certificate", "Ineligible", "Prices", "Units"]
    shown = {row[1].value: row[2].value for row in cells["Certificate"].iter_rows()}
    assert shown["可用额度"] == pytest.approx(float(content["waterfall"][-1]["amount"]))
    with zipfile.ZipFile(io.BytesIO(book)) as parts:
        assert {i.date_time for i in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert page.startswith(b"%PDF-")
    refuse_sql(world, "UPDATE borrowing_base_certificate SET issued_by = 'x'", "append-only")
    with pytest.raises(RejectedInput, match="future"):
        issued(world, NOW + HOUR)
    with pytest.raises(NotFound):
        issue_certificate(world.pool, OTHER, "F-1", NOW, "x", NOW)


def test_a_certificate_without_a_price_says_so_and_a_text_is_never_a_formula(world: World) -> None:
    world.pledged(world.coils(1, 2, brand="=1+1"))
    with world.pool.connection() as conn:
        conn.execute("DELETE FROM price_quote")
    content = issued(world).values
    assert (content["judged"], content["why_not_judged"]) == (False, ["price_missing:HRC"])
    content["units"][0]["goods_id"] = "=HYPERLINK(1)"
    sheet = openpyxl.load_workbook(io.BytesIO(certificate_papers.xlsx(content)))["Units"]
    assert sheet["A2"].data_type == "s"
    assert json.loads(json.dumps(content)) == content


def test_every_refusal_of_money_says_what_is_short_and_what_would_pass(world: World) -> None:
    world.pledged(world.coils(1, 1))
    for kind, amount in ((CashKind.DRAWDOWN, "56000.01"), (CashKind.REPAYMENT, "0.01"), (CashKind.MARGIN_RETURN, "0.01")):
        with pytest.raises(LedgerRefusal, match=r"0\.01 more than") as refused:
            cash(world, kind, amount)
        assert refused.value.details["short"] == D("0.01")
