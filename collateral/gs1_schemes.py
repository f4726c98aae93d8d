"""How each GS1 key is built: the parts of its EPC URN against the elements (AI, value) of its Digital Link. TDS 2.0 chapter 6 and 7."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

_AI82 = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]+")
_CPI = re.compile(r"[0-9A-Z#\-/]+")
_DIGITS = re.compile(r"[0-9]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
_ESCAPED = str.maketrans({c: f"%{ord(c):02X}" for c in '"#%&/<>?'})
ANY = "\0"  # `*` of a pattern; a serial may be the character * itself

PrefixDigits = Callable[[str], int]


class WrongParts(Exception):
    """What is wrong with an identity, in words; collateral.gs1 makes a RejectedInput of it."""


class WrongCheckDigit(WrongParts):
    """All is in its place but the check digit: somebody mistyped, or a sample was made by hand."""


def check_digit(digits: str) -> str:
    """GS1 check digit of the digits before it."""
    weighted = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-weighted % 10)


@dataclass(frozen=True)
class Scheme:
    """One EPC scheme.

    digits: company prefix and reference together; 0 = the reference is free text (`free`). leading: the reference's first digit stands
    before the prefix in the key (indicator, extension digit). lead: digits before the key, not of it. serial: longest serial, in the key
    (`inline`) or as `qualifier`; 0 = the key has none. numeric: the serial is digits.
    """

    name: str
    ai: str
    digits: int = 0
    leading: bool = False
    checked: bool = True
    lead: str = ""
    serial: int = 0
    qualifier: str | None = None
    numeric: bool = False
    free: re.Pattern[str] | None = None
    free_max: int = 30
    middle: int = 0  # ITIP: piece and total, two digits each
    none_is: str | None = None  # SGLN: the serial that means none

    # ------------------------------------------------------------ URN

    def split(self, body: str, *, pattern: bool = False) -> tuple[str, ...]:
        """Checked parts of a URN's body, unescaped: prefix, reference, (piece, total,) serial. pattern: trailing parts may be `*`."""
        count = 2 + 2 * bool(self.middle) + bool(self.serial)
        parts = tuple(body.split(".", count - 1))
        if len(parts) != count:
            raise WrongParts(f"{self.name.upper()} has {count} parts, not {len(parts)}")
        known = next((i for i, p in enumerate(parts) if p == "*"), count) if pattern else count
        if any(p != "*" for p in parts[known:]):
            raise WrongParts("after a * only * may follow")
        parts = (*(_unescaped(p) for p in parts[:known]), *(ANY for _ in parts[known:]))
        self._check(parts[:known])
        return parts

    def _check(self, parts: tuple[str, ...]) -> None:
        if not parts:
            return
        if _DIGITS.fullmatch(parts[0]) is None or not 6 <= len(parts[0]) <= 12:
            raise WrongParts(f"company prefix {parts[0][:40]!r} is not 6 to 12 digits")
        if len(parts) > 1:
            if self.free is not None:
                if self.free.fullmatch(parts[1]) is None or len(parts[0] + parts[1]) > self.free_max:
                    raise WrongParts(f"reference {parts[1][:40]!r} is not 1 to {self.free_max - len(parts[0])} of GS1's characters")
            elif (parts[1] and _DIGITS.fullmatch(parts[1]) is None) or len(parts[0] + parts[1]) != self.digits:
                raise WrongParts(f"company prefix and reference are {len(parts[0] + parts[1])} characters, not {self.digits} digits")
        for p in parts[2:4] if self.middle else ():
            if _DIGITS.fullmatch(p) is None or len(p) != self.middle:
                raise WrongParts(f"piece and total are {self.middle} digits each, not {p[:40]!r}")
        if self.serial and len(parts) == 3 + 2 * bool(self.middle):
            self._check_serial(parts[-1])

    def _check_serial(self, serial: str) -> None:
        allowed = _DIGITS if self.numeric else _AI82
        if allowed.fullmatch(serial) is None or len(serial) > self.serial:
            kind = "digits" if self.numeric else "of GS1's characters"
            raise WrongParts(f"serial or lot {serial[:40]!r} is not 1 to {self.serial} {kind}")

    def urn(self, parts: tuple[str, ...]) -> str:
        """The URN of parts; `*` in the last ones makes it a class."""
        kind = "class" if self.name == "lgtin" else "idpat" if parts[-1] == ANY else "id"
        return f"urn:epc:{kind}:{self.name}:{'.'.join('*' if p == ANY else p.translate(_ESCAPED) for p in parts)}"

    def has_key(self, parts: tuple[str, ...]) -> bool:
        """Whether prefix and reference are both known, so that there is a GS1 key."""
        return ANY not in parts[:2] and (self.name != "sscc" or ANY not in parts)

    # ------------------------------------------------------------ GS1 keys

    def elements(self, parts: tuple[str, ...]) -> list[tuple[str, str]]:
        """AI and value of the key and of its qualifier."""
        prefix, reference = parts[:2]
        serial = parts[-1] if self.serial and parts[-1] not in (ANY, self.none_is) else None
        if self.free is not None:
            key = prefix + reference
        else:
            key = reference[:1] + prefix + reference[1:] if self.leading else prefix + reference
            key = self.lead + key + (check_digit(key) if self.checked else "")
        key += "".join(parts[2:4]) if self.middle else ""
        if serial is None:
            return [(self.ai, key)]
        return [(self.ai, key + serial)] if self.qualifier is None else [(self.ai, key), (self.qualifier, serial)]

    def from_key(self, key: str, serial: str | None, prefix_digits: PrefixDigits) -> tuple[str, ...]:
        """Parts of a Digital Link's key and qualifier. The company prefix's length comes from prefix_digits(key without leading digit)."""
        if self.free is not None:
            known = re.match(r"[0-9]{6,12}", key)
            if known is None:
                raise WrongParts(f"({self.ai}) {key[:40]!r} does not start with a company prefix")
            length = min(prefix_digits(known[0]), len(known[0]), max(6, len(key) - 1))
            parts: tuple[str, ...] = (key[:length], key[length:])
            return self._with_serial(parts, serial)
        if self.ai == "01" and _DIGITS.fullmatch(key) and len(key) in (8, 12, 13):
            key = key.zfill(14)
        length = len(self.lead) + self.digits + self.checked + 2 * self.middle
        inline = self.serial > 0 and self.qualifier is None
        if _DIGITS.fullmatch(key[:length]) is None or len(key) < length or (len(key) > length and not inline):
            raise WrongParts(f"({self.ai}) {key[:40]!r} is not {length} digits{' and a serial' if inline else ''}")
        key, middle, rest = key[: length - 2 * self.middle], key[length - 2 * self.middle : length], key[length:]
        if not key.startswith(self.lead):
            raise WrongParts(f"({self.ai}) starts with {self.lead}, not {key[:1]}")
        digits = key[len(self.lead) :]
        if self.checked:
            digits, given = digits[:-1], digits[-1]
            if given != check_digit(digits):
                raise WrongCheckDigit(f"check digit of ({self.ai}) {key} is {given}, should be {check_digit(digits)}")
        first, digits = (digits[:1], digits[1:]) if self.leading else ("", digits)
        at = min(prefix_digits(digits), 12)
        parts = (digits[:at], first + digits[at:])
        if self.middle:
            parts = (*parts, middle[: self.middle], middle[self.middle :])
        return self._with_serial(parts, rest or None if inline else serial)

    def _with_serial(self, parts: tuple[str, ...], serial: str | None) -> tuple[str, ...]:
        if not self.serial:
            self._check(parts)
            return parts
        if serial is None:
            self._check(parts)
            return (*parts, ANY if self.none_is is None else self.none_is)
        self._check((*parts, serial))
        return (*parts, serial)


def _unescaped(part: str) -> str:
    if re.sub(_ESCAPE, "", part).count("%"):
        raise WrongParts(f"{part[:40]!r} holds a % that escapes nothing")
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)), part)


SCHEMES = (
    Scheme("sgtin", "01", 13, leading=True, serial=20, qualifier="21"),
    Scheme("upui", "01", 13, leading=True, serial=28, qualifier="235"),
    Scheme("lgtin", "01", 13, leading=True, serial=20, qualifier="10"),
    Scheme("itip", "8006", 13, leading=True, serial=20, qualifier="21", middle=2),
    Scheme("sscc", "00", 17, leading=True),
    Scheme("sgln", "414", 12, serial=20, qualifier="254", none_is="0"),
    Scheme("pgln", "417", 12),
    Scheme("grai", "8003", 12, lead="0", serial=16),
    Scheme("gdti", "253", 12, serial=17),
    Scheme("sgcn", "255", 12, serial=12, numeric=True),
    Scheme("gsrn", "8018", 17),
    Scheme("gsrnp", "8017", 17),
    Scheme("gsin", "402", 16),
    Scheme("giai", "8004", free=_AI82),
    Scheme("ginc", "401", free=_AI82),
    Scheme("cpi", "8010", free=_CPI, serial=12, qualifier="8011", numeric=True),
)
BY_NAME = {s.name: s for s in SCHEMES}
# In order of precision: a serial says more than a lot. The first is also the one without a qualifier: a GTIN alone is a class of SGTINs.
BY_AI: dict[str, tuple[Scheme, ...]] = {s.ai: tuple(t for t in SCHEMES if t.ai == s.ai) for s in SCHEMES}
QUALIFIERS = frozenset({"22", "10", "21", "235", "254", "8011"})
SHORT_NAMES = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "gln": "414", "party": "417", "gsrnp": "8017", "gsrn": "8018", "gcn": "255",
    "sscc": "00", "gdti": "253", "ginc": "401", "gsin": "402", "grai": "8003", "giai": "8004",
    "cpv": "22", "lot": "10", "ser": "21", "tpx": "235", "glnx": "254", "cpsn": "8011",
}  # fmt: skip
