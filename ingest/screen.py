"""All reasons for doubt: whose topic it is, whether the payload claims another device, where a reading belongs. Doubtful readings are kept
with flags, impossible ones refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import msgspec

from collateral.datum import to_wgs84
from collateral.gs1 import TAG_BITS_BY_HEADER
from ingest.formats import decode, decode_block
from ingest.readings import (
    Claim,
    DecodeContext,
    DeviceEvent,
    Fix,
    Item,
    Limits,
    NodeMessage,
    PositionReading,
    ReadsBlock,
    Rejected,
    RfidReading,
    StateUpdate,
)
from ingest.registry import Device, Registry, Zone
from ingest.topics import BadTopic, DeviceTopic, OwnTracksTopic, SparkplugTopic, parse_topic

NULL_ISLAND_DEG = 0.001
ACCURACY_DOUBTFUL_M = 500.0
RSSI_WEAK_DBM = -70.0  # below it a read is as likely a stray from the next bay
FOREIGN_TAG = "foreign_tag"  # bound to goods of another tenant: kept, and of no consequence for those goods
CHANNELS_OF_CLASS = {
    "wms": {"doc", "event", "health", "presence"},
    "gps": {"position", "event", "health", "presence", "reads"},
    "sensor": {"event", "health", "presence"},
}


class Delivery(msgspec.Struct, eq=False):
    """One message as it came. connection and mid are the subscriber's, for the acknowledgement."""

    topic: str
    payload: bytes
    received_at: datetime
    mid: int = 0
    qos: int = 1
    connection: int = 0
    retained: bool = False


class Observation(msgspec.Struct, eq=False):
    """An RFID reading with its place: ready to be kept."""

    reading: RfidReading
    device: Device
    zone: Zone | None
    goods_id: str | None
    bound_tid: str | None
    flags: tuple[str, ...]
    content_hash: bytes
    source: Delivery

    @property
    def key(self) -> tuple[datetime, str, str, int, str]:
        """The business key; also the table's."""
        r = self.reading
        return (r.observed_at, self.device.device_id, r.epc, r.antenna, r.event_key)


class PlacedReads(msgspec.Struct, eq=False):
    """Many reads of one message and where they come from; `place_read` makes an Observation of one."""

    reading: ReadsBlock
    device: Device
    source: Delivery


class Fixed(msgspec.Struct, eq=False):
    """A position in WGS-84, ready to be kept. lon/lat None = no usable fix; the reading keeps what was sent."""

    reading: PositionReading
    device: Device
    lon: float | None
    lat: float | None
    fix: Fix
    flags: tuple[str, ...]
    content_hash: bytes
    source: Delivery


class Happening(msgspec.Struct, eq=False):
    """A device event, ready to be kept."""

    reading: DeviceEvent
    device: Device
    content_hash: bytes
    source: Delivery


class Refused(msgspec.Struct, eq=False):
    """Readings of one delivery refused for one reason. device_id '' = the topic names no known device; items = how many."""

    source: Delivery
    device_id: str
    item_no: int
    reason: str
    detail: str
    items: int = 1


class NodeSaid(msgspec.Struct, eq=False):
    """A message of a Sparkplug node; its session in the store says what it means."""

    device: Device
    topic: SparkplugTopic
    message: NodeMessage
    source: Delivery
    limits: Limits


@dataclass
class Screened:
    """A batch after screening."""

    observations: list[Observation] = field(default_factory=list)
    blocks: list[PlacedReads] = field(default_factory=list)
    positions: list[Fixed] = field(default_factory=list)
    events: list[Happening] = field(default_factory=list)
    states: list[tuple[Device, StateUpdate, Delivery]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    nodes: list[NodeSaid] = field(default_factory=list)
    unknown_devices: int = 0

    def copy(self) -> Screened:
        """With lists of its own."""
        return replace(
            self,
            observations=list(self.observations),
            positions=list(self.positions),
            events=list(self.events),
            states=list(self.states),
            refused=list(self.refused),
        )


@dataclass(frozen=True)
class Opened:
    """A delivery after decoding, before its tags are looked up."""

    source: Delivery
    device: Device | None
    items: list[Item]
    block: ReadsBlock | None = None
    nodes: list[NodeSaid] = field(default_factory=list)

    def epcs(self) -> Iterator[str]:
        """Tags in it."""
        if self.block is not None:
            yield from (r.epc for r in self.block.reads)
        yield from (i.epc for i in self.items if isinstance(i, RfidReading))


def open_delivery(delivery: Delivery, registry: Registry, limits: Limits) -> Opened:
    """Find the device and decode by its registered format. Refuses as a whole what the topic or the registry does not allow."""
    try:
        topic = parse_topic(delivery.topic)
    except BadTopic as exc:
        return Opened(delivery, None, [Rejected("bad_topic", str(exc))])
    device = _speaker(topic, registry)
    if device is None:
        return Opened(delivery, None, [Rejected("unknown_device", "no registered device speaks on this topic")])
    refusal = _topic_refusal(topic, device) if isinstance(topic, DeviceTopic) else None
    if refusal is None and not device.enabled:
        refusal = Rejected("device_disabled", f"device {device.device_id} is disabled")
    channel = topic.verb if isinstance(topic, SparkplugTopic) else topic.channel
    if refusal is None and delivery.retained and channel not in ("presence", "health"):
        refusal = Rejected("retained", "a retained reading is an old one and not counted as new")
    if refusal is not None:
        return Opened(delivery, device, [refusal])
    part = topic.part if isinstance(topic, SparkplugTopic) else ""
    context = DecodeContext(channel, delivery.received_at, device.utc_offset_minutes, device.datum, limits, part)
    block = decode_block(device.format, delivery.payload, context)
    if block is not None:
        return Opened(delivery, device, [], block)
    items = within_days(decode(device.format, delivery.payload, context), limits.days_max)
    nodes = [
        NodeSaid(device, topic, i, delivery, limits) for i in items if isinstance(i, NodeMessage) and isinstance(topic, SparkplugTopic)
    ]
    return Opened(delivery, device, [i for i in items if not isinstance(i, NodeMessage)], nodes=nodes)


def _speaker(topic: DeviceTopic | OwnTracksTopic | SparkplugTopic, registry: Registry) -> Device | None:
    """The registered device whose topic this is."""
    if isinstance(topic, DeviceTopic):
        return registry.device(topic.device_id)
    if isinstance(topic, SparkplugTopic):
        return registry.sparkplug_device(topic.group, topic.node)
    return registry.owntracks_device(topic.user, topic.device)


def within_days(items: list[Item], days_max: int) -> list[Item]:
    """Readings of the first days_max event days; no backlog spans more, but one message with a reading for each day of many years would."""
    if len(items) <= days_max:
        return items
    days: set[date] = set()
    found: list[Item] = []
    for item in items:
        if isinstance(item, RfidReading | PositionReading | DeviceEvent):
            day = item.observed_at.date()
            if day not in days and len(days) >= days_max:
                found.append(Rejected("too_many_days", f"{day} is one day more than {days_max} in one message", item.item_no))
                continue
            days.add(day)
        found.append(item)
    return found


def _topic_refusal(topic: DeviceTopic, device: Device) -> Rejected | None:
    if (topic.tenant_id, topic.site, topic.device_class) != (device.tenant_id, device.site, device.device_class):
        return Rejected("wrong_topic", f"device {device.device_id} is registered as {device.tenant_id}/{device.site}/{device.device_class}")
    if topic.channel not in CHANNELS_OF_CLASS.get(device.device_class, {topic.channel}):
        return Rejected("wrong_channel", f"a {device.device_class} device says nothing on {topic.channel}")
    return None


def screen(opened: Iterable[Opened], registry: Registry) -> Screened:
    """Place and doubt for every item. The tags in it must have been learnt by the registry."""
    batch = Screened()
    for one in opened:
        if one.device is None:
            batch.unknown_devices += 1
            batch.refused += [Refused(one.source, "", r.item_no, r.reason, r.detail) for r in one.items if isinstance(r, Rejected)]
        elif one.block is not None:
            batch.blocks.append(PlacedReads(one.block, one.device, one.source))
            batch.states.append((one.device, StateUpdate(one.block.observed_at, seqs=one.block.seqs), one.source))
        else:
            _screen_one(one, one.device, registry, batch)
            batch.nodes += one.nodes
    return batch


def _screen_one(one: Opened, device: Device, registry: Registry, batch: Screened) -> None:
    refused: dict[str, Refused] = {}
    speakers: dict[int, Device | Rejected | None] = {}

    def refuse(who: Device, r: Rejected) -> None:
        known = refused.get(r.reason)
        if known is None:
            refused[r.reason] = Refused(one.source, who.device_id, r.item_no, r.reason, r.detail)
        else:
            known.items += 1
            if known.items <= 4:
                known.detail = f"{known.detail}; item {r.item_no}: {r.detail}"[:1000]

    for item in one.items:
        if isinstance(item, Claim):
            judged = _judge_claim(item, device, registry)
            if judged is not device and not isinstance(speakers.get(item.item_no), Rejected):
                speakers[item.item_no] = judged
    for item in one.items:
        if isinstance(item, Claim | NodeMessage):
            continue
        if isinstance(item, Rejected):
            refuse(device, item)
            continue
        speaker: Device | Rejected | None = device
        if speakers:
            speaker = speakers.get(-1 if isinstance(item, StateUpdate) else item.item_no, speakers.get(-1, device))
        if isinstance(speaker, Rejected):
            if not isinstance(item, StateUpdate):
                refuse(device, Rejected(speaker.reason, speaker.detail, item.item_no))
            continue
        place_item(item, speaker or device, registry, one.source, batch, unverified=speaker is None)
    if any(isinstance(s, Rejected) for s in speakers.values()) and not refused:
        claim = next(s for s in speakers.values() if isinstance(s, Rejected))
        refuse(device, claim)
    batch.refused += refused.values()


def _judge_claim(claim: Claim, device: Device, registry: Registry) -> Device | Rejected | None:
    """The device that speaks, a refusal, or None when nothing registered says whose value this is."""
    allowed = device.claimed(claim.name)
    if claim.value == device.device_id or claim.value in allowed:
        return device
    if claim.name == "warehouse":
        if claim.value == device.warehouse_id:
            return device
        if device.warehouse_id is None and not allowed:
            return None
        return Rejected("claims_other_device", f"warehouse {claim.value!r} is not {device.warehouse_id}", claim.item_no)
    owner = registry.owner_of_claim(device.tenant_id, claim.name, claim.value)
    if owner is not None and owner.gateway_device_id == device.device_id and owner.enabled:
        return owner
    if owner is None and not allowed:
        return None
    return Rejected("claims_other_device", f"{claim.name} {claim.value!r} is not {device.device_id}", claim.item_no)


def place_item(
    item: RfidReading | PositionReading | DeviceEvent | StateUpdate,
    device: Device,
    registry: Registry,
    source: Delivery,
    batch: Screened,
    *,
    unverified: bool,
) -> None:
    """Add a reading to the batch with its place and its doubts. unverified: its payload names nobody who is registered."""
    if isinstance(item, RfidReading):
        batch.observations.append(place_read(item, device, registry, source, unverified=unverified))
    elif isinstance(item, PositionReading):
        batch.positions.append(_fixed(item, device, source, unverified))
    elif isinstance(item, DeviceEvent):
        batch.events.append(Happening(item, device, item.content_hash(), source))
    else:
        batch.states.append((device, item, source))


def place_read(item: RfidReading, device: Device, registry: Registry, source: Delivery, *, unverified: bool = False) -> Observation:
    """A read with its zone, its goods and all doubts."""
    at = item.observed_at
    zone = registry.zone_at(device.device_id, item.antenna, at)
    binding = registry.binding(item.epc, at)
    flags = item.flags
    if zone is None:
        flags = (*flags, "unknown_antenna")
    if item.rssi_dbm is not None and item.rssi_dbm < RSSI_WEAK_DBM:
        flags = (*flags, "weak_rssi")
    if unverified:
        flags = (*flags, "unknown_source")
    if binding is None and item.epc[:2] not in TAG_BITS_BY_HEADER:
        flags = (*flags, "id_opaque")
    if binding is not None and binding.tenant_id != device.tenant_id:
        flags, binding = (*flags, FOREIGN_TAG), None
    goods_id, tid = (None, None) if binding is None else (binding.value, binding.tid)
    return Observation(item, device, zone, goods_id, tid, flags, item.content_hash(), source)


def _fixed(item: PositionReading, device: Device, source: Delivery, unverified: bool) -> Fixed:
    flags, lon, lat, fix = item.flags, item.lon, item.lat, item.fix
    if unverified:
        flags = (*flags, "unknown_source")
    if fix is Fix.NONE:
        flags, lon, lat = (*flags, "no_fix"), None, None
    elif lon is not None and lat is not None and abs(lon) < NULL_ISLAND_DEG and abs(lat) < NULL_ISLAND_DEG:
        flags, lon, lat, fix = (*flags, "null_island"), None, None, Fix.NONE
    if item.acc_m is not None and item.acc_m > ACCURACY_DOUBTFUL_M:
        flags = (*flags, "low_accuracy")
    if lon is not None and lat is not None and item.datum != "WGS84":
        lon, lat = to_wgs84(lon, lat, item.datum)
    return Fixed(item, device, lon, lat, fix, flags, item.content_hash(), source)


def payload_sha256(payload: bytes) -> bytes:
    """How the dead letter recognises the same bytes."""
    return hashlib.sha256(payload).digest()
