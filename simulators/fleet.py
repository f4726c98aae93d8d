"""All devices at work on a shared clock: inventory rounds, gates, gauges, trackers and signs of life.

A plan of due times on one thread. A round that cannot be held in time is left out rather than piled up; everything that is sent is
stamped with the clock at the moment of sending. Scenarios change what the devices can see through the methods below.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from collateral.clock import Clock
from simulators import telemetry
from simulators.driving import Detour, Roster, driven_at, roster
from simulators.publisher import Publisher
from simulators.telemetry import Seen
from simulators.world import World
from simulators.world.model import Device, Goods
from simulators.world.roads import Lorry, lorries
from simulators.world.seeds import stream

log = logging.getLogger(__name__)

HEALTH_EVERY = timedelta(minutes=15)
ROUND_EVERY = timedelta(hours=1)
GAUGE_EVERY = timedelta(minutes=15)
FIX_EVERY = timedelta(minutes=5)
PARKED_FIX_EVERY = timedelta(minutes=30)
COUNT_EVERY = timedelta(hours=6)
READS_PER_MESSAGE_MAX = 100
MISSED_SHARE = 0.03
IDLE_S_MAX = 0.2
GATE_PASSAGE = timedelta(seconds=24)


@dataclass(order=True)
class _Due:
    at: datetime
    number: int
    every: timedelta = field(compare=False)
    work: Callable[[datetime], timedelta | None] = field(compare=False)


class Fleet:
    """Every device of a world. `open_shift` once, then `run` until `stopping` is set."""

    def __init__(self, world: World, clock: Clock, publisher: Publisher) -> None:
        self.world = world
        self.clock = clock
        self.publisher = publisher
        self.stopping = threading.Event()
        self.reads = 0
        self._lock = threading.RLock()
        self._chance = stream(world.seed, "fleet")
        self._numbers = itertools.count()
        self._next_number: dict[str, int] = dict.fromkeys(world.device_by_id, 1)
        self._beats: dict[str, int] = dict.fromkeys(world.device_by_id, 0)
        self._zone_of: dict[str, str] = {u.goods_id: u.zone_id for u in world.goods if u.zone_id is not None and u.tag_epc is not None}
        self._missed_last: set[str] = set()
        self._silent: set[str] = set()
        self.lorries: dict[str, Lorry] = {lorry.plate: lorry for lorry in lorries(world.seed)}
        self._rosters: dict[str, Roster] = {
            plate: roster(world.seed, lorry, world.starts_at) for plate, lorry in self.lorries.items() if not lorry.standby
        }
        self._cargo: dict[str, tuple[str, ...]] = {t.vehicle_plate: t.goods_ids for t in world.trips if t.status == "UNDER_WAY"}
        self._detours: dict[str, Detour] = {}

    # ------------------------------------------------------------ what scenarios do to the world

    def hide(self, goods_id: str) -> None:
        """The unit's tag answers no longer: it is gone, or was never there."""
        with self._lock:
            self._zone_of.pop(goods_id, None)

    def silence(self, device_id: str) -> None:
        """The device loses power: its last will is sent and nothing else."""
        with self._lock:
            self._silent.add(device_id)
        self.publisher.clients[device_id].go_silent()

    def wake(self, device_id: str) -> None:
        """Power is back."""
        with self._lock:
            self._silent.discard(device_id)
            self.publisher.clients[device_id].start()
            if self.world.device_by_id[device_id].device_class == "rfid":
                self._health(device_id)
                self._round(device_id)

    def through_gate(self, goods_id: str, gate_id: str) -> None:
        """The unit is driven out: read by both antennas of the inner lane, then by both of the outer one."""
        unit, gate = self.world.goods_by_id[goods_id], self.world.device_by_id[gate_id]
        with self._lock:
            self._zone_of.pop(goods_id, None)
            now = self.clock.now()
            steps = ((1, 0), (2, 3), (1, 5), (3, 15), (4, 18), (3, 21), (4, 24))
            seen = [self._seen(unit, antenna, at=now - GATE_PASSAGE + timedelta(seconds=s)) for antenna, s in steps]
            # Lane by lane, as a portal reports: the inner lane first.
            self._send_reads(gate, now, seen[:3])
            self._send_reads(gate, now, seen[3:])

    def clone_read(self, goods_id: str, home_reader: str, away_reader: str, false_tid: str) -> None:
        """The tag answers at home, and half a minute later another chip with its number answers somewhere else."""
        unit = self.world.goods_by_id[goods_id]
        home, away = self.world.device_by_id[home_reader], self.world.device_by_id[away_reader]
        with self._lock:
            now = self.clock.now()
            at_home = next(a for a, z in home.antennas if z == unit.zone_id)
            self._send_reads(home, now, [self._seen(unit, at_home, at=now - timedelta(seconds=30))])
            assert unit.tag_epc is not None
            self._send_reads(away, now, [Seen(unit.tag_epc, false_tid, away.antennas[0][0], self._rssi())])

    def detour(self, plate: str, metres: float, lasting: timedelta) -> None:
        """The lorry leaves its corridor for a while."""
        with self._lock:
            now = self.clock.now()
            self._detours[plate] = Detour(now, now + lasting, metres)

    def depart(self, plate: str, goods_ids: tuple[str, ...]) -> None:
        """A lorry on stand-by drives off with goods and stays at its destination."""
        with self._lock:
            self._rosters[plate] = Roster(self.clock.now(), 14.0, timedelta(0), once=True)
            self._cargo[plate] = goods_ids

    def sees(self, goods_id: str) -> bool:
        """Whether some reader can see the unit."""
        return goods_id in self._zone_of

    # ------------------------------------------------------------ the shift

    def open_shift(self) -> None:
        """Signs of life of all devices, one fix per tracker and a first round of every reader, at the clock as it stands."""
        with self._lock:
            for device in self.world.devices:
                if device.device_class in ("rfid", "gate", "gw"):
                    self._health(device.device_id)
                if device.device_class == "rfid":
                    self._round(device.device_id, complete=True)
                elif device.device_class == "sensor":
                    self._gauge(device.device_id)
                elif device.device_class == "gps":
                    self._fix(device.device_id)

    def run(self) -> None:
        """Until `stopping` is set."""
        plan = self._plan(self.clock.now())
        heapq.heapify(plan)
        while not self.stopping.is_set():
            wait_s = self.clock.real_seconds_until(plan[0].at)
            if wait_s > 0:
                self.stopping.wait(min(wait_s, IDLE_S_MAX))
                continue
            due = heapq.heappop(plan)
            with self._lock:
                every = due.work(self.clock.now()) or due.every
            # The next multiple after now: what was missed while we were late is left out, the rhythm stays.
            due.at += every * max(1, -((due.at - self.clock.now()) // every))
            heapq.heappush(plan, due)

    def _plan(self, start: datetime) -> list[_Due]:
        plan: list[_Due] = []
        spread = stream(self.world.seed, "phases")

        def add(every: timedelta, work: Callable[[str], timedelta | None], device_id: str) -> None:
            plan.append(_Due(start + every * spread.random(), next(self._numbers), every, lambda now: work(device_id)))

        for device in self.world.devices:
            match device.device_class:
                case "rfid":
                    add(HEALTH_EVERY, self._health, device.device_id)
                    add(ROUND_EVERY, self._round, device.device_id)
                case "gate" | "gw":
                    add(HEALTH_EVERY, self._health, device.device_id)
                case "sensor":
                    add(GAUGE_EVERY, self._gauge, device.device_id)
                case "gps":
                    add(FIX_EVERY, self._fix, device.device_id)
                case "wms":
                    add(COUNT_EVERY, self._count, device.device_id)
        return plan

    # ------------------------------------------------------------ what devices say; all called with the lock held

    def _rssi(self) -> float:
        return self._chance.uniform(-68.0, -42.0)

    def _seen(self, unit: Goods, antenna: int, at: datetime | None = None) -> Seen:
        assert unit.tag_epc is not None
        return Seen(unit.tag_epc, unit.tid, antenna, self._rssi(), at)

    def _send_reads(self, device: Device, at: datetime, seen: Sequence[Seen]) -> None:
        payload, self._next_number[device.device_id] = telemetry.reads(device, at, self._next_number[device.device_id], seen)
        if self.publisher.publish(device.device_id, "reads", payload):
            self.reads += len(seen)

    def _health(self, device_id: str) -> None:
        if device_id not in self._silent:
            self._beats[device_id] += 1
            payload = telemetry.health(self.world.device_by_id[device_id], self.clock.now(), self._beats[device_id])
            self.publisher.publish(device_id, "health", payload)

    def _round(self, device_id: str, complete: bool = False) -> None:
        """One inventory round. A tag that was missed in the last one is found in the second pass of this one."""
        if device_id in self._silent:
            return
        device = self.world.device_by_id[device_id]
        antennas: dict[str, list[int]] = {}
        for antenna, zone_id in device.antennas:
            antennas.setdefault(zone_id, []).append(antenna)
        seen: list[Seen] = []
        for goods_id, zone_id in self._zone_of.items():
            if zone_id not in antennas:
                continue
            if not complete and goods_id not in self._missed_last and self._chance.random() < MISSED_SHARE:
                self._missed_last.add(goods_id)
                continue
            self._missed_last.discard(goods_id)
            seen.append(self._seen(self.world.goods_by_id[goods_id], self._chance.choice(antennas[zone_id])))
        for start in range(0, len(seen), READS_PER_MESSAGE_MAX):
            self._send_reads(device, self.clock.now(), seen[start : start + READS_PER_MESSAGE_MAX])

    def _number(self, device_id: str) -> int:
        number = self._next_number[device_id]
        self._next_number[device_id] = number + 1
        return number

    def _gauge(self, device_id: str) -> None:
        device = self.world.device_by_id[device_id]
        lot = next((u for u in self.world.goods if u.zone_id == device.antennas[0][1]), None)
        if lot is None or device_id in self._silent:
            return
        warm_c = 48 + self._chance.gauss(0, 0.05)
        volume_m3 = float(lot.quantity) * 0.158987 * (1 + 0.0007 * (warm_c - 48)) + self._chance.gauss(0, 0.4)
        payload = telemetry.gauge(
            self.clock.now(), self._number(device_id), level_m=volume_m3 / 615.75, volume_m3=volume_m3, temperature_c=warm_c
        )
        self.publisher.publish(device_id, "event", payload)

    def _fix(self, device_id: str) -> timedelta:
        device = self.world.device_by_id[device_id]
        assert device.vehicle_plate is not None
        plate, at = device.vehicle_plate, self.clock.now()
        driven = driven_at(
            self.world.seed,
            self.lorries[plate],
            self._rosters.get(plate),
            at,
            goods=self._cargo.get(plate, ()),
            detour=self._detours.get(plate),
        )
        payload = telemetry.position(device, at, self._number(device_id), driven)
        self.publisher.publish(device_id, "position", payload)
        return FIX_EVERY if driven.speed_mps > 0 else PARKED_FIX_EVERY

    def _count(self, device_id: str) -> None:
        device, at = self.world.device_by_id[device_id], self.clock.now()
        pieces: dict[tuple[str, str], int] = {}
        for unit in self.world.goods:
            if unit.warehouse_id == device.warehouse_id and unit.zone_id is not None:
                place = (unit.commodity_code, unit.zone_id)
                pieces[place] = pieces.get(place, 0) + 1
        lines = [(code, place, count) for (code, place), count in sorted(pieces.items())]
        self.publisher.publish(device_id, "doc", telemetry.cycle_count(device, at, self._number(device_id), lines))
