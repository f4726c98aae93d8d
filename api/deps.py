"""What routes are given: the process's parts, the signed-in user, and writes that are audited and idempotent."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Header, Security
from fastapi.security import OAuth2PasswordBearer
from starlette.requests import Request
from starlette.responses import Response

from api import accounts, unit_of_work
from api.accounts import User
from api.permissions import Permission, allowed
from api.stream import AlertHub
from api.throttle import Throttle
from api.tokens import Audience, NotAuthenticated, Tokens
from api.unit_of_work import Act, WriteRequest
from collateral.clock import Clock
from collateral.errors import Forbidden
from collateral.signing import ReleaseSigner
from db.pool import Pool
from ingest.intake import Intake

USER_CACHE_S = 5.0
bearer = OAuth2PasswordBearer(tokenUrl="/api/v1/auth/token", auto_error=False, description="Sign in with `POST /api/v1/auth/token`.")


@dataclass
class Parts:
    """Everything that routes share; made once by create_app."""

    pool: Pool
    clock: Clock
    tokens: Tokens
    hub: AlertHub
    signer: ReleaseSigner
    broker: tuple[str, int] | None = None
    intake: Intake = field(init=False)
    throttle: Throttle = field(default_factory=Throttle)
    address_throttle: Throttle = field(default_factory=lambda: Throttle(free_failures=30))
    known_users: dict[str, tuple[float, User | None]] = field(default_factory=dict)
    heartbeat_s: float = 15.0  # how often an open stream says that it lives, and asks whether its user may still listen

    def __post_init__(self) -> None:
        self.intake = Intake(self.pool)

    def user(self, user_id: str) -> User | None:
        """The user a token names; a role taken away or a user locked out counts within USER_CACHE_S."""
        now_s = time.monotonic()
        cached = self.known_users.get(user_id)
        if cached is not None and now_s - cached[0] < USER_CACHE_S:
            return cached[1]
        user = accounts.user_by_id(self.pool, user_id)
        if len(self.known_users) > 10_000:
            self.known_users.clear()
        self.known_users[user_id] = (now_s, user)
        return user

    def forget_user(self, user_id: str) -> None:
        """After a change: this process knows of it at once, others within USER_CACHE_S."""
        self.known_users.pop(user_id, None)


def parts_of(request: Request) -> Parts:
    """The parts that create_app put on the application."""
    parts: Parts = request.app.state.parts
    return parts


PartsDep = Annotated[Parts, Depends(parts_of)]


@dataclass(frozen=True)
class Session:
    """A signed-in user and when the sign-in is over, in epoch seconds of real time."""

    user: User
    ends_at_s: int


def session_of(parts: Parts, token: str | None, audience: Audience = Audience.API) -> Session:
    """The session behind a token. Raises NotAuthenticated."""
    if not token:
        raise NotAuthenticated
    claims = parts.tokens.check(token, audience)
    user = parts.user(claims.user_id)
    if user is None or not user.active or user.tenant_id != claims.tenant_id or user.session_no != claims.session_no:
        raise NotAuthenticated
    return Session(user, claims.session_ends_at_s)


def current_session(parts: PartsDep, token: Annotated[str | None, Security(bearer)] = None) -> Session:
    """The session behind the bearer token. Raises NotAuthenticated."""
    return session_of(parts, token)


SessionDep = Annotated[Session, Depends(current_session)]


def current_user(session: SessionDep) -> User:
    """The user behind the bearer token. Raises NotAuthenticated."""
    return session.user


UserDep = Annotated[User, Depends(current_user)]


def require(user: User, permission: Permission) -> None:
    """Raises Forbidden with the permission that is missing."""
    if not allowed(user.roles, permission):
        raise Forbidden(permission=permission.value)


@dataclass(frozen=True)
class Reader:
    """A signed-in user who may read, and where to read from."""

    pool: Pool
    user: User
    now: datetime

    @property
    def tenant(self) -> str:
        """Whose rows this user sees."""
        return self.user.tenant_id


@dataclass(frozen=True)
class Writer:
    """A signed-in user who may do this, and the means to do it once and on record."""

    pool: Pool
    user: User
    now: datetime
    method: str
    path: str
    idempotency_key: str | None
    if_match: str | None = None

    @property
    def tenant(self) -> str:
        """In whose name this is done."""
        return self.user.tenant_id

    def perform(self, action: str, body: Any, act: Act) -> Response:
        """unit_of_work.perform for this request."""
        request = WriteRequest(self.user.tenant_id, self.user.user_id, self.method, self.path, body, self.idempotency_key, self.if_match)
        return unit_of_work.perform(self.pool, request, action, self.now, act)


def reads(permission: Permission = Permission.READ) -> Callable[..., Reader]:
    """Dependency: a Reader with this permission."""

    def dependency(parts: PartsDep, user: UserDep) -> Reader:
        require(user, permission)
        return Reader(parts.pool, user, parts.clock.now())

    return dependency


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Repeat a request with the same key to get the same answer without doing it twice",
    ),
]


def writes(permission: Permission) -> Callable[..., Writer]:
    """Dependency: a Writer with this permission."""

    def dependency(request: Request, parts: PartsDep, user: UserDep, idempotency_key: IdempotencyKey = None) -> Writer:
        require(user, permission)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return Writer(parts.pool, user, parts.clock.now(), request.method, target, idempotency_key, request.headers.get("If-Match"))

    return dependency


ReadDep = Annotated[Reader, Depends(reads())]
