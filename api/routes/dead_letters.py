"""Refused messages: browse, mend, drive through again. Devices in quarantine. Legal holds on telemetry."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.base import Time
from api.models.dead_letters import DeadLetter, DiscardRequest, Hold, NewHold, Quarantined, Queued, RedriveRequest
from api.models.enums import DeadLetterState
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral.errors import NotFound, RejectedInput, WrongState
from collateral.ids import new_id
from db.pool import Pool

routes = router("operations")
LetterWorker = Annotated[Writer, Depends(writes(Permission.DEAD_LETTER_WORK))]
HoldPlacer = Annotated[Writer, Depends(writes(Permission.HOLD_PLACE))]
LetterId = Annotated[int, Path(ge=1, le=2**63 - 1)]
_SHOWN_BYTES, _ALL_BYTES = 2_000, 2**31 - 1


def _letter_shape(row: store.Row) -> store.Row:
    payload = bytes(row.pop("payload"))
    text = payload.decode("utf-8", "replace")
    return {**row, "payload_text": text, "payload_base64": base64.b64encode(payload).decode("ascii")}


@routes.get("/dead-letters", response_model=Page[DeadLetter], responses=READ_ERRORS)
def list_dead_letters(
    reader: ReadDep,
    reason: Filter = None,
    topic_device: Filter = None,
    state: DeadLetterState | None = None,
    since: Time | None = None,
    until: Time | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Refused deliveries, newest first, with their reason and the beginning of their bytes."""
    return store.page(
        reader.pool,
        "dead_letters",
        store.NEWEST_LETTER,
        tenant=reader.tenant,
        limit=limit,
        cursor=cursor,
        shape=_letter_shape,
        reason=reason,
        topic_device=topic_device,
        state=state,
        since=since,
        until=until,
        payload_max=_SHOWN_BYTES,
    )


@routes.get("/dead-letters/{dead_letter_id}", response_model=DeadLetter, responses=READ_ERRORS)
def get_dead_letter(reader: ReadDep, dead_letter_id: LetterId) -> store.Row:
    """One refused delivery with all of its bytes that were kept."""
    with reader.pool.connection() as conn:
        return _letter(conn, reader.tenant, dead_letter_id)


def _letter(conn: Any, tenant: str, dead_letter_id: int) -> store.Row:
    found = store.rows(conn, "dead_letters", tenant=tenant, id=dead_letter_id, limit=1, payload_max=_ALL_BYTES)
    if not found:
        raise NotFound(f"There is no dead letter {dead_letter_id}.", kind="dead_letter", id=str(dead_letter_id))
    return _letter_shape(found[0])


@routes.post("/dead-letters/redrive", status_code=202, response_model=Queued, responses=WRITE_ERRORS)
def redrive_dead_letters(body: RedriveRequest, writer: LetterWorker) -> Response:
    """Drive all kept letters that fit through ingest again, after mending what stood against them."""
    conditions = body.model_dump(exclude={"limit"}, exclude_none=True)
    if not conditions:
        raise RejectedInput("Name at least one of reason, topic_device, since, until; a re-drive of everything is never meant.")

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            params = {"tenant": writer.tenant, "user": writer.user.user_id, "now": now, "limit": body.limit, **conditions}
            queued = len(store.rows(conn, "queue_dead_letters", **params))
        return Done(
            Queued(queued=queued), "dead_letter", "many", 202, {**body.model_dump(mode="json", exclude_none=True), "queued": queued}
        )

    return writer.perform("dead_letter.redrive", body, act)


@routes.post("/dead-letters/{dead_letter_id}/redrive", status_code=202, response_model=DeadLetter, responses=WRITE_ERRORS)
def redrive_dead_letter(dead_letter_id: LetterId, writer: LetterWorker) -> Response:
    """Drive one letter through ingest again. Refused where it cannot succeed: bytes are missing, or it is on its way already."""

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            letter = _letter(conn, writer.tenant, dead_letter_id)
            params = {"tenant": writer.tenant, "user": writer.user.user_id, "now": now, "id": dead_letter_id, "limit": 1}
            if not store.rows(conn, "queue_dead_letters", **params):
                raise WrongState(_why_not(letter), state=letter["state"], reason=letter["reason"])
            letter = _letter(conn, writer.tenant, dead_letter_id)
        return Done(DeadLetter.model_validate(letter), "dead_letter", str(dead_letter_id), 202)

    return writer.perform("dead_letter.redrive", None, act)


def _why_not(letter: store.Row) -> str:
    if letter["state"] != "KEPT":
        return f"The letter is {letter['state']}; only a KEPT one can be driven again."
    if letter["reason"] == "retained":
        return "The broker had retained this message; it is old news, and driving it would count it as new."
    kept = len(base64.b64decode(letter["payload_base64"]))
    return f"Only {kept} of its {letter['payload_bytes']} bytes were kept; the sender must send it again."


@routes.post("/dead-letters/{dead_letter_id}/discard", response_model=DeadLetter, responses=WRITE_ERRORS)
def discard_dead_letter(dead_letter_id: LetterId, body: DiscardRequest, writer: LetterWorker) -> Response:
    """Say that a letter is of no use, and why. Its bytes stay until retention takes them."""

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            letter = _letter(conn, writer.tenant, dead_letter_id)
            params = {"tenant": writer.tenant, "user": writer.user.user_id, "now": now, "id": dead_letter_id, "reason": body.reason}
            if not store.rows(conn, "discard_dead_letter", **params):
                raise WrongState(f"The letter is {letter['state']}; only a KEPT one can be discarded.", state=letter["state"])
            letter = _letter(conn, writer.tenant, dead_letter_id)
        return Done(DeadLetter.model_validate(letter), "dead_letter", str(dead_letter_id), 200, {"reason": body.reason})

    return writer.perform("dead_letter.discard", body, act)


@routes.get("/quarantine", response_model=Page[Quarantined], responses=READ_ERRORS)
def list_quarantine(reader: ReadDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Devices that speak without being registered, and how much waits for them. `POST devices` claims one."""
    return store.page(reader.pool, "quarantine", store.QUARANTINED, tenant=reader.tenant, limit=limit, cursor=cursor)


@routes.get("/legal-holds", response_model=Page[Hold], responses=READ_ERRORS)
def list_legal_holds(reader: ReadDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Evidence that retention may not remove, newest first."""
    return store.page(reader.pool, "legal_holds", store.NEWEST_HOLD, tenant=reader.tenant, limit=limit, cursor=cursor)


@routes.post("/legal-holds", status_code=201, response_model=Hold, responses=WRITE_ERRORS)
def place_legal_hold(body: NewHold, writer: HoldPlacer) -> Response:
    """Keep all readings of a unit or device until the hold is lifted."""

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            hold_id = new_id("hold")
            params = {"tenant": writer.tenant, "user": writer.user.user_id, "now": now, "hold_id": hold_id, **body.model_dump()}
            if not store.rows(conn, "place_hold", **params):
                what = "goods" if body.subject_kind == "goods" else "device"
                store.one(conn, f"{what}s" if what == "device" else what, what, body.subject_id, tenant=writer.tenant)
                raise WrongState(f"{body.subject_id} is on hold already.", subject_id=body.subject_id)
            row = store.one(conn, "legal_holds", "legal_hold", hold_id, tenant=writer.tenant)
        return Done(Hold.model_validate(row), "legal_hold", hold_id, 201, body.model_dump())

    return writer.perform("legal_hold.place", body, act)


@routes.post("/legal-holds/{hold_id}/lift", response_model=Hold, responses=WRITE_ERRORS)
def lift_legal_hold(hold_id: PathId, writer: HoldPlacer) -> Response:
    """End a hold; its age then decides again."""

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            store.one(conn, "legal_holds", "legal_hold", hold_id, tenant=writer.tenant)
            params = {"tenant": writer.tenant, "user": writer.user.user_id, "now": now, "id": hold_id}
            if not store.rows(conn, "lift_hold", **params):
                raise WrongState("This hold was lifted already.", hold_id=hold_id)
            row = store.one(conn, "legal_holds", "legal_hold", hold_id, tenant=writer.tenant)
        return Done(Hold.model_validate(row), "legal_hold", hold_id)

    return writer.perform("legal_hold.lift", None, act)
