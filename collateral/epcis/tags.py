"""Which tag numbers an identifier may be written as, so that goods known by their tag are found by their EPC.

A tag holds the identifier in hex with a filter value, and for SGTIN, GRAI and SSCC the length of the company prefix. Neither is identity,
and a Digital Link says neither, so every possible number is tried: at most 56 per identifier. Source: EPC Tag Data Standard 2.0.
"""

from __future__ import annotations

import re

_RAW = re.compile(r"urn:epc:raw:\d+\.x([0-9A-Fa-f]{2,128})")
GOODS_PREFIX = "urn:chuantou:goods:"
# Partition: bits of the company prefix by its digits 12 down to 6.
_COMPANY_BITS = {12: 40, 11: 37, 10: 34, 9: 30, 8: 27, 7: 24, 6: 20}
_LINK = re.compile(r"https://id\.gs1\.org/(00|01|8003)/(\d+)(?:/21/(.+))?", re.ASCII)


def tag_numbers(epc: str) -> tuple[str, ...]:
    """Upper-case hex numbers that tags of this identifier may carry. epc: canonical. Empty for identifiers that 96-bit tags do not hold."""
    raw = _RAW.fullmatch(epc)
    if raw is not None:
        return (raw[1].upper(),)
    link = _LINK.fullmatch(epc)
    if link is None:
        return ()
    number, digits, serial = link.groups()
    if number == "00":
        return _written(0x31, digits[1:17], digits[0], None, 58)
    if number == "01" and serial is not None and _is_number(serial, 38):
        return _written(0x30, digits[1:13], digits[0], int(serial), 44)
    if number == "8003" and _is_number(digits[14:], 38):
        return _written(0x33, digits[1:13], "", int(digits[14:]), 44)
    return ()


def goods_named(epc: str) -> str | None:
    """The unit that an identifier of ours names directly."""
    return epc.removeprefix(GOODS_PREFIX) if epc.startswith(GOODS_PREFIX) else None


def _is_number(text: str, bits: int) -> bool:
    return re.fullmatch(r"0|[1-9]\d{0,12}", text, re.ASCII) is not None and int(text) < 1 << bits


def _written(header: int, digits: str, first: str, serial: int | None, key_bits: int) -> tuple[str, ...]:
    """All 96-bit numbers of a key whose company prefix has 6 to 12 digits. first: the digit that moves before the reference."""
    found = []
    for partition, (length, company_bits) in enumerate(_COMPANY_BITS.items()):
        company, reference = int(digits[:length]), first + digits[length:]
        key = (company << (key_bits - company_bits)) | int(reference or "0")
        for filter_value in range(8):
            value = (header << 6 | filter_value << 3 | partition) << key_bits | key
            value = value << 38 | serial if serial is not None else value << 24
            found.append(f"{value:024X}")
    return tuple(found)
