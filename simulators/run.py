"""The simulators as one process: connects all devices, opens the shift, waits for the clock and plays the scenarios."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collateral.clock import Clock, SharedClock
from simulators.casting import write_plan
from simulators.fleet import Fleet
from simulators.http import Api
from simulators.loader import LOADER
from simulators.player import market_feed, players
from simulators.publisher import BrokerAddress, Publisher
from simulators.scenario import Scenario
from simulators.state import WorldState
from simulators.world import World

log = logging.getLogger(__name__)

CONNECT_WAIT_S = 30.0
SEEN_WAIT_S = 20.0
STATUS_EVERY_S = 10.0


@dataclass(frozen=True)
class RunPlan:
    """What to run against."""

    state: WorldState
    scenarios: tuple[Scenario, ...]
    api_url: str
    broker: BrokerAddress
    clock: Clock
    plan_file: Path | None = None


def run(plan: RunPlan, stopping: threading.Event, ready: threading.Event | None = None) -> list[str]:
    """Until `stopping` is set. `ready` is set when all devices have said where their goods lie. Returns what failed in the scenarios."""
    world = plan.state.world()
    if plan.plan_file is not None:
        write_plan(plan.plan_file, world, plan.scenarios)
    publisher = Publisher(world.devices, plan.state.tenant, plan.state.passwords, plan.broker, stopping)
    fleet = Fleet(world, plan.clock, publisher)
    fleet.stopping = stopping
    with Api(plan.api_url, plan.state.users, stopping=stopping) as api:
        cast = players(plan.scenarios, world, plan.clock, fleet, api, stopping)
        for player in cast:
            player.prepare()
        publisher.start()
        try:
            _open_shift(api, world, fleet, publisher, stopping)
            if ready is not None:
                ready.set()
            _wait_for_clock(plan.clock, stopping)
            threads = [threading.Thread(target=p.run, name=f"scenario-{p.scenario.name}", daemon=True) for p in cast]
            threads.append(threading.Thread(target=market_feed, args=(world, plan.clock, api, stopping), name="market-feed", daemon=True))
            threads.append(threading.Thread(target=_report, args=(fleet, publisher, stopping), name="report", daemon=True))
            for thread in threads:
                thread.start()
            try:
                fleet.run()
            finally:
                stopping.set()
                for thread in threads:
                    thread.join(5)
        finally:
            publisher.stop()
    return [f"{p.scenario.name}: {failure}" for p in cast for failure in p.failures]


def _open_shift(api: Api, world: World, fleet: Fleet, publisher: Publisher, stopping: threading.Event) -> None:
    """All devices say where their goods lie, and the book hears it; each in a bounded time."""
    log.info("devices connect", extra={"event": "devices_connecting", "devices": len(publisher.clients)})
    if not publisher.wait_connected(CONNECT_WAIT_S):
        log.warning("not all devices are connected yet", extra={"event": "devices_waiting"})
    fleet.open_shift()
    publisher.drain(CONNECT_WAIT_S)
    if not _goods_are_seen(api, world, fleet, stopping):
        log.warning("the platform has not seen all pledged goods yet", extra={"event": "goods_waiting"})
    log.info("shift open", extra={"event": "simulators_ready", "devices": len(publisher.clients), "reads": fleet.reads})


def _goods_are_seen(api: Api, world: World, fleet: Fleet, stopping: threading.Event) -> bool:
    """Whether the opening round reached the book in time: no pledged unit waits for its first sighting but those that no reader sees."""
    give_up_at = time.monotonic() + SEEN_WAIT_S
    for facility in world.facilities:
        unseen = sum(1 for goods_id, at in world.facility_of.items() if at == facility.facility_id and not fleet.sees(goods_id))
        while _pending(api.get(f"facilities/{facility.facility_id}/position", LOADER)) > unseen:
            if time.monotonic() >= give_up_at or stopping.wait(0.2):
                return False
    return True


def _pending(position: Mapping[str, Any]) -> int:
    waiting = (position.get("ineligible") or {}).get("pending_sighting") or {}
    return int(waiting.get("units", 0))


def _wait_for_clock(clock: Clock, stopping: threading.Event) -> None:
    if isinstance(clock, SharedClock):
        while not clock.running and not stopping.wait(0.02):
            pass


def _report(fleet: Fleet, publisher: Publisher, stopping: threading.Event) -> None:
    since, messages, reads = time.monotonic(), 0, 0
    while not stopping.wait(STATUS_EVERY_S):
        elapsed_s = time.monotonic() - since
        rate = {
            "messages_per_s": round((publisher.messages - messages) / elapsed_s),
            "reads_per_s": round((fleet.reads - reads) / elapsed_s),
        }
        waiting, dropped = sum(c.waiting for c in publisher.clients.values()), sum(c.dropped for c in publisher.clients.values())
        cpu_share = round(time.process_time() / max(0.001, time.monotonic() - _STARTED), 3)
        log.info(
            "devices at work", extra={"event": "simulators_status", **rate, "waiting": waiting, "dropped": dropped, "cpu_share": cpu_share}
        )
        since, messages, reads = time.monotonic(), publisher.messages, fleet.reads


_STARTED = time.monotonic()


def read_users(path: Path) -> dict[str, str]:
    """Passwords by user name from a JSON file. Raises OSError or ValueError."""
    users = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(users, dict) or not all(isinstance(v, str) for v in users.values()):
        raise ValueError(f"{path} is no JSON object of passwords by user name")
    return users


def titles(scenarios: Sequence[Scenario]) -> str:
    """One line per scenario."""
    return "\n".join(f"{s.name:32} {s.title}" for s in scenarios)
