"""Sparkplug B, one payload: what an edge node says, before its session says what the aliases stand for (ingest.sparkplug).

The verb and the device come from the topic. Values keep the type that the birth gave them: DATA messages need not repeat it.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from google.protobuf.message import DecodeError

from ingest import wire
from ingest.formats.sparkplug_payload import Payload
from ingest.readings import DecodeContext, Decoded, Metric, NodeMessage, Refusal
from ingest.topics import SparkplugVerb

SEQ_MODULO = 256
TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999
INT8, INT16, INT32, INT64, FLOAT, DATETIME = 1, 2, 3, 4, 9, 13
_SIGNED_BITS = {INT8: 8, INT16: 16, INT32: 32, INT64: 64}
NAME_CHARACTERS_MAX = 256


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """One NodeMessage. Raises Refusal on what is no Sparkplug B payload or breaks its rules."""
    try:
        verb = SparkplugVerb(ctx.channel)
    except ValueError:
        raise Refusal("wrong_channel", "a Sparkplug node speaks on spBv1.0/{group}/{verb}/{node}[/{device}]") from None
    message = Payload()
    try:
        message.ParseFromString(wire.checked_binary(payload, ctx.limits))
        if len(message.metrics) > ctx.limits.items_max:
            raise Refusal("too_many_items", f"{len(message.metrics)} metrics; at most {ctx.limits.items_max} are taken")
        metrics = tuple(_metric(m) for m in message.metrics)
    except DecodeError:
        raise Refusal("malformed_protobuf", "the bytes are no Sparkplug B payload") from None
    except UnicodeDecodeError:
        raise Refusal("not_utf8", "a text in the payload is not UTF-8") from None
    death = verb is SparkplugVerb.NDEATH
    at_ms = int(message.timestamp) if message.HasField("timestamp") else None
    if at_ms is None and not death:
        raise Refusal("missing_field", "timestamp is missing")
    if at_ms is not None and at_ms > TIME_MS_MAX:
        raise Refusal("bad_time", f"timestamp {at_ms} is no time")
    seq = int(message.seq) if message.HasField("seq") else None
    if not death and (seq is None or seq >= SEQ_MODULO):
        raise Refusal("out_of_range", f"seq {seq} is outside 0 ... {SEQ_MODULO - 1}")
    bd_seq = next((m.value for m in metrics if m.name == "bdSeq" and isinstance(m.value, int)), None)
    if bd_seq is None and verb in (SparkplugVerb.NBIRTH, SparkplugVerb.NDEATH):
        raise Refusal("missing_field", f"a {verb} needs the metric bdSeq")
    if verb in (SparkplugVerb.NBIRTH, SparkplugVerb.DBIRTH) and any(m.name is None for m in metrics):
        raise Refusal("missing_field", "a birth names every metric")
    if death or at_ms is None:  # a will's own time is that of the connection, not of its end
        at_ms = int(ctx.received_at.timestamp() * 1000)
    return [NodeMessage(verb, ctx.part, at_ms, seq, bd_seq, metrics)]


def _metric(metric: Any) -> Metric:
    kind = metric.WhichOneof("value")
    value: Any = None if kind is None or metric.is_null else getattr(metric, kind)
    if isinstance(value, bytes):
        value = value.hex()
    elif isinstance(value, str):
        value = value.replace("\x00", "\\0")
    name = metric.name.replace("\x00", "\\0") if metric.HasField("name") and metric.name else None
    if name is not None and len(name) > NAME_CHARACTERS_MAX:
        raise Refusal("out_of_range", f"a metric's name has {len(name)} characters; at most {NAME_CHARACTERS_MAX} are taken")
    at_ms = int(metric.timestamp) if metric.HasField("timestamp") else None
    if at_ms is not None and at_ms > TIME_MS_MAX:
        raise Refusal("bad_time", f"timestamp {at_ms} is no time")
    return Metric(
        name,
        int(metric.alias) if metric.HasField("alias") else None,
        at_ms,
        int(metric.datatype) if metric.HasField("datatype") else None,
        value,
        kind == "float_value",
    )


def plain_value(metric: Metric, datatype: int | None) -> Any:
    """A metric's value as JSON has it: signed numbers from their two's complement, times as ISO text, NaN and infinity as text."""
    value = metric.value
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return str(value)
        return float(f"{value:.7g}") if metric.single else value  # a 32-bit float has no more digits than these
    bits = _SIGNED_BITS.get(datatype or 0)
    if bits is not None:
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    if datatype == DATETIME and 0 <= value <= TIME_MS_MAX:
        return (wire.epoch_time(0, "value", 1) + timedelta(milliseconds=value)).isoformat()
    return value
