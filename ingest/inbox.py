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

    def put_all(self, deliveries: list[Delivery], timeout_s: float) -> int:
        """Put in order; wait up to timeout_s for room, each time it is needed. Returns how many there was room for."""
        with self._changed:
            for done, delivery in enumerate(deliveries):
                size = len(delivery.payload)
                if not self._has_room(size):
                    self._changed.notify_all()
                    if not self._changed.wait_for(lambda size=size: self._has_room(size), timeout_s):  # type: ignore[misc]
                        return done
                self._items.append(delivery)
                self._bytes += size
            self._changed.notify_all()
            return len(deliveries)

    def take_all(self, items_max: int, bytes_max: int, timeout_s: float) -> list[Delivery]:
        """The oldest deliveries: at least one, unless none came in time, then as many as these limits allow."""
        until = time.monotonic() + timeout_s
        found: list[Delivery] = []
        with self._changed:
            while not self._items:
                left_s = until - time.monotonic()
                if left_s <= 0 or not self._changed.wait(left_s):
                    return found
            size = 0
            while self._items and len(found) < items_max and (not found or size + len(self._items[0].payload) <= bytes_max):
                found.append(self._items.popleft())
                size += len(found[-1].payload)
            self._bytes -= size
            self._changed.notify_all()
        return found

    def forget(self, obsolete: Callable[[Delivery], bool]) -> None:
        """Drop what will come again."""
        with self._changed:
            self._items = deque(d for d in self._items if not obsolete(d))
            self._bytes = sum(len(d.payload) for d in self._items)
            self._changed.notify_all()
