"""Loads what the snapshot says of sites, scales, tanks and devices. Set-based; nothing here decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral.calendar import business_date
from collateral.zones import Fence
from db.sql import load_queries
from risk.facts import Fix, Unit, YardVehicle
from risk.facts_site import (
    NOBODY,
    Band,
    Claims,
    DeviceClock,
    DeviceConfig,
    Gauging,
    LotHistory,
    NightMove,
    Outflow,
    Paper,
    RawSeries,
    Sign,
    SiteConduct,
    SiteHours,
    Tank,
    TankSpec,
    Unconserved,
    UnconservedDay,
    Weighing,
)
from risk.loading import Loader, Row, Valuer, fetch, grouped, holder_of, net_kg, number, text, texts
from risk.rule import Section
from risk.tank_balance import contents

_Q = load_queries(__file__, "site_queries.sql")
WEIGHINGS_SPAN, LOTS_SPAN = timedelta(days=7), timedelta(days=30)
GAUGED = ("level_m", "temperature_c", "density_kgpm3", "pressure_pa", "free_water_m", "volume_m3", "flow_m3ph")
RAW_FIELDS = ("level_m", "temperature_c", "pressure_pa")


def gauging(observed_at: datetime, device_id: str, payload: Mapping[str, Any]) -> Gauging:
    """A `tank` event as a measurement; what is no number is not measured."""
    values = {name: number(payload.get(name)) for name in GAUGED}
    valve = payload.get("valve")
    return Gauging(observed_at=observed_at, device_id=device_id, valve=valve if valve in ("open", "closed") else None, **values)


def _spec(row: Mapping[str, Any]) -> TankSpec | None:
    pairs = [(number(p[0]), number(p[1])) for p in row["strapping"] if isinstance(p, list) and len(p) == 2]
    known = tuple((level, volume) for level, volume in pairs if level is not None and volume is not None)
    if len(known) < 2:
        return None
    return TankSpec(
        spec_id=row["spec_id"], strapping=known, capacity_m3=row["capacity_m3"], density15_min=row["density15_min"],
        density15_max=row["density15_max"], expansion_per_c=row["expansion_per_c"],
    )  # fmt: skip


def _tanks(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    found = fetch(conn, _Q["tanks"], params)
    if not found:
        return {}
    ids = {**params, "ids": sorted({r["zone_id"] for r in found})}
    specs = {r["zone_id"]: _spec(r) for r in fetch(conn, _Q["tank_specs"], ids)}
    newest = grouped(fetch(conn, _Q["gaugings"], ids), "zone_id")
    daily = grouped(fetch(conn, _Q["daily_gaugings"], ids), "zone_id")
    tanks = []
    for r in found:
        spec = specs.get(r["zone_id"])
        masses = []
        for d in daily.get(r["zone_id"], ()):
            held = contents(gauging(d["observed_at"], d["device_id"], d["payload"]), spec)
            if held is not None and held.mass_kg is not None:
                masses.append((d["day"], held.mass_kg))
        value, currency = book.value(r["commodity_code"], r["pledged_kg"] or Decimal(0), "kg", None, None)
        tanks.append(
            Tank(
                zone_id=r["zone_id"], tenant_id=r["tenant_id"], warehouse_id=r["warehouse_id"], booked_kg=r["booked_kg"], claimants=r["claimants"],
                book_changed_at=r["book_changed_at"], spec=spec, daily_kg=tuple(masses), shrinkage_rate=r["shrinkage_rate"],
                gaugings=tuple(gauging(g["observed_at"], g["device_id"], g["payload"]) for g in newest.get(r["zone_id"], ())),
                holder=holder_of(r, value, currency),
            )
        )  # fmt: skip
    return {"tanks": tuple(tanks)}


def _claims(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    scales = {r["zone_id"]: r for r in fetch(conn, _Q["stack_weights"], params)}
    found = fetch(conn, _Q["claims"], {**params, "zones": sorted(scales), "today": business_date(params["as_of"])})
    made = []
    for r in found:
        scale = scales.get(r["place_id"]) if r["kind"] == "stack" else None
        made.append(
            Claims(
                **{k: r[k] for k in ("kind", "place_id", "tenant_id", "warehouse_id", "claimed_kg", "claimants", "receipts", "book_changed_at", "capacity_kg")},
                measured_kg=number(scale["payload"].get("stock_kg")) if scale else None,
                measured_at=scale["observed_at"] if scale else None,
                device_id=scale["device_id"] if scale else None,
                holder=holder_of(r),
            )
        )  # fmt: skip
    return {"claims": tuple(made)}


def _goods(conn: Connection[Any], ids: Iterable[str]) -> dict[str, Row]:
    wanted = sorted(set(ids))
    return {r["goods_id"]: r for r in fetch(conn, _Q["weighed_goods"], {"ids": wanted})} if wanted else {}


def _weights(conn: Connection[Any], params: Row, span: timedelta) -> tuple[list[tuple[Row, list[Row]]], dict[str, Row]]:
    """Weighings with the goods that they name, of the device's own tenant."""
    found = fetch(conn, _Q["weights"], {**params, "span": span})
    named = [sorted({*texts(r["payload"].get("goods_id")), *texts(r["payload"].get("goods_ids"))}) for r in found]
    goods = _goods(conn, (g for ids in named for g in ids))
    return [
        (r, [goods[g] for g in ids if g in goods and goods[g]["tenant_id"] == r["tenant_id"]]) for r, ids in zip(found, named, strict=True)
    ], goods


def _weighings(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    made = []
    for r, lots in _weights(conn, params, WEIGHINGS_SPAN)[0]:
        measured, gross = net_kg(r["payload"])
        if measured is None or not lots:
            continue
        booked = [lot["booked_kg"] for lot in lots]
        made.append(
            Weighing(
                device_id=r["device_id"], observed_at=r["observed_at"], tenant_id=r["tenant_id"], warehouse_id=r["warehouse_id"],
                units=tuple(book.unit(lot) for lot in lots), measured_kg=measured, gross=gross, event_key=r["event_key"],
                declared_kg=sum(booked, Decimal(0)) if None not in booked else None, tolerance=max(lot["weighing_tolerance"] for lot in lots),
                calibrated_at=r["calibrated_at"], calibrated_to=r["calibrated_to"], sigma_kg=r["sigma_kg"], volume_m3=number(r["payload"].get("volume_m3")),
            )
        )  # fmt: skip
    return {"weighings": tuple(made)}


def _lots(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    points: dict[str, list[tuple[datetime, Decimal]]] = {}
    found, goods = _weights(conn, params, LOTS_SPAN)
    for r, lots in found:
        measured, gross = net_kg(r["payload"])
        calibrated = r["calibrated_to"] is not None and r["calibrated_to"] >= r["observed_at"]
        if measured is not None and not gross and calibrated and len(lots) == 1 and lots[0]["pledge_id"] is not None:
            points.setdefault(lots[0]["goods_id"], []).append((r["observed_at"], measured))
    return {
        "lots": tuple(
            LotHistory(
                unit=book.unit(goods[g]), points=tuple(sorted(p)), shrinkage_rate=goods[g]["shrinkage_rate"],
                received_at=goods[g]["registered_at"], commodity_tolerance=goods[g]["weighing_tolerance"],
            )
            for g, p in sorted(points.items())
            if len(p) >= 2
        )
    }  # fmt: skip


def _inspections(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    found = fetch(conn, _Q["inspections"], params)
    goods = _goods(conn, (g for r in found for g in r["goods_ids"]))
    papers = tuple(
        Paper(
            **{k: r[k] for k in ("document_id", "tenant_id", "number", "issued_at", "commodity_code", "grade_booked")},
            grade_said=text(r["content"].get("grade")), assay_pct=number(r["content"].get("assay_pct")),
            units=tuple(book.unit(goods[g]) for g in r["goods_ids"] if g in goods),
        )
        for r in found
    )  # fmt: skip
    return {"inspections": papers, "bands": tuple(Band(**r) for r in fetch(conn, _Q["bands"], params))}


def _trip_units(conn: Connection[Any], book: Valuer, trips: Iterable[str | None]) -> dict[str, tuple[Unit, ...]]:
    ids = sorted({t for t in trips if t is not None})
    found = grouped(fetch(conn, _Q["trip_goods_units"], {"ids": ids}), "trip_id") if ids else {}
    return {trip: tuple(book.unit(r) for r in rows) for trip, rows in found.items()}


def _signs(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    found = fetch(conn, _Q["signs"], params)
    if not found:
        return {}
    fences = [(r["tenant_id"], r["warehouse_id"], Fence.from_geojson(r["fence"])) for r in fetch(conn, _Q["fences"], params)]
    aboard = _trip_units(conn, book, (r["trip_id"] for r in found))
    signs = []
    for r in found:
        inside = r["warehouse_id"] if r["trip_id"] is None else None
        if r["lon"] is not None:
            inside = next((w for t, w, f in fences if t == r["tenant_id"] and f.contains(r["lon"], r["lat"])), None)
        signs.append(Sign(**r, inside_warehouse_id=inside, units=aboard.get(r["trip_id"], ())))
    return {"signs": tuple(signs)}


def _configs(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    def of(said: Any) -> dict[str, str]:
        return {k: v for k in ("config_hash", "fw") if (v := text(said.get(k), 200)) is not None} if isinstance(said, Mapping) else {}

    return {
        "configs": tuple(
            DeviceConfig(
                device_id=r["device_id"], tenant_id=r["tenant_id"], warehouse_id=r["warehouse_id"], said=of(r["health"]), registered=of(r["claims"]),
                health_at=r["last_health_at"], ticket_id=r["ticket_id"],
            )
            for r in fetch(conn, _Q["configs"], params)
        )
    }  # fmt: skip


def _clocks(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    return {
        "clocks": tuple(
            DeviceClock(
                device_id=r["device_id"], tenant_id=r["tenant_id"], warehouse_id=r["warehouse_id"], lags_s=tuple(r["lags"] or ()),
                newest_at=r["newest_at"], gaps=r["gaps"], conflicts=int(r["conflicts"]), future=r["future"],
            )
            for r in fetch(conn, _Q["clocks"], params)
        )
    }  # fmt: skip


def _yard_vehicles(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    found = fetch(conn, _Q["yard_vehicles"], params)
    if not found:
        return {}
    fences = {r["warehouse_id"]: r["fence"] for r in fetch(conn, _Q["fences"], params)}
    fixes = grouped(fetch(conn, _Q["device_fixes"], {**params, "ids": [r["device_id"] for r in found]}), "device_id")
    goods = _goods(conn, (g for r in found for g in r["goods_ids"]))
    return {
        "yard_vehicles": tuple(
            YardVehicle(
                device_id=r["device_id"], tenant_id=r["tenant_id"], vehicle_plate=r["vehicle_plate"], warehouse_id=r["warehouse_id"],
                fence=fences[r["warehouse_id"]], released=r["released"], units=tuple(book.unit(goods[g]) for g in r["goods_ids"] if g in goods),
                fixes=tuple(Fix(**{k: v for k, v in f.items() if k != "device_id"}) for f in fixes.get(r["device_id"], ())),
            )
            for r in found
        )
    }  # fmt: skip


def _night_moves(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    found = fetch(conn, _Q["night_moves"], params)
    goods = _goods(conn, (r["goods_id"] for r in found if r["goods_id"] is not None))
    return {
        "night_moves": tuple(
            NightMove(
                **{k: r[k] for k in ("key", "tenant_id", "warehouse_id", "zone_id", "occurred_at", "what", "device_id", "ticket_id", "release_id")},
                unit=book.unit(goods[r["goods_id"]]) if r["goods_id"] in goods else None,
                hours=SiteHours(opens=r["opens"], closes=r["closes"], works_holidays=r["works_holidays"]) if r["opens"] is not None else None,
            )
            for r in found
        )
    }  # fmt: skip


def _outflows(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    made = []
    for (warehouse_id, tenant_id), days in grouped(fetch(conn, _Q["outflows"], params), "warehouse_id", "tenant_id").items():
        made.append(
            Outflow(
                warehouse_id=warehouse_id, tenant_id=tenant_id, daily_kg=tuple((d["day"], d["kg"]) for d in days),
                depositors_48h=days[0]["depositors_48h"], depositors_all=days[0]["depositors_all"], newest_at=max(d["newest_at"] for d in days),
                holder=holder_of(days[0]),
            )
        )  # fmt: skip
    return {"outflows": tuple(made)}


def _raw_series(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    made = []
    for device_id, points in grouped(fetch(conn, _Q["raw_series"], params), "device_id").items():
        first = points[0]
        for name in RAW_FIELDS:
            values = tuple((p["observed_at"], v) for p in points if (v := number(p["payload"].get(name))) is not None)
            if len(values) >= 2:
                made.append(
                    RawSeries(
                        device_id=device_id, tenant_id=first["tenant_id"], warehouse_id=first["warehouse_id"], quantity=name, points=values
                    )
                )
    weights = [r for r, _ in _weights(conn, params, LOTS_SPAN)[0]]
    for device_id, points in grouped(reversed(weights), "device_id").items():
        values = tuple((p["observed_at"], kg) for p in points if (kg := net_kg(p["payload"])[0]) is not None)
        if len(values) >= 2:
            first = points[0]
            made.append(
                RawSeries(
                    device_id=device_id, tenant_id=first["tenant_id"], warehouse_id=first["warehouse_id"], quantity="net_kg", points=values
                )
            )
    return {"raw_series": tuple(made)}


def _conduct(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    visits = grouped(fetch(conn, _Q["visits"], params), "tenant_id", "warehouse_id")
    keyed = {(r["tenant_id"], r["warehouse_id"]): r for r in fetch(conn, _Q["keyed_entries"], params)}
    sites = sorted({*visits, *keyed})
    held = (
        {(r["tenant_id"], r["warehouse_id"]): r for r in fetch(conn, _Q["site_holders"], {"ids": [w for _, w in sites]})} if sites else {}
    )
    made = []
    for site in sites:
        entries = keyed.get(site)
        made.append(
            SiteConduct(
                tenant_id=site[0], warehouse_id=site[1],
                visits=tuple((v["planned_at"], v["outcome"], v["by_site"], v["visit_id"]) for v in visits.get(site, ())),
                photos=tuple((v["visit_id"], p) for v in visits.get(site, ()) for p in v["photo_phashes"]),
                manual_entries=entries["manual"] if entries else 0, entries=entries["entries"] if entries else 0,
                largest_burst=entries["burst"] if entries else 0, burst_at=entries["burst_at"] if entries else None,
                holder=holder_of(held[site]) if site in held else NOBODY,
            )
        )  # fmt: skip
    return {"conduct": tuple(made)}


def _unconserved(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    return {
        "unconserved": tuple(
            Unconserved(
                device_id=r["device_id"],
                tenant_id=r["tenant_id"],
                warehouse_id=r["warehouse_id"],
                found_at=r["found_at"],
                days=tuple(UnconservedDay(day=d, counted=c, found=f) for d, c, f in zip(r["days"], r["counted"], r["found"], strict=True)),
            )
            for r in fetch(conn, _Q["unconserved"], params)
        )
    }


LOADERS: dict[Section, Loader] = {
    Section.CONSERVATION: _unconserved,
    Section.TANKS: _tanks,
    Section.CLAIMS: _claims,
    Section.WEIGHINGS: _weighings,
    Section.INSPECTIONS: _inspections,
    Section.SIGNS: _signs,
    Section.CONFIGS: _configs,
    Section.CLOCKS: _clocks,
    Section.YARD_VEHICLES: _yard_vehicles,
    Section.NIGHT_MOVES: _night_moves,
    Section.OUTFLOWS: _outflows,
    Section.RAW_SERIES: _raw_series,
    Section.CONDUCT: _conduct,
    Section.LOTS: _lots,
}
