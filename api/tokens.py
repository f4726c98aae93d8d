"""Access tokens: JWT, HS256. They run on real time, because a session lasts a shift and not a simulated month."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import jwt

from collateral.errors import ChuantouError

_ISSUER = "chuantou"
STREAM_TOKEN_TTL_S = 60


class NotAuthenticated(ChuantouError):
    """Sign in first: the token is missing, wrong or out of date."""

    code = "not_authenticated"


class Audience(StrEnum):
    """What a token opens. A stream token stands in a URL and so opens the stream only, and not for long."""

    API = "chuantou-api"
    STREAM = "chuantou-stream"


@dataclass(frozen=True)
class Claims:
    """What a valid token says."""

    user_id: str
    tenant_id: str
    token_id: str
    expires_at_s: int
    session_ends_at_s: int
    session_no: int = 0


@dataclass(frozen=True)
class Tokens:
    """Issues and checks tokens. secret: at least 32 bytes. wall_s: epoch seconds, real time."""

    secret: str
    ttl_s: int = 28_800
    wall_s: Callable[[], float] = time.time

    def issue(
        self,
        user_id: str,
        tenant_id: str,
        audience: Audience = Audience.API,
        ttl_s: int | None = None,
        *,
        session_ends_at_s: int | None = None,
        session_no: int = 0,
    ) -> tuple[str, int]:
        """A signed token and its life in seconds.

        session_ends_at_s: epoch seconds at which the sign-in that this token stems from is over; what the token has opened ends
        then. None = with the token. session_no: the user's at the sign-in; the token is void once the user has another.
        """
        life_s = self.ttl_s if ttl_s is None else ttl_s
        now_s = int(self.wall_s())
        payload = {
            "iss": _ISSUER,
            "aud": audience.value,
            "sub": user_id,
            "tenant": tenant_id,
            "iat": now_s,
            "exp": now_s + life_s,
            "jti": uuid.uuid4().hex,
            "session_exp": now_s + life_s if session_ends_at_s is None else session_ends_at_s,
            "session_no": session_no,
        }
        return jwt.encode(payload, self.secret, algorithm="HS256"), life_s

    def check(self, token: str, audience: Audience = Audience.API) -> Claims:
        """What the token says. Raises NotAuthenticated on a bad signature, another audience, or when its time is over."""
        try:
            payload = jwt.decode(
                token,
                self.secret,
                algorithms=["HS256"],
                audience=audience.value,
                issuer=_ISSUER,
                options={"require": ["exp", "iat", "sub", "jti", "aud", "iss"], "verify_exp": False, "verify_iat": False},
            )
            ends_at_s = int(payload["exp"])
            claims = Claims(
                str(payload["sub"]),
                str(payload["tenant"]),
                str(payload["jti"]),
                ends_at_s,
                int(payload.get("session_exp", ends_at_s)),
                int(payload.get("session_no", 0)),
            )
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError) as exc:
            raise NotAuthenticated from exc
        if claims.expires_at_s <= self.wall_s():
            raise NotAuthenticated("The token has expired.")
        return claims
