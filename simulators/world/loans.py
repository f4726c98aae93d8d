"""Four facilities, what secures them, and the receipts over it.

The tank facility is drawn so that real Brent leads it over its lines: 51.29 gives 184 %, 45.60 a warning, 35.33 a margin call. The
others are drawn far above their warning lines, so that only that one story is about money.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_DOWN, Decimal

from simulators.world import market, people
from simulators.world.model import Facility, FacilityCommodity, Goods, PledgePlan, Receipt
from simulators.world.seeds import stream

STEEL_LINE, METAL_LINE, TANK_LINE, CAR_LINE = "FAC-STEEL-01", "FAC-METAL-01", "FAC-TANK-01", "FAC-AUTO-01"
DRAWN_AT = datetime(2020, 3, 6, 8, 0, tzinfo=UTC)

_STEEL = FacilityCommodity(market.HRC, Decimal("0.70"), market.BOARD, market.SPOT)
_REBAR = FacilityCommodity(market.REBAR, Decimal("0.68"), market.BOARD, market.SPOT)
_AL = FacilityCommodity(market.ALUMINIUM, Decimal("0.75"), market.BOARD, market.SPOT)
_CU = FacilityCommodity(market.COPPER, Decimal("0.75"), market.BOARD, market.SPOT)
_OIL = FacilityCommodity(market.FUEL_OIL, Decimal("0.55"), market.BRENT_SOURCE, market.BRENT_CHECK)
_CARS = tuple(FacilityCommodity(c, Decimal("0.75"), market.OEM_LIST, market.DEALER_GUIDE) for c in (market.SEDAN, market.SUV))


def _facility(
    facility_id: str, name: str, name_zh: str, borrower: str, lender: str, product: str, mode: str, currency: str, limit: int, advance: str,
    cure: tuple[str, int], commodities: tuple[FacilityCommodity, ...], coverage: str,
) -> Facility:  # fmt: skip
    opened = datetime(2020, 1, 6, 2, 0, tzinfo=UTC)
    return Facility(
        facility_id, f"{name} (sample)", f"{name_zh}（样例）", borrower, lender, product, mode, currency, Decimal(limit), Decimal(advance),
        cure[0], cure[1], opened, date(2020, 12, 31), commodities, Decimal(coverage),
    )  # fmt: skip


FACILITIES: tuple[Facility, ...] = (
    _facility(
        STEEL_LINE, "Shengtai steel stock loan", "盛泰钢材存货质押", people.STEEL_TRADER, people.LENDER_A, "STEEL_STATIC", "STATIC",
        "CNY", 60_000_000, "0.70", ("BUSINESS_DAYS", 1), (_STEEL, _REBAR), "1.80",
    ),
    _facility(
        METAL_LINE, "Yuanheng metals floating pledge", "远衡金属浮动质押", people.METAL_TRADER, people.LENDER_B, "METAL_FLOATING", "FLOATING",
        "CNY", 30_000_000, "0.75", ("HOURS", 24), (_AL, _CU, _STEEL), "1.75",
    ),
    _facility(
        TANK_LINE, "Haichuan fuel oil in tank", "海川燃料油罐存质押", people.OIL_TRADER, people.LENDER_A, "PETROCHEM_TANK", "FLOATING",
        "USD", 12_000_000, "0.55", ("HOURS", 24), (_OIL,), "1.84",
    ),
    _facility(
        CAR_LINE, "Anjia dealer floorplan", "安嘉汽车库存融资", people.CAR_DEALER, people.LENDER_B, "AUTO_FLOORPLAN", "STATIC",
        "CNY", 25_000_000, "0.75", ("BUSINESS_DAYS", 1), _CARS, "1.70",
    ),
)  # fmt: skip
FACILITY_BY_ID = {f.facility_id: f for f in FACILITIES}

# Facility, commodities and the share of the stock that is pledged under one receipt.
_POOLS: tuple[tuple[str, tuple[str, ...], str, Decimal], ...] = (
    (STEEL_LINE, (market.HRC,), "WR-BS-2020-0117", Decimal("0.60")),
    (STEEL_LINE, (market.REBAR,), "WR-BS-2020-0118", Decimal("0.60")),
    (METAL_LINE, (market.ALUMINIUM,), "WR-WGQ-2020-0052", Decimal("0.70")),
    (METAL_LINE, (market.COPPER,), "WR-WGQ-2020-0053", Decimal("0.70")),
    (TANK_LINE, (market.FUEL_OIL,), "WR-JS-2020-0009", Decimal(1)),
    (CAR_LINE, (market.SEDAN, market.SUV), "WR-AT-2020-0204", Decimal("0.80")),
)


@dataclass(frozen=True)
class Loans:
    """Pledges with their receipts."""

    pledges: tuple[PledgePlan, ...]
    receipts: tuple[Receipt, ...]


def value_of(seed: int, units: Sequence[Goods]) -> Decimal:
    """Collateral value at T0, ex-VAT: the lower of market and invoice; none of the stock is old enough for a haircut."""
    prices = {code: market.start_price(seed, code) for code in {u.commodity_code for u in units}}
    return sum((u.quantity * min(prices[u.commodity_code], u.invoice_unit_price or prices[u.commodity_code]) for u in units), Decimal(0))


def loans(seed: int, goods: Sequence[Goods]) -> Loans:
    """Which units are pledged where; chosen by the seed."""
    chance = stream(seed, "pledges")
    pledges, receipts = [], []
    for number, (facility_id, codes, receipt_no, share) in enumerate(_POOLS, start=1):
        pool = [u for u in goods if u.commodity_code in codes and u.warehouse_id is not None]
        chosen = sorted(chance.sample(pool, max(1, int(len(pool) * share))), key=lambda u: u.goods_id)
        facility, ids = FACILITY_BY_ID[facility_id], tuple(u.goods_id for u in chosen)
        warehouse_id = chosen[0].warehouse_id
        assert warehouse_id is not None
        insured = (value_of(seed, chosen) * Decimal("1.25") / 1000).to_integral_value() * 1000
        receipts.append(
            Receipt(
                receipt_no=receipt_no,
                warehouse_id=warehouse_id,
                depositor_party_id=facility.borrower_party_id,
                keeper_party_id=people.OPERATORS[warehouse_id],
                issued_at=datetime(2020, 3, 5, 3, 0, tzinfo=UTC),
                shrinkage_rate=Decimal("0.003") if facility_id == TANK_LINE else Decimal("0.001"),
                insured_amount=insured,
                currency=facility.currency,
                insurance_until=date(2021, 2, 28),
                state="ENDORSED",
                content={
                    "goods": [market.MARKET_BY_CODE[c].commodity.name if c in market.MARKET_BY_CODE else market.OIL.name for c in codes],
                    "pieces": len(ids),
                    "quantity": str(sum((u.quantity for u in chosen), Decimal(0))),
                    "unit": chosen[0].unit,
                    "storage_until": "2020-12-31",
                    "insurer": "Sample Property Insurance, lender is first beneficiary",
                    "endorsed_to": facility.lender_party_id,
                    "synthetic": True,
                },
                goods_ids=ids,
            )
        )
        pledges.append(PledgePlan(facility_id, receipt_no, f"ZDW-2020-{730_000 + number}", ids))
    return Loans(tuple(pledges), tuple(receipts))


def drawing(seed: int, facility: Facility, units: Sequence[Goods]) -> Decimal:
    """The principal that leaves the facility at its opening coverage, to the whole thousand below."""
    return (value_of(seed, units) / facility.opening_coverage / 1000).to_integral_value(rounding=ROUND_DOWN) * 1000
