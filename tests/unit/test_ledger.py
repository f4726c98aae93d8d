"""Entries always sum to zero, chains show every change, balances are the sum of the book."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral import ledger
from collateral.calendar import business_date
from collateral.commands import CashKind
from collateral.errors import RejectedInput, Shortfall
from collateral.model import Balance

NOW = datetime(2020, 3, 9, 6, tzinfo=UTC)
EMPTY = Balance(
    facility_id="F-1", currency="CNY", principal=D(0), interest=D(0), fees=D(0), cash_margin=D(0), last_entry_no=0, last_hash=""
)
moves = st.tuples(st.sampled_from(CashKind), st.decimals("0.01", "100000", places=2))


def posted(balance: Balance, kind: str, postings: tuple[ledger.Posting, ...]) -> tuple[ledger.Entry, Balance]:
    entry = ledger.Entry(
        facility_id="F-1",
        kind=kind,
        happened_at=NOW,
        recorded_at=NOW + timedelta(seconds=1),
        business_date=business_date(NOW),
        actor="loader",
        reason="test",
        idempotency_key=str(balance.last_entry_no),
        request_hash="0",
        postings=postings,
    )
    link = ledger.chained(entry, balance)
    return link, replace(ledger.after(balance, postings), last_entry_no=link.entry_no, last_hash=link.hash)


@given(st.lists(moves, max_size=25))
def test_any_sequence_balances_chains_and_never_goes_below_zero(sequence: list[tuple[CashKind, D]]) -> None:
    balance, entries = EMPTY, []
    for kind, amount in sequence:
        try:
            postings = ledger.cash_postings(kind, amount, balance)
        except Shortfall:
            assert kind in (CashKind.REPAYMENT, CashKind.MARGIN_RETURN)
            continue
        assert set(ledger.sums(postings).values()) == {D(0)}
        entry, balance = posted(balance, kind, postings)
        entries.append(entry)
        assert min(balance.principal, balance.interest, balance.fees, balance.cash_margin) >= 0
    assert ledger.chain_faults(entries, balance) == []


@given(
    st.lists(
        st.tuples(st.text("AB", min_size=1, max_size=3), st.decimals("0.000001", "1e6", places=6), st.sampled_from(["t", "kg"])), max_size=9
    )
)
def test_goods_that_change_account_are_conserved(goods: list[tuple[str, D, str]]) -> None:
    pledged = ledger.stock_postings(goods, source="stock:free", target="stock:pledged")
    assert set(ledger.sums(pledged).values()) <= {D(0)}
    undone = ledger.sums([p for p in (*pledged, *ledger.reversed_postings(pledged)) if p.account == "stock:pledged"])
    assert set(undone.values()) <= {D(0)}


def chain() -> tuple[list[ledger.Entry], Balance]:
    balance, entries = EMPTY, []
    for kind, amount in ((CashKind.DRAWDOWN, D("1000.00")), (CashKind.FEE, D("7.50")), (CashKind.REPAYMENT, D("507.50"))):
        entry, balance = posted(balance, kind, ledger.cash_postings(kind, amount, balance))
        entries.append(entry)
    return entries, balance


def test_sound_book_has_no_fault() -> None:
    entries, balance = chain()
    assert ledger.chain_faults(entries, balance) == []
    assert balance.exposure == D("500.00")


@pytest.mark.parametrize(
    "change",
    [
        {"reason": "other"},
        {"actor": "other"},
        {"happened_at": NOW - timedelta(days=1)},
        {"entry_no": 7},
        {"prev_hash": "0" * 64},
        {"postings": ()},
    ],
)
def test_every_change_to_the_past_shows(change: dict[str, object]) -> None:
    entries, balance = chain()
    entries[1] = replace(entries[1], **change)  # type: ignore[arg-type]
    assert ledger.chain_faults(entries, balance)


def test_missing_entry_and_wrong_balance_show() -> None:
    entries, balance = chain()
    assert ledger.chain_faults([entries[0], entries[2]], balance)
    assert ledger.chain_faults(entries[:2], balance)
    assert ledger.chain_faults(entries, replace(balance, fees=D(1))) == ["F-1: the balance kept is not the sum of the entries"]


def test_hash_does_not_depend_on_how_the_store_writes_numbers_and_times() -> None:
    entries, _ = chain()
    stored = tuple(replace(p, amount=p.amount.quantize(D("0.000001"))) for p in entries[0].postings)
    again = replace(entries[0], postings=stored, happened_at=entries[0].happened_at.astimezone(business_zone()))
    assert ledger.entry_hash(again) == entries[0].hash


def business_zone():  # type: ignore[no-untyped-def]
    from collateral.calendar import BANK_ZONE

    return BANK_ZONE


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity"])
def test_amount_must_be_positive_and_in_whole_fen(amount: str) -> None:
    with pytest.raises(RejectedInput):
        ledger.cash_postings(CashKind.FEE, D(amount), EMPTY)


def test_business_date_is_that_of_shanghai() -> None:
    assert business_date(datetime(2020, 3, 8, 15, 59, 59, tzinfo=UTC)).isoformat() == "2020-03-08"
    assert business_date(datetime(2020, 3, 8, 16, tzinfo=UTC)).isoformat() == "2020-03-09"
