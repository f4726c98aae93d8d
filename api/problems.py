"""The one shape of every error answer: RFC 9457 problem details with a stable `code`."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

PROBLEM_MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "urn:chuantou:problem:already_pledged",
                "title": "Conflict",
                "status": 409,
                "detail": "These goods already secure a loan.",
                "code": "already_pledged",
                "details": {"goods_ids": ["COIL-SH-000417"]},
            }
        }
    )

    type: str = Field(description="URN that ends in the code")
    title: str = Field(description="What the status means")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="A sentence for people")
    code: str = Field(description="Stable, machine-readable")
    details: dict[str, Any] = Field(description="The figures: ids, amounts, the fields that are wrong")


_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Precondition failed",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Rejected input",
    429: "Too many requests",
    500: "Internal error",
    503: "Store unavailable",
}


def plain(value: Any) -> Any:
    """The value as JSON can carry it: decimals as strings, times in RFC 3339 UTC."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def problem_body(status: int, code: str, detail: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
    """The body as a dict."""
    return {
        "type": f"urn:chuantou:problem:{code}",
        "title": _TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "details": plain(details or {}),
    }


def problem_response(
    status: int, code: str, detail: str, details: dict[str, Any] | None = None, headers: dict[str, str] | None = None
) -> Response:
    """The answer, ready to send."""
    body = json.dumps(problem_body(status, code, detail, details), ensure_ascii=True).encode()
    return Response(body, status_code=status, media_type=PROBLEM_MEDIA_TYPE, headers=headers)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route for these statuses."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {s: {"description": _TITLES[s], "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}} for s in statuses}
