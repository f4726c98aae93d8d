"""Margin calls and disposal cases: from a valuation to what people must do."""

from __future__ import annotations

from datetime import datetime

from collateral.model import DisposalCase, MarginCall, MarginOutcome
from db.pool import Pool


def apply_margin(pool: Pool, valuation_id: str, now: datetime) -> MarginOutcome:
    """Issue, cure or escalate a call, or draft a disposal case, as this valuation demands. Repeating it changes nothing."""
    raise NotImplementedError


def expire_calls(pool: Pool, now: datetime) -> list[MarginOutcome]:
    """Open calls past their cure deadline become ESCALATED and leave a disposal case in DRAFT."""
    raise NotImplementedError


def acknowledge_call(pool: Pool, tenant_id: str, call_id: str, actor: str, now: datetime) -> MarginCall:
    raise NotImplementedError


def approve_disposal(pool: Pool, tenant_id: str, case_id: str, actor: str, now: datetime) -> DisposalCase:
    """First approval records the approver, the second by another person makes the case APPROVED."""
    raise NotImplementedError


def withdraw_disposal(pool: Pool, tenant_id: str, case_id: str, actor: str, reason: str, now: datetime) -> DisposalCase:
    raise NotImplementedError
