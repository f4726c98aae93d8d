"""Slows down guessing of passwords: after some failures a name or an address has to wait, each time longer.

Kept in the process's memory, bounded; several API processes each count for themselves.
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
    blocked_until_s: float = 0.0
    last_s: float = 0.0


class Throttle:
    """free_failures wrong answers cost nothing; each later one doubles the wait, up to wait_s_max. A right one clears the name."""

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

    def check(self, key: str) -> None:
        """Raises TooManyAttempts with `retry_after_s` while the key has to wait."""
        with self._lock:
            record = self._records.get(key)
            left_s = record.blocked_until_s - self._now_s() if record else 0.0
        if left_s > 0:
            raise TooManyAttempts(retry_after_s=int(left_s) + 1)

    def failed(self, key: str) -> None:
        """Count one wrong answer."""
        with self._lock:
            now_s = self._now_s()
            record = self._records.pop(key, None) or _Record()
            if now_s - record.last_s > self._forget_after_s:
                record = _Record()
            record.failures += 1
            record.last_s = now_s
            over = record.failures - self._free_failures
            if over > 0:
                record.blocked_until_s = now_s + min(self._wait_s_max, self._wait_s * 2 ** min(over - 1, 20))
            self._records[key] = record
            while len(self._records) > self._keys_max:
                self._records.popitem(last=False)

    def succeeded(self, key: str) -> None:
        """Forget the key."""
        with self._lock:
            self._records.pop(key, None)
