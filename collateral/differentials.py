"""What own goods are worth against the quoted ones: differentials (加价) by grade, spec, brand and place (DOMAIN 2.6). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

KINDS = ("GRADE", "SPEC", "BRAND", "PLACE")


@dataclass(frozen=True, kw_only=True, slots=True)
class Differential:
    """More or less than the reference price: amount per unit of the commodity, ex-VAT, in currency; or share of it."""

    differential_id: str
    commodity_code: str
    kind: str
    applies_to: str
    amount: Decimal | None = None
    currency: str | None = None
    share: Decimal | None = None


Table = Mapping[tuple[str, str], Differential]


def table(general: Iterable[Differential], own: Iterable[Differential]) -> dict[tuple[str, str], Differential]:
    """Differentials of one commodity by (kind, what they apply to); a facility's own stand before the tenant's general ones."""
    return {(d.kind, d.applies_to): d for d in (*general, *own)}


def adjusted(reference: Decimal, marks: Mapping[str, str | None], differentials: Table, currency: str) -> tuple[Decimal, tuple[str, ...]]:
    """(price per unit, ids of what was applied): amounts are added first, shares are taken of the sum.

    marks: the unit's own grade, spec, brand and place by kind. An amount in another currency is not applied, nor is what no unit carries.
    """
    found = [d for kind in KINDS if (mark := marks.get(kind)) is not None and (d := differentials.get((kind, mark))) is not None]
    found = [d for d in found if d.amount is None or d.currency == currency]
    price = reference + sum((d.amount for d in found if d.amount is not None), Decimal(0))
    for d in found:
        if d.share is not None:
            price *= 1 + d.share
    return price, tuple(d.differential_id for d in found)
