"""Bodies of the EPCIS interfaces. Names are the standard's."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.models.base import Id, In, JsonObject, Out, Text, Time
from collateral.epcis.capture_service import CaptureOutcome, ErrorBehaviour


class CaptureError(Out):
    """What is to say of one event of a capture: why it was refused, or what was odd about it."""

    item: int = Field(description="Place in the document's event list, from 0")
    outcome: CaptureOutcome
    eventID: str | None
    code: str = Field(description="invalid, conflict, error_declaration_of_unknown_event, already_declared_in_error, event_time_in_future")
    detail: str | None


class CaptureJob(Out):
    """A capture job. Capture is done when it is answered, so a job is never running. received = recorded + repeated + refused."""

    captureID: str
    createdAt: Time
    finishedAt: Time
    running: bool
    success: bool = Field(description="Every event is kept")
    captureErrorBehaviour: ErrorBehaviour
    received: int
    recorded: int
    repeated: int = Field(description="Known by id with the same content")
    refused: int
    errors: list[CaptureError] = Field(description="Refused events, and warnings about kept ones; at most 1000")


class CaptureJobs(Out):
    """Capture jobs, newest first; the Link header leads to the next page."""

    items: list[CaptureJob]


class EventCaptured(Out):
    """One event was captured, or was here already."""

    eventID: str
    captureID: str
    repeated: bool


class EpcisDocument(BaseModel):
    """An EPCISQueryDocument or EPCISDocument."""

    model_config = ConfigDict(populate_by_name=True)

    context: Any = Field(alias="@context")
    type: str
    schemaVersion: str
    creationDate: datetime
    epcisBody: dict[str, Any]


class EpcisEvent(BaseModel):
    """An event as it was captured, with eventID and our recordTime."""

    model_config = ConfigDict(extra="allow")

    type: str
    eventTime: str
    eventTimeZoneOffset: str


class Collection(BaseModel):
    """Names of resources."""

    model_config = ConfigDict(populate_by_name=True)

    context: Any = Field(alias="@context")
    type: str
    member: list[str]


class Children(Out):
    """What a parent held."""

    parentID: str
    asOf: Time
    childEPCs: list[str] = Field(description="Canonical identifiers, in the order in which they were added")


class NewQuery(In):
    """A query to keep."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    query: JsonObject = Field(description="Parameters of SimpleEventQuery")


class NamedQuery(Out):
    """A query kept under a name."""

    name: str
    query: dict[str, Any]
    createdBy: str
    createdAt: Time


class NamedQueries(Out):
    """Queries by name."""

    items: list[NamedQuery]


class QueryDeleted(Out):
    """The name is free."""

    name: str


class NewPlace(In):
    """Which of our places an identifier names from a time on. Neither warehouse nor zone: none any more."""

    place: Text = Field(description="SGLN as URN or Digital Link, or any URI used as readPoint or bizLocation")
    valid_from: Time
    warehouse_id: Id | None = None
    zone_id: Id | None = None


class Place(Out):
    """A place's meaning from a time on."""

    place: str
    valid_from: Time
    warehouse_id: str | None
    zone_id: str | None
    mapped_by: str


class Places(Out):
    """Meanings of places, by place and time."""

    items: list[Place]


class CaptureRequest(BaseModel):
    """What makes two capture requests the same under an Idempotency-Key."""

    sha256: str
    behaviour: ErrorBehaviour
    single: bool
