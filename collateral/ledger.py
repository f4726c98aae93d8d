"""Entries and postings of a facility's book. Pure: what is posted, how entries are chained, whether a chain holds.

Debit positive, credit negative; every entry sums to zero per unit. Accounts of money: principal, interest, fees, cash_margin, bank, income.
Accounts of goods: stock:free, stock:pledged, stock:out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal

from collateral.commands import CashKind
from collateral.errors import RejectedInput, Shortfall
from collateral.model import Balance
from collateral.signing import canonical_json

GENESIS = ""
AMOUNT_END = Decimal(10) ** 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Posting:
    """One line of an entry."""

    account: str
    amount: Decimal
    unit: str
    goods_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """An entry with its lines, before or after it was numbered and chained."""

    facility_id: str
    kind: str
    happened_at: datetime
    recorded_at: datetime
    business_date: date
    actor: str
    reason: str
    idempotency_key: str
    request_hash: str
    postings: tuple[Posting, ...]
    corrects: int | None = None
    entry_no: int = 0
    prev_hash: str = GENESIS
    hash: str = ""


REPAYMENT_ORDER = ("fees", "interest", "principal")


def pair(debit: str, credit: str, amount: Decimal, currency: str) -> tuple[Posting, ...]:
    """The two lines of a movement from one account to another."""
    return (Posting(account=debit, amount=amount, unit=currency), Posting(account=credit, amount=-amount, unit=currency))


def cash_postings(kind: CashKind, amount: Decimal, balance: Balance, order: Sequence[str] = REPAYMENT_ORDER) -> tuple[Posting, ...]:
    """The lines of a money movement. A repayment pays in the order of the contract: fees, interest, principal unless it says otherwise.

    Raises RejectedInput on an amount that is not positive or has more than two places, Shortfall when more is paid or returned than there is.
    """
    if not amount.is_finite() or not 0 < amount < AMOUNT_END or amount != amount.quantize(Decimal("0.01")):
        raise RejectedInput(f"amount {amount} is not a positive amount in whole fen", field="amount")

    match kind:
        case CashKind.DRAWDOWN:
            return pair("principal", "bank", amount, balance.currency)
        case CashKind.INTEREST:
            return pair("interest", "income", amount, balance.currency)
        case CashKind.FEE:
            return pair("fees", "income", amount, balance.currency)
        case CashKind.MARGIN_DEPOSIT:
            return pair("bank", "cash_margin", amount, balance.currency)
        case CashKind.MARGIN_RETURN:
            if amount > balance.cash_margin:
                over = amount - balance.cash_margin
                raise Shortfall(
                    f"{amount} is {over} more than the margin held, {balance.cash_margin}; return at most that",
                    held=balance.cash_margin,
                    asked=amount,
                    short=over,
                )
            return pair("cash_margin", "bank", amount, balance.currency)
        case CashKind.REPAYMENT:
            return _repayment(amount, balance, order)


def _repayment(amount: Decimal, balance: Balance, order: Sequence[str]) -> tuple[Posting, ...]:
    owed = balance.fees + balance.interest + balance.principal
    if amount > owed:
        over = amount - owed
        raise Shortfall(
            f"{amount} is {over} more than is owed, {owed}; post at most that, and the rest as a margin deposit or back to the payer",
            owed=owed,
            asked=amount,
            short=over,
        )
    lines = [Posting(account="bank", amount=amount, unit=balance.currency)]
    left = amount
    for account in order:
        paid = min(left, getattr(balance, account))
        if paid > 0:
            lines.append(Posting(account=account, amount=-paid, unit=balance.currency))
            left -= paid
    return tuple(lines)


def stock_postings(goods: Iterable[tuple[str, Decimal, str]], *, source: str, target: str) -> tuple[Posting, ...]:
    """Units (goods id, quantity, unit) that change from one stock account to another."""
    lines: list[Posting] = []
    for goods_id, quantity, unit in goods:
        lines.append(Posting(account=target, amount=quantity, unit=unit, goods_id=goods_id))
        lines.append(Posting(account=source, amount=-quantity, unit=unit, goods_id=goods_id))
    return tuple(lines)


def reversed_postings(postings: Sequence[Posting]) -> tuple[Posting, ...]:
    """What undoes an entry."""
    return tuple(replace(p, amount=-p.amount) for p in postings)


def sums(postings: Iterable[Posting]) -> dict[str, Decimal]:
    """Sum per unit; all zero in a sound entry."""
    total: dict[str, Decimal] = {}
    for p in postings:
        total[p.unit] = total.get(p.unit, Decimal(0)) + p.amount
    return total


def after(balance: Balance, postings: Iterable[Posting]) -> Balance:
    """The balance after an entry. The margin account is a credit balance: it is kept positive."""
    change = dict.fromkeys(("principal", "interest", "fees", "cash_margin"), Decimal(0))
    for p in postings:
        if p.account in change and p.unit == balance.currency:
            change[p.account] += p.amount
    return replace(
        balance,
        principal=balance.principal + change["principal"],
        interest=balance.interest + change["interest"],
        fees=balance.fees + change["fees"],
        cash_margin=balance.cash_margin - change["cash_margin"],
    )


def request_hash(content: Mapping[str, object]) -> str:
    """What tells a repeated command from another one under the same key."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def chained(entry: Entry, balance: Balance) -> Entry:
    """The entry as the next link of its facility's chain."""
    numbered = replace(entry, entry_no=balance.last_entry_no + 1, prev_hash=balance.last_hash)
    return replace(numbered, hash=entry_hash(numbered))


def entry_hash(entry: Entry) -> str:
    """SHA-256 over the canonical form of the entry, its lines and the hash before it."""
    content = {
        "facility_id": entry.facility_id,
        "entry_no": entry.entry_no,
        "kind": entry.kind,
        "happened_at": entry.happened_at,
        "recorded_at": entry.recorded_at,
        "business_date": entry.business_date,
        "actor": entry.actor,
        "reason": entry.reason,
        "corrects": entry.corrects,
        "idempotency_key": entry.idempotency_key,
        "request_hash": entry.request_hash,
        "prev_hash": entry.prev_hash,
        "postings": [[p.account, p.amount, p.unit, p.goods_id] for p in entry.postings],
    }
    return hashlib.sha256(canonical_json(content)).hexdigest()


def chain_faults(entries: Sequence[Entry], balance: Balance) -> list[str]:
    """What is wrong with a facility's book: holes, broken links, altered content, uneven entries, a balance that differs. Empty = sound."""
    faults: list[str] = []
    running = replace(
        balance, principal=Decimal(0), interest=Decimal(0), fees=Decimal(0), cash_margin=Decimal(0), last_entry_no=0, last_hash=GENESIS
    )
    for entry in entries:
        name = f"{entry.facility_id} entry {entry.entry_no}"
        if entry.entry_no != running.last_entry_no + 1:
            faults.append(f"{name}: follows entry {running.last_entry_no}")
        if entry.prev_hash != running.last_hash:
            faults.append(f"{name}: does not name the hash of the entry before it")
        if entry_hash(entry) != entry.hash:
            faults.append(f"{name}: its content does not give its hash")
        faults.extend(f"{name}: off by {off} {unit}" for unit, off in sums(entry.postings).items() if off != 0)
        running = replace(after(running, entry.postings), last_entry_no=entry.entry_no, last_hash=entry.hash)
    if running != balance:
        faults.append(f"{balance.facility_id}: the balance kept is not the sum of the entries")
    return faults
