"""Who may do what: one table, read by every route."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """Mirrored by the CHECK on app_user.roles."""

    RISK_OFFICER = "risk_officer"
    APPROVER = "approver"
    WAREHOUSE_OPERATOR = "warehouse_operator"
    DEVICE_ADMIN = "device_admin"
    AUDITOR = "auditor"
    ADMIN = "admin"
    SYSTEM = "system"


class Permission(StrEnum):
    """One per kind of act."""

    READ = "read"
    AUDIT_READ = "audit.read"
    USER_MANAGE = "user.manage"
    MASTER_WRITE = "master.write"
    GOODS_WRITE = "goods.write"
    TAG_BIND = "tag.bind"
    DEVICE_WRITE = "device.write"
    FACILITY_OPEN = "facility.open"
    PLEDGE_CREATE = "pledge.create"
    PLEDGE_APPROVE = "pledge.approve"
    RELEASE_REQUEST = "release.request"
    RELEASE_MAKE = "release.make"
    RELEASE_CHECK = "release.check"
    RELEASE_CANCEL = "release.cancel"
    CASH_POST = "cash.post"
    CORRECTION_ASK = "correction.ask"
    CORRECTION_DECIDE = "correction.decide"
    RATE_SET = "rate.set"
    CERTIFICATE_ISSUE = "certificate.issue"
    PRICE_VOUCH = "price.vouch"
    PRICE_DECIDE = "price.decide"
    ALERT_COMMENT = "alert.comment"
    ALERT_WORK = "alert.work"
    ALERT_CLOSE = "alert.close"
    MARGIN_ACKNOWLEDGE = "margin.acknowledge"
    DISPOSAL_APPROVE = "disposal.approve"
    DISPOSAL_WITHDRAW = "disposal.withdraw"
    JOB_RUN = "job.run"
    RULE_TUNE = "rule.tune"
    INGEST_POST = "ingest.post"
    DEAD_LETTER_WORK = "dead_letter.work"
    HOLD_PLACE = "hold.place"
    RECEIPT_RECORD = "receipt.record"
    RECEIPT_FREEZE = "receipt.freeze"
    RECEIPT_ASK = "receipt.ask"
    RECEIPT_DECIDE = "receipt.decide"
    EPCIS_CAPTURE = "epcis.capture"
    EPCIS_PLACE = "epcis.place"
    EPCIS_QUERY = "epcis.query"


_R = Role
MATRIX: MappingProxyType[Permission, frozenset[Role]] = MappingProxyType(
    {
        Permission.READ: frozenset(Role),
        Permission.AUDIT_READ: frozenset({_R.AUDITOR, _R.ADMIN}),
        Permission.USER_MANAGE: frozenset({_R.ADMIN}),
        Permission.MASTER_WRITE: frozenset({_R.SYSTEM}),
        Permission.GOODS_WRITE: frozenset({_R.SYSTEM}),
        Permission.TAG_BIND: frozenset({_R.SYSTEM, _R.WAREHOUSE_OPERATOR}),
        Permission.DEVICE_WRITE: frozenset({_R.SYSTEM, _R.DEVICE_ADMIN}),
        Permission.FACILITY_OPEN: frozenset({_R.SYSTEM}),
        Permission.PLEDGE_CREATE: frozenset({_R.SYSTEM, _R.RISK_OFFICER}),
        Permission.PLEDGE_APPROVE: frozenset({_R.APPROVER}),
        Permission.RELEASE_REQUEST: frozenset({_R.SYSTEM, _R.WAREHOUSE_OPERATOR}),
        Permission.RELEASE_MAKE: frozenset({_R.RISK_OFFICER}),
        Permission.RELEASE_CHECK: frozenset({_R.APPROVER}),
        Permission.RELEASE_CANCEL: frozenset({_R.WAREHOUSE_OPERATOR, _R.RISK_OFFICER, _R.APPROVER}),
        Permission.CASH_POST: frozenset({_R.SYSTEM}),
        Permission.CORRECTION_ASK: frozenset({_R.SYSTEM, _R.RISK_OFFICER}),
        Permission.CORRECTION_DECIDE: frozenset({_R.APPROVER}),
        Permission.RATE_SET: frozenset({_R.SYSTEM}),
        Permission.CERTIFICATE_ISSUE: frozenset({_R.SYSTEM, _R.RISK_OFFICER}),
        Permission.PRICE_VOUCH: frozenset({_R.SYSTEM, _R.RISK_OFFICER}),
        Permission.PRICE_DECIDE: frozenset({_R.APPROVER}),
        Permission.ALERT_COMMENT: frozenset({_R.RISK_OFFICER, _R.APPROVER, _R.WAREHOUSE_OPERATOR}),
        Permission.ALERT_WORK: frozenset({_R.RISK_OFFICER}),
        Permission.ALERT_CLOSE: frozenset({_R.RISK_OFFICER, _R.APPROVER}),
        Permission.MARGIN_ACKNOWLEDGE: frozenset({_R.RISK_OFFICER}),
        Permission.DISPOSAL_APPROVE: frozenset({_R.APPROVER}),
        Permission.DISPOSAL_WITHDRAW: frozenset({_R.RISK_OFFICER, _R.APPROVER}),
        Permission.JOB_RUN: frozenset({_R.RISK_OFFICER, _R.ADMIN}),
        Permission.RULE_TUNE: frozenset({_R.RISK_OFFICER}),
        Permission.INGEST_POST: frozenset({_R.SYSTEM, _R.DEVICE_ADMIN}),
        Permission.DEAD_LETTER_WORK: frozenset({_R.DEVICE_ADMIN, _R.SYSTEM}),
        Permission.HOLD_PLACE: frozenset({_R.AUDITOR, _R.RISK_OFFICER}),
        Permission.RECEIPT_RECORD: frozenset({_R.SYSTEM, _R.WAREHOUSE_OPERATOR}),
        Permission.RECEIPT_FREEZE: frozenset({_R.WAREHOUSE_OPERATOR, _R.RISK_OFFICER}),
        Permission.RECEIPT_ASK: frozenset({_R.WAREHOUSE_OPERATOR, _R.RISK_OFFICER}),
        Permission.RECEIPT_DECIDE: frozenset({_R.APPROVER}),
        Permission.EPCIS_CAPTURE: frozenset({_R.SYSTEM, _R.DEVICE_ADMIN}),
        Permission.EPCIS_PLACE: frozenset({_R.SYSTEM}),
        Permission.EPCIS_QUERY: frozenset(Role),
    }
)


def allowed(roles: Iterable[Role], permission: Permission) -> bool:
    """Whether one of these roles carries the permission."""
    return not MATRIX[permission].isdisjoint(roles)


def permissions_of(roles: Iterable[Role]) -> list[Permission]:
    """All that these roles may do, in the table's order; the desk shows only what will work."""
    held = set(roles)
    return [p for p, who in MATRIX.items() if not who.isdisjoint(held)]
