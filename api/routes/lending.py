"""Facilities, pledges, releases, money, margin calls, disposal cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import store
from api.deps import PartsDep, ReadDep, Writer, writes
from api.models.base import Time
from api.models.enums import CallStatus, CaseStatus, FacilityStatus, PledgeStatus, ReleaseStatus
from api.models.lending import (
    Disposal,
    Facility,
    LedgerEntry,
    MarginCall,
    NewCash,
    NewFacility,
    NewPledge,
    NewRelease,
    Pledge,
    Position,
    PostedCash,
    Release,
    ReleaseStep,
    Valuation,
    Withdrawal,
)
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral import facility_service, margin_service, valuation_service
from collateral.commands import CashKind, CashMovement, CreatePledge, FacilityCommodity, OpenFacility, RequestRelease
from collateral.ids import new_id
from collateral.model import ReleaseOrder
from db.pool import Pool

routes = router("lending")
FacilityWriter = Annotated[Writer, Depends(writes(Permission.FACILITY_OPEN))]
PledgeMaker = Annotated[Writer, Depends(writes(Permission.PLEDGE_CREATE))]
PledgeApprover = Annotated[Writer, Depends(writes(Permission.PLEDGE_APPROVE))]
ReleaseRequester = Annotated[Writer, Depends(writes(Permission.RELEASE_REQUEST))]
ReleaseMaker = Annotated[Writer, Depends(writes(Permission.RELEASE_MAKE))]
ReleaseChecker = Annotated[Writer, Depends(writes(Permission.RELEASE_CHECK))]
ReleaseCanceller = Annotated[Writer, Depends(writes(Permission.RELEASE_CANCEL))]
CashPoster = Annotated[Writer, Depends(writes(Permission.CASH_POST))]
MarginWorker = Annotated[Writer, Depends(writes(Permission.MARGIN_ACKNOWLEDGE))]
DisposalApprover = Annotated[Writer, Depends(writes(Permission.DISPOSAL_APPROVE))]
DisposalWithdrawer = Annotated[Writer, Depends(writes(Permission.DISPOSAL_WITHDRAW))]


def _as_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


@routes.get("/facilities", response_model=Page[Facility], responses=READ_ERRORS)
def list_facilities(
    reader: ReadDep,
    status: FacilityStatus | None = None,
    borrower_party_id: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Facilities by id, with their newest valuation."""
    filters: dict[str, Any] = {"status": status, "borrower_party_id": borrower_party_id}
    found = store.page(reader.pool, "facilities", store.BY_ID["facilities"], tenant=reader.tenant, limit=limit, cursor=cursor, **filters)
    with reader.pool.connection() as conn:
        found["items"] = store.facility_rows(conn, found["items"])
    return found


@routes.post("/facilities", status_code=201, response_model=Facility, responses=WRITE_ERRORS)
def open_facility(body: NewFacility, writer: FacilityWriter) -> Response:
    """Open a facility."""

    def act(pool: Pool, now: datetime) -> Done:
        accepted = tuple(FacilityCommodity(**_as_tuples(c.model_dump())) for c in body.commodities)
        command = OpenFacility(**{**_as_tuples(body.model_dump()), "tenant_id": writer.tenant, "commodities": accepted})
        facility_id = facility_service.open_facility(pool, command, writer.user.user_id, now)
        with pool.connection() as conn:
            row = store.facility(conn, writer.tenant, facility_id)
        return Done(Facility.model_validate(row), "facility", facility_id, 201, {"limit_amount": body.limit_amount})

    return writer.perform("facility.open", body, act)


@routes.get("/facilities/{facility_id}", response_model=Facility, responses=READ_ERRORS)
def get_facility(reader: ReadDep, facility_id: PathId) -> store.Row:
    """One facility."""
    with reader.pool.connection() as conn:
        return store.facility(conn, reader.tenant, facility_id)


@routes.get("/facilities/{facility_id}/position", response_model=Position, responses=READ_ERRORS)
def get_position(reader: ReadDep, facility_id: PathId, as_of: Time | None = None) -> dict[str, Any]:
    """Value, exposure, coverage, lines, availability and borrowing base, computed now."""
    with reader.pool.connection() as conn:
        store.one(conn, "facilities", "facility", facility_id, tenant=reader.tenant)
    return asdict(valuation_service.position(reader.pool, facility_id, as_of or reader.now))


@routes.get("/facilities/{facility_id}/valuations", response_model=Page[Valuation], responses=READ_ERRORS)
def list_valuations(
    reader: ReadDep,
    facility_id: PathId,
    since: Time | None = None,
    until: Time | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """How the facility was valued, newest first."""
    with reader.pool.connection() as conn:
        store.one(conn, "facilities", "facility", facility_id, tenant=reader.tenant)
    filters: dict[str, Any] = {"facility_id": facility_id, "since": since, "until": until}
    return store.page(reader.pool, "valuations", store.NEWEST_VALUATION, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.get("/facilities/{facility_id}/ledger", response_model=Page[LedgerEntry], responses=READ_ERRORS)
def list_ledger(reader: ReadDep, facility_id: PathId, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Entries of the facility, newest first, each with its postings."""
    with reader.pool.connection() as conn:
        store.one(conn, "facilities", "facility", facility_id, tenant=reader.tenant)
    return store.ledger_page(reader.pool, reader.tenant, facility_id, limit, cursor)


@routes.post("/cash-movements", status_code=201, response_model=PostedCash, responses=WRITE_ERRORS)
def post_cash(body: NewCash, writer: CashPoster) -> Response:
    """Post money in or out. With an Idempotency-Key a repeated request is the same entry."""

    def act(pool: Pool, now: datetime) -> Done:
        key = f"{writer.user.user_id}:{writer.idempotency_key}" if writer.idempotency_key else new_id("cash")
        values = {**body.model_dump(), "kind": CashKind(body.kind), "tenant_id": writer.tenant, "idempotency_key": key}
        entry = facility_service.post_cash(pool, CashMovement(**values), writer.user.user_id, now)
        detail = {"kind": body.kind, "amount": body.amount, "currency": body.currency, "entry_no": entry.entry_no}
        return Done(PostedCash.model_validate(asdict(entry)), "facility", body.facility_id, 201, detail)

    return writer.perform("cash.post", body, act)


@routes.get("/pledges", response_model=Page[Pledge], responses=READ_ERRORS)
def list_pledges(
    reader: ReadDep,
    facility_id: Filter = None,
    status: PledgeStatus | None = None,
    goods_id: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Pledges, newest first."""
    filters: dict[str, Any] = {"facility_id": facility_id, "status": status, "goods_id": goods_id}
    return store.page(reader.pool, "pledges", store.NEWEST_PLEDGE, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/pledges", status_code=201, response_model=Pledge, responses=WRITE_ERRORS)
def create_pledge(body: NewPledge, writer: PledgeMaker) -> Response:
    """Offer goods as security: a draft, until another person approves it."""

    def act(pool: Pool, now: datetime) -> Done:
        command = CreatePledge(**{**body.model_dump(), "tenant_id": writer.tenant, "goods_ids": tuple(body.goods_ids)})
        pledge = facility_service.create_pledge(pool, command, writer.user.user_id, now)
        detail = {"facility_id": body.facility_id, "units": len(body.goods_ids)}
        return Done(Pledge.model_validate(asdict(pledge)), "pledge", pledge.pledge_id, 201, detail)

    return writer.perform("pledge.create", body, act)


@routes.get("/pledges/{pledge_id}", response_model=Pledge, responses=READ_ERRORS)
def get_pledge(reader: ReadDep, pledge_id: PathId) -> store.Row:
    """One pledge."""
    with reader.pool.connection() as conn:
        return store.one(conn, "pledges", "pledge", pledge_id, tenant=reader.tenant)


@routes.post("/pledges/{pledge_id}/approve", response_model=Pledge, responses=WRITE_ERRORS)
def approve_pledge(pledge_id: PathId, writer: PledgeApprover) -> Response:
    """Approve a draft made by someone else. Goods that secure another loan are refused, and the refusal is reported."""

    def act(pool: Pool, now: datetime) -> Done:
        pledge = facility_service.approve_pledge(pool, writer.tenant, pledge_id, writer.user.user_id, now)
        return Done(Pledge.model_validate(asdict(pledge)), "pledge", pledge_id, detail={"status": pledge.status})

    return writer.perform("pledge.approve", None, act)


@routes.get("/releases", response_model=Page[Release], responses=READ_ERRORS)
def list_releases(
    reader: ReadDep,
    facility_id: Filter = None,
    status: ReleaseStatus | None = None,
    goods_id: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Release orders, newest first."""
    filters: dict[str, Any] = {"facility_id": facility_id, "status": status, "goods_id": goods_id}
    return store.page(reader.pool, "releases", store.NEWEST_RELEASE, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/releases", status_code=201, response_model=Release, responses=WRITE_ERRORS)
def request_release(body: NewRelease, writer: ReleaseRequester) -> Response:
    """Ask for goods to be let out; a maker and a checker, both other people, have to approve.

    The driver's id is no part of what an Idempotency-Key stands for.
    """

    def act(pool: Pool, now: datetime) -> Done:
        said = {**body.model_dump(), "goods_ids": tuple(body.goods_ids), "driver_id": body.driver_id.get_secret_value()}
        command = RequestRelease(**{**said, "tenant_id": writer.tenant})
        order = facility_service.request_release(pool, command, writer.user.user_id, now)
        detail = {"facility_id": body.facility_id, "units": len(body.goods_ids), "vehicle_plate": body.vehicle_plate}
        return Done(Release.model_validate(asdict(order)), "release", order.release_id, 201, detail)

    return writer.perform("release.request", body, act)


@routes.get("/releases/{release_id}", response_model=Release, responses=READ_ERRORS)
def get_release(reader: ReadDep, release_id: PathId) -> store.Row:
    """One release order."""
    with reader.pool.connection() as conn:
        return store.one(conn, "releases", "release", release_id, tenant=reader.tenant)


def _release_step(writer: Writer, action: str, release_id: str, step: Callable[[Pool, datetime], ReleaseOrder]) -> Response:
    def act(pool: Pool, now: datetime) -> Done:
        order = step(pool, now)
        answer = ReleaseStep.model_validate(asdict(order))
        return Done(answer, "release", release_id, detail={"status": order.status}, secrets=("pickup_code",))

    return writer.perform(action, None, act)


@routes.post("/releases/{release_id}/maker-approval", response_model=ReleaseStep, responses=WRITE_ERRORS)
def approve_release_as_maker(release_id: PathId, writer: ReleaseMaker) -> Response:
    """First approval, by someone other than the one who asked."""
    who = writer.user.user_id
    return _release_step(
        writer,
        "release.approve_as_maker",
        release_id,
        lambda pool, now: facility_service.approve_release_as_maker(pool, writer.tenant, release_id, who, now),
    )


@routes.post("/releases/{release_id}/checker-approval", response_model=ReleaseStep, responses=WRITE_ERRORS)
def approve_release_as_checker(release_id: PathId, writer: ReleaseChecker, parts: PartsDep) -> Response:
    """Second approval; issues the order and shows its pickup code once, unless a second checker is needed."""
    who = writer.user.user_id
    return _release_step(
        writer,
        "release.approve_as_checker",
        release_id,
        lambda pool, now: facility_service.approve_release_as_checker(pool, writer.tenant, release_id, who, now, signer=parts.signer),
    )


@routes.post("/releases/{release_id}/second-approval", response_model=ReleaseStep, responses=WRITE_ERRORS)
def approve_release_as_second_checker(release_id: PathId, writer: ReleaseChecker, parts: PartsDep) -> Response:
    """Third approval, where the value demands it; issues the order and shows its pickup code once."""
    who = writer.user.user_id
    return _release_step(
        writer,
        "release.approve_as_second_checker",
        release_id,
        lambda pool, now: facility_service.approve_release_as_second_checker(
            pool, writer.tenant, release_id, who, now, signer=parts.signer
        ),
    )


@routes.post("/releases/{release_id}/cancel", response_model=ReleaseStep, responses=WRITE_ERRORS)
def cancel_release(release_id: PathId, writer: ReleaseCanceller) -> Response:
    """Cancel an order; its goods stay pledged."""
    who = writer.user.user_id
    return _release_step(
        writer, "release.cancel", release_id, lambda pool, now: facility_service.cancel_release(pool, writer.tenant, release_id, who, now)
    )


@routes.get("/margin-calls", response_model=Page[MarginCall], responses=READ_ERRORS)
def list_margin_calls(
    reader: ReadDep,
    facility_id: Filter = None,
    status: CallStatus | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Margin calls, newest first."""
    filters: dict[str, Any] = {"facility_id": facility_id, "status": status}
    return store.page(reader.pool, "margin_calls", store.NEWEST_CALL, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/margin-calls/{call_id}/acknowledge", response_model=MarginCall, responses=WRITE_ERRORS)
def acknowledge_margin_call(call_id: PathId, writer: MarginWorker) -> Response:
    """I have seen this call and follow it up."""

    def act(pool: Pool, now: datetime) -> Done:
        call = margin_service.acknowledge_call(pool, writer.tenant, call_id, writer.user.user_id, now)
        return Done(MarginCall.model_validate(asdict(call)), "margin_call", call_id)

    return writer.perform("margin_call.acknowledge", None, act)


@routes.get("/disposals", response_model=Page[Disposal], responses=READ_ERRORS)
def list_disposals(
    reader: ReadDep,
    facility_id: Filter = None,
    status: CaseStatus | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Disposal cases, newest first."""
    filters: dict[str, Any] = {"facility_id": facility_id, "status": status}
    return store.page(reader.pool, "disposals", store.NEWEST_CASE, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/disposals/{case_id}/approve", response_model=Disposal, responses=WRITE_ERRORS)
def approve_disposal(case_id: PathId, writer: DisposalApprover) -> Response:
    """Approve a drafted sale; the second approval, by another person, makes it stand."""

    def act(pool: Pool, now: datetime) -> Done:
        case = margin_service.approve_disposal(pool, writer.tenant, case_id, writer.user.user_id, now)
        return Done(Disposal.model_validate(asdict(case)), "disposal", case_id, detail={"status": case.status})

    return writer.perform("disposal.approve", None, act)


@routes.post("/disposals/{case_id}/withdraw", response_model=Disposal, responses=WRITE_ERRORS)
def withdraw_disposal(case_id: PathId, body: Withdrawal, writer: DisposalWithdrawer) -> Response:
    """Withdraw a disposal case, with the reason."""

    def act(pool: Pool, now: datetime) -> Done:
        case = margin_service.withdraw_disposal(pool, writer.tenant, case_id, writer.user.user_id, body.reason, now)
        return Done(Disposal.model_validate(asdict(case)), "disposal", case_id, detail={"reason": body.reason})

    return writer.perform("disposal.withdraw", body, act)
