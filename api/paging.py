"""Cursor pagination: a cursor is the sort key of the last row shown, so pages stay stable while rows arrive."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from collateral.errors import RejectedInput

T = TypeVar("T")

LIMIT_DEFAULT = 100
LIMIT_MAX = 1000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX, description="Rows per page")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before; leave out for the first page")]


class InvalidCursor(RejectedInput):
    """This cursor was not made here, or for another list."""

    code = "invalid_cursor"


class Page(BaseModel, Generic[T]):
    """A page of rows. `next_cursor` is null on the last page."""

    items: list[T] = Field(description="Rows in the list's order")
    next_cursor: str | None = Field(description="Pass as `cursor` to read on")


def encode_cursor(name: str, key: Sequence[Any]) -> str:
    """An opaque, URL-safe cursor of list `name`."""
    values = [v.isoformat() if isinstance(v, datetime | date) else v for v in key]
    return base64.urlsafe_b64encode(json.dumps([name, *values], separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(name: str, cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The sort key, each value of the kind given. Raises InvalidCursor on anything that encode_cursor would not have made."""
    try:
        raw = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        if not isinstance(raw, list) or len(raw) != len(kinds) + 1 or raw[0] != name:
            raise InvalidCursor
        return [_typed(value, kind) for value, kind in zip(raw[1:], kinds, strict=True)]
    except (binascii.Error, ValueError, RecursionError) as exc:
        raise InvalidCursor from exc


def _typed(value: Any, kind: type) -> Any:
    if kind is datetime and isinstance(value, str):
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise InvalidCursor
        return at
    if kind is date and isinstance(value, str):
        return date.fromisoformat(value)
    if kind is int and isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
        return value
    if kind is str and isinstance(value, str) and "\x00" not in value:
        return value
    raise InvalidCursor


@dataclass(frozen=True)
class SortKey:
    """What a list is sorted by: its name, and the column and kind of each part of the key."""

    name: str
    columns: tuple[str, ...]
    kinds: tuple[type, ...]

    def params(self, cursor: str | None) -> dict[str, Any]:
        """`after_0`, `after_1` ... for the query; None on the first page."""
        key = decode_cursor(self.name, cursor, self.kinds) if cursor else [None] * len(self.columns)
        return {f"after_{i}": value for i, value in enumerate(key)}

    def page(self, rows: list[dict[str, Any]], limit: int, shape: Callable[[dict[str, Any]], Any] = lambda row: row) -> dict[str, Any]:
        """The page of limit rows; the query reads one more to know whether there is a next page."""
        shown = rows[:limit]
        more = len(rows) > limit
        return {
            "items": [shape(row) for row in shown],
            "next_cursor": encode_cursor(self.name, [shown[-1][c] for c in self.columns]) if more else None,
        }
