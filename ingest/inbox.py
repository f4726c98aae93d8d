"""What waits for the writer: bounded in messages and in bytes, and forgetful of what the broker will give again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ingest.screen import Delivery


class BoundedInbox:
    """A queue between the network thread and the writer. A message larger than bytes_max still fits when nothing else waits."""

    def __init__(self, items_max: int, bytes_max: int) -> None:
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._items: deque[Delivery] = deque()
        self._bytes = 0
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return len(self._items)

    def _has_room(self, size: int) -> bool:
        return not self._items or (len(self._items) < self._items_max and self._bytes + size <= self._bytes_max)

    def put(self, delivery: Delivery, timeout_s: float) -> bool:
        """Whether there was room within timeout_s."""
        size = len(delivery.payload)
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size), timeout_s):
                return False
            self._items.append(delivery)
            self._bytes += size
            self._changed.notify_all()
            return True

    def take(self, timeout_s: float) -> Delivery | None:
        """The oldest delivery, or None when none came in time."""
        until = time.monotonic() + timeout_s
        with self._changed:
            while not self._items:
                left_s = until - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    return None
            delivery = self._items.popleft()
            self._bytes -= len(delivery.payload)
            self._changed.notify_all()
            return delivery

    def forget(self, obsolete: Callable[[Delivery], bool]) -> None:
        """Drop what will come again."""
        with self._changed:
            self._items = deque(d for d in self._items if not obsolete(d))
            self._bytes = sum(len(d.payload) for d in self._items)
            self._changed.notify_all()
