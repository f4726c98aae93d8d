"""EPCIS 2.0: capture and query interfaces, at /epcis/v2."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Header, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from api.deps import ReadDep, UserDep, Writer, writes
from api.epcis_http import EpcisRoute
from api.models.base import Time
from api.models.epcis import (
    CaptureError,
    CaptureJob,
    CaptureJobs,
    CaptureRequest,
    Children,
    Collection,
    EpcisDocument,
    EpcisEvent,
    EventCaptured,
    NamedQueries,
    NamedQuery,
    NewPlace,
    NewQuery,
    Place,
    Places,
    QueryDeleted,
)
from api.paging import SortKey, encode_cursor
from api.permissions import Permission
from api.problems import documented, plain
from api.unit_of_work import Done
from collateral.epcis import capture_service, query_store
from collateral.epcis.capture_service import CaptureOutcome, ErrorBehaviour
from collateral.epcis.document import STANDARD_CONTEXT
from collateral.epcis.errors import InvalidEpcis
from collateral.epcis.event import canonical_event_id
from collateral.epcis.links import canonical
from collateral.epcis.query import KNOWN, PER_PAGE_DEFAULT, PER_PAGE_MAX, from_json, from_pairs, read_query
from db.pool import Pool

PREFIX = "/epcis/v2"
routes = APIRouter(tags=["epcis"], route_class=EpcisRoute)

_READ_ERRORS = documented(
    400, 401, 403, 404, 406, 413, 422, 500, 503
)  # 422 leaves as 400; it is named so that FastAPI adds none of its own
_WRITE_ERRORS = documented(400, 401, 403, 404, 406, 409, 413, 415, 422, 500, 503)
Capturer = Annotated[Writer, Depends(writes(Permission.EPCIS_CAPTURE))]
PlaceMapper = Annotated[Writer, Depends(writes(Permission.EPCIS_PLACE))]
QueryKeeper = Annotated[Writer, Depends(writes(Permission.EPCIS_QUERY))]
Behaviour = Annotated[
    ErrorBehaviour,
    Header(alias="GS1-EPCIS-Capture-Error-Behaviour", description="rollback: one bad event refuses all; proceed: the good ones are kept"),
]
PerPage = Annotated[int, Query(alias="perPage", ge=1, le=PER_PAGE_MAX, description="Rows per page")]
NextPage = Annotated[str | None, Query(alias="nextPageToken", max_length=500, description="From the Link header of the page before")]
Uri = Annotated[str, Path(min_length=1, max_length=2000)]
_NEWEST_CAPTURE = SortKey("epcis_captures", ("created_at", "capture_id"), (datetime, str))
_JSON_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "object"}} for kind in ("application/json", "application/ld+json")},
    }
}
_PARAMETERS: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": "SimpleEventQuery parameter"}
        for name in (*(k for k in KNOWN if not k.endswith("TYPE")), "EQ_bizTransaction_po", "EQ_source_owning_party", "nextPageToken")
    ]
}


class Resource(StrEnum):
    """Top-level resources of the query interface."""

    EVENT_TYPES = "eventTypes"
    EPCS = "epcs"
    BIZ_STEPS = "bizSteps"
    BIZ_LOCATIONS = "bizLocations"
    READ_POINTS = "readPoints"
    DISPOSITIONS = "dispositions"


_PARAMETER_OF = {
    Resource.EVENT_TYPES: "eventType",
    Resource.EPCS: "MATCH_anyEPC",
    Resource.BIZ_STEPS: "EQ_bizStep",
    Resource.BIZ_LOCATIONS: "EQ_bizLocation",
    Resource.READ_POINTS: "EQ_readPoint",
    Resource.DISPOSITIONS: "EQ_disposition",
}


async def _raw_body(request: Request) -> bytes:
    return await request.body()


RawBody = Annotated[bytes, Depends(_raw_body)]

# ---------------------------------------------------------------- discovery


@routes.options("/capture", include_in_schema=False)
@routes.options("/events", include_in_schema=False)
@routes.options("/queries", include_in_schema=False)
@routes.options("", include_in_schema=False)
def discover(request: Request, user: UserDep) -> Response:
    """Versions and limits, in the headers."""
    methods = {"capture": "GET, POST, OPTIONS", "events": "GET, POST, OPTIONS", "queries": "GET, POST, OPTIONS"}
    return Response(status_code=204, headers={"Allow": methods.get(request.url.path.rsplit("/", 1)[-1], "OPTIONS")})


# ---------------------------------------------------------------- capture


@routes.post(
    "/capture", status_code=202, response_model=CaptureJob, responses=_WRITE_ERRORS, openapi_extra=_JSON_BODY, name="capture_epcis_document"
)
def capture_document(writer: Capturer, raw: RawBody, behaviour: Behaviour = ErrorBehaviour.ROLLBACK) -> Response:
    """Capture an EPCISDocument, or a bare event. The job in the Location header is finished when this answers."""
    request = CaptureRequest(sha256=hashlib.sha256(raw).hexdigest(), behaviour=behaviour, single=False)

    def act(pool: Pool, now: datetime) -> Done:
        done = _captured(pool, writer, raw, now, behaviour)
        with pool.connection() as conn:
            job = _job(query_store.capture_job(conn, writer.tenant, done.capture_id))
        counts = {"received": job.received, "recorded": job.recorded, "repeated": job.repeated, "refused": job.refused}
        return Done(job, "epcis_capture", done.capture_id, 202, counts)

    response = writer.perform("epcis.capture", request, act)
    return _located(response, "captureID", "capture")


@routes.post(
    "/events", status_code=201, response_model=EventCaptured, responses=_WRITE_ERRORS, openapi_extra=_JSON_BODY, name="capture_epcis_event"
)
def capture_event(writer: Capturer, raw: RawBody) -> Response:
    """Capture one event, which brings its own @context."""
    request = CaptureRequest(sha256=hashlib.sha256(raw).hexdigest(), behaviour=ErrorBehaviour.ROLLBACK, single=True)

    def act(pool: Pool, now: datetime) -> Done:
        done = _captured(pool, writer, raw, now, ErrorBehaviour.ROLLBACK, single=True)
        item = done.items[0]
        assert item.event_id is not None
        body = EventCaptured(eventID=item.event_id, captureID=done.capture_id, repeated=item.outcome is CaptureOutcome.REPEATED)
        return Done(body, "epcis_event", item.event_id[:200], 201)

    response = writer.perform("epcis.event", request, act)
    return _located(response, "eventID", "events")


def _captured(
    pool: Pool, writer: Writer, raw: bytes, now: datetime, behaviour: ErrorBehaviour, *, single: bool = False
) -> capture_service.Captured:
    """The capture, on record. Raises what it refuses."""
    done = capture_service.capture(pool, writer.tenant, writer.user.user_id, raw, now, behaviour=behaviour, single=single)
    refused = capture_service.refusal(done)
    if refused is not None:
        raise refused
    return done


def _located(response: Response, field: str, collection: str) -> Response:
    if response.status_code < 300 and isinstance(response, JSONResponse):
        name = json.loads(bytes(response.body))[field]
        response.headers["Location"] = f"{PREFIX}/{collection}/{quote(name, safe='')}"
    return response


def _job(row: dict[str, Any]) -> CaptureJob:
    errors = [
        CaptureError(item=i["item_no"], outcome=i["outcome"], eventID=i["event_id"], code=i["reason"], detail=i["detail"])
        for i in row["items"]
    ]
    return CaptureJob(
        captureID=row["capture_id"],
        createdAt=row["created_at"],
        finishedAt=row["created_at"],
        running=False,
        success=row["success"],
        captureErrorBehaviour=row["error_behaviour"],
        received=row["received"],
        recorded=row["recorded"],
        repeated=row["repeated"],
        refused=row["refused"],
        errors=errors,
    )


@routes.get("/capture", response_model=CaptureJobs, responses=_READ_ERRORS, name="list_epcis_captures")
def list_captures(request: Request, reader: ReadDep, per_page: PerPage = PER_PAGE_DEFAULT, token: NextPage = None) -> Response:
    """Capture jobs, newest first, with their first refusals."""
    after = _NEWEST_CAPTURE.params(token)
    with reader.pool.connection() as conn:
        place = (after["after_0"], after["after_1"]) if token else None
        rows = query_store.captures(conn, reader.tenant, per_page + 1, place)
        jobs = [_job(query_store.capture_job(conn, reader.tenant, row["capture_id"])) for row in rows[:per_page]]
    following = None
    if len(rows) > per_page:
        following = encode_cursor(_NEWEST_CAPTURE.name, [rows[per_page - 1][c] for c in _NEWEST_CAPTURE.columns])
    return _paged(request, CaptureJobs(items=jobs).model_dump(mode="json"), following)


@routes.get("/capture/{capture_id}", response_model=CaptureJob, responses=_READ_ERRORS, name="get_epcis_capture")
def get_capture(reader: ReadDep, capture_id: Uri) -> CaptureJob:
    """One capture job."""
    with reader.pool.connection() as conn:
        return _job(query_store.capture_job(conn, reader.tenant, capture_id))


@routes.get("/capture/{capture_id}/document", response_model=EpcisDocument, responses=_READ_ERRORS, name="get_epcis_document")
def get_document(reader: ReadDep, capture_id: Uri) -> Response:
    """The document, or event, of a capture as it was sent."""
    with reader.pool.connection() as conn:
        text = query_store.captured_document(conn, reader.tenant, capture_id)
    return Response(text, media_type="application/json")


# ---------------------------------------------------------------- events


@routes.get("/events", response_model=EpcisDocument, responses=_READ_ERRORS, openapi_extra=_PARAMETERS, name="query_epcis_events")
def query_events(request: Request, reader: ReadDep) -> Response:
    """SimpleEventQuery: events that meet all parameters, 30 a page unless perPage says otherwise; the Link header leads on."""
    return _events(request, reader.pool, reader.tenant, reader.now, from_pairs(request.query_params.multi_items()))


@routes.get("/events/{event_id:path}", response_model=EpcisEvent, responses=_READ_ERRORS, name="get_epcis_event")
def get_event(request: Request, reader: ReadDep, event_id: Uri) -> Response:
    """One event as it was captured; with its error declaration when it was taken back."""
    if request.url.query.startswith("ver=CBV2"):  # a hash id whose question mark the caller did not escape
        event_id = f"{event_id}?{request.url.query}"
    with reader.pool.connection() as conn:
        return JSONResponse(query_store.event(conn, reader.tenant, canonical_event_id(event_id)))


def _events(
    request: Request, pool: Pool, tenant: str, now: datetime, given: dict[str, list[str]], name: str = "SimpleEventQuery"
) -> Response:
    query = read_query(given)
    with pool.connection() as conn:
        found = query_store.events(conn, tenant, query)
    context, bodies = query_store.documents(found.rows)
    document = {
        "@context": context,
        "type": "EPCISQueryDocument",
        "schemaVersion": "2.0",
        "creationDate": plain(now),
        "epcisBody": {"queryResults": {"queryName": name, "resultsBody": {"eventList": bodies}}},
    }
    return _paged(request, document, found.next_token)


def _paged(request: Request, body: Any, token: str | None) -> Response:
    """The answer, with the way to the next page."""
    headers = {}
    if token is not None:
        others = [(k, v) for k, v in request.query_params.multi_items() if k != "nextPageToken"]
        path = quote(request.url.path, safe="/:;=~!$&'()*+,@%")
        headers["Link"] = f'<{path}?{urlencode([*others, ("nextPageToken", token)])}>; rel="next"'
    return JSONResponse(body, headers=headers)


@routes.get("/epcs/{epc:path}/children", response_model=Children, responses=_READ_ERRORS, name="get_epcis_children")
def get_children(
    reader: ReadDep,
    epc: Uri,
    as_of: Annotated[Time | None, Query(alias="asOf", description="When it is asked about; now")] = None,
    known_at: Annotated[Time | None, Query(alias="knownAt", description="By what was recorded until then; now")] = None,
    associated: Annotated[bool, Query(description="By association instead of aggregation")] = False,
) -> Children:
    """What a parent held at a time, by its aggregation events; those taken back do not count."""
    at, parent = as_of or reader.now, canonical(epc)
    with reader.pool.connection() as conn:
        held = query_store.children(conn, reader.tenant, parent, at, known_at or reader.now, associated=associated)
    return Children(parentID=parent, asOf=at, childEPCs=held)


# ---------------------------------------------------------------- named queries


def _named(row: dict[str, Any]) -> NamedQuery:
    return NamedQuery(name=row["name"], query=row["query"], createdBy=row["created_by"], createdAt=row["created_at"])


@routes.get("/queries", response_model=NamedQueries, responses=_READ_ERRORS, name="list_epcis_queries")
def list_queries(reader: ReadDep) -> NamedQueries:
    """Named queries."""
    with reader.pool.connection() as conn:
        return NamedQueries(items=[_named(row) for row in query_store.queries(conn, reader.tenant)])


@routes.post("/queries", status_code=201, response_model=NamedQuery, responses=_WRITE_ERRORS, name="create_epcis_query")
def create_query(body: NewQuery, writer: QueryKeeper) -> Response:
    """Keep a query under a name. Its parameters are checked now."""

    def act(pool: Pool, now: datetime) -> Done:
        read_query(from_json(body.query))
        with pool.connection() as conn:
            query_store.save_query(conn, writer.tenant, writer.user.user_id, body.name, body.query, now)
            return Done(_named(query_store.named_query(conn, writer.tenant, body.name)), "epcis_query", body.name, 201)

    return _located(writer.perform("epcis.query.create", body, act), "name", "queries")


@routes.get("/queries/{name}", response_model=NamedQuery, responses=_READ_ERRORS, name="get_epcis_query")
def get_query(reader: ReadDep, name: Uri) -> NamedQuery:
    """One named query."""
    with reader.pool.connection() as conn:
        return _named(query_store.named_query(conn, reader.tenant, name))


@routes.delete("/queries/{name}", response_model=QueryDeleted, responses=_WRITE_ERRORS, name="delete_epcis_query")
def delete_query(name: Uri, writer: QueryKeeper) -> Response:
    """Forget a named query."""

    def act(pool: Pool, now: datetime) -> Done:
        with pool.connection() as conn:
            query_store.delete_query(conn, writer.tenant, writer.user.user_id, name, now)
        return Done(QueryDeleted(name=name), "epcis_query", name)

    return writer.perform("epcis.query.delete", None, act)


@routes.get("/queries/{name}/events", response_model=EpcisDocument, responses=_READ_ERRORS, name="run_epcis_query")
def run_query(request: Request, reader: ReadDep, name: Uri, per_page: PerPage | None = None, token: NextPage = None) -> Response:
    """Events that a named query finds now."""
    with reader.pool.connection() as conn:
        given = from_json(query_store.named_query(conn, reader.tenant, name)["query"])
    if per_page is not None:
        given["perPage"] = [str(per_page)]
    if token is not None:
        given["nextPageToken"] = [token]
    return _events(request, reader.pool, reader.tenant, reader.now, given, name)


# ---------------------------------------------------------------- places


@routes.get("/places", response_model=Places, responses=_READ_ERRORS, name="list_epcis_places")
def list_places(reader: ReadDep) -> dict[str, Any]:
    """Which of our places identifiers name."""
    with reader.pool.connection() as conn:
        return {"items": query_store.places(conn, reader.tenant)}


@routes.post("/places", status_code=201, response_model=Place, responses=_WRITE_ERRORS, name="map_epcis_place")
def map_place(body: NewPlace, writer: PlaceMapper) -> Response:
    """Say which of our places an SGLN names from a time on."""

    def act(pool: Pool, now: datetime) -> Done:
        user = writer.user.user_id
        place = capture_service.map_place(
            pool, writer.tenant, user, body.place, body.valid_from, warehouse_id=body.warehouse_id, zone_id=body.zone_id
        )
        made = Place(place=place, valid_from=body.valid_from, warehouse_id=body.warehouse_id, zone_id=body.zone_id, mapped_by=user)
        return Done(made, "epcis_place", place[:200], 201)

    return writer.perform("epcis.place.map", body, act)


# ---------------------------------------------------------------- top-level resources; last, because their paths are the widest


@routes.get("/{resource}", response_model=Collection, responses=_READ_ERRORS, name="list_epcis_resources")
def list_resources(
    request: Request, reader: ReadDep, resource: Resource, per_page: PerPage = PER_PAGE_DEFAULT, token: NextPage = None
) -> Response:
    """Event types, EPCs, steps, places or dispositions that captured events name, in order."""
    key = SortKey(f"epcis_{resource}", ("v",), (str,))
    with reader.pool.connection() as conn:
        found = query_store.resources(conn, reader.tenant, resource, key.params(token)["after_0"], per_page + 1)
    body = {"@context": STANDARD_CONTEXT, "type": "Collection", "member": found[:per_page]}
    return _paged(request, body, encode_cursor(key.name, [found[per_page - 1]]) if len(found) > per_page else None)


@routes.get(
    "/{resource}/{value:path}/events",
    response_model=EpcisDocument,
    responses=_READ_ERRORS,
    openapi_extra=_PARAMETERS,
    name="query_epcis_resource",
)
def query_resource(request: Request, reader: ReadDep, resource: Resource, value: Uri) -> Response:
    """SimpleEventQuery among the events of one type, EPC, step, place or disposition."""
    given = from_pairs(request.query_params.multi_items())
    parameter = _PARAMETER_OF[resource]
    if parameter in given:
        raise InvalidEpcis(f"{parameter} is given by the path.", parameter=parameter)
    return _events(request, reader.pool, reader.tenant, reader.now, {**given, parameter: [value]})
