"""Goods, tags, papers, receipts, trips, and the trace."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Query
from starlette.responses import Response

from api import store, trace
from api.deps import ReadDep, Writer, writes
from api.models.base import Registered
from api.models.enums import DocumentKind, GoodsKind, GoodsState, ReceiptState, TripStatus
from api.models.goods import (
    Document,
    DocumentsRegistered,
    Goods,
    GoodsDetail,
    NewDocument,
    NewDocuments,
    NewGoodsList,
    NewReceipt,
    NewTag,
    NewTrip,
    Receipt,
    Trace,
    Trip,
    TripStatusChange,
)
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral import registry_service
from collateral.commands import BindTag, GoodsRegistration, RegisterDocument, RegisterReceipt, RegisterTrip
from db.pool import Pool

routes = router("goods")
GoodsWriter = Annotated[Writer, Depends(writes(Permission.GOODS_WRITE))]
TagWriter = Annotated[Writer, Depends(writes(Permission.TAG_BIND))]
MasterWriter = Annotated[Writer, Depends(writes(Permission.MASTER_WRITE))]


@routes.get("/goods", response_model=Page[Goods], responses=READ_ERRORS)
def list_goods(
    reader: ReadDep,
    q: Annotated[str | None, Query(min_length=2, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")] = None,
    commodity_code: Filter = None,
    kind: GoodsKind | None = None,
    state: GoodsState | None = None,
    warehouse_id: Filter = None,
    zone_id: Filter = None,
    owner_party_id: Filter = None,
    facility_id: Filter = None,
    pledge_id: Filter = None,
    tag_epc: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Units by id. `q` finds by the beginning of the id, or by an exact VIN, heat number, piece number or tag."""
    return store.page(
        reader.pool,
        "goods",
        store.BY_ID["goods"],
        tenant=reader.tenant,
        limit=limit,
        cursor=cursor,
        q=q,
        commodity_code=commodity_code,
        kind=kind,
        state=state,
        warehouse_id=warehouse_id,
        zone_id=zone_id,
        owner_party_id=owner_party_id,
        facility_id=facility_id,
        pledge_id=pledge_id,
        tag_epc=tag_epc,
    )


@routes.post("/goods", status_code=201, response_model=Registered, responses=WRITE_ERRORS)
def register_goods(body: NewGoodsList, writer: GoodsWriter) -> Response:
    """Register up to 5000 units, all or nothing."""

    def act(pool: Pool, now: datetime) -> Done:
        goods = [GoodsRegistration(**item.model_dump()) for item in body.items]
        count = registry_service.register_goods(pool, writer.tenant, goods, writer.user.user_id, now)
        return Done(Registered(registered=count), "goods", goods[0].goods_id, 201, {"count": count, "last": goods[-1].goods_id})

    return writer.perform("goods.register", body, act)


@routes.get("/goods/{goods_id}", response_model=GoodsDetail, responses=READ_ERRORS)
def get_goods(reader: ReadDep, goods_id: PathId) -> store.Row:
    """One unit with its tags, sightings and pledge."""
    with reader.pool.connection() as conn:
        return store.goods_detail(conn, reader.tenant, goods_id)


@routes.get("/goods/{goods_id}/trace", response_model=Trace, responses=READ_ERRORS)
def trace_goods(
    reader: ReadDep,
    goods_id: PathId,
    rows_per_kind: Annotated[int, Query(ge=1, le=2000, description="Newest rows of each kind")] = trace.ROWS_PER_KIND_DEFAULT,
) -> store.Row:
    """All that is known of one unit: registration, tags, reads, movements, positions, papers, pledges, releases, alerts."""
    with reader.pool.connection() as conn:
        return trace.trace(conn, reader.tenant, goods_id, reader.now, rows_per_kind)


@routes.post("/goods/{goods_id}/tags", status_code=201, response_model=GoodsDetail, responses=WRITE_ERRORS)
def bind_tag(goods_id: PathId, body: NewTag, writer: TagWriter) -> Response:
    """Put a tag on a unit."""

    def act(pool: Pool, now: datetime) -> Done:
        command = BindTag(tenant_id=writer.tenant, goods_id=goods_id, **body.model_dump())
        registry_service.bind_tag(pool, command, writer.user.user_id, now)
        return _goods_done(pool, writer, goods_id, 201, body.tag_epc)

    return writer.perform("tag.bind", body, act)


@routes.delete("/goods/{goods_id}/tags/{epc}", response_model=GoodsDetail, responses=WRITE_ERRORS)
def unbind_tag(goods_id: PathId, epc: PathId, writer: TagWriter) -> Response:
    """Take a tag off a unit."""

    def act(pool: Pool, now: datetime) -> Done:
        registry_service.unbind_tag(pool, writer.tenant, goods_id, epc, writer.user.user_id, now)
        return _goods_done(pool, writer, goods_id, 200, epc)

    return writer.perform("tag.unbind", None, act)


def _goods_done(pool: Pool, writer: Writer, goods_id: str, status: int, epc: str) -> Done:
    with pool.connection() as conn:
        row = store.goods_detail(conn, writer.tenant, goods_id)
    return Done(GoodsDetail.model_validate(row), "goods", goods_id, status, {"tag_epc": epc})


@routes.get("/documents", response_model=Page[Document], responses=READ_ERRORS)
def list_documents(
    reader: ReadDep,
    kind: DocumentKind | None = None,
    number: Filter = None,
    contract_no: Filter = None,
    goods_id: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Papers, newest first."""
    filters: dict[str, Any] = {"kind": kind, "number": number, "contract_no": contract_no, "goods_id": goods_id}
    return store.page(reader.pool, "documents", store.NEWEST_DOCUMENT, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/documents", status_code=201, response_model=Document | DocumentsRegistered, responses=WRITE_ERRORS)
def register_documents(body: NewDocument | NewDocuments, writer: MasterWriter) -> Response:
    """Register a paper, or up to 1000, all or nothing."""

    def act(pool: Pool, now: datetime) -> Done:
        items = body.items if isinstance(body, NewDocuments) else [body]
        commands = [RegisterDocument(**{**i.model_dump(), "tenant_id": writer.tenant, "goods_ids": tuple(i.goods_ids)}) for i in items]
        ids = registry_service.register_documents(pool, commands, writer.user.user_id, now)
        if isinstance(body, NewDocuments):
            return Done(DocumentsRegistered(registered=len(ids), document_ids=ids), "document", ids[0], 201, {"ids": ids})
        with pool.connection() as conn:
            row = store.one(conn, "documents", "document", ids[0], tenant=writer.tenant)
        return Done(Document.model_validate(row), "document", ids[0], 201)

    return writer.perform("document.register", body, act)


@routes.get("/documents/{document_id}", response_model=Document, responses=READ_ERRORS)
def get_document(reader: ReadDep, document_id: PathId) -> store.Row:
    """One paper."""
    with reader.pool.connection() as conn:
        return store.one(conn, "documents", "document", document_id, tenant=reader.tenant)


@routes.get("/receipts", response_model=Page[Receipt], responses=READ_ERRORS)
def list_receipts(
    reader: ReadDep,
    warehouse_id: Filter = None,
    state: ReceiptState | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Warehouse receipts by number."""
    filters: dict[str, Any] = {"warehouse_id": warehouse_id, "state": state}
    return store.page(reader.pool, "receipts", store.BY_ID["receipts"], tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/receipts", status_code=201, response_model=Receipt, responses=WRITE_ERRORS)
def register_receipt(body: NewReceipt, writer: MasterWriter) -> Response:
    """Register a warehouse receipt."""

    def act(pool: Pool, now: datetime) -> Done:
        command = RegisterReceipt(**{**body.model_dump(), "tenant_id": writer.tenant, "goods_ids": tuple(body.goods_ids)})
        receipt_no = registry_service.register_receipt(pool, command, writer.user.user_id, now)
        with pool.connection() as conn:
            row = store.one(conn, "receipts", "receipt", receipt_no, tenant=writer.tenant)
        return Done(Receipt.model_validate(row), "receipt", receipt_no, 201)

    return writer.perform("receipt.register", body, act)


@routes.get("/trips", response_model=Page[Trip], responses=READ_ERRORS)
def list_trips(
    reader: ReadDep,
    status: TripStatus | None = None,
    vehicle_plate: Filter = None,
    goods_id: Filter = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Trips, newest first."""
    filters: dict[str, Any] = {"status": status, "vehicle_plate": vehicle_plate, "goods_id": goods_id}
    return store.page(reader.pool, "trips", store.NEWEST_TRIP, tenant=reader.tenant, limit=limit, cursor=cursor, **filters)


@routes.post("/trips", status_code=201, response_model=Trip, responses=WRITE_ERRORS)
def register_trip(body: NewTrip, writer: MasterWriter) -> Response:
    """Register a trip with the goods it carries."""

    def act(pool: Pool, now: datetime) -> Done:
        command = RegisterTrip(**{**body.model_dump(), "tenant_id": writer.tenant, "goods_ids": tuple(body.goods_ids)})
        return _trip_done(pool, writer, registry_service.register_trip(pool, command, writer.user.user_id, now), 201)

    return writer.perform("trip.register", body, act)


@routes.get("/trips/{trip_id}", response_model=Trip, responses=READ_ERRORS)
def get_trip(reader: ReadDep, trip_id: PathId) -> store.Row:
    """One trip."""
    with reader.pool.connection() as conn:
        return store.one(conn, "trips", "trip", trip_id, tenant=reader.tenant)


@routes.post("/trips/{trip_id}/status", response_model=Trip, responses=WRITE_ERRORS)
def set_trip_status(trip_id: PathId, body: TripStatusChange, writer: MasterWriter) -> Response:
    """Say where a trip stands."""

    def act(pool: Pool, now: datetime) -> Done:
        registry_service.set_trip_status(pool, writer.tenant, trip_id, body.status, writer.user.user_id, now)
        return _trip_done(pool, writer, trip_id, 200)

    return writer.perform("trip.status", body, act)


def _trip_done(pool: Pool, writer: Writer, trip_id: str, status: int) -> Done:
    with pool.connection() as conn:
        row = store.one(conn, "trips", "trip", trip_id, tenant=writer.tenant)
    return Done(Trip.model_validate(row), "trip", trip_id, status, {"status": row["status"]})
