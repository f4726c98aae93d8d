"""EPCIS over HTTP: capture jobs, what is refused, what is repeated, what is declared of our goods and taken back, what reads back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from api_server import ApiServer, ok, seed, serve

from db.pool import Pool

SAMPLES = Path(__file__).resolve().parents[1] / "payloads/epcis"
CONTEXT = ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld", {"mill": "https://mill.example/epcis/"}]
COIL = "urn:epc:raw:96.xE28011606000020000000001"  # COIL-0001's tag is not GS1's
BAY = "urn:epc:id:sgln:4012345.00005.3"
GATE = "https://id.gs1.org/414/4012345000054"


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url, body_bytes_max=2_000_000) as running:
        yield running


def event(**more: Any) -> dict[str, Any]:
    return {
        "type": "ObjectEvent",
        "eventTime": "2020-03-09T14:00:00+08:00",
        "eventTimeZoneOffset": "+08:00",
        "action": "OBSERVE",
        "bizStep": "storing",
        "epcList": [COIL],
        "readPoint": {"id": BAY},
        **more,
    }


def document(*events: dict[str, Any]) -> dict[str, Any]:
    return {
        "@context": CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2020-03-09T14:05:00+08:00",
        "epcisBody": {"eventList": list(events)},
    }


def capture(client: httpx.Client, *events: dict[str, Any], behaviour: str | None = None) -> httpx.Response:
    headers = {"GS1-EPCIS-Capture-Error-Behaviour": behaviour} if behaviour else {}
    return client.post("/epcis/v2/capture", json=document(*events), headers=headers)


def found(client: httpx.Client, path: str = "/epcis/v2/events", **params: Any) -> list[dict[str, Any]]:
    answer = ok(client.get(path, params=params))
    assert answer["type"] == "EPCISQueryDocument"
    return list(answer["epcisBody"]["queryResults"]["resultsBody"]["eventList"])


def problem(answer: httpx.Response, status: int, exception: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"epcisException:{exception}"
    assert body["status"] == status
    return body


def yard(api: ApiServer) -> httpx.Client:
    """A seeded world in which the SGLN of the bay is known."""
    loader = seed(api)
    place = {"place": BAY, "valid_from": "2020-01-01T00:00:00Z", "zone_id": "WH-SH-01/bay-3"}
    assert ok(loader.post("/epcis/v2/places", json=place), 201)["place"] == "https://id.gs1.org/414/4012345000054/254/3"
    return loader


def declared(pool: Pool) -> list[tuple[Any, ...]]:
    with pool.connection() as conn:
        return conn.execute(
            "SELECT kind, goods_id, from_zone_id, to_zone_id, corrects IS NOT NULL FROM declared_movement ORDER BY declared_no"
        ).fetchall()


def test_a_document_is_captured_as_a_job_and_reads_back_equal(api: ApiServer) -> None:
    loader = api.client("loader")
    sent = (SAMPLES / "gs1/full-context/Example_9.6.1-ObjectEvent.json").read_bytes()
    answer = loader.post("/epcis/v2/capture", content=sent, headers={"Content-Type": "application/ld+json", "GS1-EPCIS-Version": "2.0.0"})
    assert answer.status_code == 202, answer.text
    for name in ("GS1-EPCIS-Version", "GS1-EPCIS-Min", "GS1-EPCIS-Max"):
        assert answer.headers[name] == "2.0.0"
    assert answer.headers["GS1-EPCIS-Capture-Limit"] == "1000"
    assert answer.headers["GS1-EPCIS-Capture-File-Size-Limit"] == "2000000"
    job = ok(loader.get(answer.headers["Location"]))
    assert (job["success"], job["running"], job["received"], job["recorded"], job["errors"]) == (True, False, 2, 2, [])
    assert ok(loader.get(answer.headers["Location"] + "/document")) == json.loads(sent)
    officer = api.client("officer")
    assert ok(officer.get("/epcis/v2/capture"))["items"][0]["captureID"] == job["captureID"]
    events = json.loads(sent)["epcisBody"]["eventList"]
    back = found(officer, orderBy="eventTime", orderDirection="ASC")
    assert [{k: v for k, v in e.items() if k != "recordTime"} for e in back] == events
    one = ok(officer.get(f"/epcis/v2/events/{quote(events[1]['eventID'], safe='')}"))
    assert one["example:myField"] == events[1]["example:myField"]
    assert one["@context"][1] == {"example": "http://ns.example.com/epcis/"}


@pytest.mark.parametrize("folder", ["gs1/full-context", "gs1/simple-context", "openepcis/capture/documents", "openepcis/capture/events"])
def test_every_valid_sample_is_captured_and_reads_back_equal(api: ApiServer, folder: str) -> None:
    loader = api.client("loader")
    invalid = {"simple-context/WithSensorData/SensorDataExample12", "simple-context/WithSensorData/SensorDataExample17"}
    for path in sorted((SAMPLES / folder).rglob("*.json")):
        body = path.read_bytes()
        if json.loads(body)["type"] == "EPCISQueryDocument" or any(str(path.with_suffix("")).endswith(i) for i in invalid):
            continue
        if path.match("*simple-context/*/object_event_all_possible_fields.json"):
            continue  # ilmd in an OBSERVE event
        answer = loader.post("/epcis/v2/capture", content=body, headers={"Content-Type": "application/json"})
        if answer.status_code == 409:  # the two folders use some ids for other content
            problem(answer, 409, "ResourceAlreadyExistsException")
            continue
        assert answer.status_code == 202, f"{path.name}: {answer.text}"
        assert ok(loader.get(answer.headers["Location"] + "/document")) == json.loads(body), path.name


def test_one_event_is_captured_alone(api: ApiServer) -> None:
    devices = api.client("devices")
    answer = devices.post("/epcis/v2/events", json={"@context": CONTEXT, **event()})
    assert answer.status_code == 201, answer.text
    assert answer.json()["eventID"].startswith("ni:///sha-256;")
    assert ok(devices.get(answer.headers["Location"]))["eventID"] == answer.json()["eventID"]
    again = devices.post("/epcis/v2/events", json={"@context": CONTEXT, **event()})
    assert (again.status_code, again.json()["repeated"]) == (201, True)
    problem(devices.post("/epcis/v2/events", json=document(event())), 400, "ValidationException")
    problem(devices.post("/epcis/v2/events", json=event()), 400, "ValidationException")


def test_one_bad_event_rolls_all_back_or_lets_the_others_proceed(api: ApiServer) -> None:
    loader = api.client("loader")
    good, bad = event(), event(bizStep="shiping", eventTime="2020-03-09T14:01:00+08:00")
    refused = problem(capture(loader, good, bad), 400, "ValidationException")
    assert refused["code"] == "epcis_invalid"
    assert "bizStep" in refused["detail"]
    assert refused["details"]["errors"][0]["item"] == 1
    assert found(loader) == []
    job = ok(loader.get(f"/epcis/v2/capture/{refused['details']['capture_id']}"))
    assert (job["success"], job["received"], job["refused"], job["recorded"]) == (False, 2, 2, 0)
    proceeded = capture(loader, good, bad, behaviour="proceed")
    assert proceeded.status_code == 202
    job = proceeded.json()
    assert (job["success"], job["recorded"], job["refused"]) == (False, 1, 1)
    assert [(e["item"], e["code"]) for e in job["errors"]] == [(1, "invalid")]
    assert len(found(loader)) == 1


def test_the_same_event_in_another_form_is_repeated_and_other_content_is_a_conflict_that_is_kept(api: ApiServer, pool: Pool) -> None:
    loader = api.client("loader")
    first = event(eventID="urn:uuid:1", epcList=["urn:epc:id:sgtin:4012345.011111.9876"])
    ok(capture(loader, first), 202)
    other_form = {
        **first,
        "epcList": ["https://id.gs1.org/01/04012345111118/21/9876"],
        "bizStep": "urn:epcglobal:cbv:bizstep:storing",
        "eventTime": "2020-03-09T06:00:00Z",
        "readPoint": {"id": "https://id.gs1.org/414/4012345000054/254/3"},
    }
    assert ok(capture(loader, other_form), 202)["repeated"] == 1
    conflict = problem(capture(loader, {**first, "bizStep": "loading"}), 409, "ResourceAlreadyExistsException")
    assert conflict["code"] == "epcis_event_conflict"
    job = ok(capture(loader, {**first, "bizStep": "picking"}, event(), behaviour="proceed"), 202)
    assert [(e["item"], e["code"]) for e in job["errors"]] == [(0, "conflict")]
    assert job["recorded"] == 1
    with pool.connection() as conn:
        kept = conn.execute("SELECT payload->>'bizStep' FROM epcis_capture_item WHERE outcome = 'CONFLICT' ORDER BY 1").fetchall()
        assert kept == [("loading",), ("picking",)]
        assert conn.execute("SELECT bool_and(received = recorded + repeated + refused) FROM epcis_capture").fetchone() == (True,)


def test_an_observation_at_a_known_place_is_declared_and_touches_no_position(api: ApiServer, pool: Pool) -> None:
    loader = yard(api)
    ok(capture(loader, event()), 202)
    ok(capture(loader, event(eventTime="2020-03-09T14:30:00+08:00")), 202)
    leaving = event(bizStep="shipping", disposition="in_transit", eventTime="2020-03-09T14:40:00+08:00")
    ok(capture(loader, leaving), 202)
    bay = "WH-SH-01/bay-3"
    assert declared(pool) == [
        ("APPEARED", "COIL-0001", None, bay, False),
        ("SEEN", "COIL-0001", bay, bay, False),
        ("DEPARTED", "COIL-0001", bay, None, False),
    ]
    with pool.connection() as conn:
        for table in ("goods_position", "movement", "observation", "ledger_entry"):
            assert conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,), table
    trace = ok(api.client("officer").get("/api/v1/goods/COIL-0001/trace"))
    assert [i["facts"]["kind"] for i in trace["items"] if i["kind"] == "declared"] == ["APPEARED", "SEEN", "DEPARTED"]


def test_places_and_goods_may_be_named_by_our_own_ids(api: ApiServer, pool: Pool) -> None:
    loader = seed(api)
    named = event(epcList=["urn:chuantou:goods:COIL-0002"], readPoint={"id": "urn:chuantou:zone:WH-SH-01/bay-3"})
    ok(capture(loader, named, event(readPoint={"id": "urn:epc:id:sgln:4012345.00009.0"})), 202)
    assert declared(pool) == [("APPEARED", "COIL-0002", None, "WH-SH-01/bay-3", False)]
    stranger = api.client("stranger")
    ok(capture(stranger, named), 202)
    assert len(declared(pool)) == 1


def test_an_error_declaration_takes_back_what_the_event_had_derived(api: ApiServer, pool: Pool) -> None:
    loader = yard(api)
    original = event(eventID="urn:uuid:wrong")
    ok(capture(loader, original), 202)
    error = {"declarationTime": "2020-03-09T14:50:00+08:00", "reason": "did_not_occur", "correctiveEventIDs": ["urn:uuid:right"]}
    assert ok(capture(loader, {**original, "errorDeclaration": error}), 202)["recorded"] == 1
    bay = "WH-SH-01/bay-3"
    assert declared(pool) == [("APPEARED", "COIL-0001", None, bay, False), ("CORRECTION", "COIL-0001", bay, None, True)]
    assert ok(capture(loader, {**original, "errorDeclaration": error}), 202)["repeated"] == 1
    assert len(declared(pool)) == 2
    withdrawn = found(loader, EXISTS_errorDeclaration="")
    assert [e["errorDeclaration"]["correctiveEventIDs"] for e in withdrawn] == [["urn:uuid:right"]]
    assert ok(loader.get("/epcis/v2/events/urn:uuid:wrong"))["errorDeclaration"]["reason"] == "did_not_occur"
    ok(capture(loader, event(eventID="urn:uuid:right", eventTime="2020-03-09T14:10:00+08:00")), 202)
    assert declared(pool)[-1][0] == "APPEARED"  # what was withdrawn does not count as heard of before
    changed = {**original, "bizStep": "loading", "errorDeclaration": {**error, "reason": "incorrect_data"}}
    problem(capture(loader, changed), 409, "ResourceAlreadyExistsException")


def test_an_error_declaration_of_an_unknown_event_is_named_and_its_event_then_derives_nothing(api: ApiServer, pool: Pool) -> None:
    loader = yard(api)
    error = {"declarationTime": "2020-03-09T14:50:00+08:00"}
    job = ok(capture(loader, event(eventID="urn:uuid:late", errorDeclaration=error)), 202)
    assert job["success"] is True
    assert job["errors"][0]["code"] == "error_declaration_of_unknown_event"
    job = ok(capture(loader, event(eventID="urn:uuid:late")), 202)
    assert job["errors"][0]["code"] == "already_declared_in_error"
    assert declared(pool) == []


def test_what_a_pallet_held_is_known_for_any_time(api: ApiServer) -> None:
    loader = api.client("loader")
    pallet = "urn:epc:id:sscc:4012345.0000000111"
    items = [f"urn:epc:id:sgtin:4012345.011111.{n}" for n in (1, 2, 3)]

    def packing(hour: int, action: str, children: list[str] | None, **more: Any) -> dict[str, Any]:
        body = {**event(eventTime=f"2020-03-09T{hour:02}:00:00Z"), "type": "AggregationEvent", "action": action, "parentID": pallet, **more}
        del body["epcList"]
        return {**body, "bizStep": "packing", "childEPCs": children} if children else body

    wrong = packing(3, "ADD", ["urn:epc:id:sgtin:4012345.011111.9"], eventID="urn:uuid:pack")
    ok(capture(loader, packing(1, "ADD", items), packing(2, "DELETE", items[:1]), wrong), 202)
    path = f"/epcis/v2/epcs/{quote('https://id.gs1.org/00/040123450000001112', safe='')}/children"
    links = [f"https://id.gs1.org/01/04012345111118/21/{n}" for n in (1, 2, 3, 9)]
    assert ok(loader.get(path, params={"asOf": "2020-03-09T01:30:00Z"}))["childEPCs"] == links[:3]
    assert ok(loader.get(path))["childEPCs"] == [links[1], links[2], links[3]]
    ok(capture(loader, {**wrong, "errorDeclaration": {"declarationTime": "2020-03-09T04:00:00Z"}}), 202)
    assert ok(loader.get(path))["childEPCs"] == links[1:3]
    ok(capture(loader, packing(5, "DELETE", None)), 202)
    assert ok(loader.get(path))["childEPCs"] == []
    assert ok(loader.get(path, params={"asOf": "2020-03-09T04:59:59Z"}))["childEPCs"] == links[1:3]


@pytest.mark.parametrize(
    ("headers", "content", "status", "exception"),
    [
        ({"Content-Type": "application/xml"}, b"<epcis/>", 415, "UnsupportedMediaTypeException"),
        ({}, b"{}", 415, "UnsupportedMediaTypeException"),
        ({"GS1-EPCIS-Version": "1.2"}, None, 406, "NotAcceptableException"),
        ({"GS1-EPCIS-Min": "2.1"}, None, 406, "NotAcceptableException"),
        ({"GS1-EPCIS-Max": "1.2.0"}, None, 406, "NotAcceptableException"),
        ({"GS1-EPCIS-Version": "two"}, None, 406, "NotAcceptableException"),
        ({"Accept": "application/xml"}, None, 406, "NotAcceptableException"),
        ({"GS1-EPCIS-Capture-Error-Behaviour": "ignore"}, None, 400, "QueryParameterException"),
        ({"Content-Type": "application/json"}, b"{", 400, "ValidationException"),
        ({"Content-Type": "application/json"}, b"[" * 100_000, 400, "ValidationException"),
        ({"Content-Type": "application/json"}, b'{"type":"ObjectEvent","type":"x"}', 400, "ValidationException"),
        ({"Content-Type": "application/json"}, b" " * 2_000_001, 413, "CaptureLimitExceededException"),
        (
            {"Content-Type": "application/json"},
            b'{"type":"EPCISDocument","epcisBody":{"eventList":[' + b",".join([b"{}"] * 1001) + b"]}}",
            413,
            "CaptureLimitExceededException",
        ),
    ],
)
def test_a_request_that_cannot_be_served_is_refused_by_the_standards_name(
    api: ApiServer, headers: dict[str, str], content: bytes | None, status: int, exception: str
) -> None:
    loader = api.client("loader")
    answer = loader.post(
        "/epcis/v2/capture", **({"content": content} if content is not None else {"json": document(event())}), headers=headers
    )
    problem(answer, status, exception)


def test_who_may_not_capture_gets_the_standards_security_exception(api: ApiServer) -> None:
    problem(capture(api.client(), event()), 401, "SecurityException")
    problem(capture(api.client("officer"), event()), 403, "SecurityException")
    problem(api.client("officer").get("/epcis/v2/events/urn:x:none"), 404, "NoSuchNameException")


def test_another_tenant_sees_nothing_and_may_use_the_same_ids(api: ApiServer) -> None:
    loader, stranger = api.client("loader"), api.client("stranger")
    job = ok(capture(loader, event(eventID="urn:uuid:1")), 202)
    assert found(stranger) == []
    assert stranger.get(f"/epcis/v2/capture/{job['captureID']}").status_code == 404
    assert stranger.get(f"/epcis/v2/capture/{job['captureID']}/document").status_code == 404
    assert ok(capture(stranger, event(eventID="urn:uuid:1", bizStep="loading")), 202)["recorded"] == 1


def test_the_same_events_from_eight_at_once_are_recorded_once(api: ApiServer, pool: Pool) -> None:
    yard(api)
    answers: list[httpx.Response] = []
    body = [event(eventTime=f"2020-03-09T06:{m:02}:00Z") for m in range(10)]
    clients = [api.client("loader") for _ in range(8)]
    threads = [threading.Thread(target=lambda c=c: answers.append(capture(c, *body))) for c in clients]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [a.status_code for a in answers] == [202] * 8, [a.text for a in answers]
    assert sum(a.json()["recorded"] for a in answers) == 10
    assert sum(a.json()["repeated"] for a in answers) == 70
    assert len(declared(pool)) == 10


def test_a_capture_under_a_key_is_done_once(api: ApiServer) -> None:
    loader = api.client("loader")
    first, second = (loader.post("/epcis/v2/capture", json=document(event()), headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]


def test_an_event_that_lies_ahead_is_kept_with_a_warning(api: ApiServer) -> None:
    job = ok(capture(api.client("loader"), event(eventTime="2020-03-09T06:10:00Z")), 202)
    assert (job["success"], job["errors"][0]["code"]) == (True, "event_time_in_future")


def test_a_document_without_events_is_a_job_too(api: ApiServer) -> None:
    loader = api.client("loader")
    answer = capture(loader)
    assert (answer.status_code, answer.json()["received"], answer.json()["success"]) == (202, 0, True)
    assert ok(loader.get(answer.headers["Location"] + "/document")) == document()


def test_options_say_what_is_there(api: ApiServer) -> None:
    for path in ("/epcis/v2", "/epcis/v2/capture", "/epcis/v2/events"):
        answer = api.client("officer").options(path)
        assert (answer.status_code, answer.headers["GS1-EPCIS-Version"], answer.headers["GS1-CBV-Version"]) == (204, "2.0.0", "2.0.0")
