"""Where tests and benchmarks find a TimescaleDB, in this order: a given URL, a server on this machine that offers the extension, a Debian
trixie folder under chroot (as root), a container engine. None: NoTimescale says what was tried.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from db.child import RunAs, dies_with_parent, free_port
from db.debian_folder import NoDebianFolder, debian_folder
from db.embedded import EmbeddedPostgres

CACHE = Path("/var/cache/chuantou")
IMAGE = "timescale/timescaledb:latest-pg17"
TIMESCALE_SETTINGS = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",  # its schedulers would sit in databases that tests clone
}


class NoTimescale(Exception):
    """No TimescaleDB to be had here; the message says what was tried."""


class GivenServer:
    """A server that we did not start: the two URLs that the fixtures need."""

    def __init__(self, url: str) -> None:
        self.admin_url = url
        self.url = url.split("?", 1)[0].rsplit("/", 1)[0] + "/chuantou"


class LocalPostgres(EmbeddedPostgres):
    """A server of our own from an installed PostgreSQL that offers TimescaleDB."""

    def _settings(self) -> dict[str, str]:
        return {**super()._settings(), **TIMESCALE_SETTINGS}


class ChrootPostgres(LocalPostgres):
    """A server inside a Debian folder. Needs root to enter it; runs as the folder's own postgres user; no /proc needed."""

    def __init__(self, root: Path, *, fsync: bool = False) -> None:
        self.root = root
        self._inside = f"/var/lib/chuantou-test/{os.getpid()}-{secrets.token_hex(6)}"
        self._sweep()
        super().__init__(root / self._inside.lstrip("/") / "pg", fsync=fsync, bin_dir=Path("/usr/lib/postgresql/17/bin"))
        for line in (root / "etc/passwd").read_text().splitlines():
            if line.startswith("postgres:"):
                uid, gid = line.split(":")[2:4]
                self.account = RunAs(int(uid), int(gid))

    def _sweep(self) -> None:
        """Remove the data of runs that were killed."""
        for folder in (self.root / "var/lib/chuantou-test").glob("*-*"):
            if not Path("/proc", folder.name.split("-")[0]).exists():
                shutil.rmtree(folder, ignore_errors=True)

    def _data_argument(self) -> str:
        return f"{self._inside}/pg"

    def _prepare(self) -> None:
        if (self.data_dir / "PG_VERSION").exists():
            return
        self.data_dir.mkdir(parents=True)
        self.data_dir.chmod(0o700)
        self._give_to_account(self.data_dir)
        self._run("initdb", "-D", self._data_argument(), "-U", "chuantou", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        self.log_path.touch()

    def _settings(self) -> dict[str, str]:
        return {**super()._settings(), "dynamic_shared_memory_type": "mmap"}  # the folder has no shared memory of its own

    def _preexec(self, sig: signal.Signals) -> Callable[[], None]:
        become = dies_with_parent(sig, self.account)

        def prepare() -> None:
            os.chroot(self.root)
            os.chdir("/")
            become()

        return prepare

    def stop(self, wait_s: float = 30.0) -> None:
        super().stop(wait_s)
        shutil.rmtree(self.data_dir.parent, ignore_errors=True)


def _local_bin_dirs() -> list[Path]:
    libraries = Path("/usr/lib/postgresql").glob("*/lib/timescaledb.so")
    return [path.parent.parent / "bin" for path in sorted(libraries, reverse=True) if (path.parent.parent / "bin/initdb").exists()]


@contextmanager
def _container(engine: str, image: str) -> Iterator[GivenServer]:
    port, name = free_port(), f"chuantou-test-{secrets.token_hex(6)}"
    command = [engine, "run", "--rm", "-d", "--name", name, "-p", f"127.0.0.1:{port}:5432", "-e", "POSTGRES_HOST_AUTH_METHOD=trust", image]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise NoTimescale(f"{engine}: {done.stderr.strip()[-400:]}")
    try:
        server = GivenServer(f"postgresql://postgres@127.0.0.1:{port}/postgres")
        deadline = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(server.admin_url, connect_timeout=2).close()
                break
            except psycopg.OperationalError as exc:
                if time.monotonic() > deadline:
                    raise NoTimescale("the container did not answer within 60 s") from exc
                time.sleep(0.2)
        yield server
    finally:
        subprocess.run([engine, "rm", "-f", name], capture_output=True)


@contextmanager
def timescale_server(
    folder: Path, *, fsync: bool = False, given_url: str | None = None, cache: Path = CACHE, image: str = IMAGE
) -> Iterator[EmbeddedPostgres | GivenServer]:
    """A running TimescaleDB. folder: for data, reachable by the servers' account; given_url: of a role that may create databases; cache: where
    the Debian folder is kept; image: for the container. Raises NoTimescale.
    """
    if given_url:
        yield GivenServer(given_url)
        return
    for bin_dir in _local_bin_dirs():
        with LocalPostgres(folder / "pg-timescale", fsync=fsync, bin_dir=bin_dir) as local:
            yield local
        return
    tried: list[str] = ["no server is given", "no PostgreSQL here offers timescaledb"]
    if os.geteuid() == 0:
        try:
            root = debian_folder(cache)
        except NoDebianFolder as exc:
            tried.append(str(exc))
        else:
            with ChrootPostgres(root, fsync=fsync) as server:
                yield server
            return
    else:
        tried.append(f"not root ({pwd.getpwuid(os.geteuid()).pw_name}), so no Debian folder under chroot")
    for engine in ("docker", "podman"):
        if shutil.which(engine) is None:
            continue
        try:
            container = _container(engine, image)
            running = container.__enter__()
        except NoTimescale as exc:
            tried.append(str(exc))
            continue
        try:
            yield running
        finally:
            container.__exit__(None, None, None)
        return
    raise NoTimescale("; ".join(tried))


def prepare(*, given_url: str | None = None, cache: Path = CACHE) -> str:
    """Make what takes long before it is needed, where no test's time limit runs. Returns what will be used."""
    if given_url:
        return "the given server"
    if _local_bin_dirs():
        return "a PostgreSQL on this machine that offers it"
    if os.geteuid() == 0:
        try:
            return f"a Debian folder, {debian_folder(cache)}"
        except NoDebianFolder as exc:
            return f"a container engine, or nothing: {exc}"
    return "a container engine, if there is one"
