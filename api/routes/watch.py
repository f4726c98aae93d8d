"""Jobs, rules, counters and the audit trail."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Reader, Writer, reads, writes
from api.models.base import Day, Time
from api.models.enums import RunStatus
from api.models.watch import AuditEntry, JobRequest, Jobs, Rule, Rules, RunRequest, Tally
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral.errors import NotFound, RejectedInput
from collateral.ids import new_id
from db.pool import Pool
from risk.rules import RULES

routes = router("operations")
JobRunner = Annotated[Writer, Depends(writes(Permission.JOB_RUN))]
AuditReader = Annotated[Reader, Depends(reads(Permission.AUDIT_READ))]


@routes.get("/jobs", response_model=Jobs, responses=READ_ERRORS)
def list_jobs(
    reader: ReadDep, job: Filter = None, status: RunStatus | None = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """When each job fires next, and runs, newest first. Runs are the platform's: what they say of other tenants is left out or counted."""
    return store.jobs_page(reader.pool, reader.tenant, limit, cursor, job=job, status=status)


@routes.post("/jobs/{job}/run", status_code=202, response_model=JobRequest, responses=WRITE_ERRORS)
def run_job(job: PathId, writer: JobRunner, body: RunRequest | None = None) -> Response:
    """Ask for a run now; the leading risk process takes it up. Watch `GET jobs` for its result."""

    def act(pool: Pool, now: datetime) -> Done:
        if body is not None and body.as_of is not None and body.as_of > now:
            raise RejectedInput(
                f"as_of {body.as_of.isoformat()} lies in the future; a run judges what has happened by {now.isoformat()}.",
                as_of=body.as_of.isoformat(), now=now.isoformat(),
            )  # fmt: skip
        with pool.connection() as conn:
            known = {row["job"] for row in store.rows(conn, "job_schedule")}
            if job not in known:
                raise NotFound(f"There is no job {job}.", kind="job", id=job, known=sorted(known))
            row = store.rows(
                conn,
                "request_job",
                request_id=new_id("jobreq"),
                job=job,
                as_of=body.as_of if body else None,
                user=writer.user.user_id,
                now=now,
            )[0]
        return Done(JobRequest.model_validate(row), "job", job, 202, {"request_id": row["request_id"]})

    return writer.perform("job.run", body, act)


@routes.get("/rules", response_model=Rules, responses=READ_ERRORS)
def list_rules(reader: ReadDep) -> Rules:
    """The rules that are judged here, with their thresholds."""
    return Rules(
        items=[
            Rule(
                code=r.code,
                version=r.version,
                name=r.name,
                name_zh=r.name_zh,
                leg=r.leg.value,
                severity=r.severity,
                claim=r.claim,
                lasting=r.lasting,
                lanes=sorted(lane.value for lane in r.lanes),
                thresholds=r.shown_thresholds(),
                guards=list(r.guards),
            )
            for r in RULES
        ]
    )


@routes.get("/ingest/tally", response_model=Tally, responses=READ_ERRORS)
def get_tally(reader: ReadDep, since: Day | None = None, until: Day | None = None, device_id: Filter = None) -> dict[str, Any]:
    """Readings received, stored, repeated, absorbed and refused, per device and day, compared with what the tables hold.

    since, until and device_id choose the rows and totals; the comparison always takes all of the tenant's devices.
    """
    return store.tally(reader.pool, reader.tenant, since, until, device_id)


@routes.get("/audit", response_model=Page[AuditEntry], responses=READ_ERRORS)
def list_audit(
    reader: AuditReader,
    user_id: Filter = None,
    action: Filter = None,
    subject_kind: Filter = None,
    subject_id: Filter = None,
    since: Time | None = None,
    until: Time | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What people and systems did, newest first."""
    filters: dict[str, Any] = {
        "user_id": user_id,
        "action": action,
        "subject_kind": subject_kind,
        "subject_id": subject_id,
        "since": since,
        "until": until,
    }
    return store.page(reader.pool, "audit", store.NEWEST_AUDIT, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)
