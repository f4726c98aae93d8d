"""A server as our child: its account, its port, and that it ends when we end or when it is told to."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class RunAs:
    """The account under which a server process runs."""

    uid: int
    gid: int


def account_for_servers() -> RunAs | None:
    """None when we are not root (run as ourselves); else the unprivileged account for servers."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return RunAs(entry.pw_uid, entry.pw_gid)
    return RunAs(65534, 65534)


def reachable_by(path: Path, account: RunAs | None) -> bool:
    """Whether account may enter every folder down to path."""
    if account is None:
        return True
    for folder in (path.resolve(), *path.resolve().parents):
        info = folder.stat()
        bit = 0o100 if info.st_uid == account.uid else 0o010 if info.st_gid == account.gid else 0o001
        if folder.is_dir() and not info.st_mode & bit:
            return False
    return True


def free_port() -> int:
    """A loopback TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def dies_with_parent(sig: signal.Signals, account: RunAs | None = None) -> Callable[[], None]:
    """A preexec_fn: drop to account, lead a session of its own, and get sig from the kernel when the starting thread ends.

    "Thread", as the kernel counts parents: start long-lived servers from a thread that lives as long as they should.
    """
    parent = os.getpid()

    def prepare() -> None:
        os.setsid()
        if account is not None:
            os.setgroups([])
            os.setgid(account.gid)
            os.setuid(account.uid)
        _libc.prctl(_PR_SET_PDEATHSIG, sig)
        if os.getppid() != parent:  # it ended before we could ask
            os._exit(1)

    return prepare


class ChildProcess:
    """One server process, started again and again over its life. stop_signal: what it takes as a request to end in order."""

    def __init__(self, stop_signal: signal.Signals, log_path: Path) -> None:
        self.stop_signal = stop_signal
        self.log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """Of the last start, until it is stopped."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process that we started lives."""
        return self._process is not None and self._process.poll() is None

    def launch(self, command: Sequence[str], env: Mapping[str, str], prepare: Callable[[], None]) -> None:
        """Start it with its output going to the log. prepare: as subprocess's preexec_fn, see dies_with_parent. Raises OSError."""
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=env, preexec_fn=prepare
            )

    def log_tail(self, bytes_max: int = 2000) -> str:
        """The end of what it wrote since its last start."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read()[-bytes_max:].decode(errors="replace")

    def send(self, sig: signal.Signals) -> None:
        """Nothing happens when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sig)

    def stop(self, wait_s: float) -> None:
        """In order; with SIGKILL when that takes longer than wait_s."""
        if self._process is None:
            return
        self.send(self.stop_signal)
        try:
            self._process.wait(wait_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
