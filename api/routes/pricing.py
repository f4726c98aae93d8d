"""Who vouches for a doubted price, and what own goods are worth against the quoted ones."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.credit import Decision, Differential, NewDifferential, NewOverride, PriceOverride
from api.models.enums import Proposal
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral import differential_service, price_service
from collateral.ids import new_id
from collateral.price_store import PriceDifferential
from db.pool import Pool

routes = router("master data")
Voucher = Annotated[Writer, Depends(writes(Permission.PRICE_VOUCH))]
Decider = Annotated[Writer, Depends(writes(Permission.PRICE_DECIDE))]


@routes.get("/price-overrides", response_model=Page[PriceOverride], responses=READ_ERRORS)
def list_price_overrides(
    reader: ReadDep, status: Proposal | None = None, price_id: Filter = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None
) -> dict[str, Any]:
    """Who vouched for which quarantined price, newest first."""
    filters: dict[str, Any] = {"status": status, "price_id": price_id}
    return store.page(reader.pool, "price_overrides", store.NEWEST_OVERRIDE, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/prices/{price_id}/overrides", status_code=201, response_model=PriceOverride, responses=WRITE_ERRORS)
def propose_price_override(price_id: PathId, body: NewOverride, writer: Voucher) -> Response:
    """Vouch for a quarantined price. It counts once another person agrees; a refused price never does."""

    def act(pool: Pool, now: datetime) -> Done:
        made = price_service.propose_override(pool, writer.tenant, price_id, body.reason, writer.user.user_id, now)
        return Done(PriceOverride.model_validate(asdict(made)), "price_override", made.override_id, 201, {"price_id": price_id})

    return writer.perform("price_override.propose", body, act)


@routes.post("/price-overrides/{override_id}/decision", response_model=PriceOverride, responses=WRITE_ERRORS)
def decide_price_override(override_id: PathId, body: Decision, writer: Decider) -> Response:
    """Agree, or not. Agreed, the price values this tenant's facilities from now on; past days are valued again."""

    def act(pool: Pool, now: datetime) -> Done:
        who = writer.user.user_id
        made = price_service.decide_override(pool, writer.tenant, override_id, who, now, approve=body.approve, reason=body.reason)
        detail = {"status": made.status, "price_id": made.price_id, "used_price_id": made.used_price_id}
        return Done(PriceOverride.model_validate(asdict(made)), "price_override", override_id, detail=detail)

    return writer.perform("price_override.decide", body, act)


@routes.get("/price-differentials", response_model=Page[Differential], responses=READ_ERRORS)
def list_price_differentials(
    reader: ReadDep,
    commodity_code: Filter = None,
    facility_id: Filter = None,
    status: Proposal | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Differentials, newest first."""
    filters: dict[str, Any] = {"commodity_code": commodity_code, "facility_id": facility_id, "status": status}
    return store.page(
        reader.pool, "price_differentials", store.NEWEST_DIFFERENTIAL, tenant=reader.tenant, limit=limit, cursor=cursor, **filters
    )


@routes.post("/price-differentials", status_code=201, response_model=Differential, responses=WRITE_ERRORS)
def propose_price_differential(body: NewDifferential, writer: Voucher) -> Response:
    """Propose what a grade, spec, brand or place is worth more or less. It holds once another person agrees."""

    def act(pool: Pool, now: datetime) -> Done:
        made = PriceDifferential(
            **body.model_dump(),
            differential_id=new_id("differential"),
            tenant_id=writer.tenant,
            proposed_by=writer.user.user_id,
            proposed_at=now,
        )
        differential_service.propose_differential(pool, made)
        return Done(Differential.model_validate(asdict(made)), "price_differential", made.differential_id, 201)

    return writer.perform("price_differential.propose", body, act)


@routes.post("/price-differentials/{differential_id}/decision", response_model=Differential, responses=WRITE_ERRORS)
def decide_price_differential(differential_id: PathId, body: Decision, writer: Decider) -> Response:
    """Agree, or not. Two for the same goods never hold on one day."""

    def act(pool: Pool, now: datetime) -> Done:
        made = differential_service.decide_differential(
            pool, writer.tenant, differential_id, writer.user.user_id, now, approve=body.approve
        )
        detail = {"status": made.status, "reason": body.reason}
        return Done(Differential.model_validate(asdict(made)), "price_differential", differential_id, detail=detail)

    return writer.perform("price_differential.decide", body, act)
