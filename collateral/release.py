"""Whether goods may leave: the approval class, the excess-value check, the paper that is signed, the one-time code (DOMAIN 2.8). Pure but for randomness."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from collateral.lines import Lines
from collateral.model import ReleaseOrder
from collateral.valuation import fen_up

SECOND_CHECK_SHARE = Decimal("0.10")
SECOND_CHECK_WINDOW = timedelta(hours=24)
VALID_MAX = timedelta(hours=48)
GATE_TOLERANCE = timedelta(minutes=30)
CLOCK_SKEW_MAX = timedelta(minutes=5)
_HASH_ROUNDS = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseCheck:
    """What a release does to the loan. short > 0: it cannot be issued; cash or goods says what would make it pass."""

    value_after: Decimal
    needed_after: Decimal
    coverage_after: Decimal | None
    short: Decimal
    cash_that_helps: Decimal
    goods_that_help: Decimal


def check_release(
    collateral_value: Decimal, released: Decimal, exposure: Decimal, effective_advance: Decimal, control_value_floor: Decimal
) -> ReleaseCheck:
    """Value that stays against value that must stay: the exposure at the effective advance, or the contract's floor."""
    owed = max(Decimal(0), exposure)
    after = collateral_value - released
    needed = max(owed / effective_advance, control_value_floor if owed > 0 else Decimal(0))
    short = fen_up(max(Decimal(0), needed - after))
    cash = max(Decimal(0), owed - max(Decimal(0), after) * effective_advance)
    return ReleaseCheck(
        value_after=after,
        needed_after=needed,
        coverage_after=None if owed == 0 else after / owed,
        short=short,
        cash_that_helps=fen_up(cash),
        goods_that_help=short,
    )


def needs_second_checker(
    released: Decimal, released_lately: Decimal, collateral_value: Decimal, coverage_after: Decimal | None, lines: Lines
) -> bool:
    """Above a tenth of the pledged value, small orders of the last 24 hours added up, or when coverage would fall below the warning line."""
    return released + released_lately > SECOND_CHECK_SHARE * collateral_value or (
        coverage_after is not None and coverage_after < lines.warning
    )


def paper(order: ReleaseOrder) -> dict[str, Any]:
    """What the signature covers and the warehouse reads."""
    return {
        "release_id": order.release_id,
        "facility_id": order.facility_id,
        "goods_ids": sorted(order.goods_ids),
        "vehicle_plate": order.vehicle_plate,
        "driver_id_hash": order.driver_id_hash,
        "valid_from": order.valid_from,
        "valid_to": order.valid_to,
        "maker_id": order.maker_id,
        "checker_id": order.checker_id,
        "second_checker_id": order.second_checker_id,
        "reason": order.reason,
    }


def new_pickup_code() -> str:
    """A one-time code of 60 random bits, in letters and digits that are not confused on paper."""
    return base64.b32encode(secrets.token_bytes(8)).decode("ascii")[:12]


def slow_hash(release_id: str, text: str) -> str:
    """Hash of a pick-up code or a driver's id, salted with the order: the same text under two orders gives two hashes."""
    return hashlib.pbkdf2_hmac("sha256", text.strip().upper().encode(), release_id.encode(), _HASH_ROUNDS).hex()


def is_hash_of(hashed: str, release_id: str, text: str) -> bool:
    """Whether text is what was hashed for this order."""
    return hmac.compare_digest(hashed, slow_hash(release_id, text))
