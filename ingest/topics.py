"""Topics: `v1/{tenant}/{site}/{class}/{device}/{channel}` and two alias trees, `owntracks/{user}/{device}[/...]` and
`spBv1.0/{group}/{verb}/{node}[/{device}]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

TOPIC_BYTES_MAX = 512
READY_TOPIC = "v1/_ready"
"""Nothing is ever said here. Workers subscribe to it last, so a broker that has somebody for it has somebody for all the others."""


class DeviceClass(StrEnum):
    """Mirrored by the CHECK on device.class."""

    RFID = "rfid"
    GATE = "gate"
    GPS = "gps"
    WMS = "wms"
    SENSOR = "sensor"
    GATEWAY = "gw"


class Channel(StrEnum):
    """What a device says on a topic. Commands go the other way and are not ingested."""

    READS = "reads"
    POSITION = "position"
    EVENT = "event"
    HEALTH = "health"
    PRESENCE = "presence"
    DOC = "doc"


class SparkplugVerb(StrEnum):
    """What a Sparkplug node publishes. NCMD and DCMD go the other way, STATE is a host's own word: neither is ingested."""

    NBIRTH = "NBIRTH"
    NDATA = "NDATA"
    NDEATH = "NDEATH"
    DBIRTH = "DBIRTH"
    DDATA = "DDATA"
    DDEATH = "DDEATH"

    @property
    def of_device(self) -> bool:
        """Whether its topics end with a device behind the node."""
        return self.startswith("D")


INGESTED_CHANNELS = tuple(Channel)
OWNTRACKS_CHANNELS = {"": Channel.POSITION, "event": Channel.EVENT, "waypoint": Channel.EVENT, "status": Channel.HEALTH}

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")
_USER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SPARKPLUG = re.compile(r"[^\s/+#$\x00-\x1f\x7f]([^/+#\x00-\x1f\x7f]{0,126}[^\s/+#\x00-\x1f\x7f])?")


class BadTopic(ValueError):
    """This topic names no device of ours."""


@dataclass(frozen=True)
class DeviceTopic:
    """A topic of the v1 tree."""

    tenant_id: str
    site: str
    device_class: DeviceClass
    device_id: str
    channel: Channel

    def __str__(self) -> str:
        return f"v1/{self.tenant_id}/{self.site}/{self.device_class}/{self.device_id}/{self.channel}"


@dataclass(frozen=True)
class OwnTracksTopic:
    """A topic of the OwnTracks tree; the registry says whose device it is."""

    user: str
    device: str
    channel: Channel


@dataclass(frozen=True)
class SparkplugTopic:
    """A topic of the Sparkplug B tree; the registry says whose node it is. part: the device behind the node, or ''."""

    group: str
    node: str
    verb: SparkplugVerb
    part: str


def is_sparkplug_id(text: str) -> bool:
    """Whether this can be a group, node or device of Sparkplug here: no wildcards, slashes, control characters or outer spaces."""
    return _SPARKPLUG.fullmatch(text) is not None


def _part(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None or ".." in text:
        raise BadTopic(f"{what} {text[:80]!r} has characters or a length that ids do not have")
    return text


def build_topic(tenant_id: str, site: str, device_class: str, device_id: str, channel: str) -> str:
    """The topic on which a device publishes. Raises BadTopic on an id with wildcards, `$`, slashes or dots in a row."""
    try:
        cls, chan = DeviceClass(device_class), Channel(channel)
    except ValueError as exc:
        raise BadTopic(str(exc)) from None
    return str(DeviceTopic(_part(_TENANT, tenant_id, "tenant"), _part(_SITE, site, "site"), cls, _part(_DEVICE, device_id, "device"), chan))


@lru_cache(maxsize=65_536)
def parse_topic(topic: str) -> DeviceTopic | OwnTracksTopic | SparkplugTopic:
    """What a topic names. Raises BadTopic that says what is wrong with it."""
    if len(topic.encode("utf-8", "replace")) > TOPIC_BYTES_MAX:
        raise BadTopic(f"topic is longer than {TOPIC_BYTES_MAX} bytes")
    parts = topic.split("/")
    if parts[0] == "owntracks":
        if len(parts) not in (3, 4):
            raise BadTopic("an OwnTracks topic is owntracks/{user}/{device}[/event|/waypoint|/status]")
        channel = OWNTRACKS_CHANNELS.get(parts[3] if len(parts) == 4 else "")
        if channel is None:
            raise BadTopic(f"OwnTracks sub-topic {parts[3][:40]!r} is not ingested")
        return OwnTracksTopic(_part(_USER, parts[1], "user"), _part(_DEVICE, parts[2], "device"), channel)
    if parts[0] == "spBv1.0":
        return _sparkplug_topic(parts)
    if len(parts) != 6 or parts[0] != "v1":
        raise BadTopic("a topic is v1/{tenant}/{site}/{class}/{device}/{channel}")
    _, tenant, site, cls, device, chan = parts
    try:
        device_class, channel = DeviceClass(cls), Channel(chan)
    except ValueError as exc:
        raise BadTopic(str(exc)) from None
    return DeviceTopic(
        _part(_TENANT, tenant, "tenant"), _part(_SITE, site, "site"), device_class, _part(_DEVICE, device, "device"), channel
    )


def _sparkplug_topic(parts: list[str]) -> SparkplugTopic:
    if len(parts) not in (4, 5):
        raise BadTopic("a Sparkplug topic is spBv1.0/{group}/{verb}/{node}[/{device}]")
    try:
        verb = SparkplugVerb(parts[2])
    except ValueError:
        raise BadTopic(f"Sparkplug verb {parts[2][:40]!r} is not ingested") from None
    if verb.of_device != (len(parts) == 5):
        raise BadTopic(f"a {verb} topic has {'a' if verb.of_device else 'no'} device at its end")
    ids = (parts[1], parts[3], *parts[4:])
    if not all(map(is_sparkplug_id, ids)):
        raise BadTopic("a Sparkplug id has characters or a length that ids do not have")
    return SparkplugTopic(parts[1], parts[3], verb, parts[4] if len(parts) == 5 else "")


def subscriptions(share: str) -> list[str]:
    """Topic filters of one group of workers: every data channel and the alias trees, never commands; READY_TOPIC last."""
    return [f"$share/{share}/v1/+/+/+/+/{c}" for c in INGESTED_CHANNELS] + [
        f"$share/{share}/owntracks/+/+",
        *(f"$share/{share}/owntracks/+/+/{sub}" for sub in OWNTRACKS_CHANNELS if sub),
        *(f"$share/{share}/spBv1.0/+/{verb}/+{'/+' if verb.of_device else ''}" for verb in SparkplugVerb),
        f"$share/{share}/{READY_TOPIC}",
    ]
