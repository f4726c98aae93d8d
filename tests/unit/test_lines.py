"""Coverage lines: the table of the domain note, and what a contract may not say."""

from __future__ import annotations

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.errors import RejectedInput
from collateral.lines import contract_lines, derived_lines, lines_of

K = D("0.05")
# advance, start %, warning % and fall, margin call % and fall, disposal % and fall, disposal LTV
TABLE = [
    ("0.55", "181.8", "165.9", "-8.8", "150.6", "-17.2", "125.0", "-31.2", "80.0"),
    ("0.60", "166.7", "155.0", "-7.0", "143.8", "-13.8", "125.0", "-25.0", "80.0"),
    ("0.65", "153.8", "145.8", "-5.2", "138.0", "-10.3", "125.0", "-18.8", "80.0"),
    ("0.70", "142.9", "135.7", "-5.0", "128.7", "-9.9", "117.1", "-18.0", "85.4"),
    ("0.75", "133.3", "126.6", "-5.0", "120.1", "-9.9", "109.3", "-18.0", "91.5"),
    ("0.80", "125.0", "119.4", "-4.5", "114.0", "-8.8", "105.0", "-16.0", "95.2"),
    ("0.85", "117.6", "114.1", "-3.0", "110.7", "-5.9", "105.0", "-10.8", "95.2"),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_derived_lines_are_those_of_the_table(row: tuple[str, ...]) -> None:
    lines = derived_lines(D(row[0]), K)
    coverages = [lines.start, lines.warning, lines.margin_call, lines.disposal]
    for got, said in zip(coverages, (row[1], row[2], row[4], row[6]), strict=True):
        assert abs(got * 100 - D(said)) <= D("0.051")
    for got, said in zip(coverages[1:], (row[3], row[5], row[7]), strict=True):
        assert abs(-100 * lines.price_fall(got) - D(said)) <= D("0.051")
    assert abs(100 / lines.disposal - D(row[8])) <= D("0.051")


@given(advance=st.decimals("0.05", "0.95", places=4))
def test_derived_lines_descend_or_the_facility_is_refused(advance: D) -> None:
    try:
        lines = derived_lines(advance, K)
    except RejectedInput:
        assert 1 / advance <= 1 + K
    else:
        assert lines.start > lines.warning > lines.margin_call > lines.disposal >= 1 + K


@pytest.mark.parametrize(
    ("warning", "call", "disposal", "word"),
    [
        ("1.25", "1.20", "1.10", "born under"),
        ("1.20", "1.20", "1.10", "margin-call line"),
        ("1.20", "1.10", "1.10", "disposal line"),
        ("1.20", "1.10", "1.0499", "cost of a sale"),
    ],
)
def test_contract_lines_out_of_order_are_refused_saying_which(warning: str, call: str, disposal: str, word: str) -> None:
    with pytest.raises(RejectedInput, match=word):
        contract_lines(D("0.80"), K, D(warning), D(call), D(disposal))


def test_contract_lines_just_in_order_pass() -> None:
    lines = contract_lines(D("0.80"), K, D("1.2499"), D("1.06"), D("1.05"))
    assert lines.disposal == D("1.05")


def test_one_or_two_lines_are_refused() -> None:
    with pytest.raises(RejectedInput, match="all three"):
        lines_of(D("0.70"), K, D("1.30"), None, None)
    assert lines_of(D("0.70"), K, None, None, None) == derived_lines(D("0.70"), K)
