"""Money and quantities: Decimal with a currency or a unit. Mixing raises, truthiness raises, rounding happens by name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum


class Unit(StrEnum):
    """Units in which goods are kept; mirrored by CHECKs in SQL."""

    KG = "kg"
    TONNE = "t"
    PIECE = "piece"
    CUBIC_METRE = "m3"
    BARREL = "bbl"


_KG_PER = {Unit.KG: Decimal(1), Unit.TONNE: Decimal(1000)}
_FEN = Decimal("0.01")


def _finite(value: Decimal, what: str) -> Decimal:
    if not isinstance(value, Decimal):
        raise TypeError(f"{what} needs a Decimal, not {type(value).__name__}")
    if not value.is_finite():
        raise ValueError(f"{what} must be finite, not {value}")
    return value


@dataclass(frozen=True, order=False)
class Money:
    """An amount in one currency. Not rounded until `rounded()` is called."""

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        _finite(self.amount, "Money.amount")
        if len(self.currency) != 3 or not (self.currency.isascii() and self.currency.isalpha() and self.currency.isupper()):
            raise ValueError(f"currency {self.currency!r} is not an ISO 4217 code")

    def __bool__(self) -> bool:
        raise TypeError("Money has no truth value; compare its amount")

    def _same(self, other: Money) -> None:
        if self.currency != other.currency:
            raise ValueError(f"cannot combine {self.currency} with {other.currency}")

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount + other.amount, self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.amount - other.amount, self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        return Money(self.amount * factor, self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def __gt__(self, other: Money) -> bool:
        return other < self

    def __ge__(self, other: Money) -> bool:
        return other <= self

    def rounded(self) -> Money:
        """To the cent or fen, half to even."""
        return Money(self.amount.quantize(_FEN, rounding=ROUND_HALF_EVEN), self.currency)

    def __str__(self) -> str:
        return f"{self.amount:,.2f} {self.currency}"


@dataclass(frozen=True, order=False)
class Quantity:
    """An amount of goods in one unit. Only kg and t convert into each other, and only by `in_unit`."""

    amount: Decimal
    unit: Unit

    def __post_init__(self) -> None:
        _finite(self.amount, "Quantity.amount")

    def __bool__(self) -> bool:
        raise TypeError("Quantity has no truth value; compare its amount")

    def _same(self, other: Quantity) -> None:
        if self.unit != other.unit:
            raise ValueError(f"cannot combine {self.unit} with {other.unit}")

    def __add__(self, other: Quantity) -> Quantity:
        self._same(other)
        return Quantity(self.amount + other.amount, self.unit)

    def __sub__(self, other: Quantity) -> Quantity:
        self._same(other)
        return Quantity(self.amount - other.amount, self.unit)

    def __lt__(self, other: Quantity) -> bool:
        self._same(other)
        return self.amount < other.amount

    def __le__(self, other: Quantity) -> bool:
        self._same(other)
        return self.amount <= other.amount

    def in_unit(self, unit: Unit) -> Quantity:
        """The same mass in another unit. Raises ValueError where no fixed ratio exists (pieces, volumes)."""
        if unit == self.unit:
            return self
        try:
            return Quantity(self.amount * _KG_PER[self.unit] / _KG_PER[unit], unit)
        except KeyError:
            raise ValueError(f"no fixed ratio between {self.unit} and {unit}") from None

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.unit}"
