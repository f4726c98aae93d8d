"""Missing messages, clocks and signs of life, from messages in any order."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.heard import Run, between, joined, silence_max
from ingest.clocks import SAMPLES_MAX, offset_ms, sampled
from ingest.device_states import KnownState, News, device_state
from ingest.gaps import EPOCHS_MAX, SPANS_MAX, Epoch, MissedKind, fold
from ingest.readings import StateUpdate

T0 = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
S, MIN = timedelta(seconds=1), timedelta(minutes=1)


def numbers(*found: tuple[int, float]) -> list[tuple[datetime, int]]:
    """(number, seconds) each."""
    return [(T0 + s * S, n) for n, s in found]


@pytest.mark.parametrize(
    ("before", "then", "missing", "last"),
    [
        ([], [(7, 1)], 0, 7),
        ([(5, 0)], [(6, 1)], 0, 6),
        ([(5, 0)], [(9, 1)], 3, 9),
        ([(5, 0)], [(9, 2), (7, 1)], 2, 9),  # 6 and 8
        ([(4, 0), (6, 2)], [(5, 1)], -1, 6),  # fills the gap late
        ([(5, 0)], [(5, 0)], 0, 5),
        ([(3, 0), (4, 1), (5, 2)], [(4, 1)], 0, 5),  # a repeated delivery
        ([(5000, 0)], [(1, 1)], 0, 1),  # restarted
        ([(5, 0)], [(2_000_000, 1)], 0, 2_000_000),  # another counter
        ([(65_535, 0)], [(0, 1)], 0, 0),  # wrapped
    ],
)  # fmt: skip
def test_gaps_in_the_numbering_are_counted(before: list[tuple[int, float]], then: list[tuple[int, float]], missing: int, last: int) -> None:
    folded = fold(fold([], numbers(*before)).epochs, numbers(*then))
    assert (folded.change, folded.epochs[-1][-1].last) == (missing, last)


def test_a_restart_is_recorded_and_a_wrap_is_not() -> None:
    (reset,) = fold([], numbers((5000, 0), (1, 60))).opened
    assert (reset.kind, reset.from_at, reset.until_at, reset.seq_from, reset.seq_to, reset.missed) == (
        MissedKind.SEQ_RESET, T0, T0 + 60 * S, 5000, 1, None,
    )  # fmt: skip
    assert fold([], numbers((254, 0), (255, 1), (0, 2), (1, 3))).opened == []


def test_what_came_before_a_restart_may_come_after_it() -> None:
    epochs = fold([], numbers((4998, 0), (1, 60), (2, 61))).epochs
    folded = fold(epochs, numbers((4999, 1)))
    assert folded.change == 0
    assert [(e[0].first, e[-1].last) for e in folded.epochs] == [(4998, 4999), (1, 2)]


@given(st.permutations([n for n in range(100, 140) if n not in (107, 120, 121)]), st.lists(st.integers(1, 12), min_size=1, max_size=40))
def test_two_workers_that_swap_messages_count_each_gap_once(order: list[int], sizes: list[int]) -> None:
    epochs: list[Epoch] = []
    gaps, rest, i = 0, list(order), 0
    open_: set[tuple[int, int]] = set()
    while rest:
        size = sizes[i % len(sizes)]
        folded = fold(epochs, [(T0 + n * S, n) for n in rest[:size]])
        epochs, rest, i = folded.epochs, rest[size:], i + 1
        gaps += folded.change
        open_ -= {(m.seq_from, m.seq_to) for m in folded.filled}
        open_ |= {(m.seq_from, m.seq_to) for m in folded.opened if m.kind is MissedKind.SEQ_GAP}
    if len(epochs) == 1:  # a number below all that came, later than they, can only be read as a restart; times rise with numbers here
        assert (gaps, open_) == (3, {(107, 107), (120, 121)})
    assert len(epochs) == 1


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 300)), max_size=300))
def test_spans_stay_bounded_and_in_order_whatever_comes(found: list[tuple[int, int]]) -> None:
    epochs = fold([], numbers(*found)).epochs
    assert len(epochs) <= EPOCHS_MAX
    for epoch in epochs:
        assert len(epoch) <= SPANS_MAX
        assert all(a.first <= a.last and a.last + 1 < b.first for a, b in itertools.pairwise(epoch))


def state(known: KnownState, *updates: StateUpdate) -> dict[str, object]:
    return device_state("R", known, News(updates=[(u, T0) for u in updates]), silence_max(MIN)).row


def test_dropped_counters_add_their_rise_and_start_again_after_a_restart() -> None:
    def gaps(before: int, total: int) -> object:
        return state(KnownState(health={"dropped_total": before}), StateUpdate(T0, health={}, dropped_total=total))["gaps"]

    assert (gaps(5, 5), gaps(5, 9), gaps(5, 2)) == (0, 4, 2)


def test_a_device_known_by_its_last_number_only_goes_on_from_it() -> None:
    row = state(KnownState(last_observed_at=T0, last_seq=5), StateUpdate(T0 + S, seqs=(9,)))
    assert (row["last_seq"], row["gaps"]) == (9, 3)


def test_the_clock_offset_is_a_median_that_passes_over_a_backlog() -> None:
    samples: list[int] = []
    at: datetime | None = None
    for i in range(40):
        delay = 3 * timedelta(hours=1) if i % 4 == 0 else timedelta(milliseconds=-1500 - i)
        samples, at = sampled(samples, at, delay, T0 + i * 10 * S)
    assert len(samples) == SAMPLES_MAX
    assert -1545 <= (offset_ms(samples) or 0) <= -1500
    assert sampled(samples, at, timedelta(hours=9), T0 + 399 * S) == (samples, at)  # a burst is one sample
    assert offset_ms([]) is None


def test_least_delay_teaches_and_our_own_times_do_not() -> None:
    news = News()
    news.heard(T0, T0 + 90 * S)
    news.heard(T0 + 60 * S, T0 + 90 * S)
    news.heard(T0 + 90 * S, T0 + 90 * S, own_time=False)
    row = device_state("R", KnownState(), news, silence_max(MIN)).row
    assert (row["clock_samples_ms"], row["clock_offset_ms"], row["skew_ms"]) == ([30_000], 30_000, 0)


@given(st.permutations(list(range(0, 240, 5))), st.integers(1, 48))
def test_signs_of_life_join_the_same_in_any_order(order: list[int], size: int) -> None:
    minutes = [m for m in order if not 60 <= m < 120]
    runs: list[Run] = []
    while minutes:
        news = News()
        for m in minutes[:size]:
            news.heard(T0 + m * MIN, T0 + m * MIN)
        runs, minutes = joined([*runs, *news.runs], silence_max(MIN)), minutes[size:]
    assert runs == [Run(T0, T0 + 55 * MIN), Run(T0 + 120 * MIN, T0 + 235 * MIN)]
    assert between(runs, T0 + 30 * MIN, T0 + 300 * MIN) == [Run(T0 + 55 * MIN, T0 + 120 * MIN), Run(T0 + 235 * MIN, T0 + 300 * MIN)]
