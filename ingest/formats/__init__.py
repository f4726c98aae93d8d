"""Registered formats: one decoder each. A device's *registered* format decides, never a guess from the content.

A decoder turns any bytes into readings or named refusals, in bounded time and memory.
"""

from __future__ import annotations

from collections.abc import Callable

from ingest.formats import (
    cabinet_snapshot,
    edifact,
    generic_gate,
    impinj_iot,
    jt808,
    jt808_json,
    meitrack,
    native,
    owntracks,
    presence,
    smartreader,
    sparkplug_b,
    speedway_connect,
    teltonika,
    traccar,
    wms_event,
    x12,
    zebra_ziotc,
)
from ingest.readings import DecodeContext, Decoded, ReadsBlock, Refusal, Rejected

Decoder = Callable[[bytes, DecodeContext], Decoded]

FORMATS: dict[str, Decoder] = {
    "native": native.decode,
    "zebra-ziotc": zebra_ziotc.decode,
    "zebra-handheld": zebra_ziotc.decode,
    "impinj-iot": impinj_iot.decode,
    "smartreader": smartreader.decode,
    "speedway-connect": speedway_connect.decode,
    "generic-gate": generic_gate.decode,
    "cabinet-snapshot": cabinet_snapshot.decode,
    "owntracks": owntracks.decode,
    "traccar": traccar.decode,
    "jt808": jt808.decode,
    "jt808-json": jt808_json.decode,
    "teltonika": teltonika.decode,
    "meitrack": meitrack.decode,
    "sparkplug-b": sparkplug_b.decode,
    "wms-event": wms_event.decode,
    "edifact": edifact.decode,
    "x12": x12.decode,
}


def decode_block(format_name: str, payload: bytes, ctx: DecodeContext) -> ReadsBlock | None:
    """The short way for the bulk of the stream; None = take the other one."""
    return native.decode_block(payload, ctx) if format_name == "native" and ctx.channel == "reads" else None


def decode(format_name: str, payload: bytes, ctx: DecodeContext) -> Decoded:
    """What a payload says. Never raises: what cannot be used comes back as Rejected. Presence is read leniently in every format."""
    decoder = presence.decode if ctx.channel == "presence" else FORMATS.get(format_name)
    if decoder is None:
        return [Rejected("unknown_format", f"no decoder is registered for format {format_name!r}")]
    try:
        return decoder(payload, ctx) or [Rejected("no_readings", "the message holds nothing to keep")]
    except Refusal as exc:
        return [Rejected(exc.reason, exc.detail)]
    except RecursionError:
        return [Rejected("too_deep", f"nested deeper than {ctx.limits.depth_max}")]
