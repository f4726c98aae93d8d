"""Margin calls and disposal cases: from a valuation to what people must do. Nothing is ever disposed of by itself (DOMAIN 2.5, 2.9)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral import facility_store
from collateral import margin_store as store
from collateral.errors import NotFound, SamePersonRefused, WrongState
from collateral.ids import new_id
from collateral.lines import Lines, lines_of
from collateral.margin import Cause, cause_split, cure_advance, cure_deadline, is_cured, main_cause
from collateral.model import Balance, DisposalCase, LineState, MarginCall, MarginOutcome
from collateral.registry_store import one
from collateral.transactions import in_transaction
from collateral.valuation import FEN, call_amounts, fen_up, partial_sale_value, state_at
from collateral.valuation_service import value_locked
from db.pool import Pool

ENGINE = "margin"
_NEXT_INSTANT = timedelta(microseconds=1)  # the new mark is the newest


def apply_margin(pool: Pool, valuation_id: str, now: datetime) -> MarginOutcome:
    """Issue, cure or escalate a call, or draft a disposal case, as this valuation demands. Repeating it changes nothing.

    An older valuation than the facility's newest does nothing. When the book has moved since the valuation, a new one is made and acted on.
    Raises NotFound.
    """

    def work(conn: Connection[Any]) -> MarginOutcome:
        mark = store.valuation(conn, valuation_id)
        locked = facility_store.lock_facility(conn, mark["tenant_id"], mark["facility_id"])
        newest = one(conn, store.Q["latest_valuation"], {"facility_id": mark["facility_id"]})
        if newest is None or newest["valuation_id"] != valuation_id:
            return _outcome(mark, "none", call=store.open_call(conn, mark["facility_id"]), case=store.open_case(conn, mark["facility_id"]))
        return _apply(conn, _up_to_date(conn, mark, locked.balance, now), now)

    return in_transaction(pool, work)


def _up_to_date(conn: Connection[Any], mark: Mapping[str, Any], balance: Balance, now: datetime) -> Mapping[str, Any]:
    """This mark, or a new one when money or goods have moved in the locked book since: nobody is called for what was paid meanwhile."""
    if mark["detail"].get("book_entry_no") == balance.last_entry_no:
        return mark
    as_of = max(now, mark["as_of"] + _NEXT_INSTANT)
    return store.valuation(conn, value_locked(conn, mark["facility_id"], as_of, mark["cause"]).valuation_id)


def _lines(mark: Mapping[str, Any]) -> Lines:
    return lines_of(mark["advance_rate"], mark["disposal_cost"], mark["warning_line"], mark["margin_call_line"], mark["disposal_line"])


def _outcome(mark: Mapping[str, Any], action: str, *, call: MarginCall | None = None, case: DisposalCase | None = None) -> MarginOutcome:
    state = LineState(mark["line_state"])
    return MarginOutcome(
        facility_id=mark["facility_id"], valuation_id=mark["valuation_id"], state=state, action=action, call=call, disposal=case
    )


def _apply(conn: Connection[Any], mark: Mapping[str, Any], now: datetime) -> MarginOutcome:
    facility_id = mark["facility_id"]
    call, case = store.open_call(conn, facility_id), store.open_case(conn, facility_id)
    if mark["line_state"] == LineState.CANNOT_JUDGE:
        return _outcome(mark, "cannot_judge", call=call, case=case)
    raw = state_at(mark["coverage"], _lines(mark))
    target = cure_advance(mark["cure_target"], _lines(mark), mark["effective_advance"])
    if call is not None and is_cured(mark["collateral_value"], mark["exposure"], target):
        return _cure(conn, mark, call, case, now)
    if raw is LineState.DISPOSAL and case is None:
        return _escalate(conn, mark, call, "DISPOSAL_LINE", now)
    if call is not None and call.cure_deadline < now:
        return _escalate(conn, mark, call, "CALL_EXPIRED", now)
    if call is not None:
        return _partly(conn, mark, call, case, target, now)
    if raw is LineState.MARGIN_CALL and case is None and store.call_of_valuation(conn, mark["valuation_id"]) is None:
        return _issue(conn, mark, target, now)
    return _outcome(mark, "warning" if mark["line_state"] == LineState.WARNING else "none", case=case)


def _issue(conn: Connection[Any], mark: Mapping[str, Any], target: Decimal, now: datetime) -> MarginOutcome:
    cash, goods = call_amounts(mark["exposure"], mark["collateral_value"], target)
    deadline, calendar_known = cure_deadline(now, mark["cure_unit"], mark["cure_length"])
    before = one(conn, store.Q["mark_before_fall"], {"facility_id": mark["facility_id"], "as_of": mark["as_of"]})
    parts = cause_split(None if before is None else before["detail"].get("commodities"), mark["detail"].get("commodities", {}))
    call_id = new_id("call")
    conn.execute(
        store.Q["insert_call"],
        {
            "call_id": call_id,
            "tenant_id": mark["tenant_id"],
            "facility_id": mark["facility_id"],
            "valuation_id": mark["valuation_id"],
            "cause": main_cause(parts),
            "cash_amount": cash,
            "goods_amount": goods,
            "currency": mark["currency"],
            "now": now,
            "cure_deadline": deadline,
        },
    )
    detail = {
        "coverage": mark["coverage"],
        "target_ltv": target,
        "cause_parts": {cause: part.quantize(FEN) for cause, part in parts.items()},
        "calendar": "chinese holidays" if calendar_known else "weekdays only: the holiday calendar does not know this year",
    }
    store.event(conn, call_id, actor=ENGINE, kind="ISSUED", detail=detail, now=now)
    return _outcome(mark, "issued", call=store.open_call(conn, mark["facility_id"]))


def _cure(conn: Connection[Any], mark: Mapping[str, Any], call: MarginCall, case: DisposalCase | None, now: datetime) -> MarginOutcome:
    issued_on = store.valuation(conn, call.valuation_id)
    detail = {"valuation_id": mark["valuation_id"], "coverage": mark["coverage"], "how": _how(issued_on, mark)}
    store.move_call(conn, call.call_id, "CURED", actor=ENGINE, kind="CURED", detail=detail, now=now, closed=True)
    return _outcome(mark, "cured", call=store.call(conn, mark["tenant_id"], call.call_id), case=case)


def _how(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Which of cash, goods and price did most for the coverage since the call."""
    paid = (then["exposure"] - now["exposure"]) / Decimal(str(now["advance_rate"]))
    parts = cause_split(then["detail"].get("commodities"), now["detail"].get("commodities", {}))
    helped = {"CASH": paid, "GOODS": parts[Cause.QUANTITY] + parts[Cause.ELIGIBILITY], "PRICE": parts[Cause.PRICE]}
    return max(helped, key=lambda k: helped[k])


def _partly(
    conn: Connection[Any], mark: Mapping[str, Any], call: MarginCall, case: DisposalCase | None, target: Decimal, now: datetime
) -> MarginOutcome:
    """Money or goods came but not enough: the call stays open and says what is left."""
    left_cash, left_goods = call_amounts(mark["exposure"], mark["collateral_value"], target)
    then = store.valuation(conn, call.valuation_id)
    came = mark["exposure"] < then["exposure"] or mark["collateral_value"] > then["collateral_value"]
    if not came or left_cash >= call.cash_amount:
        return _outcome(mark, "open", call=call, case=case)
    last = one(conn, store.Q["last_call_event"], {"call_id": call.call_id, "kind": "PARTLY_CURED"})
    if call.status == "PARTLY_CURED" and last is not None and Decimal(last["detail"]["left_cash"]) == left_cash:
        return _outcome(mark, "open", call=call, case=case)
    detail = {"valuation_id": mark["valuation_id"], "left_cash": left_cash, "left_goods": left_goods}
    store.move_call(conn, call.call_id, "PARTLY_CURED", actor=ENGINE, kind="PARTLY_CURED", detail=detail, now=now)
    return _outcome(mark, "partly_cured", call=store.open_call(conn, mark["facility_id"]), case=case)


def _escalate(conn: Connection[Any], mark: Mapping[str, Any], call: MarginCall | None, trigger: str, now: datetime) -> MarginOutcome:
    """The facility is frozen and a case is drafted for people to decide on; an open call ends here."""
    if call is not None:
        if trigger == "CALL_EXPIRED":
            store.move_call(
                conn,
                call.call_id,
                "EXPIRED",
                actor=ENGINE,
                kind="EXPIRED",
                detail={"cure_deadline": call.cure_deadline},
                now=now,
                closed=True,
            )
        store.move_call(conn, call.call_id, "ESCALATED", actor=ENGINE, kind="ESCALATED", detail={"trigger": trigger}, now=now, closed=True)
    case = store.open_case(conn, mark["facility_id"])
    drafted = case is None
    if case is None:
        advance = mark["effective_advance"] or mark["advance_rate"]
        sale = partial_sale_value(max(Decimal(0), mark["exposure"]), mark["collateral_value"], advance, mark["disposal_cost"])
        conn.execute(
            store.Q["insert_case"],
            {
                "case_id": new_id("case"),
                "tenant_id": mark["tenant_id"],
                "facility_id": mark["facility_id"],
                "call_id": None if call is None else call.call_id,
                "valuation_id": mark["valuation_id"],
                "trigger": trigger,
                "exposure": mark["exposure"],
                "collateral_value": mark["collateral_value"],
                "proposed_sale_value": min(mark["collateral_value"], fen_up(sale)),
                "currency": mark["currency"],
                "now": now,
            },
        )
        case = store.open_case(conn, mark["facility_id"])
    conn.execute(facility_store.Q["set_facility_status"], {"facility_id": mark["facility_id"], "status": "FROZEN", "from": ["ACTIVE"]})
    ended = None if call is None else store.call(conn, mark["tenant_id"], call.call_id)
    return _outcome(mark, "disposal_drafted" if drafted else "escalated", call=ended, case=case)


def expire_calls(pool: Pool, now: datetime) -> list[MarginOutcome]:
    """Open calls past their cure deadline become ESCALATED, with a disposal case in DRAFT; judged on the facility's newest valuation,
    or on a new one when money or goods have moved since.

    A call whose newest valuation is cured is CURED instead. One that cannot be judged escalates as well: silence does not cure.
    """
    overdue = in_transaction(pool, lambda conn: conn.execute(store.Q["overdue_calls"], {"now": now}).fetchall())
    outcomes = []
    for call_id, facility_id, tenant_id in overdue:

        def work(
            conn: Connection[Any], call_id: str = call_id, facility_id: str = facility_id, tenant_id: str = tenant_id
        ) -> MarginOutcome | None:
            locked = facility_store.lock_facility(conn, tenant_id, facility_id)
            call = store.open_call(conn, facility_id)
            if call is None or call.call_id != call_id or call.cure_deadline >= now:
                return None
            newest = one(conn, store.Q["latest_valuation"], {"facility_id": facility_id})
            assert newest is not None
            mark = _up_to_date(conn, store.valuation(conn, newest["valuation_id"]), locked.balance, now)
            target = cure_advance(mark["cure_target"], _lines(mark), mark["effective_advance"])
            if mark["line_state"] != LineState.CANNOT_JUDGE and is_cured(mark["collateral_value"], mark["exposure"], target):
                return _cure(conn, mark, call, store.open_case(conn, facility_id), now)
            return _escalate(conn, mark, call, "CALL_EXPIRED", now)

        outcome = in_transaction(pool, work)
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


def acknowledge_call(pool: Pool, tenant_id: str, call_id: str, actor: str, now: datetime) -> MarginCall:
    """The borrower's or the desk's receipt of the call. Repeating it changes nothing. Raises WrongState once it is closed."""

    def work(conn: Connection[Any]) -> MarginCall:
        call = _locked_call(conn, tenant_id, call_id)
        if call.acknowledged_by is not None and call.closed_at is None:
            return call
        if call.closed_at is not None:
            raise WrongState(f"margin call {call_id} is {call.status}", status=call.status)
        status = "ACKNOWLEDGED" if call.status == "ISSUED" else call.status
        store.move_call(conn, call_id, status, actor=actor, kind="ACKNOWLEDGED", detail={}, now=now, acknowledged_by=actor)
        return store.call(conn, tenant_id, call_id)

    return in_transaction(pool, work)


def _locked_call(conn: Connection[Any], tenant_id: str, call_id: str) -> MarginCall:
    row = one(conn, store.Q["call_facility"], {"call_id": call_id})
    if row is None or row["tenant_id"] != tenant_id:
        raise NotFound(f"there is no margin call {call_id}")
    facility_store.lock_facility(conn, tenant_id, row["facility_id"])
    return store.call(conn, tenant_id, call_id)


def _locked_case(conn: Connection[Any], tenant_id: str, case_id: str) -> DisposalCase:
    row = one(conn, store.Q["case_facility"], {"tenant_id": tenant_id, "case_id": case_id})
    if row is None:
        raise NotFound(f"there is no disposal case {case_id}")
    facility_store.lock_facility(conn, tenant_id, row["facility_id"])
    return store.case(conn, tenant_id, case_id)


def approve_disposal(pool: Pool, tenant_id: str, case_id: str, actor: str, now: datetime) -> DisposalCase:
    """The first approval names the approver; the second, by another person, makes the case APPROVED and puts the facility in disposal.

    Raises SamePersonRefused, WrongState.
    """

    def work(conn: Connection[Any]) -> DisposalCase:
        case = _locked_case(conn, tenant_id, case_id)
        if case.status != "DRAFT":
            raise WrongState(f"disposal case {case_id} is {case.status}, not DRAFT", status=case.status)
        if case.approved_by == actor:
            raise SamePersonRefused("a disposal needs the approval of two people", user_id=actor)
        if case.approved_by is None:
            conn.execute(store.Q["set_case"], {"case_id": case_id, "status": "DRAFT", "approved_by": actor, "second_approver": None})
        else:
            params = {"case_id": case_id, "status": "APPROVED", "approved_by": case.approved_by, "second_approver": actor}
            conn.execute(store.Q["set_case"], params)
            moved = {"facility_id": case.facility_id, "status": "IN_DISPOSAL", "from": ["ACTIVE", "FROZEN"]}
            conn.execute(facility_store.Q["set_facility_status"], moved)
        return store.case(conn, tenant_id, case_id)

    return in_transaction(pool, work)


def withdraw_disposal(pool: Pool, tenant_id: str, case_id: str, actor: str, reason: str, now: datetime) -> DisposalCase:
    """The case is called off and the facility is free again. Raises WrongState once goods were awarded."""

    def work(conn: Connection[Any]) -> DisposalCase:
        case = _locked_case(conn, tenant_id, case_id)
        if case.status not in ("DRAFT", "APPROVED", "MARKETING"):
            raise WrongState(f"disposal case {case_id} is {case.status}", status=case.status)
        params = {"case_id": case_id, "status": "WITHDRAWN", "approved_by": case.approved_by, "second_approver": case.second_approver}
        conn.execute(store.Q["set_case"], params)
        freed = {"facility_id": case.facility_id, "status": "ACTIVE", "from": ["FROZEN", "IN_DISPOSAL"]}
        conn.execute(facility_store.Q["set_facility_status"], freed)
        if case.call_id is not None:
            store.event(conn, case.call_id, actor=actor, kind="DISPOSAL_WITHDRAWN", detail={"case_id": case_id, "reason": reason}, now=now)
        return store.case(conn, tenant_id, case_id)

    return in_transaction(pool, work)
