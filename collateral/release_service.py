"""Release orders: requested, approved by others, issued with a signature and a one-time code, settled at the gate, expired (DOMAIN 2.8).

Requester, maker, checker and second checker are different people; the store refuses otherwise as well.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import facility_store as store
from collateral import ledger
from collateral.commands import RequestRelease
from collateral.errors import RejectedInput, SamePersonRefused, Shortfall, WrongState
from collateral.facility_store import LockedFacility
from collateral.ids import new_id
from collateral.model import ReleaseOrder
from collateral.registry_store import many, one
from collateral.release import (
    CLOCK_SKEW_MAX,
    GATE_TOLERANCE,
    SECOND_CHECK_WINDOW,
    VALID_MAX,
    ReleaseCheck,
    check_release,
    needs_second_checker,
    new_pickup_code,
    paper,
    slow_hash,
)
from collateral.sightings import Sighting
from collateral.signing import ReleaseSigner
from collateral.transactions import in_transaction
from collateral.valuation import fen
from collateral.valuation_service import Assessment, assess
from db.pool import Pool

RELEASE_GOODS_MAX = 2000
_OPEN = ("REQUESTED", "MAKER_OK", "CHECKER_OK", "ISSUED", "PICKING")


def request_release(pool: Pool, command: RequestRelease, actor: str, now: datetime) -> ReleaseOrder:
    """A request for exact units, one vehicle, one driver and at most 48 hours. Raises RejectedInput, WrongState, NotFound."""
    if not 1 <= len(command.goods_ids) <= RELEASE_GOODS_MAX or len(set(command.goods_ids)) != len(command.goods_ids):
        raise RejectedInput(f"a release names 1 to {RELEASE_GOODS_MAX} units, and each once", field="goods_ids")
    if command.valid_from.tzinfo is None or command.valid_to.tzinfo is None:
        raise RejectedInput("valid_from and valid_to need an offset", field="valid_from")
    if not command.valid_from < command.valid_to <= command.valid_from + VALID_MAX or command.valid_to <= now:
        raise RejectedInput("a release is valid for at most 48 hours and not only in the past", field="valid_to")
    if not command.vehicle_plate.strip() or not command.driver_id.strip() or not command.reason.strip():
        raise RejectedInput("a release names its vehicle, its driver and its reason")
    release_id = new_id("release")
    driver_id_hash = slow_hash(release_id, command.driver_id)

    def work(conn: Connection[Any]) -> ReleaseOrder:
        locked = store.lock_facility(conn, command.tenant_id, command.facility_id)
        _require_active(locked)
        a = assess(conn, command.facility_id, now)
        _require_pledged(conn, command.facility_id, command.goods_ids)
        busy = many(conn, store.Q["open_release_of"], {"goods_ids": list(command.goods_ids)})
        if busy:
            raise WrongState(
                f"{busy[0]['goods_id']} is on release order {busy[0]['release_id']} already", units=[b["goods_id"] for b in busy][:100]
            )
        value, check = _effect(a, command.goods_ids)
        params = {
            "release_id": release_id,
            "tenant_id": command.tenant_id,
            "facility_id": command.facility_id,
            "actor": actor,
            "vehicle_plate": command.vehicle_plate.strip(),
            "driver_id_hash": driver_id_hash,
            "valid_from": command.valid_from,
            "valid_to": command.valid_to,
            "value_amount": value,
            "currency": locked.balance.currency,
            "needs_second_checker": _needs_second(conn, a, release_id, command.facility_id, value, check, now),
            "reason": command.reason,
            "now": now,
        }
        conn.execute(store.Q["insert_release"], params)
        conn.execute(store.Q["insert_release_items"], {"release_id": release_id, "goods_ids": sorted(command.goods_ids)})
        return store.release(conn, release_id)

    return in_transaction(pool, work)


def _require_active(locked: LockedFacility) -> None:
    if locked.status != "ACTIVE":
        raise WrongState(f"facility {locked.balance.facility_id} is {locked.status}: no release", status=locked.status)


def _require_pledged(conn: Connection[Any], facility_id: str, goods_ids: tuple[str, ...]) -> None:
    live = {r["goods_id"] for r in many(conn, store.Q["live_items"], {"facility_id": facility_id, "goods_ids": list(goods_ids)})}
    missing = [g for g in goods_ids if g not in live]
    if missing:
        raise WrongState(f"not pledged to facility {facility_id}: {', '.join(missing[:5])}", units=missing[:100])


def _effect(a: Assessment, goods_ids: tuple[str, ...]) -> tuple[Decimal, ReleaseCheck]:
    """(market value of the goods, what their leaving does to the loan)."""
    wanted = set(goods_ids)
    going = [u for u in a.pool.units if u.goods_id in wanted]
    advance = a.pool.effective_advance or a.book.credit.advance_rate
    counted = sum((u.collateral_value for u in going), start=Decimal(0))
    stays = a.pool.collateral_value - counted
    if stays > 0:  # the better goods of a mixed pool must not go on the average of all
        advance = min(advance, (a.pool.weighted_advance - sum(u.collateral_value * u.advance for u in going)) / stays) or advance
    market = sum((u.market_value for u in going), start=Decimal(0))
    return fen(market), check_release(a.pool.collateral_value, counted, a.standing.exposure, advance, a.book.credit.control_value_floor)


def _needs_second(
    conn: Connection[Any], a: Assessment, release_id: str, facility_id: str, value: Decimal, check: ReleaseCheck, now: datetime
) -> bool:
    row = one(conn, store.Q["released_since"], {"facility_id": facility_id, "since": now - SECOND_CHECK_WINDOW, "release_id": release_id})
    lately = Decimal(0) if row is None else Decimal(row["value"])
    return needs_second_checker(value, lately, a.pool.collateral_value, check.coverage_after, a.lines)


def approve_release_as_maker(pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime) -> ReleaseOrder:
    """The bank's operations agree. Raises SamePersonRefused for the requester, WrongState out of turn, Shortfall when value would be short."""

    def work(conn: Connection[Any]) -> ReleaseOrder:
        locked, order = store.locked_release(conn, tenant_id, release_id)
        _in_turn(order, "REQUESTED", actor, now)
        _approve(conn, locked, order, "MAKER_OK", now, maker_id=actor, check_value=False)
        return store.release(conn, release_id)

    return in_transaction(pool, work)


def approve_release_as_checker(
    pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime, *, signer: ReleaseSigner
) -> ReleaseOrder:
    """Risk agrees. Issues the order, with pickup_code set this once, unless a second checker is needed (then CHECKER_OK).

    Raises SamePersonRefused, WrongState, Shortfall.
    """

    def work(conn: Connection[Any]) -> ReleaseOrder:
        locked, order = store.locked_release(conn, tenant_id, release_id)
        _in_turn(order, "MAKER_OK", actor, now)
        second = _approve(conn, locked, order, "CHECKER_OK", now, checker_id=actor)
        return store.release(conn, release_id) if second else _issue(conn, release_id, signer, now)

    return in_transaction(pool, work)


def approve_release_as_second_checker(
    pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime, *, signer: ReleaseSigner
) -> ReleaseOrder:
    """A second checker agrees and the order is issued, with pickup_code set this once. Raises SamePersonRefused, WrongState, Shortfall."""

    def work(conn: Connection[Any]) -> ReleaseOrder:
        locked, order = store.locked_release(conn, tenant_id, release_id)
        _in_turn(order, "CHECKER_OK", actor, now)
        _approve(conn, locked, order, "CHECKER_OK", now, second_checker_id=actor)
        return _issue(conn, release_id, signer, now)

    return in_transaction(pool, work)


def _in_turn(order: ReleaseOrder, status: str, actor: str, now: datetime) -> None:
    if order.status != status:
        raise WrongState(f"release order {order.release_id} is {order.status}, not {status}", status=order.status)
    if order.valid_to <= now:
        raise WrongState(f"release order {order.release_id} was valid until {order.valid_to.isoformat()}", status=order.status)
    before = {order.requested_by: "requested", order.maker_id: "approved as maker", order.checker_id: "approved as checker"}
    if actor in before:
        raise SamePersonRefused(f"{actor} {before[actor]} this order and cannot do this step as well", user_id=actor)


def _approve(
    conn: Connection[Any],
    locked: LockedFacility,
    order: ReleaseOrder,
    status: str,
    now: datetime,
    *,
    maker_id: str | None = None,
    checker_id: str | None = None,
    second_checker_id: str | None = None,
    check_value: bool = True,
) -> bool:
    """One more signature on a locked order; returns whether a second checker is needed."""
    _require_active(locked)
    _require_pledged(conn, order.facility_id, order.goods_ids)
    a = assess(conn, order.facility_id, now)
    _require_unencumbered(a, order.goods_ids)
    value, check = _effect(a, order.goods_ids)
    if check_value:
        _require_value(a, check)
    second = order.needs_second_checker or _needs_second(conn, a, order.release_id, order.facility_id, value, check, now)
    conn.execute(
        store.Q["approve_release"],
        {
            "release_id": order.release_id,
            "status": status,
            "maker_id": maker_id,
            "checker_id": checker_id,
            "second_checker_id": second_checker_id,
            "needs_second_checker": second,
            "value_amount": value,
        },
    )
    return second


def _require_unencumbered(a: Assessment, goods_ids: tuple[str, ...]) -> None:
    wanted = set(goods_ids)
    going = [u for u in a.units if u.goods_id in wanted]
    alarmed = [u for u in going if u.open_p1 or u.open_p2]
    if alarmed:
        codes = sorted({c for u in alarmed for c in (*u.open_p1, *u.open_p2)})
        raise WrongState(
            f"open alerts {', '.join(codes)} on {alarmed[0].goods_id}: no release", units=[u.goods_id for u in alarmed][:100], rules=codes
        )
    unseen = [u for u in going if u.sighting is not Sighting.CONFIRMED]
    if unseen:
        raise WrongState(
            f"{unseen[0].goods_id} is {unseen[0].sighting.lower()}: goods that nobody sees are not released",
            units=[u.goods_id for u in unseen][:100],
        )
    uncovered = [
        u.goods_id
        for u in a.pool.units
        if u.goods_id in wanted and {"insurance_expired", "receipt_cancelled", "receipt_frozen"} & set(u.reasons)
    ]
    if uncovered:
        raise WrongState(f"insurance or receipt of {uncovered[0]} is not valid: no release", units=uncovered[:100])


def _require_value(a: Assessment, check: ReleaseCheck) -> None:
    if a.standing.exposure <= 0:
        return
    if a.standing.why_not_judged:
        reasons = list(a.standing.why_not_judged)
        raise Shortfall("the collateral cannot be judged: " + ", ".join(reasons), reasons=reasons)
    expired = sorted(code for code, flags in a.pool.price_flags.items() if "expired" in flags)
    if expired:
        raise Shortfall(f"the price of {', '.join(expired)} is more than three trading days old: no release", reasons=expired)
    if check.short > 0:
        raise Shortfall(
            f"after this release the value would be {check.short} short of what must stay; "
            f"pay in {check.cash_that_helps} or pledge goods worth {check.goods_that_help} after haircuts first",
            short=check.short,
            cash=check.cash_that_helps,
            goods=check.goods_that_help,
            value_after=fen(check.value_after),
            needed_after=fen(check.needed_after),
        )


def _issue(conn: Connection[Any], release_id: str, signer: ReleaseSigner, now: datetime) -> ReleaseOrder:
    order = store.release(conn, release_id)
    code = new_pickup_code()
    params = {"release_id": release_id, "now": now, "signature": signer.sign(paper(order)), "pickup_code_hash": slow_hash(release_id, code)}
    conn.execute(store.Q["issue_release"], params)
    store.set_goods_state(conn, order.goods_ids, "RELEASE_APPROVED", only_from=("PLEDGED",))
    return replace(store.release(conn, release_id), pickup_code=code)


def cancel_release(pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime) -> ReleaseOrder:
    """The order is called off; what did not leave stays pledged. Raises WrongState once anything has left or the order is closed."""

    def work(conn: Connection[Any]) -> ReleaseOrder:
        _, order = store.locked_release(conn, tenant_id, release_id)
        if order.status not in _OPEN or order.gated_out_ids:
            raise WrongState(f"release order {release_id} is {order.status} and cannot be cancelled", status=order.status)
        _close(conn, order, "CANCELLED", now)
        return store.release(conn, release_id)

    return in_transaction(pool, work)


def _close(conn: Connection[Any], order: ReleaseOrder, status: str, now: datetime) -> None:
    back = [r["goods_id"] for r in many(conn, store.Q["return_items"], {"release_id": order.release_id, "now": now})]
    store.set_goods_state(conn, back, "PLEDGED", only_from=("RELEASE_APPROVED",))
    conn.execute(store.Q["close_release"], {"release_id": order.release_id, "status": status, "now": now})


def expire_releases(pool: Pool, now: datetime) -> list[str]:
    """Close orders past their time and the gate's tolerance; left-overs go back to pledged. Unused: EXPIRED, partly used: RECONCILED. Returns their ids."""
    cut = now - GATE_TOLERANCE
    overdue = in_transaction(pool, lambda conn: many(conn, store.Q["overdue_releases"], {"now": cut}))
    closed = []
    for row in overdue:
        release_id, tenant_id = str(row["release_id"]), str(row["tenant_id"])

        def work(conn: Connection[Any], release_id: str = release_id, tenant_id: str = tenant_id) -> bool:
            _, order = store.locked_release(conn, tenant_id, release_id)
            if order.status not in _OPEN or order.valid_to >= cut:
                return False
            _close(conn, order, "RECONCILED" if order.gated_out_ids else "EXPIRED", now)
            return True

        if in_transaction(pool, work):
            closed.append(release_id)
    return closed


def record_gate_out(pool: Pool, goods_id: str, at: datetime, now: datetime, *, actor: str = "gate") -> ReleaseOrder | None:
    """Settle a unit that left under an issued order: its lien ends, the book says so.

    None when no issued order covered this unit at this time (30 minutes of tolerance). An exit that is reported after the order has expired
    or was cancelled counts by its own time. Repeating it changes nothing.
    """
    return in_transaction(pool, lambda conn: settle_gate_out(conn, goods_id, at, now, actor=actor))


def settle_gate_out(conn: Connection[Any], goods_id: str, at: datetime, now: datetime, *, actor: str = "gate") -> ReleaseOrder | None:
    """record_gate_out inside the caller's transaction."""
    row = one(conn, store.Q["covering_release"], {"goods_id": goods_id, "at": at, "tolerance": GATE_TOLERANCE, "skew": CLOCK_SKEW_MAX})
    if row is None:
        return None
    release_id = str(row["release_id"])
    locked, order = store.locked_release(conn, row["tenant_id"], release_id)
    if one(conn, store.Q["gate_out_item"], {"release_id": release_id, "goods_id": goods_id, "at": at}) is None:
        return order if goods_id in order.gated_out_ids else None
    item = one(conn, store.Q["release_pledge_item"], {"facility_id": order.facility_id, "goods_id": goods_id, "at": at})
    if item is not None:
        held = [(goods_id, item["quantity"], item["unit"])]
        entry = store.entry(
            order.facility_id,
            "RELEASE",
            ledger.stock_postings(held, source="stock:pledged", target="stock:out"),
            key=f"release:{release_id}:{goods_id}",
            request_hash=ledger.request_hash({"release_id": release_id, "goods_id": goods_id}),
            actor=actor,
            reason=f"left under release order {release_id}",
            at=at,
            now=now,
        )
        store.append(conn, entry, locked.balance)
        conn.execute(store.Q["discharge_if_empty"], {"pledge_id": item["pledge_id"], "now": now})
    store.set_goods_state(conn, [goods_id], "GATED_OUT", only_from=("PLEDGED", "RELEASE_APPROVED"))
    left_over = set(order.returned_ids) - {goods_id}
    if order.status not in _OPEN:
        conn.execute(store.Q["set_release_status"], {"release_id": release_id, "status": "RECONCILED" if left_over else "GATED_OUT"})
    elif set(order.gated_out_ids) | {goods_id} >= set(order.goods_ids) - left_over:
        conn.execute(store.Q["close_release"], {"release_id": release_id, "status": "GATED_OUT", "now": now})
    else:
        conn.execute(store.Q["set_release_status"], {"release_id": release_id, "status": "PICKING"})
    return store.release(conn, release_id)
