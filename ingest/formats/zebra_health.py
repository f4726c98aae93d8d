"""Health of Zebra readers: heartbeat events and answers to get_status, whose fields differ by model and firmware."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ingest import wire
from ingest.messages import SEQ_MAX
from ingest.readings import DecodeContext, Refusal, StateUpdate

_DROPPED = "numDataMessagesDropped"
_ACTIVITY = ("radioActivity", "radioActivitiy")  # the second as the vendor's document spells it


def is_status(item: dict[str, Any]) -> bool:
    """Whether a message without type is the answer to get_status."""
    return "radioConnection" in item or any(name in item for name in _ACTIVITY)


def heartbeat(data: dict[str, Any], at: datetime) -> StateUpdate:
    """State of a heartbeat: its counters of dropped messages summed, its clock as NTP sees it."""
    gateway = _part(data, "reader_gateway")
    paths = gateway.get("dataPathStatistics")
    counters = [p for p in paths if isinstance(p, dict)] if isinstance(paths, list) else [gateway, data]
    dropped = [p[_DROPPED] for p in counters if isinstance(p.get(_DROPPED), int) and not isinstance(p.get(_DROPPED), bool)]
    return StateUpdate(
        at,
        health=_spelled(data),
        presence="online",
        dropped_total=min(sum(dropped), SEQ_MAX) if dropped and min(dropped) >= 0 else None,
        clock_offset_ms=_clock_offset_ms(_part(data, "system")),
    )


def status(item: dict[str, Any], ctx: DecodeContext) -> StateUpdate:
    """State of a get_status answer; its systemTime is local text on some models, so our time stands when it cannot be read."""
    try:
        at, flags, _ = wire.iso_time(item.get("systemTime", item.get("systemtime")), "systemTime", ctx)
        at = wire.judged_time(at, "", "", ctx, flags)[0]
    except Refusal:
        at = ctx.received_at
    return StateUpdate(at, health=_spelled(item), presence="online", clock_offset_ms=_clock_offset_ms(item))


def _part(source: dict[str, Any], name: str) -> dict[str, Any]:
    found = source.get(name)
    return found if isinstance(found, dict) else {}


def _clock_offset_ms(source: dict[str, Any]) -> int | None:
    """NTP's offset, milliseconds; positive = the reader is behind. reach 0 = no server answered, and the offset means nothing."""
    ntp = _part(source, "ntp")
    offset = ntp.get("offset")
    if isinstance(offset, bool) or not isinstance(offset, int | float) or ntp.get("reach") == 0:
        return None
    return round(offset)


def _spelled(health: dict[str, Any]) -> dict[str, Any]:
    """The same with the right spelling of radioActivity."""
    return {"radioActivity" if name == _ACTIVITY[1] else name: value for name, value in health.items()}
