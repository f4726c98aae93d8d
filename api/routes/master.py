"""Parties, places, commodities and prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.base import Time
from api.models.enums import PartyRole, PriceStatus, ZoneKind
from api.models.master import (
    Commodity,
    NewCommodity,
    NewParty,
    NewPrices,
    NewWarehouse,
    NewZone,
    Party,
    PriceOutcome,
    PriceOutcomes,
    PriceQuote,
    Warehouse,
    Zone,
)
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, Items, PathId, RegisteredMany, listed, router
from api.unit_of_work import Done
from collateral import price_service, registry_service
from collateral.commands import PriceReport, RegisterCommodity, RegisterParty, RegisterWarehouse, RegisterZone
from db.pool import Pool

routes = router("master data")
MasterWriter = Annotated[Writer, Depends(writes(Permission.MASTER_WRITE))]


def _register(
    writer: Writer,
    kind: str,
    query: str,
    body: BaseModel,
    out: type[BaseModel],
    register: Callable[[Pool, Any, datetime], str],
) -> Response:
    """Register one thing and answer with its row, or several, all or nothing, and answer with their ids."""

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            ids = [register(pool, item, now) for item in listed(body)]
            if isinstance(body, Items):
                return Done(RegisteredMany(registered=len(ids), ids=ids), kind, ids[0], 201, {"ids": ids})
            row = store.one(conn, query, kind, ids[0], tenant=writer.tenant)
        return Done(out.model_validate(row), kind, ids[0], 201)

    return writer.perform(f"{kind}.register", body, act)


@routes.get("/parties", response_model=Page[Party], responses=READ_ERRORS)
def list_parties(reader: ReadDep, role: PartyRole | None = None, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Parties by id."""
    return store.page(reader.pool, "parties", store.BY_ID["parties"], tenant=reader.tenant, limit=limit, cursor=cursor, role=role)


@routes.post("/parties", status_code=201, response_model=Party | RegisteredMany, responses=WRITE_ERRORS)
def register_parties(body: NewParty | Items[NewParty], writer: MasterWriter) -> Response:
    """Register a party, or several."""

    def register(pool: Pool, item: NewParty, now: datetime) -> str:
        values = item.model_dump()
        command = RegisterParty(**{**values, "tenant_id": writer.tenant, "roles": tuple(item.roles)})
        return registry_service.register_party(pool, command, writer.user.user_id, now)

    return _register(writer, "party", "parties", body, Party, register)


@routes.get("/parties/{party_id}", response_model=Party, responses=READ_ERRORS)
def get_party(reader: ReadDep, party_id: PathId) -> store.Row:
    """One party."""
    with reader.pool.connection() as conn:
        return store.one(conn, "parties", "party", party_id, tenant=reader.tenant)


@routes.get("/warehouses", response_model=Page[Warehouse], responses=READ_ERRORS)
def list_warehouses(reader: ReadDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Sites by id."""
    return store.page(reader.pool, "warehouses", store.BY_ID["warehouses"], tenant=reader.tenant, limit=limit, cursor=cursor)


@routes.post("/warehouses", status_code=201, response_model=Warehouse | RegisteredMany, responses=WRITE_ERRORS)
def register_warehouses(body: NewWarehouse | Items[NewWarehouse], writer: MasterWriter) -> Response:
    """Register a site, or several."""

    def register(pool: Pool, item: NewWarehouse, now: datetime) -> str:
        command = RegisterWarehouse(**item.model_dump(), tenant_id=writer.tenant)
        return registry_service.register_warehouse(pool, command, writer.user.user_id, now)

    return _register(writer, "warehouse", "warehouses", body, Warehouse, register)


@routes.get("/warehouses/{warehouse_id}", response_model=Warehouse, responses=READ_ERRORS)
def get_warehouse(reader: ReadDep, warehouse_id: PathId) -> store.Row:
    """One site."""
    with reader.pool.connection() as conn:
        return store.one(conn, "warehouses", "warehouse", warehouse_id, tenant=reader.tenant)


@routes.get("/zones", response_model=Page[Zone], responses=READ_ERRORS)
def list_zones(
    reader: ReadDep,
    warehouse_id: Filter = None,
    kind: ZoneKind | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Parts of sites by id."""
    return store.page(
        reader.pool, "zones", store.BY_ID["zones"], tenant=reader.tenant, limit=limit, cursor=cursor, warehouse_id=warehouse_id, kind=kind
    )


@routes.post("/zones", status_code=201, response_model=Zone | RegisteredMany, responses=WRITE_ERRORS)
def register_zones(body: NewZone | Items[NewZone], writer: MasterWriter) -> Response:
    """Register a part of a site, or several."""

    def register(pool: Pool, item: NewZone, now: datetime) -> str:
        command = RegisterZone(**item.model_dump(), tenant_id=writer.tenant)
        return registry_service.register_zone(pool, command, writer.user.user_id, now)

    return _register(writer, "zone", "zones", body, Zone, register)


@routes.get("/commodities", response_model=Page[Commodity], responses=READ_ERRORS)
def list_commodities(reader: ReadDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Kinds of goods by code."""
    return store.page(reader.pool, "commodities", store.BY_ID["commodities"], tenant=reader.tenant, limit=limit, cursor=cursor)


@routes.post("/commodities", status_code=201, response_model=Commodity | RegisteredMany, responses=WRITE_ERRORS)
def register_commodities(body: NewCommodity | Items[NewCommodity], writer: MasterWriter) -> Response:
    """Register a kind of goods, or several."""

    def register(pool: Pool, item: NewCommodity, now: datetime) -> str:
        values = item.model_dump()
        steps = tuple(s.model_dump(mode="json", exclude_none=True) for s in item.ageing_steps)
        return registry_service.register_commodity(pool, RegisterCommodity(**{**values, "ageing_steps": steps}), writer.user.user_id, now)

    return _register(writer, "commodity", "commodities", body, Commodity, register)


@routes.get("/prices", response_model=Page[PriceQuote], responses=READ_ERRORS)
def list_prices(
    reader: ReadDep,
    commodity_code: Filter = None,
    source: Filter = None,
    status: PriceStatus | None = None,
    since: Time | None = None,
    until: Time | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Quotes, newest first: this tenant's own and market data."""
    filters: dict[str, Any] = {"commodity_code": commodity_code, "source": source, "status": status, "since": since, "until": until}
    return store.page(reader.pool, "prices", store.NEWEST_PRICE, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/prices", status_code=201, response_model=PriceOutcomes, responses=WRITE_ERRORS)
def record_prices(body: NewPrices, writer: MasterWriter) -> Response:
    """Report quotes. They are this tenant's own and value its facilities only.

    Each is judged by itself: a doubtful one is quarantined, and the others still count.
    """

    def act(pool: Pool, now: datetime) -> Done:
        reports = [PriceReport(**item.model_dump()) for item in body.items]
        results = price_service.record_prices(pool, reports, now, tenant_id=writer.tenant)
        outcomes = PriceOutcomes(items=[PriceOutcome.model_validate(asdict(r)) for r in results])
        by_status = {s: sum(o.status == s for o in outcomes.items) for s in ("ACCEPTED", "QUARANTINED", "REFUSED")}
        return Done(outcomes, "price", outcomes.items[0].price_id, 201, {"count": len(results), **by_status})

    return writer.perform("price.record", body, act)
