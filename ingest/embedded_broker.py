"""A Mosquitto of our own on one machine: own configuration, a loopback port, sessions kept in a data directory.

Decision and rejected brokers: docs/decisions/0002-broker-mosquitto.md.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from db.child import ChildProcess, account_for_servers, dies_with_parent, free_port, reachable_by
from ingest.broker import ACL_FILE, PASSWORD_FILE, Admission, BrokerAccount, write_broker_files

log = logging.getLogger(__name__)

MESSAGE_BYTES_MAX = 8 * 1024 * 1024  # well above what ingest keeps: ingest refuses with a reason, the broker only protects itself
INFLIGHT_MAX = 2000
AUTOSAVE_S = 5  # a killed broker forgets at most these seconds; a stopped one nothing
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
_HOW_TO_INSTALL = "install it with: sudo apt-get install mosquitto"

_CONFIG = """\
# Written by Chuantou at every start; changes made here are overwritten.
listener {port} 127.0.0.1
allow_anonymous false
password_file {files}/{passwords}
acl_file {files}/{acl}
persistence true
persistence_location {store}/
autosave_interval {autosave_s}
# Nothing may be dropped while ingest is away: no bound on what waits for it but the disk.
max_queued_messages 0
max_queued_bytes 0
max_inflight_messages {inflight_max}
message_size_limit {message_bytes_max}
set_tcp_nodelay true
sys_interval 1
log_dest stderr
log_type error
log_type warning
log_type notice
connection_messages false
"""


class EmbeddedBrokerError(Exception):
    """The broker could not be found, set up or started; the message says what to do."""


def find_mosquitto() -> Path | None:
    """The installed broker, or None. sbin folders are searched too: they are not on an ordinary user's PATH."""
    found = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *_PLACES]))
    return Path(found) if found else None


def mosquitto_from_packages(folder: Path, packages: Iterable[str] = ()) -> Path:
    """Mosquitto from Debian's packages unpacked into folder, without root. packages: empty = what apt says is missing.

    Raises EmbeddedBrokerError.
    """
    program = folder / "root" / "usr" / "sbin" / "mosquitto"
    if program.exists():
        return program
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise EmbeddedBrokerError("mosquitto, the MQTT broker, is not installed and this system has no apt; install mosquitto 2")
    wanted = list(packages) or _missing_packages()
    downloads = folder / "deb"
    downloads.mkdir(parents=True, exist_ok=True)
    _apt(["apt-get", "download", *wanted], cwd=downloads)
    for package in sorted(downloads.glob("*.deb")):
        _apt(["dpkg", "-x", str(package), str(folder / "root.part")])
    os.replace(folder / "root.part", folder / "root")
    if not program.exists():
        raise EmbeddedBrokerError(f"the packages {wanted} hold no mosquitto; {_HOW_TO_INSTALL}")
    return program


def _missing_packages() -> list[str]:
    plan = _apt(["apt-get", "install", "--simulate", "--no-install-recommends", "mosquitto"])
    return [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")] or ["mosquitto"]


def _apt(command: list[str], cwd: Path | None = None) -> str:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, cwd=cwd, env=env, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise EmbeddedBrokerError(
            f"mosquitto, the MQTT broker, is not installed and {' '.join(command[:2])} failed: {done.stderr.strip()[-600:]}\n"
            f"As root: apt-get update && apt-get install mosquitto"
        )
    return done.stdout


def obtain_mosquitto(packages_dir: Path) -> Path:
    """The broker's program: installed, else by apt when root, else unpacked into packages_dir. Raises EmbeddedBrokerError."""
    found = find_mosquitto()
    if found is not None:
        return found
    if os.geteuid() != 0:
        return mosquitto_from_packages(packages_dir)
    if shutil.which("apt-get") is None:
        raise EmbeddedBrokerError("mosquitto, the MQTT broker, is not installed and this system has no apt; install mosquitto 2")
    try:
        _apt(["apt-get", "install", "-y", "-q", "--no-install-recommends", "mosquitto"])
    except EmbeddedBrokerError:  # a machine whose package lists were never fetched
        _apt(["apt-get", "update", "-q"])
        _apt(["apt-get", "install", "-y", "-q", "--no-install-recommends", "mosquitto"])
    found = find_mosquitto()
    if found is None:
        raise EmbeddedBrokerError(f"mosquitto was installed but is not found; {_HOW_TO_INSTALL}")
    return found


class EmbeddedBroker:
    """One broker. `set_accounts` before or while it runs; `start`, `stop`, `kill`, `restart`, `reload`.

    The port stays the same over restarts, sessions and queued messages are kept in data_dir. The broker ends when the
    process that started it ends, however that happens. Raises EmbeddedBrokerError.
    """

    def __init__(self, data_dir: Path, port: int | None = None, *, packages_dir: Path | None = None) -> None:
        self.account = account_for_servers()
        self.data_dir = data_dir
        self.port = port or free_port()
        self.files_dir = data_dir / "files"
        self.log_path = data_dir / "mosquitto.log"
        self._packages_dir = packages_dir or data_dir.parent / "mosquitto-packages"
        self._program: Path | None = None
        self._child = ChildProcess(signal.SIGTERM, self.log_path)
        self._services: tuple[BrokerAccount, ...] = ()
        self._admission: Admission | None = None

    @property
    def owner(self) -> tuple[int, int] | None:
        """Who must be able to read the account files, when that is not us."""
        return None if self.account is None else (self.account.uid, self.account.gid)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""
        return self._child.running

    def url_for(self, username: str, password: str) -> str:
        return f"mqtt://{quote(username, safe='')}:{quote(password, safe='')}@127.0.0.1:{self.port}"

    def set_accounts(self, accounts: Iterable[BrokerAccount]) -> None:
        """Replace all accounts; a running broker takes them over at once."""
        self._prepare_folders()
        if write_broker_files(self.files_dir, accounts, owner=self.owner):
            self.reload()

    def admit_by(self, admission: Admission, services: tuple[BrokerAccount, ...]) -> None:
        """From now on every start lets in the services only, until admission is open and its owner writes the other accounts."""
        self._admission, self._services = admission, services

    def _prepare_folders(self) -> None:
        for folder in (self.data_dir, self.files_dir, self.data_dir / "store"):
            folder.mkdir(parents=True, exist_ok=True)
            if self.owner is not None:
                os.chown(folder, *self.owner)
        if not reachable_by(self.data_dir, self.account):
            raise EmbeddedBrokerError(f"the broker's account cannot reach {self.data_dir}; choose a data directory outside private folders")

    def start(self, wait_s: float = 15.0) -> EmbeddedBroker:
        """Start and wait until it accepts connections."""
        self._program = self._program or obtain_mosquitto(self._packages_dir)
        self._prepare_folders()
        if self._admission is not None:
            with self._admission.lock:
                self._admission.close()
                write_broker_files(self.files_dir, self._services, owner=self.owner)
        for name in (PASSWORD_FILE, ACL_FILE):
            if not (self.files_dir / name).exists():
                write_broker_files(self.files_dir, (), owner=self.owner)
        config = self.data_dir / "mosquitto.conf"
        config.write_text(
            _CONFIG.format(
                port=self.port,
                files=self.files_dir.resolve(),
                passwords=PASSWORD_FILE,
                acl=ACL_FILE,
                store=(self.data_dir / "store").resolve(),
                autosave_s=AUTOSAVE_S,
                inflight_max=INFLIGHT_MAX,
                message_bytes_max=MESSAGE_BYTES_MAX,
            ),
            encoding="utf-8",
        )
        config.chmod(0o644)
        env = dict(os.environ)
        if self._program.is_relative_to(self._packages_dir):
            libs = sorted({str(p.parent) for p in (self._packages_dir / "root").rglob("lib*.so.*")})
            env["LD_LIBRARY_PATH"] = os.pathsep.join(libs)
        command = [str(self._program), "-c", str(config.resolve())]
        self._child.launch(command, env, dies_with_parent(self._child.stop_signal, self.account))
        deadline = time.monotonic() + wait_s
        while True:
            if not self._child.running:
                raise EmbeddedBrokerError(f"mosquitto ended at start: {self._child.log_tail()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError as exc:
                if time.monotonic() > deadline:
                    self.kill()
                    raise EmbeddedBrokerError(f"mosquitto did not answer within {wait_s:g} s: {self._child.log_tail()}") from exc
                time.sleep(0.02)

    def reload(self) -> None:
        """Read the account files again; clients whose credential is gone are dropped."""
        self._child.send(signal.SIGHUP)

    def stop(self, wait_s: float = 30.0) -> None:
        """Write the sessions to disk and end; kills when that takes longer than wait_s."""
        self._child.stop(wait_s)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._child.kill()

    def restart(self) -> EmbeddedBroker:
        """Stop and start on the same port."""
        self.stop()
        return self.start()

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
