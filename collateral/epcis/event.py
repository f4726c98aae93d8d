"""What an event says, in the forms in which it is compared, kept and searched."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from collateral.epcis.document import STANDARD_CONTEXT, RawEvent
from collateral.epcis.event_hash import event_hash
from collateral.epcis.links import canonical
from collateral.epcis.validation import instant, map_words
from collateral.epcis.vocabulary import canonical_word

_HASH_ID = re.compile(r"(?i:ni:///sha-256;[0-9a-f]{64}\?ver=)CBV2\.\d")
# Steps that say: the goods leave this place.
DEPARTURES = frozenset({"departing", "shipping"})


@dataclass(frozen=True)
class ErrorDeclaration:
    """The sender takes the event back."""

    declared_at: datetime
    reason: str | None
    corrective_ids: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """A valid event. Identifiers are canonical Digital Links, words bare, times UTC; text is the event as it was received."""

    item_no: int
    event_id: str
    content_hash: str
    event_type: str
    event_time: datetime
    time_zone_offset: str
    action: str | None
    biz_step: str | None
    disposition: str | None
    read_point: str | None
    biz_location: str | None
    parent_id: str | None
    transformation_id: str | None
    epcs: tuple[str, ...]
    input_epcs: tuple[str, ...]
    output_epcs: tuple[str, ...]
    epc_classes: tuple[str, ...]
    input_classes: tuple[str, ...]
    output_classes: tuple[str, ...]
    quantities: tuple[Decimal, ...]
    transactions: tuple[str, ...]
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    lasting_set: tuple[str, ...]
    lasting_unset: tuple[str, ...]
    error: ErrorDeclaration | None
    context: Mapping[str, str]
    text: str

    @property
    def declares_error(self) -> bool:
        """Whether this withdraws the event of the same id."""
        return self.error is not None


def read_event(raw: RawEvent) -> Event:
    """The event in a body that check_event found valid. Its id is the sender's, else the event hash."""
    body = map_words(raw.body, lambda family, word, _: canonical_word(family, word))
    own_hash = event_hash(raw.body, raw.context)
    declared = body.get("errorDeclaration")
    quantities = [q for field in _QUANTITY_LISTS for q in body.get(field, ())]
    return Event(
        item_no=raw.item_no,
        event_id=canonical_event_id(str(body.get("eventID") or body.get("id") or own_hash)),
        content_hash=own_hash,
        event_type=body["type"],
        event_time=instant(body["eventTime"]),
        time_zone_offset=body["eventTimeZoneOffset"],
        action=body.get("action"),
        biz_step=body.get("bizStep"),
        disposition=body.get("disposition"),
        read_point=_place(body.get("readPoint")),
        biz_location=_place(body.get("bizLocation")),
        parent_id=canonical(body["parentID"]) if body.get("parentID") else None,
        transformation_id=body.get("transformationID"),
        epcs=_canonical([*body.get("epcList", ()), *body.get("childEPCs", ())]),
        input_epcs=_canonical(body.get("inputEPCList", ())),
        output_epcs=_canonical(body.get("outputEPCList", ())),
        epc_classes=_classes(body, ("quantityList", "childQuantityList")),
        input_classes=_classes(body, ("inputQuantityList",)),
        output_classes=_classes(body, ("outputQuantityList",)),
        quantities=tuple(sorted({Decimal(str(q["quantity"])) for q in quantities if "quantity" in q})),
        transactions=_typed(body.get("bizTransactionList", ()), "bizTransaction"),
        sources=_typed(body.get("sourceList", ()), "source"),
        destinations=_typed(body.get("destinationList", ()), "destination"),
        lasting_set=tuple(body.get("persistentDisposition", {}).get("set", ())),
        lasting_unset=tuple(body.get("persistentDisposition", {}).get("unset", ())),
        error=None if declared is None else _error(declared),
        context=dict(raw.context),
        text=raw.text,
    )


_QUANTITY_LISTS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")


def canonical_event_id(text: str) -> str:
    """An event id as it is compared: without blanks around it; a hash in lower case up to its version."""
    text = text.strip()
    return text[:-7].lower() + text[-7:] if _HASH_ID.fullmatch(text) else text


def _error(declared: Mapping[str, Any]) -> ErrorDeclaration:
    ids = tuple(canonical_event_id(i) for i in declared.get("correctiveEventIDs", ()))
    return ErrorDeclaration(instant(declared["declarationTime"]), declared.get("reason"), ids)


def _place(value: Any) -> str | None:
    return canonical(value["id"]) if isinstance(value, Mapping) else None


def _canonical(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical(t) for t in texts))


def _classes(body: Mapping[str, Any], fields: Sequence[str]) -> tuple[str, ...]:
    return _canonical(q["epcClass"] for field in fields for q in body.get(field, ()))


def typed_key(kind: str | None, value: str) -> str:
    """How a business transaction, source or destination is searched: its type and its canonical id."""
    return f"{kind or ''}={canonical(value)}"


def _typed(items: Iterable[Mapping[str, Any]], field: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(typed_key(item.get("type"), item[field]) for item in items))


def with_record_time(text: str, event_id: str, recorded_at: datetime, context: Mapping[str, str] | None) -> dict[str, Any]:
    """The event as the query interface gives it: as received, with its id and our recordTime. context: added when it must travel along."""
    body: dict[str, Any] = json.loads(text)
    body.pop("recordTime", None)
    if "eventID" not in body and "id" not in body:
        body["eventID"] = event_id
    body["recordTime"] = recorded_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if context is not None:
        body["@context"] = [STANDARD_CONTEXT, dict(context)] if context else [STANDARD_CONTEXT]
    else:
        body.pop("@context", None)
    return body


@dataclass(frozen=True)
class ParentChange:
    """What one aggregation event did to a parent's contents."""

    action: str
    children: tuple[str, ...]


def children_after(changes: Iterable[ParentChange]) -> list[str]:
    """What a parent holds after these changes in order of event time. DELETE without children empties it; OBSERVE changes nothing."""
    held: dict[str, None] = {}
    for change in changes:
        if change.action == "ADD":
            held.update(dict.fromkeys(change.children))
        elif change.action == "DELETE":
            for child in change.children or tuple(held):
                held.pop(child, None)
    return list(held)
