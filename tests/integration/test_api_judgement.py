"""Verdicts, rule inputs and rule settings over HTTP, on one server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from api_server import ApiServer, add_alert, lend_and_draw, ok, serve

from db.pool import Pool


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        lend_and_draw(running, pool)
        yield running


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_verdict_tells_why_and_inputs_and_settings_are_kept_on_record(api: ApiServer, pool: Pool) -> None:
    officer, loader = api.client("officer"), api.client("loader")
    clean = ok(officer.get("/api/v1/verdicts/facilities/FAC-1"))
    assert (clean["score"], clean["colour"], [leg["leg"] for leg in clean["legs"]]) == (100, "green", ["I", "T", "L"])
    add_alert(pool, "alert_a", subject_id="COIL-0001", facility_id="FAC-1")
    red = ok(officer.get("/api/v1/verdicts/facilities/FAC-1"))
    assert red["colour"] == "red"
    (reason,) = [r for leg in red["legs"] for r in leg["reasons"]]
    assert (reason["alert_id"], reason["takes"], reason["severity"]) == ("alert_a", "0.70", "P1")
    assert len(red["why"]) == len(red["why_zh"]) == 2
    assert ok(officer.get("/api/v1/verdicts/borrowers/BORROWER"))["colour"] == "red"
    assert ok(officer.get("/api/v1/verdicts/warehouses/WH-SH-01"))["colour"] == "green"
    assert code(officer.get("/api/v1/verdicts/pledges/none"))[0] == 404

    hours = {"kind": "site_hours", "warehouse_id": "WH-SH-01", "valid_from": "2020-03-01T00:00:00Z", "opens": "06:00", "closes": "22:00", "works_holidays": True}  # fmt: skip
    made = ok(loader.post("/api/v1/rule-inputs", json=hours), 201)
    assert made["input_id"].startswith("site")
    figure = {"kind": "business_figure", "figure_kind": "SITE_CAPACITY_KG", "warehouse_id": "WH-SH-01", "value": "1000", "valid_from": "2020-01-01", "valid_to": "2020-12-31", "source": "lease"}  # fmt: skip
    ok(loader.post("/api/v1/rule-inputs", json=figure), 201)
    tank = {"kind": "tank_spec", "zone_id": "WH-SH-01/bay-3", "valid_from": "2020-01-01T00:00:00Z", "strapping": [["0", "0"], ["1.5", "99.5"]], "capacity_m3": "100", "density15_min": "830", "density15_max": "850"}  # fmt: skip
    ok(loader.post("/api/v1/rule-inputs", json=tank), 201)
    for wrong in (
        {**hours, "kind": "other"},
        {**hours, "opens": "x"},
        {**hours, "closes": "06:00"},
        {**figure, "warehouse_id": None},
        {**tank, "strapping": [["1", "1"], ["0", "0"]]},
        {**hours, "warehouse_id": "WH-OTHER"},
    ):
        assert loader.post("/api/v1/rule-inputs", json=wrong).status_code == 422, wrong
    with pool.connection() as conn:
        row = conn.execute("SELECT kind, recorded_by FROM business_figure").fetchone()
    assert row is not None
    assert row[0] == "SITE_CAPACITY_KG"

    setting = {"rule_code": "R06", "name": "tolerance", "value": "0.01", "reason": "wet cargo", "warehouse_id": "WH-SH-01"}
    first = ok(officer.post("/api/v1/rule-thresholds", json=setting), 201)
    second = ok(officer.post("/api/v1/rule-thresholds", json={**setting, "value": None}), 201)
    assert second["version"] > first["version"]
    for wrong in (
        {**setting, "name": "nonsense"},
        {**setting, "rule_code": "R99"},
        {**setting, "value": "-1"},
        {**setting, "warehouse_id": "x"},
        {**setting, "product": "STEEL_STATIC"},
        {**setting, "rule_code": "V02", "name": "hysteresis"},
        {**setting, "rule_code": "R01", "name": "window_grace", "value": "7200"},
        {**setting, "rule_code": "R17", "name": "release_needed", "warehouse_id": None},
    ):
        assert officer.post("/api/v1/rule-thresholds", json=wrong).status_code == 422, wrong
    ok(officer.post("/api/v1/rule-modes", json={"rule_code": "R31", "mode": "SHADOW", "reason": "trial"}), 201)
    assert code(api.client("operator").post("/api/v1/rule-modes", json={"rule_code": "R31", "mode": "LIVE", "reason": "x"}))[0] == 403
    kept = ok(api.client("auditor").get("/api/v1/audit", params={"action": "rule.threshold"}))["items"]
    assert len(kept) == 2
