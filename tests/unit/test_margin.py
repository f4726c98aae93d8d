"""The state ladder, causes and deadlines of margin calls; the release check beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.credentials import is_secret_of, mosquitto_hash
from collateral.lines import derived_lines
from collateral.margin import Cause, cause_split, cure_advance, cure_deadline, is_cured, main_cause, next_state
from collateral.model import LineState
from collateral.release import check_release, needs_second_checker

LINES = derived_lines(D("0.70"), D("0.05"))
W, C, X = LINES.warning, LINES.margin_call, LINES.disposal
POINT = D("0.01")


@pytest.mark.parametrize(
    ("previous", "coverages", "expected"),
    [
        (LineState.OK, [W - D("0.0001")], LineState.WARNING),
        (LineState.OK, [X - D("0.0001")], LineState.DISPOSAL),  # a gap goes straight to the worst
        (LineState.WARNING, [C - D("0.0001"), W], LineState.MARGIN_CALL),
        (LineState.WARNING, [W + POINT, W], LineState.WARNING),
        (LineState.WARNING, [W + POINT, W + POINT - D("0.0001")], LineState.WARNING),
        (LineState.WARNING, [W + POINT, W + POINT], LineState.OK),
        (LineState.WARNING, [W + POINT], LineState.WARNING),
        (LineState.MARGIN_CALL, [C + POINT, C + POINT], LineState.WARNING),
        (LineState.MARGIN_CALL, [W, C], LineState.MARGIN_CALL),
        (LineState.DISPOSAL, [W, W], LineState.WARNING),  # up line by line: the warning has not cleared
        (LineState.MARGIN_CALL, [W + POINT, C + POINT], LineState.WARNING),
        (LineState.DISPOSAL, [W + POINT, W + POINT], LineState.OK),
        (LineState.DISPOSAL, [X + D("0.009"), W], LineState.DISPOSAL),
        (LineState.DISPOSAL, [None, X], LineState.OK),
        (LineState.CANNOT_JUDGE, [C], LineState.WARNING),
    ],
)
def test_ladder_goes_down_at_once_and_up_slowly(previous: LineState, coverages: list[D | None], expected: LineState) -> None:
    assert next_state(previous, coverages, LINES) is expected


def commodity(quantity: str, eligible: str, value: str) -> dict[str, str]:
    return {"quantity": quantity, "eligible_quantity": eligible, "collateral_value": value}


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (commodity("100", "100", "90"), Cause.PRICE),
        (commodity("80", "80", "80"), Cause.QUANTITY),
        (commodity("100", "70", "70"), Cause.ELIGIBILITY),
        (commodity("100", "0", "0"), Cause.ELIGIBILITY),
        (commodity("95", "95", "76"), Cause.PRICE),
    ],
)
def test_cause_is_the_part_that_took_most(now: dict[str, str], cause: Cause) -> None:
    parts = cause_split({"HRC": commodity("100", "100", "100")}, {"HRC": now})
    assert main_cause(parts) is cause
    assert sum(parts.values()) == D(now["collateral_value"]) - 100


figures = st.builds(
    lambda quantity, share, price: {
        "HRC": {"quantity": quantity, "eligible_quantity": quantity * share, "collateral_value": quantity * share * price}
    },
    st.integers(1, 1000).map(D),
    st.sampled_from([D(0), D("0.5"), D(1)]),
    st.integers(1, 5000).map(D),
)


@given(before=figures, now=figures)
def test_parts_add_up_to_the_change(before: dict[str, dict[str, D]], now: dict[str, dict[str, D]]) -> None:
    change = now["HRC"]["collateral_value"] - before["HRC"]["collateral_value"]
    if before["HRC"]["collateral_value"] or now["HRC"]["collateral_value"]:
        assert abs(sum(cause_split(before, now).values()) - change) < D("0.000001")


def test_without_an_earlier_mark_the_cause_is_the_price() -> None:
    assert main_cause(cause_split(None, {})) is Cause.PRICE


def test_deadlines() -> None:
    monday = datetime(2020, 3, 9, 6, tzinfo=UTC)
    assert cure_deadline(monday, "HOURS", 24) == (monday + timedelta(hours=24), True)
    assert cure_deadline(monday, "BUSINESS_DAYS", 3) == (datetime(2020, 3, 12, 9, tzinfo=UTC), True)
    friday_night = datetime(2020, 3, 13, 15, tzinfo=UTC)
    assert cure_deadline(friday_night, "BUSINESS_DAYS", 1) == (datetime(2020, 3, 16, 9, tzinfo=UTC), True)
    with pytest.raises(ValueError):
        cure_deadline(monday, "MOONS", 1)


def test_cure_from_both_sides() -> None:
    assert is_cured(D(10000000), D("7000000.01"), D("0.70"))
    assert not is_cured(D(10000000), D("7000000.02"), D("0.70"))
    assert is_cured(D(0), D(0), D("0.70"))
    assert cure_advance("START", LINES, D("0.65")) == D("0.65")
    assert cure_advance("WARNING", LINES, D("0.65")) == 1 / W
    assert cure_advance("START", LINES, None) == 1 / LINES.start
    assert cure_advance("START", LINES, D("0.80")) == 1 / W  # a pool lent above the facility's rate: the call asks for something


def test_release_check_names_what_is_short_and_what_helps() -> None:
    passes = check_release(D(10000000), D(1000000), D(6300000), D("0.70"), D(0))
    assert (passes.short, passes.needed_after, passes.cash_that_helps) == (0, 9000000, 0)
    fails = check_release(D(10000000), D("1000000.01"), D(6300000), D("0.70"), D(0))
    assert (fails.short, fails.cash_that_helps) == (D("0.01"), D("0.01"))
    assert check_release(D(10000000), D(10000000), D(0), D("0.70"), D(5000000)).short == 0
    assert check_release(D(10000000), D(6000000), D(700000), D("0.70"), D(5000000)).short == 1000000


@pytest.mark.parametrize(
    ("released", "lately", "coverage_after", "second"),
    [
        ("100", "0", W, False),
        ("100.01", "0", W, True),
        ("60", "40.01", W, True),
        ("1", "0", W - D("0.0001"), True),
        ("1", "0", None, False),
    ],
)
def test_class_of_approval(released: str, lately: str, coverage_after: D | None, second: bool) -> None:
    assert needs_second_checker(D(released), D(lately), D(1000), coverage_after, LINES) is second


def test_device_hash_has_the_form_of_the_broker() -> None:
    hashed = mosquitto_hash("s3cret")
    assert hashed.startswith("$7$1000$")
    assert is_secret_of(hashed, "s3cret")
    assert not is_secret_of(hashed, "S3cret")
    assert not is_secret_of("s3cret", "s3cret")
