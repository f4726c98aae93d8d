"""EPCIS documents: what is accepted, what is refused and why, what is equal, and the published hashes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.epcis.document import DEPTH_MAX, RawEvent, parse
from collateral.epcis.errors import CaptureLimitExceeded, InvalidEpcis
from collateral.epcis.event import ParentChange, children_after, read_event
from collateral.epcis.event_hash import event_hash, pre_hash
from collateral.epcis.links import canonical, digital_link
from collateral.epcis.tags import tag_numbers
from collateral.epcis.validation import check_document, check_event
from collateral.epcis.vocabulary import Family, UnknownWord, canonical_word

SAMPLES = Path(__file__).resolve().parents[1] / "payloads"


def table(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader((SAMPLES / name).read_text(encoding="utf-8").splitlines()))


ROWS = [r for r in table("epcis/validation.csv") if "/queries/" not in r["file"]]
HASHED = sorted((SAMPLES / "epcis/event-hash").glob("*.json"))


def verdict(path: Path) -> str:
    """'' for a document that would be captured, else the reason."""
    try:
        document = parse(path.read_bytes())
        check_document(document)
    except InvalidEpcis as exc:
        return str(exc)
    return "; ".join(f"{f.at}: {f.why}" for f in map(check_event, document.events) if f)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r["file"].removeprefix("epcis/"))
def test_valid_samples_are_accepted_and_invalid_ones_refused_with_a_reason(row: dict[str, str]) -> None:
    """Formats are checked, yet no sample falls by them alone unless it stands under invalid/ (blank-node ids, words, node classes)."""
    said = verdict(SAMPLES / row["file"])
    valid = "/invalid/" not in row["file"] and row["schema_without_format_checks"] == "valid"
    assert (said == "") == valid, said


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("ObjectEvent_with_non_standard_bizStep", "bizStep: 'transforming' is not a word"),
        ("ObjectEvent_with_non_standard_disposition", "disposition: 'in_transport' is not a word"),
        ("ObjectEvent_with_invalid_eventTime_format", "eventTime: '22-07-2026' is not a 'date-time'"),
        ("ObjectEvent_with_ilmd_field_without_namespace", "materialType"),
        ("ObjectEvent_with_invalid_action", "action: 'CREATE'"),
        ("EPCISDocument_without_context", "@context"),
    ],
)
def test_the_reason_names_the_field(name: str, why: str) -> None:
    assert why in verdict(SAMPLES / f"epcis/openepcis/capture/invalid/{name}.json")


@pytest.mark.parametrize("path", HASHED, ids=lambda p: p.stem)
def test_published_event_hashes_are_reproduced(path: Path) -> None:
    events = parse(path.read_bytes()).events
    before = path.with_name(f"{path.stem}.prehashes.txt").read_text(encoding="utf-8").splitlines()
    assert [pre_hash(e.body, e.context) for e in events] == [line for line in before if line]
    hashes = path.with_name(f"{path.stem}.hashes.txt").read_text(encoding="utf-8").split()
    assert [event_hash(e.body, e.context) for e in events] == hashes


@pytest.mark.parametrize("row", table("gs1-epc/epc_vectors.csv"), ids=lambda r: r["hex"])
def test_a_tag_is_found_by_the_link_of_its_identity(row: dict[str, str]) -> None:
    link = digital_link(row["pure_identity_uri"])
    assert link is not None
    if row["scheme"] in ("SGTIN-96", "SSCC-96", "GRAI-96"):
        assert row["hex"] in tag_numbers(link)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("urn:epc:id:sgtin:4012345.011111.9876", "https://id.gs1.org/01/04012345111118/21/9876"),
        ("urn:epc:id:sgtin:4012345.011111.9876", "https://example.com/shop/gtin/4012345111118/ser/9876?x=1"),
        ("urn:epc:id:sgtin:4012345.011111.9876", "https://id.gs1.org/01/04012345111118/22/2A/10/L1/21/9876"),
        ("urn:epc:id:sgln:4012345.00005.0", "https://id.gs1.org/414/4012345000054"),
        ("urn:epc:id:sgln:4012345.00005.122", "https://id.example.com/414/4012345000054/254/122"),
        ("urn:epc:id:sscc:4012345.0000000111", "https://id.gs1.org/00/040123450000001112"),
        ("urn:epc:class:lgtin:4012345.012345.Lot987", "https://id.gs1.org/01/04012345123456/10/Lot987"),
        ("urn:epc:idpat:sgtin:4012345.011111.*", "https://id.gs1.org/01/04012345111118"),
        ("urn:epc:id:giai:4000001.111", "https://id.gs1.org/8004/4000001111"),
    ],
)
def test_urn_and_digital_link_are_one_identifier(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    "text",
    [
        "urn:epc:id:sgtin:4012345.011111",
        "urn:epc:id:sgtin:40x2345.011111.1",
        "urn:epc:id:sgtin:4012345.11111.1",
        "urn:uuid:1",
        "http://a.b/po/12",
    ],
)
def test_what_is_no_gs1_identifier_stays_as_it_is(text: str) -> None:
    assert digital_link(text) is None
    assert canonical(f" {text} ") == text


def test_all_forms_of_a_word_are_one_and_unknown_words_are_refused() -> None:
    forms = ("shipping", "cbv:BizStep-shipping", "urn:epcglobal:cbv:bizstep:shipping", "https://ref.gs1.org/cbv/BizStep-shipping")
    assert {canonical_word(Family.BIZ_STEP, form) for form in forms} == {"shipping"}
    assert canonical_word(Family.BIZ_STEP, "https://ns.example.com/step/weigh") == "https://ns.example.com/step/weigh"
    for wrong in (
        "shiping",
        "cbv:BizStep-shiping",
        "urn:epcglobal:cbv:bizstep:in_transit",
        "urn:epcglobal:cbv:disp:in_transit",
        "Shipping",
        "",
    ):
        with pytest.raises(UnknownWord):
            canonical_word(Family.BIZ_STEP, wrong)


def object_event(**more: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "eventTime": "2020-03-09T14:00:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "bizStep": "receiving",
        "epcList": ["urn:epc:id:sgtin:4012345.011111.9876", "urn:epc:id:sscc:4012345.0000000111"],
        "readPoint": {"id": "urn:epc:id:sgln:4012345.00005.0"},
        **more,
    }


def raw(body: dict[str, Any], **context: str) -> RawEvent:
    return RawEvent(0, json.dumps(body), body, context)


def test_the_same_event_has_one_hash_however_it_is_written() -> None:
    body = object_event(**{"ex:grade": "Q235B"})
    other = {
        **body,
        "epcList": ["https://id.gs1.org/00/040123450000001112", "https://id.gs1.org/01/04012345111118/21/9876"],
        "bizStep": "urn:epcglobal:cbv:bizstep:receiving",
        "eventTime": "2020-03-09T06:00:00.000Z",
        "readPoint": {"id": "https://id.gs1.org/414/4012345000054"},
        "recordTime": "2020-03-09T06:00:01Z",
        "eventID": "urn:uuid:374d95fc-9457-4a51-bd6a-0bba133845a8",
    }
    mine = {k.replace("ex:", "ours:"): v for k, v in reversed(other.items())}
    assert event_hash(body, {"ex": "http://a.b/"}) == event_hash(mine, {"ours": "http://a.b/"})
    assert event_hash(body, {"ex": "http://a.b/"}) != event_hash({**body, "action": "ADD"}, {"ex": "http://a.b/"})


def test_an_event_is_read_into_canonical_facts() -> None:
    quantities = [{"epcClass": "urn:epc:class:lgtin:4012345.012345.L1", "quantity": 24.5, "uom": "TNE"}]
    event = read_event(raw(object_event(quantityList=quantities, bizTransactionList=[{"type": "cbv:BTT-po", "bizTransaction": "urn:x:1"}])))
    assert event.event_id == event.content_hash
    assert event.epcs[0] == "https://id.gs1.org/01/04012345111118/21/9876"
    assert event.read_point == "https://id.gs1.org/414/4012345000054"
    assert event.transactions == ("po=urn:x:1",)
    assert [str(q) for q in event.quantities] == ["24.5"]


@pytest.mark.parametrize(
    ("more", "at"),
    [
        ({"eventTime": "2020-03-09T14:00:00"}, "eventTime"),
        ({"eventTime": "0001-01-01T00:00:00+08:00"}, "eventTime"),
        ({"eventTimeZoneOffset": "+8:00"}, "eventTimeZoneOffset"),
        ({"quantityList": [{"epcClass": "urn:x:1", "quantity": "twenty"}]}, "quantityList/0/quantity"),
        ({"grade": "Q235B"}, ""),
        ({"bizTransactionList": [{"type": "bill", "bizTransaction": "urn:x:1"}]}, "bizTransactionList/0/type"),
        ({"errorDeclaration": {"declarationTime": "2020-03-10T00:00:00Z", "reason": "oops"}}, "errorDeclaration/reason"),
        ({"epcList": "urn:x:1"}, "epcList"),
        ({"bizStep": 7}, "bizStep"),
        ({"readPoint": "urn:x:1"}, "readPoint"),
        ({"ex:note": "a\x00b"}, ""),
    ],
)
def test_one_wrong_field_is_refused_at_its_place(more: dict[str, Any], at: str) -> None:
    fault = check_event(raw(object_event(**more), ex="http://a.b/"))
    assert fault is not None
    assert fault.at == at, fault


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", InvalidEpcis),
        (b"\xff", InvalidEpcis),
        (b"[1]", InvalidEpcis),
        (b"[" * 200_000, InvalidEpcis),
        (b'{"a":' * 80 + b"1" + b"}" * 80, InvalidEpcis),
        (b'{"type":"EPCISDocument","epcisBody":[]}', InvalidEpcis),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[1]}}', InvalidEpcis),
        (b'{"type":"x","type":"y"}', InvalidEpcis),
        (b'{"type":"x",' + b",".join(b'"k%d":1' % (n // 2) for n in range(200_000)) + b"}", InvalidEpcis),
        (b'{"type":"x","n":NaN}', InvalidEpcis),
        (b'{"type":"x","n":1e400}', InvalidEpcis),
        (b'{"type":"x","n":' + b"9" * 5000 + b"}", InvalidEpcis),
        (b'{"type":"EPCISDocument","epcisBody":{"eventList":[' + b",".join([b"{}"] * 1_001) + b"]}}", CaptureLimitExceeded),
        (b'{"type":"x","epcList":[' + b",".join([b"1"] * 100_001) + b"]}", CaptureLimitExceeded),
    ],
)
def test_bodies_out_of_bounds_are_refused_by_name(body: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        parse(body)


_NAMES = (
    st.sampled_from(["type", "epcisBody", "eventList", "@context", "bizStep", "sensorElementList", "errorDeclaration", "epcList"])
    | st.text()
)
_WORDS = st.sampled_from(["EPCISDocument", "ObjectEvent", "shipping", "urn:x:1"]) | st.text()
_JSON: st.SearchStrategy[Any] = st.deferred(
    lambda: st.none() | _WORDS | st.floats() | st.integers() | st.lists(_JSON, max_size=3) | st.dictionaries(_NAMES, _JSON, max_size=5)
)


@given(st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_events_or_a_named_refusal(body: bytes) -> None:
    try:
        document = parse(body)
        check_document(document)
    except (InvalidEpcis, CaptureLimitExceeded):
        return
    for event in document.events:
        if check_event(event) is None:
            read_event(event)


def test_a_hostile_list_is_checked_in_linear_time() -> None:
    fault = check_event(raw(object_event(epcList=[{"n": n} for n in range(20_000)])))
    assert fault is not None
    assert fault.at.startswith("epcList")
    twice = check_event(raw(object_event(epcList=["urn:x:1", "urn:x:1"])))
    assert twice is not None
    assert (twice.at, twice.why) == ("epcList", "has an element twice")


def test_events_are_kept_to_the_byte() -> None:
    one = '{ "type" : "ObjectEvent", "value": 1.50, "big": 0.12345678901234567890 }'
    document = parse(('\ufeff{"type":"EPCISDocument","epcisBody":{"eventList":[' + one + "]}}").encode())
    assert document.events[0].text == one
    assert DEPTH_MAX >= 32


def test_what_a_parent_holds_follows_its_changes() -> None:
    add, some, all_ = ParentChange("ADD", ("a", "b", "c")), ParentChange("DELETE", ("b",)), ParentChange("DELETE", ())
    assert children_after([add, some, ParentChange("OBSERVE", ("z",))]) == ["a", "c"]
    assert children_after([add, all_]) == []
    assert children_after([all_, ParentChange("ADD", ("d",))]) == ["d"]
