"""Which of a device's messages we do not have: from the numbers that came, whatever the order. Pure.

Numbers are kept as spans, per epoch (from one restart of the device's counter to the next). What lies between two spans is a gap; a late
message narrows or fills it. Two workers that swap a device's messages therefore count nothing twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

SEQ_JUMP_MAX = 1_000_000  # a larger step is another counter, not a gap
SPANS_MAX = 64  # per epoch; beyond, the oldest gap is settled as it stands
EPOCHS_MAX = 3
WRAPS = (2**8 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1)  # counters begin again after these; that is no restart


class MissedKind(StrEnum):
    """Mirrored by the CHECK on missed_reads.kind."""

    SEQ_GAP = "SEQ_GAP"
    SEQ_RESET = "SEQ_RESET"
    OVERFLOW = "OVERFLOW"
    DROPPED = "DROPPED"


@dataclass(frozen=True)
class Missed:
    """We may have missed reads between two instants of event time. missed: messages or reads; None = nobody knows how many."""

    kind: MissedKind
    from_at: datetime
    until_at: datetime
    seq_from: int = 0
    seq_to: int = 0
    missed: int | None = None


class Span(msgspec.Struct, array_like=True):
    """Numbers that came without a gap, and the event times of the first and the last of them."""

    first: int
    last: int
    from_at: datetime
    to_at: datetime


Epoch = list[Span]


@dataclass(frozen=True)
class Folded:
    """What more numbers made of the spans."""

    epochs: list[Epoch]
    opened: list[Missed]
    filled: list[Missed]

    @property
    def change(self) -> int:
        """By how much the count of missing messages changes."""
        return sum(m.missed or 0 for m in self.opened) - sum(m.missed or 0 for m in self.filled)


def fold(epochs: list[Epoch], numbers: Iterable[tuple[datetime, int]]) -> Folded:
    """Add (event time, number) of messages to the spans. A number that is there already changes nothing."""
    before = _gaps(epochs)
    made = [[Span(s.first, s.last, s.from_at, s.to_at) for s in epoch] for epoch in epochs]
    for at, seq in sorted(numbers):
        _add(made, at, seq)
    settled: set[Missed] = set()
    for epoch in made:
        while len(epoch) > SPANS_MAX:
            settled.add(_gap(epoch[0], epoch[1]))
            epoch[:2] = [Span(epoch[0].first, epoch[1].last, epoch[0].from_at, epoch[1].to_at)]
    while len(made) > EPOCHS_MAX:
        settled |= _gaps([made[0]])
        settled |= _gaps(made[:2])
        del made[0]
    after = _gaps(made) | settled
    order = lambda m: (m.from_at, m.seq_from)  # noqa: E731
    return Folded(made, sorted(after - before, key=order), sorted(before - after, key=order))


def _add(epochs: list[Epoch], at: datetime, seq: int) -> None:
    if not epochs:
        epochs.append([Span(seq, seq, at, at)])
        return
    newest = epochs[-1][-1]
    if seq == newest.last + 1 and at >= newest.to_at:
        newest.last, newest.to_at = seq, at
        return
    i = len(epochs) - 1
    while i > 0 and at < epochs[i][0].from_at:
        i -= 1
    top = epochs[i][-1]
    later = at > top.to_at
    if later and (seq < top.last or seq - top.last > SEQ_JUMP_MAX):  # the counter began again after this epoch
        following = epochs[i + 1] if i + 1 < len(epochs) else None
        if following is not None and seq <= following[-1].last and following[0].first - seq <= SEQ_JUMP_MAX:
            _insert(following, at, seq)
        else:
            epochs.insert(i + 1, [Span(seq, seq, at, at)])
    elif i == 0 and at < epochs[0][0].from_at and seq > epochs[0][0].first:  # of an epoch before all that is known
        epochs.insert(0, [Span(seq, seq, at, at)])
    else:
        _insert(epochs[i], at, seq)


def _insert(epoch: Epoch, at: datetime, seq: int) -> None:
    place = next((n for n, span in enumerate(epoch) if seq <= span.last), len(epoch))
    if place < len(epoch) and epoch[place].first <= seq:
        return
    epoch.insert(place, Span(seq, seq, at, at))
    for n in (place, place - 1):
        if n >= 0 and n + 1 < len(epoch) and epoch[n].last + 1 == epoch[n + 1].first:
            left, right = epoch[n], epoch[n + 1]
            epoch[n : n + 2] = [Span(left.first, right.last, left.from_at, right.to_at)]


def _gaps(epochs: list[Epoch]) -> set[Missed]:
    found = {_gap(a, b) for epoch in epochs for a, b in itertools.pairwise(epoch)}
    for before, after in itertools.pairwise(epochs):
        last, first = before[-1], after[0]
        if not (last.last in WRAPS and first.first in (0, 1)):
            from_at, until_at = sorted((last.to_at, first.from_at))
            found.add(Missed(MissedKind.SEQ_RESET, from_at, until_at, last.last, first.first))
    return found


def _gap(a: Span, b: Span) -> Missed:
    from_at, until_at = sorted((a.to_at, b.from_at))
    return Missed(MissedKind.SEQ_GAP, from_at, until_at, a.last + 1, b.first - 1, b.first - a.last - 1)
