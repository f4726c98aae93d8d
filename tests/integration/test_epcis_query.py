"""The EPCIS query interface: what each parameter finds, pages, named queries, refusals by the parameter's name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from api_server import ApiServer, ok, serve
from test_epcis_capture import CONTEXT, capture, event, found, problem

from collateral.epcis.errors import QueryParameterRefused
from collateral.epcis.query import from_json, read_query
from db.pool import Pool

SAMPLES = Path(__file__).resolve().parents[1] / "payloads/epcis"
ITEM = "urn:epc:id:sgtin:4012345.011111.9876"
ITEM_LINK = "https://id.gs1.org/01/04012345111118/21/9876"
PALLET = "urn:epc:id:sscc:4012345.0000000111"
LOT = "urn:epc:class:lgtin:4012345.012345.L1"
DOCK = "urn:epc:id:sgln:4012345.00005.7"


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def world(api: ApiServer) -> httpx.Client:
    """Five events of every kind, an hour apart: e1 ... e5."""
    common = {"eventTimeZoneOffset": "+08:00", "readPoint": {"id": DOCK}}
    order = [
        {"type": "po", "bizTransaction": "http://orders.example/po/7"},
        {"type": "desadv", "bizTransaction": "urn:epcglobal:cbv:bt:1:A"},
    ]
    events: list[dict[str, Any]] = [
        event(eventID="urn:x:e1", epcList=[ITEM], bizStep="receiving", disposition="in_progress", bizTransactionList=order, **common),
        {**common, "type": "AggregationEvent", "action": "ADD", "parentID": PALLET, "childEPCs": [ITEM], "bizStep": "packing"},
        {**common, "type": "TransformationEvent", "inputEPCList": [ITEM], "outputEPCList": ["urn:epc:id:sgtin:4012345.011111.1"]},
        event(
            eventID="urn:x:e4",
            epcList=[],
            bizStep="cbv:BizStep-cycle_counting",
            readPoint={"id": "urn:epc:id:sgln:4012345.00009.0"},
            bizLocation={"id": "https://id.gs1.org/414/4012345000092"},
            quantityList=[{"epcClass": LOT, "quantity": 24.5, "uom": "TNE"}],
        ),
        {**common, "type": "TransactionEvent", "action": "ADD", "epcList": ["urn:x:1"], "bizTransactionList": order[:1]},
    ]
    for n, one in enumerate(events, 1):
        one |= {"eventID": f"urn:x:e{n}", "eventTime": f"2020-03-09T0{n}:00:00Z"}
    events[4]["persistentDisposition"] = {"set": ["https://ours.example/disp/pledged"]}
    ok(capture(api.client("loader"), *events), 202)
    return api.client("officer")


def ids(client: httpx.Client, **params: Any) -> str:
    return " ".join(e["eventID"].removeprefix("urn:x:") for e in found(client, orderDirection="ASC", **params))


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "e1 e2 e3 e4 e5"),
        ({"eventType": "ObjectEvent,TransactionEvent"}, "e1 e4 e5"),
        ({"GE_eventTime": "2020-03-09T02:00:00Z", "LT_eventTime": "2020-03-09T12:00:00+08:00"}, "e2 e3"),
        ({"GE_recordTime": "2020-03-09T06:00:00Z"}, "e1 e2 e3 e4 e5"),
        ({"LT_recordTime": "2020-03-09T06:00:00Z"}, ""),
        ({"EQ_action": "ADD"}, "e2 e5"),
        ({"EQ_bizStep": "https://ref.gs1.org/cbv/BizStep-receiving,urn:epcglobal:cbv:bizstep:cycle_counting"}, "e1 e4"),
        ({"EQ_disposition": "in_progress"}, "e1"),
        ({"EQ_persistentDisposition_set": "https://ours.example/disp/pledged"}, "e5"),
        ({"EQ_readPoint": "https://id.gs1.org/414/4012345000054/254/7"}, "e1 e2 e3 e5"),
        ({"WD_readPoint": "urn:epc:id:sgln:4012345.00005.0"}, "e1 e2 e3 e5"),
        ({"EQ_readPoint": "urn:epc:id:sgln:4012345.00005.0"}, ""),
        ({"EQ_bizLocation": "urn:epc:id:sgln:4012345.00009.0"}, "e4"),
        ({"MATCH_epc": ITEM_LINK}, "e1 e2"),
        ({"MATCH_epc": "urn:epc:idpat:sgtin:4012345.011111.*"}, "e1 e2"),
        ({"MATCH_anyEPC": ITEM}, "e1 e2 e3"),
        ({"MATCH_anyEPC": [PALLET, "urn:x:1"]}, "e2 e5"),
        ({"MATCH_anyEPC": "urn:epc:idpat:sgtin:4012345.011111.*"}, "e1 e2 e3"),
        ({"MATCH_parentID": "https://id.gs1.org/00/040123450000001112"}, "e2"),
        ({"MATCH_inputEPC": ITEM}, "e3"),
        ({"MATCH_outputEPC": ITEM}, ""),
        ({"MATCH_epcClass": "https://id.gs1.org/01/04012345123456/10/L1"}, "e4"),
        ({"MATCH_anyEPCClass": LOT}, "e4"),
        ({"GE_quantity": "24.5", "LT_quantity": "25"}, "e4"),
        ({"GT_quantity": "24.5"}, ""),
        ({"EQ_quantity": "24.50"}, "e4"),
        ({"EQ_bizTransaction_po": "http://orders.example/po/7"}, "e1 e5"),
        ({"EQ_bizTransaction_po": "http://orders.example/po/7", "EQ_bizTransaction_desadv": "urn:epcglobal:cbv:bt:1:A"}, "e1"),
        ({"EQ_eventID": "urn:x:e2,urn:x:e3"}, "e2 e3"),
        ({"EXISTS_errorDeclaration": "true"}, ""),
        ({"eventCountLimit": "2"}, "e1 e2"),
        ({"maxEventCount": "5"}, "e1 e2 e3 e4 e5"),
    ],
    ids=lambda p: "&".join(p) if isinstance(p, dict) else None,
)
def test_a_query_finds_what_meets_all_its_parameters(api: ApiServer, params: dict[str, Any], expected: str) -> None:
    assert ids(world(api), **params) == expected


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"EQ_bizstep": "receiving"}, "EQ_bizstep"),
        ({"EQ_example:field": "1"}, "EQ_example:field"),
        ({"EQ_bizStep": "shiping"}, "EQ_bizStep"),
        ({"EQ_action": "CREATE"}, "EQ_action"),
        ({"eventType": "Event"}, "eventType"),
        ({"GE_eventTime": "yesterday"}, "GE_eventTime"),
        ({"GE_eventTime": "2020-03-09T06:00:00"}, "GE_eventTime"),
        ({"MATCH_epc": "urn:epc:idpat:sgtin:4012345.*.*"}, "MATCH_epc"),
        ({"EQ_bizTransaction_bill": "urn:x:1"}, "EQ_bizTransaction_bill"),
        ({"orderBy": "epc"}, "orderBy"),
        ({"orderDirection": "SIDEWAYS"}, "orderDirection"),
        ({"perPage": "0"}, "perPage"),
        ({"perPage": "1001"}, "perPage"),
        ({"eventCountLimit": "many"}, "eventCountLimit"),
        ({"eventCountLimit": "1", "maxEventCount": "1"}, "maxEventCount"),
        ({"nextPageToken": "x"}, "nextPageToken"),
        ({"GE_quantity": "NaN"}, "GE_quantity"),
        ({"EQ_eventID": ""}, "EQ_eventID"),
    ],
    ids=lambda p: "&".join(p) if isinstance(p, dict) else None,
)
def test_a_parameter_that_cannot_be_used_is_refused_by_name(api: ApiServer, params: dict[str, str], name: str) -> None:
    refused = problem(api.client("officer").get("/epcis/v2/events", params=params), 400, "QueryParameterException")
    assert refused["details"]["parameter"] == name
    assert refused["detail"].startswith(name)


def test_more_events_than_the_caller_can_take_are_refused(api: ApiServer) -> None:
    problem(world(api).get("/epcis/v2/events", params={"maxEventCount": 4}), 413, "QueryTooLargeException")


@pytest.mark.parametrize(
    "order", [{}, {"orderBy": "recordTime", "orderDirection": "ASC"}, {"orderBy": "eventTime", "orderDirection": "ASC"}]
)
@pytest.mark.parametrize("limit", [{}, {"eventCountLimit": 3}])
def test_pages_show_every_event_once_in_order(api: ApiServer, order: dict[str, str], limit: dict[str, int]) -> None:
    officer = world(api)
    whole = [e["eventID"] for e in found(officer, **order, **limit)]
    assert len(whole) == (3 if limit else 5)
    seen, answer = [], officer.get("/epcis/v2/events", params={"perPage": 2, **order, **limit})
    while True:
        page = ok(answer)["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
        assert 1 <= len(page) <= 2
        seen += [e["eventID"] for e in page]
        if "next" not in answer.links:
            break
        answer = officer.get(answer.links["next"]["url"])
    assert seen == whole


def test_resources_lead_to_their_events(api: ApiServer) -> None:
    officer = world(api)
    assert ok(officer.get("/epcis/v2/eventTypes"))["member"] == [
        "AggregationEvent",
        "ObjectEvent",
        "TransactionEvent",
        "TransformationEvent",
    ]
    assert ITEM_LINK in ok(officer.get("/epcis/v2/epcs"))["member"]
    assert ok(officer.get("/epcis/v2/bizSteps", params={"perPage": 1}))["member"] == ["cycle_counting"]
    path = f"/epcis/v2/epcs/{quote(ITEM, safe='')}/events"
    assert len(found(officer, path)) == 3
    assert len(found(officer, path, EQ_bizStep="packing")) == 1
    assert len(found(officer, "/epcis/v2/bizSteps/receiving/events")) == 1
    assert len(found(officer, f"/epcis/v2/epcs/{quote(ITEM_LINK, safe='')}/events")) == 3
    problem(officer.get("/epcis/v2/bizSteps/shiping/events"), 400, "QueryParameterException")
    problem(officer.get("/epcis/v2/colours"), 400, "QueryParameterException")


def test_a_named_query_is_kept_run_and_forgotten(api: ApiServer) -> None:
    officer = world(api)
    query = {
        "name": "receipts",
        "query": {"eventType": ["ObjectEvent"], "EQ_bizStep": ["receiving"], "GE_eventTime": "2020-01-01T00:00:00Z"},
    }
    made = officer.post("/epcis/v2/queries", json=query)
    assert (made.status_code, made.headers["Location"]) == (201, "/epcis/v2/queries/receipts")
    problem(officer.post("/epcis/v2/queries", json=query), 409, "ResourceAlreadyExistsException")
    assert ok(officer.get("/epcis/v2/queries/receipts"))["query"] == query["query"]
    assert [q["name"] for q in ok(officer.get("/epcis/v2/queries"))["items"]] == ["receipts"]
    assert [e["eventID"] for e in found(officer, "/epcis/v2/queries/receipts/events")] == ["urn:x:e1"]
    assert ok(officer.get("/epcis/v2/queries/receipts/events"))["epcisBody"]["queryResults"]["queryName"] == "receipts"
    assert api.client("stranger").get("/epcis/v2/queries/receipts").status_code == 404
    bad = {"name": "bad", "query": {"orderDirection": "SIDEWAYS"}}
    assert problem(officer.post("/epcis/v2/queries", json=bad), 400, "QueryParameterException")["details"]["parameter"] == "orderDirection"
    assert ok(officer.delete("/epcis/v2/queries/receipts"))["name"] == "receipts"
    problem(officer.get("/epcis/v2/queries/receipts/events"), 404, "NoSuchNameException")


def test_the_published_query_samples_are_read_and_the_invalid_one_is_refused() -> None:
    folder = SAMPLES / "openepcis/query/queries"
    query = read_query(from_json(json.loads((folder / "SimpleEventQuery.json").read_text())))
    assert query.params["biz_steps"] == ["shipping"]
    assert (query.descending, query.limit) == (True, 100)
    with pytest.raises(QueryParameterRefused):
        read_query(from_json(json.loads((folder / "invalid/Query_with_invalid_values.json").read_text())))


def test_events_whose_namespaces_clash_each_bring_their_own(api: ApiServer) -> None:
    loader = api.client("loader")
    for n, namespace in enumerate(("http://one.example/", "http://two.example/")):
        body = {"@context": [CONTEXT[0], {"ex": namespace}], **event(eventID=f"urn:x:{n}"), "ex:grade": str(n)}
        ok(loader.post("/epcis/v2/events", json=body), 201)
    events = found(loader)
    assert {e["ex:grade"]: e["@context"][1]["ex"] for e in events} == {"0": "http://one.example/", "1": "http://two.example/"}
    one = ok(loader.get("/epcis/v2/events", params={"EQ_eventID": "urn:x:0"}))
    assert one["@context"][1] == {"ex": "http://one.example/"}
