"""The API as a client of it: signs users in, sends each write under its own Idempotency-Key, and tries again what may be tried again."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import httpx

log = logging.getLogger(__name__)

RETRY_FOR_S = 120.0
RETRY_PAUSE_S_MAX = 2.0
ITEMS_MAX = 1000
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class ApiRefused(Exception):
    """The API's answer to a request that it will not carry out. `code` is that of its problem document."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail


class Api:
    """One connection pool for several users. Thread-safe. Once `stopping` is set nothing is tried again."""

    def __init__(
        self,
        base_url: str,
        passwords: Mapping[str, str],
        *,
        retry_for_s: float = RETRY_FOR_S,
        client: httpx.Client | None = None,
        stopping: threading.Event | None = None,
    ) -> None:
        self._client = client or httpx.Client(base_url=base_url, timeout=httpx.Timeout(30.0, connect=5.0), trust_env=False)
        self._passwords = dict(passwords)
        self._retry_for_s = retry_for_s
        self._stopping = stopping or threading.Event()
        self._tokens: dict[str, str] = {}
        self._signing_in = threading.Lock()

    def __enter__(self) -> Api:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def get(self, path: str, user: str, **filters: str) -> Any:
        """The JSON answer of a read. Raises ApiRefused."""
        return self._call("GET", path, user, None, filters, None)

    def post(self, path: str, body: Mapping[str, Any], user: str) -> Any:
        """The JSON answer of a write; the same write is never carried out twice, however often it is sent. Raises ApiRefused."""
        return self._call("POST", path, user, body, {}, uuid.uuid4().hex)

    def post_items(self, path: str, items: Sequence[Mapping[str, Any]], user: str, *, items_max: int = ITEMS_MAX) -> Iterator[Any]:
        """One answer per batch of at most items_max."""
        for start in range(0, len(items), items_max):
            yield self.post(path, {"items": list(items[start : start + items_max])}, user)

    def _call(self, method: str, path: str, user: str, body: Mapping[str, Any] | None, filters: Mapping[str, str], key: str | None) -> Any:
        give_up_at = time.monotonic() + self._retry_for_s
        pause_s, signed_in_again = 0.1, False
        while True:
            try:
                headers = {"Authorization": f"Bearer {self._token(user)}"}
                if key is not None:
                    headers["Idempotency-Key"] = key
                answer = self._client.request(method, f"/api/v1/{path}", json=body, params=dict(filters), headers=headers)
            except httpx.TransportError as exc:
                if time.monotonic() >= give_up_at or self._stopping.is_set():
                    raise
                log.info("api not reached, trying again", extra={"event": "api_retry", "path": path, "error": str(exc)})
            else:
                if answer.is_success:
                    return answer.json() if answer.content else None
                if answer.status_code == 401 and not signed_in_again:
                    signed_in_again = True
                    self._tokens.pop(user, None)
                    continue
                if answer.status_code not in _TRY_AGAIN or time.monotonic() >= give_up_at or self._stopping.is_set():
                    raise refused(answer)
            self._stopping.wait(pause_s)
            pause_s = min(pause_s * 2, RETRY_PAUSE_S_MAX)

    def _token(self, user: str) -> str:
        with self._signing_in:
            if user not in self._tokens:
                if user not in self._passwords:
                    raise ApiRefused(401, "no_password", f"no password is known for user {user}")
                answer = self._client.post("/api/v1/auth/token", data={"username": user, "password": self._passwords[user]})
                if not answer.is_success:
                    raise refused(answer)
                self._tokens[user] = str(answer.json()["access_token"])
            return self._tokens[user]


def refused(answer: httpx.Response) -> ApiRefused:
    """The refusal that a problem+json answer carries."""
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    problem = problem if isinstance(problem, dict) else {}
    detail = str(problem.get("detail") or answer.text[:300])
    if problem.get("errors"):
        detail += f" {str(problem['errors'])[:600]}"
    return ApiRefused(answer.status_code, str(problem.get("code", "error")), detail)
