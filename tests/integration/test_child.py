"""A server as a child process: how it ends, and what is kept of what it said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from db.child import ChildProcess, RunAs, dies_with_parent, reachable_by

READY = "print('ready', flush=True)\n"
OBEDIENT = READY + "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + READY + "time.sleep(600)"


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {limit_s:g} s"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def started(tmp_path: Path, body: str) -> ChildProcess:
    child = ChildProcess(signal.SIGTERM, tmp_path / "log")
    child.launch([sys.executable, "-c", body], os.environ, dies_with_parent(signal.SIGTERM))
    until(lambda: "ready" in child.log_tail())
    return child


@pytest.mark.parametrize(("body", "wait_s"), [(OBEDIENT, 60.0), (DEAF, 0.2)])
def test_a_child_ends_when_it_is_told_to_or_is_killed(tmp_path: Path, body: str, wait_s: float) -> None:
    child = started(tmp_path, body)
    pid = child.pid
    assert pid is not None
    assert child.running
    child.stop(wait_s)
    assert not lives(pid)
    assert (child.running, child.pid) == (False, None)
    child.stop(wait_s)  # once more changes nothing
    child.kill()


def test_a_child_that_ended_by_itself_is_not_running_and_can_be_stopped(tmp_path: Path) -> None:
    child = started(tmp_path, READY)
    until(lambda: not child.running)
    child.send(signal.SIGHUP)
    child.stop(1.0)
    assert child.pid is None


def test_the_log_is_kept_over_starts_and_its_tail_is_of_the_last_start(tmp_path: Path) -> None:
    child = started(tmp_path, "print('first life')\n" + READY)
    child.stop(60.0)
    child = started(tmp_path, "print('second life')\n" + READY)
    assert "first" not in child.log_tail()
    assert child.log_tail(6) == "ready\n"
    assert "first life" in child.log_path.read_text()
    child.stop(60.0)


def test_a_child_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    body = (
        "import os, signal, sys, time; from pathlib import Path; from db.child import ChildProcess, dies_with_parent\n"
        f"child = ChildProcess(signal.SIGTERM, Path({str(tmp_path / 'log')!r}))\n"
        f"child.launch([sys.executable, '-c', {OBEDIENT!r}], os.environ, dies_with_parent(signal.SIGTERM))\n"
        "while 'ready' not in child.log_tail(): time.sleep(0.01)\n"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen([sys.executable, "-c", body], cwd=root, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert lives(pid)
        parent.kill()
    until(lambda: not lives(pid))


def test_a_private_folder_is_not_reachable_by_another_account(tmp_path: Path) -> None:
    inner = tmp_path / "private" / "data"
    inner.mkdir(parents=True)
    other = RunAs(os.getuid() + 4242, os.getgid() + 4242)
    (tmp_path / "private").chmod(0o700)
    assert reachable_by(inner, None)
    assert not reachable_by(inner, other)
