"""Master data, goods, tags, devices, papers, trips and prices: validated, written in one transaction each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from collateral.commands import (
    BindTag,
    GoodsRegistration,
    MapAntenna,
    PriceReport,
    RegisterCommodity,
    RegisterDevice,
    RegisterDocument,
    RegisterParty,
    RegisterReceipt,
    RegisterTrip,
    RegisterWarehouse,
    RegisterZone,
)
from collateral.model import Device, DeviceCredential, PriceResult
from db.pool import Pool

GOODS_MAX = 5000


def ensure_tenant(pool: Pool, tenant_id: str, name: str, now: datetime) -> None:
    """Create the tenant when it is not there."""
    raise NotImplementedError


def register_party(pool: Pool, command: RegisterParty, actor: str, now: datetime) -> str:
    raise NotImplementedError


def register_warehouse(pool: Pool, command: RegisterWarehouse, actor: str, now: datetime) -> str:
    raise NotImplementedError


def register_zone(pool: Pool, command: RegisterZone, actor: str, now: datetime) -> str:
    raise NotImplementedError


def register_commodity(pool: Pool, command: RegisterCommodity, actor: str, now: datetime) -> str:
    raise NotImplementedError


def register_goods(pool: Pool, tenant_id: str, goods: Sequence[GoodsRegistration], actor: str, now: datetime) -> int:
    """All or nothing; returns how many."""
    raise NotImplementedError


def bind_tag(pool: Pool, command: BindTag, actor: str, now: datetime) -> None:
    raise NotImplementedError


def unbind_tag(pool: Pool, tenant_id: str, goods_id: str, tag_epc: str, actor: str, now: datetime) -> None:
    raise NotImplementedError


def register_device(pool: Pool, command: RegisterDevice, actor: str, now: datetime) -> tuple[Device, DeviceCredential]:
    """The device and its secret, shown this once."""
    raise NotImplementedError


def rotate_device_credential(pool: Pool, tenant_id: str, device_id: str, actor: str, now: datetime) -> DeviceCredential:
    raise NotImplementedError


def revoke_device_credential(pool: Pool, tenant_id: str, device_id: str, actor: str, now: datetime) -> None:
    raise NotImplementedError


def map_antenna(pool: Pool, command: MapAntenna, actor: str, now: datetime) -> None:
    raise NotImplementedError


def register_receipt(pool: Pool, command: RegisterReceipt, actor: str, now: datetime) -> str:
    raise NotImplementedError


def register_documents(pool: Pool, documents: Sequence[RegisterDocument], actor: str, now: datetime) -> list[str]:
    """document ids, in the order given."""
    raise NotImplementedError


def register_trip(pool: Pool, command: RegisterTrip, actor: str, now: datetime) -> str:
    raise NotImplementedError


def set_trip_status(pool: Pool, tenant_id: str, trip_id: str, status: str, actor: str, now: datetime) -> None:
    raise NotImplementedError


def record_prices(pool: Pool, reports: Sequence[PriceReport], now: datetime) -> list[PriceResult]:
    """One result per report, in the order given."""
    raise NotImplementedError


def accept_price(pool: Pool, price_id: str, actor: str, reason: str, now: datetime) -> PriceResult:
    """A person's word for a quarantined price."""
    raise NotImplementedError
