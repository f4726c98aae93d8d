"""Identifiers that we issue and those that we check."""

from __future__ import annotations

import pytest

from collateral.ids import is_uscc, new_id, vin_check_character


def test_ids_name_their_kind_and_do_not_repeat() -> None:
    made = {new_id("alert") for _ in range(1000)}
    assert len(made) == 1000
    assert all(i.startswith("alert_") for i in made)


@pytest.mark.parametrize(("text", "valid"), [("91110000600037341L", True), ("91110000600037342L", False), ("", False), ("人民", False)])
def test_unified_social_credit_code(text: str, valid: bool) -> None:
    assert is_uscc(text) is valid


@pytest.mark.parametrize("vin", ["1M8GDM9AXKP042788", "11111111111111111"])
def test_published_vins_carry_their_check_character(vin: str) -> None:
    assert vin_check_character(vin) == vin[8]


@pytest.mark.parametrize("vin", ["1M8GDM9AXKP04278", "1M8GDM9AXKP04278O", "1M8GDM9AXKP0427I8"])
def test_what_is_no_vin_is_refused(vin: str) -> None:
    with pytest.raises(ValueError):
        vin_check_character(vin)
