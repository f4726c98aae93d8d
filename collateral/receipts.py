"""Warehouse receipts: what must stand on one, and how they are split and merged. Pure.

Mandatory elements: Civil Code article 909 and GB/T 30332-2024, 5.1. The names below are the law's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from zoneinfo import ZoneInfo

BANK_DAY = ZoneInfo("Asia/Shanghai")


class ReceiptState(StrEnum):
    """Where a receipt stands."""

    ISSUED = "ISSUED"
    ENDORSED = "ENDORSED"
    FROZEN = "FROZEN"
    CANCELLED = "CANCELLED"


class ReceiptEventKind(StrEnum):
    """What happened to it."""

    ISSUED = "ISSUED"
    PLEDGE_ENDORSED = "PLEDGE_ENDORSED"
    TRANSFERRED = "TRANSFERRED"
    RETURNED = "RETURNED"
    FROZEN = "FROZEN"
    UNFROZEN = "UNFROZEN"
    SPLIT = "SPLIT"
    MERGED = "MERGED"
    CANCELLED = "CANCELLED"


class ReceiptOrderKind(StrEnum):
    """What one person asks for and another decides."""

    ENDORSE = "ENDORSE"
    UNFREEZE = "UNFREEZE"
    SPLIT = "SPLIT"
    MERGE = "MERGE"
    CANCEL = "CANCEL"


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceiptElements:
    """What must stand on a receipt beside its number, keeper, dates, shrinkage rate and insured sum."""

    depositor_name: str
    depositor_address: str
    goods_name: str
    quantity: Decimal
    unit: str
    quality: str
    packing: str
    pieces: int
    marks: str
    shrinkage_standard: str
    storage_place: str
    storage_from: date
    storage_to: date
    storage_fee: Decimal
    insurer: str
    insurance_from: date
    issuer_name: str
    issue_place: str
    keeper_signatory: str
    electronic: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """A receipt as it stands, with the units that lie under it. elements None = the mandatory elements are not on record."""

    receipt_no: str
    tenant_id: str
    warehouse_id: str
    depositor_party_id: str
    keeper_party_id: str
    issued_at: datetime
    shrinkage_rate: Decimal
    insured_amount: Decimal
    currency: str
    insurance_until: date
    state: ReceiptState
    frozen_from: ReceiptState | None
    holder_party_id: str
    endorsee_party_id: str | None
    elements: ReceiptElements | None
    units: Mapping[str, tuple[Decimal, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What one of the receipts that a split makes covers."""

    receipt_no: str
    goods_ids: tuple[str, ...]
    insured_amount: Decimal
    storage_fee: Decimal
    pieces: int


def element_faults(receipt: Receipt, said: ReceiptElements, depositor_names: Sequence[str], keeper_names: Sequence[str]) -> list[str]:
    """What is wrong with the elements of a receipt, each with what would be right. Empty = complete and consistent."""
    faults = [f"{f.name} is blank" for f in fields(said) if isinstance(v := getattr(said, f.name), str) and not v.strip()]
    if said.depositor_name not in depositor_names:
        faults.append(f"depositor_name {said.depositor_name!r} is not the depositor's: {' or '.join(depositor_names)}")
    if said.issuer_name not in keeper_names:
        faults.append(f"issuer_name {said.issuer_name!r} is not the keeper's, who issues and signs: {' or '.join(keeper_names)}")
    faults += _quantity_faults(receipt, said)
    if said.pieces < len(receipt.units):
        faults.append(f"pieces {said.pieces} are {len(receipt.units) - said.pieces} fewer than the units under it")
    if said.storage_to <= said.storage_from:
        faults.append(f"storage_to {said.storage_to} does not come after storage_from {said.storage_from}")
    day = receipt.issued_at.astimezone(BANK_DAY).date()
    if said.storage_from > day:
        faults.append(f"storage_from {said.storage_from} comes after the day of issue {day}: a receipt is for goods that are in store")
    if not said.insurance_from <= day <= receipt.insurance_until:
        faults.append(f"the insurance, {said.insurance_from} to {receipt.insurance_until}, does not cover the day of issue {day}")
    if receipt.insured_amount <= 0:
        faults.append("insured_amount is 0")
    return faults


def _quantity_faults(receipt: Receipt, said: ReceiptElements) -> list[str]:
    odd = sorted(g for g, (_, unit) in receipt.units.items() if unit != said.unit)
    if odd:
        return [f"unit {said.unit} is not that of {odd[0]}, {receipt.units[odd[0]][1]}"]
    lies = sum((q for q, _ in receipt.units.values()), Decimal(0))
    if lies == said.quantity:
        return []
    return [f"quantity {_plain(said.quantity)} is {_plain(abs(said.quantity - lies))} {said.unit} off the units under it, {_plain(lies)}"]


def split_faults(receipt: Receipt, parts: Sequence[Part]) -> list[str]:
    """Why a receipt cannot be split so: every unit under exactly one part; sums, fees and pieces add up."""
    assert receipt.elements is not None
    named = [g for part in parts for g in part.goods_ids]
    numbers = [part.receipt_no for part in parts]
    faults = [] if len(parts) >= 2 else ["a split makes at least two receipts"]
    if len(set(numbers)) != len(numbers) or receipt.receipt_no in numbers:
        faults.append("each part needs a number of its own")
    for what, odd in (
        ("left out", set(receipt.units) - set(named)),
        ("not under it", set(named) - set(receipt.units)),
        ("named twice", {g for g in named if named.count(g) > 1}),
    ):
        if odd:
            shown = ", ".join(sorted(odd)[:5]) + (" ..." if len(odd) > 5 else "")
            faults.append(f"{len(odd)} units are {what}: {shown}")
    totals: tuple[tuple[str, Decimal, Decimal], ...] = (
        ("insured_amount", sum((p.insured_amount for p in parts), Decimal(0)), receipt.insured_amount),
        ("storage_fee", sum((p.storage_fee for p in parts), Decimal(0)), receipt.elements.storage_fee),
        ("pieces", Decimal(sum(p.pieces for p in parts)), Decimal(receipt.elements.pieces)),
    )
    for name, said, whole in totals:
        if said != whole:
            side = "more" if said > whole else "less"
            faults.append(f"{name} of the parts is {_plain(said)}, {_plain(abs(said - whole))} {side} than the receipt's {_plain(whole)}")
    faults += [
        f"{p.receipt_no}: pieces {p.pieces} are fewer than its {len(p.goods_ids)} units" for p in parts if p.pieces < len(p.goods_ids)
    ]
    faults += [f"{p.receipt_no}: nothing is insured" for p in parts if p.insured_amount <= 0]
    return faults


_ALIKE = ("warehouse_id", "depositor_party_id", "keeper_party_id", "holder_party_id", "currency", "shrinkage_rate", "insurance_until")
_ALIKE_ELEMENTS = (
    "goods_name", "unit", "quality", "packing", "shrinkage_standard", "storage_place", "storage_to", "insurer", "insurance_from",
)  # fmt: skip


def merge_faults(receipts: Sequence[Receipt]) -> list[str]:
    """Why these receipts cannot become one: what must be alike on both and is not. Each difference is named with both values."""
    faults = [] if len(receipts) >= 2 else ["a merge takes at least two receipts"]
    first = receipts[0]
    for other in receipts[1:]:
        pairs = [(name, getattr(first, name), getattr(other, name)) for name in _ALIKE]
        pairs += [(name, getattr(first.elements, name), getattr(other.elements, name)) for name in _ALIKE_ELEMENTS]
        faults += [f"{name} differs: {first.receipt_no} {a}, {other.receipt_no} {b}" for name, a, b in pairs if a != b]
    return faults


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
