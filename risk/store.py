"""Loads the snapshot: set-based queries in one read-only, repeatable-read transaction. Nothing here decides."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import dict_row

from collateral.units import Quantity
from collateral.units import Unit as Measure
from collateral.zones import Fence
from db.pool import Pool
from db.sql import load_queries
from risk import site_store, trade_store
from risk.facts import (
    CallFact,
    CargoSighting,
    CaseFact,
    CommodityPrices,
    Cover,
    Device,
    EarlierExit,
    Facility,
    Fix,
    Invoice,
    Lane,
    Mark,
    Movement,
    Place,
    Price,
    QuoteFact,
    Refusal,
    RoadPlace,
    Sale,
    Trip,
    Twin,
    Unit,
    UnseenUnit,
    UnsightedUnit,
)
from risk.loading import number
from risk.rule import Section
from risk.snapshot import Snapshot, stream_of

log = logging.getLogger(__name__)
_Q = load_queries(__file__)
TWINS_NAMED_MAX = 100
Row = dict[str, Any]


def rows(conn: Connection[Any], name: str, params: Mapping[str, Any] | None = None) -> list[Row]:
    """All rows of a named query, as dictionaries."""
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(_Q[name], params).fetchall()


class PriceBook:
    """Values units at the newest accepted price, or at the invoice where that is lower or the only one known. Ex-VAT."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = prices

    def value(
        self, commodity: str, quantity: Decimal, unit: str, invoice: Decimal | None, invoice_currency: str | None
    ) -> tuple[Decimal | None, str | None]:
        """(value, currency); (None, None) when no price is known. Rounded to cents."""
        price = self._prices.get(commodity)
        market = None
        if price is not None:
            try:
                market = price.per_unit * Quantity(quantity, Measure(unit)).in_unit(Measure(price.unit)).amount
            except ValueError:
                market = None
        if market is None or price is None:
            return (None, None) if invoice is None else (round(invoice * quantity, 2), invoice_currency)
        if invoice is not None and invoice_currency == price.currency:
            market = min(market, invoice * quantity)
        return round(market, 2), price.currency

    def unit(self, row: Mapping[str, Any]) -> Unit:
        """A Unit from a row with the goods columns and those of the pledge that holds it."""
        value, currency = self.value(
            row["commodity_code"], row["quantity"], row["unit"], row["invoice_unit_price"], row["invoice_currency"]
        )
        return Unit(
            goods_id=row["goods_id"],
            tenant_id=row["tenant_id"],
            commodity_code=row["commodity_code"],
            owner_party_id=row["owner_party_id"],
            warehouse_id=row["warehouse_id"],
            pledge_id=row["pledge_id"],
            facility_id=row["facility_id"],
            pledged_at=row["pledged_at"],
            value=value,
            currency=currency,
        )


def price_book(conn: Connection[Any], as_of: datetime) -> PriceBook:
    """Newest accepted prices."""
    found = rows(conn, "prices_now", {"as_of": as_of})
    return PriceBook({r["commodity_code"]: Price(per_unit=r["per_unit"], currency=r["currency"], unit=r["unit"]) for r in found})


def places(conn: Connection[Any], zone_ids: Iterable[str | None]) -> dict[str, Place]:
    """Zones by id with a point inside each."""
    wanted = sorted({z for z in zone_ids if z is not None})
    found = {}
    for row in rows(conn, "zones", {"ids": wanted}) if wanted else ():
        lon, lat = Fence.from_geojson(row["polygon"]).centre()
        found[row["zone_id"]] = Place(zone_id=row["zone_id"], warehouse_id=row["warehouse_id"], kind=row["kind"], lon=lon, lat=lat)
    return found


def movements(conn: Connection[Any], book: PriceBook, ids: Sequence[int]) -> tuple[Movement, ...]:
    """Movements by id, one row per unit that moved."""
    found = rows(conn, "movements", {"ids": list(ids)})
    zones = places(conn, (z for r in found for z in (r["from_zone_id"], r["to_zone_id"])))
    return tuple(
        Movement(
            movement_id=r["movement_id"],
            tenant_id=r["tenant_id"],
            occurred_at=r["occurred_at"],
            received_at=r["received_at"],
            recorded_at=r["recorded_at"],
            kind=r["kind"],
            device_id=r["device_id"],
            tag_epc=r["tag_epc"],
            vehicle_plate=r["vehicle_plate"],
            unit=book.unit(r) if r["goods_id"] is not None else None,
            from_place=zones.get(r["from_zone_id"]),
            to_place=zones.get(r["to_zone_id"]),
            from_seen_at=r["from_seen_at"],
            warehouse_id=r["left_warehouse_id"],
            evidence=r["evidence"],
            corrected=r["corrected"],
            cover=Cover(
                kind=r["cover_kind"], id=r["cover_id"], valid_from=r["cover_from"], valid_to=r["cover_to"], vehicle_plate=r["cover_plate"]
            )
            if r["cover_id"] is not None
            else None,
            back_inside_at=r["back_inside_at"],
            exits_before=tuple(
                EarlierExit(movement_id=i, occurred_at=at, by_vehicle=by_vehicle)
                for i, at, by_vehicle in zip(r["exit_ids"] or (), r["exits_at"] or (), r["exits_by_vehicle"] or (), strict=True)
            ),
            corrects=r["corrects"],
            skew_known=r["skew_known"],
        )
        for r in found
        if r["tenant_id"] is not None
    )


def units(conn: Connection[Any], book: PriceBook, goods_ids: Sequence[str]) -> dict[str, Unit]:
    """Units by id with the live pledge that holds them or their identity."""
    return {r["goods_id"]: book.unit(r) for r in rows(conn, "units", {"ids": list(goods_ids)})} if goods_ids else {}


def refusals(conn: Connection[Any], book: PriceBook, ids: Sequence[int]) -> tuple[Refusal, ...]:
    """Refused commands by id with the units of the same tenant that they name."""
    found = rows(conn, "refusals", {"ids": list(ids)})
    named = {r["refusal_id"]: _named_goods(r["detail"]) for r in found}
    known = units(conn, book, sorted({g for goods in named.values() for g in goods}))
    return tuple(
        Refusal(**r, units=tuple(known[g] for g in named[r["refusal_id"]] if g in known and known[g].tenant_id == r["tenant_id"]))
        for r in found
    )


def _named_goods(detail: Mapping[str, Any]) -> list[str]:
    """Goods ids in a refusal's detail: those in conflict where it tells them, else all that were asked for."""
    for key in ("conflicting_goods_ids", "conflicts", "already_pledged", "goods_ids", "goods_id"):
        value = detail.get(key)
        if isinstance(value, str):
            return [value]
        if isinstance(value, list) and value:
            return [v["goods_id"] if isinstance(v, dict) else str(v) for v in value if not isinstance(v, dict) or "goods_id" in v]
    return []


def _unseen(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    if params["settled"] is None:
        return {}
    found = tuple(
        UnseenUnit(
            unit=book.unit(r),
            tag_epc=r["tag_epc"],
            device_id=r["device_id"],
            zone_id=r["zone_id"],
            last_seen_at=r["last_seen_at"],
            rounds_since=r["rounds_since"],
            last_round_at=r["last_round_at"],
            zone_units=r["zone_units"],
            vanished_together=r["vanished_together"],
            read_rate=r["read_rate"],
            facility_value=r["facility_value"],
        )
        for r in rows(conn, "unseen", params)
        if r["device_id"] is not None
    )
    return {"unseen": found, "watched_units": rows(conn, "watched_units")[0]["count"]}


def _unsighted(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    if params["settled"] is None:
        return {}
    return {
        "unsighted": tuple(
            UnsightedUnit(
                unit=book.unit(r), last_seen_at=r["last_seen_at"], readers=r["readers"], readers_heard=r["heard"], zone_id=r["zone_id"]
            )
            for r in rows(conn, "unsighted", params)
        )
    }


def _twins(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    found = rows(conn, "twins", {"named_max": TWINS_NAMED_MAX})
    known = units(conn, book, sorted({g for r in found for g in r["ids"]}))
    return {
        "twins": tuple(
            Twin(
                identity=r["identity"],
                units=tuple(known[g] for g in r["ids"] if known[g].tenant_id == r["tenant_id"]),
                count=r["units"],
                elsewhere=r["elsewhere"],
            )
            for r in found
        )
    }


def _devices(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    devices = []
    for r in rows(conn, "devices", params):
        values = [book.value(code, Decimal(quantity), unit, None, None) for code, unit, quantity, _ in r["behind"] or ()]
        known = [v for v, _ in values if v is not None]
        devices.append(
            Device(
                device_id=r["device_id"],
                tenant_id=r["tenant_id"],
                site=r["site"],
                warehouse_id=r["warehouse_id"],
                device_class=r["class"],
                gateway_device_id=r["gateway_device_id"],
                expected_interval_s=r["expected_interval_s"],
                registered_at=r["registered_at"],
                last_heard_at=r["last_heard_at"],
                presence=r["presence"],
                presence_at=r["presence_at"],
                on_duty=r["on_duty"],
                units_behind=sum(n for _, _, _, n in r["behind"] or ()),
                value_behind=sum(known, Decimal(0)) if known else None,
                currency=next((c for _, c in values if c), None),
                newest_read_at=r["newest_read_at"],
                rounds=r["rounds"],
            )
        )
    return {"devices": tuple(devices)}


def _grouped(found: Iterable[Row], key: str) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        groups[row[key]].append(row)
    return groups


def _fix(row: Row) -> Fix:
    network = (row["extra"] or {}).get("network")
    lon, lat = (number(network.get(k)) for k in ("lon", "lat")) if isinstance(network, dict) else (None, None)
    known = {k: row[k] for k in ("observed_at", "lon", "lat", "acc_m", "speed_mps", "odo_km", "sats", "ignition", "future")}
    return Fix(**known, network_lon=None if lon is None else float(lon), network_lat=None if lat is None else float(lat))


def _trips(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    found = rows(conn, "trips", params)
    ids = {**params, "ids": [r["trip_id"] for r in found]}
    fixes = _grouped(rows(conn, "trip_fixes", ids), "trip_id")
    aboard = _grouped(rows(conn, "trip_units", ids), "trip_id")
    changes = _grouped(rows(conn, "trip_changes", ids), "trip_id")
    cargo = _grouped(rows(conn, "trip_cargo", ids), "trip_id")
    lanes = {(r["origin_warehouse_id"], r["destination_warehouse_id"]): r for r in rows(conn, "lanes", ids)} if found else {}
    places_of = _grouped(rows(conn, "road_places"), "tenant_id") if found else {}
    zones = places(conn, (c["zone_id"] for of_one in cargo.values() for c in of_one))
    made = []
    for r in found:
        lane = lanes.get((r["origin_warehouse_id"], r["destination_warehouse_id"]))
        made.append(
            Trip(
                trip_id=r["trip_id"],
                tenant_id=r["tenant_id"],
                vehicle_plate=r["vehicle_plate"],
                device_id=r["device_id"],
                corridor=r["corridor"],
                buffer_m=r["corridor_buffer_m"],
                origin_warehouse_id=r["origin_warehouse_id"],
                destination_warehouse_id=r["destination_warehouse_id"],
                units=tuple(book.unit(u) for u in aboard[r["trip_id"]]),
                fixes=tuple(map(_fix, fixes[r["trip_id"]])),
                status=r["status"],
                planned_from=r["planned_from"],
                planned_to=r["planned_to"],
                lane=None if lane is None else Lane(trips=lane["trips"], p90_s=lane["p90_s"], p99_s=lane["p99_s"]),
                changes=tuple((c["changed_at"], c["destination"], c["expected_at"]) for c in changes[r["trip_id"]]),
                places=tuple(RoadPlace(**{k: v for k, v in p.items() if k != "tenant_id"}) for p in places_of.get(r["tenant_id"], ())),
                stops=tuple(f for f in (r["origin_fence"], r["destination_fence"]) if f is not None),
                cargo=tuple(
                    CargoSighting(
                        goods_id=c["goods_id"], seen_at=c["last_seen_at"], warehouse_id=zones[c["zone_id"]].warehouse_id, zone_id=c["zone_id"],
                        lon=zones[c["zone_id"]].lon, lat=zones[c["zone_id"]].lat, entered_at=c["entered_at"],
                    )
                    for c in cargo[r["trip_id"]]
                    if c["zone_id"] in zones
                ),
            )
        )  # fmt: skip
    return {"trips": tuple(made)}


def _invoices(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    found = rows(conn, "invoices", params)
    goods = _grouped(rows(conn, "document_units", {"ids": [r["document_id"] for r in found]}), "document_id") if found else {}
    return {"invoices": tuple(Invoice(**r, units=tuple(book.unit(u) for u in goods.get(r["document_id"], ()))) for r in found)}


def _sales(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    keys = ("document_id", "number", "seller_party_id", "buyer_party_id", "issued_at", "borrower_party_id", "release_id")
    return {"sales": tuple(Sale(**{k: r[k] for k in keys}, unit=book.unit(r)) for r in rows(conn, "sales", params))}


def _prices(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    found = rows(conn, "commodity_facilities")
    codes = sorted({r["commodity_code"] for r in found})
    quotes = _grouped(rows(conn, "quotes", {**params, "codes": codes}), "commodity_code")
    return {
        "prices": tuple(
            CommodityPrices(
                tenant_id=r["tenant_id"],
                commodity_code=r["commodity_code"],
                facility_ids=tuple(r["facility_ids"]),
                exposure=r["exposure"],
                currency=r["currency"],
                quotes=tuple(
                    QuoteFact(**{k: v for k, v in q.items() if k not in ("commodity_code", "tenant_id")})
                    for q in quotes[r["commodity_code"]]
                    if q["tenant_id"] in (None, r["tenant_id"])
                ),
            )
            for r in found
        )
    }


def _released(orders: Sequence[Row], marks: Sequence[Row]) -> Decimal:
    """Value of the goods that left on orders between the two newest marks."""
    if len(marks) < 2:
        return Decimal(0)
    return sum((o["value"] for o in orders if marks[1]["as_of"] < o["left_at"] <= marks[0]["as_of"]), Decimal(0))


def _facilities(conn: Connection[Any], book: PriceBook, params: Row) -> dict[str, Any]:
    found = rows(conn, "facilities", params)
    ids = {**params, "ids": [r["facility_id"] for r in found]}
    marks = _grouped(rows(conn, "marks", ids), "facility_id")
    released = _grouped(rows(conn, "released_lately", ids), "facility_id")
    made = []
    for r in found:
        call = None
        if r["call_id"] is not None:
            call = CallFact(
                call_id=r["call_id"],
                status=r["call_status"],
                cause=r["cause"],
                cash_amount=r["cash_amount"],
                goods_amount=r["goods_amount"],
                issued_at=r["issued_at"],
                cure_deadline=r["cure_deadline"],
            )
        case = None
        if r["case_id"] is not None:
            case = CaseFact(
                case_id=r["case_id"],
                status=r["case_status"],
                trigger=r["trigger"],
                proposed_sale_value=r["proposed_sale_value"],
                opened_at=r["opened_at"],
            )
        made.append(
            Facility(
                facility_id=r["facility_id"],
                tenant_id=r["tenant_id"],
                name=r["name"],
                name_zh=r["name_zh"],
                currency=r["currency"],
                marks=tuple(Mark(**{k: v for k, v in m.items() if k != "facility_id"}) for m in marks[r["facility_id"]]),
                call=call,
                case=case,
                warned=r["warned"],
                pledge_mode=r["pledge_mode"],
                product=r["product"],
                disposal_cost=r["disposal_cost"],
                matures_on=r["matures_on"],
                released_value=_released(released[r["facility_id"]], marks[r["facility_id"]]),
            )
        )
    return {"facilities": tuple(made)}


_LOADERS: dict[Section, Callable[[Connection[Any], PriceBook, Row], dict[str, Any]]] = {
    Section.UNSEEN: _unseen,
    Section.UNSIGHTED: _unsighted,
    Section.TWINS: _twins,
    Section.DEVICES: _devices,
    Section.TRIPS: _trips,
    Section.INVOICES: _invoices,
    Section.SALES: _sales,
    Section.PRICES: _prices,
    Section.FACILITIES: _facilities,
    **site_store.LOADERS,
    **trade_store.LOADERS,
}


def load_snapshot(
    pool: Pool,
    sections: Iterable[Section],
    *,
    as_of: datetime,
    settle: timedelta,
    round_interval: timedelta,
    facility_ids: Sequence[str] | None = None,
    replay: bool = False,
) -> Snapshot:
    """The named sections as one consistent view. settle: how long a reading may be under way in our own pipes, in clock time.

    replay: as_of is past. What is kept with its time is taken as of then; positions, pledges and device states are those of now.
    """
    with pool.connection() as conn:
        conn.isolation_level = IsolationLevel.REPEATABLE_READ
        conn.read_only = True
        try:
            with conn.transaction():
                heard = rows(conn, "stream", {"as_of": as_of, "replay": replay})[0]
                stream = stream_of(heard["heard_at"], heard["devices"], as_of=as_of, settle=settle)
                tuned = trade_store.threshold_book(conn, as_of)
                snapshot = Snapshot(as_of=as_of, stream=stream, round_interval=round_interval, tuned=tuned)
                params: Row = {"as_of": as_of, "settled": stream.settled_until, "round": round_interval, "facility_ids": facility_ids}
                book = price_book(conn, as_of)
                not_loaded: dict[str, str] = {}
                for section in dict.fromkeys(sections):
                    if section not in _LOADERS:
                        continue
                    try:
                        with conn.transaction():
                            snapshot = replace(snapshot, **_LOADERS[section](conn, book, params))
                    except psycopg.OperationalError:
                        raise  # the store itself
                    except Exception as exc:
                        log.exception("section not loaded", extra={"event": "section_not_loaded", "section": section.value})
                        not_loaded[section.value] = f"{type(exc).__name__}: {exc}"[:500]
                return replace(snapshot, not_loaded=not_loaded)
        finally:
            conn.isolation_level = None
            conn.read_only = None


def record_rounds(pool: Pool, *, as_of: datetime, round_interval: timedelta) -> int:
    """Record the inventory rounds that happened since the last call; returns how many."""
    with pool.connection() as conn, conn.transaction():
        conn.execute(_Q["forget_rounds"], {"as_of": as_of})
        return conn.execute(_Q["record_rounds"], {"as_of": as_of, "round": round_interval}).rowcount
