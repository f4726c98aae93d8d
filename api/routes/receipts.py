"""The life of warehouse receipts: elements, freezing, and the steps that two people decide."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.credit import Decision
from api.models.enums import Proposal, ReceiptOrderKind
from api.models.receipts import FreezeReceipt, NewReceiptElements, NewReceiptOrder, ReceiptDetail, ReceiptOrder
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, PathId, router
from api.unit_of_work import Done
from collateral import receipt_service
from collateral.receipts import ReceiptElements
from collateral.receipts import ReceiptOrderKind as OrderKind
from db.pool import Pool

routes = router("goods")
Recorder = Annotated[Writer, Depends(writes(Permission.RECEIPT_RECORD))]
Freezer = Annotated[Writer, Depends(writes(Permission.RECEIPT_FREEZE))]
Asker = Annotated[Writer, Depends(writes(Permission.RECEIPT_ASK))]
Decider = Annotated[Writer, Depends(writes(Permission.RECEIPT_DECIDE))]


def _detail(pool: Pool, tenant: str, receipt_no: str) -> dict[str, Any]:
    with pool.connection() as conn, conn.transaction():
        found = store.one(conn, "receipts", "receipt", receipt_no, tenant=tenant)
        life = store.rows(conn, "receipt_life", id=receipt_no)[0]
        said = store.rows(conn, "receipt_elements", id=receipt_no)
        events = store.rows(conn, "receipt_events", id=receipt_no)
    return {**found, **life, "elements": said[0] if said else None, "events": events}


@routes.get("/receipts/{receipt_no}", response_model=ReceiptDetail, responses=READ_ERRORS)
def get_receipt(reader: ReadDep, receipt_no: PathId) -> dict[str, Any]:
    """One receipt with its mandatory elements and its life."""
    return _detail(reader.pool, reader.tenant, receipt_no)


@routes.post("/receipts/{receipt_no}/elements", status_code=201, response_model=ReceiptDetail, responses=WRITE_ERRORS)
def record_receipt_elements(receipt_no: PathId, body: NewReceiptElements, writer: Recorder) -> Response:
    """Record the mandatory elements of a receipt, once. Every fault is named."""

    def act(pool: Pool, now: datetime) -> Done:
        receipt_service.record_elements(pool, writer.tenant, receipt_no, ReceiptElements(**body.model_dump()), writer.user.user_id, now)
        return Done(ReceiptDetail.model_validate(_detail(pool, writer.tenant, receipt_no)), "receipt", receipt_no, 201)

    return writer.perform("receipt.record_elements", body, act)


@routes.post("/receipts/{receipt_no}/freeze", response_model=ReceiptDetail, responses=WRITE_ERRORS)
def freeze_receipt(receipt_no: PathId, body: FreezeReceipt, writer: Freezer) -> Response:
    """Freeze a receipt: it is worth nothing and its goods are not released until two people lift it."""

    def act(pool: Pool, now: datetime) -> Done:
        receipt_service.freeze(pool, writer.tenant, receipt_no, body.reason, writer.user.user_id, now)
        said = ReceiptDetail.model_validate(_detail(pool, writer.tenant, receipt_no))
        return Done(said, "receipt", receipt_no, detail={"reason": body.reason})

    return writer.perform("receipt.freeze", body, act)


@routes.get("/receipt-orders", response_model=Page[ReceiptOrder], responses=READ_ERRORS)
def list_receipt_orders(
    reader: ReadDep,
    status: Proposal | None = None,
    kind: ReceiptOrderKind | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """What was asked to be done with receipts, newest first."""
    filters: dict[str, Any] = {"status": status, "kind": kind}
    return store.page(
        reader.pool, "receipt_orders", store.NEWEST_RECEIPT_ORDER, tenant=reader.tenant, limit=limit, cursor=cursor, **filters
    )


@routes.post("/receipt-orders", status_code=201, response_model=ReceiptOrder, responses=WRITE_ERRORS)
def propose_receipt_order(body: NewReceiptOrder, writer: Asker) -> Response:
    """Ask for a receipt to be endorsed, unfrozen, split, merged or cancelled; another person decides."""

    def act(pool: Pool, now: datetime) -> Done:
        request = body.model_dump(mode="json", exclude_none=True, exclude={"kind", "receipt_nos", "reason"})
        made = receipt_service.propose(
            pool, writer.tenant, OrderKind(body.kind), body.receipt_nos, request, body.reason, writer.user.user_id, now
        )
        detail = {"kind": made.kind, "receipt_nos": list(made.receipt_nos)}
        return Done(ReceiptOrder.model_validate(asdict(made)), "receipt_order", made.order_id, 201, detail)

    return writer.perform("receipt_order.propose", body, act)


@routes.post("/receipt-orders/{order_id}/decision", response_model=ReceiptOrder, responses=WRITE_ERRORS)
def decide_receipt_order(order_id: PathId, body: Decision, writer: Decider) -> Response:
    """Agree, or not. Agreed, the whole step is done at once, or refused with what stands in its way."""

    def act(pool: Pool, now: datetime) -> Done:
        made = receipt_service.decide(pool, writer.tenant, order_id, writer.user.user_id, now, approve=body.approve)
        detail = {"kind": made.kind, "receipt_nos": list(made.receipt_nos), "status": made.status, "reason": body.reason}
        return Done(ReceiptOrder.model_validate(asdict(made)), "receipt_order", order_id, detail=detail)

    return writer.perform("receipt_order.decide", body, act)
