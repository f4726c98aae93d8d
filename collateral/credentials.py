"""Device secrets and their hashes in the form that Mosquitto's password file uses."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

# A secret of 256 random bits needs no stretching; a fleet that reconnects at once makes the broker compute one hash per device.
ITERATIONS = 1000
_SALT_BYTES = 12
_HASH_BYTES = 64


def new_secret() -> str:
    """A fresh device password: 256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def mosquitto_hash(secret: str, *, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """`$7$iterations$salt$hash`: PBKDF2-SHA512, base64, as mosquitto_passwd writes it."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, iterations, _HASH_BYTES)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def is_secret_of(hashed: str, secret: str) -> bool:
    """Whether secret is the one that was hashed; False on text of another form."""
    parts = hashed.split("$")
    if len(parts) != 5 or parts[0] or parts[1] != "7" or not parts[2].isdigit():
        return False
    again = mosquitto_hash(secret, salt=base64.b64decode(parts[3]), iterations=int(parts[2]))
    return hmac.compare_digest(again.encode(), hashed.encode())
