"""What several rules say alike: whose loan a finding concerns, and how numbers read."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from risk.facts import Unit
from risk.facts_site import Holder
from risk.snapshot import money_sum

NAMED_MAX = 50


def of_unit(unit: Unit) -> dict[str, Any]:
    """The fields of a finding that one unit fills."""
    return {
        "facility_id": unit.facility_id,
        "pledge_id": unit.pledge_id,
        "warehouse_id": unit.warehouse_id,
        "exposure_at_risk": unit.value,
        "currency": unit.currency,
    }


def of_units(units: Sequence[Unit]) -> dict[str, Any]:
    """The fields of a finding that several units fill: the first pledged one names the loan, their values add up."""
    pledged = [u for u in units if u.pledged]
    first = pledged[0] if pledged else None
    return {
        "facility_id": first.facility_id if first else None,
        "pledge_id": first.pledge_id if first else None,
        "exposure_at_risk": money_sum([u.value for u in pledged or units]),
        "currency": next((u.currency for u in units if u.currency), None),
    }


def of_holder(holder: Holder) -> dict[str, Any]:
    """The fields of a finding about a place or a paper."""
    return {
        "facility_id": holder.facility_id,
        "pledge_id": holder.pledge_id,
        "exposure_at_risk": holder.value,
        "currency": holder.currency,
    }


def named(units: Sequence[Unit]) -> list[str]:
    """Ids for the evidence, not more than an officer reads."""
    return [u.goods_id for u in units][:NAMED_MAX]


def tonnes(kg: Decimal) -> str:
    """12.345 t"""
    return f"{kg / 1000:,.3f} t"
