"""Who signs in: made, locked out, given roles and passwords by an administrator; everybody changes the own password."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from starlette.responses import Response

from api import accounts, store
from api.accounts import User
from api.deps import PartsDep, ReadDep, SessionDep, Writer, writes
from api.models.master import NewPassword, NewRoles, NewUser, OwnPassword, RenewedToken, UserChange, UserOut
from api.paging import LIMIT_DEFAULT, Cursor, Limit, Page
from api.permissions import Permission
from api.problems import documented
from api.routes.common import READ_ERRORS, WRITE_ERRORS, PathId, router
from api.unit_of_work import Done
from collateral.errors import RejectedInput
from db.pool import Pool

routes = router("auth")
Administrator = Annotated[Writer, Depends(writes(Permission.USER_MANAGE))]
OwnAffair = Annotated[Writer, Depends(writes(Permission.READ))]


def _done(user: User, detail: dict[str, Any], status: int = 200) -> Done:
    return Done(UserOut.model_validate(vars(user)), "user", user.user_id, status, {"username": user.username, **detail})


@routes.get("/users", response_model=Page[UserOut], responses=READ_ERRORS)
def list_users(reader: ReadDep, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> dict[str, Any]:
    """Users of the tenant: whom an alert can be assigned to, who did what."""
    return store.page(reader.pool, "users", store.BY_ID["users"], tenant=reader.tenant, limit=limit, cursor=cursor)


@routes.post("/users", status_code=201, response_model=UserOut, responses=WRITE_ERRORS)
def create_user(body: NewUser, writer: Administrator) -> Response:
    """A new user. The password is no part of what an Idempotency-Key stands for: a repetition changes nothing."""

    def act(pool: Pool, now: datetime) -> Done:
        password = body.password.get_secret_value()
        user = accounts.create_user(pool, writer.tenant, body.username, body.display_name, password, body.roles, now)
        return _done(user, {"roles": body.roles}, 201)

    return writer.perform("user.create", body, act)


@routes.post("/users/{user_id}/roles", response_model=UserOut, responses=WRITE_ERRORS)
def set_user_roles(user_id: PathId, body: NewRoles, writer: Administrator, parts: PartsDep) -> Response:
    """Other roles, from the next request on; open event streams end. One's own are changed by another administrator."""

    def act(pool: Pool, now: datetime) -> Done:
        user = accounts.give_roles(pool, writer.tenant, user_id, body.roles, writer.user.user_id)
        return _done(user, {"roles": body.roles, "reason": body.reason})

    answer = writer.perform("user.roles", body, act)
    parts.forget_user(user_id)
    return answer


@routes.post("/users/{user_id}/deactivation", response_model=UserOut, responses=WRITE_ERRORS)
def deactivate_user(user_id: PathId, body: UserChange, writer: Administrator, parts: PartsDep) -> Response:
    """Lock a user out: tokens and event streams end and do not come back. What the user did stays on record."""
    return _access(user_id, body, writer, parts, active=False)


@routes.post("/users/{user_id}/activation", response_model=UserOut, responses=WRITE_ERRORS)
def activate_user(user_id: PathId, body: UserChange, writer: Administrator, parts: PartsDep) -> Response:
    """Let a user in again; the user has to sign in anew."""
    return _access(user_id, body, writer, parts, active=True)


def _access(user_id: str, body: UserChange, writer: Writer, parts: PartsDep, *, active: bool) -> Response:
    def act(pool: Pool, now: datetime) -> Done:
        user = accounts.set_active(pool, writer.tenant, user_id, writer.user.user_id, active=active)
        return _done(user, {"reason": body.reason})

    answer = writer.perform("user.activate" if active else "user.deactivate", body, act)
    parts.forget_user(user_id)
    return answer


@routes.post("/users/{user_id}/password", response_model=UserOut, responses=WRITE_ERRORS)
def reset_password(user_id: PathId, body: NewPassword, writer: Administrator, parts: PartsDep) -> Response:
    """A new password for somebody who has lost the old one; tokens and event streams of that user end."""

    def act(pool: Pool, now: datetime) -> Done:
        user = accounts.reset_password(pool, writer.tenant, user_id, body.password.get_secret_value(), writer.user.user_id)
        return _done(user, {"reason": body.reason})

    answer = writer.perform("user.password_reset", body, act)
    parts.forget_user(user_id)
    return answer


@routes.post("/me/password", response_model=RenewedToken, responses={**WRITE_ERRORS, **documented(429)})
def change_own_password(body: OwnPassword, writer: OwnAffair, parts: PartsDep, session: SessionDep) -> Response:
    """A new password of one's own. Every other session of the user ends; the answer's token goes on. Wrong guesses have to wait as at sign-in."""
    name, attempts = writer.user.username, parts.throttle
    ended = attempts.dropped  # a repeated request, or a new password that is refused, tells nothing of the present one

    def act(pool: Pool, now: datetime) -> Done:
        nonlocal ended
        user = accounts.change_own_password(pool, writer.user, body.password.get_secret_value(), body.new_password.get_secret_value())
        if user is None:
            ended = attempts.failed
            raise RejectedInput("The present password is wrong.", field="password")
        ended = attempts.succeeded
        token, life_s = parts.tokens.issue(user.user_id, user.tenant_id, session_no=user.session_no)
        said = RenewedToken(access_token=token, expires_in=life_s, roles=list(user.roles), user_id=user.user_id)
        return Done(said, "user", user.user_id, secrets=("access_token",))

    attempts.begin(name)
    try:
        answer = writer.perform("user.password", body, act)
    finally:
        ended(name)
    parts.forget_user(session.user.user_id)
    answer.headers["Cache-Control"] = "no-store"
    return answer
