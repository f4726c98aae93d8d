"""The web desk in a real browser, over a real API and store."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from api_server import PASSWORD, T0, ApiServer, add_alert, lend, lend_and_draw, ok, see, seed, serve, until
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from api import deps
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


def test_an_answer_that_comes_late_does_not_replace_a_newer_one(page: Page, api: ApiServer, pool: Pool) -> None:
    lend(api, pool)
    sign_in(page, api)
    held: list[Route] = []
    page.route(re.compile(r"/goods\?limit="), lambda route: held.append(route))
    page.keyboard.press("3")
    page.get_by_role("searchbox").fill("COIL-0001")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert len(held) == 1, "the list of all goods was asked for first"
    with page.expect_response(re.compile(r"/goods\?limit=")):
        held[0].continue_()
    page.evaluate("() => new Promise((done) => setTimeout(done))")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text("COIL-0001")


def test_an_administrator_makes_a_user_changes_roles_and_locks_out(page: Page, api: ApiServer, pool: Pool) -> None:
    sign_in(page, api, "admin")
    page.get_by_role("link", name="Users").click()
    form = page.locator("form", has_text="New user")
    form.get_by_label("User name").fill("li.na")
    form.get_by_label("Name", exact=True).fill("李娜")
    form.get_by_label("Password").fill("a long password")
    form.get_by_label("auditor new").check()
    form.get_by_role("button", name="Create").click()
    expect(page.locator(".done")).to_contain_text("li.na")
    row = page.locator("tr", has_text="li.na")
    expect(row).to_contain_text("may sign in")
    shot(page, "users")
    row.get_by_role("button", name="Lock out").click()
    expect(row).to_contain_text("may sign in")
    row.get_by_label("Why").fill("left the bank")
    row.get_by_role("button", name="Lock out").click()
    expect(row).to_contain_text("locked out")
    row.get_by_label("Why").fill("is back as an approver")
    row.get_by_label("approver li.na").check()
    row.get_by_role("button", name="Save roles").click()
    expect(row.get_by_label("Why")).to_have_value("")  # the row was drawn anew
    expect(row.get_by_label("approver li.na")).to_be_checked()
    row.get_by_label("Why").fill("is back")
    row.get_by_role("button", name="Let in again").click()
    expect(row).to_contain_text("may sign in")
    with pool.connection() as conn:
        assert conn.execute("SELECT active, roles FROM app_user WHERE username = 'li.na'").fetchone() == (True, ["approver", "auditor"])


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


RELEASE = {
    "facility_id": "FAC-1",
    "goods_ids": ["COIL-0001"],
    "vehicle_plate": "沪A12345",
    "driver_id": "310101199001011234",
    "valid_from": "2020-03-09T06:00:00Z",
    "valid_to": "2020-03-09T18:00:00Z",
    "reason": "sold and paid",
}


def give_roles(api: ApiServer, pool: Pool, username: str, *roles: str) -> None:
    with pool.connection() as conn:
        conn.execute("UPDATE app_user SET roles = %s WHERE username = %s", (list(roles), username))
    api.parts.known_users.clear()


def test_a_release_is_approved_by_two_people_and_not_twice_by_one(page: Page, api: ApiServer, pool: Pool) -> None:
    lend_and_draw(api, pool)
    ok(api.client("loader").post("/api/v1/pledges", json={"facility_id": "FAC-1", "goods_ids": ["COIL-0006"]}), 201)
    ok(api.client("operator").post("/api/v1/releases", json=RELEASE), 201)
    paid = {"facility_id": "FAC-1", "kind": "REPAYMENT", "amount": "200000", "currency": "CNY", "reason": "paid down"}
    ok(api.client("loader").post("/api/v1/cash-movements", json=paid), 201)
    give_roles(api, pool, "officer", "risk_officer", "approver")
    sign_in(page, api)
    page.get_by_role("link", name="Approvals").click()
    order = page.locator("tr", has_text="沪A12345")
    expect(order).to_contain_text("waits for the maker")
    shot(page, "approvals")
    order.get_by_role("button", name="Approve").click()
    expect(order).to_contain_text("waits for the checker")
    order.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("A second person has to do this step")
    expect(page.get_by_role("alert")).to_contain_text("Officer approved as maker this order")
    shot(page, "approvals-refused")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, api, "approver")
    page.get_by_role("link", name="Approvals").click()
    order.get_by_role("button", name="Approve").click()
    until(lambda: ok(api.client("officer").get("/api/v1/releases"))["items"][0]["status"] in ("ISSUED", "CHECKER_OK"), "it is approved")
    draft = page.locator("tr", has_text="COIL-0006")
    draft.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("No pledge waits.")).to_be_visible()
    shot(page, "approvals-done")


def test_jobs_are_shown_and_run_by_those_who_may_and_audited(page: Page, api: ApiServer, pool: Pool) -> None:
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO job_schedule (job, next_fire_at, updated_at) VALUES ('cross_check', %s, %s)", (T0 + timedelta(minutes=5), T0)
        )
        for n in range(60):
            conn.execute(
                "INSERT INTO job_run (run_id, job, scheduled_for, as_of, started_at, finished_at, status, findings, duration_ms, process)"
                " VALUES (%(id)s, 'cross_check', %(at)s, %(at)s, %(at)s, %(at)s, 'SUCCEEDED', '{\"R01\": 2}', 1234, 'p')",
                {"id": f"run-{n:02d}", "at": T0 - timedelta(minutes=n)},
            )
    sign_in(page, api)
    expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator("table").nth(1).locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Load more").click()
    expect(page.locator("table").nth(1).locator("tbody tr")).to_have_count(60)
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_role("status").filter(has_text="Cross-check")).to_be_visible()
    shot(page, "jobs")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, api, "auditor")
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_text("Cross-check").first).to_be_visible()
    expect(page.get_by_role("button", name="Run now")).to_have_count(0)
    page.get_by_role("link", name="Audit").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.get_by_label("Action").fill("job.run")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("Officer")
    shot(page, "audit")


def test_a_long_list_is_read_page_by_page_and_its_counts_are_right(page: Page, api: ApiServer, pool: Pool) -> None:
    for n in range(230):
        add_alert(pool, f"a{n:03d}", severity="P1" if n < 5 else "P3", opened_at=T0 - timedelta(minutes=n))
    sign_in(page, api)
    expect(page.locator(".row")).to_have_count(100)
    expect(page.locator("[data-key=shown]")).to_have_text("100 / 230")
    expect(page.locator("#bar .count.p1")).to_have_text("5")
    page.get_by_role("button", name="Load more").click()
    expect(page.locator(".row")).to_have_count(200)
    add_alert(pool, "b000", severity="P1", opened_at=T0 + timedelta(minutes=1))
    expect(page.locator(".row").first).to_have_attribute("data-key", "b000")
    expect(page.locator("#bar .count.p1")).to_have_text("6")
    page.get_by_role("button", name="Load more").click()
    expect(page.locator(".row")).to_have_count(231)
    expect(page.get_by_role("button", name="Load more")).to_have_count(0)
    keys = page.locator(".row").evaluate_all("rows => rows.map((r) => r.dataset.key)")
    assert keys == ["b000", *(f"a{n:03d}" for n in range(230))]
    page.get_by_role("button", name="P1 6").click()
    expect(page.locator(".row")).to_have_count(6)


@pytest.mark.parametrize(
    ("change", "words"), [("active = false", "Your access was ended"), ("roles = ARRAY['auditor']", "Your rights have changed")]
)
def test_who_may_no_longer_be_here_is_shown_the_way_out(
    page: Page, api: ApiServer, pool: Pool, monkeypatch: pytest.MonkeyPatch, change: str, words: str
) -> None:
    monkeypatch.setattr(deps, "USER_CACHE_S", 0.0)
    api.parts.heartbeat_s = 0.2
    sign_in(page, api)
    with pool.connection() as conn:
        conn.execute(f"UPDATE app_user SET {change} WHERE username = 'officer'".encode())
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(re.compile(f"{words}|Your session is over"))
    expect(page.locator("#bar")).to_be_hidden()


@pytest.mark.parametrize(("width", "locale"), [(1280, "en-GB"), (1280, "zh-CN"), (820, "en-GB"), (820, "zh-CN")])
def test_the_new_views_fit_a_tablet_and_speak_both_languages(browser: Browser, api: ApiServer, pool: Pool, width: int, locale: str) -> None:
    lend_and_draw(api, pool)
    ok(api.client("loader").post("/api/v1/pledges", json={"facility_id": "FAC-1", "goods_ids": ["COIL-0006"]}), 201)
    ok(api.client("operator").post("/api/v1/releases", json=RELEASE), 201)
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO job_schedule (job, next_fire_at, updated_at) VALUES ('cross_check', %s, %s)", (T0 + timedelta(minutes=5), T0)
        )
    give_roles(api, pool, "officer", "risk_officer", "approver", "auditor")
    context = browser.new_context(viewport={"width": width, "height": 900}, locale=locale)
    context.add_init_script(f"sessionStorage.setItem('chuantou.token', '{api.token('officer')}')")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    for name in ("alerts", "approvals", "jobs", "audit"):
        page.goto(f"{api.url}/#/{name}")
        expect(page.locator("h1, .filters").first).to_be_visible()
        if name != "alerts":
            expect(page.locator("tbody tr").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than the screen"
        shot(page, f"{name}-{width}-{locale[:2]}")
    context.close()
    assert faults == []


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
