"""One form for every GS1 identifier: the canonical GS1 Digital Link.

EPC URNs become links without loss. The way back needs the length of the company prefix, which a link does not say, so the link is
the form in which identifiers are compared. Sources: GS1 EPC Tag Data Standard 2.0 section 6, GS1 Digital Link 1.2, CBV 2.0 section 8.
"""

from __future__ import annotations

import re
from collections.abc import Callable

ROOT = "https://id.gs1.org"

_URN = re.compile(r"urn:epc:(id|class|idpat):([a-z]+):(.+)", re.DOTALL)
_WEB = re.compile(r"https?://[^/?#\s]+((?:/[^/?#\s]*)+)(?:[?#].*)?$", re.DOTALL)
_PERCENT = re.compile(r"%[0-9a-fA-F]{2}")
_ENCODED = str.maketrans({c: f"%{ord(c):02X}" for c in "!()*+,:"})
# Application identifiers that name something by themselves, with their words and the form of their value.
_KEYS: dict[str, tuple[str, str]] = {
    "00": ("sscc", r"\d{18}"),
    "01": ("gtin", r"\d{8}|\d{12,14}"),
    "253": ("gdti", r"\d{13}.{0,102}"),
    "255": ("gcn", r"\d{13,25}"),
    "401": ("ginc", r".{4,90}"),
    "402": ("gsin", r"\d{17}"),
    "414": ("gln", r"\d{13}"),
    "417": ("partyGln", r"\d{13}"),
    "8003": ("grai", r"\d{14}.{0,96}"),
    "8004": ("giai", r".{4,90}"),
    "8006": ("itip", r"\d{18}"),
    "8010": ("cpid", r".{4,90}"),
    "8017": ("gsrnp", r"\d{18}"),
    "8018": ("gsrn", r"\d{18}"),
}
_NUMBER_OF = {name: number for number, (name, _) in _KEYS.items()}
# Qualifiers that narrow a key down, the finest first; others (variant, attributes) are not identity.
_FINER: dict[str, tuple[tuple[str, str], ...]] = {
    "01": (("21", "ser"), ("235", "tpx"), ("10", "lot")),
    "414": (("254", "glnx"),),
    "8006": (("21", "ser"), ("10", "lot")),
    "8010": (("8011", "cpsn"),),
}


def check_digit(digits: str) -> str:
    """The GS1 modulo-10 check digit of these digits."""
    return str(-sum(int(c) * (1 if i % 2 else 3) for i, c in enumerate(reversed(digits))) % 10)


def digital_link(text: str) -> str | None:
    """The canonical Digital Link of an EPC URN, a class or pattern URN, or a Digital Link of any domain. None = no GS1 identifier."""
    text = text.strip()
    try:
        if text.startswith("urn:"):
            return _of_urn(text)
        return _of_link(text)
    except ValueError:  # a URN whose parts do not fit its scheme names nothing of GS1's
        return None


def canonical(text: str) -> str:
    """The one form in which identifiers are compared: the Digital Link, else the text itself without blanks around it."""
    return digital_link(text) or text.strip()


def _of_urn(urn: str) -> str | None:
    match = _URN.fullmatch(urn)
    if match is None:
        return None
    kind, scheme, body = match.groups()
    shape = _SCHEMES.get((kind, scheme))
    return None if shape is None else ROOT + shape(body)


def _number(length: int, *digits: str) -> str:
    """The digits with their check digit. Raises ValueError when they are not `length` digits."""
    whole = "".join(digits)
    if len(whole) != length or not whole.isascii() or not whole.isdigit():
        raise ValueError(whole)
    return whole + check_digit(whole)


def _gtin(company: str, item: str) -> str:
    return _number(13, item[:1], company, item[1:])


def _text(value: str) -> str:
    if not value:
        raise ValueError("empty")
    return _PERCENT.sub(lambda m: m[0].upper(), value.translate(_ENCODED))


def _sgtin(body: str) -> str:
    company, item, serial = body.split(".", 2)
    return f"/01/{_gtin(company, item)}/21/{_text(serial)}"


def _lgtin(body: str) -> str:
    company, item, lot = body.split(".", 2)
    return f"/01/{_gtin(company, item)}/10/{_text(lot)}"


def _upui(body: str) -> str:
    company, item, serial = body.split(".", 2)
    return f"/01/{_gtin(company, item)}/235/{_text(serial)}"


def _itip(body: str) -> str:
    company, item, piece, total, serial = body.split(".", 4)
    if not re.fullmatch(r"\d{4}", piece + total, re.ASCII):
        raise ValueError(body)
    return f"/8006/{_gtin(company, item)}{piece}{total}/21/{_text(serial)}"


def _sscc(body: str) -> str:
    company, serial = body.split(".")
    return f"/00/{_number(17, serial[:1], company, serial[1:])}"


def _sgln(body: str) -> str:
    company, location, extension = body.split(".", 2)
    gln = _number(12, company, location)
    return f"/414/{gln}" if extension == "0" else f"/414/{gln}/254/{_text(extension)}"


def _grai(body: str) -> str:
    company, kind, serial = body.split(".", 2)
    return f"/8003/0{_number(12, company, kind)}{_text(serial)}"


def _document(number: str) -> Callable[[str], str]:
    def shape(body: str) -> str:
        company, kind, serial = body.split(".", 2)
        return f"/{number}/{_number(12, company, kind)}{_text(serial)}"

    return shape


def _party(body: str) -> str:
    company, reference = body.split(".")
    return f"/417/{_number(12, company, reference)}"


def _cpi(body: str) -> str:
    company, rest = body.split(".", 1)
    part, _, serial = rest.rpartition(".")
    return f"/8010/{_digits(company)}{_text(part)}/8011/{_digits(serial)}"


def _digits(text: str) -> str:
    if not re.fullmatch(r"\d+", text, re.ASCII):
        raise ValueError(text)
    return text


def _joined(number: str) -> Callable[[str], str]:
    def shape(body: str) -> str:
        company, reference = body.split(".", 1)
        return f"/{number}/{_digits(company)}{_text(reference)}"

    return shape


def _checked(number: str, length: int) -> Callable[[str], str]:
    def shape(body: str) -> str:
        company, reference = body.split(".")
        return f"/{number}/{_number(length, company, reference)}"

    return shape


def _any_of(shape: Callable[[str], str], ending: str) -> Callable[[str], str]:
    """A pattern whose last part is `*`: the class without its serial."""

    def of_pattern(body: str) -> str:
        if not body.endswith(".*"):
            raise ValueError(body)
        return shape(body[:-1] + "0").removesuffix(ending)

    return of_pattern


_SCHEMES: dict[tuple[str, str], Callable[[str], str]] = {
    ("id", "sgtin"): _sgtin,
    ("id", "sscc"): _sscc,
    ("id", "sgln"): _sgln,
    ("id", "grai"): _grai,
    ("id", "giai"): _joined("8004"),
    ("id", "gsrn"): _checked("8018", 17),
    ("id", "gsrnp"): _checked("8017", 17),
    ("id", "gdti"): _document("253"),
    ("id", "sgcn"): _document("255"),
    ("id", "cpi"): _cpi,
    ("id", "ginc"): _joined("401"),
    ("id", "gsin"): _checked("402", 16),
    ("id", "itip"): _itip,
    ("id", "upui"): _upui,
    ("id", "pgln"): _party,
    ("class", "lgtin"): _lgtin,
    ("idpat", "sgtin"): _any_of(_sgtin, "/21/0"),
    ("idpat", "grai"): _any_of(_grai, "0"),
    ("idpat", "gdti"): _any_of(_document("253"), "0"),
    ("idpat", "sgcn"): _any_of(_document("255"), "0"),
}


def _of_link(text: str) -> str | None:
    match = _WEB.fullmatch(text)
    if match is None:
        return None
    parts = match[1].split("/")[1:]
    for at in range(len(parts) - 1):
        number = _NUMBER_OF.get(parts[at], parts[at])
        value = parts[at + 1]
        if number in _KEYS and re.fullmatch(_KEYS[number][1], value, re.ASCII):
            given = dict(zip(parts[at + 2 :: 2], parts[at + 3 :: 2], strict=False))
            return ROOT + _link(number, value, given)
    return None


def _link(number: str, value: str, given: dict[str, str]) -> str:
    key = f"/{number}/{value.rjust(14, '0') if number == '01' else _text(value)}"
    for qualifier, name in _FINER.get(number, ()):
        finer = given.get(qualifier) or given.get(name)
        if finer:
            return key if (number, finer) == ("414", "0") else f"{key}/{qualifier}/{_text(finer)}"
    return key
