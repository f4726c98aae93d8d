"""The words of CBV 2.0. A bare word, its URN, its CURIE and its web address mean the same; unknown words of the standard are refused."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("data")


class Family(StrEnum):
    """A list of words; the value is its prefix in web addresses."""

    BIZ_STEP = "BizStep"
    DISPOSITION = "Disp"
    TRANSACTION = "BTT"
    SOURCE_DESTINATION = "SDT"
    ERROR_REASON = "ER"
    COMPONENT = "Comp"
    MEASUREMENT = "MT"
    ALERT = "Alert"


_URN_WORD = {
    Family.BIZ_STEP: "bizstep",
    Family.DISPOSITION: "disp",
    Family.TRANSACTION: "btt",
    Family.SOURCE_DESTINATION: "sdt",
    Family.ERROR_REASON: "er",
    Family.COMPONENT: "comp",
}
_CONTEXT = {
    Family.BIZ_STEP: "bizstep",
    Family.DISPOSITION: "disposition",
    Family.TRANSACTION: "biztransaction-type",
    Family.SOURCE_DESTINATION: "sourcedest-type",
    Family.ERROR_REASON: "error-reason",
}
_DEFINITION = {Family.COMPONENT: "component", Family.MEASUREMENT: "measurementType", Family.ALERT: "sensorAlertType"}
_GS1_WEB = ("https://gs1.org/voc/", "http://gs1.org/voc/", "https://www.gs1.org/voc/", "https://ref.gs1.org/voc/", "gs1:")
# In the published samples of OpenEPCIS and in the GS1 Web Vocabulary, but not in the schema's list.
_ALSO_MEASURED = frozenset({"EffectiveDose", "EffectiveDoseRate"})
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`\x00-\x1f]+")


class UnknownWord(ValueError):
    """A word that claims to be of the standard and is not."""


@cache
def schema() -> dict[str, Any]:
    """The EPCIS 2.0 JSON schema."""
    loaded: dict[str, Any] = json.loads((DATA / "EPCIS-JSON-Schema.json").read_text(encoding="utf-8"))
    return loaded


@cache
def words(family: Family) -> frozenset[str]:
    """The standard's words of one family."""
    if family in _CONTEXT:
        text = (DATA / f"cbv-{_CONTEXT[family]}-context.json").read_text(encoding="utf-8")
        terms = json.loads(text)["@context"]
        return frozenset(w for w, meaning in terms.items() if isinstance(meaning, str) and meaning.startswith(f"cbv:{family}-"))
    options = schema()["definitions"][_DEFINITION[family]].get("anyOf", [schema()["definitions"][_DEFINITION[family]]])
    found = frozenset(word for option in options for word in option.get("enum", ()))
    return found | _ALSO_MEASURED if family is Family.MEASUREMENT else found


def canonical_word(family: Family, text: str) -> str:
    """The bare word of the standard, or the user's own URI unchanged. Raises UnknownWord."""
    word = _standard_word(family, text)
    if word is None:
        if _URI.fullmatch(text) is None:
            raise UnknownWord(f"{text!r} is not a word of CBV 2.0 and not a URI")
        return text
    if word not in words(family):
        raise UnknownWord(f"{text!r} is not a word of CBV 2.0")
    return word


def web_address(family: Family, text: str) -> str:
    """How the event hash writes a word: its web address; other URIs unchanged."""
    try:
        word = canonical_word(family, text)
    except UnknownWord:
        return text
    if word not in words(family):
        return text
    if family in (Family.MEASUREMENT, Family.ALERT):
        return f"https://gs1.org/voc/{word}"
    return f"https://ref.gs1.org/cbv/{family}-{word}"


def _standard_word(family: Family, text: str) -> str | None:
    """The word in any of its forms; None = a URI outside the standard."""
    if ":" not in text:
        return text
    if family in (Family.MEASUREMENT, Family.ALERT):
        prefix = next((p for p in _GS1_WEB if text.startswith(p)), None)
        return None if prefix is None else text.removeprefix(prefix)
    forms = [f"cbv:{family}-", *(f"{s}://{h}.gs1.org/cbv/{family}-" for s in ("https", "http") for h in ("ref", "ns"))]
    if family in _URN_WORD:
        forms.append(f"urn:epcglobal:cbv:{_URN_WORD[family]}:")
    prefix = next((p for p in forms if text.startswith(p)), None)
    if prefix is not None:
        return text.removeprefix(prefix)
    if text.startswith(("cbv:", "https://ref.gs1.org/cbv/", "https://ns.gs1.org/cbv/")) or re.match(
        r"urn:epcglobal:cbv:(bizstep|disp|btt|sdt|er|comp):", text
    ):
        return text  # of the standard, but of another family: found in no list
    return None


def is_uri(text: object) -> bool:
    """Whether this is a URI with a scheme, or a CURIE, which looks alike."""
    return isinstance(text, str) and _URI.fullmatch(text) is not None
