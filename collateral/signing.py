"""Ed25519 signatures over release orders, so that a warehouse can check a paper without asking us."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECRET_BYTES_MIN = 16


def canonical_json(value: Mapping[str, Any]) -> bytes:
    """The one byte form of a record: keys sorted, no blanks, UTF-8; decimals as plain text, times as ISO 8601 UTC."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain).encode()


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a time without offset has no canonical form")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    raise TypeError(f"{type(value).__name__} has no canonical form")


class ReleaseSigner:
    """Signs release orders with one private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def from_secret(cls, secret: str) -> ReleaseSigner:
        """The key that a secret setting stands for: the same secret, the same key. Raises ValueError on fewer than 16 bytes."""
        raw = secret.encode()
        if len(raw) < SECRET_BYTES_MIN:
            raise ValueError(f"the signing secret needs at least {SECRET_BYTES_MIN} bytes")
        seed = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"chuantou release order v1").derive(raw)
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, order: Mapping[str, Any]) -> str:
        """Base64 signature over the canonical form of the order."""
        return base64.b64encode(self._key.sign(canonical_json(order))).decode("ascii")

    def public_key(self) -> str:
        """Base64 of the raw public key, for those who verify."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return base64.b64encode(raw).decode("ascii")


def is_signed_by(public_key: str, order: Mapping[str, Any], signature: str) -> bool:
    """Whether signature is that of the key's owner over this very order."""
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key)).verify(base64.b64decode(signature), canonical_json(order))
    except (InvalidSignature, ValueError):
        return False
    return True
