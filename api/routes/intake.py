"""`POST ingest/{format}`: what systems send over HTTP instead of MQTT. Same decoders, same tables, an answer per element."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

import anyio.to_thread
from fastapi import Depends, Path, Query
from starlette.requests import Request

from api.deps import PartsDep, Reader, reads
from api.errors import answer_for
from api.models.intake import IntakeAnswer, IntakeReason, IntakeResult
from api.permissions import Permission
from api.routes.common import WRITE_ERRORS, router
from collateral import trade_paper_service
from collateral.errors import ChuantouError, NotFound, RejectedInput, StoreUnavailable
from collateral.trade_papers import PAPERS
from ingest.intake import Intake, TooManyElements, elements, known_formats
from ingest.readings import Limits, Refusal
from ingest.wire import json_object, strict_json

routes = router("ingest")
Sender = Annotated[Reader, Depends(reads(Permission.INGEST_POST))]
FormatName = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$", examples=["wms-event"])]
DeviceParam = Annotated[str | None, Query(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$")]
_BODY = {
    "requestBody": {
        "required": True,
        "description": "One message, a JSON array of messages, NDJSON, or one EDI interchange",
        "content": {t: {"schema": {"type": "string"}} for t in ("application/json", "application/x-ndjson", "application/edifact", "application/edi-x12", "text/plain", "application/octet-stream")},
    }
}  # fmt: skip


@routes.post("/ingest/{format_name}", status_code=202, response_model=IntakeAnswer, responses=WRITE_ERRORS, openapi_extra=_BODY)
async def post_messages(
    request: Request,
    format_name: FormatName,
    sender: Sender,
    parts: PartsDep,
    device_id: DeviceParam = None,
    channel: Literal["reads", "position", "event", "doc", "health"] | None = None,
) -> IntakeAnswer:
    """Messages of a registered device (`device_id`), or trade papers (`e-waybill`, `e-invoice`) without one.

    A bad element does not reject its neighbours; it is kept in the dead letters. Sending the same again is answered with `duplicate`.
    """
    body = await request.body()
    return await anyio.to_thread.run_sync(_take, parts.intake, sender, format_name, device_id, channel, body)


def _take(intake: Intake, sender: Reader, format_name: str, device_id: str | None, channel: str | None, body: bytes) -> IntakeAnswer:
    try:
        messages = elements(format_name, body)
    except TooManyElements as exc:
        raise RejectedInput(str(exc)) from None
    if format_name in PAPERS:
        return IntakeAnswer(results=[_paper(intake, sender, format_name, i, m) for i, m in enumerate(messages)])
    if format_name not in known_formats():
        raise NotFound(f"There is no format {format_name}.", kind="format", id=format_name, known=[*known_formats(), *PAPERS])
    if device_id is None:
        raise RejectedInput("Say as which registered device this is sent: device_id is missing.")
    device = intake.device(sender.tenant, device_id)
    if device is None:
        raise NotFound(f"There is no device {device_id}.", kind="device", id=device_id)
    if device.format != format_name:
        raise RejectedInput(f"Device {device_id} is registered with the format {device.format}, not {format_name}.", format=device.format)
    found = intake.receive(device, messages, sender.now, channel=channel)
    return IntakeAnswer(
        results=[
            IntakeResult(**{**asdict(r), "status": r.status.value, "reasons": [IntakeReason(code=c, detail=d) for c, d in r.reasons]})
            for r in found
        ]
    )


def _paper(intake: Intake, sender: Reader, format_name: str, index: int, message: bytes) -> IntakeResult:
    now: datetime = sender.now
    try:
        said: dict[str, Any] = json_object(strict_json(message, Limits()))
        document_id = trade_paper_service.receive_paper(sender.pool, sender.tenant, format_name, said, sender.user.user_id, now)
    except StoreUnavailable:
        raise
    except Refusal as exc:
        reason = IntakeReason(code=exc.reason, detail=exc.detail)
    except ChuantouError as exc:
        answer = answer_for(exc)
        reason = IntakeReason(code=exc.code, detail=answer.detail if answer is not None else str(exc))
    else:
        return IntakeResult(index=index, status="accepted", stored=1, document_id=document_id)
    intake.keep_refused(sender.tenant, format_name, message, reason.code, reason.detail, now)
    return IntakeResult(index=index, status="rejected", refused=1, reasons=[reason], document_id=None)
