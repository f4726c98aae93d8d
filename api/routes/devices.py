"""Devices, their credentials and antennas."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import store
from api.deps import ReadDep, Writer, writes
from api.models.base import Out
from api.models.enums import DeviceClass
from api.models.master import Antenna, Credential, CredentialRevoked, Device, DeviceWithCredential, NewAntenna, NewDevice
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.routes.common import READ_ERRORS, WRITE_ERRORS, Filter, PathId, router
from api.unit_of_work import Done
from collateral import registry_service
from collateral.commands import MapAntenna, RegisterDevice
from collateral.model import DeviceCredential
from db.pool import Pool

routes = router("devices")
DeviceWriter = Annotated[Writer, Depends(writes(Permission.DEVICE_WRITE))]
_SECRET = ("credential.password",)


class Antennas(Out):
    """Where a device's antennas listen, and listened."""

    items: list[Antenna]


@routes.get("/devices", response_model=Page[Device], responses=READ_ERRORS)
def list_devices(
    reader: ReadDep,
    warehouse_id: Filter = None,
    device_class: DeviceClass | None = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Devices by id, with what is known of them now."""
    return store.page(
        reader.pool,
        "devices",
        store.BY_ID["devices"],
        tenant=reader.tenant,
        limit=limit,
        cursor=cursor,
        shape=store.device_shape,
        warehouse_id=warehouse_id,
        device_class=device_class,
    )


@routes.post("/devices", status_code=201, response_model=DeviceWithCredential, responses=WRITE_ERRORS)
def register_device(body: NewDevice, writer: DeviceWriter) -> Response:
    """Register a device. Its credential is shown in this answer and never again."""

    def act(pool: Pool, now: datetime) -> Done:
        command = RegisterDevice(**body.model_dump(exclude={"class_"}), device_class=body.class_, tenant_id=writer.tenant)
        _, credential = registry_service.register_device(pool, command, writer.user.user_id, now)
        return _with_credential(pool, writer, body.device_id, credential, 201)

    return writer.perform("device.register", body, act)


@routes.get("/devices/{device_id}", response_model=Device, responses=READ_ERRORS)
def get_device(reader: ReadDep, device_id: PathId) -> store.Row:
    """One device."""
    with reader.pool.connection() as conn:
        return store.device_shape(store.one(conn, "devices", "device", device_id, tenant=reader.tenant))


@routes.post("/devices/{device_id}/credential", response_model=DeviceWithCredential, responses=WRITE_ERRORS)
def rotate_device_credential(device_id: PathId, writer: DeviceWriter) -> Response:
    """A new credential; the old one stops working."""

    def act(pool: Pool, now: datetime) -> Done:
        credential = registry_service.rotate_device_credential(pool, writer.tenant, device_id, writer.user.user_id, now)
        return _with_credential(pool, writer, device_id, credential, 200)

    return writer.perform("device.credential.rotate", None, act)


def _with_credential(pool: Pool, writer: Writer, device_id: str, credential: DeviceCredential, status: int) -> Done:
    with pool.connection() as conn:
        row = store.device_shape(store.one(conn, "devices", "device", device_id, tenant=writer.tenant))
    answer = DeviceWithCredential(device=Device.model_validate(row), credential=Credential.model_validate(asdict(credential)))
    return Done(answer, "device", device_id, status, secrets=_SECRET)


@routes.delete("/devices/{device_id}/credential", response_model=CredentialRevoked, responses=WRITE_ERRORS)
def revoke_device_credential(device_id: PathId, writer: DeviceWriter) -> Response:
    """The device can no longer sign in."""

    def act(pool: Pool, now: datetime) -> Done:
        registry_service.revoke_device_credential(pool, writer.tenant, device_id, writer.user.user_id, now)
        return Done(CredentialRevoked(device_id=device_id, revoked=True), "device", device_id)

    return writer.perform("device.credential.revoke", None, act)


@routes.get("/devices/{device_id}/antennas", response_model=Antennas, responses=READ_ERRORS)
def list_antennas(reader: ReadDep, device_id: PathId) -> dict[str, Any]:
    """Where a device's antennas listen, and listened."""
    with reader.pool.connection() as conn:
        store.one(conn, "devices", "device", device_id, tenant=reader.tenant)
        return {"items": store.rows(conn, "device_antennas", id=device_id)}


@routes.post("/devices/{device_id}/antennas", status_code=201, response_model=Antenna, responses=WRITE_ERRORS)
def map_antenna(device_id: PathId, body: NewAntenna, writer: DeviceWriter) -> Response:
    """Say where an antenna listens from a time on; ends the mapping before it."""

    def act(pool: Pool, now: datetime) -> Done:
        command = MapAntenna(tenant_id=writer.tenant, device_id=device_id, **body.model_dump())
        with pool.connection() as conn:
            store.one(conn, "devices", "device", device_id, tenant=writer.tenant)
        registry_service.map_antenna(pool, command, writer.user.user_id, now)
        with pool.connection() as conn:
            row = store.rows(conn, "device_antennas", id=device_id, antenna=body.antenna)[0]
        return Done(Antenna.model_validate(row), "device", device_id, 201, {"antenna": body.antenna, "zone_id": body.zone_id})

    return writer.perform("antenna.map", body, act)
