"""Answers to messages that came over HTTP."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.models.base import Out


class IntakeReason(Out):
    """Why readings of an element were refused; they are in the dead letters with their bytes."""

    code: str
    detail: str


class IntakeResult(Out):
    """What became of one element of the request."""

    index: int
    status: Literal["accepted", "duplicate", "partly", "rejected"]
    stored: int = 0
    repeated: int = 0
    absorbed: int = 0
    refused: int = 0
    reasons: list[IntakeReason] = Field(default_factory=list)
    document_id: str | None = Field(None, description="Of a trade paper that was registered")


class IntakeAnswer(Out):
    """One result per element, in the request's order."""

    results: list[IntakeResult]
