"""The single mapping from errors to HTTP answers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.problems import problem_response
from api.throttle import TooManyAttempts
from api.tokens import NotAuthenticated
from collateral.epcis import errors as epcis
from collateral.errors import (
    ChuantouError,
    Forbidden,
    LedgerRefusal,
    MisconfiguredService,
    NotFound,
    RejectedInput,
    StoreUnavailable,
)

log = logging.getLogger(__name__)

RETRY_AFTER_S = 2


class VersionMismatch(ChuantouError):
    """Someone changed this in the meantime; read it again."""

    code = "version_mismatch"


class BodyTooLarge(ChuantouError):
    """The request body is too large."""

    code = "body_too_large"


class StreamsClosed(StoreUnavailable):
    """This process is stopping; connect again."""

    code = "stopping"


@dataclass(frozen=True)
class Answer:
    """An error as HTTP says it."""

    status: int
    code: str
    detail: str
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """The answer, ready to send."""
        return problem_response(self.status, self.code, self.detail, self.details, self.headers)


_STATUS: tuple[tuple[type[ChuantouError], int], ...] = (
    (NotAuthenticated, 401),
    (TooManyAttempts, 429),
    (VersionMismatch, 412),
    (BodyTooLarge, 413),
    (epcis.InvalidEpcis, 400),
    (epcis.QueryParameterRefused, 400),
    (epcis.VersionNotSupported, 406),
    (epcis.CaptureLimitExceeded, 413),
    (epcis.QueryTooLarge, 413),
    (epcis.MediaTypeRefused, 415),
    (RejectedInput, 422),
    (NotFound, 404),
    (Forbidden, 403),
    (LedgerRefusal, 409),
    (StoreUnavailable, 503),
    (MisconfiguredService, 500),
)

_SAME_PERSON_CONSTRAINTS = frozenset(
    {
        "pledge_maker_is_not_checker",
        "release_requester_is_not_maker",
        "release_maker_is_not_checker",
        "release_second_checker_is_another",
        "alert_closed_by_two",
        "price_override_by_two",
        "price_differential_by_two",
        "ledger_correction_by_two",
    }
)
_HTTP_CODES = {400: "malformed_request", 404: "not_found", 405: "method_not_allowed", 413: "body_too_large", 415: "unsupported_media_type"}


def answer_for(exc: Exception) -> Answer | None:
    """What HTTP says to this error; None = it is a fault of ours."""
    if isinstance(exc, ChuantouError):
        return _ours(exc)
    if isinstance(exc, psycopg.Error | PoolTimeout | PoolClosed | TooManyRequests):
        return _store(exc)
    if isinstance(exc, UnicodeEncodeError):
        return Answer(422, "rejected_input", "The text holds a character that cannot be stored.")
    return None


def _ours(exc: ChuantouError) -> Answer:
    status = next((s for kind, s in _STATUS if isinstance(exc, kind)), 500)
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 429:
        headers["Retry-After"] = str(exc.details.get("retry_after_s", RETRY_AFTER_S))
    if status == 503:
        headers["Retry-After"] = str(RETRY_AFTER_S)
    if status >= 500:  # the words may name hosts and statements; they are logged
        return Answer(status, exc.code, (type(exc).__doc__ or "").strip(), {}, headers)
    return Answer(status, exc.code, str(exc), dict(exc.details), headers)


def _store(exc: Exception) -> Answer | None:
    errors = psycopg.errors
    if isinstance(exc, errors.UniqueViolation | errors.ExclusionViolation):
        return Answer(409, "conflict", "This contradicts what is recorded already.", _constraint(exc))
    if isinstance(exc, errors.ForeignKeyViolation):
        return Answer(422, "unknown_reference", "This names something that is not registered.", _constraint(exc))
    if isinstance(exc, errors.CheckViolation) and exc.diag.constraint_name in _SAME_PERSON_CONSTRAINTS:
        return Answer(409, "same_person", "A second person has to do this step.", _constraint(exc))
    if isinstance(exc, psycopg.IntegrityError | psycopg.DataError):
        return Answer(422, "rejected_input", "The store refuses a value.", _constraint(exc))
    if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError | PoolTimeout | PoolClosed | TooManyRequests):
        return Answer(503, "store_unavailable", "The store cannot be reached; try again.", {}, {"Retry-After": str(RETRY_AFTER_S)})
    return None


def _constraint(exc: psycopg.Error) -> dict[str, Any]:
    return {"constraint": exc.diag.constraint_name} if exc.diag.constraint_name else {}


def validation_answer(exc: RequestValidationError) -> Answer:
    """What HTTP says to a request that does not fit its route."""
    fields = [{"at": ".".join(str(p) for p in e["loc"]), "why": e["msg"], "kind": e["type"]} for e in exc.errors()]
    if any(f["kind"] == "json_invalid" for f in fields):
        return Answer(422, "malformed_json", "The body is not JSON.", {"fields": fields[:1]})
    return Answer(422, "validation_failed", "Some fields are wrong.", {"fields": fields[:50], "count": len(fields)})


def install(app: FastAPI) -> None:
    """Every error of every route leaves through here."""

    async def known(request: Request, exc: Exception) -> Response:
        answer = answer_for(exc)
        if answer is None:
            return await unknown(request, exc)
        if answer.status >= 500:
            log.warning(
                "request failed", extra={"event": "request_failed", "path": request.url.path, "code": answer.code, "error": str(exc)}
            )
        return answer.response()

    async def unknown(request: Request, exc: Exception) -> Response:
        log.error("internal error", exc_info=exc, extra={"event": "internal_error", "path": request.url.path})
        return Answer(500, "internal_error", "Something went wrong on our side; it is logged.").response()

    async def validation(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, RequestValidationError)
        return validation_answer(exc).response()

    async def http(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, HTTPException)
        code = _HTTP_CODES.get(exc.status_code, "http_error")
        return Answer(exc.status_code, code, str(exc.detail), {}, dict(exc.headers or {})).response()

    for kind in (ChuantouError, psycopg.Error, PoolTimeout, PoolClosed, TooManyRequests, UnicodeEncodeError):
        app.add_exception_handler(kind, known)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, unknown)
