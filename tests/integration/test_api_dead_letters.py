"""The desk's side of the dead letter: browse, claim a device in quarantine, re-drive, discard; legal holds."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from api_server import T0, ApiServer, ok, seed, serve

from db.pool import Pool
from ingest.readings import Limits
from ingest.redrive import Redriver, Round
from ingest.registry import Registry
from ingest.screen import Delivery
from ingest.store import StoreOptions
from ingest.writer import Writer
from risk.conservation import check_conservation
from risk.jobs import RunReport

NEW_TOPIC = "v1/demo/WH-SH-01/rfid/RDR-NEW/reads"
PAYLOAD = b'{"ts":"2020-03-09T05:59:00Z","seq":1,"reads":[{"epc":"E28011700000000000000001","ant":1}]}'
NEW_READER = {"device_id": "RDR-NEW", "site": "WH-SH-01", "warehouse_id": "WH-SH-01", "class": "rfid", "format": "native", "name": "New"}


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        seed(running)
        yield running


class _Inbox:
    def take_all(self, items_max: int, bytes_max: int, timeout_s: float) -> list[Delivery]:
        return []

    def ack(self, deliveries: list[Delivery]) -> None:
        pass


def deliver(pool: Pool, *messages: tuple[str, bytes]) -> None:
    """As a worker takes them from the broker."""
    writer = Writer(pool, _Inbox(), Registry(unknown_retry_s=0.0))
    assert writer.keep([Delivery(topic, payload, T0) for topic, payload in messages])


def letters(api: ApiServer, who: str = "devices", **filters: Any) -> list[dict[str, Any]]:
    return ok(api.client(who).get("/api/v1/dead-letters", params=filters))["items"]  # type: ignore[no-any-return]


def drive(api: ApiServer) -> Round:
    return Redriver(api.pool, limits=Limits(), options=StoreOptions()).drive_queued()


def test_a_device_in_quarantine_is_claimed_and_its_messages_go_in(api: ApiServer) -> None:
    deliver(api.pool, (NEW_TOPIC, PAYLOAD))
    devices = api.client("devices")
    (found,) = ok(devices.get("/api/v1/quarantine"))["items"]
    assert (found["device_id"], found["site"], found["class"], found["messages"], found["letters_kept"]) == (
        "RDR-NEW",
        "WH-SH-01",
        "rfid",
        1,
        1,
    )
    ok(devices.post("/api/v1/devices", json=NEW_READER), 201)
    assert ok(devices.post("/api/v1/dead-letters/redrive", json={"reason": "unknown_device", "topic_device": "RDR-NEW"}), 202) == {
        "queued": 1
    }
    assert letters(api, state="QUEUED")[0]["worked_by"] == api.users["devices"].user_id
    assert drive(api) == Round(driven=1)
    (letter,) = letters(api)
    assert (letter["state"], letter["outcome"]["stored"]) == ("REDRIVEN", 1)
    assert ok(devices.get("/api/v1/quarantine"))["items"] == []
    tally = ok(devices.get("/api/v1/ingest/tally"))
    assert tally["agrees"] is True
    theirs = ok(api.client("stranger").get("/api/v1/ingest/tally"))
    assert theirs["agrees"] is True, "whose the device is now does not change how its message was counted"
    assert [(r["conserved"], r["found"]) for r in tally["items"]] == [(None, None)] * 2
    check_conservation(api.pool, T0, RunReport(job="conservation"))
    counted = {r["device_id"]: (r["conserved"], r["found"]) for r in ok(devices.get("/api/v1/ingest/tally"))["items"]}
    assert counted == {"": (None, None), "RDR-NEW": (True, 1)}
    assert tally["totals"] == {"received": 2, "stored": 1, "repeated": 0, "absorbed": 0, "refused": 1}


def test_one_letter_shows_all_its_bytes_and_is_driven_once(api: ApiServer) -> None:
    long = b'{"ts":"x' + b"y" * 5000 + b'"}'
    deliver(api.pool, (NEW_TOPIC, long))
    (listed,) = letters(api)
    devices = api.client("devices")
    whole = ok(devices.get(f"/api/v1/dead-letters/{listed['dead_letter_id']}"))
    assert (len(base64.b64decode(listed["payload_base64"])), base64.b64decode(whole["payload_base64"])) == (2000, long)
    path = f"/api/v1/dead-letters/{listed['dead_letter_id']}/redrive"
    assert ok(devices.post(path), 202)["state"] == "QUEUED"
    again = devices.post(path)
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert "QUEUED" in again.json()["detail"]


def test_a_retained_message_and_a_cut_one_are_not_queued(api: ApiServer) -> None:
    with api.pool.connection() as conn:
        for reason, length in (("retained", 1), ("too_large", 99)):
            conn.execute(
                "INSERT INTO dead_letter (topic, tenant_id, item_no, reason, detail, payload, payload_bytes, payload_sha256, first_received_at, last_received_at)"
                " VALUES (%s, 'demo', -1, %s, 'x', '\\x7b', %s, '\\x00', %s, %s)",
                (NEW_TOPIC, reason, length, T0, T0),
            )
    devices = api.client("devices")
    words = {
        letter["reason"]: devices.post(f"/api/v1/dead-letters/{letter['dead_letter_id']}/redrive").json()["detail"]
        for letter in letters(api)
    }
    assert "retained" in words["retained"]
    assert "1 of its 99 bytes" in words["too_large"]
    assert ok(devices.post("/api/v1/dead-letters/redrive", json={"since": (T0 - timedelta(days=1)).isoformat()}), 202) == {"queued": 0}


def test_a_redrive_of_everything_is_refused(api: ApiServer) -> None:
    answer = api.client("devices").post("/api/v1/dead-letters/redrive", json={})
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_input")


def test_a_discarded_letter_keeps_its_reason_and_is_not_driven(api: ApiServer) -> None:
    deliver(api.pool, (NEW_TOPIC, PAYLOAD))
    letter_id = letters(api)[0]["dead_letter_id"]
    devices = api.client("devices")
    gone = ok(devices.post(f"/api/v1/dead-letters/{letter_id}/discard", json={"reason": "a test reader"}))
    assert (gone["state"], gone["outcome"]) == ("DISCARDED", {"discarded": "a test reader"})
    assert devices.post(f"/api/v1/dead-letters/{letter_id}/redrive").status_code == 409


def test_another_tenant_neither_sees_nor_drives_a_letter(api: ApiServer) -> None:
    deliver(api.pool, (NEW_TOPIC, PAYLOAD))
    letter_id = letters(api)[0]["dead_letter_id"]
    stranger = api.client("stranger")
    assert letters(api, "stranger") == []
    assert ok(stranger.get("/api/v1/quarantine"))["items"] == []
    for act, body in (("redrive", None), ("discard", {"reason": "x"})):
        assert stranger.post(f"/api/v1/dead-letters/{letter_id}/{act}", json=body).status_code == 404
    assert stranger.get(f"/api/v1/dead-letters/{letter_id}").status_code == 404
    assert ok(stranger.post("/api/v1/dead-letters/redrive", json={"reason": "unknown_device"}), 202) == {"queued": 0}


def test_a_hold_is_placed_once_and_lifted_once(api: ApiServer) -> None:
    deliver(api.pool, (NEW_TOPIC, PAYLOAD))
    ok(api.client("devices").post("/api/v1/devices", json=NEW_READER), 201)
    auditor = api.client("auditor")
    body = {"subject_kind": "device", "subject_id": "RDR-NEW", "reason": "court order 12"}
    hold = ok(auditor.post("/api/v1/legal-holds", json=body), 201)
    assert auditor.post("/api/v1/legal-holds", json=body).json()["code"] == "wrong_state"
    assert api.client("stranger").post("/api/v1/legal-holds", json=body).status_code == 404
    assert auditor.post("/api/v1/legal-holds", json={**body, "subject_kind": "goods"}).status_code == 404
    lifted = ok(auditor.post(f"/api/v1/legal-holds/{hold['hold_id']}/lift"))
    assert lifted["lifted_by"] == api.users["auditor"].user_id
    assert auditor.post(f"/api/v1/legal-holds/{hold['hold_id']}/lift").status_code == 409
    assert [h["hold_id"] for h in ok(auditor.get("/api/v1/legal-holds"))["items"]] == [hold["hold_id"]]
