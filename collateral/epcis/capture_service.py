"""Capture: events in, each recorded once, what they say of our goods declared, what is withdrawn taken back. One transaction."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from collateral.epcis.document import EVENTS_MAX, Document, RawEvent, parse
from collateral.epcis.errors import EventConflict, InvalidEpcis
from collateral.epcis.event import DEPARTURES, Event, read_event
from collateral.epcis.links import canonical
from collateral.epcis.tags import goods_named, tag_numbers
from collateral.epcis.validation import check_document, check_event
from collateral.errors import NotFound, RejectedInput
from collateral.ids import new_id
from db.pool import Pool
from db.sql import load_queries

log = logging.getLogger(__name__)

_Q = load_queries(__file__, "capture.sql")
ZONE_PREFIX = "urn:chuantou:zone:"
WAREHOUSE_PREFIX = "urn:chuantou:warehouse:"
UNKNOWN_WITHDRAWN = "error_declaration_of_unknown_event"
ALREADY_WITHDRAWN = "already_declared_in_error"
AHEAD = "event_time_in_future"
AHEAD_MAX = timedelta(minutes=5)

Conn = Connection[Any]


class ErrorBehaviour(StrEnum):
    """GS1-EPCIS-Capture-Error-Behaviour: one bad event rolls all back, or the good ones proceed."""

    ROLLBACK = "rollback"
    PROCEED = "proceed"


class CaptureOutcome(StrEnum):
    """Mirrored by the CHECK on epcis_capture_item.outcome."""

    RECORDED = "RECORDED"
    REPEATED = "REPEATED"
    CONFLICT = "CONFLICT"
    INVALID = "INVALID"
    ROLLED_BACK = "ROLLED_BACK"

    @property
    def kept(self) -> bool:
        """Whether the event is in the store after it."""
        return self in (CaptureOutcome.RECORDED, CaptureOutcome.REPEATED)


class DeclaredKind(StrEnum):
    """Mirrored by the CHECK on declared_movement.kind."""

    APPEARED = "APPEARED"
    SEEN = "SEEN"
    ZONE_CHANGE = "ZONE_CHANGE"
    SITE_CHANGE = "SITE_CHANGE"
    DEPARTED = "DEPARTED"
    CORRECTION = "CORRECTION"


@dataclass(frozen=True)
class Place:
    """One of ours. A warehouse without a zone is the site as a whole."""

    warehouse_id: str
    zone_id: str | None


@dataclass(frozen=True)
class Item:
    """What became of one event of a capture. reason: code of a refusal or warning."""

    item_no: int
    outcome: CaptureOutcome
    event_no: int | None
    event_id: str | None
    text: str
    reason: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class Captured:
    """A finished capture job."""

    capture_id: str
    created_at: datetime
    behaviour: ErrorBehaviour
    items: tuple[Item, ...]

    def count(self, *outcomes: CaptureOutcome) -> int:
        """How many events came out so."""
        return sum(item.outcome in outcomes for item in self.items)

    @property
    def success(self) -> bool:
        """Whether every event is kept."""
        return all(item.outcome.kept for item in self.items)


def capture(
    pool: Pool,
    tenant: str,
    user: str,
    raw: bytes,
    now: datetime,
    *,
    behaviour: ErrorBehaviour,
    single: bool = False,
    events_max: int = EVENTS_MAX,
) -> Captured:
    """Capture a document or a bare event; single: only a bare event. Events are taken in their order; the job is on record whatever comes of it.

    Raises InvalidEpcis when the document itself is wrong, and, when it rolls back, for the first bad event; CaptureLimitExceeded;
    EventConflict when it rolls back because an id is taken by other content. A raised refusal of events names the capture.
    """
    document = parse(raw, events_max=events_max)
    if document.fields.get("type") == "EPCISQueryDocument":
        raise InvalidEpcis("An EPCISQueryDocument answers a query; capture takes an EPCISDocument.", at="type")
    if single and document.fields:
        raise InvalidEpcis("A document is captured at /capture; here goes one event.", at="type")
    check_document(document)
    capture_id = new_id("capture")
    with pool.connection() as conn:
        checked = [_read(event) for event in document.events]
        refused = [item for item in checked if isinstance(item, Item)]
        items: list[Item] = []
        if not (refused and behaviour is ErrorBehaviour.ROLLBACK):
            items = _record(conn, tenant, capture_id, checked, now, behaviour)
        if behaviour is ErrorBehaviour.ROLLBACK and (refused or any(not i.outcome.kept for i in items)):
            items = _rolled_back(document.events, [i for i in (items or refused) if not i.outcome.kept])
        done = Captured(capture_id, now, behaviour, tuple(items))
        _keep(conn, tenant, user, document, raw, done)
    for item in done.items:
        if item.outcome is CaptureOutcome.CONFLICT:
            log.warning(
                "event id taken by other content",
                extra={"event": "epcis_conflict", "capture_id": capture_id, "item_no": item.item_no, "event_id": item.event_id},
            )
    return done


def refusal(done: Captured) -> InvalidEpcis | EventConflict | None:
    """What a capture that kept nothing answers; None when it kept something, or had nothing to keep."""
    bad = [i for i in done.items if i.outcome in (CaptureOutcome.INVALID, CaptureOutcome.CONFLICT)]
    if done.behaviour is ErrorBehaviour.PROCEED or not bad:
        return None
    kind = InvalidEpcis if bad[0].outcome is CaptureOutcome.INVALID else EventConflict
    errors = [{"item": i.item_no, "event_id": i.event_id, "reason": i.reason, "detail": i.detail} for i in bad[:50]]
    return kind(f"Event {bad[0].item_no}: {bad[0].detail}", capture_id=done.capture_id, errors=errors, count=len(bad))


def _read(raw: RawEvent) -> Event | Item:
    fault = check_event(raw)
    if fault is None:
        try:
            return read_event(raw)
        except (ValueError, OverflowError) as exc:  # a value that the schema lets pass and no column can hold
            detail = str(exc)[:300]
    else:
        detail = f"{fault.at}: {fault.why}" if fault.at else fault.why
    event_id = raw.body.get("eventID")
    return Item(raw.item_no, CaptureOutcome.INVALID, None, event_id if isinstance(event_id, str) else None, raw.text, "invalid", detail)


# ---------------------------------------------------------------- recording


class _Undo(Exception):
    """Leaves the savepoint; what was written in it is gone."""


def _record(
    conn: Conn, tenant: str, capture_id: str, checked: Sequence[Event | Item], now: datetime, behaviour: ErrorBehaviour
) -> list[Item]:
    events = [e for e in checked if isinstance(e, Event)]
    ids = sorted({e.event_id for e in events})
    conn.execute(_Q["lock_event_ids"], {"keys": [f"{tenant} {i}" for i in ids]})
    known: dict[tuple[str, bool], tuple[int, str]] = {
        (event_id, error): (no, content)
        for event_id, error, no, content in conn.execute(_Q["known_events"], {"tenant": tenant, "ids": ids})
    }
    items: list[Item] = []
    try:
        with conn.transaction():
            for one in checked:
                items.append(one if isinstance(one, Item) else _one(conn, tenant, capture_id, one, known, now))
            if behaviour is ErrorBehaviour.ROLLBACK and any(not i.outcome.kept for i in items):
                raise _Undo
    except _Undo:
        pass
    return items


def _content(event: Event) -> str:
    """What makes two deliveries of one id the same: the event's content, and what is declared of it."""
    if event.error is None:
        return event.content_hash
    said = [event.error.declared_at.isoformat(), event.error.reason, *sorted(event.error.corrective_ids)]
    return f"{event.content_hash}&error={hashlib.sha256(json.dumps(said).encode()).hexdigest()}"


def _one(conn: Conn, tenant: str, capture_id: str, event: Event, known: dict[tuple[str, bool], tuple[int, str]], now: datetime) -> Item:
    content = _content(event)
    same = known.get((event.event_id, event.declares_error))
    other = known.get((event.event_id, not event.declares_error))
    item = Item(event.item_no, CaptureOutcome.RECORDED, None, event.event_id, event.text)
    if same is not None and same[1] == content:
        return replace(item, outcome=CaptureOutcome.REPEATED, event_no=same[0])
    if same is not None or (other is not None and other[1].partition("&")[0] != event.content_hash):
        detail = f"the id {event.event_id} was received before with other content"
        return replace(item, outcome=CaptureOutcome.CONFLICT, reason="conflict", detail=detail)
    event_no = _insert(conn, tenant, capture_id, event, content, now)
    known[event.event_id, event.declares_error] = (event_no, content)
    item = replace(item, event_no=event_no)
    if event.error is not None:
        if other is None:
            return replace(item, reason=UNKNOWN_WITHDRAWN, detail="no event of this id is known; should it come, it will derive nothing")
        evidence = {"reason": event.error.reason, "corrective_event_ids": list(event.error.corrective_ids)}
        conn.execute(_Q["correct_declared"], {"declaration": event_no, "event_no": other[0], "now": now, "evidence": Jsonb(evidence)})
    elif other is not None:
        return replace(item, reason=ALREADY_WITHDRAWN, detail="an error declaration of this event came before it; it derives nothing")
    else:
        _declare(conn, tenant, event, event_no, now)
        if event.event_time - now > AHEAD_MAX:
            return replace(item, reason=AHEAD, detail="the event says that it will happen; the sender's clock may be wrong")
    return item


def _insert(conn: Conn, tenant: str, capture_id: str, event: Event, content: str, now: datetime) -> int:
    parent = (event.parent_id,) if event.parent_id else ()
    row = conn.execute(
        _Q["insert_event"],
        {
            "tenant_id": tenant,
            "event_id": event.event_id,
            "declares_error": event.declares_error,
            "content_hash": content,
            "capture_id": capture_id,
            "event_type": event.event_type,
            "event_time": event.event_time,
            "event_time_zone_offset": event.time_zone_offset,
            "record_time": now,
            "action": event.action,
            "biz_step": event.biz_step,
            "disposition": event.disposition,
            "read_point": event.read_point,
            "biz_location": event.biz_location,
            "parent_id": event.parent_id,
            "transformation_id": event.transformation_id,
            "epcs": list(event.epcs),
            "input_epcs": list(event.input_epcs),
            "output_epcs": list(event.output_epcs),
            "any_epcs": list(dict.fromkeys([*event.epcs, *event.input_epcs, *event.output_epcs, *parent])),
            "epc_classes": list(event.epc_classes),
            "input_classes": list(event.input_classes),
            "output_classes": list(event.output_classes),
            "quantities": list(event.quantities),
            "transactions": list(event.transactions),
            "sources": list(event.sources),
            "destinations": list(event.destinations),
            "lasting_set": list(event.lasting_set),
            "lasting_unset": list(event.lasting_unset),
            "error_declared_at": None if event.error is None else event.error.declared_at,
            "error_reason": None if event.error is None else event.error.reason,
            "corrective_ids": [] if event.error is None else list(event.error.corrective_ids),
            "context": Jsonb(dict(event.context)),
            "payload": event.text,
        },
    ).fetchone()
    assert row is not None
    return int(row[0])


def _rolled_back(events: Iterable[RawEvent], bad: Sequence[Item]) -> list[Item]:
    by_no = {item.item_no: replace(item, event_no=None) for item in bad}
    return [by_no.get(e.item_no) or Item(e.item_no, CaptureOutcome.ROLLED_BACK, None, None, e.text) for e in events]


def _keep(conn: Conn, tenant: str, user: str, document: Document, raw: bytes, done: Captured) -> None:
    kept = CaptureOutcome.RECORDED, CaptureOutcome.REPEATED
    conn.execute(
        _Q["insert_capture"],
        {
            "capture_id": done.capture_id,
            "tenant": tenant,
            "user": user,
            "now": done.created_at,
            "behaviour": done.behaviour,
            "success": done.success,
            "header": document.header,
            "sha256": hashlib.sha256(raw).digest(),
            "received": len(done.items),
            "recorded": done.count(CaptureOutcome.RECORDED),
            "repeated": done.count(CaptureOutcome.REPEATED),
            "refused": len(done.items) - done.count(*kept),
        },
    )
    with conn.cursor() as cur:
        cur.executemany(
            _Q["insert_item"],
            [
                {
                    "capture_id": done.capture_id,
                    "item_no": i.item_no,
                    "outcome": i.outcome,
                    "event_no": i.event_no,
                    "event_id": i.event_id,
                    "reason": i.reason,
                    "detail": i.detail,
                    "payload": None if i.outcome is CaptureOutcome.RECORDED else i.text,
                }
                for i in done.items
            ],
        )


# ---------------------------------------------------------------- what an event declares of our goods


def _declare(conn: Conn, tenant: str, event: Event, event_no: int, now: datetime) -> None:
    """A unit that an event names at one of our places was there, says the sender. Quantities and positions are not touched."""
    epcs = [*event.epcs, *event.output_epcs, *((event.parent_id,) if event.parent_id else ())]
    if not epcs or (event.event_type == "ObjectEvent" and event.action == "DELETE"):
        return
    place = _place(conn, tenant, event)
    if place is None:
        return
    found = _goods(conn, tenant, epcs, event.event_time)
    if not found:
        return
    before = {
        goods_id: (Place(warehouse_id, zone_id) if warehouse_id else None, source)
        for goods_id, warehouse_id, zone_id, source in conn.execute(
            _Q["last_places"], {"goods": sorted(set(found.values())), "at": event.event_time}
        )
    }
    with conn.cursor() as cur:
        cur.executemany(
            _Q["insert_declared"],
            [
                {
                    "tenant": tenant,
                    "event_no": event_no,
                    "goods_id": goods_id,
                    "epc": epc,
                    "occurred_at": event.event_time,
                    "now": now,
                    **_move(before.get(goods_id), place, event),
                }
                for epc, goods_id in found.items()
            ],
        )


def _move(before: tuple[Place | None, str] | None, place: Place, event: Event) -> dict[str, Any]:
    was, source = before or (None, None)
    leaves = event.biz_step in DEPARTURES
    kind = move_kind(was, place, known=before is not None, leaves=leaves)
    return {
        "kind": kind,
        "from_warehouse_id": place.warehouse_id if leaves else was and was.warehouse_id,
        "from_zone_id": place.zone_id if leaves else was and was.zone_id,
        "to_warehouse_id": None if leaves else place.warehouse_id,
        "to_zone_id": None if leaves else place.zone_id,
        "evidence": Jsonb(
            {"event_id": event.event_id, "biz_step": event.biz_step, "disposition": event.disposition, "from_source": source}
        ),
    }


def move_kind(was: Place | None, place: Place, *, known: bool, leaves: bool) -> DeclaredKind:
    """What it means that a unit is declared at a place. was: where it was before, None after a departure; known: it was heard of before."""
    if leaves:
        return DeclaredKind.DEPARTED
    if not known:
        return DeclaredKind.APPEARED
    if was is None or was.warehouse_id != place.warehouse_id:
        return DeclaredKind.SITE_CHANGE
    if place.zone_id is not None and was.zone_id != place.zone_id:
        return DeclaredKind.ZONE_CHANGE
    return DeclaredKind.SEEN


def _place(conn: Conn, tenant: str, event: Event) -> Place | None:
    named = [p for p in (event.read_point, event.biz_location) if p]
    for one in named:
        for prefix, query in ((ZONE_PREFIX, "own_zone"), (WAREHOUSE_PREFIX, "own_warehouse")):
            if one.startswith(prefix):
                row = conn.execute(_Q[query], {"tenant": tenant, "id": one.removeprefix(prefix)}).fetchone()
                if row is not None:
                    return Place(*row)
    if not named:
        return None
    row = conn.execute(_Q["place_at"], {"tenant": tenant, "places": named, "at": event.event_time}).fetchone()
    return None if row is None else Place(*row)


def _goods(conn: Conn, tenant: str, epcs: Sequence[str], at: datetime) -> dict[str, str]:
    """Units by the identifier that names them, through the tags they carried then or by their own id."""
    by_tag = {tag: epc for epc in epcs for tag in tag_numbers(epc)}
    rows = conn.execute(_Q["goods_of_tags"], {"tenant": tenant, "tags": list(by_tag), "at": at}).fetchall() if by_tag else []
    found = {by_tag[tag]: goods_id for tag, goods_id in rows}
    by_id = {goods_id: epc for epc in epcs if (goods_id := goods_named(epc))}
    if by_id:
        found |= {by_id[row[0]]: row[0] for row in conn.execute(_Q["goods_of_ids"], {"tenant": tenant, "ids": list(by_id)})}
    return found


# ---------------------------------------------------------------- places


def map_place(
    pool: Pool, tenant: str, user: str, place: str, valid_from: datetime, *, warehouse_id: str | None, zone_id: str | None
) -> str:
    """Say which of our places an identifier (an SGLN, say) names from a time on; neither = none any more. Returns its canonical form.

    Raises NotFound for a place of ours that is not there.
    """
    named = canonical(place)
    with pool.connection() as conn:
        if zone_id is not None:
            row = conn.execute(_Q["own_zone"], {"tenant": tenant, "id": zone_id}).fetchone()
            if row is None:
                raise NotFound(f"There is no zone {zone_id}.", kind="zone", id=zone_id)
            if warehouse_id not in (None, row[0]):
                raise RejectedInput(f"The zone {zone_id} is in {row[0]}.", warehouse_id=row[0])
            warehouse_id = row[0]
        elif warehouse_id is not None and conn.execute(_Q["own_warehouse"], {"tenant": tenant, "id": warehouse_id}).fetchone() is None:
            raise NotFound(f"There is no warehouse {warehouse_id}.", kind="warehouse", id=warehouse_id)
        params = {
            "tenant": tenant,
            "place": named,
            "valid_from": valid_from,
            "warehouse_id": warehouse_id,
            "zone_id": zone_id,
            "user": user,
        }
        conn.execute(_Q["insert_place"], params)
    return named
