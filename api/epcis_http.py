"""EPCIS 2.0 over HTTP: version and media type negotiation, the standard's headers, and its names for errors in every problem."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from api.errors import answer_for, validation_answer
from api.problems import PROBLEM_MEDIA_TYPE
from collateral.epcis.document import EVENTS_MAX
from collateral.epcis.errors import MediaTypeRefused, VersionNotSupported

VERSION = "2.0.0"
MEDIA_TYPES = ("application/json", "application/ld+json")
HEADERS: Mapping[str, str] = {
    "GS1-EPCIS-Version": VERSION,
    "GS1-EPCIS-Min": VERSION,
    "GS1-EPCIS-Max": VERSION,
    "GS1-CBV-Version": VERSION,
    "GS1-CBV-Min": VERSION,
    "GS1-CBV-Max": VERSION,
    "GS1-EPC-Format": "Never_Translates",
    "GS1-CBV-XML-Format": "Never_Translates",
}
_EXCEPTIONS = {
    400: "ValidationException",
    401: "SecurityException",
    403: "SecurityException",
    404: "NoSuchNameException",
    406: "NotAcceptableException",
    409: "ResourceAlreadyExistsException",
    413: "CaptureLimitExceededException",
    414: "URITooLongException",
    415: "UnsupportedMediaTypeException",
}
_BY_CODE = {
    "epcis_query_parameter": "QueryParameterException",
    "epcis_query_too_large": "QueryTooLargeException",
    "validation_failed": "QueryParameterException",
}
_VERSION = re.compile(r"\d{1,3}(\.\d{1,3}){0,2}", re.ASCII)


def as_epcis(response: Response) -> Response:
    """A problem with the standard's exception as its type; a value that is refused is 400 there, not 422. Other answers stay."""
    if response.headers.get("content-type") != PROBLEM_MEDIA_TYPE:
        return response
    body: dict[str, Any] = json.loads(bytes(response.body))
    status = 400 if response.status_code == 422 else response.status_code
    name = _BY_CODE.get(body["code"]) or _EXCEPTIONS.get(status, "ImplementationException")
    body |= {"type": f"epcisException:{name}", "status": status}
    if status == 400:
        body["title"] = "Bad request"
    headers = {k: v for k, v in response.headers.items() if k not in ("content-length", "content-type")}
    return Response(json.dumps(body, ensure_ascii=True).encode(), status_code=status, media_type=PROBLEM_MEDIA_TYPE, headers=headers)


def _number(text: str) -> tuple[int, int]:
    if _VERSION.fullmatch(text) is None:
        raise VersionNotSupported(f"{text[:40]!r} is not a version.", supported=VERSION)
    major, _, rest = text.partition(".")
    return int(major), int(rest.partition(".")[0] or 0)


def negotiate(request: Request) -> None:
    """Raises VersionNotSupported when the headers ask for what is not here, MediaTypeRefused when the body is no JSON."""
    asked = request.headers
    for family in ("EPCIS", "CBV"):
        exact, low, high = (asked.get(f"GS1-{family}-{kind}") for kind in ("Version", "Min", "Max"))
        if (exact and _number(exact) != (2, 0)) or (low and _number(low) > (2, 0)) or (high and _number(high) < (2, 0)):
            raise VersionNotSupported(f"{family} {VERSION} is what there is.", supported=VERSION)
    if asked.get("GS1-EPC-Format") in ("Always_GS1_Digital_Link", "Always_EPC_URN"):
        raise VersionNotSupported("Identifiers are given back as they came.", supported="Never_Translates")
    accepted = [part.partition(";")[0].strip().lower() for part in asked.get("accept", "*/*").split(",")]
    if not any(a in ("*/*", "application/*", "", PROBLEM_MEDIA_TYPE, *MEDIA_TYPES) for a in accepted):
        raise VersionNotSupported("Answers are application/json or application/ld+json.", supported=", ".join(MEDIA_TYPES))
    if request.method == "POST":
        given = asked.get("content-type", "").partition(";")[0].strip().lower()
        if given not in MEDIA_TYPES:
            raise MediaTypeRefused(given=given[:80], supported=list(MEDIA_TYPES))


class EpcisRoute(APIRoute):
    """A route of the EPCIS interfaces."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]  # the base says Coroutine
        """The route's handler inside negotiation, the standard's headers and its errors."""
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            try:
                negotiate(request)
                response = await inner(request)
            except RequestValidationError as exc:
                response = validation_answer(exc).response()
            except HTTPException:
                raise
            except Exception as exc:
                answer = answer_for(exc)
                if answer is None or answer.status >= 500:
                    raise
                response = answer.response()
            response = as_epcis(response)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            response.headers["GS1-EPCIS-Capture-Limit"] = str(EVENTS_MAX)
            response.headers["GS1-EPCIS-Capture-File-Size-Limit"] = str(request.app.state.body_bytes_max)
            return response

        return handler
