"""Absent or not observable, and what a lorry did all day."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.heard import Run
from collateral.observability import Blind, Listener, NotSeen, not_seen, observability
from collateral.tracks import Fix, LegKind, legs

T0 = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
H, MIN = timedelta(hours=1), timedelta(minutes=1)


def run(start: float, end: float) -> Run:
    """Hours."""
    return Run(T0 + start * H, T0 + end * H)


def blind(listeners: list[Listener], site: list[Run], end: float = 10) -> list[tuple[float, float, Blind]]:
    found = observability(T0, T0 + end * H, listeners, site).blind
    return [((g.from_at - T0) / H, (g.until_at - T0) / H, g.reason) for g in found]


ALWAYS = [run(-100, 100)]


@pytest.mark.parametrize(
    ("listeners", "site", "expected"),
    [
        ([], ALWAYS, [(0, 10, Blind.NO_READER)]),
        ([Listener("R", ALWAYS, ALWAYS)], ALWAYS, []),
        ([Listener("R", ALWAYS, [run(-1, 4), run(6, 20)])], ALWAYS, [(4, 6, Blind.READER_OUTAGE)]),
        ([Listener("R", ALWAYS, [run(-1, 4), run(6, 20)])], [run(-1, 4), run(6, 20)], [(4, 6, Blind.SITE_OUTAGE)]),
        ([Listener("R", ALWAYS, [run(-1, 4), run(6, 20)], [run(-1, 4), run(6, 20)])], ALWAYS, [(4, 6, Blind.GATEWAY_OUTAGE)]),
        ([Listener("R", ALWAYS, [run(-1, 4), run(6, 20)], ALWAYS)], ALWAYS, [(4, 6, Blind.READER_OUTAGE)]),
        # another reader of the zone covers the outage, but for an hour
        ([Listener("R", ALWAYS, [run(-1, 4), run(6, 20)]), Listener("S", ALWAYS, [run(3, 5)])], ALWAYS, [(5, 6, Blind.READER_OUTAGE)]),
        # the antenna listened here until hour 3 only
        ([Listener("R", [run(-100, 3)], ALWAYS)], ALWAYS, [(3, 10, Blind.NO_READER)]),
        ([Listener("R", [run(-100, 5)], [run(-1, 4)])], ALWAYS, [(4, 5, Blind.READER_OUTAGE), (5, 10, Blind.NO_READER)]),
    ],
)  # fmt: skip
def test_a_zone_is_blind_for_a_reason(listeners: list[Listener], site: list[Run], expected: list[tuple[float, float, Blind]]) -> None:
    assert blind(listeners, site) == expected


@pytest.mark.parametrize(("hours", "verdict"), [(23, NotSeen.NOT_OBSERVABLE), (24, NotSeen.ABSENT)])
def test_goods_are_absent_only_when_somebody_looked_for_long_enough(hours: float, verdict: NotSeen) -> None:
    found = observability(T0, T0 + 100 * H, [Listener("R", ALWAYS, [run(0, hours / 2), run(60, 60 + hours / 2)])], ALWAYS)
    assert found.observed_for == hours * H
    assert not_seen(T0, found) is verdict


@given(st.lists(st.tuples(st.integers(-5, 60), st.integers(0, 20)), max_size=12))
def test_observed_and_blind_fill_the_interval_without_overlap(spans: list[tuple[int, int]]) -> None:
    listeners = [Listener(str(i), ALWAYS, [run(a, a + n)]) for i, (a, n) in enumerate(spans)]
    found = observability(T0, T0 + 50 * H, listeners, ALWAYS)
    assert found.observed_for + sum((g.until_at - g.from_at for g in found.blind), timedelta(0)) == 50 * H


def day() -> list[Fix]:
    stood = [Fix(T0 + i * MIN, 121.40 + (i % 3) * 1e-4, 31.30, 8.0) for i in range(11)]
    drove = [Fix(T0 + (11 + i) * MIN, 121.41 + i * 0.01, 31.30, 8.0) for i in range(20)]
    stood_again = [Fix(T0 + (31 + i) * MIN, 121.61, 31.30, 8.0) for i in range(0, 31, 3)]
    return [*stood, *drove, *stood_again, Fix(T0 + 10 * H, 121.61, 31.40), Fix(T0 + 10 * H + 10 * MIN, 121.61, 31.40)]


def test_a_day_is_stops_and_drives_and_what_nobody_knows() -> None:
    found = legs(day())
    assert [(leg.kind, leg.fixes) for leg in found] == [
        (LegKind.STOP, 11), (LegKind.DRIVE, 22), (LegKind.STOP, 11), (LegKind.UNKNOWN, 2), (LegKind.STOP, 2),
    ]  # fmt: skip
    assert found[1].metres == pytest.approx(20_000, rel=0.01)
    assert all(a.until_at == b.from_at for a, b in itertools.pairwise(found))


@given(st.permutations(day()))
def test_legs_do_not_depend_on_the_order_of_arrival(fixes: list[Fix]) -> None:
    assert legs(fixes) == legs(day())


@pytest.mark.parametrize(("minutes", "kind"), [(4.9, LegKind.DRIVE), (5, LegKind.STOP)])
def test_a_stop_takes_five_minutes(minutes: float, kind: LegKind) -> None:
    assert [leg.kind for leg in legs([Fix(T0, 121.4, 31.3), Fix(T0 + minutes * MIN, 121.4, 31.3)])] == [kind]
