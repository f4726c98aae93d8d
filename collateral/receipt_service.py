"""The life of warehouse receipts: elements, endorsement, freezing, splitting, merging, cancelling. Each step is an event on the receipt's chain."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral.errors import NotFound, RejectedInput, SamePersonRefused, WrongState
from collateral.ids import new_id
from collateral.receipts import (
    Part,
    Receipt,
    ReceiptElements,
    ReceiptEventKind,
    ReceiptOrderKind,
    ReceiptState,
    element_faults,
    merge_faults,
    split_faults,
)
from collateral.registry_store import many, one
from collateral.signing import canonical_json
from collateral.transactions import in_transaction
from db.pool import Pool
from db.sql import load_queries

_Q = load_queries(__file__, "receipt.sql")
K, S = ReceiptEventKind, ReceiptState
_ENDORSEMENTS = ("PLEDGE", "TRANSFER", "RETURN")


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptOrder:
    """What one person asked to be done with receipts, and what became of it."""

    order_id: str
    kind: str
    receipt_nos: tuple[str, ...]
    request: dict[str, Any]
    reason: str
    status: str
    proposed_by: str
    proposed_at: datetime
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class _By:
    """Who does it, who asked for it, why and when."""

    actor: str
    asked_by: str | None
    reason: str
    now: datetime


def record_elements(pool: Pool, tenant_id: str, receipt_no: str, said: ReceiptElements, actor: str, now: datetime) -> None:
    """The mandatory elements of a receipt; from then on it can be endorsed. The same again changes nothing.

    Raises NotFound, RejectedInput with every fault, WrongState when it is not ISSUED or has other elements on record.
    """

    def work(conn: Connection[Any]) -> None:
        receipt = _locked(conn, tenant_id, [receipt_no])[0]
        if receipt.elements is not None:
            if receipt.elements == said:
                return
            raise WrongState(f"receipt {receipt_no} has its elements; a paper that says otherwise is a new receipt, or a split or merge")
        if receipt.state is not S.ISSUED:
            raise WrongState(f"receipt {receipt_no} is {receipt.state}; elements are recorded while it is ISSUED", status=receipt.state)
        faults = element_faults(
            receipt,
            said,
            _names(conn, receipt.tenant_id, receipt.depositor_party_id),
            _names(conn, receipt.tenant_id, receipt.keeper_party_id),
        )
        if faults:
            raise RejectedInput(f"receipt {receipt_no}: " + "; ".join(faults), faults=faults)
        _issue(conn, receipt, said, _By(actor, None, "elements recorded", now), {})

    in_transaction(pool, work)


def freeze(pool: Pool, tenant_id: str, receipt_no: str, reason: str, actor: str, now: datetime) -> None:
    """From now on the receipt is worth nothing and its goods are not released; one person suffices, two lift it. Raises NotFound, WrongState."""

    def work(conn: Connection[Any]) -> None:
        receipt = _locked(conn, tenant_id, [receipt_no])[0]
        if receipt.state not in (S.ISSUED, S.ENDORSED):
            raise WrongState(
                f"receipt {receipt_no} is {receipt.state}: only one that is ISSUED or ENDORSED is frozen", status=receipt.state
            )
        _move(conn, replace(receipt, state=S.FROZEN, frozen_from=receipt.state), K.FROZEN, _By(actor, None, reason, now), {})

    in_transaction(pool, work)


def propose(
    pool: Pool,
    tenant_id: str,
    kind: ReceiptOrderKind,
    receipt_nos: Sequence[str],
    request: Mapping[str, Any],
    reason: str,
    actor: str,
    now: datetime,
) -> ReceiptOrder:
    """One person's word. What could not be done now is refused at once, and looked at again when it is decided.

    request: ENDORSE {endorsement PLEDGE|TRANSFER|RETURN, endorsee_party_id, keeper_signatory}, SPLIT {parts: [{receipt_no, goods_ids, insured_amount,
    storage_fee, pieces}]}, MERGE {receipt_no}; the others need none. Raises NotFound, RejectedInput, WrongState.
    """
    numbers = sorted(set(receipt_nos))
    if (kind is ReceiptOrderKind.MERGE) != (len(numbers) > 1):
        raise RejectedInput(
            f"{kind} takes {'at least two receipts' if kind is ReceiptOrderKind.MERGE else 'one receipt'}", field="receipt_nos"
        )

    def work(conn: Connection[Any]) -> ReceiptOrder:
        _checked(conn, tenant_id, kind, _locked(conn, tenant_id, numbers), request)
        params = {"order_id": new_id("receipt_order"), "tenant_id": tenant_id, "kind": kind, "receipt_nos": numbers, "reason": reason}
        row = one(conn, _Q["insert_order"], {**params, "request": Jsonb(dict(request)), "actor": actor, "now": now})
        assert row is not None
        return _order(row)

    return in_transaction(pool, work)


def decide(pool: Pool, tenant_id: str, order_id: str, actor: str, now: datetime, *, approve: bool) -> ReceiptOrder:
    """The second person's word: approved, everything is done in one step. Raises NotFound, SamePersonRefused, RejectedInput, WrongState, EntryConflict."""

    def work(conn: Connection[Any]) -> ReceiptOrder:
        row = one(conn, _Q["order_for_update"], {"order_id": order_id, "tenant_id": tenant_id})
        if row is None:
            raise NotFound(f"there is no receipt order {order_id}")
        asked = _order(row)
        if asked.status != "PROPOSED":
            raise WrongState(f"receipt order {order_id} is {asked.status}, not PROPOSED", status=asked.status)
        if asked.proposed_by == actor:
            raise SamePersonRefused("who asks for a step with a receipt cannot decide it", user_id=actor)
        if approve:
            receipts = _locked(conn, tenant_id, asked.receipt_nos)
            kind = ReceiptOrderKind(asked.kind)
            _checked(conn, tenant_id, kind, receipts, asked.request)
            _done(conn, kind, receipts, asked.request, _By(actor, asked.proposed_by, asked.reason, now))
        params = {"order_id": order_id, "actor": actor, "now": now, "status": "APPROVED" if approve else "REJECTED"}
        decided = one(conn, _Q["decide_order"], params)
        assert decided is not None
        return _order(decided)

    return in_transaction(pool, work)


def chains(conn: Connection[Any]) -> list[dict[str, Any]]:
    """Every event of every receipt in order, with how its receipt stands; for the audit."""
    return many(conn, _Q["chains"], {})


def _checked(
    conn: Connection[Any], tenant_id: str, kind: ReceiptOrderKind, receipts: Sequence[Receipt], request: Mapping[str, Any]
) -> None:
    """Raises what stands in the way."""
    first = receipts[0]
    match kind:
        case ReceiptOrderKind.UNFREEZE:
            _require_state(first, S.FROZEN, "freeze it first")
        case ReceiptOrderKind.CANCEL:
            if first.state is S.CANCELLED:
                raise WrongState(f"receipt {first.receipt_no} is CANCELLED already", status=first.state)
            _require_state(first, S.ISSUED, "unfreeze it, or have it returned by its endorsee, first")
            _require_unpledged(conn, receipts, goods_too=True)
        case ReceiptOrderKind.ENDORSE:
            _require_elements(first)
            _check_endorsement(conn, tenant_id, first, request)
        case ReceiptOrderKind.SPLIT | ReceiptOrderKind.MERGE:
            for receipt in receipts:
                _require_state(receipt, S.ISSUED, "unfreeze it, or have it returned by its endorsee, first")
                _require_elements(receipt)
            _require_unpledged(conn, receipts, goods_too=False)
            faults = split_faults(first, _parts(request)) if kind is ReceiptOrderKind.SPLIT else merge_faults(receipts)
            if kind is ReceiptOrderKind.MERGE and not str(request.get("receipt_no", "")).strip():
                faults.append("the merged receipt needs a number")
            if faults:
                raise RejectedInput("; ".join(faults), faults=faults)


def _check_endorsement(conn: Connection[Any], tenant_id: str, receipt: Receipt, request: Mapping[str, Any]) -> None:
    what, endorsee = request.get("endorsement"), request.get("endorsee_party_id")
    if what not in _ENDORSEMENTS:
        raise RejectedInput(f"endorsement is one of {', '.join(_ENDORSEMENTS)}", field="endorsement")
    if not str(request.get("keeper_signatory") or "").strip():
        raise RejectedInput("an endorsement counts only with the keeper's signature: name the signatory", field="keeper_signatory")
    if what == "RETURN":
        _require_state(receipt, S.ENDORSED, "only an endorsed receipt is returned")
        return _require_unpledged(conn, [receipt], goods_too=False)
    _require_state(receipt, S.ISSUED, "have it returned by its endorsee first")
    party = one(conn, _Q["party_names"], {"party_id": endorsee, "tenant_id": tenant_id})
    if party is None:
        raise RejectedInput(f"unknown parties: {endorsee}", field="endorsee_party_id")
    if what == "PLEDGE" and "LENDER" not in party["roles"]:
        raise RejectedInput(f"{endorsee} is no lender: a receipt is endorsed in pledge to one", field="endorsee_party_id")
    if what == "TRANSFER":
        if endorsee == receipt.holder_party_id:
            raise RejectedInput(f"{endorsee} holds receipt {receipt.receipt_no} already", field="endorsee_party_id")
        _require_unpledged(conn, [receipt], goods_too=True)
    return None


def _done(conn: Connection[Any], kind: ReceiptOrderKind, receipts: Sequence[Receipt], request: Mapping[str, Any], by: _By) -> None:
    first = receipts[0]
    match kind:
        case ReceiptOrderKind.UNFREEZE:
            _move(conn, replace(first, state=first.frozen_from or S.ISSUED, frozen_from=None), K.UNFROZEN, by, {})
        case ReceiptOrderKind.CANCEL:
            conn.execute(_Q["end_items"], {"receipt_nos": [first.receipt_no], "now": by.now})
            _move(conn, replace(first, state=S.CANCELLED), K.CANCELLED, by, {"goods_ids": sorted(first.units)})
        case ReceiptOrderKind.ENDORSE:
            endorsee = request.get("endorsee_party_id")
            kinds = {"PLEDGE": K.PLEDGE_ENDORSED, "TRANSFER": K.TRANSFERRED, "RETURN": K.RETURNED}
            after = {
                "PLEDGE": replace(first, state=S.ENDORSED, endorsee_party_id=endorsee),
                "TRANSFER": replace(first, holder_party_id=str(endorsee)),
                "RETURN": replace(first, state=S.ISSUED, endorsee_party_id=None),
            }
            what = str(request["endorsement"])
            _move(conn, after[what], kinds[what], by, {**request, "endorser_party_id": first.endorsee_party_id or first.holder_party_id})
        case ReceiptOrderKind.SPLIT:
            _succeed(conn, receipts, K.SPLIT, [_part_of(first, part, by.now) for part in _parts(request)], by)
        case ReceiptOrderKind.MERGE:
            _succeed(conn, receipts, K.MERGED, [_merged(receipts, str(request["receipt_no"]), by.now)], by)


def _part_of(whole: Receipt, part: Part, now: datetime) -> Receipt:
    assert whole.elements is not None
    units = {g: whole.units[g] for g in part.goods_ids}
    quantity = sum((q for q, _ in units.values()), Decimal(0))
    said = replace(whole.elements, quantity=quantity, pieces=part.pieces, storage_fee=part.storage_fee)
    return replace(whole, receipt_no=part.receipt_no, issued_at=now, insured_amount=part.insured_amount, elements=said, units=units)


def _merged(receipts: Sequence[Receipt], receipt_no: str, now: datetime) -> Receipt:
    said = [r.elements for r in receipts if r.elements is not None]
    one_of_all = replace(
        said[0],
        quantity=sum((e.quantity for e in said), Decimal(0)),
        pieces=sum(e.pieces for e in said),
        storage_fee=sum((e.storage_fee for e in said), Decimal(0)),
        storage_from=min(e.storage_from for e in said),
        marks="; ".join(dict.fromkeys(e.marks for e in said)),
    )
    units = {g: held for r in receipts for g, held in r.units.items()}
    insured = sum((r.insured_amount for r in receipts), Decimal(0))
    return replace(receipts[0], receipt_no=receipt_no, issued_at=now, insured_amount=insured, elements=one_of_all, units=units)


def _succeed(conn: Connection[Any], olds: Sequence[Receipt], kind: ReceiptEventKind, news: Sequence[Receipt], by: _By) -> None:
    """The old receipts end and the new ones take their place, in one transaction; the store holds that no unit is won or lost."""
    old_nos, new_nos = [r.receipt_no for r in olds], [r.receipt_no for r in news]
    conn.execute(_Q["end_items"], {"receipt_nos": old_nos, "now": by.now})
    for old in olds:
        _move(conn, replace(old, state=S.CANCELLED), kind, by, {"successors": new_nos})
    for new in news:
        assert new.elements is not None
        params = {k: v for k, v in asdict(new).items() if k not in ("units", "elements", "state", "frozen_from", "endorsee_party_id")}
        content = {"predecessors": old_nos}
        hashed = hashlib.sha256(canonical_json({**params, **content, "goods_ids": sorted(new.units)})).hexdigest()
        conn.execute(_Q["insert_successor"], {**params, "content": Jsonb(content), "content_hash": hashed})
        conn.execute(_Q["insert_items"], {"receipt_no": new.receipt_no, "goods_ids": sorted(new.units)})
        _issue(conn, new, new.elements, by, content)
        for old_no in old_nos:
            conn.execute(_Q["insert_succession"], {"old": old_no, "new": new.receipt_no, "now": by.now})


def _issue(conn: Connection[Any], receipt: Receipt, said: ReceiptElements, by: _By, particulars: Mapping[str, Any]) -> None:
    conn.execute(_Q["insert_elements"], {**asdict(said), "receipt_no": receipt.receipt_no, "now": by.now})
    conn.execute("SET CONSTRAINTS receipt_quantity_is_of_its_goods IMMEDIATE")
    conn.execute("SET CONSTRAINTS receipt_quantity_is_of_its_goods DEFERRED")
    _event(conn, receipt, K.ISSUED, by, {**particulars, "elements": asdict(said), "goods_ids": sorted(receipt.units)})


def _move(conn: Connection[Any], receipt: Receipt, kind: ReceiptEventKind, by: _By, particulars: Mapping[str, Any]) -> None:
    conn.execute(
        _Q["set_state"], {n: getattr(receipt, n) for n in ("receipt_no", "state", "frozen_from", "holder_party_id", "endorsee_party_id")}
    )
    _event(conn, receipt, kind, by, particulars)


def _event(conn: Connection[Any], receipt: Receipt, kind: ReceiptEventKind, by: _By, particulars: Mapping[str, Any]) -> None:
    head = one(conn, _Q["last_event"], {"receipt_no": receipt.receipt_no}) or {"event_no": 0, "hash": ""}
    event = {
        "receipt_no": receipt.receipt_no, "event_no": head["event_no"] + 1, "kind": kind.value, "state": receipt.state.value, "happened_at": by.now,
        "actor": by.actor, "asked_by": by.asked_by,
    }  # fmt: skip
    content = canonical_json({**event, "reason": by.reason, "particulars": particulars}).decode()
    link = hashlib.sha256((head["hash"] + content).encode()).hexdigest()
    conn.execute(_Q["insert_event"], {**event, "content": content, "prev_hash": head["hash"], "hash": link})


def _locked(conn: Connection[Any], tenant_id: str, receipt_nos: Sequence[str]) -> list[Receipt]:
    """The receipts, locked in the order of their numbers. Raises NotFound."""
    rows = many(conn, _Q["lock_receipts"], {"tenant_id": tenant_id, "receipt_nos": list(receipt_nos)})
    missing = sorted(set(receipt_nos) - {row["receipt_no"] for row in rows})
    if missing:
        raise NotFound(f"there is no receipt {missing[0]}")
    numbers = {"receipt_nos": list(receipt_nos)}
    units: dict[str, dict[str, tuple[Decimal, str]]] = {n: {} for n in receipt_nos}
    for u in many(conn, _Q["receipt_units"], numbers):
        units[u["receipt_no"]][u["goods_id"]] = (u["quantity"], u["unit"])
    said = {row.pop("receipt_no"): ReceiptElements(**row) for row in many(conn, _Q["elements"], numbers)}
    return [
        Receipt(
            **{
                **row,
                "state": S(row["state"]),
                "frozen_from": None if row["frozen_from"] is None else S(row["frozen_from"]),
                "elements": said.get(row["receipt_no"]),
                "units": units[row["receipt_no"]],
            }
        )
        for row in rows
    ]


def _names(conn: Connection[Any], tenant_id: str, party_id: str) -> list[str]:
    party = one(conn, _Q["party_names"], {"party_id": party_id, "tenant_id": tenant_id})
    return [] if party is None else list(dict.fromkeys((party["name_zh"], party["name"])))


def _parts(request: Mapping[str, Any]) -> list[Part]:
    return [
        Part(
            receipt_no=str(p["receipt_no"]),
            goods_ids=tuple(p["goods_ids"]),
            insured_amount=Decimal(str(p["insured_amount"])),
            storage_fee=Decimal(str(p["storage_fee"])),
            pieces=int(p["pieces"]),
        )
        for p in request.get("parts") or ()
    ]


def _require_state(receipt: Receipt, state: ReceiptState, otherwise: str) -> None:
    if receipt.state is not state:
        raise WrongState(f"receipt {receipt.receipt_no} is {receipt.state}, not {state}: {otherwise}", status=receipt.state.value)


def _require_elements(receipt: Receipt) -> None:
    if receipt.elements is None:
        raise WrongState(
            f"receipt {receipt.receipt_no} has no mandatory elements on record: record them first", receipt_no=receipt.receipt_no
        )


def _require_unpledged(conn: Connection[Any], receipts: Sequence[Receipt], *, goods_too: bool) -> None:
    rows = many(conn, _Q["pledges_on_receipts"], {"receipt_nos": [r.receipt_no for r in receipts]})
    found = [row for row in rows if goods_too or row["goods_id"] is None]
    if found:
        held = f"unit {found[0]['goods_id']}" if found[0]["goods_id"] else "it"
        raise WrongState(
            f"receipt {found[0]['receipt_no']}: {held} secures pledge {found[0]['pledge_id']}; discharge or release that first",
            pledges=sorted({row["pledge_id"] for row in found}),
        )


def _order(row: Mapping[str, Any]) -> ReceiptOrder:
    return ReceiptOrder(**{**row, "receipt_nos": tuple(row["receipt_nos"])})
