"""The web desk in a real browser, over a real API and store."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from api_server import PASSWORD, T0, ApiServer, add_alert, ok, see, seed, serve, until
from playwright.sync_api import Browser, Page, expect, sync_playwright

from collateral import margin_service, valuation_service
from collateral.clock import FixedClock
from db.pool import Pool

pytestmark = pytest.mark.browser
SHOTS = os.environ.get("CHUANTOU_DESK_SHOTS")  # a folder: keep pictures of every page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium; in CI that is a failure")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


@pytest.fixture
def page(browser: Browser, api: ApiServer) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1360, "height": 860}, locale="en-GB")
    opened = context.new_page()
    faults: list[str] = []
    opened.on("pageerror", lambda e: faults.append(str(e)))
    opened.on(
        "console",
        lambda m: faults.append(m.text) if m.type == "error" and not any(status in m.text for status in ("401", "409", "503")) else None,
    )
    foreign: list[str] = []
    opened.on("request", lambda r: foreign.append(r.url) if not r.url.startswith((api.url, "data:")) else None)
    yield opened
    context.close()
    assert faults == []
    assert foreign == [], "the desk must work without a network"


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def sign_in(page: Page, api: ApiServer, username: str = "officer") -> None:
    page.goto(api.url)
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#bar .dot.live")).to_be_visible()


def lend(api: ApiServer, pool: Pool) -> None:
    """A facility with pledged, seen coils, drawn to 70 per cent; then the price falls below its lines."""
    loader = seed(api, units=6)
    ids = [f"COIL-{n:04d}" for n in range(1, 6)]
    draft = ok(loader.post("/api/v1/pledges", json={"facility_id": "FAC-1", "goods_ids": ids}), 201)
    ok(api.client("approver").post(f"/api/v1/pledges/{draft['pledge_id']}/approve"))
    see(pool)
    cash = {
        "facility_id": "FAC-1",
        "kind": "DRAWDOWN",
        "amount": "270000",
        "currency": "CNY",
        "happened_at": "2020-03-06T02:00:00Z",
        "reason": "first drawing",
    }
    ok(loader.post("/api/v1/cash-movements", json=cash), 201)
    price = Decimal(3400)
    for hour in range(1, 8):
        price *= Decimal("0.96")
        at = T0 + timedelta(minutes=hour)
        with pool.connection() as conn:
            conn.execute(
                "INSERT INTO price_quote (price_id, commodity_code, source, quoted_at, published_at, recorded_at, price, currency, unit,"
                " tax_inclusive, synthetic, status) VALUES (%s, 'HRC', 'mysteel', %s, %s, %s, %s, 'CNY', 't', false, true, 'ACCEPTED')",
                (f"p{hour}", at, at, at, price.quantize(Decimal("0.01"))),
            )
        valuation = valuation_service.value_facility(pool, "FAC-1", at, "PRICE")
        margin_service.apply_margin(pool, valuation.valuation_id, at)
    api.parts.clock = FixedClock(T0 + timedelta(minutes=8))


def test_an_alert_appears_by_itself_and_is_worked_to_its_end_by_two_people(page: Page, api: ApiServer, pool: Pool) -> None:
    lend(api, pool)
    page.goto(api.url)
    shot(page, "sign-in")
    sign_in(page, api)
    expect(page.get_by_text("No alerts here")).to_be_visible()
    add_alert(pool, "alert_a", severity="P1", subject_id="COIL-0001", facility_id="FAC-1")
    add_alert(pool, "alert_b", severity="P3", subject_id="COIL-0002", rule_code="V01", summary="<img src=x onerror=alert(1)> fell", leg="T")
    row = page.locator(".row.p1")
    expect(row).to_contain_text("left and no issued release")
    expect(page.locator("#bar .count.p1")).to_have_text("1")
    expect(page.locator("#live")).to_contain_text("New P1 alert")
    expect(page.locator(".row", has_text="<img src=x")).to_be_visible()
    row.click()
    expect(page.locator(".detail")).to_contain_text("movement id")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".detail .state").first).to_have_text("acknowledged")
    page.get_by_placeholder("Comment").fill("Called the yard; lorry stopped at the gate.")
    page.get_by_role("button", name="Add comment").click()
    expect(page.locator(".history")).to_contain_text("Called the yard")
    shot(page, "alert")
    page.get_by_role("button", name="Propose closing").click()
    expect(page.locator(".detail")).to_contain_text("Waits for a second person")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, api, "approver")
    page.locator(".row.p1").click()
    page.get_by_role("button", name="Confirm closing").click()
    expect(page.locator(".detail .state").first).to_have_text("closed")
    expect(page.locator("#bar .count.p1")).to_have_count(0)


def test_facilities_show_coverage_against_their_lines(page: Page, api: ApiServer, pool: Pool) -> None:
    lend(api, pool)
    sign_in(page, api)
    page.get_by_role("link", name="Facilities").click()
    card = page.locator(".facility")
    expect(card).to_contain_text("Steel line")
    expect(card.locator("svg.gauge")).to_be_visible()
    shot(page, "facilities")
    card.click()
    expect(page.locator("svg.chart .curve")).to_be_visible()
    expect(page.locator("svg.chart .level")).to_have_count(3)
    expect(page.locator(".figures")).to_contain_text("Physically confirmed")
    shot(page, "facility")
    page.mouse.wheel(0, 2000)
    shot(page, "facility-below")
    page.get_by_role("link", name="Margin & disposal").click()
    expect(page.locator("table").first).to_contain_text("FAC-1")
    shot(page, "margin")


def test_a_unit_is_found_and_its_trace_told(page: Page, api: ApiServer, pool: Pool) -> None:
    lend(api, pool)
    add_alert(pool, "alert_t", subject_id="COIL-0001", facility_id="FAC-1")
    with pool.connection() as conn:
        for minute in range(12):
            conn.execute(
                "INSERT INTO observation (observed_at, received_at, device_id, tag_epc, antenna, event_key, goods_id, zone_id, rssi_dbm, content_hash)"
                " VALUES (%s + %s * interval '1 minute', %s + %s * interval '1 minute', 'RDR-SEE', 'E', 1, %s, 'COIL-0001', 'WH-SH-01/bay-3', -52, '')",
                (T0, minute, T0, minute + 2, str(minute)),
            )
    sign_in(page, api)
    page.keyboard.press("3")
    page.get_by_role("searchbox").fill("COIL-0001")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    shot(page, "goods")
    page.get_by_role("link", name="COIL-0001").click()
    expect(page.locator(".timeline")).to_contain_text("×12")
    expect(page.locator(".timeline .k-alert")).to_contain_text("R01")
    page.locator(".timeline .k-pledge summary").click()
    shot(page, "trace")
    expect(page.locator(".timeline .k-pledge")).to_contain_text("approved by")


def test_ingest_health_shows_conservation_dead_letters_and_silent_devices(page: Page, api: ApiServer, pool: Pool) -> None:
    seed(api)
    see(pool)
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, class, format, name, registered_at)"
            " VALUES ('RDR-OLD', 'demo', 'WH-SH-01', 'rfid', 'native', 'Bay 9', %s)",
            (T0,),
        )
        conn.execute("INSERT INTO device_state (device_id, last_received_at) VALUES ('RDR-OLD', %s - interval '1 hour')", (T0,))
        conn.execute(
            "INSERT INTO ingest_tally (device_id, day, received, stored, repeated, absorbed, refused) VALUES ('', '2020-03-09', 3, 0, 0, 0, 3)"
        )
        conn.execute(
            "INSERT INTO dead_letter (topic, tenant_id, reason, detail, payload, payload_bytes, payload_sha256, items, times, first_received_at,"
            " last_received_at) VALUES ('v1/demo/x/rfid/y/reads', 'demo', 'malformed_json', 'not JSON', '\\xff7b3c623e', 6, '\\x00', 1, 3, %s, %s)",
            (T0, T0),
        )
    sign_in(page, api)
    page.get_by_role("link", name="Ingest").click()
    expect(page.get_by_text("Counters agree with the tables")).to_be_visible()
    expect(page.locator("tr", has_text="RDR-OLD")).to_contain_text("silent")
    expect(page.locator("tr", has_text="RDR-SEE")).to_contain_text("reporting")
    page.locator(".letters summary").click()
    expect(page.locator(".letters pre")).to_contain_text("<b>")
    shot(page, "ingest")


def test_the_desk_speaks_chinese_and_keeps_to_the_dark(browser: Browser, api: ApiServer, pool: Pool) -> None:
    lend(api, pool)
    add_alert(pool, "alert_a", subject_id="COIL-0001", facility_id="FAC-1")
    context = browser.new_context(viewport={"width": 1360, "height": 860}, locale="zh-CN", color_scheme="dark")
    page = context.new_page()
    page.goto(api.url)
    page.get_by_label("用户名").fill("officer")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.locator(".row.p1")).to_contain_text("没有有效的放行指令")
    page.locator(".row.p1").click()
    expect(page.locator(".detail")).to_contain_text("证据")
    shot(page, "dark-alert-zh")
    page.goto(f"{api.url}/#/facilities/FAC-1")
    expect(page.locator("svg.chart")).to_be_visible()
    shot(page, "dark-facility-zh")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("link", name="Facilities", exact=True)).to_be_visible()
    context.close()


def test_a_wrong_password_is_said_plainly(page: Page, api: ApiServer) -> None:
    page.goto(api.url)
    page.get_by_label("User name").fill("officer")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("wrong")


def test_the_desk_catches_up_after_the_stream_was_cut(page: Page, api: ApiServer, pool: Pool) -> None:
    sign_in(page, api)
    api.parts.hub.closed = True  # new streams are refused while the open ones are ended
    api.parts.hub.end_streams_soon()
    expect(page.locator("#bar .dot.reconnecting")).to_be_visible()
    add_alert(pool, "alert_gap")
    api.parts.hub.closed = False
    until(lambda: page.locator(".row.p1").count() == 1, "the alert is shown")
