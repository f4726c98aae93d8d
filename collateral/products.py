"""What a product allows a facility to be: pledge mode, tenor, cure, cost of a sale, advance by group of commodities (DOMAIN 2.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from collateral.commands import OpenFacility

ANY_GROUP = "*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """A row of the product table with its advance table: highest advance by commodity group, '*' for any other."""

    product: str
    name: str
    name_zh: str
    pledge_modes: tuple[str, ...]
    tenor_days_max: int
    cure_hours_max: int
    cure_days_max: int
    disposal_cost_min: Decimal
    advances: Mapping[str, Decimal]

    def advance_max(self, group: str) -> Decimal | None:
        """The highest advance of a group; None = the product does not take it."""
        return self.advances.get(group, self.advances.get(ANY_GROUP))


def departures(product: Product, facility: OpenFacility, opened_on: date, groups: Mapping[str, str]) -> list[str]:
    """Where a facility goes beyond its product, each with the figure that would pass. groups: commodity group by code."""
    found = []
    if facility.pledge_mode not in product.pledge_modes:
        found.append(f"pledge mode {facility.pledge_mode} is not one of {', '.join(product.pledge_modes)}")
    tenor = (facility.matures_on - opened_on).days
    if tenor > product.tenor_days_max:
        found.append(f"a tenor of {tenor} days is {tenor - product.tenor_days_max} more than {product.tenor_days_max}")
    longest = product.cure_hours_max if facility.cure_unit == "HOURS" else product.cure_days_max
    if facility.cure_length > longest:
        found.append(f"a cure of {facility.cure_length} {facility.cure_unit} is longer than {longest}")
    if facility.disposal_cost < product.disposal_cost_min:
        found.append(f"a disposal cost of {facility.disposal_cost} is below {product.disposal_cost_min}")
    for commodity in facility.commodities:
        code = commodity.commodity_code
        if code not in groups:
            continue  # the store says that it is unknown
        highest = product.advance_max(groups[code])
        if highest is None:
            found.append(f"{code}: goods of the group {groups[code]} are not taken")
        elif commodity.advance_rate > highest:
            over = commodity.advance_rate - highest
            found.append(f"{code}: an advance of {commodity.advance_rate} is {over} above {highest}")
    return found
