"""Contracts, invoices, waybills, weigh tickets and transfer notes behind the stock, and the journeys that brought it.

Every invoice has its counterpart: goods came with a waybill, a weigh ticket and a journey, or changed owner in the store by the
keeper's transfer note. The one that has none is an incident (scenarios/trade-without-movement.scenario).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from simulators.world import market, people, roads, sites
from simulators.world.geo import Point
from simulators.world.model import Document, Goods, Trip
from simulators.world.seeds import stream

_LOT = 40
_SELLERS = {
    market.HRC: people.STEEL_MILL,
    market.REBAR: people.REBAR_MILL,
    market.ALUMINIUM: people.SMELTER_AL,
    market.COPPER: people.SMELTER_CU,
    market.FUEL_OIL: people.REFINERY,
    market.SEDAN: people.CAR_MAKER,
    market.SUV: people.CAR_MAKER,
}
_IN_STORE = {market.COPPER, market.FUEL_OIL}
"""Bought where they lay: title passed by the keeper's note, nothing moved."""


@dataclass(frozen=True)
class Papers:
    """Documents and past or present journeys."""

    documents: tuple[Document, ...]
    trips: tuple[Trip, ...]


def _lots(goods: Sequence[Goods]) -> Iterator[tuple[str, int, list[Goods]]]:
    for code in _SELLERS:
        units = [u for u in goods if u.commodity_code == code and u.warehouse_id is not None]
        for n, start in enumerate(range(0, len(units), _LOT), start=1):
            yield code, n, units[start : start + _LOT]


def papers(seed: int, starts_at: datetime, goods: Sequence[Goods], cargo: dict[str, tuple[Goods, ...]]) -> Papers:
    """Papers of everything in store and of what is on the road at starts_at."""
    chance = stream(seed, "papers")
    lorries = roads.lorries(seed)
    inbound = {lorry.destination: lorry for lorry in reversed(lorries) if lorry.destination in sites.SITE_BY_ID}
    documents: list[Document] = []
    trips: list[Trip] = []
    for code, n, units in _lots(goods):
        seller, buyer, site = _SELLERS[code], units[0].owner_party_id, units[0].warehouse_id
        assert site is not None
        contract_no = f"HT-2020-{code}-{(n + 4) // 5:02}"
        if n % 5 == 1:
            documents.append(
                Document(
                    f"DOC-{contract_no}", "CONTRACT", contract_no, seller, datetime(2020, 1, 6, 3, 0, tzinfo=UTC), seller, buyer, code,
                    contract_no=contract_no, content={"terms": "delivered to store, pay after goods", "synthetic": True},
                )
            )  # fmt: skip
        issued = datetime(2020, 2, 17, 2, 0, tzinfo=UTC) + timedelta(days=chance.randrange(0, 10), minutes=chance.randrange(0, 400))
        documents += _invoice_and_proof(code, n, units, seller, buyer, site, contract_no, issued)
        if code in _IN_STORE:
            continue
        carrier = inbound.get(site) or lorries[0]
        trips.append(
            Trip(
                f"TRIP-{code}-{n:03}", carrier.plate, carrier.device_id, carrier.route, Decimal(roads.CORRIDOR_BUFFER_M),
                issued + timedelta(hours=3), issued + timedelta(hours=9), "ARRIVED", f"DOC-YD-{code}-{n:03}", None, site,
                tuple(u.goods_id for u in units),
            )
        )  # fmt: skip
    for lorry in lorries:
        if not lorry.standby:
            more_documents, trip = _under_way(lorry, starts_at, cargo.get(lorry.plate, ()))
            documents += more_documents
            trips.append(trip)
    return Papers(tuple(documents), tuple(trips))


VAT = Decimal("0.13")


def _amount(units: Sequence[Goods]) -> Decimal:
    return sum((u.quantity * (u.invoice_unit_price or 0) for u in units), Decimal(0)).quantize(Decimal("0.01"))


def _invoice_and_proof(
    code: str, n: int, units: list[Goods], seller: str, buyer: str, site: str, contract_no: str, issued: datetime
) -> list[Document]:
    ids, quantity = tuple(u.goods_id for u in units), sum((u.quantity for u in units), Decimal(0))
    serial = (sorted(_SELLERS).index(code) + 1) * 1000 + n
    unit, currency = units[0].unit, units[0].invoice_currency
    untaxed = _amount(units)
    taxed = (untaxed * (1 + VAT)).quantize(Decimal("0.01"))
    found = [
        Document(
            f"DOC-FP-{code}-{n:03}", "INVOICE", f"2031{serial:016}", seller, issued, seller, buyer, code, quantity, unit, taxed,
            currency, contract_no, content={"vat_rate": str(VAT), "amount_ex_vat": str(untaxed), "synthetic": True}, goods_ids=ids,
        )
    ]  # fmt: skip
    if code in _IN_STORE:
        found.append(
            Document(
                f"DOC-GH-{code}-{n:03}", "TRANSFER_NOTE", f"GH-{code}-{n:03}", people.OPERATORS[site], issued + timedelta(hours=5), seller,
                buyer, code, quantity, unit, contract_no=contract_no, warehouse_id=site, content={"synthetic": True}, goods_ids=ids,
            )
        )  # fmt: skip
        return found
    found.append(
        Document(
            f"DOC-YD-{code}-{n:03}", "WAYBILL", f"YD-{code}-{n:03}", people.CARRIER_A, issued + timedelta(hours=3), seller, buyer, code,
            quantity, unit, contract_no=contract_no, warehouse_id=site,
            content={"consignor": seller, "consignee": buyer, "vehicles": max(1, len(units) // 3), "synthetic": True}, goods_ids=ids,
        )
    )  # fmt: skip
    if unit == "t":
        kg = quantity * 1000
        found.append(
            Document(
                f"DOC-BD-{code}-{n:03}", "WEIGH_TICKET", f"BD-{code}-{n:03}", people.OPERATORS[site], issued + timedelta(hours=9), seller,
                buyer, code, quantity, unit, contract_no=contract_no, warehouse_id=site,
                content={"net_kg": str(kg), "scale": f"SCALE-{site}", "synthetic": True}, goods_ids=ids,
            )
        )  # fmt: skip
    return found


def _under_way(lorry: roads.Lorry, starts_at: datetime, units: tuple[Goods, ...]) -> tuple[list[Document], Trip]:
    ids = tuple(u.goods_id for u in units)
    waybill = Document(
        f"DOC-YD-{lorry.device_id}", "WAYBILL", f"YD-{lorry.device_id}", people.CARRIER_A if lorry.fleet == "fleet-husu" else people.CARRIER_B,
        starts_at - timedelta(hours=2), quantity=sum((u.quantity for u in units), Decimal(0)) or None, unit="t" if units else None,
        vehicle_plate=lorry.plate, content={"from": lorry.origin, "to": lorry.destination, "synthetic": True}, goods_ids=ids,
    )  # fmt: skip
    return [waybill], planned_trip(lorry, f"TRIP-{lorry.device_id}", starts_at - timedelta(hours=1), waybill.document_id, ids)


def planned_trip(lorry: roads.Lorry, trip_id: str, leaves_at: datetime, waybill: str | None, goods_ids: tuple[str, ...]) -> Trip:
    """A journey of a lorry along its route, with days in hand: it shuttles."""
    route: tuple[Point, ...] = lorry.route
    return Trip(
        trip_id, lorry.plate, lorry.device_id, route, Decimal(roads.CORRIDOR_BUFFER_M), leaves_at, leaves_at + timedelta(days=5), "UNDER_WAY",
        waybill, lorry.origin if lorry.origin in sites.SITE_BY_ID else None,
        lorry.destination if lorry.destination in sites.SITE_BY_ID else None, goods_ids,
    )  # fmt: skip
