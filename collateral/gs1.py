"""GS1 identities: tag memory, EPC URN and GS1 Digital Link are three spellings of one name.

The URN says where the company prefix ends, a Digital Link does not; so two spellings are compared by `match_key`, which is the Digital Link
at id.gs1.org, as CBV 2.0 does for its event hash. Filter value and tag length are no part of an identity. Sources: GS1 EPC Tag Data Standard
2.0, GS1 Digital Link 1.3. Tag memory is read and written by epcpy, the lengths of company prefixes are GS1's list, as biip carries it.
"""

from __future__ import annotations

import base64
import binascii
import re
import sys
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from biip.gs1_prefixes import GS1CompanyPrefix
from epcpy.utils.common import ConvertException
from epcpy.utils.parsers import TAG_ENCODABLE_BINARY_HEADERS, epc_pure_identity_to_scheme, epc_pure_identity_to_tag_encodable

from collateral.errors import RejectedInput
from collateral.gs1_schemes import BY_AI, BY_NAME, QUALIFIERS, SHORT_NAMES, Scheme, WrongCheckDigit, WrongParts

DIGITAL_LINK_DOMAIN = "https://id.gs1.org"
PREFIX_DIGITS_DEFAULT = 7  # where GS1's list does not know the prefix
URI_CHARACTERS_MAX = 2_000
TAG_BITS_MAX = 512  # EPC memory of the largest tags

# Tag headers (TDS 2.0 table 14-1) of fixed length, and how many bits such a tag has at least.
TAG_BITS_BY_HEADER = {
    "2C": 96, "2D": 96, "2E": 96, "2F": 96, "30": 96, "31": 96, "32": 96, "33": 96, "34": 96, "35": 96, "36": 198, "37": 170, "38": 202,
    "39": 195, "3C": 96, "3E": 174, "3F": 96, "40": 110, "41": 212,
}  # fmt: skip

# Tags whose serial is 7-bit text, and where it begins. epcpy misreads the escapes of such serials, so the text is coded here.
_TEXT_AT = {"sgtin-198": 58, "sgln-195": 55, "grai-170": 58, "giai-202": 14, "gdti-174": 55, "itip-212": 72}
_GIAI_PREFIX_BITS = (40, 37, 34, 30, 27, 24, 20)  # by partition; the reference follows

_OTHER_SCHEMES = ("gid", "usdod", "adi", "bic", "imovn")  # EPC schemes without a GS1 key, hence without Digital Link
_URN = re.compile(r"urn:epc:(id|class|idpat|tag):([a-z0-9-]+):(.+)", re.IGNORECASE | re.DOTALL)
_RAW = re.compile(r"urn:epc:raw:([1-9]\d{0,3})\.x([0-9A-F]+)", re.IGNORECASE | re.ASCII)
_HEX = re.compile(r"[0-9A-F]+")


@dataclass(frozen=True)
class Identity:
    """What a tag says it is. urn: pure identity, or `urn:epc:raw:...` of a tag that is not encoded by GS1's rules (opaque: only a binding
    tells what it is on). tag_uri and digital_link are None where there is none."""

    urn: str
    scheme: str
    hex: str
    tag_uri: str | None = None
    digital_link: str | None = None

    @property
    def opaque(self) -> bool:
        return self.scheme == "raw"


# ---------------------------------------------------------------- URN and Digital Link


def canonical_epc(text: str) -> str:
    """The URN of an EPC URN (pure identity, lot or class level, tag, raw) or of a GS1 Digital Link of any domain.

    A URN keeps its company prefix; a Digital Link gets its own by GS1's list, else 7 digits: compare by `match_key`.
    Raises RejectedInput that says what is wrong: scheme, length, character, check digit (details check_digit_bad).
    """
    return _parsed(text)[0]


def to_digital_link(urn: str, domain: str = DIGITAL_LINK_DOMAIN) -> str:
    """The GS1 Digital Link of any spelling that canonical_epc takes. Raises RejectedInput also where the scheme has none."""
    canonical, scheme, parts = _parsed(urn)
    if scheme is None:
        raise RejectedInput(f"{canonical} has no GS1 key, hence no Digital Link", epc=canonical)
    return _link(scheme, parts, domain)


def to_element_string(urn: str) -> str:
    """GS1 element string, `(01)80614141123458(21)6789`. Raises as to_digital_link does."""
    canonical, scheme, parts = _parsed(urn)
    if scheme is None:
        raise RejectedInput(f"{canonical} has no GS1 key, hence no element string", epc=canonical)
    return "".join(f"({ai}){value}" for ai, value in scheme.elements(parts))


def match_key(text: str) -> str:
    """Equal for all spellings of one identity: the Digital Link at id.gs1.org, or the URN where there is none. Raises RejectedInput."""
    canonical, scheme, parts = _parsed(text)
    return canonical if scheme is None else _link(scheme, parts, DIGITAL_LINK_DOMAIN)


def _parsed(text: str) -> tuple[str, Scheme | None, tuple[str, ...]]:
    if not isinstance(text, str) or not text:
        raise RejectedInput("an EPC is text and not empty")
    if len(text) > URI_CHARACTERS_MAX:
        raise RejectedInput(f"an EPC of {len(text)} characters is too long; at most {URI_CHARACTERS_MAX}")
    try:
        if text[:4].lower() == "urn:":
            return _from_urn(text)
        if text[:8].lower() == "https://" or text[:7].lower() == "http://":
            return _from_link(text)
    except WrongParts as exc:
        raise RejectedInput(f"{text[:120]}: {exc}", epc=text, check_digit_bad=isinstance(exc, WrongCheckDigit)) from None
    raise RejectedInput(f"{text[:120]!r} is neither an EPC URN nor a GS1 Digital Link", epc=text)


def _from_urn(text: str) -> tuple[str, Scheme | None, tuple[str, ...]]:
    raw = _RAW.fullmatch(text)
    if raw is not None:
        if int(raw[1]) > len(raw[2]) * 4 or int(raw[1]) <= len(raw[2]) * 4 - 4:
            raise WrongParts(f"{len(raw[2])} hex digits are not {raw[1]} bits")
        return f"urn:epc:raw:{raw[1]}.x{raw[2].upper()}", None, ()
    match = _URN.fullmatch(text)
    if match is None:
        raise WrongParts("no EPC URN (urn:epc:id:..., urn:epc:class:lgtin:..., urn:epc:idpat:..., urn:epc:raw:{bits}.x{hex})")
    kind, name, body = match[1].lower(), match[2].lower(), match[3]
    if kind == "tag":
        kind, name = "id", name.split("-")[0]
        if name != "gid":
            filter_value, _, body = body.partition(".")
            if re.fullmatch("[0-9]{1,2}", filter_value) is None:
                raise WrongParts("a tag URI starts with its filter value")
    scheme = BY_NAME.get(name)
    if scheme is None and name in _OTHER_SCHEMES and kind == "id":
        return _other(name, body), None, ()
    if scheme is None:
        raise WrongParts(f"{name!r} is no EPC scheme")
    if (kind == "class") != (name == "lgtin"):
        raise WrongParts("lots are urn:epc:class:lgtin, everything else is urn:epc:id or urn:epc:idpat")
    parts = scheme.split(body, pattern=kind == "idpat")
    return scheme.urn(parts), scheme if scheme.has_key(parts) else None, parts


def _other(name: str, body: str) -> str:
    urn = f"urn:epc:id:{name}:{body}"
    try:
        epc_pure_identity_to_scheme(urn)
    except (ConvertException, ValueError, IndexError):
        raise WrongParts(f"no valid {name.upper()}") from None
    return urn


def _from_link(text: str) -> tuple[str, Scheme | None, tuple[str, ...]]:
    segments = urlsplit(text).path.split("/")[1:]
    for i, segment in enumerate(segments):
        ai = SHORT_NAMES.get(segment, segment)
        rest = segments[i + 1 :]
        if ai in BY_AI and len(rest) % 2 == 1 and all(SHORT_NAMES.get(q, q) in QUALIFIERS for q in rest[1::2]):
            values = {SHORT_NAMES.get(q, q): _decoded(v) for q, v in zip(rest[1::2], rest[2::2], strict=True)}
            if len(values) != len(rest) // 2:
                raise WrongParts("a qualifier stands there twice")
            scheme = next((s for s in BY_AI[ai] if s.qualifier in values), BY_AI[ai][0])
            parts = scheme.from_key(_decoded(rest[0]), values.get(scheme.qualifier or ""), _prefix_digits)
            return scheme.urn(parts), scheme, parts
    raise WrongParts("no GS1 Digital Link: its path names no GS1 key with its qualifiers")


def _decoded(segment: str) -> str:
    try:
        return unquote_to_bytes(segment).decode("ascii")
    except UnicodeDecodeError:
        raise WrongParts(f"{segment!r} holds characters outside GS1's set") from None


def _prefix_digits(digits: str) -> int:
    known = GS1CompanyPrefix.extract(digits)
    return PREFIX_DIGITS_DEFAULT if known is None else min(max(len(known.value), 6), 12)


def _link(scheme: Scheme, parts: tuple[str, ...], domain: str) -> str:
    return domain.rstrip("/") + "".join(f"/{ai}/{quote(value, safe=chr(39))}" for ai, value in scheme.elements(parts))


# ---------------------------------------------------------------- tag memory


def from_hex(text: str) -> Identity:
    """What EPC memory says, as hex; spaces, dashes, 0x and case do not matter.

    A tag without a GS1 header, or with one whose content breaks GS1's rules, is opaque. Raises RejectedInput on what is no tag memory:
    other characters, an odd number of digits, all zeros or ones (unprogrammed), fewer bits than its GS1 header promises.
    """
    plain = plain_hex(text)
    bits = len(plain) * 4
    needed = TAG_BITS_BY_HEADER.get(plain[:2])
    if needed is not None and bits < needed:
        raise RejectedInput(f"{plain} has a GS1 header that needs {needed} bits, but only {bits}", epc=plain)
    if needed is not None or plain[:2] == "3B":
        try:
            return _decoded_tag(plain, bits)
        except (ConvertException, RejectedInput, ValueError, LookupError, AttributeError):
            pass  # the header is GS1's, the content is not: nobody but its owner knows what it means
    return Identity(f"urn:epc:raw:{bits}.x{plain}", "raw", plain)


def _decoded_tag(plain: str, bits: int) -> Identity:
    memory = f"{int(plain, 16):0{bits}b}"
    found = TAG_ENCODABLE_BINARY_HEADERS[memory[:8]]
    coding = found.header_to_schemes()[memory[:8]].value
    size = coding.rsplit("-", 1)[1]
    if size.isdigit():
        memory, rest = memory[: int(size)], memory[int(size) :]
        if "1" in rest:
            raise RejectedInput("something follows the identity")  # EPC and TID glued together by a gate, for example
    at = _text_at(coding, memory)
    if at is None:
        urn, scheme, parts = _parsed(found.from_binary(memory).epc_uri)
    else:
        stand_in = found.from_binary(memory[:at] + _text_bits("A", len(memory) - at)).epc_uri
        scheme = BY_NAME[found.__name__.lower()]
        parts = (*scheme.split(stand_in.split(":", 4)[4])[:-1], _bits_text(memory[at:]))
        urn = canonical_epc(scheme.urn(parts))
    body = urn.split(":", 4)[4]
    tag_uri = f"urn:epc:tag:{coding}:{body}" if coding == "gid-96" else f"urn:epc:tag:{coding}:{int(plain[2:4], 16) >> 5}.{body}"
    return Identity(urn, urn.split(":")[3], plain, tag_uri, None if scheme is None else _link(scheme, parts, DIGITAL_LINK_DOMAIN))


def _text_at(coding: str, memory: str) -> int | None:
    at = _TEXT_AT.get(coding)
    return at + _GIAI_PREFIX_BITS[int(memory[11:14], 2)] if coding == "giai-202" and at is not None else at


def _text_bits(text: str, bits: int) -> str:
    return "".join(f"{ord(c):07b}" for c in text).ljust(bits, "0")


def _bits_text(bits: str) -> str:
    codes = [int(bits[i : i + 7], 2) for i in range(0, len(bits) - 6, 7)]
    return "".join(map(chr, codes)).rstrip("\0")  # a NUL inside is refused with every other character outside GS1's set


def from_base64(text: str) -> Identity:
    """What EPC memory says, as base64 (Impinj). Raises as from_hex does."""
    try:
        return from_hex(base64.b64decode(text, validate=True).hex())
    except (binascii.Error, ValueError):
        raise RejectedInput(f"{text[:64]!r} is not base64", epc=text) from None


def plain_hex(text: str) -> str:
    """Upper-case hex digits without 0x, spaces and dashes. Raises RejectedInput as from_hex says."""
    if not isinstance(text, str):
        raise RejectedInput("tag memory is hex text")
    plain = text.strip().upper().removeprefix("0X").replace(" ", "").replace("-", "")
    if not plain or len(plain) % 2 or _HEX.fullmatch(plain) is None:
        raise RejectedInput(f"{text[:64]!r} is not an even number of hex digits", epc=text)
    if len(plain) * 4 > TAG_BITS_MAX:
        raise RejectedInput(f"{len(plain) * 4} bits; the largest tags hold {TAG_BITS_MAX}", epc=text)
    if not plain.strip("0") or not plain.strip("F"):
        raise RejectedInput("all zeros or all ones: the tag is not programmed", epc=text)
    return plain


def to_hex(urn: str, *, bits: int = 96, filter_value: int = 0) -> str:
    """Tag memory of an identity, upper-case hex, padded to 16-bit words. bits: the tag length of its scheme (SGTIN 96 or 198, ...).

    Raises RejectedInput when the scheme has no such tag or the serial does not fit (96 bits hold a number without leading zeros only).
    """
    canonical = canonical_epc(urn)
    if canonical.startswith("urn:epc:raw:"):
        return canonical.rsplit("x", 1)[1]
    name = canonical.split(":")[3]
    coding, stand_in, text = f"{name}-{bits}", canonical, ""
    if coding in _TEXT_AT:
        *parts, text = BY_NAME[name].split(canonical.split(":", 4)[4])
        stand_in = BY_NAME[name].urn((*parts, "A"))
    try:
        coded = epc_pure_identity_to_tag_encodable(stand_in)
        scheme = coded.BinaryCodingScheme(coding)
        filters = getattr(sys.modules[type(coded).__module__], f"{name.upper()}FilterValue")(str(filter_value))
        coded.tag_uri(binary_coding_scheme=scheme, filter_value=filters)  # epcpy checks the serial's range here, not in binary()
        memory = coded.binary(binary_coding_scheme=scheme, filter_value=filters)
    except (ConvertException, LookupError, ValueError, AttributeError) as exc:
        raise RejectedInput(f"{canonical} does not fit a tag of {bits} bits with filter {filter_value}: {exc}", epc=canonical) from None
    at = _text_at(coding, memory)
    memory = memory[:bits] if at is None else memory[:at] + _text_bits(text, bits - at)
    if len(memory) > bits:
        raise RejectedInput(f"{canonical} does not fit a tag of {bits} bits: its serial is too long", epc=canonical)
    words = -(-bits // 16)
    return f"{int(memory.ljust(words * 16, '0'), 2):0{words * 4}X}"


def to_base64(urn: str, *, bits: int = 96, filter_value: int = 0) -> str:
    """to_hex in base64, as Impinj readers report it."""
    return base64.b64encode(bytes.fromhex(to_hex(urn, bits=bits, filter_value=filter_value))).decode()
