"""Money and quantities: mixing raises, truthiness raises, rounding happens by name."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.units import Money, Quantity, Unit


def test_currencies_and_units_do_not_mix() -> None:
    with pytest.raises(ValueError, match="CNY with USD"):
        Money(D(1), "CNY") + Money(D(1), "USD")
    with pytest.raises(ValueError, match="kg with t"):
        Quantity(D(1), Unit.KG) - Quantity(D(1), Unit.TONNE)
    with pytest.raises(ValueError):
        _ = Money(D(1), "CNY") < Money(D(1), "USD")


def test_truthiness_and_floats_raise() -> None:
    with pytest.raises(TypeError):
        bool(Money(D(0), "CNY"))
    with pytest.raises(TypeError):
        bool(Quantity(D(0), Unit.KG))
    with pytest.raises(TypeError):
        Money(1.5, "CNY")  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Quantity(D("NaN"), Unit.KG)


@pytest.mark.parametrize("currency", ["cny", "CN", "CNYY", "C1Y", "人民币"])
def test_currency_is_an_iso_code(currency: str) -> None:
    with pytest.raises(ValueError):
        Money(D(1), currency)


@pytest.mark.parametrize(("amount", "rounded"), [("0.005", "0.00"), ("0.015", "0.02"), ("0.0050001", "0.01"), ("-0.005", "0.00")])
def test_rounding_is_half_to_even(amount: str, rounded: str) -> None:
    assert Money(D(amount), "CNY").rounded() == Money(D(rounded), "CNY")


@given(st.decimals("0", "1e9", places=6))
def test_kilograms_to_tonnes_and_back_change_nothing(amount: D) -> None:
    assert Quantity(amount, Unit.KG).in_unit(Unit.TONNE).in_unit(Unit.KG) == Quantity(amount, Unit.KG)


def test_pieces_have_no_mass() -> None:
    with pytest.raises(ValueError, match="no fixed ratio"):
        Quantity(D(1), Unit.PIECE).in_unit(Unit.KG)
