"""Child processes of one stack: started with their settings, started again when they die, stopped in order."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from db.child import dies_with_parent

log = logging.getLogger(__name__)

EXIT_MISCONFIGURED = 2
RESTART_PAUSE_S = 0.5
RESTART_PAUSE_S_MAX = 10.0
STEADY_S = 20.0  # a role that lived this long starts over with the short pause


class StackFailed(Exception):
    """A part cannot run; the message ends with its log."""


@dataclass(frozen=True)
class Role:
    """One child process. once: it is meant to end by itself and is not started again."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    once: bool = False


@dataclass
class _Running:
    role: Role
    process: subprocess.Popen[bytes]
    started_at: float
    pause_s: float = RESTART_PAUSE_S
    restart_at: float | None = None
    restarts: int = 0


@dataclass
class Supervisor:
    """Call everything from one thread that lives as long as the children should: the kernel ends them with it.

    log_dir: one file per role. lock_fd: handed to the guardian, which keeps it until every child is gone.
    """

    log_dir: Path
    lock_fd: int | None = None
    _running: dict[str, _Running] = field(default_factory=dict)
    _guardian: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Start the guardian. Call before the first child."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        with (self.log_dir / "guardian.log").open("ab") as out:
            self._guardian = subprocess.Popen(
                [sys.executable, "-m", "simulators.embedded.guardian"],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=out,
                cwd=Path(__file__).resolve().parents[2],
                start_new_session=True,
                pass_fds=() if self.lock_fd is None else (self.lock_fd,),
            )

    def guard(self, pid: int | None) -> None:
        """Have the guardian watch a server that was started elsewhere."""
        if pid is not None:
            self._tell(f"watch {pid}")

    def forget(self, pid: int | None) -> None:
        if pid is not None:
            self._tell(f"forget {pid}")

    def _tell(self, line: str) -> None:
        if self._guardian is not None and self._guardian.stdin is not None:
            try:
                self._guardian.stdin.write(f"{line}\n".encode())
                self._guardian.stdin.flush()
            except BrokenPipeError:
                log.warning("the guardian is gone", extra={"event": "guardian_gone"})

    def start(self, role: Role) -> None:
        """Start a role under supervision."""
        self._running[role.name] = _Running(role, self._launch(role), time.monotonic())

    def _launch(self, role: Role) -> subprocess.Popen[bytes]:
        with (self.log_dir / f"{role.name}.log").open("ab") as out:
            process = subprocess.Popen(
                role.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=dict(role.env),
                cwd=Path(__file__).resolve().parents[2],
                preexec_fn=dies_with_parent(signal.SIGTERM),
            )
        self.guard(process.pid)
        return process

    def tick(self) -> list[str]:
        """Start what died again, after a pause that grows while it keeps dying. Returns the names started again.

        Raises StackFailed when a role says that it is misconfigured.
        """
        again: list[str] = []
        now = time.monotonic()
        for name, running in self._running.items():
            code = running.process.poll()
            if code is None:
                continue
            if running.restart_at is None:
                self.forget(running.process.pid)
                if running.role.once and code == 0:
                    continue
                if code == EXIT_MISCONFIGURED or running.role.once:
                    raise StackFailed(f"{name} ended with exit code {code}:\n{self.log_tail(name)}")
                log.warning("a role ended", extra={"event": "role_ended", "role": name, "code": code})
                if now - running.started_at > STEADY_S:
                    running.pause_s = RESTART_PAUSE_S
                running.restart_at = now + running.pause_s
                running.pause_s = min(running.pause_s * 2, RESTART_PAUSE_S_MAX)
            elif now >= running.restart_at:
                running.process = self._launch(running.role)
                running.started_at, running.restart_at = now, None
                running.restarts += 1
                again.append(name)
        return again

    def pid(self, name: str) -> int | None:
        """The present process of a role; None when it is not running."""
        running = self._running.get(name)
        return running.process.pid if running is not None and running.process.poll() is None else None

    def exit_code(self, name: str) -> int | None:
        """The exit code of a role that ended; None while it runs."""
        return self._running[name].process.poll()

    def restarts(self, name: str) -> int:
        return self._running[name].restarts

    @property
    def names(self) -> list[str]:
        return list(self._running)

    def log_tail(self, name: str, characters: int = 2000) -> str:
        path = self.log_dir / f"{name}.log"
        return path.read_text(errors="replace")[-characters:] if path.exists() else ""

    def stop(self, names: Sequence[str], wait_s: float = 15.0) -> None:
        """SIGTERM to all of names at once, SIGKILL to those that are still there after wait_s."""
        ending = [self._running.pop(name) for name in names if name in self._running]
        for running in ending:
            if running.process.poll() is None:
                running.process.terminate()
        deadline = time.monotonic() + wait_s
        for running in ending:
            try:
                running.process.wait(max(0.05, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("a role did not end in time", extra={"event": "role_killed", "role": running.role.name})
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(running.process.pid, signal.SIGKILL)
                running.process.wait()

    def close(self) -> None:
        """Stop what is left and let the guardian go."""
        self.stop(self.names)
        if self._guardian is not None:
            assert self._guardian.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._guardian.stdin.close()
            self._guardian.wait(30)
            self._guardian = None
