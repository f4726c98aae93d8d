"""Facilities, pledges, cash and releases. Each command is one transaction that takes its locks in one order: facility, then goods."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from collateral.commands import CashMovement, CreatePledge, OpenFacility, RequestRelease
from collateral.model import Pledge, PostedEntry, ReleaseOrder
from collateral.signing import ReleaseSigner
from db.pool import Pool


def open_facility(pool: Pool, command: OpenFacility, actor: str, now: datetime) -> str:
    raise NotImplementedError


def create_pledge(pool: Pool, command: CreatePledge, actor: str, now: datetime) -> Pledge:
    raise NotImplementedError


def approve_pledge(pool: Pool, tenant_id: str, pledge_id: str, actor: str, now: datetime) -> Pledge:
    raise NotImplementedError


def post_cash(pool: Pool, command: CashMovement, actor: str, now: datetime) -> PostedEntry:
    raise NotImplementedError


def request_release(pool: Pool, command: RequestRelease, actor: str, now: datetime) -> ReleaseOrder:
    raise NotImplementedError


def approve_release_as_maker(pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime) -> ReleaseOrder:
    raise NotImplementedError


def approve_release_as_checker(
    pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime, *, signer: ReleaseSigner
) -> ReleaseOrder:
    """Issues the order (pickup_code set, once) unless a second checker is needed."""
    raise NotImplementedError


def approve_release_as_second_checker(
    pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime, *, signer: ReleaseSigner
) -> ReleaseOrder:
    raise NotImplementedError


def cancel_release(pool: Pool, tenant_id: str, release_id: str, actor: str, now: datetime) -> ReleaseOrder:
    raise NotImplementedError


def expire_releases(pool: Pool, now: datetime) -> list[str]:
    """Close orders past their time; what is left over goes back to pledged. Returns release ids."""
    raise NotImplementedError


def record_gate_out(pool: Pool, goods_id: str, at: datetime, now: datetime, *, actor: str = "gate") -> ReleaseOrder | None:
    """Settle a unit that left under an issued order. None when no issued order covers this unit at this time. Repeating it changes nothing."""
    raise NotImplementedError


def settle_gate_out(conn: Connection[Any], goods_id: str, at: datetime, now: datetime, *, actor: str = "gate") -> ReleaseOrder | None:
    """record_gate_out inside the caller's transaction."""
    raise NotImplementedError
