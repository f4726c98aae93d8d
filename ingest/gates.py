"""Which way goods passed a gate: from the order of its two zones. Pure decisions by event time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.movements import Movement, MovementKind

GATE_RSSI_FLOOR_DBM = -65.0
GATE_WINDOW = timedelta(seconds=10)
GATE_READS_MIN = 3
GATE_ANTENNAS_MIN = 2
GATE_READS_BEYOND_MIN = 2  # one read on the far side is a stray
GATE_PASS_MAX = timedelta(minutes=10)  # an inner sighting older than this says nothing about the direction of an outer one


@dataclass(frozen=True)
class GateRead:
    """A read of one tag in a gate zone of one warehouse. inner: on the yard's side."""

    observed_at: datetime
    received_at: datetime
    device_id: str
    antenna: int
    zone_id: str
    inner: bool
    rssi_dbm: float | None


def gate_passages(
    tag_epc: str, goods_id: str, reads: Iterable[GateRead], known: Sequence[tuple[datetime, MovementKind]] = ()
) -> list[Movement]:
    """GATE_OUT and GATE_IN that these reads show, besides those already known, whichever came first.

    A passage is a read on the other side than before, not longer than GATE_PASS_MAX after the last read on the first side, confirmed
    by GATE_READS_MIN reads or GATE_ANTENNAS_MIN antennas within GATE_WINDOW, at least two of the reads on the far side. Reads weaker than
    the floor are strays and do not count. known: passages of the goods in order of time.
    """
    strong = sorted(
        (r for r in reads if r.rssi_dbm is None or r.rssi_dbm >= GATE_RSSI_FLOOR_DBM), key=lambda r: (r.observed_at, r.device_id, r.antenna)
    )
    inner: bool | None = None
    found: list[Movement] = []
    newest: dict[bool, GateRead] = {}  # by side
    following = 0
    for i, read in enumerate(strong):
        while following < len(known) and known[following][0] <= read.observed_at:
            inner = known[following][1] is MovementKind.GATE_IN
            following += 1
        before = None if inner is None else newest.get(inner)  # where the tag was
        newest[read.inner] = read
        if inner is None or read.inner == inner or before is None or read.observed_at - before.observed_at > GATE_PASS_MAX:
            inner = read.inner  # the same side, or the other one so much later that no direction can be told
            continue
        opened = i
        while opened and read.observed_at - strong[opened - 1].observed_at <= GATE_WINDOW:
            opened -= 1
        window = strong[opened : i + 1]
        antennas = {(r.device_id, r.antenna) for r in window}
        beyond = sum(1 for r in window if r.inner == read.inner)
        if beyond < GATE_READS_BEYOND_MIN or (len(window) < GATE_READS_MIN and len(antennas) < GATE_ANTENNAS_MIN):
            continue
        kind = MovementKind.GATE_IN if read.inner else MovementKind.GATE_OUT
        inner = read.inner
        if following < len(known) and known[following][1] is kind and known[following][0] - read.observed_at <= GATE_PASS_MAX:
            continue  # told before from fewer reads
        levels = [r.rssi_dbm for r in window if r.rssi_dbm is not None]
        found.append(
            Movement(
                read.observed_at,
                read.received_at,
                kind,
                read.device_id,
                tag_epc,
                goods_id,
                None,
                before.zone_id,
                read.zone_id,
                before.observed_at,
                {
                    "reason": "other_side_of_gate",
                    "decided_at": read.observed_at,
                    "received_at": read.received_at,
                    "reads": len(window),
                    "antennas": sorted(f"{d}/{a}" for d, a in antennas),
                    "rssi_dbm_max": max(levels, default=None),
                    "rssi_dbm_min": min(levels, default=None),
                    "zones": list(dict.fromkeys([before.zone_id, *(r.zone_id for r in window)])),
                    "times": [r.observed_at for r in window],
                    "inner_seen_at" if not read.inner else "outer_seen_at": before.observed_at,
                },
            )
        )
    return found
