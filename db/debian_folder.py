"""A folder with a small Debian that has PostgreSQL and TimescaleDB, made by debootstrap on first use and kept in a cache.

Safe to interrupt at any moment and to ask for from several runs at once: it is made under another name, under a lock that
the programs which make it inherit, and renamed when it is whole.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from db.child import dies_with_parent

NAME = "trixie-timescale"
SUITE = "trixie"
PACKAGES = "postgresql-17,postgresql-17-timescaledb"
MAKE_LIMIT_S = 1800.0


class NoDebianFolder(Exception):
    """The folder could not be made; the message says why."""


def is_whole(root: Path) -> bool:
    return (root / "usr/lib/postgresql/17/lib/timescaledb.so").exists()


def debootstrap() -> str | None:
    """The program; sbin is not on every PATH."""
    return shutil.which("debootstrap") or shutil.which("debootstrap", path="/usr/sbin:/usr/local/sbin")


def debian_folder(cache: Path) -> Path:
    """The folder, made now if need be (one to three minutes, 700 MB; only as root). Raises NoDebianFolder."""
    root = cache / NAME
    if is_whole(root):
        return root
    program = debootstrap()
    if program is None:
        raise NoDebianFolder("debootstrap is not installed")
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    with _lock(cache / f"{NAME}.lock") as lock_fd:
        if is_whole(root):  # another run made it while we waited
            return root
        part = cache / f"{NAME}.part"
        for leftover in (root, part):
            remove(leftover)
        _make(program, part, cache / f"{NAME}.log", lock_fd)
        for archive in (part / "var/cache/apt/archives").glob("*.deb"):
            archive.unlink()
        part.rename(root)
    return root


@contextmanager
def _lock(path: Path) -> Iterator[int]:
    """Held by this process and by every process that inherits the descriptor, so also by what a killed run left working."""
    with path.open("a") as file:
        deadline = time.monotonic() + MAKE_LIMIT_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise NoDebianFolder(f"another run has held {path} for {MAKE_LIMIT_S:g} s") from None
                time.sleep(0.2)
        high = fcntl.fcntl(file, fcntl.F_DUPFD, 100)  # shell scripts use the low numbers themselves
        try:
            yield high
        finally:
            os.close(high)


def _make(program: str, part: Path, log: Path, lock_fd: int) -> None:
    command = [program, "--variant=minbase", f"--include={PACKAGES}", SUITE, str(part)]
    with log.open("wb") as out:
        made = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=dies_with_parent(signal.SIGTERM), pass_fds=(lock_fd,)
        )
        try:
            code = made.wait(MAKE_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise NoDebianFolder(f"debootstrap took more than {MAKE_LIMIT_S:g} s: {log}") from None
        finally:
            if made.poll() is None:
                os.killpg(made.pid, signal.SIGKILL)
                made.wait()
    if code != 0 or not is_whole(part):
        raise NoDebianFolder(f"debootstrap failed: {log.read_text(errors='replace')[-800:]}")


def mounts_under(folder: Path) -> list[Path]:
    """Deepest first. debootstrap mounts proc and sys inside while it works; a killed one leaves them."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return sorted((p for p in points if p.is_relative_to(folder.resolve())), key=lambda p: len(p.parts), reverse=True)


def remove(folder: Path) -> None:
    """With what is mounted inside it let go first. Raises NoDebianFolder."""
    if not folder.exists():
        return
    for point in mounts_under(folder):
        subprocess.run(["umount", "--lazy", str(point)], capture_output=True)
    if left := mounts_under(folder):
        raise NoDebianFolder(f"{left[0]} is mounted and cannot be unmounted")
    shutil.rmtree(folder)
