"""The whole world from one seed."""

from __future__ import annotations

from decimal import Decimal

from simulators.world import loans, market, papers, people, roads, sites, stock
from simulators.world.model import World


def build_world(seed: int, size: Decimal = Decimal(1)) -> World:
    """The sample world. Equal arguments give equal worlds; size scales the stock (tests use small ones)."""
    goods = stock.stock(seed, size)
    plates = tuple(lorry.plate for lorry in roads.lorries(seed) if not lorry.standby)
    cargo = stock.cargo(seed, plates)
    pledged = loans.loans(seed, goods)
    written = papers.papers(seed, market.STARTS_AT, goods, cargo)
    return World(
        seed=seed,
        starts_at=market.STARTS_AT,
        parties=people.parties(seed),
        warehouses=sites.warehouses(),
        zones=sites.zones(),
        devices=(*sites.devices(), *roads.trackers(seed)),
        commodities=market.commodities(),
        quotes=market.history(seed),
        goods=(*goods, *(unit for units in cargo.values() for unit in units)),
        receipts=pledged.receipts,
        documents=written.documents,
        trips=written.trips,
        road_places=roads.road_places(),
        facilities=loans.FACILITIES,
        pledges=pledged.pledges,
    )
