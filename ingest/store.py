"""Telemetry tables: one batch, one transaction. Nothing here commits; ingest.writer does, and acknowledges after it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import psycopg
from psycopg import errors
from psycopg.rows import dict_row

from collateral.heard import silence_max
from db.sql import load_queries
from ingest import corrections, dead_letters, device_facts, sparkplug_store
from ingest.device_states import KnownState, News, device_state
from ingest.gaps import Epoch
from ingest.gates import GATE_PASS_MAX, GateRead, gate_passages
from ingest.movements import Change, Movement, MovementKind, Outcome, Sighting, decided_passage, sight
from ingest.readings import DeviceEvent
from ingest.registry import Registry
from ingest.restate import Cause
from ingest.rows import observation_rows, sighting_rows
from ingest.screen import FOREIGN_TAG, Delivery, Fixed, Happening, Observation, Refused, Screened
from ingest.tally import Fate, Sums, Tally
from ingest.vehicles import Vehicles
from ingest.zones_evidence import Pending, ReadPolicy

_Q = load_queries(__file__)
_OUR_TIME_FLAGS = {"clock_unset", "future_time"}
_OUR_TIME_LOOKBACK = timedelta(days=35)  # longer than a broker keeps a session

Conn = psycopg.Connection[Any]
_T = TypeVar("_T", Observation, Fixed, Happening)


class ConcurrentChange(Exception):
    """Another worker saw the same tag for the first time; do the batch again."""


@dataclass(frozen=True)
class StoreOptions:
    """How telemetry is kept. smoothing 0 = every read is a row; reorder: how long a Sparkplug message may be missing before its node is asked."""

    smoothing: timedelta = timedelta(seconds=300)
    payload_kept_bytes_max: int = dead_letters.PAYLOAD_KEPT_BYTES_MAX
    reorder: timedelta = timedelta(seconds=2)


@dataclass(frozen=True)
class Written:
    """What one batch came to."""

    sums: Sums
    movements: int
    device_sums: Tally


class _Batch:
    """One batch on its way into the tables."""

    def __init__(self, conn: Conn, screened: Screened, registry: Registry, options: StoreOptions) -> None:
        self.conn = conn
        self.screened = screened
        self.registry = registry
        self.options = options
        self.tally = Tally()
        self.refused: list[Refused] = list(screened.refused)
        self.movements: list[Movement] = []
        self.again: list[Movement] = []  # corrections, and what late messages showed
        self.policies: dict[str, ReadPolicy] = {}
        self.fresh: set[int] = set()  # id() of deliveries that brought something new
        self.news: defaultdict[str, News] = defaultdict(News)

    # ------------------------------------------------------------ outcomes

    def settle(self, item: Observation | Fixed | Happening, fate: Fate) -> None:
        self.tally.count(item.device.device_id, item.source.received_at, fate)
        if fate is Fate.STORED or fate is Fate.ABSORBED:
            self.fresh.add(id(item.source))

    def conflict(self, item: Observation | Fixed | Happening) -> None:
        r = item.reading
        detail = f"{r.observed_at.isoformat()} {r.event_key}: the same key was received before with other content"
        self.refused.append(Refused(item.source, item.device.device_id, r.item_no, "conflict", detail))

    def settle_kept(
        self, items: Sequence[_T], key: Callable[[_T], tuple[Any, ...]], insert: str, hashes: str, rows: list[dict[str, Any]]
    ) -> list[_T]:
        """Insert rows whose key may be there already; tell stored, repeated and conflicting apart. Returns the stored ones."""
        returned = {tuple(row) for row in self.run(insert, rows)}
        stored = [i for i in items if key(i) in returned]
        for item in stored:
            self.settle(item, Fate.STORED)
        if len(stored) < len(items):
            there: dict[tuple[Any, ...], bytes] = {tuple(row[:-1]): row[-1] for row in self.run(hashes, rows)}
            for item in items:
                if key(item) not in returned:
                    self.repeated_or_conflict(item, there[key(item)])
        return stored

    def repeated_or_conflict(self, item: Observation | Fixed | Happening, content_hash: bytes) -> None:
        if bytes(content_hash) == item.content_hash:
            self.settle(item, Fate.REPEATED)
        else:
            self.conflict(item)

    def first_of_key(self, items: Iterable[_T], key: Callable[[_T], tuple[Any, ...]]) -> list[_T]:
        """Items without later ones of the same key, which are settled here."""
        firsts: dict[tuple[Any, ...], _T] = {}
        for item in items:
            first = firsts.setdefault(key(item), item)
            if first is not item:
                self.repeated_or_conflict(item, first.content_hash)
        return list(firsts.values())

    def run(self, query: str, rows: Any, **more: Any) -> list[tuple[Any, ...]]:
        """A query over rows passed as JSON; no query without rows."""
        if not rows:
            return []
        cursor = self.conn.execute(_Q[query], {"rows": msgspec.json.encode(rows).decode(), **more})
        return cursor.fetchall() if cursor.description is not None else []

    # ------------------------------------------------------------ reads

    def observations(self) -> None:
        found = self._by_our_time(
            self.screened.observations,
            "reads_by_our_time",
            lambda o: {
                "device_id": o.device.device_id,
                "tag_epc": o.reading.epc,
                "antenna": o.reading.antenna,
                "event_key": o.reading.event_key,
            },
        )
        foreign = [o for o in found if FOREIGN_TAG in o.flags]
        if foreign:
            self._insert_carefully(self.first_of_key(foreign, _observation_key))
            found = [o for o in found if FOREIGN_TAG not in o.flags]
        if not found:
            return
        for order in (_antenna, _device_id, _observed_at):  # three stable sorts: reads of one instant have one order, whatever came first
            found.sort(key=order)
        epcs = sorted({o.reading.epc for o in found})
        states: dict[str, Sighting] = {r[0]: Sighting(*r) for r in self.conn.execute(_Q["lock_sightings"], {"epcs": epcs})}
        for state in states.values():
            if state.pending is not None:
                state.pending = msgspec.convert(state.pending, Pending)
        store, late = self._sight_all(found, states)
        self._copy(store)
        late = self._insert_carefully(self.first_of_key(self._not_yet_told(late), _observation_key))
        if late:
            self._retell(late, states)
        self._put_sightings(states)
        self._gates(
            [o for o in (*store, *late) if _in_gate_zone(o) and o.goods_id is not None and o.reading.direction is None],
            {o.reading.epc: o for o in reversed(late) if _in_gate_zone(o) and o.reading.direction is None},
        )
        self.movements += [m for o in (*store, *late) if o.reading.direction is not None and (m := decided_passage(o)) is not None]

    def policy(self, o: Observation) -> ReadPolicy:
        device_id = o.device.device_id
        found = self.policies.get(device_id)
        if found is None:
            found = self.policies[device_id] = self.registry.read_policy(o.device, ReadPolicy(smoothing=self.options.smoothing))
        return found

    def _retell(self, late: list[Observation], states: dict[str, Sighting]) -> None:
        tags, again = corrections.retell(self.conn, self.registry, late, states, self.policy, self._place_of)
        self.movements = [m for m in self.movements if m.tag_epc not in tags]
        self.again += again

    def _sight_all(self, found: list[Observation], states: dict[str, Sighting]) -> tuple[list[Observation], list[Observation]]:
        policies, place_of = self.policies, self._place_of
        store: list[Observation] = []
        late: list[Observation] = []
        keys: dict[tuple[Any, ...], Observation] = {}
        stored_at: defaultdict[tuple[str, str, int], list[datetime]] = defaultdict(list)
        for o in found:
            epc = o.reading.epc
            known = states.get(epc)
            tie = (
                known is not None
                and known.change is not Change.NONE
                and known.last_seen_at == o.reading.observed_at
                and (known.antenna != o.reading.antenna or known.device_id != o.device.device_id)
                and o.key not in keys
            )
            state, outcome, movements = sight(known, o, policies.get(o.device.device_id) or self.policy(o), place_of, tie)
            states[epc] = state
            if outcome is Outcome.ABSORB:
                self.settle(o, Fate.ABSORBED)
            elif outcome is Outcome.STORE:
                keys[o.key] = o
                stored_at[epc, o.device.device_id, o.reading.antenna].append(o.reading.observed_at)
                store.append(o)
            else:
                first = keys.get(o.key)
                at = o.reading.observed_at
                if first is not None:
                    self.repeated_or_conflict(o, first.content_hash)
                    continue
                smoothing = self.policy(o).smoothing
                told = not _at_gate(o) and any(
                    at - smoothing <= s < at for s in stored_at.get((epc, o.device.device_id, o.reading.antenna), ())
                )
                if told:
                    self.settle(o, Fate.REPEATED)
                    continue
                late.append(o)
            self.movements += movements
        return store, late

    def _place_of(self, device_id: str) -> tuple[float | None, float | None]:
        device = self.registry.device(device_id)
        return (None, None) if device is None else (device.lon, device.lat)

    def _copy(self, store: list[Observation]) -> None:
        """The fast path. Reads newer than their tag's sighting cannot be there already, except after a loss of goods_position."""
        if not store:
            return
        try:
            with self.conn.transaction(), self.conn.cursor().copy(_Q["copy_observations"]) as copy:
                copy.write(observation_rows(store))
        except errors.UniqueViolation:
            self._insert_carefully(store)
        else:
            for o in store:
                self.settle(o, Fate.STORED)

    def _not_yet_told(self, late: list[Observation]) -> list[Observation]:
        """Late reads that are not within the smoothing time of a stored row of the same antenna; the others are settled."""
        rows = [
            {
                "no": i,
                "observed_at": o.reading.observed_at,
                "device_id": o.device.device_id,
                "tag_epc": o.reading.epc,
                "antenna": o.reading.antenna,
                "smoothing_s": self.policy(o).smoothing.total_seconds(),
            }
            for i, o in enumerate(late)
            if not _at_gate(o) and self.policy(o).smoothing
        ]
        told = {row[0] for row in self.run("late_reads_already_told", rows)}
        for no in told:
            self.settle(late[no], Fate.REPEATED)
        return [o for i, o in enumerate(late) if i not in told]

    def _insert_carefully(self, found: list[Observation]) -> list[Observation]:
        rows = [
            {
                "observed_at": o.reading.observed_at,
                "received_at": o.source.received_at,
                "device_id": o.device.device_id,
                "tag_epc": o.reading.epc,
                "antenna": o.reading.antenna,
                "event_key": o.reading.event_key,
                "tid": o.reading.tid,
                "goods_id": o.goods_id,
                "zone_id": None if o.zone is None else o.zone.zone_id,
                "rssi_dbm": o.reading.rssi_dbm,
                "read_count": o.reading.read_count,
                "flags": o.flags,
                "content_hash": o.content_hash.hex(),
            }
            for o in found
        ]
        return self.settle_kept(found, _observation_key, "insert_observations", "observation_hashes", rows)

    def _put_sightings(self, states: dict[str, Sighting]) -> None:
        by_change: defaultdict[Change, list[Sighting]] = defaultdict(list)
        for state in states.values():
            by_change[state.change].append(state)
        if new := sorted(by_change[Change.NEW], key=lambda s: s.tag_epc):
            try:
                with self.conn.cursor().copy(_Q["copy_sightings"]) as copy:
                    copy.write(sighting_rows(new))
            except errors.UniqueViolation as exc:
                raise ConcurrentChange from exc
        self.run("move_sightings", [msgspec.structs.asdict(s) for s in by_change[Change.MOVED]])
        self.run(
            "extend_sightings",
            [
                {"tag_epc": s.tag_epc, "last_seen_at": s.last_seen_at, "reads": s.reads, "absorbed": s.absorbed, "rssi_dbm": s.rssi_dbm}
                for s in by_change[Change.EXTENDED]
            ],
        )
        corrections.put_pending(self.conn, states.values())

    def _gates(self, stored: list[Observation], late: dict[str, Observation]) -> None:
        """late: the first late gate read of each tag that has one; the passages since then are told again."""
        windows: dict[tuple[str, str, str], dict[str, Any]] = {}
        for o in stored:
            assert o.zone is not None
            assert o.goods_id is not None
            at = o.reading.observed_at
            key = (o.goods_id, o.reading.epc, o.zone.warehouse_id)
            window = windows.setdefault(
                key,
                {"goods_id": key[0], "tag_epc": key[1], "warehouse_id": key[2], "from_": at - GATE_PASS_MAX, "until": at + GATE_PASS_MAX},
            )
            around = 3 * GATE_PASS_MAX if key[1] in late else GATE_PASS_MAX
            window["from_"], window["until"] = min(window["from_"], at - around), max(window["until"], at + around)
        if not windows:
            return
        reads: defaultdict[tuple[str, str, str], list[GateRead]] = defaultdict(list)
        for row in self.run("gate_reads", list(windows.values())):
            reads[row[0], row[1], row[2]].append(GateRead(*row[3:]))
        known: defaultdict[str, set[tuple[datetime, MovementKind]]] = defaultdict(set)
        for goods_id, at, kind in self.run("passages_around", list(windows.values()), pass_max=GATE_PASS_MAX):
            known[goods_id].add((at, MovementKind(kind)))
        for (goods_id, epc, _), found in reads.items():
            if epc in late:
                o = late[epc]
                cause = Cause("late_gate_read", o.device.device_id, o.reading.observed_at, o.source.received_at)
                until = max(r.observed_at for r in found)
                self.again += corrections.retell_passages(self.conn, epc, goods_id, found, o.reading.observed_at, until, cause)
                continue
            made = gate_passages(epc, goods_id, found, sorted(known[goods_id]))
            known[goods_id].update((m.occurred_at, m.kind) for m in made)  # another tag of the same goods tells nothing more
            self.movements += made

    # ------------------------------------------------------------ positions and events

    def _by_our_time(
        self, items: list[_T], query: str, describe: Callable[[_T], dict[str, Any]], always: Callable[[_T], bool] | None = None
    ) -> list[_T]:
        """Readings that carry our time because the device's was not believed: a repeated delivery takes the time of its first."""
        doubtful = [
            (i, item) for i, item in enumerate(items) if not _OUR_TIME_FLAGS.isdisjoint(item.reading.flags) or (always and always(item))
        ]
        if not doubtful:
            return items
        rows = [{"no": i, **describe(item)} for i, item in doubtful]
        since = min(item.source.received_at for _, item in doubtful) - _OUR_TIME_LOOKBACK
        known: dict[int, datetime] = {row[0]: row[1] for row in self.run(query, rows, since=since)}
        in_batch: dict[str, datetime] = {}
        items = list(items)
        for i, item in doubtful:
            name = msgspec.json.encode(describe(item)).decode()
            at = known.get(i) or in_batch.setdefault(name, item.reading.observed_at)
            if at != item.reading.observed_at:
                items[i] = msgspec.structs.replace(item, reading=msgspec.structs.replace(item.reading, observed_at=at))
        return items

    def positions(self) -> None:
        found = self._by_our_time(
            self.screened.positions,
            "positions_by_our_time",
            lambda p: {"device_id": p.device.device_id, "event_key": p.reading.event_key},
        )
        found = self.first_of_key(found, _position_key)
        if not found:
            return
        vehicles = Vehicles(self.conn, self.registry.fences)
        found = vehicles.flagged(found)
        stored = self.settle_kept(found, _position_key, "insert_positions", "position_hashes", [_position_row(p) for p in found])
        told, again = vehicles.tell(stored)
        self.movements += told
        self.again += again

    def events(self) -> None:
        found = self._by_our_time(
            self.screened.events,
            "events_by_key",
            lambda e: {"device_id": e.device.device_id, "type": e.reading.type, "event_key": e.reading.event_key},
            always=lambda e: e.reading.type == "doc",
        )
        found = self.first_of_key(found, _event_key)
        rows = [
            {
                "observed_at": e.reading.observed_at,
                "received_at": e.source.received_at,
                "device_id": e.device.device_id,
                "event_key": e.reading.event_key,
                "type": e.reading.type,
                "payload": _flagged(e.reading),
                "content_hash": e.content_hash.hex(),
            }
            for e in found
        ]
        for e in self.settle_kept(found, _event_key, "insert_events", "event_hashes", rows):
            if e.reading.missed:
                self.news[e.device.device_id].overflows.append((e.reading.observed_at, e.reading.missed))

    # ------------------------------------------------------------ the rest

    def put_movements(self) -> int:
        rows = [corrections.movement_row(m) for m in self.movements]
        made = len(self.run("insert_movements", rows)) + corrections.insert_again(self.conn, self.again)
        if made:
            self.conn.execute(_Q["notify_movement"])
        return made

    def put_device_states(self) -> None:
        for items in (self.screened.observations, self.screened.positions, self.screened.events):
            for item in items:
                own_time = not item.reading.flags or _OUR_TIME_FLAGS.isdisjoint(item.reading.flags)
                self.news[item.device.device_id].heard(item.reading.observed_at, item.source.received_at, own_time=own_time)
        for device, update, source in self.screened.states:
            news = self.news[device.device_id]
            if update.presence != "offline":  # a will is the broker's word, not the device's
                news.heard(
                    update.observed_at, source.received_at, own_time=update.observed_at != source.received_at
                )  # equal = we put it in
            news.updates.append((update, source.received_at))
        devices = sorted(self.news)
        if not devices:
            return
        known = self._known_states(devices)
        if len(known) < len(devices):
            self.conn.execute(_Q["make_device_states"], {"devices": [d for d in devices if d not in known]})
            known = self._known_states(devices)
        rows, opened, filled = [], [], []
        for device_id in devices:
            news, registered = self.news[device_id], self.registry.device(device_id)
            silence = silence_max(timedelta(seconds=60 if registered is None else registered.expected_interval_s))
            told = device_state(device_id, known[device_id], news, silence)
            if told.runs:
                run = device_facts.merge_heard(self.conn, device_id, told.runs, silence)
                told.row.update(heard_from=run.from_at, heard_until=run.until_at)
            rows.append(told.row)
            at = news.received_at or max(received_at for _, received_at in news.updates)
            opened += [(device_id, m, at) for m in told.opened]
            filled += [(device_id, m, at) for m in told.filled]
        self.run("put_device_states", rows)
        device_facts.put_missed(self.conn, opened, filled)

    def _known_states(self, devices: list[str]) -> dict[str, KnownState]:
        with self.conn.cursor(row_factory=dict_row) as cur:
            rows = cur.execute(_Q["lock_device_states"], {"devices": devices}).fetchall()
        for row in rows:
            row["seq_spans"] = msgspec.convert(row["seq_spans"], list[Epoch])
        return {row.pop("device_id"): KnownState(**row) for row in rows}

    def put_refusals(self) -> None:
        for r in self.refused:
            self.tally.count(r.device_id, r.source.received_at, Fate.REFUSED, r.items)
        rows = dead_letters.fold(self.refused, payload_kept_bytes_max=self.options.payload_kept_bytes_max)
        kept = {tuple(row) for row in self.run("put_dead_letters", list(rows.values()))}
        others: dict[dead_letters.Key, dict[str, Any]] = {}
        for key, row in rows.items():
            if key in kept:
                continue
            row["item_no"] = dead_letters.other_item_no(row["items"])
            known = others.setdefault(dead_letters.key_of(row), row)
            if known is not row:
                known["times"] += row["times"]
        self.run("put_dead_letters", list(others.values()))


def write(conn: Conn, screened: Screened, registry: Registry, options: StoreOptions) -> Written:
    """Write one batch within the caller's transaction. Raises ConcurrentChange or psycopg.Error; then nothing of it may be committed.

    Locks are taken in one order by all workers: Sparkplug nodes, tags, vehicles, devices, dead letters, tallies, each sorted by key.
    """
    screened = screened.copy()  # what nodes said adds to it, and the batch may be written again
    missed = sparkplug_store.understand(conn, screened, registry, reorder=options.reorder)
    batch = _Batch(conn, screened, registry, options)
    for device_id, never_came in missed:
        batch.news[device_id].never_came.append(never_came)
    batch.observations()
    batch.positions()
    batch.events()
    movements = batch.put_movements()
    batch.put_device_states()
    batch.put_refusals()
    batch.run("add_tally", batch.tally.rows())
    return Written(batch.tally.sums(), movements, batch.tally)


def _observed_at(item: Observation | Fixed) -> datetime:
    return item.reading.observed_at


def _device_id(item: Observation) -> str:
    return item.device.device_id


def _antenna(item: Observation) -> int:
    return item.reading.antenna


def _observation_key(o: Observation) -> tuple[Any, ...]:
    return o.key


def _position_key(p: Fixed) -> tuple[Any, ...]:
    return (p.reading.observed_at, p.device.device_id, p.reading.event_key)


def _event_key(e: Happening) -> tuple[Any, ...]:
    return (e.reading.observed_at, e.device.device_id, e.reading.type, e.reading.event_key)


def _in_gate_zone(o: Observation) -> bool:
    return o.zone is not None and o.zone.is_gate


def _at_gate(o: Observation) -> bool:
    return o.reading.direction is not None or _in_gate_zone(o)


def _flagged(event: DeviceEvent) -> dict[str, Any]:
    return {**event.payload, "_flags": event.flags} if event.flags else event.payload


def _position_row(p: Fixed) -> dict[str, Any]:
    r = p.reading
    return {
        "observed_at": r.observed_at,
        "received_at": p.source.received_at,
        "device_id": p.device.device_id,
        "event_key": r.event_key,
        "lon": p.lon,
        "lat": p.lat,
        "datum_in": r.datum,
        "lon_raw": r.lon,
        "lat_raw": r.lat,
        "fix": p.fix,
        "acc_m": r.acc_m,
        "speed_mps": r.speed_mps,
        "heading_deg": r.heading_deg,
        "odo_km": r.odo_km,
        "sats": r.sats,
        "ignition": r.ignition,
        "goods": r.goods,
        "flags": p.flags,
        "extra": r.extra,
        "content_hash": p.content_hash.hex(),
    }


__all__ = ["ConcurrentChange", "Delivery", "StoreOptions", "Written", "write"]
