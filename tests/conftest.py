"""Servers for the tests: one store and one broker per run, a template database, a clone per test.

CHUANTOU_TEST_STORE=plain (default) or timescale chooses the store of the whole run.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from timescale_store import GivenServer, NoTimescale, timescale_server

from collateral.credentials import mosquitto_hash
from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.pool import Pool, open_pool
from ingest.broker import BrokerAccount, ingest_account, monitor_account
from ingest.embedded_broker import EmbeddedBroker

_numbers = itertools.count(1)
STORE = os.environ.get("CHUANTOU_TEST_STORE", "plain")
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On TimescaleDB only what touches the store runs; the rest ran on plain PostgreSQL."""
    if STORE != "timescale":
        return
    touching = [i for i in items if {"postgres", "timescale_url"} & set(getattr(i, "fixturenames", ()))]
    config.hook.pytest_deselected(items=[i for i in items if i not in touching])
    items[:] = touching


_skipped_in_ci: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In CI a skipped integration test is a failure of the run."""
    if CI and report.skipped and "tests/integration/" in report.nodeid:
        _skipped_in_ci.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _skipped_in_ci:
        print(f"\nskipped in CI, which counts as failed: {', '.join(_skipped_in_ci)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """A folder that the servers' unprivileged account can reach; pytest's own temporary folders are private."""
    folder = Path(tempfile.mkdtemp(prefix="chuantou-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(server_dir: Path) -> Iterator[EmbeddedPostgres | GivenServer]:
    """The run's store, with a migrated database `template_chuantou`: a plain PostgreSQL, or a TimescaleDB."""
    if STORE not in ("plain", "timescale"):
        pytest.exit(f"CHUANTOU_TEST_STORE is {STORE!r}; it must be plain or timescale", returncode=2)
    servers = ExitStack()
    try:
        if STORE == "plain":
            server: EmbeddedPostgres | GivenServer = servers.enter_context(EmbeddedPostgres(server_dir / "pg", fsync=False))
        else:
            server = servers.enter_context(timescale_server(server_dir))
    except NoTimescale as exc:
        _without_timescale(str(exc))
    with servers:
        make_template(server.admin_url)
        yield server
        drop_database(server.admin_url, "template_chuantou")


@pytest.fixture(scope="session")
def timescale_url(request: pytest.FixtureRequest, server_dir: Path) -> Iterator[str]:
    """An administrator's URL of a TimescaleDB, whatever the store of the run is. Skips without one; in CI it fails."""
    if STORE == "timescale":
        yield request.getfixturevalue("postgres").admin_url
        return
    servers = ExitStack()
    try:
        server = servers.enter_context(timescale_server(server_dir))
    except NoTimescale as exc:
        _without_timescale(str(exc))
    with servers:
        yield server.admin_url


def _without_timescale(tried: str) -> NoReturn:
    message = f"NO TIMESCALEDB, so its tests do not run: {tried}"
    if CI:
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def make_template(admin_url: str) -> None:
    """A migrated database that clones are made of. Closed to connections: a clone needs it idle."""
    drop_database(admin_url, "template_chuantou")
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute("CREATE DATABASE template_chuantou TEMPLATE template0")
    migrate(database_at(admin_url, "template_chuantou"))
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute("ALTER DATABASE template_chuantou ALLOW_CONNECTIONS false")
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'template_chuantou'")


def drop_database(admin_url: str, name: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as conn:
        conn.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def database_at(admin_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    parts = urlsplit(admin_url)
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture
def database_url(postgres: EmbeddedPostgres | GivenServer) -> Iterator[str]:
    """A freshly migrated database of the test's own."""
    name = f"t{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(postgres.admin_url, autocommit=True) as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template_chuantou".encode())
    yield database_at(postgres.admin_url, name)
    drop_database(postgres.admin_url, name)


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """A pool on the test's database."""
    opened = open_pool(database_url, name="test", size_max=16)
    yield opened
    opened.close()


class BrokerForTests:
    """A real broker with accounts that tests add. `url` is the ingest service account; `control` stops, kills, restarts."""

    def __init__(self, folder: Path) -> None:
        self.control = EmbeddedBroker(folder)
        self._accounts: dict[str, BrokerAccount] = {}
        self._urls: dict[str, str] = {}
        for make in (ingest_account, monitor_account):
            password = secrets.token_urlsafe(16)
            account = make(password)
            self._remember(account, password)
        self.control.set_accounts(self._accounts.values())

    def _remember(self, account: BrokerAccount, password: str) -> str:
        self._accounts[account.username] = account
        self._urls[account.username] = self.control.url_for(account.username, password)
        return self._urls[account.username]

    @property
    def port(self) -> int:
        return self.control.port

    @property
    def url(self) -> str:
        """`mqtt://ingest:...@127.0.0.1:port`: reads all topics of devices."""
        return self._urls["ingest"]

    @property
    def monitor_url(self) -> str:
        return self._urls["monitor"]

    def add_account(self, username: str, password: str = "secret", acl: tuple[str, ...] = ("readwrite #",)) -> str:
        """URL of a new account. acl: lines such as `write v1/demo/+/rfid/R1/#`; default everything."""
        return self.add(BrokerAccount(username, mosquitto_hash(password), acl), password)

    def add(self, account: BrokerAccount, password: str) -> str:
        """URL of a prepared account; the running broker knows it when this returns."""
        url = self._remember(account, password)
        self.control.set_accounts(self._accounts.values())
        self.wait_for_login(account.username, password)
        return url

    def wait_for_login(self, username: str, password: str) -> None:
        """Until the broker took over its files (a SIGHUP is answered by no one)."""
        import time

        deadline = time.monotonic() + 10
        while self.control.pid is not None and not _logs_in(self.port, username, password):
            assert time.monotonic() < deadline, f"the broker did not take over the account {username}"
            time.sleep(0.02)


def _logs_in(port: int, username: str, password: str) -> bool:
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"probe-{secrets.token_hex(6)}", protocol=mqtt.MQTTv311)
    client.username_pw_set(username, password)
    answers: list[bool] = []
    client.on_connect = lambda c, u, flags, code, props: answers.append(not code.is_failure)
    client.connect("127.0.0.1", port)
    for _ in range(100):
        if answers:
            break
        client.loop(0.1)
    client.disconnect()
    while client.socket() is not None and client.loop(0.1) == mqtt.MQTT_ERR_SUCCESS:
        pass  # until the socket is closed
    return bool(answers) and answers[0]


@pytest.fixture(scope="session")
def broker(server_dir: Path) -> Iterator[BrokerForTests]:
    """The run's Mosquitto. Shared by all tests: use topics, client ids and share names of your own; do not stop it."""
    running = BrokerForTests(server_dir / "broker")
    with running.control:
        yield running


@pytest.fixture
def broker_factory(server_dir: Path) -> Iterator[Callable[[], BrokerForTests]]:
    """Makes started brokers of the test's own, to stop, kill and restart."""
    made: list[BrokerForTests] = []

    def make() -> BrokerForTests:
        made.append(BrokerForTests(server_dir / f"broker-{next(_numbers)}"))
        made[-1].control.start()
        return made[-1]

    yield make
    for each in made:
        each.control.stop()
