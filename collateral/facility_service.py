"""Facilities, pledges and cash; releases are in release_service and can be called from here as well.

Each command is one transaction that takes its locks in one order: the facility's balance, then goods by id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection, errors

from collateral import facility_store as store
from collateral import ledger
from collateral.calendar import business_date
from collateral.commands import CashKind, CashMovement, CreatePledge, OpenFacility
from collateral.errors import AlreadyPledged, LedgerRefusal, RejectedInput, SamePersonRefused, Shortfall, WrongState
from collateral.ids import new_id
from collateral.lines import lines_of
from collateral.model import LineState, Pledge, PostedEntry
from collateral.product_service import require_within
from collateral.registry_store import many, one, require_known
from collateral.release_service import approve_release_as_checker as approve_release_as_checker
from collateral.release_service import approve_release_as_maker as approve_release_as_maker
from collateral.release_service import approve_release_as_second_checker as approve_release_as_second_checker
from collateral.release_service import cancel_release as cancel_release
from collateral.release_service import expire_releases as expire_releases
from collateral.release_service import record_gate_out as record_gate_out
from collateral.release_service import request_release as request_release
from collateral.release_service import settle_gate_out as settle_gate_out
from collateral.sightings import Sighting
from collateral.transactions import in_transaction
from collateral.valuation import ZERO, fen
from collateral.valuation_service import assess
from db.pool import Pool

PLEDGE_GOODS_MAX = 5000
_FUTURE_MAX = timedelta(minutes=5)
_PLEDGEABLE = ("EXPECTED", "IN_TRANSIT", "INBOUND_CHECK", "STORED")


class _HeldElsewhere(Exception):
    """A unique index refused: some of these goods are live in another pledge."""


def open_facility(pool: Pool, command: OpenFacility, actor: str, now: datetime) -> str:
    """A loan facility with what it accepts. Raises RejectedInput that says which line is wrong, EntryConflict on a known id."""
    if sorted(command.repayment_order) != sorted(ledger.REPAYMENT_ORDER):
        raise RejectedInput(f"a repayment order names each of {', '.join(ledger.REPAYMENT_ORDER)} once", field="repayment_order")
    lines = lines_of(command.advance_rate, command.disposal_cost, command.warning_line, command.margin_call_line, command.disposal_line)
    if command.matures_on <= business_date(command.opened_at or now):
        raise RejectedInput(f"a facility that matures on {command.matures_on} is over before it opens", field="matures_on")
    codes = [c.commodity_code for c in command.commodities]
    if not codes or len(set(codes)) != len(codes):
        raise RejectedInput("a facility accepts at least one commodity, and each once", field="commodities")
    for commodity in command.commodities:
        ranked = [s for s in (commodity.primary_source, commodity.check_source, *commodity.further_sources) if s is not None]
        if len(set(ranked)) != len(ranked):
            raise RejectedInput(f"{commodity.commodity_code}: a source cannot check itself, each is ranked once", field="check_source")
        if not 0 < commodity.advance_rate < 1 or 1 / commodity.advance_rate <= lines.warning:
            raise RejectedInput(
                f"{commodity.commodity_code}: a loan at {commodity.advance_rate} would be born under the warning line {lines.warning:.4f}",
                field="advance_rate",
            )

    def work(conn: Connection[Any]) -> str:
        require_known(conn, "parties", command.tenant_id, [command.borrower_party_id, command.lender_party_id])
        require_within(conn, command, command.opened_at or now)
        terms = {**asdict(command), "opened_at": command.opened_at or now, "repayment_order": list(command.repayment_order)}
        conn.execute(store.Q["insert_facility"], terms)
        for commodity in command.commodities:
            grades = None if commodity.accepted_grades is None else list(commodity.accepted_grades)
            accepted = {**asdict(commodity), "further_sources": list(commodity.further_sources), "accepted_grades": grades}
            conn.execute(store.Q["insert_facility_commodity"], {**accepted, "facility_id": command.facility_id})
        for dimension, share in command.caps.items():
            conn.execute(store.Q["insert_cap"], {"facility_id": command.facility_id, "dimension": dimension, "share": share})
        conn.execute(store.Q["insert_balance"], {"facility_id": command.facility_id, "currency": command.currency})
        return command.facility_id

    return in_transaction(pool, work)


def create_pledge(pool: Pool, command: CreatePledge, actor: str, now: datetime) -> Pledge:
    """A draft that names goods; nothing is held until another person approves it. A known pledge_id is an EntryConflict.

    With a receipt, all goods lie under it; it is the tenant's own. Raises RejectedInput, NotFound, WrongState.
    """
    if not 1 <= len(command.goods_ids) <= PLEDGE_GOODS_MAX or len(set(command.goods_ids)) != len(command.goods_ids):
        raise RejectedInput(f"a pledge names 1 to {PLEDGE_GOODS_MAX} units, and each once", field="goods_ids")
    pledge_id = command.pledge_id or new_id("pledge")

    def work(conn: Connection[Any]) -> Pledge:
        locked = store.lock_facility(conn, command.tenant_id, command.facility_id)
        if locked.status == "CLOSED":
            raise WrongState(f"facility {command.facility_id} is closed", status=locked.status)
        require_known(conn, "goods", command.tenant_id, command.goods_ids)
        require_known(conn, "receipts", command.tenant_id, [command.receipt_no])
        _require_under_receipt(conn, command.receipt_no, command.goods_ids)
        params = {**asdict(command), "pledge_id": pledge_id, "goods_ids": list(command.goods_ids), "actor": actor, "now": now}
        conn.execute(store.Q["insert_pledge"], params)
        conn.execute(store.Q["insert_pledge_items"], params)
        return store.pledge(conn, command.tenant_id, pledge_id)

    return in_transaction(pool, work)


def approve_pledge(pool: Pool, tenant_id: str, pledge_id: str, actor: str, now: datetime) -> Pledge:
    """The second person makes a draft live: goods held, one PLEDGE entry in the book.

    Raises AlreadyPledged when any unit is live elsewhere (by id, VIN, mill identity or receipt) or its receipt secures another facility; the refusal is kept and told to the fast lane.
    Raises SamePersonRefused, WrongState, NotFound.
    """

    def work(conn: Connection[Any]) -> Pledge:
        pledge = store.pledge(conn, tenant_id, pledge_id)
        locked = store.lock_facility(conn, tenant_id, pledge.facility_id)
        pledge = store.pledge(conn, tenant_id, pledge_id)
        if pledge.status != "DRAFT":
            raise WrongState(f"pledge {pledge_id} is {pledge.status}, not DRAFT", status=pledge.status)
        if pledge.created_by == actor:
            raise SamePersonRefused("who made a pledge cannot approve it", user_id=actor)
        if locked.status == "CLOSED":
            raise WrongState(f"facility {pledge.facility_id} is closed", status=locked.status)
        goods = many(conn, store.Q["lock_goods"], {"tenant_id": tenant_id, "goods_ids": list(pledge.goods_ids)})
        unfit = [f"{g['goods_id']} is {g['state']}" for g in goods if g["state"] not in (*_PLEDGEABLE, "PLEDGED", "RELEASE_APPROVED")]
        if unfit:
            raise WrongState(f"these units cannot be pledged: {', '.join(unfit[:5])}", units=unfit[:100])
        _require_valid_receipt(conn, pledge)
        try:
            conn.execute(store.Q["activate_items"], {"pledge_id": pledge_id, "now": now})
            conn.execute(store.Q["activate_pledge"], {"pledge_id": pledge_id, "actor": actor, "now": now})
        except errors.UniqueViolation as exc:
            raise _HeldElsewhere(exc.diag.constraint_name) from exc
        if one(conn, store.Q["split_receipt"], {"pledge_id": pledge_id}) is not None:
            raise _HeldElsewhere("one_loan_per_receipt")
        held = [(r["goods_id"], r["quantity"], r["unit"]) for r in many(conn, store.Q["pledged_quantities"], {"pledge_id": pledge_id})]
        entry = store.entry(
            pledge.facility_id,
            "PLEDGE",
            ledger.stock_postings(held, source="stock:free", target="stock:pledged"),
            key=f"pledge:{pledge_id}",
            request_hash=ledger.request_hash({"pledge_id": pledge_id, "goods_ids": [g for g, _, _ in held]}),
            actor=actor,
            reason=f"pledge {pledge_id} made by {pledge.created_by}",
            at=now,
            now=now,
        )
        store.append(conn, entry, locked.balance)
        store.set_goods_state(conn, pledge.goods_ids, "PLEDGED", only_from=_PLEDGEABLE)
        return store.pledge(conn, tenant_id, pledge_id)

    try:
        return in_transaction(pool, work)
    except _HeldElsewhere as exc:
        raise _already_pledged(pool, tenant_id, pledge_id, str(exc), actor, now) from exc


def _require_under_receipt(conn: Connection[Any], receipt_no: str | None, goods_ids: tuple[str, ...]) -> None:
    if receipt_no is None:
        return
    outside = [r["goods_id"] for r in many(conn, store.Q["not_under_receipt"], {"receipt_no": receipt_no, "goods_ids": list(goods_ids)})]
    if outside:
        raise RejectedInput(f"not under receipt {receipt_no}: {', '.join(outside[:5])}", field="receipt_no", units=outside[:100])


def _require_valid_receipt(conn: Connection[Any], pledge: Pledge) -> None:
    receipts = many(conn, store.Q["lock_receipts"], {"receipt_no": pledge.receipt_no, "goods_ids": list(pledge.goods_ids)})
    invalid = [r for r in receipts if r["receipt_no"] == pledge.receipt_no and r["state"] not in ("ISSUED", "ENDORSED")]
    if invalid:
        raise WrongState(f"receipt {pledge.receipt_no} is {invalid[0]['state']}: it secures nothing", status=invalid[0]["state"])
    _require_under_receipt(conn, pledge.receipt_no, pledge.goods_ids)


def _already_pledged(pool: Pool, tenant_id: str, pledge_id: str, constraint: str, actor: str, now: datetime) -> LedgerRefusal:
    """Finds who holds the goods and keeps the refusal, in a transaction of its own: the refused one is gone."""

    def work(conn: Connection[Any]) -> LedgerRefusal:
        pledge = store.pledge(conn, tenant_id, pledge_id)
        conflict: Mapping[str, Any] | None = one(conn, store.Q["conflicting_pledge"], {"pledge_id": pledge_id})
        if conflict is None and pledge.receipt_no is not None:
            conflict = one(conn, store.Q["conflicting_receipt"], {"pledge_id": pledge_id, "receipt_no": pledge.receipt_no})
            conflict = None if conflict is None else {**conflict, "matched_by": "receipt_no", "receipt_no": pledge.receipt_no}
        if conflict is None and (split := one(conn, store.Q["split_receipt"], {"pledge_id": pledge_id})) is not None:
            conflict = {**split, "matched_by": "receipt_no"}
        detail = {"pledge_id": pledge_id, "facility_id": pledge.facility_id, "constraint": constraint, **_told(conflict or {}, tenant_id)}
        store.refuse(
            conn,
            tenant_id=tenant_id,
            command="approve_pledge",
            code=AlreadyPledged.code,
            facility_id=pledge.facility_id,
            detail=detail,
            actor=actor,
            now=now,
        )
        what = detail.get("goods_id") or detail.get("receipt_no") or "one of these goods"
        where = f"pledge {detail.get('other_pledge_id', 'another')} of facility {detail.get('other_facility_id', 'unknown')}"
        if detail.get("held_by_another_tenant"):
            where = "another lender's loan"
        return AlreadyPledged(f"{what} already secures {where} (same {detail.get('matched_by', constraint)})", **detail)

    return in_transaction(pool, work)


def _told(conflict: Mapping[str, Any], tenant_id: str) -> dict[str, Any]:
    """What a tenant may know of the pledge that is in its way: of another tenant's only that there is one."""
    if conflict.get("other_tenant_id", tenant_id) == tenant_id:
        return {k: v for k, v in conflict.items() if k != "other_tenant_id"}
    return {k: v for k, v in conflict.items() if not k.startswith("other_")} | {"held_by_another_tenant": True}


def post_cash(pool: Pool, command: CashMovement, actor: str, now: datetime) -> PostedEntry:
    """Money of a facility, once per idempotency key.

    A drawdown or a return of margin must fit the availability and rest on goods that can be judged and are not held behind a silent reader:
    else Shortfall. One dated on an earlier business day must fit at its own instant and now; one that was already paid is a fact, recorded as
    it is, if it is dated before today. Raises EntryConflict, RejectedInput, WrongState.
    """
    at = command.happened_at or now
    if at.tzinfo is None or at > now + _FUTURE_MAX:
        raise RejectedInput("happened_at needs an offset and cannot lie in the future", field="happened_at")
    said = {k: v for k, v in asdict(command).items() if k not in ("happened_at", "idempotency_key", "already_paid")}
    said |= {"happened_at": command.happened_at} | ({"already_paid": True} if command.already_paid else {})
    asked = ledger.request_hash(said)

    def work(conn: Connection[Any]) -> PostedEntry:
        locked = store.lock_facility(conn, command.tenant_id, command.facility_id)
        before = store.recorded_before(conn, locked.balance, command.idempotency_key, asked)
        if before is not None:
            return before
        if command.currency != locked.balance.currency:
            raise RejectedInput(f"facility {command.facility_id} is kept in {locked.balance.currency}", field="currency")
        if locked.status == "CLOSED":
            raise WrongState(f"facility {command.facility_id} is closed", status=locked.status)
        postings = ledger.cash_postings(command.kind, command.amount, locked.balance, locked.repayment_order)
        earlier = business_date(at) < business_date(now)
        if command.already_paid and not earlier:
            raise RejectedInput("what was already paid happened before today; a payment of today is asked for first", field="already_paid")
        if command.kind in (CashKind.DRAWDOWN, CashKind.MARGIN_RETURN) and not command.already_paid:
            _check_availability(conn, command, locked, now)
            if earlier:
                _check_availability(conn, command, locked, at, known_at=now)
        entry = store.entry(
            command.facility_id,
            command.kind,
            postings,
            key=command.idempotency_key,
            request_hash=asked,
            actor=actor,
            reason=command.reason,
            at=at,
            now=now,
        )
        return store.append(conn, entry, locked.balance)

    return in_transaction(pool, work)


def _check_availability(
    conn: Connection[Any], command: CashMovement, locked: store.LockedFacility, at: datetime, *, known_at: datetime | None = None
) -> None:
    """known_at: check a past instant, with the money of that instant as it is known at the other."""
    when = "" if known_at is None else f" at {at.isoformat()}"
    if locked.status != "ACTIVE":
        raise WrongState(f"facility {command.facility_id} is {locked.status}: no draw", status=locked.status)
    if command.kind is CashKind.DRAWDOWN and business_date(at) > locked.matures_on:
        raise WrongState(f"facility {command.facility_id} matured on {locked.matures_on}: no draw", status=locked.status)
    a = assess(conn, command.facility_id, at, known_at)
    if a.pool.cannot_judge or a.standing.raw_state is LineState.CANNOT_JUDGE:
        raise Shortfall(
            f"the collateral cannot be judged{when}: " + ", ".join(a.standing.why_not_judged), reasons=list(a.standing.why_not_judged)
        )
    expired = sorted(code for code, flags in a.pool.price_flags.items() if "expired" in flags)
    if expired:
        raise Shortfall(
            f"the price of {', '.join(expired)} is more than three trading days old{when}: no draw; report a newer price", reasons=expired
        )
    held = sum((u.collateral_value * u.advance for u in a.pool.units if u.sighting is Sighting.HELD), start=ZERO)
    usable = min(a.book.credit.limit_amount, a.standing.borrowing_base - held) - a.standing.exposure
    if command.amount > usable:
        short = fen(command.amount - usable)
        raise Shortfall(
            f"{command.amount} is {short} more than is available{when}; pay down {short} or pledge goods worth that after haircuts and advance",
            asked=command.amount,
            available=fen(usable),
            short=short,
        )
