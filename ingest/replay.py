"""Recorded payloads, published as a registered device would: `.json` one message (an array stays one), `.ndjson` a message per line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from collateral.errors import NotFound, RejectedInput
from collateral.ids import new_id
from ingest.formats import FORMATS
from ingest.registry import Device, Registry
from ingest.subscriber import publish_all
from ingest.topics import build_topic

_ZEBRA_HEALTH = {"heartbeat"}
_OWNTRACKS_SUBTOPICS = {"transition": "/event", "waypoint": "/waypoint", "waypoints": "/waypoint", "status": "/status"}
_NATIVE_CHANNELS = (
    ("reads", "reads"),
    ("lon", "position"),
    ("fix", "position"),
    ("type", "event"),
    ("interval_s", "health"),
    ("schema", "doc"),
)


@dataclass(frozen=True)
class Replayed:
    """What was published."""

    messages: int
    topics: dict[str, int] = field(default_factory=dict)


def replay(path: Path, *, format_name: str, device_id: str, mqtt_url: str, database_url: str, ca_file: str | None = None) -> Replayed:
    """Publish a file for a registered device, in order, at QoS 1.

    mqtt_url needs the device's credential, or an account that may write its topics. Raises NotFound when the device is not registered,
    RejectedInput when it is registered with another format or the file holds no message, OSError when file or broker cannot be reached.
    """
    if format_name not in FORMATS:
        raise RejectedInput(f"format {format_name!r} is none of {', '.join(FORMATS)}")
    device = _registered(database_url, device_id)
    if device.format != format_name:
        raise RejectedInput(f"device {device_id} is registered with format {device.format}, not {format_name}")
    messages = [(topic_for(device, payload), payload) for payload in recorded_messages(path)]
    if not messages:
        raise RejectedInput(f"{path.name} holds no message")
    count = publish_all(mqtt_url, messages, client_id=new_id("replay"), ca_file=ca_file)
    return Replayed(count, dict(Counter(topic for topic, _ in messages)))


def _registered(database_url: str, device_id: str) -> Device:
    registry = Registry()
    with psycopg.connect(database_url, connect_timeout=10) as conn:
        registry.refresh(conn)
    device = registry.device(device_id)
    if device is None:
        raise NotFound(f"no device {device_id} is registered")
    return device


def recorded_messages(path: Path) -> Iterator[bytes]:
    """The payloads in a file."""
    if path.suffix == ".ndjson":
        yield from (line for line in path.read_bytes().splitlines() if line.strip())
    else:
        yield path.read_bytes()


def topic_for(device: Device, payload: bytes) -> str:
    """The topic on which this device would send this payload. What cannot be read goes to its main topic, as a broken device's would."""
    try:
        value: Any = json.loads(payload)
    except (ValueError, RecursionError):
        value = None
    item = value if isinstance(value, dict) else {}
    if device.format == "owntracks":
        topic = device.claimed("topic")
        if topic:
            return f"owntracks/{topic[0]}{_OWNTRACKS_SUBTOPICS.get(str(item.get('_type')), '')}"
    return build_topic(device.tenant_id, device.site, device.device_class, device.device_id, _channel(device, item))


def _channel(device: Device, item: dict[str, Any]) -> str:
    match device.format:
        case "zebra-ziotc":
            return "health" if item.get("type") in _ZEBRA_HEALTH or "radioConnection" in item else "reads"
        case "impinj-iot":
            return "reads"
        case "owntracks":
            return "event" if item.get("_type") in _OWNTRACKS_SUBTOPICS else "position"
        case "traccar":
            return "event" if "event" in item else "position"
        case "wms-event":
            return "doc"
    return next((channel for name, channel in _NATIVE_CHANNELS if name in item), "reads")
