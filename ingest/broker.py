"""The broker's password and ACL files, written from the device registry.

Mosquitto reads both again on SIGHUP and then drops connected clients whose credential is gone, so a revoked device is out
within one watch interval. The files hold hashes only; a device's secret exists on the device and nowhere else.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from collateral.credentials import mosquitto_hash
from db.sql import load_queries
from ingest.topics import READY_TOPIC, SparkplugVerb, is_sparkplug_id

log = logging.getLogger(__name__)
_Q = load_queries(__file__, "broker.sql")

PASSWORD_FILE = "passwords"  # noqa: S105 - a file's name
SERVICES_FILE = "services"
ACL_FILE = "acl"
WATCH_POLL_S = 2.0
SETTLE_S = 0.5
ADMISSION_POLL_S = 0.1
CHANNELS_WRITTEN = ("reads", "position", "event", "health", "presence", "doc", "cmd/res")
_FORBIDDEN_IN_NAMES = set("#+/:\n\r\0 ")


@dataclass(frozen=True)
class BrokerAccount:
    """One line in the password file and its topics. acl: lines such as `read v1/#` or `write v1/demo/+/rfid/R1/reads`."""

    username: str
    password_hash: str
    acl: tuple[str, ...]


@dataclass(frozen=True)
class DeviceOnBroker:
    """What the ACL needs to know of one device. `carries` are prefixes of the devices behind this gateway."""

    device_id: str
    prefix: str
    format: str
    claims: dict[str, Any]
    credential_hash: str
    carries: tuple[str, ...] = ()


def ingest_account(password: str, username: str = "ingest") -> BrokerAccount:
    """The service account of the ingest workers: reads everything devices say, writes nothing but requests to Sparkplug nodes."""
    topics = ("read v1/#", "read owntracks/#", "read spBv1.0/#", "write spBv1.0/+/NCMD/+")
    return BrokerAccount(username, mosquitto_hash(password), topics)


def monitor_account(password: str, username: str = "monitor") -> BrokerAccount:
    """Reads the broker's own figures (`$SYS`), nothing else: backlog for the status display, liveness for health checks."""
    return BrokerAccount(username, mosquitto_hash(password), ("read $SYS/#",))


def ready_account(password: str | None, username: str = "ready") -> BrokerAccount:
    """May ask whether ingest workers are subscribed (READY_TOPIC), nothing else. None = the broker's entry script makes the password."""
    return BrokerAccount(username, "" if password is None else mosquitto_hash(password), (f"write {READY_TOPIC}",))


class Admission:
    """Whether devices may log in: not from a start of the broker until an ingest worker has subscribed.

    Mosquitto keeps the sessions of the workers over a restart, but not their shared subscriptions. What a device published before a worker
    is back would be acknowledged and thrown away. A device that cannot log in keeps its messages.
    """

    def __init__(self, workers_subscribe: Callable[[], bool]) -> None:
        self._workers_subscribe = workers_subscribe
        self._starts = 0
        self.open = False
        self.lock = threading.Lock()  # held while the files are written as `open` says

    def close(self) -> None:
        """The broker is about to start. Call with the lock held."""
        self._starts += 1
        self.open = False

    def ask(self) -> bool:
        """Open when workers are subscribed. Returns whether it is open. Call without the lock: it asks the broker."""
        starts = self._starts
        if not self.open and self._workers_subscribe():
            with self.lock:
                self.open = starts == self._starts  # an answer of the broker before a restart says nothing
        return self.open


def device_account(device: DeviceOnBroker) -> BrokerAccount:
    """A device writes below its own prefix, hears its own commands, and nothing else; a gateway also speaks for the devices behind it."""
    lines: list[str] = []
    for prefix in (device.prefix, *device.carries):
        lines += [f"write {prefix}/{channel}" for channel in CHANNELS_WRITTEN]
        lines += [f"read {prefix}/cmd"]
    if device.format == "owntracks":
        claimed = device.claims.get("topic", f"{device.device_id}/+")
        for topic in [claimed] if isinstance(claimed, str) else claimed:
            user, _, phone = str(topic).partition("/")
            if _is_plain(user) and (phone == "+" or _is_plain(phone)):
                own = f"owntracks/{user}/{phone}"
                lines += [f"write {own}", f"write {own}/#", f"read {own}/cmd"]
    if device.format == "sparkplug-b":
        lines += _sparkplug_lines(device)
    return BrokerAccount(device.device_id, device.credential_hash, tuple(lines))


def _sparkplug_lines(device: DeviceOnBroker) -> list[str]:
    """A node says what its claims `topic` = group/node allow, for itself and the devices behind it, and hears its commands and the hosts' state."""
    lines: list[str] = []
    claimed = device.claims.get("topic", f"+/{device.device_id}")
    for topic in [claimed] if isinstance(claimed, str) else claimed:
        group, _, node = str(topic).partition("/")
        if not (group == "+" or is_sparkplug_id(group)) or not is_sparkplug_id(node):
            continue
        for verb in SparkplugVerb:
            lines.append(f"write spBv1.0/{group}/{verb}/{node}" + ("/+" if verb.of_device else ""))
        lines += [f"read spBv1.0/{group}/NCMD/{node}", f"read spBv1.0/{group}/DCMD/{node}/+", "read spBv1.0/STATE/+"]
    return lines


def _is_plain(name: str) -> bool:
    return bool(name) and not (_FORBIDDEN_IN_NAMES & set(name))


def devices_on_broker(conn: psycopg.Connection[Any]) -> list[DeviceOnBroker]:
    """Enabled devices that hold a credential, by id."""
    with conn.cursor(row_factory=dict_row) as cur:
        rows = cur.execute(_Q["devices_with_credential"]).fetchall()
    return [DeviceOnBroker(**{**row, "carries": tuple(row["carries"])}) for row in rows]


def write_broker_files(folder: Path, accounts: Iterable[BrokerAccount], *, owner: tuple[int, int] | None = None) -> bool:
    """Write both files, each in one step, readable by the owner only. Returns whether anything changed.

    owner: uid and gid of the broker's account, when we are root. A name that could widen the ACL, or that an account before it has, gets
    no account: services come first, so that no device can take the place of one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    acl: list[str] = ["# Written from the device registry; changes made here are overwritten."]
    kept: dict[str, BrokerAccount] = {}
    for account in accounts:
        if not _is_plain(account.username.replace(":", "")) or ":" in account.username or account.username in kept:
            log.warning("no broker account for this name", extra={"event": "broker_name_refused", "device": account.username})
            continue
        kept[account.username] = account
    for _, account in sorted(kept.items()):
        acl += ["", f"user {account.username}", *(f"topic {line}" for line in account.acl)]
    # The ACL first: a client that can log in a moment before its topics are there would lose messages.
    changed = _replace(folder / ACL_FILE, "\n".join(acl) + "\n", owner)
    return _replace(folder / PASSWORD_FILE, _password_lines(kept.values()), owner) or changed


def _password_lines(accounts: Iterable[BrokerAccount]) -> str:
    return "\n".join(sorted(f"{a.username}:{a.password_hash}" for a in accounts if a.password_hash)) + "\n"


def _replace(path: Path, text: str, owner: tuple[int, int] | None) -> bool:
    try:
        if path.read_text(encoding="utf-8") == text:
            return False
    except FileNotFoundError:
        pass
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o600)
        if owner is not None:
            os.chown(name, *owner)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


class BrokerFilesWatcher:
    """Keeps the files like the registry: on NOTIFY `registry`, and by polling in case that was missed.

    admission: devices are in the files only while it is open; None = always (the broker's entry script sees to it).
    """

    def __init__(
        self,
        database_url: str,
        folder: Path,
        service_accounts: tuple[BrokerAccount, ...],
        reload: Callable[[], None],
        *,
        owner: tuple[int, int] | None = None,
        poll_s: float = WATCH_POLL_S,
        admission: Admission | None = None,
    ) -> None:
        self.database_url = database_url
        self.folder = folder
        self.service_accounts = service_accounts
        self.reload = reload
        self.owner = owner
        self.poll_s = poll_s
        self.admission = admission
        self.stopping = threading.Event()
        self._devices: tuple[BrokerAccount, ...] = ()
        self._written_at: float | None = None

    def write_once(self, conn: psycopg.Connection[Any]) -> bool:
        """Bring the files up to date and reload the broker when they changed."""
        self._devices = tuple(device_account(d) for d in devices_on_broker(conn))
        return self._write()

    def _write(self) -> bool:
        if self.admission is None:
            return self._write_files(self._devices)
        self.admission.ask()
        with self.admission.lock:
            return self._write_files(self._devices if self.admission.open else ())

    def _write_files(self, devices: tuple[BrokerAccount, ...]) -> bool:
        self.folder.mkdir(parents=True, exist_ok=True)
        _replace(self.folder / SERVICES_FILE, _password_lines(self.service_accounts), self.owner)
        changed = write_broker_files(self.folder, (*self.service_accounts, *devices), owner=self.owner)
        if changed:
            log.info("broker files written", extra={"event": "broker_files_written", "devices": len(devices)})
            self.reload()
            self._written_at = time.monotonic()
        return changed

    def _reload_once_more(self) -> None:
        """Mosquitto forgets a SIGHUP that comes while it answers the one before, so the last change is announced a second time."""
        if self._written_at is not None and time.monotonic() - self._written_at >= SETTLE_S:
            self._written_at = None
            self.reload()

    def _pause_s(self) -> float:
        return self.poll_s if self.admission is None or self.admission.open else min(ADMISSION_POLL_S, self.poll_s)

    def run(self) -> None:
        """Until `stopping` is set. Survives the loss of the store: the files stay as they are until it is back."""
        while not self.stopping.is_set():
            try:
                with psycopg.connect(
                    self.database_url, autocommit=True, connect_timeout=5, application_name="chuantou-broker-files"
                ) as conn:
                    conn.execute("LISTEN registry")
                    while not self.stopping.is_set():
                        self.write_once(conn)
                        self._reload_once_more()
                        for _ in conn.notifies(timeout=self._pause_s(), stop_after=1):
                            pass
            except (psycopg.Error, OSError) as exc:
                log.warning("broker files wait for the store", extra={"event": "broker_files_waiting", "error": str(exc)})
                if self._devices and self.admission is not None:
                    self._write()  # a broker that starts while the store is away admits the devices that were known
                self.stopping.wait(1.0)
