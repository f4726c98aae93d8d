"""Sessions of Sparkplug nodes in the store: what they say becomes readings in the transaction of the batch, under a lock of the node."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import msgspec
import psycopg

from db.sql import load_queries
from ingest import wire
from ingest.formats import decode
from ingest.gaps import Missed, MissedKind
from ingest.readings import (
    DecodeContext,
    DeviceEvent,
    Fix,
    Item,
    NodeMessage,
    PositionReading,
    Refusal,
    Rejected,
    StateUpdate,
)
from ingest.registry import Device, Registry
from ingest.screen import Delivery, NodeSaid, Refused, Screened, place_item, within_days
from ingest.sparkplug import Advanced, Arrival, Named, Session, Told, advance
from ingest.topics import SparkplugTopic, SparkplugVerb, parse_topic

_Q = load_queries(__file__, "sparkplug.sql")
_TARGET = re.compile(r"([a-z][a-z0-9_]{0,31})\.([a-z][a-z0-9_]{0,63})")
POSITION, UNMAPPED = "position", "metrics"

Conn = psycopg.Connection[Any]
NodeKey = tuple[str, str]


def understand(conn: Conn, screened: Screened, registry: Registry, *, reorder: timedelta) -> list[tuple[str, Missed]]:
    """Turn what nodes said into readings of the batch. Returns by device the messages that are known never to have come."""
    said: defaultdict[NodeKey, list[NodeSaid]] = defaultdict(list)
    for one in screened.nodes:
        said[one.topic.group, one.topic.node].append(one)
    if not said:
        return []
    keys = [{"group_id": g, "node_id": n, "device_id": said[g, n][0].device.device_id} for g, n in sorted(said)]
    _run(conn, "make_nodes", keys)
    sessions = {(row[0], row[1]): Session(*row[2:]) for row in _run(conn, "lock_nodes", keys)}
    waiting: defaultdict[NodeKey, list[Arrival]] = defaultdict(list)
    for group, node, topic, payload, received_at in _run(conn, "take_waiting", keys):
        found = _again(said[group, node][0], topic, payload, received_at)
        if found is not None:
            waiting[group, node].append(found)
    missed: list[tuple[str, Missed]] = []
    rows, still = [], []
    for key, session in sessions.items():
        ones = said[key]
        arrivals = [*waiting[key], *(Arrival(o.message, o.source.received_at, o) for o in ones)]
        done = advance(session, arrivals, now=max(o.source.received_at for o in ones), reorder=reorder)
        _keep(done, screened, registry)
        device_id = ones[0].device.device_id
        if done.missed:
            times = [a.received_at for a in arrivals]  # a node's numbers carry no time of their own
            missed.append((device_id, Missed(MissedKind.SEQ_GAP, min(times), max(times), missed=done.missed)))
        rows.append({"group_id": key[0], "node_id": key[1], **asdict(done.session)})
        still += [_waiting_row(key, a.origin.source) for a in done.waiting]
    _run(conn, "put_nodes", rows)
    _run(conn, "put_waiting", still)
    return missed


def claim_rebirths(conn: Conn, *, now: datetime, interval: timedelta, limit: int = 100) -> list[NodeKey]:
    """Group and node of those to ask for a rebirth now; nobody asks them again within the interval."""
    rows = conn.execute(_Q["claim_rebirths"], {"now": now, "interval": interval, "limit": limit}).fetchall()
    return [(row[0], row[1]) for row in rows]


def _run(conn: Conn, query: str, rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    if not rows:
        return []
    cursor = conn.execute(_Q[query], {"rows": msgspec.json.encode(rows).decode()})
    return cursor.fetchall() if cursor.description is not None else []


def _waiting_row(key: NodeKey, source: Delivery) -> dict[str, Any]:
    return {
        "group_id": key[0],
        "node_id": key[1],
        "topic": source.topic,
        "payload": source.payload.hex(),
        "received_at": source.received_at,
    }


def _again(newest: NodeSaid, topic: str, payload: bytes, received_at: datetime) -> Arrival | None:
    """A message that waited, as it was when it came."""
    named = parse_topic(topic)
    assert isinstance(named, SparkplugTopic)
    source = Delivery(topic, bytes(payload), received_at)
    context = DecodeContext(named.verb, received_at, limits=newest.limits, part=named.part)
    for item in decode(newest.device.format, source.payload, context):
        if isinstance(item, NodeMessage):
            return Arrival(item, received_at, NodeSaid(newest.device, named, item, source, newest.limits))
    return None


def _keep(done: Advanced, screened: Screened, registry: Registry) -> None:
    for arrival, detail in done.refused:
        one: NodeSaid = arrival.origin
        screened.refused.append(Refused(one.source, one.device.device_id, -1, "no_birth", detail))
    for told in done.told:
        one = told.arrival.origin
        device = registry.sparkplug_part(one.device, one.topic.group, one.topic.node, one.topic.part) or one.device
        context = DecodeContext(one.topic.verb, one.source.received_at, device.utc_offset_minutes, device.datum, one.limits, one.topic.part)
        for item in within_days(items_of(told, device, context, own=device is not one.device), one.limits.days_max):
            if isinstance(item, Rejected):
                screened.refused.append(Refused(one.source, device.device_id, item.item_no, item.reason, item.detail))
            elif isinstance(item, PositionReading | DeviceEvent | StateUpdate):
                place_item(item, device, registry, one.source, screened, unverified=False)
        if told.unknown:
            detail = f"no birth says what alias {told.unknown[0]} of {one.topic.part or 'the node'} is"
            screened.refused.append(Refused(one.source, device.device_id, -1, "no_birth", detail, len(told.unknown)))


def items_of(told: Told, device: Device, ctx: DecodeContext, *, own: bool) -> list[Item]:
    """Readings of one understood message: an event per time and type, a position where metrics are mapped to one, and the device's state.

    The device's claim `metrics` maps a metric's name to `type.field`, for example `tank.level_m` or `position.lat`; other metrics become an event of
    type `metrics`. own: the part is a registered device of its own.
    """
    message = told.arrival.message
    mapping = device.claims.get("metrics")
    mapping = mapping if isinstance(mapping, dict) else {}
    by_time: defaultdict[int, list[Named]] = defaultdict(list)
    for metric in told.metrics:
        by_time[message.at_ms if metric.at_ms is None else metric.at_ms].append(metric)
    key = f"{message.verb}/{message.seq}/{message.part}"
    found: list[Item] = []
    if message.verb not in (SparkplugVerb.NDEATH, SparkplugVerb.DDEATH):
        for at_ms, metrics in sorted(by_time.items()):
            try:
                found += _at_one_time(at_ms, metrics, mapping, message, key, ctx)
            except Refusal as exc:
                found.append(Rejected(exc.reason, exc.detail))
    found += _state(told, message, ctx, own=own)
    return found


def _at_one_time(
    at_ms: int, metrics: Iterable[Named], mapping: Mapping[str, Any], message: NodeMessage, key: str, ctx: DecodeContext
) -> list[Item]:
    at, key, flags = wire.judged_time(wire.epoch_time(at_ms, "timestamp", 1000), at_ms, key, ctx)
    fields: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for metric in metrics:
        target = _TARGET.fullmatch(str(mapping.get(metric.name, "")))
        if target is None:
            fields[UNMAPPED][metric.name] = metric.value
        else:
            fields[target[1]][target[2]] = metric.value
    found: list[Item] = []
    position = fields.pop(POSITION, None)
    if position is not None:
        found.append(_position(position, at, key, flags, ctx))
    unmapped = fields.pop(UNMAPPED, None)
    if unmapped is not None:
        whole = {"verb": message.verb, "part": message.part, "metrics": unmapped}
        found.append(DeviceEvent(at, key, UNMAPPED, whole, flags))
    found += [DeviceEvent(at, key, kind, values, flags) for kind, values in sorted(fields.items())]
    return found


def _position(fields: dict[str, Any], at: datetime, key: str, flags: tuple[str, ...], ctx: DecodeContext) -> PositionReading:
    lon, lat = wire.number(fields, "lon", -180, 180), wire.number(fields, "lat", -180, 180)
    if lon is None or lat is None:
        raise Refusal("missing_field", "metrics are mapped to position, but lon or lat is not among them")
    lon, lat = wire.place(lon, lat)
    return PositionReading(
        at,
        key,
        lon,
        lat,
        ctx.datum,
        Fix.VALID,
        acc_m=wire.number(fields, "acc_m", 0, 1e6),
        speed_mps=wire.number(fields, "speed_mps", 0, 150),
        heading_deg=wire.number(fields, "heading_deg", 0, 360),
        flags=flags,
    )


def _state(told: Told, message: NodeMessage, ctx: DecodeContext, *, own: bool) -> list[Item]:
    if message.verb is SparkplugVerb.NDEATH or (message.verb is SparkplugVerb.DDEATH and own):
        return [StateUpdate(None, presence="offline", presence_text=message.verb)] if told.is_current else []
    at = wire.judged_time(wire.epoch_time(message.at_ms, "timestamp", 1000), message.at_ms, "", ctx)[0]
    born = message.verb is SparkplugVerb.NBIRTH or (message.verb is SparkplugVerb.DBIRTH and own)
    if born and told.is_current:
        return [StateUpdate(at, presence="online", presence_text=message.verb)]
    return [StateUpdate(at)]
