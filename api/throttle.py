"""Slows down guessing of passwords: after some failures a name or an address has to wait, each time longer.

An attempt is counted before the password is looked at: a hash is expensive, and many attempts at once must not all slip through
before the first of them has failed. Kept in the process's memory, bounded; several API processes each count for themselves.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from collateral.errors import ChuantouError


class TooManyAttempts(ChuantouError):
    """Too many failed attempts; wait before the next one."""

    code = "too_many_attempts"


@dataclass
class _Record:
    failures: int = 0
    under_way: int = 0
    blocked_until_s: float = 0.0
    last_s: float = 0.0


class Throttle:
    """free_failures wrong answers cost nothing; each later one doubles the wait, up to wait_s_max. A right one clears the name.

    Every begin() that does not raise is followed by one failed(), succeeded() or dropped().
    """

    def __init__(
        self,
        *,
        free_failures: int = 5,
        wait_s: float = 2.0,
        wait_s_max: float = 900.0,
        forget_after_s: float = 3600.0,
        keys_max: int = 10_000,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._free_failures = free_failures
        self._wait_s = wait_s
        self._wait_s_max = wait_s_max
        self._forget_after_s = forget_after_s
        self._keys_max = keys_max
        self._now_s = monotonic_s
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: str) -> None:
        """One attempt begins. Raises TooManyAttempts with `retry_after_s` while the key has to wait, or while as many attempts
        are under way as could fail before it would have to."""
        with self._lock:
            now_s = self._now_s()
            record = self._records.pop(key, None) or _Record()
            if now_s - record.last_s > self._forget_after_s:
                record = _Record(under_way=record.under_way)
            self._records[key] = record
            left_s = record.blocked_until_s - now_s
            if left_s <= 0 and record.under_way > max(0, self._free_failures - record.failures):
                left_s = 0.5
            if left_s <= 0:
                record.under_way += 1
                record.last_s = now_s
                self._make_room()
        if left_s > 0:
            raise TooManyAttempts(retry_after_s=int(left_s) + 1)

    def failed(self, key: str) -> None:
        """The attempt was wrong: count it."""
        with self._lock:
            now_s = self._now_s()
            record = self._ended(key)
            record.failures += 1
            record.last_s = now_s
            over = record.failures - self._free_failures
            if over > 0:
                record.blocked_until_s = now_s + min(self._wait_s_max, self._wait_s * 2 ** min(over - 1, 20))
            self._make_room()

    def succeeded(self, key: str) -> None:
        """The attempt was right: forget the key's failures."""
        with self._lock:
            record = self._ended(key)
            record.failures = 0
            record.blocked_until_s = 0.0
            if record.under_way == 0:
                del self._records[key]

    def dropped(self, key: str) -> None:
        """The attempt came to nothing, neither right nor wrong; or it was right, which tells nothing of others under this key."""
        with self._lock:
            self._ended(key)

    def _ended(self, key: str) -> _Record:
        record = self._records.pop(key, None) or _Record()
        record.under_way = max(0, record.under_way - 1)
        self._records[key] = record
        return record

    def _make_room(self) -> None:
        while len(self._records) > self._keys_max:
            self._records.popitem(last=False)
