"""Money beside single movements: rates, interest as it accrues, exposure at any instant by both clocks, corrections by reversing entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import facility_store as store
from collateral import ledger, valuation_store
from collateral import money_store as money
from collateral.calendar import business_date
from collateral.errors import EntryConflict, NotFound, RejectedInput, SamePersonRefused, Shortfall, WrongState
from collateral.ids import new_id
from collateral.interest import DayCount
from collateral.ledger import Posting
from collateral.model import Balance, PostedEntry
from collateral.money_store import Correction
from collateral.registry_store import many, one
from collateral.transactions import in_transaction
from db.pool import Pool

GOODS_KINDS = ("PLEDGE", "RELEASE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Exposure:
    """What a facility owed at as_of, by what was recorded until known_at. unposted_interest has accrued but is in no entry yet."""

    facility_id: str
    as_of: datetime
    known_at: datetime
    currency: str
    principal: Decimal
    interest: Decimal
    fees: Decimal
    cash_margin: Decimal
    unposted_interest: Decimal
    exposure: Decimal


def set_rate(
    pool: Pool, tenant_id: str, facility_id: str, valid_from: date, annual_rate: Decimal, day_count: str, actor: str, now: datetime
) -> None:
    """What borrowing costs from a day on; ends the rate before it. Raises NotFound, RejectedInput, EntryConflict on a day that has a rate."""
    if not 0 <= annual_rate < 1:
        raise RejectedInput(f"a rate of {annual_rate} a year is not within [0, 1)", field="annual_rate")
    count = DayCount(day_count)

    def work(conn: Connection[Any]) -> None:
        store.lock_facility(conn, tenant_id, facility_id)
        known = money.rates(conn, facility_id)
        if known and valid_from <= known[-1].valid_from:
            raise EntryConflict(
                f"a rate holds from {known[-1].valid_from}; a new one starts after that day", valid_from=known[-1].valid_from.isoformat()
            )
        params = {"facility_id": facility_id, "valid_from": valid_from, "annual_rate": annual_rate, "day_count": count}
        conn.execute(money.Q["set_rate_end"], params)
        conn.execute(money.Q["insert_rate"], {**params, "actor": actor, "now": now})

    in_transaction(pool, work)


def accrue_interest(pool: Pool, tenant_id: str, facility_id: str, accrued_to: date, actor: str, now: datetime) -> PostedEntry | None:
    """Post the interest of all days before accrued_to that no entry has; None when nothing is to be posted.

    What was posted too much, for a draw that was corrected say, is taken back by the same kind of entry. Raises NotFound, RejectedInput on a
    day that has not begun or has no rate, Shortfall when more would be taken back than is owed as interest.
    """
    if accrued_to > business_date(now):
        raise RejectedInput(f"interest runs up to {business_date(now)}, not to {accrued_to}: that day has not begun", field="accrued_to")

    def work(conn: Connection[Any]) -> PostedEntry | None:
        locked = store.lock_facility(conn, tenant_id, facility_id)
        due = money.accrued(conn, facility_id, locked.balance.currency, accrued_to, as_of=now, known_at=now)
        if due.unposted == 0:
            return None
        if locked.balance.interest + due.unposted < 0:
            back = -due.unposted - locked.balance.interest
            raise Shortfall(
                f"{-due.unposted} of interest was posted too much and {locked.balance.interest} of it is unpaid; {back} has to be paid back by a"
                " correction of the repayment",
                short=back,
            )
        entry = store.entry(
            facility_id,
            "INTEREST",
            ledger.pair("interest", "income", due.unposted, locked.balance.currency),
            key=f"interest:{accrued_to}:{locked.balance.last_entry_no}",
            request_hash=ledger.request_hash({"accrued_to": accrued_to, "total": due.total}),
            actor=actor,
            reason=f"interest of all days before {accrued_to}: {due.total} in all, {due.posted} posted before",
            at=now,
            now=now,
        )
        posted = store.append(conn, entry, locked.balance)
        row = {"entry_id": posted.entry_id, "facility_id": facility_id, "accrued_to": accrued_to, "total": due.total}
        conn.execute(money.Q["insert_accrual"], {**row, "posted": due.unposted})
        return posted

    return in_transaction(pool, work)


def accrue_all(pool: Pool, now: datetime, actor: str = "system", tenant_id: str | None = None) -> dict[str, str]:
    """Interest of every facility that has a rate, up to today. What could not be accrued, by facility, with the reason."""
    due = in_transaction(pool, lambda conn: many(conn, money.Q["facilities_with_rates"], {"tenant_id": tenant_id}))
    failed = {}
    for row in due:
        try:
            accrue_interest(pool, row["tenant_id"], row["facility_id"], business_date(now), actor, now)
        except (RejectedInput, Shortfall) as exc:
            failed[row["facility_id"]] = str(exc)
    return failed


def exposure_at(pool: Pool, tenant_id: str, facility_id: str, as_of: datetime, known_at: datetime) -> Exposure:
    """What was owed at an instant, by what was known at another. Raises NotFound, RejectedInput where a rate is missing."""
    return in_transaction(pool, lambda conn: exposure_in(conn, tenant_id, facility_id, as_of, known_at), one_instant=True)


def exposure_in(conn: Connection[Any], tenant_id: str, facility_id: str, as_of: datetime, known_at: datetime) -> Exposure:
    """exposure_at inside the caller's transaction."""
    facility = one(conn, money.Q["facility_tenant"], {"facility_id": facility_id, "tenant_id": tenant_id})
    if facility is None:
        raise NotFound(f"there is no facility {facility_id}")
    params = {"facility_ids": [facility_id], "as_of": as_of, "known_at": known_at}
    row = one(conn, valuation_store.Q["balances_at"], params) or {}
    sums = {n: row.get(n, Decimal(0)).quantize(Decimal("0.01")) for n in ("principal", "interest", "fees", "cash_margin")}
    accrued = money.accrued(conn, facility_id, facility["currency"], business_date(as_of), as_of=as_of, known_at=known_at)
    owed = sums["principal"] + sums["interest"] + sums["fees"] - sums["cash_margin"]
    return Exposure(
        facility_id=facility_id,
        as_of=as_of,
        known_at=known_at,
        currency=facility["currency"],
        **sums,
        unposted_interest=accrued.unposted,
        exposure=owed + accrued.unposted,
    )


def propose_correction(pool: Pool, tenant_id: str, facility_id: str, entry_no: int, reason: str, actor: str, now: datetime) -> Correction:
    """One person's word that an entry of money is wrong. Raises NotFound, WrongState, EntryConflict when it was asked before."""

    def work(conn: Connection[Any]) -> Correction:
        locked = store.lock_facility(conn, tenant_id, facility_id)
        _reversible(conn, locked.balance, entry_no)
        params = {"tenant_id": tenant_id, "facility_id": facility_id, "entry_no": entry_no, "reason": reason, "actor": actor, "now": now}
        row = one(conn, money.Q["insert_correction"], {**params, "correction_id": new_id("correction")})
        assert row is not None
        return Correction(**row)

    return in_transaction(pool, work)


def decide_correction(pool: Pool, tenant_id: str, correction_id: str, actor: str, now: datetime, *, approve: bool) -> Correction:
    """The second person's word: the entry is reversed by one of kind CORRECTION, dated as the entry itself, recorded now.

    Raises NotFound, SamePersonRefused, WrongState, Shortfall when a balance would fall below zero.
    """

    def work(conn: Connection[Any]) -> Correction:
        asked = money.correction(conn, tenant_id, correction_id)
        locked = store.lock_facility(conn, tenant_id, asked.facility_id)
        asked = money.correction(conn, tenant_id, correction_id)
        if asked.status != "PROPOSED":
            raise WrongState(f"correction {correction_id} is {asked.status}, not PROPOSED", status=asked.status)
        if asked.proposed_by == actor:
            raise SamePersonRefused("who asks for a correction cannot approve it", user_id=actor)
        posted = _reverse(conn, asked, locked.balance, actor, now) if approve else None
        params = {"correction_id": correction_id, "actor": actor, "now": now, "status": "APPROVED" if approve else "REJECTED"}
        row = one(conn, money.Q["decide_correction"], {**params, "entry_no": None if posted is None else posted.entry_no})
        assert row is not None
        return Correction(**row)

    return in_transaction(pool, work)


def _reversible(conn: Connection[Any], balance: Balance, entry_no: int) -> tuple[dict[str, Any], tuple[Posting, ...]]:
    entry = one(conn, money.Q["entry_by_no"], {"facility_id": balance.facility_id, "entry_no": entry_no})
    if entry is None:
        raise NotFound(f"facility {balance.facility_id} has no entry {entry_no}")
    if entry["kind"] in GOODS_KINDS:
        raise WrongState(f"entry {entry_no} moves goods: release or pledge them instead", kind=entry["kind"])
    if entry["kind"] == "CORRECTION":
        raise WrongState(f"entry {entry_no} is a correction itself: post the movement anew instead", kind=entry["kind"])
    if entry["corrected_by"] is not None:
        raise WrongState(f"entry {entry_no} is corrected by entry {entry['corrected_by']}", corrected_by=entry["corrected_by"])
    lines = ledger.reversed_postings([Posting(**p) for p in many(conn, money.Q["postings_of"], {"entry_id": entry["entry_id"]})])
    after = ledger.after(balance, lines)
    short = {n: -getattr(after, n) for n in ("principal", "interest", "fees", "cash_margin") if getattr(after, n) < 0}
    if short:
        account, amount = next(iter(short.items()))
        raise Shortfall(
            f"without entry {entry_no} the {account} would stand {amount} below zero; correct what was paid on it first",
            account=account,
            short=amount,
        )
    return entry, lines


def _reverse(conn: Connection[Any], asked: Correction, balance: Balance, actor: str, now: datetime) -> PostedEntry:
    entry, lines = _reversible(conn, balance, asked.entry_no)
    made = store.entry(
        asked.facility_id,
        "CORRECTION",
        lines,
        key=f"correction:{asked.correction_id}",
        request_hash=ledger.request_hash({"correction_id": asked.correction_id, "entry_no": asked.entry_no}),
        actor=actor,
        reason=f"{asked.reason} (asked by {asked.proposed_by})",
        at=entry["happened_at"],
        now=now,
        corrects=entry["entry_id"],
    )
    return store.append(conn, made, balance)
