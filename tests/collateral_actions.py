"""Short words for what people do to a loan: pay, offer, approve, ask, issue."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from collateral_world import BORROWER, KEEPER, NOW, TENANT, World, facility

from collateral import facility_service as facilities
from collateral import registry_service as registry
from collateral.commands import (
    CashKind,
    CashMovement,
    CreatePledge,
    RegisterParty,
    RegisterReceipt,
    RequestRelease,
)
from collateral.model import Pledge, ReleaseOrder
from collateral.signing import ReleaseSigner

SIGNER = ReleaseSigner.from_secret("a secret of the tests only")
HOUR = timedelta(hours=1)
OTHER = "rival"


def cash(world: World, kind: CashKind, amount: str, at: Any = NOW, facility_id: str = "F-1", **other: Any) -> None:
    command = CashMovement(
        tenant_id=TENANT,
        facility_id=facility_id,
        kind=kind,
        amount=Decimal(amount),
        currency="CNY",
        reason="test",
        idempotency_key=f"{kind}-{amount}-{at.isoformat()}",
    )
    facilities.post_cash(world.pool, replace(command, **other), "loader", at)


def requested(world: World, goods_ids: list[str], at: Any = NOW, facility_id: str = "F-1") -> ReleaseOrder:
    command = RequestRelease(
        tenant_id=TENANT,
        facility_id=facility_id,
        goods_ids=tuple(goods_ids),
        vehicle_plate="沪A12345",
        driver_id="D-1",
        valid_from=NOW,
        valid_to=NOW + 8 * HOUR,
        reason="sold",
    )
    return facilities.request_release(world.pool, command, "operator", at)


def issued(world: World, goods_ids: list[str], at: Any = NOW, facility_id: str = "F-1") -> ReleaseOrder:
    order = requested(world, goods_ids, at, facility_id)
    facilities.approve_release_as_maker(world.pool, TENANT, order.release_id, "maker", at)
    order = facilities.approve_release_as_checker(world.pool, TENANT, order.release_id, "checker", at, signer=SIGNER)
    if order.status != "ISSUED":
        order = facilities.approve_release_as_second_checker(world.pool, TENANT, order.release_id, "checker2", at, signer=SIGNER)
    return order


def receipt(world: World, receipt_no: str, goods_ids: list[str], **other: Any) -> str:
    made = RegisterReceipt(
        receipt_no=receipt_no,
        tenant_id=TENANT,
        warehouse_id="WH-SH-01",
        depositor_party_id=BORROWER,
        keeper_party_id=KEEPER,
        issued_at=NOW,
        shrinkage_rate=Decimal("0.001"),
        insured_amount=Decimal(10_000_000),
        currency="CNY",
        insurance_until=date(2021, 1, 1),
        goods_ids=tuple(goods_ids),
    )
    return registry.register_receipt(world.pool, replace(made, **other), "loader", NOW)


def offered(world: World, goods_ids: list[str], facility_id: str = "F-1", receipt_no: str | None = None, tenant_id: str = TENANT) -> Pledge:
    command = CreatePledge(tenant_id=tenant_id, facility_id=facility_id, goods_ids=tuple(goods_ids), receipt_no=receipt_no)
    return facilities.create_pledge(world.pool, command, "loader", NOW)


def approved(world: World, draft: Pledge) -> Pledge:
    return facilities.approve_pledge(world.pool, draft.tenant_id, draft.pledge_id, "approver", NOW)


def rival(world: World) -> None:
    """A second tenant with a facility F-R of its own."""
    registry.ensure_tenant(world.pool, OTHER, "Rival", NOW)
    for party_id, role in (("R-TRADER", "BORROWER"), ("R-BANK", "LENDER")):
        party = RegisterParty(party_id=party_id, tenant_id=OTHER, name=party_id, name_zh=party_id, roles=(role,))
        registry.register_party(world.pool, party, "loader", NOW)
    terms = facility("F-R", tenant_id=OTHER, borrower_party_id="R-TRADER", lender_party_id="R-BANK")
    facilities.open_facility(world.pool, terms, "loader", NOW)
