"""The goods: coils, bundles, ingots, cathodes, tank lots and cars, each with a digital id, a tag and its natural identity."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from collateral.ids import vin_check_character
from simulators.world import market, people, sites
from simulators.world.model import Goods
from simulators.world.seeds import stream

_COIL_SPECS = ("2.75*1250*C", "3.75*1500*C", "4.75*1500*C", "5.75*1500*C", "7.75*1500*C", "9.75*1500*C")
_REBAR_SPECS = ("Φ12*9m", "Φ16*9m", "Φ20*12m", "Φ25*12m")
_BORN = date(2020, 3, 9)
_VIN_ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
_COMPANY_PREFIX = 6_901_234

COUNTS = {market.HRC: 720, market.REBAR: 480, market.ALUMINIUM: 420, market.COPPER: 240, market.SEDAN: 160, market.SUV: 100}
"""Units in store at full size; the tank farm holds one lot per tank."""


def sgtin96(item: int, serial: int) -> str:
    """Hex EPC of a serialised trade item: header 30, filter 1, a seven-digit company prefix."""
    bits = (0x30 << 88) | (1 << 85) | (5 << 82) | (_COMPANY_PREFIX << 58) | (item << 38) | serial
    return f"{bits:024X}"


class Tags:
    """Fresh tags: as the mill encodes them, or as they come from the factory. No number is given twice."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._given: set[str] = set()

    def next(self, item: int | None) -> tuple[str, str]:
        """EPC and TID; item None = not encoded."""
        while True:
            epc = f"E28011{self._chance.getrandbits(72):018X}" if item is None else sgtin96(item, self._chance.getrandbits(37))
            if epc not in self._given:
                self._given.add(epc)
                return epc, f"E2801160{self._chance.getrandbits(64):016X}"


def vehicle_number(chance: Random, serial: int) -> str:
    """A VIN of the made-up maker LX9 with a right check character; the serial makes it unique."""
    body = "".join(chance.choice(_VIN_ALPHABET) for _ in range(5))
    draft = f"LX9{body}0L{chance.choice('ABCDE')}{serial:06}"
    return draft[:8] + vin_check_character(draft) + draft[9:]


def _heat(chance: Random, letter: str) -> str:
    return f"{letter}{chance.randrange(200_000, 209_999):06}"


def _invoiced(seed: int, code: str, chance: Random) -> Decimal:
    """Bought a little above today's market, so that the market decides the value."""
    return (market.start_price(seed, code) * Decimal(repr(round(chance.uniform(1.01, 1.03), 4)))).quantize(Decimal("0.01"))


def stock(seed: int, size: Decimal = Decimal(1)) -> tuple[Goods, ...]:
    """Everything in store. size scales the number of units (0.05 gives a small world); tank lots stay."""
    chance = stream(seed, "stock")
    tags = Tags(stream(seed, "tags"))
    found: list[Goods] = []
    for code, full in COUNTS.items():
        count = max(12, int(full * size))
        found += [_unit(seed, code, n, count, chance, tags) for n in range(1, count + 1)]
    for n, zone_id in enumerate(sites.SITE_BY_ID[sites.TANKS].zone_ids(), start=1):
        epc, tid = tags.next(None)
        found.append(
            Goods(
                goods_id=f"OIL-T{100 + n}-2002",
                commodity_code=market.FUEL_OIL,
                kind="TANK_LOT",
                quantity=Decimal(chance.randrange(36_000, 44_000)),
                unit="bbl",
                owner_party_id=people.OIL_TRADER,
                state="STORED",
                mill="DONGHAI",
                heat_no=f"B2002{n:02}",
                piece_no=f"T{100 + n}",
                grade="IFO 380",
                brand="Donghai",
                origin="CN",
                invoice_unit_price=Decimal(repr(round(chance.uniform(57.0, 60.0), 2))),
                invoice_currency="USD",
                produced_on=_BORN - timedelta(days=chance.randrange(20, 50)),
                warehouse_id=sites.TANKS,
                zone_id=zone_id,
                tag_epc=epc,
                tid=tid,
            )
        )
    return tuple(found)


def _unit(seed: int, code: str, n: int, count: int, chance: Random, tags: Tags) -> Goods:
    """The n-th of count units of a commodity, laid out bay by bay."""
    bays = {
        market.HRC: sites.SITE_BY_ID[sites.STEEL].zone_ids()[:4],
        market.REBAR: sites.SITE_BY_ID[sites.STEEL].zone_ids()[4:],
        market.ALUMINIUM: sites.SITE_BY_ID[sites.METAL].zone_ids()[:2],
        market.COPPER: sites.SITE_BY_ID[sites.METAL].zone_ids()[2:],
        market.SEDAN: sites.SITE_BY_ID[sites.CARS].zone_ids()[:2],
        market.SUV: sites.SITE_BY_ID[sites.CARS].zone_ids()[2:],
    }[code]
    zone_id = bays[(n - 1) * len(bays) // count]
    common = Goods(
        goods_id="",
        commodity_code=code,
        kind="COIL",
        quantity=Decimal(1),
        unit="t",
        owner_party_id="",
        state="STORED",
        invoice_unit_price=_invoiced(seed, code, chance),
        invoice_currency="CNY",
        produced_on=_BORN - timedelta(days=chance.randrange(12, 55)),
        warehouse_id=zone_id.split("/")[0],
        zone_id=zone_id,
    )
    epc, tid = tags.next({market.HRC: 10_417, market.REBAR: 10_418}.get(code))
    tagged = replace(common, tag_epc=epc, tid=tid)
    match code:
        case market.HRC:
            kg = Decimal(chance.randrange(18_500, 26_500))
            return replace(
                tagged, goods_id=f"COIL-BS-{n:04}", quantity=kg / 1000, owner_party_id=people.STEEL_TRADER, mill="LUOJIANG",
                heat_no=_heat(chance, "H"), piece_no=f"{n:04}-{chance.randrange(1, 9)}", grade="Q235B", spec=chance.choice(_COIL_SPECS),
                brand="Luojiang", origin="CN", weight_theoretical_kg=(kg * Decimal("1.001")).quantize(Decimal("0.001")), weight_scale_kg=kg,
            )  # fmt: skip
        case market.REBAR:
            kg = Decimal(chance.randrange(2_050, 2_750))
            return replace(
                tagged, goods_id=f"REBAR-BS-{n:04}", kind="BUNDLE", quantity=kg / 1000, owner_party_id=people.STEEL_TRADER,
                mill="TAIHU", heat_no=_heat(chance, "R"), piece_no=f"{n:04}", grade="HRB400E", spec=chance.choice(_REBAR_SPECS),
                brand="Taihu", origin="CN", weight_theoretical_kg=(kg * Decimal("1.02")).quantize(Decimal("0.001")), weight_scale_kg=kg,
            )  # fmt: skip
        case market.ALUMINIUM:
            kg = Decimal(chance.randrange(990, 1_045))
            return replace(
                tagged, goods_id=f"AL-WGQ-{n:04}", kind="BUNDLE", quantity=kg / 1000, owner_party_id=people.METAL_TRADER,
                mill="LONGMEN", heat_no=_heat(chance, "A"), piece_no=f"{n:04}", grade="Al99.70", brand="Longmen", origin="CN",
                weight_scale_kg=kg,
            )  # fmt: skip
        case market.COPPER:
            kg = Decimal(chance.randrange(2_420, 2_580))
            return replace(
                tagged, goods_id=f"CU-WGQ-{n:04}", kind="BUNDLE", quantity=kg / 1000, owner_party_id=people.METAL_TRADER,
                mill="QINGSHAN", heat_no=_heat(chance, "C"), piece_no=f"{n:04}", grade="Cu-CATH-1", brand="Qingshan", origin="CN",
                weight_scale_kg=kg,
            )  # fmt: skip
        case _:
            vin = vehicle_number(chance, n + (500_000 if code == market.SUV else 0))
            return replace(
                tagged, goods_id=f"CAR-{vin}", kind="VEHICLE", unit="piece", owner_party_id=people.CAR_DEALER, vin=vin, brand="Xingchen",
                mill=None, spec="Saloon 1.5T" if code == market.SEDAN else "SUV 2.0T", origin="CN",
            )  # fmt: skip


def cargo(seed: int, plates: tuple[str, ...], per_truck: int = 3) -> dict[str, tuple[Goods, ...]]:
    """Unpledged goods on the road, by the plate of the lorry that carries them."""
    chance, tags = stream(seed, "cargo"), Tags(stream(seed, "cargo-tags"))
    found: dict[str, tuple[Goods, ...]] = {}
    for truck, plate in enumerate(plates, start=1):
        units = []
        for n in range(1, per_truck + 1):
            epc, tid = tags.next(10_417)
            kg = Decimal(chance.randrange(8_000, 10_500))
            units.append(
                Goods(
                    goods_id=f"COIL-RD-{truck:02}{n:02}",
                    commodity_code=market.HRC,
                    kind="COIL",
                    quantity=kg / 1000,
                    unit="t",
                    owner_party_id=people.STEEL_TRADER,
                    state="IN_TRANSIT",
                    mill="LUOJIANG",
                    heat_no=_heat(chance, "K"),
                    piece_no=f"{truck:02}{n:02}",
                    grade="Q235B",
                    spec=chance.choice(_COIL_SPECS),
                    brand="Luojiang",
                    origin="CN",
                    weight_scale_kg=kg,
                    invoice_unit_price=_invoiced(seed, market.HRC, chance),
                    invoice_currency="CNY",
                    produced_on=_BORN - timedelta(days=chance.randrange(3, 12)),
                    tag_epc=epc,
                    tid=tid,
                )
            )
        found[plate] = tuple(units)
    return found
