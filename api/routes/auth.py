"""Signing in."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Form
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from api import accounts
from api.accounts import SignIn, User
from api.deps import Parts, PartsDep, SessionDep, UserDep
from api.errors import answer_for
from api.models.master import AccessToken, Me, StreamToken
from api.permissions import permissions_of
from api.problems import documented
from api.routes.common import router
from api.throttle import TooManyAttempts
from api.tokens import STREAM_TOKEN_TTL_S, Audience, NotAuthenticated
from api.unit_of_work import WriteRequest, append_audit

log = logging.getLogger(__name__)

routes = router("auth")
_NAME = Form(min_length=1, max_length=64, pattern=r"^[^\x00]+$")
_PASSWORD = Form(min_length=1, max_length=200, pattern=r"^[^\x00]+$", json_schema_extra={"format": "password"})


@routes.post("/auth/token", response_model=AccessToken, responses=documented(401, 413, 422, 429, 500, 503))
def sign_in(
    request: Request,
    response: Response,
    parts: PartsDep,
    username: Annotated[str, _NAME],
    password: Annotated[str, _PASSWORD],
    grant_type: Annotated[str | None, Form(pattern="^password$")] = None,
    scope: Annotated[str, Form(max_length=200)] = "",
) -> AccessToken | Response:
    """Sign in by name and password (OAuth2 password grant). After some wrong answers a name, and an address, has to wait.

    An unknown name, a wrong password and a user who is locked out get the same answer. Failures under a known name are audited.
    """
    address = request.client.host if request.client else "unknown"
    outcome = _throttled(parts, accounts.plain_name(username), address, password)
    user = outcome.user
    if user is None:
        refusal = answer_for(NotAuthenticated("The name or the password is wrong."))
        assert refusal is not None
        answer = refusal.response()
        # After the answer, so that writing it takes no longer for a name that somebody has. Attempts that had to wait are not
        # written: a flood of them would bury the trail.
        answer.background = BackgroundTask(_record_sign_in, parts, outcome.named, "auth.sign_in.refused", address)
        return answer
    token, life_s = parts.tokens.issue(user.user_id, user.tenant_id, session_no=user.session_no)
    _record_sign_in(parts, user, "auth.sign_in", address)
    response.headers["Cache-Control"] = "no-store"
    return AccessToken(access_token=token, expires_in=life_s, roles=list(user.roles), user_id=user.user_id)


def _throttled(parts: Parts, username: str, address: str, password: str) -> SignIn:
    """The attempt, counted by name and by address before the password is hashed. Raises TooManyAttempts."""
    parts.address_throttle.begin(address)
    try:
        parts.throttle.begin(username)
    except TooManyAttempts:
        parts.address_throttle.dropped(address)
        raise
    try:
        outcome = accounts.sign_in(parts.pool, username, password)
    except BaseException:
        parts.throttle.dropped(username)
        parts.address_throttle.dropped(address)
        raise
    if outcome.user is None:
        parts.throttle.failed(username)
        parts.address_throttle.failed(address)
    else:
        parts.throttle.succeeded(username)
        parts.address_throttle.dropped(address)
    return outcome


def _record_sign_in(parts: Parts, user: User | None, action: str, address: str) -> None:
    """In the audit trail of the user's tenant. A name that nobody has belongs to no tenant, and may be a mistyped password: it is
    logged without the name."""
    if user is None:
        log.warning("sign-in under an unknown name", extra={"event": "sign_in_refused", "address": address})
        return
    request = WriteRequest(user.tenant_id, user.user_id, "POST", "/auth/token", None, None)
    with parts.pool.connection() as conn:
        append_audit(conn, request, action, parts.clock.now(), "user", user.user_id, {"address": address})


@routes.post("/auth/stream-token", response_model=StreamToken, responses=documented(401, 413, 500, 503))
def stream_token(response: Response, parts: PartsDep, session: SessionDep) -> StreamToken:
    """A token for `GET stream?stream_token=...`, for clients that cannot send a header (EventSource). It opens nothing else.

    The stream that it opens ends with the sign-in of the token that asked for it.
    """
    user = session.user
    token, life_s = parts.tokens.issue(
        user.user_id,
        user.tenant_id,
        Audience.STREAM,
        STREAM_TOKEN_TTL_S,
        session_ends_at_s=session.ends_at_s,
        session_no=user.session_no,
    )
    response.headers["Cache-Control"] = "no-store"
    return StreamToken(stream_token=token, expires_in=life_s)


@routes.get("/me", response_model=Me, responses=documented(401, 500, 503))
def me(parts: PartsDep, user: UserDep) -> dict[str, Any]:
    """The signed-in user, what they may do, and what time it is in the business."""
    speed = 1.0 / parts.clock.real_seconds(timedelta(seconds=1))
    return {**vars(user), "permissions": permissions_of(user.roles), "now": parts.clock.now(), "clock_speed": speed}
