"""People and systems that sign in: argon2 password hashes, roles, tenants."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from psycopg.rows import class_row

from api.permissions import Role
from collateral.errors import LedgerRefusal, NotFound, RejectedInput, SamePersonRefused
from collateral.ids import new_id
from db.pool import Pool
from db.sql import load_queries

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}", re.ASCII)
PASSWORD_LENGTH_MIN = 12
PASSWORD_LENGTH_MAX = 200

_QUERIES = load_queries(__file__, "accounts.sql")
_hasher = PasswordHasher()
_hashing = threading.BoundedSemaphore(2)  # a hash takes 64 MiB; a flood of sign-ins must not take the memory
_NOBODY_HASH = _hasher.hash("the hash that an unknown name is checked against, so that it takes as long")


class LastAdministrator(LedgerRefusal):
    """Somebody has to be left who administers the users."""

    code = "last_administrator"


class UsernameTaken(LedgerRefusal):
    """This user name is in use."""

    code = "username_taken"


@dataclass(frozen=True)
class User:
    """One who signs in. Without the password hash."""

    user_id: str
    tenant_id: str
    username: str
    display_name: str
    roles: tuple[Role, ...]
    active: bool
    created_at: datetime
    session_no: int = 0  # tokens that carry another number are void


@dataclass(frozen=True)
class _Row:
    user_id: str
    tenant_id: str
    username: str
    display_name: str
    password_hash: str
    roles: list[str]
    active: bool
    created_at: datetime
    session_no: int = 0

    def user(self) -> User:
        roles = tuple(Role(r) for r in self.roles)
        return User(self.user_id, self.tenant_id, self.username, self.display_name, roles, self.active, self.created_at, self.session_no)


def ensure_tenant(pool: Pool, tenant_id: str, name: str | None = None) -> None:
    """Make the tenant unless it is there."""
    with pool.connection() as conn:
        conn.execute(_QUERIES["ensure_tenant"], {"tenant_id": tenant_id, "name": name or tenant_id})


def create_user(pool: Pool, tenant_id: str, username: str, display_name: str, password: str, roles: Iterable[str], now: datetime) -> User:
    """A new active user. Raises UsernameTaken, or RejectedInput on a wrong name, an unknown role or a password of wrong length."""
    if USERNAME.fullmatch(username) is None:
        raise RejectedInput("A user name has 2 to 64 of a-z, 0-9, dot, underscore and hyphen, and begins with a letter or digit.")
    password_hash, held = _hashed(password), _roles(roles)
    row = _Row(new_id("user"), tenant_id, username, display_name, password_hash, held, True, now)
    try:
        with pool.connection() as conn:
            conn.execute(_QUERIES["insert_user"], vars(row))
    except psycopg.errors.UniqueViolation as exc:
        raise UsernameTaken from exc
    return row.user()


def _hashed(password: str) -> str:
    if not PASSWORD_LENGTH_MIN <= len(password) <= PASSWORD_LENGTH_MAX:
        raise RejectedInput(f"A password has {PASSWORD_LENGTH_MIN} to {PASSWORD_LENGTH_MAX} characters.")
    with _hashing:
        return _hasher.hash(password)


def _roles(roles: Iterable[str]) -> list[str]:
    try:
        held = sorted({Role(r) for r in roles})
    except ValueError as exc:
        raise RejectedInput("There is no such role.", roles=[r.value for r in Role]) from exc
    if not held:
        raise RejectedInput("A user needs a role.")
    return [r.value for r in held]


def give_roles(pool: Pool, tenant_id: str, user_id: str, roles: Iterable[str], actor: str) -> User:
    """Other roles. Raises NotFound, SamePersonRefused for one's own, LastAdministrator."""
    held = _roles(roles)
    return _change(pool, tenant_id, user_id, actor, lambda row: replace(row, roles=held))


def set_active(pool: Pool, tenant_id: str, user_id: str, actor: str, *, active: bool) -> User:
    """Lock a user out, or in again; what was open ends and does not come back. Raises NotFound, SamePersonRefused for oneself, LastAdministrator."""
    return _change(
        pool, tenant_id, user_id, actor, lambda row: replace(row, active=active, session_no=row.session_no + (row.active != active))
    )


def reset_password(pool: Pool, tenant_id: str, user_id: str, password: str, actor: str) -> User:
    """A new password for somebody else; all that the old one had opened ends. Raises NotFound, RejectedInput, SamePersonRefused for one's own."""
    password_hash = _hashed(password)
    return _change(pool, tenant_id, user_id, actor, lambda row: replace(row, password_hash=password_hash, session_no=row.session_no + 1))


def change_own_password(pool: Pool, user: User, present: str, new: str) -> User | None:
    """The user with a new password, or None where the present one is wrong. All that the old one had opened ends. Raises RejectedInput."""
    if present == new:
        raise RejectedInput("The new password is the present one.", field="new_password")
    if sign_in(pool, user.username, present).user is None:
        return None
    password_hash = _hashed(new)
    return _change(
        pool, user.tenant_id, user.user_id, None, lambda row: replace(row, password_hash=password_hash, session_no=row.session_no + 1)
    )


def _change(pool: Pool, tenant_id: str, user_id: str, actor: str | None, change: Callable[[_Row], _Row]) -> User:
    """A change of the locked row. actor: who does it to somebody else; None = the user's own affair."""
    with pool.connection() as conn, conn.cursor(row_factory=class_row(_Row)) as cur:
        row = cur.execute(_QUERIES["lock_user"], {"user_id": user_id, "tenant_id": tenant_id}).fetchone()
        if row is None:
            raise NotFound(f"There is no user {user_id}.")
        if actor == user_id:
            raise SamePersonRefused("Another administrator has to change your roles and access; your password you change yourself.")
        changed = change(row)
        try:
            conn.execute(_QUERIES["change_user"], vars(changed))
        except psycopg.errors.CheckViolation as exc:
            if exc.diag.constraint_name != "an_admin_stays":
                raise
            raise LastAdministrator(f"{row.username} is the last active administrator.") from exc
    return changed.user()


def plain_name(username: str) -> str:
    """The name as it is kept: a full-width or capital letter from an input method means the same user, and the same throttle."""
    return unicodedata.normalize("NFKC", username).strip().lower()


@dataclass(frozen=True)
class SignIn:
    """What became of an attempt. named: whom the name belongs to, signed in or not; for the audit trail, not for the answer."""

    user: User | None
    named: User | None


def sign_in(pool: Pool, username: str, password: str) -> SignIn:
    """Checks the password of an active user; takes as long for a name that nobody has and for a user who is locked out."""
    row = _one(pool, "user_by_name", plain_name(username))
    with _hashing:
        try:
            _hasher.verify(row.password_hash if row else _NOBODY_HASH, password)
            right = True
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            right = False
    named = row.user() if row else None
    return SignIn(named if right and named is not None and named.active else None, named)


def authenticate(pool: Pool, username: str, password: str) -> User | None:
    """The active user with this name and password, else None."""
    return sign_in(pool, username, password).user


def user_by_id(pool: Pool, user_id: str) -> User | None:
    """The user, active or not."""
    row = _one(pool, "user_by_id", user_id)
    return row.user() if row else None


def _one(pool: Pool, query: str, key: str) -> _Row | None:
    with pool.connection() as conn, conn.cursor(row_factory=class_row(_Row)) as cur:
        return cur.execute(_QUERIES[query], {"key": key}).fetchone()
