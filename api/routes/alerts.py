"""Alerts and what people do with them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Query
from starlette.responses import Response

from api import store
from api.deps import PartsDep, ReadDep, Writer, writes
from api.errors import VersionMismatch
from api.models.base import Time
from api.models.enums import AlertStatus, Severity
from api.models.watch import Acknowledgement, Alert, AlertCounts, AlertDetail, Assignment, Closing, Comment, StatusChange
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, VERSIONED_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Act, Done
from collateral.errors import RejectedInput, WrongState
from db.pool import Pool
from risk import alerts as risk_alerts

routes = router("alerts")
Worker = Annotated[Writer, Depends(writes(Permission.ALERT_WORK))]
Commenter = Annotated[Writer, Depends(writes(Permission.ALERT_COMMENT))]
Closer = Annotated[Writer, Depends(writes(Permission.ALERT_CLOSE))]
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=20, pattern=r'^(\*|"?\d{1,9}"?)$', description='The version you saw, such as "3"; `*` for any'),
]


def _seen_version(in_body: int | None, if_match: str | None) -> int:
    """The version the caller saw. Raises RejectedInput when none is given, or two that differ. 0 = any."""
    given = {v for v in (in_body, None if if_match is None else 0 if if_match == "*" else int(if_match.strip('"'))) if v is not None}
    if len(given) != 1:
        raise RejectedInput("Say which version you saw: `version` in the body, or If-Match.", field="version")
    return given.pop()


def _done(pool: Pool, writer: Writer, alert_id: str, detail: dict[str, Any] | None = None) -> Done:
    with pool.connection() as conn:
        row = store.alert(conn, writer.tenant, alert_id)
    return Done(AlertDetail.model_validate(row), "alert", alert_id, detail=detail or {})


def _act(writer: Writer, alert_id: str, seen: int, detail: dict[str, Any], do: Callable[[Pool, datetime, int | None], object]) -> Act:
    """The act on an alert whose version must be the one that was seen; 0 = any."""

    def act(pool: Pool, now: datetime) -> Done:
        try:
            do(pool, now, seen or None)
        except WrongState as exc:
            if "given" in exc.details:
                raise VersionMismatch(version=exc.details.get("version"), seen=seen) from exc
            raise
        return _done(pool, writer, alert_id, detail)

    return act


@routes.get("/alerts", response_model=Page[Alert], responses=READ_ERRORS)
def list_alerts(
    reader: ReadDep,
    status: AlertStatus | None = None,
    severity: Severity | None = None,
    rule_code: Filter = None,
    subject_kind: Filter = None,
    subject_id: Filter = None,
    facility_id: Filter = None,
    open: Annotated[bool | None, Query(description="true: neither closed nor resolved")] = None,
    since: Time | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Alerts, newest first."""
    return store.page(
        reader.pool,
        "alerts",
        store.NEWEST_ALERT,
        tenant=reader.tenant,
        limit=limit,
        cursor=cursor,
        status=status,
        severity=severity,
        rule_code=rule_code,
        subject_kind=subject_kind,
        subject_id=subject_id,
        facility_id=facility_id,
        open=open,
        since=since,
    )


@routes.get("/alerts/counts", response_model=AlertCounts, responses=READ_ERRORS)
def count_alerts(reader: ReadDep) -> dict[str, int]:
    """How many alerts are open, by severity."""
    with reader.pool.connection() as conn:
        return {row["severity"]: row["n"] for row in store.rows(conn, "alert_counts", tenant=reader.tenant)}


@routes.get("/alerts/{alert_id}", response_model=AlertDetail, responses=READ_ERRORS)
def get_alert(reader: ReadDep, alert_id: PathId, response: Response) -> store.Row:
    """One alert with its history. ETag is its version."""
    with reader.pool.connection() as conn:
        row = store.alert(conn, reader.tenant, alert_id)
    response.headers["ETag"] = f'"{row["version"]}"'
    return row


@routes.post("/alerts/{alert_id}/acknowledge", response_model=AlertDetail, responses=VERSIONED_ERRORS)
def acknowledge_alert(alert_id: PathId, writer: Worker, body: Acknowledgement | None = None, if_match: IfMatch = None) -> Response:
    """I have seen this and take it on."""
    said = body or Acknowledgement()
    who = writer.user.user_id

    def do(pool: Pool, now: datetime, version: int | None) -> None:
        risk_alerts.acknowledge(pool, writer.tenant, alert_id, who, version, now, comment=said.comment)

    return writer.perform("alert.acknowledge", body, _act(writer, alert_id, _seen_version(said.version, if_match), {}, do))


@routes.post("/alerts/{alert_id}/assign", response_model=AlertDetail, responses=VERSIONED_ERRORS)
def assign_alert(alert_id: PathId, body: Assignment, writer: Worker, parts: PartsDep, if_match: IfMatch = None) -> Response:
    """Give it to someone of the same tenant."""
    seen = _seen_version(body.version, if_match)
    owner = parts.user(body.owner)
    if owner is None or not owner.active or owner.tenant_id != writer.tenant:
        raise RejectedInput("There is no such user.", field="owner")

    who = writer.user.user_id

    def do(pool: Pool, now: datetime, version: int | None) -> None:
        risk_alerts.assign(pool, writer.tenant, alert_id, who, version, now, owner=body.owner)

    return writer.perform("alert.assign", body, _act(writer, alert_id, seen, {"owner": body.owner}, do))


@routes.post("/alerts/{alert_id}/comments", status_code=201, response_model=AlertDetail, responses=WRITE_ERRORS)
def comment_alert(alert_id: PathId, body: Comment, writer: Commenter) -> Response:
    """A note for the file."""

    def act(pool: Pool, now: datetime) -> Done:
        risk_alerts.comment(pool, writer.tenant, alert_id, writer.user.user_id, now, text=body.text)
        done = _done(pool, writer, alert_id)
        return Done(done.body, "alert", alert_id, 201)

    return writer.perform("alert.comment", body, act)


@routes.post("/alerts/{alert_id}/status", response_model=AlertDetail, responses=VERSIONED_ERRORS)
def set_alert_status(alert_id: PathId, body: StatusChange, writer: Worker, if_match: IfMatch = None) -> Response:
    """What the work on it has shown."""
    seen = _seen_version(body.version, if_match)
    who = writer.user.user_id

    def do(pool: Pool, now: datetime, version: int | None) -> None:
        risk_alerts.set_status(pool, writer.tenant, alert_id, who, version, now, status=body.status, comment=body.comment)

    return writer.perform("alert.status", body, _act(writer, alert_id, seen, {"status": body.status}, do))


@routes.post("/alerts/{alert_id}/close", response_model=AlertDetail, responses=VERSIONED_ERRORS)
def close_alert(alert_id: PathId, body: Closing, writer: Closer, if_match: IfMatch = None) -> Response:
    """Close it. P1 and P2 take two users: the first proposes, another confirms; until then the status stays."""
    seen = _seen_version(body.version, if_match)
    who = writer.user.user_id

    def do(pool: Pool, now: datetime, version: int | None) -> None:
        risk_alerts.close(pool, writer.tenant, alert_id, who, version, now, reason=body.reason)

    return writer.perform("alert.close", body, _act(writer, alert_id, seen, {"reason": body.reason}, do))
