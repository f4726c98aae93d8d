"""Signing in, and who signs in."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from api import accounts, store
from api.deps import PartsDep, ReadDep, UserDep, Writer, writes
from api.models.master import AccessToken, Me, NewUser, StreamToken, UserOut
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission, permissions_of
from api.problems import documented
from api.routes.common import READ_ERRORS, WRITE_ERRORS, router
from api.tokens import STREAM_TOKEN_TTL_S, Audience, NotAuthenticated
from api.unit_of_work import Done, WriteRequest, append_audit
from db.pool import Pool

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
) -> AccessToken:
    """Sign in by name and password (OAuth2 password grant). After some wrong answers a name, and an address, has to wait."""
    address = request.client.host if request.client else "unknown"
    for throttle, key in ((parts.throttle, username), (parts.address_throttle, address)):
        throttle.check(key)
    user = accounts.authenticate(parts.pool, username, password)
    if user is None:
        parts.throttle.failed(username)
        parts.address_throttle.failed(address)
        raise NotAuthenticated("The name or the password is wrong.")
    parts.throttle.succeeded(username)
    token, life_s = parts.tokens.issue(user.user_id, user.tenant_id)
    with parts.pool.connection() as conn:
        append_audit(
            conn,
            WriteRequest(user.tenant_id, user.user_id, "POST", "/auth/token", None, None),
            "auth.sign_in",
            parts.clock.now(),
            "user",
            user.user_id,
            {"address": address},
        )
    response.headers["Cache-Control"] = "no-store"
    return AccessToken(access_token=token, expires_in=life_s, roles=list(user.roles), user_id=user.user_id)


@routes.post("/auth/stream-token", response_model=StreamToken, responses=documented(401, 413, 500, 503))
def stream_token(response: Response, parts: PartsDep, user: UserDep) -> StreamToken:
    """A token for `GET stream?stream_token=...`, for clients that cannot send a header (EventSource). It opens nothing else."""
    token, life_s = parts.tokens.issue(user.user_id, user.tenant_id, Audience.STREAM, STREAM_TOKEN_TTL_S)
    response.headers["Cache-Control"] = "no-store"
    return StreamToken(stream_token=token, expires_in=life_s)


@routes.get("/me", response_model=Me, responses=documented(401, 500, 503))
def me(parts: PartsDep, user: UserDep) -> dict[str, Any]:
    """The signed-in user, what they may do, and what time it is in the business."""
    speed = 1.0 / parts.clock.real_seconds(timedelta(seconds=1))
    return {**vars(user), "permissions": permissions_of(user.roles), "now": parts.clock.now(), "clock_speed": speed}


@routes.get("/users", response_model=Page[UserOut], responses=READ_ERRORS)
def list_users(reader: ReadDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Users of the tenant: whom an alert can be assigned to, who did what."""
    return store.page(reader.pool, "users", store.BY_ID["users"], tenant=reader.tenant, limit=limit, cursor=cursor)


@routes.post("/users", status_code=201, response_model=UserOut, responses=WRITE_ERRORS)
def create_user(body: NewUser, writer: Annotated[Writer, Depends(writes(Permission.USER_MANAGE))]) -> Response:
    """A new user."""

    def act(pool: Pool, now: Any) -> Done:
        user = accounts.create_user(pool, writer.tenant, body.username, body.display_name, body.password, body.roles, now)
        return Done(UserOut.model_validate(vars(user)), "user", user.user_id, 201, {"username": user.username, "roles": body.roles})

    return writer.perform("user.create", body, act)
