"""Plays scenarios: each in a thread of its own, step after step, by MQTT messages and HTTP requests only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from collateral.clock import Clock
from simulators.casting import cast_all, check
from simulators.fleet import Fleet
from simulators.http import Api, ApiRefused
from simulators.loader import APPROVER, LOADER, post_quotes, row, trip_row, wire
from simulators.scenario import Scenario, Step, Verb, span
from simulators.world import World, people
from simulators.world.loans import FACILITY_BY_ID, value_of
from simulators.world.market import FEED_UNTIL, MARKET_BY_CODE, brent_quotes, synthetic_quotes, trading_days
from simulators.world.model import Document
from simulators.world.papers import planned_trip
from simulators.world.seeds import stream

log = logging.getLogger(__name__)

OPERATOR, SECOND_APPROVER = "operator", "approver2"
WAIT_S_MAX = 0.5


class ScenarioPlayer:
    """One scenario on the clock. `prepare` before the devices start, then `run`; `failures` says what went wrong."""

    def __init__(
        self, scenario: Scenario, cast: dict[str, str], world: World, clock: Clock, fleet: Fleet, api: Api, stopping: threading.Event
    ) -> None:
        check(scenario)
        self.scenario = scenario
        self.cast = cast
        self.world = world
        self.clock = clock
        self.fleet = fleet
        self.api = api
        self.stopping = stopping
        self.failures: list[str] = []
        self._releases: dict[str, str] = {}
        self._acts: dict[Verb, Callable[[Step], None]] = {
            Verb.LEAVE: self._leave,
            Verb.HIDE: lambda s: self.fleet.hide(self._goods(s)),
            Verb.SILENCE: lambda s: self.fleet.silence(self._one(s)),
            Verb.WAKE: lambda s: self.fleet.wake(self._one(s)),
            Verb.CLONE: self._clone,
            Verb.OFFER: self._offer,
            Verb.DETOUR: lambda s: self.fleet.detour(self._one(s), float(s.options["metres"]), span(s.options["for"])),
            Verb.INVOICE: self._invoice,
            Verb.SELL: self._sell,
            Verb.QUOTE: self._quote,
            Verb.REQUEST: self._request,
            Verb.APPROVE: self._approve,
            Verb.COLLECT: self._collect,
            Verb.EXPECT: lambda s: None,
        }

    def prepare(self) -> None:
        """What was so before the world started (steps at +0m)."""
        for step in self.scenario.steps:
            if step.after == timedelta(0):
                self._play(step)

    def run(self) -> None:
        """The other steps at their times, until the last one or until `stopping` is set."""
        for step in self.scenario.steps:
            if step.after > timedelta(0):
                due = self.world.starts_at + step.after
                while (wait_s := self.clock.real_seconds_until(due)) > 0:
                    if self.stopping.wait(min(wait_s, WAIT_S_MAX)):
                        return
                self._play(step)

    def _play(self, step: Step) -> None:
        try:
            self._acts[step.verb](step)
        except Exception as exc:
            self.failures.append(f"line {step.line}: {exc}")
            log.exception("a scenario step failed", extra={"event": "scenario_failed", "scenario": self.scenario.name, "line": step.line})
        else:
            log.info(
                "scenario step", extra={"event": "scenario_step", "scenario": self.scenario.name, "verb": step.verb, "subjects": self.cast}
            )

    def _one(self, step: Step) -> str:
        return self.cast[step.words[0]]

    _goods = _one

    # ------------------------------------------------------------ by MQTT

    def _gate_of(self, goods_id: str, number: str) -> str:
        here = self.world.goods_by_id[goods_id].warehouse_id
        gates = [d.device_id for d in self.world.devices if d.device_class == "gate" and d.warehouse_id == here]
        return gates[int(number) - 1]

    def _leave(self, step: Step) -> None:
        goods_id = self._goods(step)
        self.fleet.through_gate(goods_id, self._gate_of(goods_id, step.options.get("gate", "1")))

    def _clone(self, step: Step) -> None:
        goods_id = self._goods(step)
        zone_id = self.world.goods_by_id[goods_id].zone_id
        assert zone_id is not None
        home, _ = self.world.readers_of[zone_id][0]
        false_tid = f"E2003412{stream(self.world.seed, f'clone/{goods_id}').getrandbits(64):016X}"
        self.fleet.clone_read(goods_id, home, self.cast[step.options["at"]], false_tid)

    # ------------------------------------------------------------ by HTTP

    def _offer(self, step: Step) -> None:
        """The same piece under another number, offered to another lender; the ledger must refuse it."""
        unit, facility = self.world.goods_by_id[self.cast[step.options["of"]]], FACILITY_BY_ID[step.options["to"]]
        shed = next(u for u in self.world.goods if self.world.facility_of.get(u.goods_id) == facility.facility_id)
        twin = replace(
            unit,
            goods_id=self._one(step),
            owner_party_id=facility.borrower_party_id,
            warehouse_id=shed.warehouse_id,
            zone_id=shed.zone_id,
            tag_epc=None,
            tid=None,
        )
        self.api.post("goods", {"items": [row(twin)]}, LOADER)
        try:
            draft = self.api.post("pledges", {"facility_id": facility.facility_id, "goods_ids": [twin.goods_id]}, LOADER)
            self.api.post(f"pledges/{draft['pledge_id']}/approve", {}, APPROVER)
        except ApiRefused as refusal:
            if refusal.status != 409:
                raise
            log.info(
                "the ledger refused a second pledge",
                extra={"event": "double_pledge_refused", "code": refusal.code, "goods_id": twin.goods_id},
            )
        else:
            raise RuntimeError(f"the ledger took {twin.goods_id}, which is {unit.goods_id} under another number")

    def _post_document(self, document: Document) -> None:
        self.api.post("documents", row(document), LOADER)

    def _invoice(self, step: Step) -> None:
        market = MARKET_BY_CODE[step.options["commodity"]]
        quantity = Decimal(step.options["tonnes"])
        price = market.level / (1 + market.vat_rate)
        self._post_document(
            Document(
                self._one(step),
                "INVOICE",
                f"2031{stream(self.world.seed, self.scenario.name).randrange(10**15, 10**16)}",
                people.REBAR_MILL,
                datetime.combine(date.fromisoformat(step.options["dated"]), time(6, 20), tzinfo=UTC),
                people.REBAR_MILL,
                people.STEEL_TRADER,
                step.options["commodity"],
                quantity,
                "t",
                (quantity * price).quantize(Decimal("0.01")),
                "CNY",
                f"HT-2020-{self.scenario.name}",
                content={"tax_rate": "0.13", "amount_is": "ex-VAT", "synthetic": True},
            )
        )

    def _sell(self, step: Step) -> None:
        unit = self.world.goods_by_id[self._goods(step)]
        self._post_document(
            Document(
                f"DOC-SALE-{unit.goods_id}",
                "INVOICE",
                f"2031{stream(self.world.seed, self.scenario.name).randrange(10**15, 10**16)}",
                unit.owner_party_id,
                self.clock.now(),
                unit.owner_party_id,
                step.options["to"],
                unit.commodity_code,
                unit.quantity,
                unit.unit,
                (value_of(self.world.seed, [unit]) * Decimal("1.04")).quantize(Decimal("0.01")),
                "CNY",
                f"XS-2020-{self.scenario.name}",
                content={"tax_rate": "0.13", "amount_is": "ex-VAT", "synthetic": True},
                goods_ids=(unit.goods_id,),
            )
        )

    def _quote(self, step: Step) -> None:
        quotes = [
            replace(q, published_at=max(q.published_at, self.clock.now())) for q in brent_quotes(date.fromisoformat(step.options["day"]))
        ]
        outcomes = post_quotes(self.api, quotes)
        unusable = [o for o in outcomes if o["status"] != "ACCEPTED"]
        if unusable:
            raise RuntimeError(f"a quote was not accepted: {unusable}")

    def _request(self, step: Step) -> None:
        goods_id, now = self._goods(step), self.clock.now()
        body = {
            "facility_id": self.world.facility_of[goods_id],
            "goods_ids": [goods_id],
            "vehicle_plate": self.cast[step.options["lorry"]],
            "driver_id": f"DRIVER-{stream(self.world.seed, self.scenario.name).randrange(10**7, 10**8)}",
            "valid_from": wire(now),
            "valid_to": wire(now + span(step.options["for"])),
            "reason": "sold to Jinqiao works, collected by the buyer's haulier (sample)",
        }
        self._releases[goods_id] = self.api.post("releases", body, OPERATOR)["release_id"]

    def _approve(self, step: Step) -> None:
        goods_id = self._goods(step)
        answer = self._approve_as(goods_id, step.options["step"], step.options["by"])
        if step.options["step"] == "checker-approval" and answer["status"] == "CHECKER_OK":
            answer = self._approve_as(goods_id, "second-approval", SECOND_APPROVER)
        log.info("release approved", extra={"event": "release_step", "release_id": self._releases[goods_id], "status": answer["status"]})

    def _approve_as(self, goods_id: str, step: str, user: str) -> dict[str, Any]:
        answer = self.api.post(f"releases/{self._releases[goods_id]}/{step}", {}, user)
        return dict(answer.get("release", answer))

    def _collect(self, step: Step) -> None:
        """Loaded, out through the gate, on the road; only when the order was issued."""
        goods_id, plate = self._goods(step), self.cast[step.options["lorry"]]
        release = self.api.get(f"releases/{self._releases[goods_id]}", OPERATOR)
        if release["status"] != "ISSUED":
            raise RuntimeError(f"release {release['release_id']} is {release['status']}, the lorry was sent away")
        lorry = self.fleet.lorries[plate]
        waybill = Document(
            f"DOC-YD-{release['release_id']}",
            "WAYBILL",
            f"YD-{release['release_id'][-12:]}",
            people.CARRIER_B,
            self.clock.now(),
            vehicle_plate=plate,
            content={"from": lorry.origin, "to": lorry.destination, "release_id": release["release_id"], "synthetic": True},
            goods_ids=(goods_id,),
        )
        self._post_document(waybill)
        trip = planned_trip(lorry, f"TRIP-{release['release_id']}", self.clock.now(), waybill.document_id, (goods_id,))
        self.api.post("trips", trip_row(trip), LOADER)
        self.fleet.through_gate(goods_id, self._gate_of(goods_id, step.options.get("gate", "1")))
        self.fleet.depart(plate, (goods_id,))


def players(
    scenarios: Sequence[Scenario], world: World, clock: Clock, fleet: Fleet, api: Api, stopping: threading.Event
) -> list[ScenarioPlayer]:
    """A player for each scenario, with its cast."""
    casts = cast_all(world, scenarios)
    return [ScenarioPlayer(s, casts[s.name], world, clock, fleet, api, stopping) for s in scenarios]


def market_feed(world: World, clock: Clock, api: Api, stopping: threading.Event) -> None:
    """Report the made-up quotes of each trading day when the board closes, until `stopping` is set."""
    for day in trading_days(world.starts_at.date(), FEED_UNTIL):
        quotes = synthetic_quotes(world.seed, day)
        while (wait_s := clock.real_seconds_until(quotes[0].quoted_at)) > 0:
            if stopping.wait(min(wait_s, WAIT_S_MAX)):
                return
        try:
            post_quotes(api, quotes)
        except Exception:
            log.exception("the market feed failed", extra={"event": "market_feed_failed", "day": day.isoformat()})
