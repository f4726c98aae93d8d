"""Interest, exposure by both clocks, corrections, products, values per unit, borrowing base certificates."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.base import Time
from api.models.credit import (
    Accrual,
    Certificate,
    CertificateSummary,
    Correction,
    Decision,
    Exposure,
    NewAccrual,
    NewCertificate,
    NewCorrection,
    NewRate,
    Products,
    Rates,
    ValuedUnit,
)
from api.models.enums import Proposal
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page, SortKey
from api.permissions import Permission
from api.problems import documented
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral import certificate_papers, certificate_service, money_service, valuation_service
from collateral.certificate import unit_line
from db.pool import Pool

routes = router("lending")
RateSetter = Annotated[Writer, Depends(writes(Permission.RATE_SET))]
Accruer = Annotated[Writer, Depends(writes(Permission.CASH_POST))]
CorrectionAsker = Annotated[Writer, Depends(writes(Permission.CORRECTION_ASK))]
CorrectionDecider = Annotated[Writer, Depends(writes(Permission.CORRECTION_DECIDE))]
Issuer = Annotated[Writer, Depends(writes(Permission.CERTIFICATE_ISSUE))]
UNIT_ORDER = SortKey("valued_units", ("goods_id",), (str,))
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PDF = "application/pdf"


def _binary(media_type: str) -> dict[int | str, dict[str, Any]]:
    shape = {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}, "description": "The paper"}
    return {200: shape, **documented(401, 403, 404, 422, 500, 503)}


def _known(reader: ReadDep, facility_id: str) -> None:
    with reader.pool.connection() as conn:
        store.one(conn, "facilities", "facility", facility_id, tenant=reader.tenant)


@routes.get("/products", response_model=Products, responses=READ_ERRORS)
def list_products(reader: ReadDep) -> dict[str, Any]:
    """Products and what a facility under each may be."""
    with reader.pool.connection() as conn:
        found = store.rows(conn, "products")
    return {"items": found}


@routes.get("/facilities/{facility_id}/exposure", response_model=Exposure, responses=READ_ERRORS)
def get_exposure(reader: ReadDep, facility_id: PathId, as_of: Time | None = None, known_at: Time | None = None) -> dict[str, Any]:
    """What was owed at an instant, by what was known at another; both are now unless given."""
    found = money_service.exposure_at(reader.pool, reader.tenant, facility_id, as_of or reader.now, known_at or reader.now)
    return asdict(found)


@routes.get("/facilities/{facility_id}/rates", response_model=Rates, responses=READ_ERRORS)
def list_rates(reader: ReadDep, facility_id: PathId) -> dict[str, Any]:
    """What borrowing costs, oldest first."""
    _known(reader, facility_id)
    with reader.pool.connection() as conn:
        return {"items": store.rows(conn, "rates", facility_id=facility_id)}


@routes.post("/facilities/{facility_id}/rates", status_code=201, response_model=Rates, responses=WRITE_ERRORS)
def set_rate(facility_id: PathId, body: NewRate, writer: RateSetter) -> Response:
    """Set what borrowing costs from a day on; the rate before it ends there."""

    def act(pool: Pool, now: datetime) -> Done:
        money_service.set_rate(
            pool, writer.tenant, facility_id, body.valid_from, body.annual_rate, body.day_count, writer.user.user_id, now
        )
        with pool.connection() as conn:
            found = Rates.model_validate({"items": store.rows(conn, "rates", facility_id=facility_id)})
        return Done(found, "facility", facility_id, 201, {"annual_rate": body.annual_rate, "valid_from": body.valid_from.isoformat()})

    return writer.perform("facility.set_rate", body, act)


@routes.post("/facilities/{facility_id}/interest-accruals", status_code=201, response_model=Accrual, responses=WRITE_ERRORS)
def accrue_interest(facility_id: PathId, body: NewAccrual, writer: Accruer) -> Response:
    """Post the interest of all days before this one that no entry has yet."""

    def act(pool: Pool, now: datetime) -> Done:
        entry = money_service.accrue_interest(pool, writer.tenant, facility_id, body.accrued_to, writer.user.user_id, now)
        with pool.connection() as conn:
            owed = money_service.exposure_in(conn, writer.tenant, facility_id, now, now).interest
        said = Accrual(
            facility_id=facility_id, accrued_to=body.accrued_to, entry_no=None if entry is None else entry.entry_no, interest=owed
        )
        return Done(said, "facility", facility_id, 201, {"accrued_to": body.accrued_to.isoformat(), "entry_no": said.entry_no})

    return writer.perform("interest.accrue", body, act)


@routes.get("/corrections", response_model=Page[Correction], responses=READ_ERRORS)
def list_corrections(
    reader: ReadDep, facility_id: Filter = None, status: Proposal | None = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """Corrections of the ledger, newest first."""
    filters: dict[str, Any] = {"facility_id": facility_id, "status": status}
    return store.page(reader.pool, "corrections", store.NEWEST_CORRECTION, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/facilities/{facility_id}/corrections", status_code=201, response_model=Correction, responses=WRITE_ERRORS)
def propose_correction(facility_id: PathId, body: NewCorrection, writer: CorrectionAsker) -> Response:
    """Ask for an entry of money to be reversed; another person decides."""

    def act(pool: Pool, now: datetime) -> Done:
        made = money_service.propose_correction(pool, writer.tenant, facility_id, body.entry_no, body.reason, writer.user.user_id, now)
        detail = {"facility_id": facility_id, "entry_no": body.entry_no}
        return Done(Correction.model_validate(asdict(made)), "correction", made.correction_id, 201, detail)

    return writer.perform("correction.propose", body, act)


@routes.post("/corrections/{correction_id}/decision", response_model=Correction, responses=WRITE_ERRORS)
def decide_correction(correction_id: PathId, body: Decision, writer: CorrectionDecider) -> Response:
    """Agree, or not. Agreed, a reversing entry undoes the wrong one; both stay in the book."""

    def act(pool: Pool, now: datetime) -> Done:
        made = money_service.decide_correction(pool, writer.tenant, correction_id, writer.user.user_id, now, approve=body.approve)
        detail = {"status": made.status, "reason": body.reason, "reversing_entry_no": made.reversing_entry_no}
        return Done(Correction.model_validate(asdict(made)), "correction", correction_id, detail=detail)

    return writer.perform("correction.decide", body, act)


@routes.get("/facilities/{facility_id}/valued-units", response_model=Page[ValuedUnit], responses=READ_ERRORS)
def list_valued_units(
    reader: ReadDep, facility_id: PathId, as_of: Time | None = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """What each pledged unit is worth, who saw it when, and why it counts or not; by id."""
    _known(reader, facility_id)
    after = UNIT_ORDER.params(cursor).get("after_0")
    with reader.pool.connection() as conn, conn.transaction():
        a = valuation_service.assess(conn, facility_id, as_of or reader.now)
    lines = [unit_line(unit, value) for unit, value in zip(a.units, a.pool.units, strict=True) if after is None or unit.goods_id > after]
    return UNIT_ORDER.page(sorted(lines, key=lambda line: line["goods_id"])[: limit + 1], limit)


@routes.get("/facilities/{facility_id}/certificates", response_model=Page[CertificateSummary], responses=READ_ERRORS)
def list_certificates(reader: ReadDep, facility_id: PathId, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Borrowing base certificates of a facility, newest first."""
    _known(reader, facility_id)
    return store.page(
        reader.pool, "certificates", store.NEWEST_CERTIFICATE, tenant=reader.tenant, limit=limit, cursor=cursor, facility_id=facility_id
    )


@routes.post("/facilities/{facility_id}/certificates", status_code=201, response_model=Certificate, responses=WRITE_ERRORS)
def issue_certificate(facility_id: PathId, body: NewCertificate, writer: Issuer) -> Response:
    """Issue the borrowing base certificate of an instant. Asked again for the same instant, the same certificate comes back."""

    def act(pool: Pool, now: datetime) -> Done:
        made = certificate_service.issue_certificate(pool, writer.tenant, facility_id, body.as_of or now, writer.user.user_id, now)
        said = Certificate.model_validate({**asdict(made), "content": made.values})
        detail = {"facility_id": facility_id, "as_of": made.as_of.isoformat(), "content_hash": made.content_hash}
        return Done(said, "certificate", made.certificate_id, 201, detail)

    return writer.perform("certificate.issue", body, act)


@routes.get("/certificates/{certificate_id}", response_model=Certificate, responses=READ_ERRORS)
def get_certificate(reader: ReadDep, certificate_id: PathId) -> dict[str, Any]:
    """One certificate, as it was issued."""
    made = certificate_service.certificate(reader.pool, reader.tenant, certificate_id)
    return {**asdict(made), "content": made.values}


@routes.get("/certificates/{certificate_id}/xlsx", response_class=Response, responses=_binary(XLSX))
def get_certificate_workbook(reader: ReadDep, certificate_id: PathId) -> Response:
    """The certificate as a workbook; the same bytes every time."""
    made = certificate_service.certificate(reader.pool, reader.tenant, certificate_id)
    return _paper(certificate_papers.xlsx(made.values), XLSX, f"{certificate_id}.xlsx")


@routes.get("/certificates/{certificate_id}/pdf", response_class=Response, responses=_binary(PDF))
def get_certificate_page(reader: ReadDep, certificate_id: PathId) -> Response:
    """The certificate as printed pages; the same bytes every time."""
    made = certificate_service.certificate(reader.pool, reader.tenant, certificate_id)
    return _paper(certificate_papers.pdf(made.values), PDF, f"{certificate_id}.pdf")


def _paper(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(content, media_type=media_type, headers=headers)
