"""Identifiers: made here for what we issue, checked here for what others issue."""

from __future__ import annotations

import uuid

from stdnum.cn import uscc as _uscc

_VIN_VALUES = dict(zip("0123456789ABCDEFGHJKLMNPRSTUVWXYZ", [*range(10), *range(1, 9), *range(1, 6), 7, 9, *range(2, 10)], strict=True))
_VIN_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def new_id(prefix: str) -> str:
    """A fresh id such as `alert_4f0c...`: the prefix says what it names, the rest is random."""
    return f"{prefix}_{uuid.uuid4().hex}"


def is_uscc(text: str) -> bool:
    """Whether text is a unified social credit code with a right check character (GB 32100)."""
    return bool(_uscc.is_valid(text))


def vin_check_character(vin: str) -> str:
    """The check character that position 9 of a VIN should have (DOMAIN 3.8). Raises ValueError on a character outside the VIN alphabet."""
    if len(vin) != 17 or any(c not in _VIN_VALUES for c in vin):
        raise ValueError(f"{vin!r} is not 17 characters of the VIN alphabet (no I, O, Q)")
    rest = sum(_VIN_VALUES[c] * w for c, w in zip(vin, _VIN_WEIGHTS, strict=True)) % 11
    return "X" if rest == 10 else str(rest)
