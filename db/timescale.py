"""Where tests and benchmarks find a TimescaleDB, in this order: a given URL, a server on this machine that offers the extension, a Debian
trixie folder under chroot (as root), a container engine. None: NoTimescale says what was tried.
"""

from __future__ import annotations

import fcntl
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

from db.embedded import EmbeddedPostgres, RunAs, dies_with_parent, free_port

CACHE = Path("/var/cache/chuantou")
ROOT_NAME = "trixie-timescale"
PACKAGES = "postgresql-17,postgresql-17-timescaledb"
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
        self._inside = f"/var/lib/chuantou-test/{secrets.token_hex(6)}"
        super().__init__(root / self._inside.lstrip("/") / "pg", fsync=fsync, bin_dir=Path("/usr/lib/postgresql/17/bin"))
        for line in (root / "etc/passwd").read_text().splitlines():
            if line.startswith("postgres:"):
                uid, gid = line.split(":")[2:4]
                self.account = RunAs(int(uid), int(gid))

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


def _debian_folder(cache: Path) -> Path:
    """The cached folder, made on first use (a minute, 700 MB). Raises NoTimescale."""
    root = cache / ROOT_NAME
    if (root / "usr/lib/postgresql/17/lib/timescaledb.so").exists():
        return root
    program = shutil.which("debootstrap") or ("/usr/sbin/debootstrap" if Path("/usr/sbin/debootstrap").exists() else None)
    if program is None:
        raise NoTimescale("debootstrap is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{ROOT_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        part = cache / f"{ROOT_NAME}.part"
        shutil.rmtree(part, ignore_errors=True)
        done = subprocess.run([program, "--variant=minbase", f"--include={PACKAGES}", "trixie", str(part)], capture_output=True, text=True)
        if done.returncode != 0:
            raise NoTimescale(f"debootstrap failed: {(done.stdout + done.stderr)[-800:]}")
        for archive in (part / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        part.rename(root)
    return root


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
            root = _debian_folder(cache)
        except NoTimescale as exc:
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
