"""One whole installation on this machine: PostgreSQL, broker, migrations, users, ingest workers, risk, api."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from api.accounts import create_user, ensure_tenant
from collateral.clock import Clock, clock_from_spec
from collateral.credentials import mosquitto_hash
from db.child import free_port
from db.embedded import EmbeddedPostgres
from db.migrate import MigrationReport, migrate
from db.pool import Pool, open_pool
from ingest.broker import Admission, BrokerAccount, BrokerFilesWatcher, ingest_account, monitor_account, ready_account
from ingest.embedded_broker import EmbeddedBroker
from ingest.subscriber import workers_subscribe
from simulators.embedded.supervisor import Role, StackFailed, Supervisor

log = logging.getLogger(__name__)

READY_WAIT_S = 60.0


@dataclass(frozen=True)
class NewUser:
    """Somebody who is to be able to sign in."""

    username: str
    display_name: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class StackPlan:
    """What to run and where. clock: as CHUANTOU_CLOCK; fsync off only where the data is thrown away."""

    data_dir: Path
    tenant: str
    clock: str = ""
    workers: int = 2
    api_port: int | None = None
    broker_port: int | None = None
    fsync: bool = True
    keep_secrets: bool = False
    replay_account: bool = False  # an account that may publish as any device, for `chuantou replay`; sample worlds only
    settings: dict[str, str] = field(default_factory=dict)


class Stack:
    """`start`, then `tick` several times a second from the same thread, then `stop`."""

    def __init__(self, plan: StackPlan, *, lock_fd: int | None = None) -> None:
        self.plan = plan
        self.supervisor = Supervisor(plan.data_dir / "logs", lock_fd)
        self.postgres = EmbeddedPostgres(plan.data_dir / "pg", fsync=plan.fsync)
        self.broker = EmbeddedBroker(plan.data_dir / "broker", plan.broker_port, packages_dir=plan.data_dir.parent / "mosquitto-packages")
        self.clock: Clock = clock_from_spec(plan.clock)
        self.api_port = plan.api_port or free_port()
        self.paused: set[str] = set()  # "postgres", "broker": ended on purpose, not to be started again by tick
        self._ingest_password = secrets.token_urlsafe(24)
        self._monitor_password = secrets.token_urlsafe(24)
        self._replay_password = secrets.token_urlsafe(24)
        self._ready_password = secrets.token_urlsafe(24)
        self._watcher: BrokerFilesWatcher | None = None
        self._watching: threading.Thread | None = None
        self._guarded: dict[str, int | None] = {}
        self._pool: Pool | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def monitor_url(self) -> str:
        return self.broker.url_for("monitor", self._monitor_password)

    @property
    def mqtt_address(self) -> str:
        """The broker without a credential: devices have their own."""
        return f"mqtt://127.0.0.1:{self.broker.port}"

    @property
    def pool(self) -> Pool:
        assert self._pool is not None
        return self._pool

    def start_servers(self) -> MigrationReport:
        """PostgreSQL, migrations, tenant, broker with its account files."""
        self.plan.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.supervisor.open()
        self.postgres.start()
        report = migrate(self.postgres.url)
        self._pool = open_pool(self.postgres.url, name="stack", size_max=4)
        ensure_tenant(self.pool, self.plan.tenant)
        services: tuple[BrokerAccount, ...] = (
            ingest_account(self._ingest_password),
            monitor_account(self._monitor_password),
            ready_account(self._ready_password),
        )
        if self.plan.replay_account:
            services += (
                BrokerAccount("replay", mosquitto_hash(self._replay_password), ("write v1/#", "write owntracks/#", "write spBv1.0/#")),
            )
        admission = Admission(lambda: workers_subscribe(self.broker.url_for("ready", self._ready_password)))
        self.broker.admit_by(admission, services)
        self._watcher = BrokerFilesWatcher(
            self.postgres.url,
            self.broker.files_dir,
            services,
            self.broker.reload,
            owner=self.broker.owner,
            poll_s=1.0,
            admission=admission,
        )
        self.broker.start()
        self._watching = threading.Thread(target=self._watcher.run, name="broker-files", daemon=True)
        self._watching.start()
        self._guard_servers()
        return report

    def _guard_servers(self) -> None:
        for name, pid in (("postgres", self.postgres.pid), ("broker", self.broker.pid)):
            if self._guarded.get(name) != pid:
                self.supervisor.forget(self._guarded.get(name))
                self.supervisor.guard(pid)
                self._guarded[name] = pid

    def add_users(self, users: tuple[NewUser, ...]) -> dict[str, str]:
        """Make users with random passwords. Returns password by user name; they are kept nowhere else."""
        made: dict[str, str] = {}
        for user in users:
            made[user.username] = secrets.token_urlsafe(12)
            create_user(self.pool, self.plan.tenant, user.username, user.display_name, made[user.username], user.roles, self.clock.now())
        return made

    def has_users(self) -> bool:
        with self.pool.connection() as conn:
            return conn.execute("SELECT EXISTS (SELECT FROM app_user)").fetchone() == (True,)

    def environment(self, **more: str) -> dict[str, str]:
        """Environment of one child: ours without foreign Chuantou settings, then the stack's."""
        env = {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}
        env |= {
            "PYTHONUNBUFFERED": "1",
            "CHUANTOU_DATABASE_URL": self.postgres.url,
            "CHUANTOU_CLOCK": self.plan.clock,
            "CHUANTOU_TENANT": self.plan.tenant,
        }
        return env | self.plan.settings | more

    def _secret(self, name: str) -> str:
        """A random key; kept over restarts when the plan says so."""
        if not self.plan.keep_secrets:
            return secrets.token_urlsafe(48)
        folder = self.plan.data_dir / "secrets"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / name
        if not path.exists():
            part = folder / f".{name}.part"
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            os.replace(part, path)
        return path.read_text(encoding="utf-8").strip()

    def start_roles(self) -> None:
        """Ingest workers on one shared subscription, risk, api; returns when the api is ready."""
        mqtt_url = self.broker.url_for("ingest", self._ingest_password)
        jwt, release = self._secret("jwt"), self._secret("release")
        for number in range(1, self.plan.workers + 1):
            env = self.environment(CHUANTOU_MQTT_URL=mqtt_url, CHUANTOU_INGEST_CLIENT_ID=f"ingest-{number}")
            self.supervisor.start(Role(f"ingest-{number}", (sys.executable, "-m", "ingest"), env))
        self.supervisor.start(Role("risk", (sys.executable, "-m", "risk"), self.environment(CHUANTOU_RELEASE_SECRET=release)))
        env = self.environment(
            CHUANTOU_MQTT_URL=self.monitor_url,
            CHUANTOU_JWT_SECRET=jwt,
            CHUANTOU_RELEASE_SECRET=release,
            CHUANTOU_API_HOST="127.0.0.1",
            CHUANTOU_API_PORT=str(self.api_port),
        )
        self.supervisor.start(Role("api", (sys.executable, "-m", "api"), env))
        self._wait_ready()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + READY_WAIT_S
        while True:
            self.tick()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            if time.monotonic() > deadline:
                raise StackFailed(f"the api did not get ready within {READY_WAIT_S:g} s:\n{self.supervisor.log_tail('api')}")
            time.sleep(0.1)

    def tick(self) -> list[str]:
        """Start again what died: roles and servers. Returns their names. Raises StackFailed when a part cannot run."""
        again = self.supervisor.tick()
        for name, server in (("postgres", self.postgres), ("broker", self.broker)):
            if name not in self.paused and not server.running:
                log.warning("a server ended", extra={"event": "server_ended", "server": name})
                server.stop()
                server.start()
                again.append(name)
        self._guard_servers()
        return again

    def facts(self) -> dict[str, str]:
        """For the lock file, which only its owner may read: how commands on this machine reach the stack."""
        known = {"url": self.url, "postgres": self.postgres.url, "monitor": self.monitor_url, "data_dir": str(self.plan.data_dir)}
        if self.plan.replay_account:
            known["replay"] = self.broker.url_for("replay", self._replay_password)
        return known

    def stop(self) -> None:
        """Simulators and other extras first, then api and risk, ingest, broker, store."""
        known = {"api", "risk"} | {n for n in self.supervisor.names if n.startswith("ingest-")}
        self.supervisor.stop([n for n in self.supervisor.names if n not in known])
        self.supervisor.stop(["api", "risk"])
        self.supervisor.stop(self.supervisor.names)
        if self._watcher is not None:
            self._watcher.stopping.set()
        if self._watching is not None:
            self._watching.join(5)
        self.broker.stop()
        if self._pool is not None:
            self._pool.close()
        self.postgres.stop()
        self.supervisor.close()


def remove_data(data_dir: Path) -> None:
    """Throw a stack's data away. Refuses a folder that holds something else."""
    if not data_dir.exists():
        return
    strange = {p.name for p in data_dir.iterdir()} - {"pg", "pg.log", "broker", "logs", "clock", "secrets", "postgres-binaries", "world"}
    if strange:
        raise StackFailed(f"{data_dir} holds {sorted(strange)[:5]}, which is not ours; choose another data directory")
    shutil.rmtree(data_dir)
