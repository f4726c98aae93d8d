"""Loads what the snapshot says of papers, parties and loans, and what people set of rules. Set-based; nothing here decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection

from collateral.calendar import business_date
from db.sql import load_queries
from risk.alert_store import jsonb
from risk.facts_trade import Contract, Deal, EntityEvent, Expiry, Figure, Holding, Link, Order, Pickup, Receipt
from risk.loading import Loader, Row, Valuer, fetch, grouped, holder_of, net_kg, number, text, texts
from risk.rule import Section
from risk.shadow import ShadowFinding
from risk.thresholds import Override, ThresholdBook

_Q = load_queries(__file__, "trade_queries.sql")
VAT_USUAL = Decimal("0.13")
SOURCES = {"invoice": "invoice", "waybill": "waybill", "weigh_ticket": "scale", "rfid": "rfid"}


def threshold_book(conn: Connection[Any], as_of: datetime) -> ThresholdBook:
    """What people set, as of an instant."""
    return ThresholdBook(tuple(Override(**r) for r in fetch(conn, _Q["thresholds"], {"as_of": as_of})))


def shadowed(conn: Connection[Any]) -> frozenset[tuple[str, str]]:
    """(tenant, rule) pairs that only look."""
    return frozenset((r["tenant_id"], r["rule_code"]) for r in fetch(conn, _Q["shadowed"], {}))


def keep_shadow(conn: Connection[Any], found: Sequence[ShadowFinding], now: datetime) -> None:
    """Record what rules in shadow would have said."""
    for one in found:
        f = one.finding
        conn.execute(
            _Q["keep_shadow"],
            {
                "tenant_id": f.subject.tenant_id, "rule_code": one.rule_code, "subject_kind": f.subject.kind.value, "subject_id": f.subject.id,
                "severity": f.severity.value, "summary": f.summary, "summary_zh": f.summary_zh, "evidence": jsonb(f.evidence), "now": now,
            },
        )  # fmt: skip


def _dated(params: Row) -> Row:
    return {**params, "today": business_date(params["as_of"])}


def _receipts(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    taken = ("pledge_id", "facility_id", "units_pledged", "series", "owners", "check_attempts")
    return {
        "receipts": tuple(
            Receipt(
                **{k: v for k, v in r.items() if k not in taken},
                owners=tuple(r["owners"] or ()),
                check_attempts=r["check_attempts"] or 0,
                series=tuple((s[0], s[1], s[2]) for s in r["series"] or ()),
                holder=holder_of(r),
            )
            for r in fetch(conn, _Q["receipts"], params)
        )
    }


def _wms_issue(row: Row) -> Row:
    """A goods issue: the release, the plate and the weight that it names. Lines in kg or t count; handling units may be goods ids."""
    payload = row["payload"]
    papers = [p for p in payload.get("documents") or () if isinstance(p, dict)]
    lines = [x for x in payload.get("lines") or () if isinstance(x, dict)]
    kg = [
        v * (1000 if x.get("uom") == "t" else 1)
        for x in lines
        if x.get("uom") in ("kg", "t") and (v := number(x.get("issued"))) is not None
    ]  # fmt: skip
    vehicle = payload.get("vehicle")
    units = [u for x in lines for u in x.get("handlingUnits") or () if isinstance(u, dict)]
    return {
        **row,
        "release_id": next((text(p.get("number")) for p in papers if p.get("kind") == "release"), None),
        "vehicle_plate": text(vehicle.get("plate")) if isinstance(vehicle, dict) else None,
        "net_kg": sum(kg, Decimal(0)) if kg and len(kg) == len(lines) else None,
        "goods_ids": [t for u in units for t in (text(u.get("goodsId")), text(u.get("goods_id"))) if t is not None],
    }


def _scale(row: Row) -> Row:
    payload = row["payload"]
    kg, gross = net_kg(payload)
    return {
        **row, "release_id": text(payload.get("release_id")), "vehicle_plate": text(payload.get("vehicle_plate")), "net_kg": None if gross else kg,
        "goods_ids": [*texts(payload.get("goods_id")), *texts(payload.get("goods_ids"))],
    }  # fmt: skip


def _pickups(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    orders = tuple(
        Order(**{**r, "goods_ids": tuple(r["goods_ids"]), "owner_party_ids": tuple(r["owner_party_ids"])})
        for r in fetch(conn, _Q["orders"], params)
    )
    shape = {"wms": _wms_issue, "scale": _scale}
    found = [shape[r["source"]](r) if r["source"] in shape else r for r in fetch(conn, _Q["pickup_papers"], params)]
    ids = sorted({g for r in found for g in r["goods_ids"]})
    pledged = grouped(fetch(conn, _Q["pledged_then"], {**params, "ids": ids}), "tenant_id", "goods_id") if ids else {}
    pickups = []
    for r in found:
        held = [pledged[r["tenant_id"], g][0] for g in r["goods_ids"] if (r["tenant_id"], g) in pledged]
        holder = holder_of({**held[0], "units_pledged": len(held)}) if held else holder_of({})
        pickups.append(
            Pickup(**{k: v for k, v in r.items() if k not in ("payload", "goods_ids")}, goods_ids=tuple(r["goods_ids"]), holder=holder)
        )
    return {"orders": orders, "pickups": tuple(pickups)}


def ex_vat(amount: Decimal | None, content: Mapping[str, Any]) -> Decimal | None:
    """An invoice's amount without tax: as it says (amount_ex_vat), by its rate, or by the usual one."""
    said = number(content.get("amount_ex_vat"))
    if said is not None or amount is None:
        return said
    rate = number(content.get("vat_rate"))
    return amount / (1 + (rate if rate is not None and 0 <= rate < 1 else VAT_USUAL))


def _deals(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    taken = ("pledge_id", "facility_id", "units_pledged", "goods_ids", "paid_at", "amount")
    return {
        "deals": tuple(
            Deal(
                **{k: v for k, v in r.items() if k not in taken},
                amount=ex_vat(r["amount"], r["content"]),
                goods_ids=tuple(r["goods_ids"]),
                paid_at=tuple(r["paid_at"]),
                holder=holder_of(r),
            )
            for r in fetch(conn, _Q["deals"], params)
        )
    }


def _links(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    return {"links": tuple(Link(**r) for r in fetch(conn, _Q["links"], _dated(params)))}


def _wms_received(row: Row) -> tuple[set[str], Decimal | None]:
    """(numbers of the papers that a goods receipt names, kilograms received)."""
    payload = row["payload"]
    numbers = {t for p in payload.get("documents") or () if isinstance(p, dict) and (t := text(p.get("number"))) is not None}
    lines = [x for x in payload.get("lines") or () if isinstance(x, dict)]
    kg = [
        v * (1000 if x.get("uom") == "t" else 1)
        for x in lines
        if x.get("uom") in ("kg", "t") and (v := number(x.get("received"))) is not None
    ]
    return numbers, sum(kg, Decimal(0)) if kg and len(kg) == len(lines) else None


def _contracts(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    papers = grouped(fetch(conn, _Q["contract_papers"], params), "tenant_id", "contract_no", "unit")
    tolerances = {r["commodity_code"]: r["weighing_tolerance"] for r in fetch(conn, _Q["tolerances"], params)}
    wms = [(r, *_wms_received(r)) for r in fetch(conn, _Q["wms_receipts"], params)]
    made = []
    for (tenant_id, contract_no, unit), rows in papers.items():
        quantities = {SOURCES[r["source"]]: r["quantity"] for r in rows}
        ids = {SOURCES[r["source"]]: tuple(r["ids"]) for r in rows}
        times = [r["at"] for r in rows if r["at"] is not None]
        named = [(r, kg) for r, numbers, kg in wms if r["tenant_id"] == tenant_id and contract_no in numbers and kg is not None]
        if named and unit == "kg":
            quantities["wms"], ids["wms"] = sum((kg for _, kg in named), Decimal(0)), tuple(r["event_key"] for r, _ in named)
            times += [r["observed_at"] for r, _ in named]
        if len(quantities) < 2 or not times:
            continue
        code = next((r["commodity_code"] for r in rows if r["commodity_code"]), None)
        held = next((r for r in rows if r["pledge_id"] is not None), {})
        made.append(
            Contract(
                contract_no=contract_no, tenant_id=tenant_id, commodity_code=code, unit=unit, tolerance=tolerances.get(code, Decimal("0.003")),
                largest_unit=max((r["largest"] for r in rows if r["largest"] is not None), default=Decimal(0)), quantities=quantities, rows=ids,
                newest_at=max(times), holder=holder_of(held),
            )
        )  # fmt: skip
    return {"contracts": tuple(made)}


def _holdings(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    made = []
    for r in fetch(conn, _Q["holdings"], _dated(params)):
        value, currency = book.value(r["commodity_code"], r["quantity"], r["unit"], None, None)
        share = {name: (r[name] or Decimal(0)) / r["quantity"] for name in ("over_age_quantity", "leaving_quantity")}
        kg = {"t": r["quantity"] * 1000, "kg": r["quantity"]}.get(r["unit"])
        kept = ("tenant_id", "facility_id", "product", "pledge_mode", "borrower_party_id", "warehouse_id", "commodity_code", "brand", "units", "oldest_from", "over_age_units", "opened_at", "turned_at", "turned_90d_kg")  # fmt: skip
        made.append(
            Holding(
                **{k: r[k] for k in kept}, quantity_kg=kg, value=value, currency=currency,
                over_age_value=None if value is None else round(value * share["over_age_quantity"], 2),
                pending_value=None if value is None else round(value * share["leaving_quantity"], 2),
            )
        )  # fmt: skip
    return {"holdings": tuple(made)}


def _figures(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    return {"figures": tuple(Figure(**r) for r in fetch(conn, _Q["figures"], _dated(params)))}


def _entity_events(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    taken = ("pledge_id", "facility_id", "units_pledged")
    found = fetch(conn, _Q["entity_events"], _dated(params))
    return {"entity_events": tuple(EntityEvent(**{k: v for k, v in r.items() if k not in taken}, holder=holder_of(r)) for r in found)}


def _expiries(conn: Connection[Any], book: Valuer, params: Row) -> dict[str, Any]:
    taken = ("pledge_id", "facility_id", "units_pledged")
    found = fetch(conn, _Q["expiries"], _dated(params))
    return {"expiries": tuple(Expiry(**{k: v for k, v in r.items() if k not in taken}, holder=holder_of(r)) for r in found)}


LOADERS: dict[Section, Loader] = {
    Section.RECEIPTS: _receipts,
    Section.PICKUPS: _pickups,
    Section.DEALS: _deals,
    Section.LINKS: _links,
    Section.CONTRACTS: _contracts,
    Section.HOLDINGS: _holdings,
    Section.FIGURES: _figures,
    Section.ENTITY_EVENTS: _entity_events,
    Section.EXPIRIES: _expiries,
}
