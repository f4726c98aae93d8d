"""Refused messages, devices in quarantine, legal holds."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.base import DeviceId, Id, In, LongText, Out, Time
from api.models.enums import DeadLetterState

Reason = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9_]+$", examples=["unknown_device"])]


class DeadLetter(Out):
    """A refused delivery with the beginning of its bytes; `GET dead-letters/{id}` has all that was kept."""

    dead_letter_id: int
    topic: str
    topic_device: str | None
    item_no: int
    reason: str
    detail: str
    payload_text: str = Field(description="As UTF-8, with marks where it is not; in lists the first 2000 bytes")
    payload_base64: str = Field(description="As it came; in lists the first 2000 bytes")
    payload_bytes: int
    payload_sha256: str = Field(description="Hex")
    items: int
    times: int
    first_received_at: datetime
    last_received_at: datetime
    state: DeadLetterState
    worked_by: str | None
    worked_at: datetime | None
    outcome: dict[str, Any] | None = Field(description="Of the last re-drive: readings by fate, `refused_again`; of a discard: the reason")


class RedriveRequest(In):
    """Which kept letters to drive through again; at least one condition."""

    reason: Reason | None = None
    topic_device: DeviceId | None = None
    since: Time | None = Field(None, description="Last received at or after")
    until: Time | None = Field(None, description="Last received before")
    limit: Annotated[int, Field(ge=1, le=10_000)] = 1_000


class Queued(Out):
    """How many letters the ingest workers will drive through again; watch their `state` and `outcome`."""

    queued: int


class DiscardRequest(In):
    """Why a letter is of no use."""

    reason: LongText


class Quarantined(Out):
    """A device that speaks without being registered. Register it under this id to claim it, then drive its letters through again."""

    device_id: str
    tenant_id: str | None
    site: str = Field(description="As its topic says")
    class_: str = Field(alias="class", description="As its topic says")
    first_received_at: datetime
    last_received_at: datetime
    messages: int
    letters_kept: int
    topic: str = Field(description="One of its topics")


class NewHold(In):
    """Keep all readings of a unit or device, whatever their age."""

    subject_kind: Literal["goods", "device"]
    subject_id: Id
    reason: LongText


class Hold(Out):
    """Evidence that must stay until the hold is lifted."""

    hold_id: str
    subject_kind: str
    subject_id: str
    reason: str
    placed_by: str
    placed_at: datetime
    lifted_by: str | None
    lifted_at: datetime | None
