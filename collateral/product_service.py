"""Holds a facility to its product when it is opened; products are rows, not code."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from collateral import facility_store as store
from collateral.calendar import business_date
from collateral.commands import OpenFacility
from collateral.errors import RejectedInput
from collateral.products import Product, departures
from collateral.registry_store import many, one


def product_of(conn: Connection[Any], product: str) -> Product:
    """A product with its advance table. Raises RejectedInput on an unknown one."""
    row = one(conn, store.Q["product"], {"product": product})
    if row is None:
        raise RejectedInput(f"there is no product {product}", field="product")
    advances = {r["commodity_group"]: r["advance_max"] for r in many(conn, store.Q["product_advances"], {"product": product})}
    return Product(**{**row, "pledge_modes": tuple(row["pledge_modes"])}, advances=advances)


def require_within(conn: Connection[Any], facility: OpenFacility, opened_at: datetime) -> None:
    """Raises RejectedInput that names every departure from the product and the figure that would pass."""
    codes = [c.commodity_code for c in facility.commodities]
    groups = {r["commodity_code"]: r["commodity_group"] for r in many(conn, store.Q["commodity_groups"], {"codes": codes})}
    faults = departures(product_of(conn, facility.product), facility, business_date(opened_at), groups)
    if faults:
        raise RejectedInput(f"beyond the product {facility.product}: " + "; ".join(faults), field="product", faults=faults)
