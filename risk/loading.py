"""What the loaders of the snapshot share. What devices and papers say is read leniently here: a number that is none is not known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, LiteralString, Protocol

from psycopg import Connection
from psycopg.rows import dict_row

from risk.facts import Unit
from risk.facts_site import NOBODY, Holder

Row = dict[str, Any]
NUMBER_MAX = Decimal(10) ** 15


class Valuer(Protocol):
    """Values goods at the newest accepted prices."""

    def value(
        self, commodity: str, quantity: Decimal, unit: str, invoice: Decimal | None, invoice_currency: str | None
    ) -> tuple[Decimal | None, str | None]: ...

    def unit(self, row: Mapping[str, Any]) -> Unit: ...


Loader = Callable[[Connection[Any], Valuer, Row], dict[str, Any]]


def fetch(conn: Connection[Any], query: LiteralString, params: Mapping[str, Any]) -> list[Row]:
    """All rows of a query, as dictionaries."""
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(query, params).fetchall()


def grouped(found: Iterable[Row], *keys: str) -> dict[Any, list[Row]]:
    """Rows by the value of a column, or by the values of several."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in found:
        groups[row[keys[0]] if len(keys) == 1 else tuple(row[k] for k in keys)].append(row)
    return groups


def number(said: Any) -> Decimal | None:
    """A finite number of a sane size, None for anything else."""
    if isinstance(said, bool) or not isinstance(said, int | float | str | Decimal):
        return None
    try:
        made = Decimal(str(said)[:60])
    except InvalidOperation:
        return None
    return made if made.is_finite() and abs(made) < NUMBER_MAX else None


def text(said: Any, characters_max: int = 96) -> str | None:
    """A short text without control characters, None for anything else."""
    return said if isinstance(said, str) and 0 < len(said) <= characters_max and said.isprintable() else None


def texts(said: Any) -> list[str]:
    """The texts in a list, or the one text."""
    return [t for v in (said if isinstance(said, list) else [said])[:1000] if (t := text(v)) is not None]


def net_kg(payload: Mapping[str, Any]) -> tuple[Decimal | None, bool]:
    """(weight, whether it holds the packing): the net weight, or gross less tare; a gross weight without tare says so."""
    net, gross, tare = (number(payload.get(name)) for name in ("net_kg", "gross_kg", "tare_kg"))
    if net is None and gross is not None and tare is not None:
        net = gross - tare
    if net is not None:
        return (net, False) if net > 0 else (None, False)
    return (gross, True) if gross is not None and gross > 0 else (None, False)


def holder_of(row: Mapping[str, Any], value: Decimal | None = None, currency: str | None = None) -> Holder:
    """The loan that rests on a place or a paper, from its columns pledge_id, facility_id, units_pledged."""
    if row.get("pledge_id") is None:
        return NOBODY
    return Holder(
        pledge_id=row["pledge_id"],
        facility_id=row["facility_id"],
        units_pledged=row.get("units_pledged") or 0,
        value=value,
        currency=currency,
    )
