"""What V02, V03 and V04 say alike about a facility and its newest mark."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from risk.facts import Facility, Mark
from risk.rule import Finding, Severity, Subject, SubjectKind
from risk.thresholds import Tuned


def percent(mark: Mark) -> str:
    """Coverage for people: 128.7 %, or none."""
    return "none" if mark.coverage is None else f"{mark.coverage * 100:.1f} %"


def facility_finding(
    facility: Facility,
    mark: Mark | None,
    severity: Severity,
    at: datetime,
    summary: str,
    summary_zh: str,
    evidence: dict[str, Any],
    tuned: Tuned | None = None,
) -> Finding:
    """A finding about a facility with the figures of its mark."""
    figures: dict[str, Any] = {}
    if mark is not None:
        figures = {
            "valuation_id": mark.valuation_id,
            "as_of": mark.as_of,
            "coverage": mark.coverage,
            "collateral_value": mark.collateral_value,
            "exposure": mark.exposure,
            "warning_line": mark.warning_line,
            "margin_call_line": mark.margin_call_line,
            "disposal_line": mark.disposal_line,
        }
    return Finding(
        subject=Subject(tenant_id=facility.tenant_id, kind=SubjectKind.FACILITY, id=facility.facility_id),
        severity=severity,
        occurred_at=at,
        facility_id=facility.facility_id,
        exposure_at_risk=mark.exposure if mark else None,
        currency=facility.currency,
        summary=summary,
        summary_zh=summary_zh,
        evidence={**figures, **evidence},
        thresholds=None if tuned is None else tuned.shown(),
    )
