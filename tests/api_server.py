"""A real API process in a thread, on the test's own database, with one user per role and a second tenant."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher

from api import accounts
from api.accounts import User, create_user, ensure_tenant
from api.app import create_app
from api.deps import Parts
from api.permissions import Role
from api.stream import AlertHub
from api.tokens import Tokens
from collateral import margin_service, valuation_service
from collateral.clock import Clock, FixedClock
from collateral.signing import ReleaseSigner
from db.pool import Pool

# At its real cost argon2 takes half of the suite's time. The parameters travel in each hash, so checking stays the real thing.
accounts._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)

T0 = datetime(2020, 3, 9, 6, 0, tzinfo=UTC)
PASSWORD = "a good long password"
USERS: dict[str, Role] = {
    "officer": Role.RISK_OFFICER,
    "officer2": Role.RISK_OFFICER,
    "approver": Role.APPROVER,
    "approver2": Role.APPROVER,
    "operator": Role.WAREHOUSE_OPERATOR,
    "devices": Role.DEVICE_ADMIN,
    "auditor": Role.AUDITOR,
    "admin": Role.ADMIN,
    "loader": Role.SYSTEM,
}


@dataclass
class ApiServer:
    """What tests hold of the running API."""

    url: str
    pool: Pool
    parts: Parts
    users: dict[str, User]
    clients: list[httpx.Client] = field(default_factory=list)
    listeners: list[threading.Thread] = field(default_factory=list)

    def token(self, username: str) -> str:
        """An access token, without the cost of a sign-in."""
        user = self.users[username]
        return self.parts.tokens.issue(user.user_id, user.tenant_id, session_no=user.session_no)[0]

    def client(self, username: str | None = None) -> httpx.Client:
        """A client that is signed in as this user; None = as nobody."""
        headers = {"Authorization": f"Bearer {self.token(username)}"} if username else {}
        made = httpx.Client(base_url=self.url, headers=headers, timeout=30)
        self.clients.append(made)
        return made


def make_users(pool: Pool, now: datetime = T0) -> dict[str, User]:
    """One user per role in tenant demo, and the same roles for `stranger` in tenant other."""
    ensure_tenant(pool, "demo", "Demo")
    ensure_tenant(pool, "other", "Other")
    users = {name: create_user(pool, "demo", name, name.title(), PASSWORD, [role], now) for name, role in USERS.items()}
    users["stranger"] = create_user(pool, "other", "stranger", "Stranger", PASSWORD, list(Role), now)
    return users


@contextmanager
def serve(pool: Pool, database_url: str, clock: Clock | None = None, **options: Any) -> Iterator[ApiServer]:
    """Run the API until the block ends."""
    parts = Parts(
        pool=pool,
        clock=clock or FixedClock(T0),
        tokens=Tokens(secrets.token_hex(32)),
        hub=AlertHub(database_url),
        signer=ReleaseSigner.from_secret(secrets.token_hex(32)),
        broker=options.pop("broker", None),
    )
    sock = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(create_app(parts, **options), log_config=None, access_log=False, timeout_graceful_shutdown=2, ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    until(lambda: server.started, "the server starts")
    api = ApiServer(f"http://127.0.0.1:{sock.getsockname()[1]}", pool, parts, make_users(pool))
    try:
        yield api
    finally:
        parts.hub.end_streams_soon()
        for listener in api.listeners:
            listener.join(10)
        for client in api.clients:
            client.close()
        server.should_exit = True
        thread.join(15)
        sock.close()
        assert not thread.is_alive()


def until(condition: Callable[[], Any], what: str, limit_s: float = 20.0) -> Any:
    """The condition's first true value. Fails when it does not come in time."""
    deadline_s = time.monotonic() + limit_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline_s:
            raise AssertionError(f"in {limit_s:g} s it did not happen that {what}")
        time.sleep(0.02)


def see(pool: Pool, at: datetime = T0) -> None:
    """Every bound tag is seen at this time in bay 3, by a reader that works, as ingest writes it."""
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO device (device_id, tenant_id, site, warehouse_id, class, format, name, registered_at)"
            " VALUES ('RDR-SEE', 'demo', 'WH-SH-01', 'WH-SH-01', 'rfid', 'native', 'Reader', %(at)s) ON CONFLICT DO NOTHING",
            {"at": at},
        )
        conn.execute(
            "INSERT INTO device_state (device_id, last_observed_at, last_received_at) VALUES ('RDR-SEE', %(at)s, %(at)s)"
            " ON CONFLICT (device_id) DO UPDATE SET last_observed_at = %(at)s, last_received_at = %(at)s",
            {"at": at},
        )
        conn.execute(
            "INSERT INTO goods_position (tag_epc, goods_id, device_id, antenna, zone_id, warehouse_id, entered_at, first_stored_at, last_seen_at)"
            " SELECT tag_epc, goods_id, 'RDR-SEE', 1, 'WH-SH-01/bay-3', 'WH-SH-01', %(at)s, %(at)s, %(at)s FROM tag_binding"
            " WHERE valid_to IS NULL ON CONFLICT (tag_epc) DO UPDATE SET last_seen_at = %(at)s",
            {"at": at},
        )


SQUARE = {"type": "Polygon", "coordinates": [[[121.40, 31.20], [121.41, 31.20], [121.41, 31.21], [121.40, 31.21], [121.40, 31.20]]]}
BAY = {"type": "Polygon", "coordinates": [[[121.401, 31.201], [121.405, 31.201], [121.405, 31.205], [121.401, 31.205], [121.401, 31.201]]]}


def ok(response: httpx.Response, status: int | None = None) -> Any:
    """The body of an answer that succeeded."""
    assert response.is_success if status is None else response.status_code == status, f"{response.status_code} {response.text}"
    return response.json()


def goods(goods_id: str, /, **more: Any) -> dict[str, Any]:
    """A coil as the loader registers it."""
    return {
        "goods_id": goods_id,
        "commodity_code": "HRC",
        "kind": "COIL",
        "mill": "BAOSTEEL",
        "heat_no": "H1",
        "piece_no": goods_id,
        "quantity": "24.5",
        "unit": "t",
        "owner_party_id": "BORROWER",
        "warehouse_id": "WH-SH-01",
        "zone_id": "WH-SH-01/bay-3",
        "synthetic": True,
        **more,
    }


def seed(api: ApiServer, units: int = 4) -> httpx.Client:
    """A small world, registered through the API by the loader: a yard, coils COIL-0001 ..., a facility FAC-1. Returns the loader."""
    loader = api.client("loader")
    for party_id, role in (("BORROWER", "BORROWER"), ("BANK", "LENDER"), ("KEEPER", "WAREHOUSE_OPERATOR")):
        ok(loader.post("/api/v1/parties", json={"party_id": party_id, "name": party_id, "name_zh": "公司", "roles": [role]}), 201)
    yard = {
        "warehouse_id": "WH-SH-01",
        "name": "Baoshan yard",
        "name_zh": "宝山堆场",
        "operator_party_id": "KEEPER",
        "kind": "STEEL_YARD",
        "control_mode": "CMA",
        "fence": SQUARE,
    }
    ok(loader.post("/api/v1/warehouses", json=yard), 201)
    bay = {"zone_id": "WH-SH-01/bay-3", "warehouse_id": "WH-SH-01", "name": "Bay 3", "kind": "BAY", "polygon": BAY}
    ok(loader.post("/api/v1/zones", json={"items": [bay]}), 201)
    commodity = {
        "commodity_code": "HRC",
        "name": "Hot-rolled coil",
        "name_zh": "热轧卷",
        "commodity_group": "steel",
        "unit": "t",
        "weighing_tolerance": "0.003",
        "price_min": "1500",
        "price_max": "9000",
        "price_currency": "CNY",
    }
    ok(loader.post("/api/v1/commodities", json=commodity), 201)
    price = {
        "commodity_code": "HRC",
        "source": "mysteel",
        "quoted_at": "2020-03-09T02:00:00Z",
        "price": "3400.00",
        "currency": "CNY",
        "unit": "t",
        "tax_inclusive": False,
        "synthetic": True,
    }
    ok(loader.post("/api/v1/prices", json={"items": [price]}), 201)
    items = [goods(f"COIL-{n:04d}", tag_epc=f"E2801160600002{n:010X}") for n in range(1, units + 1)]
    ok(loader.post("/api/v1/goods", json={"items": items}), 201)
    facility = {
        "facility_id": "FAC-1",
        "name": "Steel line",
        "name_zh": "钢材质押",
        "borrower_party_id": "BORROWER",
        "lender_party_id": "BANK",
        "product": "STEEL_STATIC",
        "pledge_mode": "STATIC",
        "currency": "CNY",
        "limit_amount": "50000000",
        "advance_rate": "0.70",
        "cure_unit": "BUSINESS_DAYS",
        "cure_length": 1,
        "matures_on": "2020-12-31",
        "commodities": [{"commodity_code": "HRC", "advance_rate": "0.70", "primary_source": "mysteel"}],
    }
    ok(loader.post("/api/v1/facilities", json=facility), 201)
    return loader


def lend_and_draw(api: ApiServer, pool: Pool) -> None:
    """A facility with pledged, seen coils, drawn to 70 per cent."""
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
        "already_paid": True,
        "reason": "first drawing",
    }
    ok(loader.post("/api/v1/cash-movements", json=cash), 201)


def let_the_price_fall(api: ApiServer, pool: Pool) -> None:
    """By four per cent a minute, below all lines of FAC-1; each price is valued and margin acts on it."""
    price = Decimal(3400)
    for hour in range(1, 8):
        price *= Decimal("0.96")
        at = T0 + timedelta(minutes=hour)
        with pool.connection() as conn:
            conn.execute(
                "INSERT INTO price_quote (price_id, commodity_code, source, quoted_at, published_at, recorded_at, price, currency, unit,"
                " tax_inclusive, synthetic, status, tenant_id) VALUES (%s, 'HRC', 'mysteel', %s, %s, %s, %s, 'CNY', 't', false, true, 'ACCEPTED', 'demo')",
                (f"p{hour}", at, at, at, price.quantize(Decimal("0.01"))),
            )
        valuation = valuation_service.value_facility(pool, "FAC-1", at, "PRICE")
        margin_service.apply_margin(pool, valuation.valuation_id, at)
    api.parts.clock = FixedClock(T0 + timedelta(minutes=8))


def lend(api: ApiServer, pool: Pool) -> None:
    """lend_and_draw, then let_the_price_fall."""
    lend_and_draw(api, pool)
    let_the_price_fall(api, pool)


def add_alert(pool: Pool, alert_id: str, *, tenant: str = "demo", severity: str = "P1", kind: str = "OPENED", **more: Any) -> int:
    """An open alert with its first event, written as risk writes them. Returns the event's id."""
    row = {
        "alert_id": alert_id,
        "tenant_id": tenant,
        "rule_code": "R01",
        "rule_version": 1,
        "subject_kind": "goods",
        "subject_id": alert_id,
        "leg": "L",
        "severity": severity,
        "status": "OPEN",
        "summary": "Pledged unit left and no issued release covers it.",
        "summary_zh": "质押货物已离开，没有有效的放行指令。",
        "occurred_at": T0,
        "opened_at": T0,
        "last_found_at": T0,
        **more,
    }
    columns = ", ".join(row)
    marks = ", ".join(f"%({c})s" for c in row)
    with pool.connection() as conn:
        conn.execute(f"INSERT INTO alert ({columns}, evidence) VALUES ({marks}, '{{\"movement_id\": 7}}')".encode(), row)
        return add_event(conn, alert_id, tenant, kind)


def add_event(conn: Any, alert_id: str, tenant: str = "demo", kind: str = "REFRESHED") -> int:
    """One more event of an alert."""
    sql = "INSERT INTO alert_event (alert_id, tenant_id, happened_at, actor, kind) VALUES (%s, %s, %s, 'rule:R01', %s) RETURNING event_id"
    return int(conn.execute(sql, (alert_id, tenant, T0, kind)).fetchone()[0])
