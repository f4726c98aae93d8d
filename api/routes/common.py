"""What routes share: types of parameters, documented errors, lists of things to register."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from api.models.base import In, Out
from api.problems import documented

T = TypeVar("T", bound=BaseModel)

_CLEAN = r"^[^\x00-\x1f\x7f]+$"
PathId = Annotated[str, Path(min_length=1, max_length=128, pattern=_CLEAN)]
Filter = Annotated[str | None, Query(min_length=1, max_length=128, pattern=_CLEAN)]

READ_ERRORS: dict[int | str, dict[str, Any]] = documented(401, 403, 404, 422, 500, 503)
WRITE_ERRORS: dict[int | str, dict[str, Any]] = documented(401, 403, 404, 409, 413, 422, 500, 503)
VERSIONED_ERRORS: dict[int | str, dict[str, Any]] = {**WRITE_ERRORS, **documented(412)}


class Items(In, Generic[T]):
    """Several things to register, all or nothing."""

    items: Annotated[list[T], Field(min_length=1, max_length=1000)]


class RegisteredMany(Out):
    """Ids in the order given."""

    registered: int
    ids: list[str]


def router(tag: str) -> APIRouter:
    """A router whose routes carry this tag."""
    return APIRouter(tags=[tag])


def listed(body: Any) -> list[Any]:
    """The things in a body that is one of them or a list of them."""
    return list(body.items) if isinstance(body, Items) else [body]
