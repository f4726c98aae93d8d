"""How much is in a tank: volume by its strapping table, density at 15 degrees, free water off, mass. Pure; kg, m3, metres, Celsius.

The expansion is linear in temperature, as the short tables of the trade are; over 30 degrees it is right to about 0.1 % for oil products.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from risk.facts_site import Gauging, TankSpec

REFERENCE_C = Decimal(15)
GRAVITY = Decimal("9.80665")  # m/s2
WATER_KGPM3 = Decimal(999)


def volume_at(level_m: Decimal, strapping: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """Volume in m3 at a level, straight between the table's rows; None above or below the table."""
    for (low, v_low), (high, v_high) in pairwise(strapping):
        if low <= level_m <= high:
            return v_low + (v_high - v_low) * (level_m - low) / (high - low)
    return None


def level_of(volume_m3: Decimal, strapping: Sequence[tuple[Decimal, Decimal]]) -> Decimal | None:
    """The inverse of volume_at."""
    return volume_at(volume_m3, [(v, level) for level, v in strapping])


def density15(density_kgpm3: Decimal, temperature_c: Decimal | None, expansion_per_c: Decimal) -> Decimal:
    """Density at 15 degrees of a product that has this density at this temperature; unknown temperature = as it is."""
    if temperature_c is None:
        return density_kgpm3
    return density_kgpm3 * (1 + expansion_per_c * (temperature_c - REFERENCE_C))


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a gauging says is in the tank. mass_kg: of the product without free water; hydrostatic_kg: by the pressure at the bottom."""

    volume_m3: Decimal
    water_m3: Decimal
    mass_kg: Decimal | None
    hydrostatic_kg: Decimal | None
    density15_kgpm3: Decimal | None

    @property
    def water_share(self) -> Decimal:
        """Free water as a fraction of the volume."""
        return self.water_m3 / self.volume_m3 if self.volume_m3 else Decimal(0)


def contents(gauging: Gauging, spec: TankSpec | None) -> Contents | None:
    """None when neither a table with the level, nor a volume, is known.

    hydrostatic_kg: pressure over g is the mass that stands on a square metre; the mean area of the wetted part makes it the tank's.
    """
    volume = volume_at(gauging.level_m, spec.strapping) if spec is not None and gauging.level_m is not None else gauging.volume_m3
    if volume is None:
        return None
    water = Decimal(0)
    if gauging.free_water_m is not None and gauging.free_water_m > 0:
        if spec is not None:
            water = volume_at(gauging.free_water_m, spec.strapping) or Decimal(0)
        elif gauging.level_m:
            water = volume * gauging.free_water_m / gauging.level_m
    mass = (volume - water) * gauging.density_kgpm3 if gauging.density_kgpm3 is not None else None
    hydrostatic = None
    if gauging.pressure_pa is not None and gauging.level_m:
        hydrostatic = gauging.pressure_pa / GRAVITY * (volume / gauging.level_m) - water * WATER_KGPM3
    at15 = None
    if gauging.density_kgpm3 is not None:
        at15 = density15(gauging.density_kgpm3, gauging.temperature_c, spec.expansion_per_c if spec else Decimal(0))
    return Contents(volume_m3=volume, water_m3=water, mass_kg=mass, hydrostatic_kg=hydrostatic, density15_kgpm3=at15)
