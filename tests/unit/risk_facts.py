"""Facts for the tests of rules: everything in order unless said otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from risk.facts import Device, Movement, Place, Stream, Unit, UnseenUnit
from risk.rule import CannotJudge, Cleared, Finding, Verdict
from risk.snapshot import Snapshot

NOW = datetime(2020, 3, 9, 6, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)

UNIT = Unit(
    goods_id="HRC-1", tenant_id="demo", commodity_code="HRC", owner_party_id="P-TRADER", warehouse_id="WH-1", pledge_id="PL-1", facility_id="F-1",
    pledged_at=NOW - 48 * HOUR, value=Decimal(80_000), currency="CNY",
)  # fmt: skip
GATE_IN = Place(zone_id="WH-1/gate-in", warehouse_id="WH-1", kind="GATE_INNER", lon=121.48, lat=31.40)
GATE_OUT = Place(zone_id="WH-1/gate-out", warehouse_id="WH-1", kind="GATE_OUTER", lon=121.4795, lat=31.40)
BAY = Place(zone_id="WH-1/bay-1", warehouse_id="WH-1", kind="BAY", lon=121.482, lat=31.401)
EXIT = Movement(
    movement_id=1, tenant_id="demo", occurred_at=NOW, received_at=NOW, recorded_at=NOW, kind="GATE_OUT", device_id="gate-1", tag_epc="E28011",
    unit=UNIT, from_place=GATE_IN, to_place=GATE_OUT, from_seen_at=NOW - MINUTE, warehouse_id="WH-1",
)  # fmt: skip
DEVICE = Device(
    device_id="rd-1", tenant_id="demo", site="WH-1", warehouse_id="WH-1", device_class="rfid", gateway_device_id=None, expected_interval_s=60,
    registered_at=NOW - 720 * HOUR, last_heard_at=NOW, presence="online", presence_at=NOW - 48 * HOUR, on_duty=True, units_behind=10,
    value_behind=Decimal(800_000), currency="CNY", newest_read_at=NOW, rounds=2,
)  # fmt: skip
UNSEEN = UnseenUnit(
    unit=UNIT, tag_epc="E28011", device_id="rd-1", zone_id="WH-1/bay-1", last_seen_at=NOW - 6 * HOUR, rounds_since=4, last_round_at=NOW, zone_units=40,
    vanished_together=0, read_rate=None, facility_value=Decimal(100_000_000),
)  # fmt: skip


def stream(at: datetime = NOW, settle: timedelta = timedelta(0)) -> Stream:
    """A stream that has come to this time."""
    return Stream(reached_at=at, settled_until=at - settle, devices_heard=10)


def snapshot(**sections: Any) -> Snapshot:
    """A snapshot at NOW whose stream has come to NOW."""
    return replace(Snapshot(as_of=NOW, stream=stream()), **sections)


def findings(verdicts: list[Verdict]) -> list[Finding]:
    return [v for v in verdicts if isinstance(v, Finding)]


def doubts(verdicts: list[Verdict]) -> list[CannotJudge]:
    return [v for v in verdicts if isinstance(v, CannotJudge)]


def cleared(verdicts: list[Verdict]) -> list[Cleared]:
    return [v for v in verdicts if isinstance(v, Cleared)]
